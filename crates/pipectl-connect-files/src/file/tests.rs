mod moved;
mod rotation;
mod shapes;

use std::io::Write as _;

use arrow_array::Array as _;
use pipectl_contract::Read;
use pipectl_data::{DataType, Field, Schema, compress::Compression};
use pipectl_host::Host;
use serde_json::{Value, json};

use super::*;

fn context(directory: &std::path::Path, positions: Vec<Value>) -> SourceContext {
    SourceContext {
        host: Host::real(),
        pipeline: "p".to_owned(),
        node: "n".to_owned(),
        directory: directory.to_path_buf(),
        schema: Schema::new([Field::new("b", DataType::Int64), Field::new("a", DataType::String)]),
        positions,
    }
}

fn options(options: Value) -> FileOptions {
    serde_json::from_value(options).expect("options")
}

fn run(test: impl Future<Output = ()>) {
    pipectl_host::run(Some(1), test).expect("runs");
}

struct Seen {
    records: Vec<String>,
    offsets: Vec<i64>,
    /// The position before anything and after each batch, with the number of records up to it.
    positions: Vec<(usize, Value)>,
    /// Why records were rejected.
    rejected: Vec<String>,
    /// The columns of each batch that says them.
    fields: Vec<Vec<String>>,
    /// The position at the end.
    last: Value,
}

async fn read(directory: &std::path::Path, given: Value, positions: Vec<Value>) -> Result<Seen, ConnectorError> {
    read_into(&mut Vec::new(), directory, given, positions).await
}

/// Reads to the end; `records` has what was delivered before an error, too.
async fn read_into(
    records: &mut Vec<String>,
    directory: &std::path::Path,
    given: Value,
    positions: Vec<Value>,
) -> Result<Seen, ConnectorError> {
    let mut readers = FileSource.open(options(given), context(directory, positions)).await?;
    let reader = readers.first_mut().expect("one reader");
    let (mut offsets, mut fields, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    let mut positions = vec![(0, reader.position())];
    loop {
        // Every other call is dropped while it works, as a checkpoint does.
        let outcome = tokio::time::timeout(std::time::Duration::ZERO, reader.next()).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => reader.next().await,
        };
        match outcome? {
            Read::Records(batch) => {
                let notes = batch.notes.as_ref();
                rejected.extend(notes.iter().flat_map(|notes| &notes.rejected).map(|(_, why)| why.clone()));
                fields.extend(batch.notes.as_ref().and_then(|notes| notes.fields.clone()));
                let payload = batch.payload.expect("payload");
                records.extend(payload.iter().flatten().map(|record| String::from_utf8_lossy(record).into_owned()));
                offsets.extend(batch.offsets.values());
                positions.push((records.len(), reader.position()));
                assert_eq!(payload.len(), batch.arrival.len());
            }
            Read::Quiet => {
                if reader.wants_checkpoint() {
                    let position = reader.position();
                    reader.committed(&position).await.expect("commits");
                }
            }
            Read::End => {
                return Ok(Seen {
                    records: records.clone(),
                    offsets,
                    positions,
                    rejected,
                    fields,
                    last: reader.position(),
                });
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn files_are_read_in_order_and_a_restart_goes_on_after_any_block() {
    run(async {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy] {
            let folder = tempfile::tempdir().expect("folder");
            let mut expected = Vec::new();
            for (name, count) in [("a", 3), ("b", 25_000), ("c", 0), ("d", 10_000)] {
                let lines: Vec<String> = (0..count)
                    .map(|number| format!("{{\"file\":\"{name}\",\"n\":{number},\"pad\":\"{:0>100}\"}}", number * 7))
                    .collect();
                // No line end after the last one.
                let bytes = compression.compress(lines.join("\r\n").as_bytes()).expect("compresses");
                std::fs::write(folder.path().join(format!("{name}.jsonl{}", compression.extension())), bytes)
                    .expect("writes");
                expected.extend(lines);
            }
            let given = json!({ "path": format!("./*.jsonl{}", compression.extension()) });
            let whole = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
            assert!(whole.records == expected, "{compression:?}");
            assert_eq!(whole.offsets, (0..expected.len() as i64).collect::<Vec<_>>());
            assert!(whole.positions.len() > 5, "several blocks");
            for (count, position) in &whole.positions {
                let rest = read(folder.path(), given.clone(), vec![position.clone()]).await.expect("resumes");
                assert!(rest.records == expected[*count..], "{compression:?} after {count}");
                assert_eq!(rest.offsets.first().copied().unwrap_or(*count as i64), *count as i64);
            }
        }
    });
}

#[test]
fn a_file_that_grew_goes_on_and_one_that_was_replaced_is_new() {
    run(async {
        for name in ["a.log", "a.log.gz"] {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join(name);
            let write = |text: &str| {
                let bytes = Compression::detect(&path).compress(text.as_bytes()).expect("compresses");
                std::fs::write(&path, bytes).expect("writes");
            };
            write("one\ntwo\n");
            let given = json!({ "path": name });
            let position = next_run(folder.path(), &given, None, &["one", "two"]).await;
            let position = next_run(folder.path(), &given, Some(position), &[]).await;
            write("one\ntwo\nthree\n");
            let position = next_run(folder.path(), &given, Some(position), &["three"]).await;
            let position = next_run(folder.path(), &given, Some(position), &[]).await;
            for text in ["one\n", "one\ntwO\nthree\n"] {
                write(text);
                let expected: Vec<&str> = text.lines().collect();
                next_run(folder.path(), &given, Some(position.clone()), &expected).await;
            }
        }
    });
}

/// What the next run reads, and its position.
async fn next_run(directory: &std::path::Path, given: &Value, position: Option<Value>, expected: &[&str]) -> Value {
    let before = position.as_ref().and_then(|position| position["record"].as_i64()).unwrap_or(0);
    let seen = read(directory, given.clone(), position.into_iter().collect()).await.expect("reads");
    assert_eq!(seen.records, expected);
    assert_eq!(seen.offsets, (before..before + expected.len() as i64).collect::<Vec<_>>());
    seen.last
}

fn append(folder: &tempfile::TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

#[test]
fn a_document_that_is_too_long_takes_no_other_with_it() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let long = format!("{{\"k\":\"{}\",\"m\":[1,{{\"x\":\"]\"}}]}}", "x".repeat(5_000));
        let documents: Vec<String> =
            (0..200).map(|n| if n == 2 { long.clone() } else { format!("{{\"n\":{n}}}") }).collect();
        let expected: Vec<&String> = documents.iter().filter(|one| one.len() < 100).collect();
        for (name, text, layout) in [
            ("a.json", format!("[{}]", documents.join(",")), "array"),
            ("b.json", format!("[\n  {}\n]\n", documents.join(",\n  ")), "array"),
            ("c.json", documents.join(" "), "concatenated"),
        ] {
            std::fs::write(folder.path().join(name), text).expect("writes");
            for oversize in ["dead_letter", "truncate"] {
                let given = json!({ "path": name, "layout": layout, "max_record": "1KiB", "on_oversize": oversize });
                let seen = read(folder.path(), given, Vec::new()).await.expect("reads");
                let whole: Vec<&String> = seen.records.iter().filter(|one| one.len() < 100).collect();
                assert_eq!(whole, expected, "{name} {oversize}");
                assert_eq!((seen.records.len(), seen.rejected.len()), (200, 1), "{name} {oversize}");
                assert!(seen.rejected[0].contains(&format!("{} bytes", long.len())), "{:?}", seen.rejected);
            }
        }
    });
}

#[test]
fn a_last_line_that_is_too_long_may_grow() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "a.log", "format": "text", "max_record": "8B", "on_oversize": "truncate" });
        append(&folder, "a.log", "1\n0123456789");
        let position = next_run(folder.path(), &given, None, &["1", "01234567"]).await;
        next_run(folder.path(), &given, Some(position.clone()), &[]).await;
        append(&folder, "a.log", "abc");
        let grown = next_run(folder.path(), &given, Some(position.clone()), &["01234567"]).await;
        append(&folder, "a.log", "\n2\n");
        next_run(folder.path(), &given, Some(grown), &["2"]).await;
        next_run(folder.path(), &given, Some(position), &["01234567", "2"]).await;
    });
}

#[cfg(unix)]
#[test]
fn two_names_of_a_file_are_one_file() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        append(&folder, "a.log", "1\n");
        std::os::unix::fs::symlink(folder.path().join("a.log"), folder.path().join("latest.log")).expect("link");
        std::fs::hard_link(folder.path().join("a.log"), folder.path().join("other.log")).expect("link");
        let given = json!({ "path": "*.log" });
        let position = next_run(folder.path(), &given, None, &["1"]).await;
        next_run(folder.path(), &given, Some(position), &[]).await;
    });
}

#[test]
fn the_last_line_may_have_no_end_yet() {
    run(async {
        for name in ["a.log", "a.log.gz"] {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join(name);
            let write = |text: &str| {
                let bytes = Compression::detect(&path).compress(text.as_bytes()).expect("compresses");
                std::fs::write(&path, bytes).expect("writes");
            };
            let given = json!({ "path": name });
            write("1\n2");
            let position = next_run(folder.path(), &given, None, &["1", "2"]).await;
            write("1\n2\n");
            next_run(folder.path(), &given, Some(position.clone()), &[]).await;
            write("1\n2\r\n\n3\n");
            next_run(folder.path(), &given, Some(position.clone()), &["", "3"]).await;
            write("1\n2 and more\n3");
            let position = next_run(folder.path(), &given, Some(position), &["2 and more", "3"]).await;
            write("1\n2 and more\n3\n4");
            let position = next_run(folder.path(), &given, Some(position), &["4"]).await;
            next_run(folder.path(), &given, Some(position), &[]).await;
        }
        // In quotes, a line end is part of the record.
        let folder = tempfile::tempdir().expect("folder");
        let given = json!({ "path": "a.csv", "header": false });
        append(&folder, "a.csv", "1,\"x");
        let position = next_run(folder.path(), &given, None, &["1,\"x"]).await;
        append(&folder, "a.csv", "\ny\"\n2,z\n");
        next_run(folder.path(), &given, Some(position), &["1,\"x\ny\"", "2,z"]).await;
        // A header, too.
        append(&folder, "b.csv", "b,a");
        let given = json!({ "path": "b.csv" });
        let position = next_run(folder.path(), &given, None, &[]).await;
        append(&folder, "b.csv", ",c\n1,x,2\n");
        let position = next_run(folder.path(), &given, Some(position), &["1,x,2"]).await;
        append(&folder, "b.csv", "3,y,4\n");
        next_run(folder.path(), &given, Some(position), &["3,y,4"]).await;
    });
}

#[test]
fn positions_of_earlier_versions_go_on() {
    run(async {
        for extension in ["", ".gz"] {
            let folder = tempfile::tempdir().expect("folder");
            for (name, text) in [("a", "a1\n"), ("b", "b1\nb2\n"), ("c", "c1\n")] {
                let path = folder.path().join(format!("{name}.log{extension}"));
                let bytes = Compression::detect(&path).compress(text.as_bytes()).expect("compresses");
                std::fs::write(path, bytes).expect("writes");
            }
            let mark = crate::mark::Mark::of(b"b1\n");
            let old = json!({ "file": format!("b.log{extension}"), "byte": 3, "record": 2, "mark": mark });
            let given = json!({ "path": format!("*.log{extension}") });
            let position = next_run(folder.path(), &given, Some(old), &["b2", "c1"]).await;
            next_run(folder.path(), &given, Some(position), &[]).await;
        }
    });
}

#[test]
fn a_file_that_cannot_be_read_holds_up_no_other() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let lines = "line\n".repeat(400_000);
        let whole = Compression::Gzip.compress(lines.as_bytes()).expect("compresses");
        std::fs::write(folder.path().join("a.log.gz"), &whole[..whole.len() - 2000]).expect("writes");
        std::fs::write(folder.path().join("b.log.gz"), "no gzip").expect("writes");
        std::fs::write(folder.path().join("c.log.gz"), Compression::Gzip.compress(b"c\n").expect("compresses"))
            .expect("writes");
        let skip = json!({ "path": "*.log.gz", "on_error": "skip" });
        let seen = read(folder.path(), skip.clone(), Vec::new()).await.expect("reads");
        assert!(seen.records.len() > 1000 && seen.records.len() < 400_000, "{}", seen.records.len());
        assert!(seen.records[..seen.records.len() - 1].iter().all(|line| line == "line"), "no half lines");
        assert_eq!(seen.records.last().map(String::as_str), Some("c"));
        let before = seen.records.len() - 1;
        // As dead letters, with what could be read of them before.
        let dead = json!({ "path": "*.log.gz", "on_error": "dead_letter" });
        let seen_dead = read(folder.path(), dead.clone(), Vec::new()).await.expect("reads");
        assert_eq!(seen_dead.rejected.len(), 2, "{:?}", seen_dead.rejected);
        assert!(seen_dead.rejected[0].contains("a.log.gz") && seen_dead.rejected[1].contains("b.log.gz"));
        assert_eq!(seen_dead.records.len(), before + 3);
        let again = read(folder.path(), dead.clone(), vec![seen_dead.last]).await.expect("reads");
        assert!(again.records.is_empty() && again.rejected.is_empty(), "not again until it changes");
        // The default: all that can be read is, and then the run fails.
        let given = json!({ "path": "*.log.gz" });
        let mut failing = Vec::new();
        let error =
            read_into(&mut failing, folder.path(), given.clone(), Vec::new()).await.map(|_| ()).expect_err("fails");
        assert_eq!(failing.len(), before + 1);
        for expected in ["`a.log.gz`", "`b.log.gz`", "on_error: skip"] {
            assert!(error.message.contains(expected), "{error}");
        }
        // Once they can be read, only what is missing comes.
        std::fs::write(folder.path().join("a.log.gz"), &whole).expect("writes");
        std::fs::write(folder.path().join("b.log.gz"), Compression::Gzip.compress(b"b\n").expect("compresses"))
            .expect("writes");
        let rest = read(folder.path(), given, vec![seen.last]).await.expect("reads");
        assert_eq!(rest.records.len(), 400_000 - before + 1);
        assert_eq!(rest.records.last().map(String::as_str), Some("b"));
    });
}

#[test]
fn a_file_that_goes_away_half_read_is_missed() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        append(&folder, "a.log", &"a line\n".repeat(400_000));
        append(&folder, "b.log", "b\n");
        let given = json!({ "path": "*.log" });
        let seen = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
        let (_, half) = seen.positions[1].clone();
        std::fs::remove_file(folder.path().join("a.log")).expect("removes");
        let mut readers =
            FileSource.open(options(given), context(folder.path(), vec![half.clone()])).await.expect("opens");
        let reader = &mut readers[0];
        let error = loop {
            match reader.next().await {
                Ok(_) if reader.wants_checkpoint() => {
                    let position = reader.position();
                    reader.committed(&position).await.expect("commits");
                }
                Ok(read) => assert!(!matches!(read, Read::End), "gone"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("`a.log` is gone"), "{error}");
        // It is reported once: nobody can bring it back.
        next_run(folder.path(), &json!({ "path": "*.log" }), Some(reader.position()), &[]).await;
        let given = json!({ "path": "*.log", "on_error": "skip" });
        let position = next_run(folder.path(), &given, Some(half), &["b"]).await;
        next_run(folder.path(), &json!({ "path": "*.log" }), Some(position), &[]).await;
        // Whereas one that was read to its end may go.
        next_run(folder.path(), &json!({ "path": "*.log" }), Some(seen.last), &[]).await;
    });
}

#[test]
fn csv_headers_are_matched_with_the_schema() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("1.csv"), "a,x,b\n\"p\nq\",0,1\nr,0,2\n").expect("writes");
        std::fs::write(folder.path().join("2.csv"), "b,a\n3,s\n").expect("writes");
        std::fs::write(folder.path().join("3.csv"), "b,a\n").expect("writes");
        let given = json!({ "path": ["1.csv", "2.csv", "3.csv"] });
        let seen = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
        assert_eq!(seen.records, ["\"p\nq\",0,1", "r,0,2", "3,s"], "rows stay as they are");
        assert_eq!(seen.fields, [["a", "x", "b"].as_slice(), &["b", "a"]]);
        let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("1.csv")).expect("opens");
        file.write_all(b"t,0,4\n").expect("writes");
        let rest = read(folder.path(), given, vec![seen.positions[1].1.clone()]).await.expect("reads");
        assert_eq!(rest.records, ["t,0,4", "3,s"]);
        std::fs::write(folder.path().join("4.tsv"), "1\tx\n").expect("writes");
        let seen = read(folder.path(), json!({ "path": "4.tsv", "header": false }), Vec::new()).await.expect("reads");
        assert_eq!(seen.records, ["1\tx"]);
        let error =
            read(folder.path(), json!({ "path": "4.tsv" }), Vec::new()).await.map(|_| ()).expect_err("no columns");
        assert!(error.message.contains("`4.tsv` has no column `b`"), "{error}");
    });
}

/// As a shell makes one for `<(command)`.
#[cfg(unix)]
#[test]
fn a_pipe_is_read_each_time() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.log");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let given = json!({ "path": "a.log" });
        let mut position = None;
        for text in ["1\n", "2\n"] {
            let path = path.clone();
            let writer = std::thread::spawn(move || std::fs::write(path, text));
            position = Some(next_run(folder.path(), &given, position, &[text.trim()]).await);
            writer.join().expect("writes").expect("writes");
        }
        // A pattern leaves it out, rather than wait for a writer.
        next_run(folder.path(), &json!({ "path": "*.log" }), position, &[]).await;
    });
}

#[test]
fn json_may_be_an_array_or_concatenated() {
    run(async {
        for name in ["a.json", "a.json.gz"] {
            let folder = tempfile::tempdir().expect("folder");
            let pad = "x".repeat(200);
            let documents: Vec<String> =
                (0..20_000).map(|number| format!("{{\n  \"n\": {number},\n  \"pad\": \"{pad}]\"\n}}")).collect();
            let path = folder.path().join(name);
            for (layout, text) in [
                ("array", format!("[\n{}\n]\n", documents.join(",\n"))),
                ("concatenated", documents.join("\n")),
                ("concatenated", documents.concat()),
            ] {
                std::fs::write(&path, Compression::detect(&path).compress(text.as_bytes()).expect("compresses"))
                    .expect("writes");
                let given = json!({ "path": name, "layout": layout });
                let whole = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
                assert!(whole.records == documents, "{layout}");
                for (count, position) in &whole.positions {
                    let rest = read(folder.path(), given.clone(), vec![position.clone()]).await.expect("resumes");
                    assert!(rest.records == documents[*count..], "{layout} after {count}");
                }
            }
        }
    });
}

#[test]
fn text_in_other_encodings_becomes_utf_8() {
    run(async {
        for name in ["a.csv", "a.csv.gz"] {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join(name);
            let write = |text: &str| {
                let bytes: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
                std::fs::write(&path, Compression::detect(&path).compress(&bytes).expect("compresses"))
                    .expect("writes");
            };
            let given = json!({ "path": name, "encoding": "utf-16" });
            write("b,a\n1,é\n");
            let position = next_run(folder.path(), &given, None, &["1,é"]).await;
            write("b,a\n1,é\n2,ü\n");
            next_run(folder.path(), &given, Some(position), &["2,ü"]).await;
        }
    });
}

#[test]
fn what_cannot_be_read_says_why() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("x.log")).expect("folder");
        std::fs::write(folder.path().join("long.log"), format!("short\n{}\n", "x".repeat(2000))).expect("writes");
        let cut = Compression::Gzip.compress(&vec![b'\n'; 50_000]).expect("compresses");
        std::fs::write(folder.path().join("cut.log.gz"), &cut[..cut.len() - 4]).expect("writes");
        for (given, kind, expected) in [
            (json!({ "path": "none.log" }), ErrorKind::NotFound, "no file `none.log` in"),
            (json!({ "path": "x.log" }), ErrorKind::Invalid, "is a folder"),
            (
                json!({ "path": "long.log", "max_record": "1000B", "on_oversize": "fail" }),
                ErrorKind::Invalid,
                "byte 6 of `long.log`",
            ),
            (json!({ "path": "cut.log.gz" }), ErrorKind::Internal, "cannot read `cut.log.gz`"),
        ] {
            let error = read(folder.path(), given, Vec::new()).await.map(|_| ()).expect_err(expected);
            assert!(error.kind == kind && error.message.contains(expected), "{error:?}");
        }
    });
}

#[test]
fn what_comes_before_a_record_that_is_too_long_is_delivered() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        append(&folder, "a.log", "1\n");
        append(&folder, "b.log", &format!("2\n{}\n3\n", "x".repeat(20)));
        append(&folder, "c.log", "4\n");
        let given = json!({ "path": "*.log", "format": "text", "max_record": "10B", "on_oversize": "fail", "on_error": "skip" });
        let mut records = Vec::new();
        let error = read_into(&mut records, folder.path(), given, Vec::new()).await.map(|_| ()).expect_err("too long");
        assert!(error.message.contains("byte 2 of `b.log`"), "{error}");
        assert_eq!(records, ["1", "2"]);
    });
}

#[test]
fn options_that_cannot_be_are_reported() {
    for (given, expected) in [
        (json!({ "path": "a.csv", "layout": "array" }), "only for JSON"),
        (json!({ "path": "a.jsonl", "null": "NA" }), "only for CSV"),
        (json!({ "path": "a.csv", "encoding": "ebcdic" }), "not a known text encoding"),
        (json!({ "path": "in/" }), "names a folder"),
        (json!({ "path": "*/../a.log" }), "after a wildcard"),
        (json!({ "path": [] }), "names no file"),
        (json!({ "path": "" }), "must not be empty"),
        (json!({ "path": "in/[a" }), "is not a pattern"),
        (json!({ "path": "in/data" }), "does not show the format"),
        (json!({ "path": ["a.csv", "b.jsonl"] }), "the same format"),
        (json!({ "path": "a.jsonl", "delimiter": ";" }), "only for CSV"),
        (json!({ "path": "a.csv", "delimiter": ";;" }), "one ASCII character"),
        (json!({ "path": "a.csv", "max_record": "0B" }), "between 1B and 1GiB"),
    ] {
        let node = NodeContext { pipeline: "p", output: "out/p", node: "n", input: None, keys: &[], row_key: None };
        let checked = Source::check(&FileSource, &options(given), node);
        let titles: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert!(checked.facts.is_none() && titles.len() == 1 && titles[0].contains(expected), "{titles:?}");
    }
}
