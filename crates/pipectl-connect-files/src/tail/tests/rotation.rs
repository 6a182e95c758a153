//! Logs that are rotated by renaming, or by copying and truncating, while they are followed and between runs.

use super::*;

/// Sets when a file was last written, in seconds since 1970.
fn age(path: &FilePath, seconds: u64) {
    let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(at)).expect("a time");
}

#[test]
fn a_rotated_file_is_read_to_its_end_before_the_new_one() {
    run(async |folder| {
        let (log, old) = (folder.join("a.log"), folder.join("a.log.1"));
        append(&log, "1\n2\nhal");
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1", "2"]);
        std::fs::rename(&log, &old).expect("renames");
        append(&log, "5\n");
        // The writer has not noticed yet.
        append(&old, "f\n4\n");
        assert_eq!(drain(&mut reader).await, ["half", "4", "5"]);
        append(&old, "late");
        append(&log, "6\n");
        assert_eq!(drain(&mut reader).await, ["6"]);
        reader.host.sleep(std::time::Duration::from_secs(31)).await;
        assert_eq!(drain(&mut reader).await, ["late"], "its last line counts once nobody writes it on");
        reader.host.sleep(std::time::Duration::from_secs(31)).await;
        drain(&mut reader).await;
        assert_eq!(reader.delivered.files.len(), 1, "and then it is let go");
        assert_eq!(reader.position()["record"], 7);
    });
}

#[test]
fn several_rotated_files_are_read_by_age() {
    run(async |folder| {
        let named = |name: &str| folder.join(name);
        let age = |name: &str, seconds: u64| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - seconds);
            let file = std::fs::File::options().write(true).open(named(name)).expect("opens");
            file.set_modified(time).expect("a time");
        };
        append(&named("a.log"), "3\n");
        append(&named("a.log.1"), "2\n");
        append(&named("a.log.2"), "1\n");
        age("a.log", 1);
        age("a.log.1", 2);
        age("a.log.2", 3);
        let given = json!({ "path": "a.log*" });
        let mut reader = open(folder, given.clone(), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1", "2", "3"]);
        let position = reader.position();
        append(&named("a.log"), "4\n");
        age("a.log", 2);
        for (from, to) in [("a.log.1", "a.log.3"), ("a.log", "a.log.2")] {
            std::fs::rename(named(from), named(to)).expect("renames");
        }
        append(&named("a.log.1"), "5\n");
        age("a.log.1", 1);
        append(&named("a.log"), "6\n");
        let mut reader = open(folder, given, vec![position]);
        assert_eq!(drain(&mut reader).await, ["4", "5", "6"]);
    });
}

#[test]
fn truncation_starts_anew_and_the_copy_gives_the_rest() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, "1\n2\n");
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1", "2"]);
        // Truncated without a copy.
        std::fs::write(&log, "3\n").expect("writes");
        assert_eq!(drain(&mut reader).await, ["3"]);
        // Same length, other content.
        std::fs::write(&log, "4\n").expect("writes");
        assert_eq!(drain(&mut reader).await, ["4"]);
        // Copied and truncated, with lines that were not read yet, and grown beyond the old length at once.
        append(&log, "5\n6\n");
        std::fs::copy(&log, folder.join("a.log.1")).expect("copies");
        std::fs::write(&log, "7\n8\n9\n10\n").expect("writes");
        assert_eq!(drain(&mut reader).await, ["5", "6", "7", "8", "9", "10"]);
        // Once more, over the copy of before.
        append(&log, "11\n");
        std::fs::copy(&log, folder.join("a.log.1")).expect("copies");
        std::fs::write(&log, "12\n").expect("writes");
        assert_eq!(drain(&mut reader).await, ["11", "12"]);
    });
}

#[test]
fn a_file_that_was_rewritten_with_the_same_beginning_is_read_anew() {
    run(async |folder| {
        let log = folder.join("a.log");
        let banner = "# the same banner at each start\n".repeat(60);
        let content = |run: u32, count: usize| {
            let events =
                (0..count).map(|number| format!("run {run} event {number} {}\n", "x".repeat(run as usize * 10)));
            banner.clone() + &events.collect::<String>()
        };
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let mut written = content(1, 20);
        append(&log, &written);
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, lines(&written));
        for (run, restarts) in [(2, false), (3, true), (4, false), (5, true)] {
            written = content(run, 40 + run as usize);
            std::fs::write(&log, &written).expect("writes");
            if restarts {
                reader = open(folder, json!({}), vec![reader.position()]);
            }
            assert_eq!(drain(&mut reader).await, lines(&written), "run {run}");
        }
        // What is the same up to the place is taken for the same file.
        std::fs::write(&log, written + "more\n").expect("writes");
        assert_eq!(drain(&mut reader).await, ["more"]);
    });
}

#[test]
fn a_restart_finds_files_that_moved_meanwhile() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, "1\n2\n");
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1", "2"]);
        let position = reader.position();
        drop(reader);
        append(&log, "3\n");
        // By renaming…
        std::fs::rename(&log, folder.join("a.log-20260131")).expect("renames");
        append(&log, "4\n");
        let mut reader = open(folder, json!({}), vec![position.clone()]);
        assert_eq!(drain(&mut reader).await, ["3", "4"]);
        // …by copying and truncating, seen only after a restart…
        let position = reader.position();
        append(&log, "5\n");
        std::fs::copy(&log, folder.join("a.log.1")).expect("copies");
        std::fs::write(&log, "6\n").expect("writes");
        let mut reader = open(folder, json!({}), vec![position]);
        assert_eq!(drain(&mut reader).await, ["5", "6"]);
        // …and gone for good: what is there is read.
        let position = reader.position();
        for name in ["a.log", "a.log.1", "a.log-20260131"] {
            std::fs::remove_file(folder.join(name)).expect("removes");
        }
        append(&folder.join("a.log.2.gz"), "compressed\n");
        append(&log, "7\n");
        let mut reader = open(folder, json!({}), vec![position]);
        assert_eq!(drain(&mut reader).await, ["7"]);
    });
}

#[test]
fn a_restart_reads_what_was_rotated_more_than_once() {
    run(async |folder| {
        let [log, first, second] = ["a.log", "a.log.1", "a.log.2"].map(|name| folder.join(name));
        append(&log, "1\n");
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1"]);
        let position = reader.position();
        drop(reader);
        append(&log, "2\n");
        std::fs::rename(&log, &second).expect("renames");
        age(&second, 1_790_000_000);
        append(&log, "3\n");
        std::fs::rename(&log, &first).expect("renames");
        age(&first, 1_790_086_400);
        append(&log, "4\n");
        // Not of this log, although its name begins so.
        append(&folder.join("a.log.bak"), "old\n");
        let mut reader = open(folder, json!({}), vec![position]);
        assert_eq!(drain(&mut reader).await, ["2", "3", "4"]);
        let mut again = open(folder, json!({}), vec![reader.position()]);
        assert!(drain(&mut again).await.is_empty());
    });
}

#[test]
fn two_rotations_between_two_scans_lose_nothing() {
    run(async |folder| {
        let [log, first, second] = ["a.log", "a.log.1", "a.log.2"].map(|name| folder.join(name));
        // Rotated before: it is older than what is followed, and not new.
        append(&folder.join("a.log.3"), "0\n");
        append(&log, "1\n");
        age(&folder.join("a.log.3"), 1_780_000_000);
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1"]);
        append(&log, "2\n");
        std::fs::rename(&log, &second).expect("renames");
        age(&second, 1_790_000_000);
        append(&log, "3\n");
        std::fs::rename(&log, &first).expect("renames");
        age(&first, 1_790_086_400);
        append(&log, "4\n");
        assert_eq!(drain(&mut reader).await, ["2", "3", "4"]);
    });
}

#[test]
fn a_generation_between_two_truncations_is_not_lost() {
    run(async |folder| {
        let [log, first, second] = ["a.log", "a.log.1", "a.log.2"].map(|name| folder.join(name));
        append(&log, "z1\n");
        std::fs::write(&second, "old\n").expect("writes");
        std::fs::write(&log, "").expect("writes");
        age(&second, 1_780_000_000);
        age(&log, 1_790_000_000);
        let mut reader = open(folder, json!({ "path": "a.log" }), Vec::new());
        assert!(drain(&mut reader).await.is_empty());
        let position = reader.position();
        drop(reader);
        append(&log, "a1\na2\n");
        std::fs::copy(&log, &first).expect("copies");
        std::fs::write(&log, "b1\n").expect("writes");
        let mut reader = open(folder, json!({ "path": "a.log" }), vec![position]);
        assert_eq!(drain(&mut reader).await, ["a1", "a2", "b1"]);
    });
}
