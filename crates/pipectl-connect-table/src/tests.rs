//! The table under newer and older records, restarts, null keys, changed schemas and company.

use std::{path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use pipectl_contract::{Checked, ConnectorError, ErrorKind, NodeContext, Sink, SinkContext, SinkFacts, SinkWriter};
use pipectl_data::{Batch, DataType, Field, PayloadFormat, Schema};
use pipectl_host::{Host, Rng};
use rusqlite::{Connection, types::Value};

use crate::{Sqlite, Table, TableBinding, TableOptions};

/// 2026-01-31T10:00:00Z.
const TEN: i64 = 1_769_853_600_000_000;

fn schema() -> Schema {
    Schema::new([Field::new("device", DataType::String), Field::new("score", DataType::Int64)])
}

/// Rows of (device, score, event time).
fn batch(rows: &[(Option<&str>, i64, Option<i64>)]) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<StringViewArray>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
    ];
    let times = rows.iter().map(|row| row.2).collect::<Int64Array>();
    with_columns(&schema(), columns, Some(times))
}

fn with_columns(schema: &Schema, columns: Vec<ArrayRef>, event_time: Option<Int64Array>) -> Batch {
    let columns = RecordBatch::try_new(schema.arrow(), columns).expect("columns fit");
    let count = columns.num_rows() as i64;
    Batch {
        partition: 0,
        offsets: Int64Array::from_iter_values(0..count),
        arrival: Int64Array::from_iter_values((0..count).map(|_| TEN)),
        event_time,
        keys: None,
        payload: None,
        headers: None,
        positions: None,
        format: PayloadFormat::Json,
        columns: Some(columns),
        notes: None,
        watermark: pipectl_data::START_OF_TIME,
    }
}

fn options(key: &[&str]) -> TableOptions {
    let key = key.iter().map(|column| (*column).to_owned()).collect();
    TableOptions { name: Some("leader \"board\"".to_owned()), key: Some(key), columns: None }
}

fn binding() -> TableBinding {
    TableBinding::Sqlite(Sqlite { path: Some("new/t.sqlite".to_owned()) })
}

async fn try_open(
    directory: &Path,
    host: Host,
    options: TableOptions,
    schema: Schema,
) -> Result<Box<dyn SinkWriter>, ConnectorError> {
    let context = SinkContext {
        host,
        pipeline: "lab".to_owned(),
        output: "out/lab".to_owned(),
        earlier: pipectl_contract::Earlier::None,
        node: "leaders".to_owned(),
        directory: directory.to_owned(),
        writer: 0,
        writers: 1,
        schema,
        payload: None,
        keys: vec!["device".to_owned()],
        restored: None,
        others: Vec::new(),
    };
    Sink::open(&Table, options, binding(), context).await
}

async fn open(directory: &Path, options: TableOptions, schema: Schema) -> Box<dyn SinkWriter> {
    try_open(directory, Host::simulated(1, TEN), options, schema).await.expect("opens")
}

fn read(directory: &Path, sql: &str) -> Vec<Vec<Value>> {
    let connection = Connection::open(directory.join("new/t.sqlite")).expect("opens");
    let mut statement = connection.prepare(sql).expect("is SQL");
    let count = statement.column_count();
    let rows = statement.query_map([], |row| (0..count).map(|index| row.get(index)).collect()).expect("runs");
    rows.collect::<Result<_, _>>().expect("reads")
}

fn scores(directory: &Path) -> Vec<(String, i64)> {
    let rows = read(directory, "SELECT device, score FROM \"leader \"\"board\"\"\" ORDER BY device");
    let mut scores = Vec::new();
    for row in rows {
        let [Value::Text(device), Value::Integer(score)] = row.as_slice() else { panic!("{row:?}") };
        scores.push((device.clone(), *score));
    }
    scores
}

fn in_simulation<T>(future: impl Future<Output = T>) -> T {
    pipectl_host::simulate(future).expect("a simulation")
}

#[test]
fn newer_records_replace_older_ones_and_never_the_other_way_round() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = open(directory.path(), options(&["device"]), schema()).await;
        let first = [(Some("a"), 1, Some(10)), (Some("b"), 2, Some(10)), (Some("a"), 3, Some(20))];
        assert!(writer.write(&batch(&first)).await.expect("writes").is_empty());
        assert_eq!(scores(directory.path()), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        let then = [(Some("a"), 4, Some(19)), (Some("b"), 5, Some(10)), (Some("c"), 6, None), (Some("c"), 7, None)];
        writer.write(&batch(&then)).await.expect("writes");
        let expected = [("a".to_owned(), 3), ("b".to_owned(), 5), ("c".to_owned(), 7)];
        assert_eq!(scores(directory.path()), expected);
        assert_eq!(writer.checkpoint().await.expect("syncs"), b"");
        writer.committed().await.expect("nothing waits");
        drop(writer);
        // After a restart everything since the last checkpoint comes again.
        let mut writer = open(directory.path(), options(&["device"]), schema()).await;
        writer.write(&batch(&first)).await.expect("writes");
        writer.write(&batch(&then)).await.expect("writes");
        writer.finish().await.expect("closes");
        assert_eq!(scores(directory.path()), expected);
    });
}

#[test]
fn a_replay_from_anywhere_ends_in_the_same_table() {
    let mut rng = Rng::new(3, "records");
    let devices = ["a", "b", "c", "d"];
    let records: Vec<_> = (0..200)
        .map(|score| (Some(devices[rng.below(4) as usize]), score, Some(score * 10 - rng.below(100) as i64)))
        .collect();
    let run = |crashes: u64| {
        in_simulation(async {
            let directory = tempfile::tempdir().expect("a directory");
            let mut rng = Rng::new(crashes, "crashes");
            let mut start = 0;
            for _ in 0..crashes {
                let mut writer = open(directory.path(), options(&["device"]), schema()).await;
                let end = (start + 1 + rng.below(60) as usize).min(records.len());
                writer.write(&batch(&records[start..end])).await.expect("writes");
                start += rng.below((end - start) as u64) as usize;
            }
            let mut writer = open(directory.path(), options(&["device"]), schema()).await;
            writer.write(&batch(&records[start..])).await.expect("writes");
            scores(directory.path())
        })
    };
    let undisturbed = run(0);
    for crashes in 1..6 {
        assert_eq!(run(crashes), undisturbed);
    }
}

#[test]
fn rows_without_a_key_are_rejected_and_the_others_written() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = open(directory.path(), options(&["device"]), schema()).await;
        let rejected =
            writer.write(&batch(&[(None, 1, None), (Some("a"), 2, None), (None, 3, None)])).await.expect("writes");
        let rows: Vec<_> = rejected.iter().map(|rejection| rejection.row).collect();
        assert_eq!(rows, [0, 2]);
        assert!(rejected[0].reason.contains("column `device` of the key"), "{}", rejected[0].reason);
        assert_eq!(scores(directory.path()), [("a".to_owned(), 2)]);
    });
}

#[test]
fn every_type_is_stored_as_people_read_it() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let fields = DataType::NAMED.map(|data_type| Field::new(data_type.word(), data_type));
        let schema = Schema::new(fields);
        let time = |at| Arc::new(TimestampMicrosecondArray::from(vec![at, None])) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![Some(true), None])),
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(Float64Array::from(vec![Some(1.5), None])),
            Arc::new(StringViewArray::from(vec![Some("ü"), None])),
            Arc::new(BinaryViewArray::from(vec![Some(b"\x00\xff".as_slice()), None])),
            time(Some(TEN)),
            time(Some(TEN + 500_000)),
            time(Some(TEN + 1)),
            Arc::new(Date32Array::from(vec![Some(20_484), None])),
            Arc::new(StringViewArray::from(vec![Some("{\"a\": 1}"), None])),
        ];
        let options = TableOptions { name: None, key: Some(vec!["int64".to_owned()]), columns: None };
        let mut writer = open(directory.path(), options, schema.clone()).await;
        writer.write(&with_columns(&schema, columns, None)).await.expect("writes");
        let rows = read(directory.path(), "SELECT * FROM leaders ORDER BY int64");
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            rows[0],
            [
                Value::Integer(1),
                Value::Integer(1),
                Value::Real(1.5),
                text("ü"),
                Value::Blob(vec![0, 255]),
                text("2026-01-31T10:00:00Z"),
                text("2026-01-31T10:00:00.500Z"),
                text("2026-01-31T10:00:00.000001Z"),
                text("2026-01-31"),
                text("{\"a\": 1}"),
                Value::Null,
            ]
        );
        assert!(rows[1].iter().filter(|value| **value == Value::Null).count() == 10, "{:?}", rows[1]);
    });
}

/// As in files: no sink makes something of its own of them.
#[test]
fn floats_that_are_not_finite_are_refused() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let schema = Schema::new([Field::new("device", DataType::String), Field::new("score", DataType::Float64)]);
        let mut writer = open(directory.path(), options(&["device"]), schema.clone()).await;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(vec!["a", "b", "c", "d"])),
            Arc::new(Float64Array::from(vec![Some(f64::INFINITY), Some(1e308), Some(f64::NAN), None])),
        ];
        let rejected = writer.write(&with_columns(&schema, columns, None)).await.expect("writes");
        let rejected: Vec<_> = rejected.into_iter().map(|rejection| (rejection.row, rejection.reason)).collect();
        assert_eq!(
            rejected,
            [
                (0, "column `score` holds inf, which is no finite number".to_owned()),
                (2, "column `score` holds NaN, which is no finite number".to_owned()),
            ]
        );
        let rows = read(directory.path(), "SELECT device, score FROM \"leader \"\"board\"\"\" ORDER BY device");
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(rows, [vec![text("b"), Value::Real(1e308)], vec![text("d"), Value::Null]]);
    });
}

/// Another program holds the database for longer than the first try waits, when it is opened and when it is written.
#[test]
fn a_lock_of_another_program_is_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("new/t.sqlite");
    std::fs::create_dir(directory.path().join("new")).expect("creates");
    let hold = |file: &Path| {
        let other = Connection::open(file).expect("opens");
        // Here the clock of the run is simulated: only what SQLite itself waits for takes time.
        other.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).expect("has a log");
        other
            .execute_batch("BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS other (a); INSERT INTO other VALUES (1)")
            .expect("locks");
        std::thread::spawn(move || {
            let (_keep, wait) = std::sync::mpsc::channel::<()>();
            wait.recv_timeout(std::time::Duration::from_millis(1_500)).expect_err("nobody sends");
            other.execute_batch("COMMIT").expect("unlocks");
        })
    };
    in_simulation(async {
        let first = hold(&file);
        let mut writer = open(directory.path(), options(&["device"]), schema()).await;
        first.join().expect("has unlocked");
        let second = hold(&file);
        let rejected = writer.write(&batch(&[(Some("a"), 1, None)])).await.expect("writes");
        second.join().expect("has unlocked");
        assert!(rejected.is_empty());
        assert_eq!(scores(directory.path()), [("a".to_owned(), 1)]);
    });
}

#[test]
fn a_table_grows_with_its_input_and_refuses_what_does_not_fit() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let mut writer = open(path, options(&["device"]), schema()).await;
        writer.write(&batch(&[(Some("a"), 1, None)])).await.expect("writes");
        drop(writer);
        let more = Schema::new(schema().fields().iter().cloned().chain([Field::new("extra", DataType::Date)]));
        drop(open(path, options(&["device"]), more.clone()).await);
        let rows = read(path, "SELECT device, extra FROM \"leader \"\"board\"\"\"");
        assert_eq!(rows, [[Value::Text("a".to_owned()), Value::Null]]);

        let retyped = Schema::new([
            Field::new("device", DataType::String),
            Field::new("score", DataType::Float64),
            Field::new("extra", DataType::Date),
        ]);
        Connection::open(path.join("new/t.sqlite"))
            .and_then(|other| other.execute_batch("CREATE TABLE foreign_one (device TEXT PRIMARY KEY, score INTEGER)"))
            .expect("creates");
        let foreign = TableOptions { name: Some("foreign_one".to_owned()), ..options(&["device"]) };
        let cases = [
            (options(&["device"]), schema(), "has a column `extra`, and the sink writes only (device, score)"),
            (options(&["device"]), retyped, "has column `score` as INTEGER, and the sink writes REAL (float64)"),
            (options(&["score"]), more, "has the key (device), and the sink writes by (score)"),
            (foreign, schema(), "exists and was not created by pipectl"),
        ];
        for (options, schema, message) in cases {
            let result = try_open(path, Host::simulated(1, TEN), options, schema).await;
            let error = result.map(drop).expect_err(message);
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(message), "{}", error.message);
            assert!(error.message.contains("new/t.sqlite"), "{}", error.message);
        }
    });
}

#[test]
fn only_the_named_columns_are_stored() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let some = TableOptions { columns: Some(vec!["device".to_owned()]), ..options(&["device"]) };
        let mut writer = open(directory.path(), some, schema()).await;
        writer.write(&batch(&[(Some("a"), 1, Some(5)), (Some("a"), 1, Some(6))])).await.expect("writes");
        let rows = read(directory.path(), "SELECT * FROM \"leader \"\"board\"\"\"");
        assert_eq!(rows, [[Value::Text("a".to_owned()), Value::Integer(6)]]);
    });
}

#[test]
fn several_sinks_share_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    pipectl_host::run(Some(2), async {
        let host = Host::real();
        let mut tasks = Vec::new();
        for number in 0..4 {
            let (host, path) = (host.clone(), path.clone());
            tasks.push(host.clone().spawn(async move {
                let options = TableOptions { name: Some(format!("t{number}")), ..options(&["device"]) };
                let mut writer = try_open(&path, host, options, schema()).await.expect("opens");
                for score in 0..30 {
                    writer.write(&batch(&[(Some("a"), score, Some(score))])).await.expect("writes");
                    writer.checkpoint().await.expect("syncs");
                }
            }));
        }
        for task in tasks {
            task.await.expect("ends well");
        }
    })
    .expect("runs");
    for number in 0..4 {
        assert_eq!(read(&path, &format!("SELECT score FROM t{number}")), [[Value::Integer(29)]]);
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error_that_names_it() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("new")).expect("creates");
        std::fs::write(directory.path().join("new/t.sqlite"), "not a database".repeat(100)).expect("writes");
        let result = try_open(directory.path(), Host::simulated(1, TEN), options(&["device"]), schema()).await;
        let error = result.map(drop).expect_err("is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("t.sqlite"), "{}", error.message);
    });
}

fn check(json: serde_json::Value, input: &Schema, keys: &[String]) -> Checked<SinkFacts> {
    let options: TableOptions = serde_json::from_value(json).expect("has the right shape");
    let node =
        NodeContext { pipeline: "lab", output: "out/lab", node: "leaders", input: Some(input), keys, row_key: None };
    Sink::check(&Table, &options, &TableBinding::default(), node)
}

#[test]
fn options_mean_what_they_say() {
    let stream_key = ["device".to_owned()];
    let facts = check(serde_json::json!({}), &schema(), &stream_key).facts.expect("the stream has a key");
    assert_eq!(facts.needs[0].name, "device");
    assert_eq!(facts.exclusive[0].0, "table `leaders` in `out/lab/tables.sqlite`");
    let clash = Schema::new(["a", "A", "_pipectl_time"].map(|name| Field::new(name, DataType::Int64)));
    let wrong = [
        (serde_json::json!({}), &schema(), vec!["table sink `leaders` has no key"]),
        (serde_json::json!({ "key": [] }), &schema(), vec!["table sink `leaders` has no key"]),
        (
            serde_json::json!({ "key": ["device", "device"], "columns": ["score"] }),
            &schema(),
            vec![
                "column `device` of the key is not among `columns`",
                "column `device` of the key is not among `columns`",
                "column `device` is in the key twice",
            ],
        ),
        (
            serde_json::json!({ "key": ["device"], "name": "sqlite_x" }),
            &schema(),
            vec!["the table's name `sqlite_x` begins with a reserved word"],
        ),
        (
            serde_json::json!({ "key": ["a"] }),
            &clash,
            vec![
                "columns `a` and `A` differ only in upper and lower case",
                "column `_pipectl_time` begins with `_pipectl_`, which is reserved",
            ],
        ),
        (serde_json::json!({ "key": ["a"], "columns": ["a", "a"] }), &clash, vec!["column `a` is stored twice"]),
    ];
    for (options, input, expected) in wrong {
        let checked = check(options, input, &[]);
        assert!(checked.facts.is_none());
        let titles: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert_eq!(titles, expected);
    }
}
