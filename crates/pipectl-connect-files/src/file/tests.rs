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
}

async fn read(directory: &std::path::Path, given: Value, positions: Vec<Value>) -> Result<Seen, ConnectorError> {
    let mut readers = FileSource.open(options(given), context(directory, positions)).await?;
    let reader = readers.first_mut().expect("one reader");
    let mut seen = Seen { records: Vec::new(), offsets: Vec::new(), positions: vec![(0, reader.position())] };
    loop {
        // Every other call is dropped while it works, as a checkpoint does.
        let outcome = tokio::time::timeout(std::time::Duration::ZERO, reader.next()).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => reader.next().await,
        };
        match outcome? {
            Read::Records(batch) => {
                let payload = batch.payload.expect("payload");
                seen.records
                    .extend(payload.iter().flatten().map(|record| String::from_utf8_lossy(record).into_owned()));
                seen.offsets.extend(batch.offsets.values());
                seen.positions.push((seen.records.len(), reader.position()));
                assert_eq!(payload.len(), batch.arrival.len());
            }
            Read::Quiet => {}
            Read::End => return Ok(seen),
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
fn a_file_that_changed_is_refused_and_one_that_grew_goes_on() {
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
            let seen = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
            let (_, position) = seen.positions.last().expect("position").clone();
            write("one\ntwo\nthree\n");
            let rest = read(folder.path(), given.clone(), vec![position.clone()]).await.expect("reads");
            assert_eq!(rest.records, ["three"]);
            for (text, expected) in [("one\n", "has shrunk"), ("one\ntwO\nthree\n", "was replaced")] {
                write(text);
                let error =
                    read(folder.path(), given.clone(), vec![position.clone()]).await.map(|_| ()).expect_err(text);
                assert_eq!(error.kind, ErrorKind::Conflict);
                assert!(error.message.contains(expected) && error.message.contains(name), "{error}");
            }
            std::fs::rename(&path, folder.path().join("b.log")).expect("renames");
            let error =
                read(folder.path(), json!({ "path": "*.log*" }), vec![position]).await.map(|_| ()).expect_err("gone");
            assert_eq!(error.kind, ErrorKind::NotFound);
        }
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
        assert_eq!(seen.records, ["1,\"p\nq\"", "2,r", "3,s"]);
        let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("1.csv")).expect("opens");
        file.write_all(b"t,0,4\n").expect("writes");
        let rest = read(folder.path(), given, vec![seen.positions[1].1.clone()]).await.expect("reads");
        assert_eq!(rest.records, ["4,t", "3,s"]);
        std::fs::write(folder.path().join("4.tsv"), "1\tx\n").expect("writes");
        let seen = read(folder.path(), json!({ "path": "4.tsv", "header": false }), Vec::new()).await.expect("reads");
        assert_eq!(seen.records, ["1\tx"]);
        let error =
            read(folder.path(), json!({ "path": "4.tsv" }), Vec::new()).await.map(|_| ()).expect_err("no columns");
        assert!(error.message.contains("`4.tsv` has no column `b`"), "{error}");
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
            (json!({ "path": "none*.log" }), ErrorKind::NotFound, "no file matches `none*.log`"),
            (json!({ "path": "x.log" }), ErrorKind::Invalid, "is a folder"),
            (json!({ "path": "long.log", "max_record": "1000B" }), ErrorKind::Invalid, "byte 6 of `long.log`"),
            (json!({ "path": "cut.log.gz" }), ErrorKind::Internal, "cannot read `cut.log.gz`"),
        ] {
            let error = read(folder.path(), given, Vec::new()).await.map(|_| ()).expect_err(expected);
            assert!(error.kind == kind && error.message.contains(expected), "{error:?}");
        }
    });
}

#[test]
fn options_that_cannot_be_are_told() {
    for (given, expected) in [
        (json!({ "path": [] }), "names no file"),
        (json!({ "path": "" }), "must not be empty"),
        (json!({ "path": "in/[a" }), "is not a pattern"),
        (json!({ "path": "in/data" }), "does not tell how"),
        (json!({ "path": ["a.csv", "b.jsonl"] }), "one format"),
        (json!({ "path": "a.jsonl", "delimiter": ";" }), "only for CSV"),
        (json!({ "path": "a.csv", "delimiter": ";;" }), "one ASCII character"),
        (json!({ "path": "a.csv", "max_record": "0B" }), "between 1B and 1GiB"),
    ] {
        let node = NodeContext { pipeline: "p", output: "out/p", node: "n", input: None, keys: &[] };
        let checked = Source::check(&FileSource, &options(given), node);
        let titles: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert!(checked.facts.is_none() && titles.len() == 1 && titles[0].contains(expected), "{titles:?}");
    }
}
