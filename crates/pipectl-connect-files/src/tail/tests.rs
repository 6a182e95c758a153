mod rotation;
mod shapes;

use std::{io::Write as _, path::Path as FilePath};

use pipectl_data::Schema;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn options(mut given: Value) -> TailOptions {
    if let Some(given) = given.as_object_mut().filter(|given| !given.contains_key("path")) {
        given.entry("path").or_insert(json!("*.log"));
    }
    serde_json::from_value(given).expect("options")
}

fn open(directory: &FilePath, given: Value, positions: Vec<Value>) -> Reader {
    let context = SourceContext {
        host: Host::simulated(1, 1_000_000_000),
        pipeline: "p".to_owned(),
        node: "n".to_owned(),
        directory: directory.to_path_buf(),
        schema: Schema::new([]),
        positions,
    };
    Reader::new(&options(given), context).expect("opens")
}

/// Everything that is there now.
async fn drain(reader: &mut Reader) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match reader.next().await.expect("reads") {
            Read::Records(batch) => {
                let payload = batch.payload.expect("payload");
                lines.extend(payload.iter().flatten().map(|line| String::from_utf8_lossy(line).into_owned()));
            }
            Read::Quiet | Read::End => return lines,
            other => panic!("{other:?}"),
        }
    }
}

fn append(path: &FilePath, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

fn run(test: impl AsyncFnOnce(&FilePath)) {
    let folder = tempfile::tempdir().expect("folder");
    pipectl_host::simulate(test(folder.path())).expect("runs");
}

/// More than one rotation while nobody follows, or before the first start: the oldest comes first all the same.
/// Truncated and rewritten with more than there was, and the same first bytes: an application that was started again.
#[test]
fn positions_without_the_later_fingerprint_are_read() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, &"line\n".repeat(500));
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await.len(), 500);
        let mut position = reader.position();
        let place = position["files"][0].as_object_mut().expect("a place");
        assert!(place.remove("before").is_some() && !place.contains_key("open_line"));
        append(&log, "new\n");
        let mut reader = open(folder, json!({}), vec![position]);
        assert_eq!(drain(&mut reader).await, ["new"]);
    });
}

/// Ends when idle, as a scheduled run does.
async fn scheduled(folder: &FilePath, position: Option<Value>) -> (Vec<String>, Value) {
    let mut reader = open(folder, json!({ "until_idle": "1s" }), position.into_iter().collect());
    to_the_end(&mut reader).await
}

async fn to_the_end(reader: &mut Reader) -> (Vec<String>, Value) {
    let mut lines = Vec::new();
    loop {
        match reader.next().await.expect("reads") {
            Read::Records(batch) => {
                let payload = batch.payload.expect("payload");
                lines.extend(payload.iter().flatten().map(|line| String::from_utf8_lossy(line).into_owned()));
            }
            Read::Quiet => {}
            Read::End => return (lines, reader.position()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_run_that_ended_goes_on_with_what_came_since() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, "1\n2\n");
        let (lines, position) = scheduled(folder, None).await;
        assert_eq!(lines, ["1", "2"]);
        let (lines, position) = scheduled(folder, Some(position)).await;
        assert!(lines.is_empty());
        append(&log, "3\n4");
        append(&folder.join("b.log"), "5\n");
        let (mut lines, position) = scheduled(folder, Some(position)).await;
        lines.sort();
        assert_eq!(lines, ["3", "4", "5"]);
        // The line end of the last line comes later, or more of the line.
        append(&log, "\n6");
        let (lines, position) = scheduled(folder, Some(position)).await;
        assert_eq!(lines, ["6"]);
        append(&log, " and more\r");
        let (lines, position) = scheduled(folder, Some(position)).await;
        assert_eq!(lines, ["6 and more"]);
        append(&log, "\n\n7\n");
        let (lines, position) = scheduled(folder, Some(position)).await;
        assert_eq!(lines, ["", "7"]);
        assert_eq!(position["record"], 9);
    });
}

/// A link to the memory of the process that reads it is a file that can be opened, and not be read.
#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_file_is_left_out_and_tried_again() {
    run(async |folder| {
        let (log, secret) = (folder.join("a.log"), folder.join("secret.log"));
        let hide = || std::os::unix::fs::symlink("/proc/self/mem", &secret).expect("a link");
        append(&log, "1\n");
        append(&secret, "s1\n");
        let mut reader = open(folder, json!({}), Vec::new());
        let mut lines = drain(&mut reader).await;
        lines.sort();
        assert_eq!(lines, ["1", "s1"]);
        let position = reader.position();
        // At a restart.
        let kept = folder.join("kept");
        std::fs::rename(&secret, &kept).expect("renames");
        hide();
        append(&log, "2\n");
        let mut reader = open(folder, json!({}), vec![position]);
        assert_eq!(drain(&mut reader).await, ["2"]);
        std::fs::remove_file(&secret).expect("removes");
        append(&secret, "s2\n");
        reader.host.sleep(std::time::Duration::from_secs(6)).await;
        assert_eq!(drain(&mut reader).await, ["s2"]);
        // While it runs.
        std::fs::remove_file(&secret).expect("removes");
        hide();
        append(&log, "3\n");
        assert_eq!(drain(&mut reader).await, ["3"]);
        let mut reader = open(folder, json!({ "on_error": "fail" }), Vec::new());
        let error = loop {
            match reader.next().await {
                Ok(Read::End) => panic!("ended"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.message.contains("secret.log"), "{error}");
    });
}

#[test]
fn what_a_sink_writes_is_not_followed() {
    run(async |folder| {
        append(&folder.join("a.log"), "1\n");
        append(&folder.join("out.log"), "1\n");
        let id = crate::file_id::of(&folder.join("out.log")).expect("a file");
        let _written = crate::in_use::InUse::write(id, "out.log", "out").expect("free");
        let mut reader = open(folder, json!({}), Vec::new());
        let error = reader.next().await.map(|_| ()).expect_err("a circle");
        assert!(error.message.contains("sink `out` writes") && error.message.contains("source `n` reads"), "{error}");
    });
}

fn append_bytes(path: &FilePath, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(bytes).expect("writes");
}

#[test]
fn text_in_other_encodings_becomes_utf_8() {
    run(async |folder| {
        append_bytes(&folder.join("a.log"), b"caf\xe9\nhal");
        let given = json!({ "encoding": "latin1" });
        let mut reader = open(folder, given.clone(), Vec::new());
        assert_eq!(drain(&mut reader).await, ["café"]);
        append_bytes(&folder.join("a.log"), b"f \xfc\n\xdf\n");
        let mut reader = open(folder, given, vec![reader.position()]);
        assert_eq!(drain(&mut reader).await, ["half ü", "ß"]);
    });
}

#[test]
fn utf_16_is_followed_byte_by_byte() {
    for (given, big) in [("utf-16", false), ("utf-16", true), ("utf-16le", false), ("utf-16be", true)] {
        run(async |folder| {
            // ਊ is U+0A0A: its bytes look like line ends.
            let text = "one\r\ntwo ü 😀 ਊ\n\nthree\n".to_owned() + &"x".repeat(30) + "\nlast\nopen";
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let marked = if given == "utf-16" { "\u{feff}".to_owned() + &text } else { text.clone() };
            let bytes: Vec<u8> = marked.encode_utf16().flat_map(unit).collect();
            let options = json!({ "encoding": given, "max_record": "20B", "on_oversize": "truncate" });
            let mut expected: Vec<String> = text.lines().map(|line| line.chars().take(20).collect()).collect();
            let log = folder.join("a.log");
            let mut seen = Vec::new();
            let mut position = Vec::new();
            for byte in &bytes {
                append_bytes(&log, &[*byte]);
                let mut reader = open(folder, options.clone(), position);
                seen.extend(drain(&mut reader).await);
                position = vec![reader.position()];
            }
            let open_line = expected.pop();
            assert_eq!(seen, expected, "{given}");
            let mut finishing = options.clone();
            finishing["until_idle"] = json!("1s");
            let mut reader = open(folder, finishing.clone(), position);
            let (lines, position) = to_the_end(&mut reader).await;
            assert_eq!(lines.first(), open_line.as_ref());
            append_bytes(&log, &"\n".encode_utf16().flat_map(unit).collect::<Vec<_>>());
            let mut reader = open(folder, finishing, vec![position]);
            assert!(to_the_end(&mut reader).await.0.is_empty());
            // At once, and from the end.
            let mut reader = open(folder, options.clone(), Vec::new());
            assert_eq!(drain(&mut reader).await.len(), 7);
            let mut from_end = options;
            from_end["from"] = json!("end");
            let mut reader = open(folder, from_end, Vec::new());
            assert!(drain(&mut reader).await.is_empty());
            append_bytes(&log, &"new\n".encode_utf16().flat_map(unit).collect::<Vec<_>>());
            assert_eq!(drain(&mut reader).await, ["new"]);
        });
    }
}

#[test]
fn path_names_something() {
    let titles = |given: Value| {
        let node = NodeContext { pipeline: "p", output: "out/p", node: "n", input: None, keys: &[], row_key: None };
        let options = serde_json::from_value(given).expect("options");
        let checked = Source::check(&TailSource, &options, node);
        checked.diagnostics.iter().map(|found| found.title.clone()).collect::<Vec<_>>()
    };
    assert!(titles(json!({ "path": "a.log" })).is_empty());
    assert!(titles(json!({ "path": ["a.log", "b.log"] })).is_empty());
    assert_eq!(titles(json!({})), ["`path` names no file"]);
    assert_eq!(titles(json!({ "path": [] })), ["`path` names no file"]);
}

#[test]
fn files_come_and_go() {
    run(async |folder| {
        let mut reader = open(folder, json!({ "path": ["x/*.log", "b.log"] }), Vec::new());
        assert!(drain(&mut reader).await.is_empty());
        std::fs::create_dir(folder.join("x")).expect("folder");
        append(&folder.join("x/a.log"), "1\n");
        append(&folder.join("b.log"), "2\n");
        append(&folder.join("x/c.log.gz"), "no text\n");
        let mut seen = drain(&mut reader).await;
        seen.sort();
        assert_eq!(seen, ["1", "2"]);
        append(&folder.join("b.log"), "3\n");
        std::fs::remove_file(folder.join("b.log")).expect("removes");
        assert_eq!(drain(&mut reader).await, ["3"]);
        append(&folder.join("b.log"), "4\n");
        assert_eq!(drain(&mut reader).await, ["4"]);
    });
}

#[test]
fn from_end_leaves_out_whole_lines_only() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, "1\n2\nhal");
        let mut reader = open(folder, json!({ "from": "end" }), Vec::new());
        assert!(drain(&mut reader).await.is_empty());
        append(&log, "f\n3\n");
        append(&folder.join("b.log"), "4\n");
        assert_eq!(drain(&mut reader).await, ["half", "3", "4"]);
        let position = reader.position();
        append(&log, "5\n");
        append(&folder.join("c.log"), "6\n");
        let mut reader = open(folder, json!({ "from": "end" }), vec![position]);
        assert_eq!(drain(&mut reader).await, ["5", "6"], "a restart is not a first start");
    });
}

#[test]
fn until_idle_ends_after_the_last_partial_line() {
    run(async |folder| {
        append(&folder.join("a.log"), "1\n2");
        let mut reader = open(folder, json!({ "until_idle": "3s" }), Vec::new());
        let started = reader.host.now();
        let mut lines = Vec::new();
        loop {
            match reader.next().await.expect("reads") {
                Read::Records(batch) => lines.push(batch.len()),
                Read::Quiet => {}
                Read::End => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lines, [1, 1]);
        let took = reader.host.now() - started;
        assert!((3_000_000..8_000_000).contains(&took), "{took}");
    });
}

#[test]
fn a_line_that_is_too_long_is_left_out_once_it_ends() {
    run(async |folder| {
        let log = folder.join("a.log");
        append(&log, &format!("ok\n{}", "x".repeat(3_000_000)));
        let mut reader = open(folder, json!({ "max_record": "2MiB", "on_oversize": "fail" }), Vec::new());
        assert!(matches!(reader.next().await, Ok(Read::Records(_))));
        let error = reader.next().await.map(|_| ()).expect_err("too long");
        assert!(error.message.contains("byte 3 of") && error.message.contains("a.log"), "{error}");
        let mut reader = open(folder, json!({}), Vec::new());
        assert_eq!(drain(&mut reader).await, ["ok"], "a long line may still be in the making");
        let mut shorter = open(folder, json!({ "max_record": "2MiB" }), Vec::new());
        assert_eq!(drain(&mut shorter).await, ["ok"]);
        append(&log, "xx");
        assert!(drain(&mut shorter).await.is_empty());
        append(&log, "\nnext\n");
        let Ok(Read::Records(batch)) = shorter.next().await else { panic!("a record") };
        let (kept, rejected) = batch.split_rejected().expect("splits");
        assert!(kept.is_empty());
        let (dead, reasons) = rejected.expect("rejected");
        assert_eq!((dead.offsets.values().to_vec(), dead.payload.expect("an excerpt").value(0).len()), (vec![1], 1024));
        assert!(reasons[0].contains("3000002 bytes"), "{reasons:?}");
        let position = shorter.position();
        assert_eq!(drain(&mut shorter).await, ["next"]);
        let mut again = open(folder, json!({ "max_record": "2MiB" }), vec![position]);
        assert_eq!(drain(&mut again).await, ["next"]);
        assert_eq!(drain(&mut reader).await[0].len(), 3_000_002);
    });
}

#[derive(Debug, Clone)]
enum Step {
    Append(String),
    Rename,
    Drain,
    Restart,
    /// A call that is dropped while it works.
    Cancel,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => "[a-c\\n]{1,6}".prop_map(Step::Append),
        1 => Just(Step::Rename),
        3 => Just(Step::Drain),
        2 => Just(Step::Restart),
        2 => Just(Step::Cancel),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is appended, renamed, cancelled and restarted in whatever order: each line once, in order.
    #[test]
    fn no_line_is_lost_or_read_twice(steps in steps()) {
        run(async |folder| {
            let log = folder.join("a.log");
            // The first line is longer than any fingerprint needs, so that files differ.
            let mut generation = 0;
            let mut expected = String::new();
            let mut write = |text: &str| {
                append(&log, text);
                expected.push_str(text);
            };
            write("first 0\n");
            let mut reader = open(folder, json!({}), Vec::new());
            let mut seen = drain(&mut reader).await;
            for step in steps {
                match step {
                    Step::Append(text) => write(&text),
                    Step::Rename => {
                        // Rotations come at line ends.
                        write("\n");
                        generation += 1;
                        std::fs::rename(&log, folder.join(format!("a.log.{generation}"))).expect("renames");
                        write(&format!("first {generation}\n"));
                        // One rotation at a time is what a restart can follow.
                        seen.extend(drain(&mut reader).await);
                    }
                    Step::Drain => seen.extend(drain(&mut reader).await),
                    Step::Restart => reader = open(folder, json!({}), vec![reader.position()]),
                    Step::Cancel => {
                        let call = tokio::time::timeout(std::time::Duration::from_millis(1), reader.next());
                        if let Ok(read) = call.await
                            && let Read::Records(batch) = read.expect("reads")
                        {
                            let payload = batch.payload.expect("payload");
                            seen.extend(payload.iter().flatten().map(|line| String::from_utf8_lossy(line).into_owned()));
                        }
                    }
                }
            }
            write("\n");
            seen.extend(drain(&mut reader).await);
            let expected: Vec<_> = expected.lines().collect();
            assert_eq!(seen, expected);
        });
    }

    #[test]
    fn every_byte_may_be_the_last_before_a_kill(text in "[a-c\\né]{0,30}", last in any::<bool>()) {
        run(async |folder| {
            let log = folder.join("a.log");
            let mut bytes = text.clone().into_bytes();
            if last {
                bytes.push(b'\n');
            }
            let mut position = Vec::new();
            let mut seen = Vec::new();
            for byte in &bytes {
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("opens");
                file.write_all(&[*byte]).expect("writes");
                let mut reader = open(folder, json!({}), position);
                seen.extend(drain(&mut reader).await);
                position = vec![reader.position()];
            }
            let mut reader = open(folder, json!({ "until_idle": "1s" }), position);
            while let Ok(read) = reader.next().await {
                match read {
                    Read::Records(batch) => {
                        let payload = batch.payload.expect("payload");
                        seen.extend(payload.iter().flatten().map(|line| String::from_utf8_lossy(line).into_owned()));
                    }
                    Read::Quiet => {}
                    Read::End => break,
                    other => panic!("{other:?}"),
                }
            }
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            let expected: Vec<_> = whole.lines().collect();
            assert_eq!(seen, expected);
        });
    }
}
