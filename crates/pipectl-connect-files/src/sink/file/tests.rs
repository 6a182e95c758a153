use std::{ops::Range, sync::Arc};

use arrow_array::{ArrayRef, BinaryViewArray, Int64Array, RecordBatch};
use pipectl_data::{DataType, Field, PayloadFormat, Schema};

use super::*;

fn schema() -> Schema {
    Schema::new([Field::new("id", DataType::Int64)])
}

pub(crate) fn context(directory: &std::path::Path, restored: Option<Vec<u8>>) -> SinkContext {
    SinkContext {
        host: Host::real(),
        pipeline: "p".to_owned(),
        output: "out/p".to_owned(),
        earlier: Earlier::None,
        node: "n".to_owned(),
        directory: directory.to_path_buf(),
        writer: 0,
        writers: 1,
        schema: schema(),
        payload: None,
        keys: Vec::new(),
        restored,
        others: Vec::new(),
    }
}

pub(crate) fn rows(ids: Range<i64>) -> Batch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.clone()));
    let columns = RecordBatch::try_new(schema().arrow(), vec![column]).expect("columns of the schema");
    let payload = BinaryViewArray::from_iter_values(ids.clone().map(|id| format!("{{\"id\":\n{id}}}")));
    let offsets = Int64Array::from_iter_values(ids);
    Batch::raw(0, offsets.clone(), offsets, payload, PayloadFormat::Json).with_columns(columns)
}

fn options(path: &str, mode: OnExisting) -> FileSinkOptions {
    FileSinkOptions { path: path.to_owned(), format: None, compression: None, mode: Some(mode) }
}

fn content(path: &std::path::Path) -> String {
    let file = File::open(path).expect("opens");
    let mut text = String::new();
    Compression::detect(path).reader(file).read_to_string(&mut text).expect("reads");
    text
}

fn lines(ids: Range<i64>) -> String {
    ids.fold(String::new(), |text, id| text + &format!("{{\"id\":{id}}}\n"))
}

fn run(test: impl Future<Output = ()>) {
    pipectl_host::run(Some(1), test).expect("runs");
}

#[test]
fn a_crash_leaves_no_record_twice_and_none_out() {
    run(async {
        for path in ["deep/in/out.jsonl", "out.jsonl.gz", "out.jsonl.zst"] {
            for mode in [OnExisting::Overwrite, OnExisting::Append] {
                let folder = tempfile::tempdir().expect("folder");
                let file = folder.path().join(path);
                let mut before = String::new();
                if mode == OnExisting::Append {
                    std::fs::create_dir_all(file.parent().expect("parent")).expect("folder");
                    std::fs::write(&file, Compression::detect(&file).compress(b"old\n").expect("compresses"))
                        .expect("writes");
                    before = "old\n".to_owned();
                }
                let open = |restored| Writer::open_for_test(options(path, mode), context(folder.path(), restored));
                // Crashes before the first checkpoint, with and without bytes in the file.
                for _ in 0..2 {
                    let mut writer = open(None).await;
                    writer.write(&rows(0..3)).await.expect("writes");
                    writer.finish().await.expect("finishes");
                }
                // A checkpoint that was never committed.
                let mut writer = open(None).await;
                writer.write(&rows(0..3)).await.expect("writes");
                writer.checkpoint().await.expect("checkpoints");
                writer.write(&rows(3..5)).await.expect("writes");
                drop(writer);
                let mut writer = open(None).await;
                writer.write(&rows(0..3)).await.expect("writes");
                let state = writer.checkpoint().await.expect("checkpoints");
                writer.write(&rows(3..5)).await.expect("writes");
                writer.committed().await.expect("commits");
                writer.write(&rows(5..6)).await.expect("writes");
                writer.finish().await.expect("finishes");
                drop(writer);
                // Twice from the same state, committed again as after a restart.
                for _ in 0..2 {
                    let mut writer = open(Some(state.clone())).await;
                    writer.committed().await.expect("commits");
                    assert_eq!(content(&file), format!("{before}{}", lines(0..3)), "{path} {mode:?}");
                    writer.write(&rows(3..7)).await.expect("writes");
                    writer.finish().await.expect("finishes");
                    writer.checkpoint().await.expect("checkpoints");
                    writer.committed().await.expect("commits");
                    assert_eq!(content(&file), format!("{before}{}", lines(0..7)), "{path} {mode:?}");
                }
            }
        }
    });
}

#[test]
fn a_file_that_lost_bytes_is_refused() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let mut writer =
            Writer::open_for_test(options("a.jsonl", OnExisting::Overwrite), context(folder.path(), None)).await;
        writer.write(&rows(0..3)).await.expect("writes");
        writer.checkpoint().await.expect("checkpoints");
        writer.committed().await.expect("commits");
        let state = writer.checkpoint().await.expect("checkpoints");
        std::fs::write(folder.path().join("a.jsonl"), "x").expect("writes");
        let error = Writer::open(&options("a.jsonl", OnExisting::Overwrite), context(folder.path(), Some(state))).await;
        let error = error.map(|_| ()).expect_err("shrunk");
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("has 1 bytes, but had 27"), "{error}");
    });
}

/// What others append between two runs is neither cut off nor overwritten.
#[test]
fn what_others_append_stays() {
    run(async {
        for (name, mode, first) in [
            ("kept.jsonl", Some(OnExisting::Append), Earlier::None),
            ("kept.jsonl.gz", Some(OnExisting::Append), Earlier::None),
            ("plain.jsonl", Some(OnExisting::Overwrite), Earlier::None),
            ("added.jsonl", None, Earlier::Keep),
            ("short.jsonl", None, Earlier::Replace),
        ] {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join(name);
            let options = FileSinkOptions { mode, ..options(name, OnExisting::Append) };
            let begin = SinkContext { earlier: first, ..context(folder.path(), None) };
            let mut writer = Writer::open(&options, begin).await.expect("opens");
            writer.write(&rows(0..2)).await.expect("writes");
            writer.finish().await.expect("finishes");
            let state = writer.checkpoint().await.expect("a state");
            writer.committed().await.expect("commits");
            drop(writer);
            // A second run with nothing new, which changes nothing.
            let mut writer = Writer::open(&options, context(folder.path(), Some(state))).await.expect("opens");
            writer.committed().await.expect("commits");
            writer.finish().await.expect("finishes");
            let state = writer.checkpoint().await.expect("a state");
            writer.committed().await.expect("commits");
            drop(writer);
            assert_eq!(content(&path), lines(0..2), "{name}");
            let more = Compression::detect(&path).compress(b"{\"id\":9}\n").expect("compresses");
            OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(&more)).expect("appends");
            let opened = Writer::open(&options, context(folder.path(), Some(state))).await;
            if mode != Some(OnExisting::Append) {
                let error = opened.err().expect("refused").to_string();
                assert!(error.contains("holds more than this pipeline wrote"), "{name}: {error}");
                assert_eq!(content(&path), lines(0..2) + "{\"id\":9}\n", "{name}");
                continue;
            }
            let mut writer = opened.expect("opens");
            writer.write(&rows(2..3)).await.expect("writes");
            writer.finish().await.expect("finishes");
            writer.checkpoint().await.expect("a state");
            writer.committed().await.expect("commits");
            assert_eq!(content(&path), lines(0..2) + "{\"id\":9}\n" + &lines(2..3), "{name}");
        }
    });
}

#[test]
fn csv_has_one_header_and_appending_starts_a_new_line() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let options = options("a.csv", OnExisting::Append);
        let mut state = None;
        for round in 0..2 {
            let mut writer = Writer::open_for_test(options.clone(), context(folder.path(), state.take())).await;
            writer.write(&rows(round..round + 1)).await.expect("writes");
            writer.checkpoint().await.expect("checkpoints");
            writer.committed().await.expect("commits");
            state = Some(writer.checkpoint().await.expect("checkpoints"));
        }
        assert_eq!(content(&folder.path().join("a.csv")), "id\n0\n1\n");
        std::fs::write(folder.path().join("a.csv"), "id\n9").expect("writes");
        let mut writer = Writer::open_for_test(options, context(folder.path(), None)).await;
        writer.write(&rows(0..1)).await.expect("writes");
        writer.checkpoint().await.expect("checkpoints");
        writer.committed().await.expect("commits");
        assert_eq!(content(&folder.path().join("a.csv")), "id\n9\n0\n");
    });
}

/// As in tables and Parquet: no sink makes something of its own of them.
#[test]
fn floats_that_are_not_finite_are_refused() {
    for (path, expected) in [("a.jsonl", "{\"x\":1.5}\n{\"x\":null}\n"), ("a.csv", "x\n1.5\n\n")] {
        run(async {
            let folder = tempfile::tempdir().expect("folder");
            let schema = Schema::new([Field::new("x", DataType::Float64)]);
            let context = SinkContext { schema: schema.clone(), ..context(folder.path(), None) };
            let mut writer = Writer::open_for_test(options(path, OnExisting::Overwrite), context).await;
            let floats = arrow_array::Float64Array::from(vec![Some(f64::INFINITY), Some(1.5), Some(f64::NAN), None]);
            let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(floats)]).expect("columns");
            let rejected = writer.write(&rows(0..4).with_columns(columns)).await.expect("writes");
            let rejected: Vec<_> = rejected.into_iter().map(|rejection| (rejection.row, rejection.reason)).collect();
            assert_eq!(
                rejected,
                [
                    (0, "column `x` holds inf, which is no finite number".to_owned()),
                    (2, "column `x` holds NaN, which is no finite number".to_owned()),
                ]
            );
            writer.checkpoint().await.expect("checkpoints");
            writer.committed().await.expect("commits");
            assert_eq!(content(&folder.path().join(path)), expected);
        });
    }
}

#[test]
fn payloads_go_through_on_one_line_each() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        let context = SinkContext { payload: Some(PayloadFormat::Json), ..context(folder.path(), None) };
        let mut writer = Writer::open_for_test(options("a.jsonl", OnExisting::Overwrite), context).await;
        let mut batch = rows(0..2);
        batch.columns = None;
        let rejected = writer.write(&batch).await.expect("writes");
        assert_eq!(rejected, []);
        batch.payload = Some(BinaryViewArray::from_iter([Some(b"{}".as_slice()), None]));
        assert_eq!(writer.write(&batch).await.expect("writes").len(), 1);
        writer.finish().await.expect("finishes");
        writer.checkpoint().await.expect("checkpoints");
        writer.committed().await.expect("commits");
        assert_eq!(content(&folder.path().join("a.jsonl")), "{\"id\": 0}\n{\"id\": 1}\n{}\n");
    });
}

#[test]
fn options_that_cannot_be_are_reported() {
    for (path, expected) in [
        ("", "names no file"),
        ("out/", "names no file"),
        ("out/*.jsonl", "no `*`"),
        ("out/a.parquet", "does not write Parquet"),
        ("a.jsonl.sz", "Snappy"),
    ] {
        let problem = options(path, OnExisting::Overwrite).problem().expect(path);
        assert!(problem.title.contains(expected), "{path}: {}", problem.title);
    }
    assert!(options("a.csv.gz", OnExisting::Overwrite).problem().is_none());
}

impl Writer {
    async fn open_for_test(options: FileSinkOptions, context: SinkContext) -> Self {
        Self::open(&options, context).await.expect("opens")
    }
}
