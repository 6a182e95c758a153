//! Scheduled runs over folders where files come, grow, rotate and are compressed.

use super::*;

#[test]
fn every_run_reads_what_is_new() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "*.log" });
        let position = next_run(folder.path(), &given, None, &[]).await;
        append(&folder, "b.log", "b1\nb2\n");
        append(&folder, "c.log", "c1\n");
        let position = next_run(folder.path(), &given, Some(position), &["b1", "b2", "c1"]).await;
        let position = next_run(folder.path(), &given, Some(position), &[]).await;
        // New files, also one that sorts earlier, and lines appended to a file that was read.
        append(&folder, "a.log", "a1\n");
        append(&folder, "d.log", "d1\n");
        append(&folder, "b.log", "b3\n");
        let position = next_run(folder.path(), &given, Some(position), &["a1", "b3", "d1"]).await;
        // Files that were processed are taken away, and put back.
        let kept = std::fs::read(folder.path().join("c.log")).expect("reads");
        std::fs::remove_file(folder.path().join("c.log")).expect("removes");
        let position = next_run(folder.path(), &given, Some(position), &[]).await;
        std::fs::write(folder.path().join("c.log"), kept).expect("writes");
        let position = next_run(folder.path(), &given, Some(position), &[]).await;
        // A new file with the very content of one that was read, and an empty one that is filled later.
        append(&folder, "e.log", "d1\n");
        append(&folder, "f.log", "");
        let position = next_run(folder.path(), &given, Some(position), &["d1"]).await;
        append(&folder, "f.log", "f1\n");
        let position = next_run(folder.path(), &given, Some(position), &["f1"]).await;
        // Every file in turn is the one that grows.
        let mut position = position;
        for name in ["a", "b", "c", "d", "e", "f"] {
            append(&folder, &format!("{name}.log"), "more\n");
            position = next_run(folder.path(), &given, Some(position), &["more"]).await;
        }
    });
}

#[test]
fn logs_that_rotate_are_read_once() {
    run(async {
        for by_copy in [false, true] {
            let folder = tempfile::tempdir().expect("folder");
            let given = json!({ "path": "app.log*", "format": "text" });
            append(&folder, "app.log", "1\n2\n");
            let mut position = next_run(folder.path(), &given, None, &["1", "2"]).await;
            append(&folder, "app.log", "3\n");
            for number in [2, 1] {
                let named = |number: u32| folder.path().join(format!("app.log.{number}"));
                if named(number).exists() {
                    std::fs::rename(named(number), named(number + 1)).expect("renames");
                }
            }
            let log = folder.path().join("app.log");
            if by_copy {
                std::fs::copy(&log, folder.path().join("app.log.1")).expect("copies");
                std::fs::write(&log, "4\n").expect("writes");
            } else {
                std::fs::rename(&log, folder.path().join("app.log.1")).expect("renames");
                append(&folder, "app.log", "4\n");
            }
            position = next_run(folder.path(), &given, Some(position), &["4", "3"]).await;
            std::fs::rename(folder.path().join("app.log.1"), folder.path().join("app.log.2")).expect("renames");
            std::fs::rename(&log, folder.path().join("app.log.1")).expect("renames");
            append(&folder, "app.log", "5\n");
            position = next_run(folder.path(), &given, Some(position), &["5"]).await;
            next_run(folder.path(), &given, Some(position), &[]).await;
        }
    });
}

#[test]
fn a_run_that_is_stopped_between_rotated_files_goes_on_with_the_rest() {
    run(async {
        for by_copy in [false, true] {
            let folder = tempfile::tempdir().expect("folder");
            let given = json!({ "path": "app.log*", "format": "text" });
            append(&folder, "app.log", "1\n2\n");
            append(&folder, "app.log.1", "0\n");
            let position = next_run(folder.path(), &given, None, &["1", "2", "0"]).await;
            append(&folder, "app.log", "3\n");
            let [log, first, second] = ["app.log", "app.log.1", "app.log.2"].map(|name| folder.path().join(name));
            std::fs::rename(&first, &second).expect("renames");
            if by_copy {
                std::fs::copy(&log, &first).expect("copies");
                std::fs::write(&log, "4\n").expect("writes");
            } else {
                std::fs::rename(&log, &first).expect("renames");
                append(&folder, "app.log", "4\n");
            }
            let all = read(folder.path(), given.clone(), vec![position]).await.expect("reads");
            assert_eq!(all.records, ["4", "3"]);
            for (count, position) in all.positions {
                let rest = read(folder.path(), given.clone(), vec![position]).await.expect("resumes");
                assert_eq!(rest.records, all.records[count..], "copied: {by_copy}, after {count}");
                next_run(folder.path(), &given, Some(rest.last), &[]).await;
            }
        }
    });
}

#[test]
fn logs_that_are_compressed_after_a_rotation_are_read_once() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "app.log*", "format": "text" });
        let [log, first, second] = ["app.log", "app.log.1", "app.log.2.gz"].map(|name| folder.path().join(name));
        append(&folder, "app.log", "1\n2\n");
        let position = next_run(folder.path(), &given, None, &["1", "2"]).await;
        append(&folder, "app.log", "3\n");
        std::fs::rename(&log, &first).expect("renames");
        append(&folder, "app.log", "4\n");
        let position = next_run(folder.path(), &given, Some(position), &["4", "3"]).await;
        // As logrotate does with `delaycompress`: what grew since has not been read yet.
        append(&folder, "app.log.1", "3b\n");
        let text = std::fs::read(&first).expect("reads");
        std::fs::write(&second, Compression::Gzip.compress(&text).expect("compresses")).expect("writes");
        std::fs::rename(&log, &first).expect("renames");
        append(&folder, "app.log", "5\n");
        let position = next_run(folder.path(), &given, Some(position), &["5", "3b"]).await;
        let position = next_run(folder.path(), &given, Some(position), &[]).await;
        // One that holds something else is another one.
        std::fs::write(folder.path().join("app.log.3.gz"), Compression::Gzip.compress(b"0\n2\n").expect("compresses"))
            .expect("writes");
        next_run(folder.path(), &given, Some(position), &["0", "2"]).await;
    });
}

#[test]
fn a_file_that_is_read_in_part_is_recognized_after_several_rotations() {
    run(async {
        // By renaming what is compressed.
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "app.log*", "format": "text" });
        let lines: Vec<String> = (0..60_000).map(|line| format!("{line:0>60}")).collect();
        let bytes = Compression::Gzip.compress((lines.join("\n") + "\n").as_bytes()).expect("compresses");
        std::fs::write(folder.path().join("app.log.1.gz"), bytes).expect("writes");
        let all = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
        let (count, half) = all.positions[all.positions.len() / 2].clone();
        assert!(count > 0 && count < lines.len());
        std::fs::rename(folder.path().join("app.log.1.gz"), folder.path().join("app.log.2.gz")).expect("renames");
        let rest = read(folder.path(), given.clone(), vec![half]).await.expect("resumes");
        assert!(rest.records == lines[count..], "{} instead of {}", rest.records.len(), lines.len() - count);
        // By copying, with a run that is stopped after each.
        let folder = tempfile::tempdir().expect("folder");
        let [log, first, second] = ["app.log", "app.log.1", "app.log.2"].map(|name| folder.path().join(name));
        append(&folder, "app.log", "a1\na2\n");
        let mut position = next_run(folder.path(), &given, None, &["a1", "a2"]).await;
        for text in ["b1\n", "c1\n"] {
            if first.exists() {
                std::fs::rename(&first, &second).expect("renames");
            }
            std::fs::copy(&log, &first).expect("copies");
            std::fs::write(&log, text).expect("writes");
            let run = read(folder.path(), given.clone(), vec![position]).await.expect("reads");
            // Stopped after the first file.
            let stopped = run.positions.iter().find(|(count, _)| *count == 1).expect("a position");
            assert_eq!(run.records[0], text.trim());
            position = stopped.1.clone();
        }
        next_run(folder.path(), &given, Some(position), &[]).await;
    });
}
