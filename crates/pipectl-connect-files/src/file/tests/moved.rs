//! Files that are renamed, moved, compressed or decompressed between two runs.

use std::time::Duration;

use super::*;

fn rename(folder: &tempfile::TempDir, from: &str, to: &str) {
    let to = folder.path().join(to);
    std::fs::create_dir_all(folder_of(&to)).expect("a folder");
    std::fs::rename(folder.path().join(from), to).expect("renames");
}

/// Compressed as the name says.
fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(folder_of(&path)).expect("a folder");
    std::fs::write(&path, Compression::detect(&path).compress(text.as_bytes()).expect("compresses")).expect("writes");
}

/// Many lines, and the position after some of them, of a file with this name.
async fn read_in_part(folder: &tempfile::TempDir, name: &str, given: &Value) -> (Vec<String>, Value) {
    let lines: Vec<String> = (0..60_000).map(|line| format!("{line:0>60}")).collect();
    write(folder, name, &(lines.join("\n") + "\n"));
    let all = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
    let (count, half) = all.positions[all.positions.len() / 2].clone();
    assert!(count > 0 && count < lines.len());
    (lines[count..].to_vec(), half)
}

#[test]
fn a_file_that_moved_and_grew_goes_on() {
    run(async {
        for (pattern, from, to) in [
            ("in/*.txt", "in/orders.txt", "in/processed.txt"),
            ("in/**/*.log*", "in/app.log", "in/old/app.log"),
            ("in/**/*.log*", "in/app.log", "in/archive.log"),
            ("in/**/*.log*", "in/app.log", "in/1.app.log"),
            ("in/*.log.gz", "in/app.log.gz", "in/done.log.gz"),
        ] {
            let folder = tempfile::tempdir().expect("folder");
            let given = json!({ "path": pattern });
            let grow = |name: &str, text: &str| {
                let bytes =
                    Compression::detect(std::path::Path::new(name)).compress(text.as_bytes()).expect("compresses");
                let mut file = std::fs::File::options().append(true).open(folder.path().join(name)).expect("opens");
                file.write_all(&bytes).expect("writes");
            };
            write(&folder, from, "x1\nx2\n");
            let position = next_run(folder.path(), &given, None, &["x1", "x2"]).await;
            rename(&folder, from, to);
            grow(to, "x3\n");
            let position = next_run(folder.path(), &given, Some(position), &["x3"]).await;
            let position = next_run(folder.path(), &given, Some(position), &[]).await;
            // Once more, to the old name and to another one: the newest of its entries counts.
            rename(&folder, to, from);
            grow(from, "x4\n");
            let position = next_run(folder.path(), &given, Some(position), &["x4"]).await;
            let third = to.replace("in/", "in/third-");
            rename(&folder, from, &third.replace("third-old/", "third-"));
            next_run(folder.path(), &given, Some(position), &[]).await;
        }
    });
}

#[test]
fn files_that_swap_names_and_grow_go_on_wherever_a_run_stops() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "*.log" });
        append(&folder, "a.log", "a1\n");
        append(&folder, "b.log", "b1\nb2\n");
        let position = next_run(folder.path(), &given, None, &["a1", "b1", "b2"]).await;
        rename(&folder, "a.log", "kept");
        rename(&folder, "b.log", "a.log");
        rename(&folder, "kept", "b.log");
        append(&folder, "a.log", "b3\n");
        append(&folder, "b.log", "a2\n");
        let all = read(folder.path(), given.clone(), vec![position]).await.expect("reads");
        assert_eq!(all.records, ["b3", "a2"]);
        for (count, position) in all.positions {
            let rest = read(folder.path(), given.clone(), vec![position]).await.expect("resumes");
            assert_eq!(rest.records, all.records[count..], "after {count}");
            next_run(folder.path(), &given, Some(rest.last), &[]).await;
        }
    });
}

#[cfg(unix)]
#[test]
fn a_file_whose_first_link_goes_away_goes_on_at_the_other() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "*.log" });
        append(&folder, "a.log", "x1\n");
        std::fs::hard_link(folder.path().join("a.log"), folder.path().join("b.log")).expect("link");
        let position = next_run(folder.path(), &given, None, &["x1"]).await;
        std::fs::remove_file(folder.path().join("a.log")).expect("removes");
        append(&folder, "b.log", "x2\n");
        next_run(folder.path(), &given, Some(position), &["x2"]).await;
    });
}

#[test]
fn a_file_that_was_read_in_part_goes_on_where_it_is_now() {
    run(async {
        for (from, to, taken) in [
            ("in/2.txt", "in/done/2.txt", false),
            ("in/2.txt", "in/done/2.txt", true),
            ("in/a.txt", "in/a.txt.gz", false),
            ("in/a.txt", "in/a.txt.zst", false),
            ("in/a.txt.gz", "in/a.txt", false),
            ("in/a.txt.gz", "in/a.txt.zst", false),
        ] {
            let folder = tempfile::tempdir().expect("folder");
            let given = json!({ "path": "in/**/*.txt*", "format": "text" });
            let (mut rest, half) = read_in_part(&folder, from, &given).await;
            let text = read(folder.path(), given.clone(), Vec::new()).await.expect("reads").records.join("\n") + "\n";
            if Compression::detect(from.as_ref()) == Compression::detect(to.as_ref()) {
                rename(&folder, from, to);
            } else {
                write(&folder, to, &text);
                std::fs::remove_file(folder.path().join(from)).expect("removes");
            }
            if taken {
                append(&folder, from, "new\n");
                rest.insert(0, "new".to_owned());
            }
            let all = read(folder.path(), given.clone(), vec![half]).await.expect("reads without an error");
            assert!(all.records == rest, "{from} {to}: {} instead of {}", all.records.len(), rest.len());
            for (count, position) in all.positions {
                let again = read(folder.path(), given.clone(), vec![position]).await.expect("resumes");
                assert!(again.records == rest[count..], "{from} {to} after {count}");
            }
            // It was read to its end, so that it may go.
            std::fs::remove_file(folder.path().join(to)).expect("removes");
            next_run(folder.path(), &given, Some(all.last), &[]).await;
        }
    });
}

#[test]
fn a_file_that_was_read_and_decompressed_is_not_read_again() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "a.txt*", "format": "text" });
        write(&folder, "a.txt.gz", "x1\n");
        let position = next_run(folder.path(), &given, None, &["x1"]).await;
        // As long as the compressed one is there, the other is a file of its own.
        write(&folder, "a.txt", "x1\n");
        next_run(folder.path(), &given, Some(position.clone()), &["x1"]).await;
        std::fs::remove_file(folder.path().join("a.txt.gz")).expect("removes");
        append(&folder, "a.txt", "x2\n");
        next_run(folder.path(), &given, Some(position), &["x2"]).await;
    });
}

/// A file system gives the inode of a deleted file to the next new one.
#[test]
fn an_inode_alone_does_not_make_two_files_one() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "*.log" });
        append(&folder, "clock", "");
        let set_time = |name: &str, seconds: i64| {
            let file = std::fs::File::options().append(true).open(folder.path().join(name)).expect("opens");
            let now =
                std::fs::metadata(folder.path().join("clock")).and_then(|clock| clock.modified()).expect("a time");
            let distance = Duration::from_secs(seconds.unsigned_abs());
            file.set_modified(if seconds < 0 { now - distance } else { now + distance }).expect("a time");
        };
        append(&folder, "1.log", "same\n");
        set_time("1.log", -100);
        let position = next_run(folder.path(), &given, None, &["same"]).await;
        // Made after the other was last written: an export of the next day with the same content…
        rename(&folder, "1.log", "2.log");
        set_time("2.log", -50);
        let position = next_run(folder.path(), &given, Some(position), &["same"]).await;
        // …or with another one.
        rename(&folder, "2.log", "3.log");
        std::fs::write(folder.path().join("3.log"), "diff\nmore\n").expect("writes");
        set_time("3.log", 50);
        let position = next_run(folder.path(), &given, Some(position), &["diff", "more"]).await;
        // Made before: it was renamed and touched.
        if std::fs::metadata(folder.path().join("3.log")).and_then(|metadata| metadata.created()).is_ok() {
            rename(&folder, "3.log", "4.log");
            set_time("4.log", 100);
            next_run(folder.path(), &given, Some(position), &[]).await;
        }
    });
}
