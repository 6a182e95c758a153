//! Delivery under crashes: whatever happens when, each record is in exactly one visible file, whole.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration as StdDuration,
};

use arrow_array::{
    Array, BinaryViewArray, Int64Array, RecordBatch, StringViewArray, builder::BinaryViewBuilder, cast::AsArray as _,
    types::Int64Type,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipectl_contract::{NodeContext, Sink, SinkContext, SinkWriter};
use pipectl_data::{
    Batch, DataType, Field, PayloadFormat, Schema,
    compress::Compression,
    units::{Duration, Size},
};
use pipectl_host::{Host, Rng};

use crate::{Directory, Flush, Format, ObjectStore, ObjectStoreBinding, ObjectStoreOptions, PartitionColumns};

/// 2026-01-31T10:00:00Z.
const TEN: i64 = 1_769_853_600_000_000;
const SECOND: i64 = 1_000_000;

fn schema() -> Schema {
    Schema::new([Field::required("id", DataType::Int64), Field::new("device", DataType::String)])
}

fn record(id: i64) -> (Option<String>, String) {
    let device = (id % 7 != 3).then(|| format!("d/{}", id % 3));
    let json = match &device {
        Some(device) => format!(r#"{{"id":{id},"device":"{device}"}}"#),
        None => format!(r#"{{"id":{id},"device":null}}"#),
    };
    (device, json)
}

/// Records `ids`, three a second.
fn batch(ids: std::ops::Range<i64>) -> Batch {
    let arrival = Int64Array::from_iter_values(ids.clone().map(|id| TEN + id * SECOND / 3));
    let mut payload = BinaryViewBuilder::new();
    for id in ids.clone() {
        payload.append_value(record(id).1);
    }
    let columns = RecordBatch::try_new(
        schema().arrow(),
        vec![
            Arc::new(Int64Array::from_iter_values(ids.clone())),
            Arc::new(ids.clone().map(|id| record(id).0).collect::<StringViewArray>()),
        ],
    )
    .expect("columns fit");
    let ids = Int64Array::from_iter_values(ids);
    Batch::raw(0, ids, arrival, payload.finish(), PayloadFormat::Json).with_columns(columns)
}

fn options(format: Format, compression: Compression, prefix: &str, every: u64, size: u64) -> ObjectStoreOptions {
    ObjectStoreOptions {
        prefix: Some(prefix.to_owned()),
        partition_columns: None,
        flush: Flush { every: Duration(StdDuration::from_secs(every)), size: Size(size) },
        format,
        compression: Some(compression),
        file_name: None,
        zone: None,
    }
}

async fn open(
    options: &ObjectStoreOptions,
    directory: &Path,
    host: &Host,
    payload: bool,
    restored: Option<Vec<u8>>,
) -> Box<dyn SinkWriter> {
    let context = SinkContext {
        host: host.clone(),
        pipeline: "lab".to_owned(),
        output: "out/lab".to_owned(),
        earlier: pipectl_contract::Earlier::None,
        node: "raw".to_owned(),
        directory: directory.to_owned(),
        writer: 2,
        writers: 4,
        schema: schema(),
        payload: payload.then_some(PayloadFormat::Json),
        keys: Vec::new(),
        restored,
        others: Vec::new(),
    };
    let binding = ObjectStoreBinding::Directory(Directory { path: Some("store".to_owned()) });
    Sink::open(&ObjectStore, options.clone(), binding, context).await.expect("opens")
}

/// Every file below the store, by its name there.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let root = directory.join("store");
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("lists").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).expect("reads"));
            }
        }
    }
    found
}

/// The ids in a file, in its order; checks that each record is whole.
fn ids(name: &str, bytes: &[u8]) -> Vec<i64> {
    if name.ends_with(".parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes.to_vec()))
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .expect("is a Parquet file");
        let mut found = Vec::new();
        for rows in reader {
            let rows = rows.expect("reads");
            let devices = arrow_cast::cast(rows.column(1), &arrow_schema::DataType::Utf8).expect("is text");
            let devices = devices.as_string::<i32>();
            for (row, id) in rows.column(0).as_primitive::<Int64Type>().values().iter().enumerate() {
                assert_eq!(record(*id).0.as_deref(), devices.is_valid(row).then(|| devices.value(row)));
                found.push(*id);
            }
        }
        return found;
    }
    let mut text = String::new();
    Compression::detect(Path::new(name))
        .reader(std::io::Cursor::new(bytes.to_vec()))
        .read_to_string(&mut text)
        .expect("is whole and is text");
    assert!(text.ends_with('\n'), "{name} ends in the middle of a record");
    let mut lines = text.lines();
    let csv = name.contains(".csv");
    if csv {
        assert_eq!(lines.next(), Some("id,device"), "{name}");
    }
    let parse = |line: &str| {
        let digits: String =
            line.chars().skip_while(|char| !char.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let id: i64 = digits.parse().expect("has an id");
        let (device, json) = record(id);
        let whole = if csv { format!("{id},{}", device.unwrap_or_default()) } else { json };
        assert_eq!(line, whole, "{name}");
        id
    };
    lines.map(parse).collect()
}

fn all_ids(directory: &Path) -> Vec<i64> {
    let mut all: Vec<i64> = files(directory)
        .iter()
        .filter(|(name, _)| !name.rsplit('/').next().is_some_and(|last| last.starts_with('.')))
        .flat_map(|(name, bytes)| ids(name, bytes))
        .collect();
    all.sort_unstable();
    all
}

/// What a durable checkpoint remembers.
#[derive(Clone, Default)]
struct Durable {
    position: i64,
    state: Option<Vec<u8>>,
}

const TOTAL: i64 = 600;

/// A run with random batches, checkpoints, pauses and crashes, as the runtime would do them; answers the visible files.
async fn simulate(
    seed: u64,
    options: &ObjectStoreOptions,
    crash_rate: u64,
    payload: bool,
) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::simulated(seed, TEN);
    let mut rng = Rng::new(seed, "crashes");
    let (mut batches, mut published) = (Rng::new(seed, "batches"), BTreeMap::new());
    let mut durable = Durable::default();
    'run: loop {
        let mut position = durable.position;
        let mut writer = open(options, directory.path(), &host, payload, durable.state.clone()).await;
        if durable.state.is_some() {
            writer.committed().await.expect("publishes again");
        }
        macro_rules! may_crash {
            () => {
                let visible = files(directory.path());
                for (name, bytes) in &published {
                    assert_eq!(visible.get(name), Some(bytes), "{name} changed after it was published");
                }
                published = visible;
                if rng.below(100) < crash_rate {
                    continue 'run;
                }
            };
        }
        while position < TOTAL {
            let next = (position + 1 + batches.below(40) as i64).min(TOTAL);
            let rejected = writer.write(&batch(position..next)).await.expect("writes");
            assert!(rejected.is_empty());
            position = next;
            may_crash!();
            host.sleep(StdDuration::from_millis(rng.below(9000))).await;
            if writer.deadline().is_some_and(|deadline| deadline <= host.now()) {
                writer.on_time().await.expect("rolls");
                assert!(writer.deadline().is_none_or(|deadline| deadline > host.now()), "a deadline was not served");
                may_crash!();
            }
            if rng.below(4) == 0 {
                let state = writer.checkpoint().await.expect("answers");
                let at = position;
                may_crash!();
                if rng.below(2) == 0 && position < TOTAL {
                    // Records go on while the checkpoint is written.
                    let next = (position + 1 + rng.below(40) as i64).min(TOTAL);
                    writer.write(&batch(position..next)).await.expect("writes");
                    position = next;
                }
                durable = Durable { position: at, state: Some(state) };
                may_crash!();
                writer.committed().await.expect("publishes");
                may_crash!();
            }
        }
        writer.finish().await.expect("closes");
        may_crash!();
        let state = writer.checkpoint().await.expect("answers");
        durable = Durable { position, state: Some(state) };
        may_crash!();
        writer.committed().await.expect("publishes");
        assert_eq!(writer.deadline(), None);
        break;
    }
    assert_eq!(all_ids(directory.path()), (0..TOTAL).collect::<Vec<_>>(), "seed {seed}: each record once");
    let files = files(directory.path());
    assert!(files.keys().all(|name| !name.contains(".part")), "temporary files are left: {:?}", files.keys());
    files
}

fn in_simulation<T>(future: impl Future<Output = T>) -> T {
    pipectl_host::simulate(future).expect("a simulation")
}

#[test]
fn whatever_crashes_when_each_record_is_in_one_file() {
    let combinations = [
        (Format::Json, Compression::None, "raw/{arrival:%H%M}/", true),
        (Format::Json, Compression::Gzip, "raw/{device}/", true),
        (Format::Json, Compression::Snappy, "raw/{device}/{arrival:%M}-", false),
        (Format::Csv, Compression::Zstd, "raw/", false),
        (Format::Parquet, Compression::Snappy, "raw/{device}/", false),
    ];
    for (format, compression, prefix, payload) in combinations {
        let options = options(format, compression, prefix, 20, 700);
        for seed in 0..25 {
            in_simulation(simulate(seed, &options, [0, 3, 10][(seed % 3) as usize], payload));
        }
    }
}

#[test]
fn the_same_run_twice_gives_the_same_files() {
    let options = options(Format::Json, Compression::Gzip, "raw/{arrival:%H%M}/", 20, 700);
    let run = || in_simulation(simulate(5, &options, 5, true));
    let files = run();
    assert_eq!(files, run());
    assert!(files.len() > 10);
    let first = files.keys().next().expect("there are files");
    assert_eq!(first, "raw/1000/lab-raw-0002-00000000000000000000.jsonl.gz");
}

#[test]
fn files_do_not_depend_on_how_records_were_cut_into_batches() {
    let written = |step: i64| {
        in_simulation(async move {
            let directory = tempfile::tempdir().expect("a directory");
            let host = Host::simulated(1, TEN);
            let options = options(Format::Json, Compression::None, "raw/{arrival:%H%M}/", 20, 3000);
            let mut writer = open(&options, directory.path(), &host, true, None).await;
            for start in (0..600).step_by(step as usize) {
                writer.write(&batch(start..600.min(start + step))).await.expect("writes");
            }
            writer.finish().await.expect("closes");
            writer.checkpoint().await.expect("answers");
            writer.committed().await.expect("publishes");
            files(directory.path())
        })
    };
    let whole = written(600);
    // 200 seconds in files of 20.
    assert!(whole.len() >= 10, "{}", whole.len());
    for step in [1, 7, 64, 300] {
        assert_eq!(written(step), whole, "in steps of {step}");
    }
}

#[test]
fn files_roll_by_size_by_arrival_and_by_the_clock() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        let row = record(4).1.len() as u64 + 1;
        // None of these records lacks its device, so that all lines are equally long.
        let options = options(Format::Json, Compression::None, "raw/", 10, row * 4);
        let mut writer = open(&options, directory.path(), &host, true, None).await;
        writer.write(&batch(4..9)).await.expect("writes");
        host.sleep(StdDuration::from_secs(9)).await;
        writer.on_time().await.expect("nothing is due");
        assert_eq!(writer.deadline(), Some(TEN + 10 * SECOND));
        host.sleep_until(TEN + 10 * SECOND).await;
        writer.on_time().await.expect("rolls");
        assert_eq!(writer.deadline(), None);
        // 30 records are ten seconds: a new file although the clock stands still.
        writer.write(&batch(60..62)).await.expect("writes");
        writer.write(&batch(90..91)).await.expect("writes");
        writer.finish().await.expect("closes");
        assert!(files(directory.path()).is_empty(), "nothing is visible before a checkpoint");
        writer.checkpoint().await.expect("answers");
        writer.committed().await.expect("publishes");
        let counts: Vec<_> = files(directory.path()).iter().map(|(name, bytes)| ids(name, bytes)).collect();
        assert_eq!(counts, [vec![4, 5, 6, 7], vec![8], vec![60, 61], vec![90]]);
    });
}

#[test]
fn only_what_a_checkpoint_holds_is_published() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        let options = options(Format::Json, Compression::None, "raw/", 10, 1);
        let mut writer = open(&options, directory.path(), &host, true, None).await;
        writer.write(&batch(0..1)).await.expect("writes");
        writer.checkpoint().await.expect("answers");
        writer.write(&batch(1..2)).await.expect("writes");
        writer.committed().await.expect("publishes");
        assert_eq!(all_ids(directory.path()), [0]);
        writer.checkpoint().await.expect("answers");
        writer.committed().await.expect("publishes");
        assert_eq!(all_ids(directory.path()), [0, 1]);
    });
}

#[test]
fn a_changed_spec_finishes_open_files_the_old_way() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        let old = options(Format::Csv, Compression::None, "raw/", 10, 10_000);
        let mut writer = open(&old, directory.path(), &host, false, None).await;
        writer.write(&batch(0..3)).await.expect("writes");
        let state = writer.checkpoint().await.expect("answers");
        let new = options(Format::Parquet, Compression::Zstd, "raw/", 10, 10_000);
        let mut writer = open(&new, directory.path(), &host, false, Some(state)).await;
        writer.committed().await.expect("publishes");
        writer.write(&batch(3..6)).await.expect("writes");
        writer.finish().await.expect("closes");
        writer.checkpoint().await.expect("answers");
        writer.committed().await.expect("publishes");
        let found = files(directory.path());
        let endings: Vec<_> = found.keys().filter_map(|name| name.rsplit('.').next()).collect();
        assert_eq!(endings, ["csv", "parquet"]);
        assert_eq!(all_ids(directory.path()), [0, 1, 2, 3, 4, 5]);
    });
}

#[test]
fn records_that_no_file_can_hold_are_rejected_by_their_rows() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        let options = options(Format::Json, Compression::None, "raw/{device}/", 10, 10_000);
        let mut writer = open(&options, directory.path(), &host, true, None).await;
        let mut batch = batch(0..4);
        batch.payload =
            Some(BinaryViewArray::from(vec![Some(b"{}".as_slice()), None, Some(b"{\n \"a\": 1}"), Some(b"1")]));
        let long = "x".repeat(300);
        let devices: StringViewArray = [Some("a"), Some("a"), Some("a"), Some(long.as_str())].into_iter().collect();
        let ids = batch.columns.as_ref().map(|columns| columns.column(0).clone()).expect("has columns");
        batch.columns = Some(RecordBatch::try_new(schema().arrow(), vec![ids, Arc::new(devices)]).expect("fits"));
        let rejected: Vec<_> = writer.write(&batch).await.expect("writes").into_iter().map(|row| row.row).collect();
        assert_eq!(rejected, [1, 3]);
        writer.finish().await.expect("closes");
        writer.checkpoint().await.expect("answers");
        writer.committed().await.expect("publishes");
        let found = files(directory.path());
        assert_eq!(found.into_values().collect::<Vec<_>>(), [b"{}\n{  \"a\": 1}\n"], "one record, one line");
    });
}

/// The names of a Parquet file's columns.
fn columns_of(bytes: &[u8]) -> Vec<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes.to_vec())).expect("is Parquet");
    builder.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// Readers of such a layout take a column `name=…` from the path, and some refuse one that is in both.
#[test]
fn columns_of_the_path_are_left_out_of_parquet_files() {
    let written = |format, prefix: &str, partition_columns| {
        let options =
            ObjectStoreOptions { partition_columns, ..options(format, Compression::None, prefix, 10, 10_000) };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        in_simulation(async move {
            let mut writer = open(&options, &path, &Host::simulated(1, TEN), false, None).await;
            assert!(writer.write(&batch(0..4)).await.expect("writes").is_empty());
            // What is open is in the checkpoint, and goes on from there.
            let state = writer.checkpoint().await.expect("answers");
            let mut writer = open(&options, &path, &Host::simulated(1, TEN), false, Some(state)).await;
            writer.finish().await.expect("closes");
            writer.checkpoint().await.expect("answers");
            writer.committed().await.expect("publishes");
        });
        files(directory.path()).into_values().next().expect("a file")
    };
    let parquet = |prefix: &str, columns| columns_of(&written(Format::Parquet, prefix, columns));
    assert_eq!(parquet("device={device}/", None), ["id"]);
    assert_eq!(parquet("device={device}/", Some(PartitionColumns::Omit)), ["id"]);
    assert_eq!(parquet("device={device}/", Some(PartitionColumns::Keep)), ["id", "device"]);
    assert_eq!(parquet("{device}/", None), ["id", "device"]);
    assert_eq!(parquet("device={device}-x/", None), ["id"], "the check warns");
    assert_eq!(parquet("Device={arrival:%H}/", None), ["id"], "readers do not distinguish names by case");
    assert_eq!(parquet("device={arrival:%H}/", Some(PartitionColumns::Keep)), ["id", "device"]);
    assert_eq!(parquet("device={device}/id={id}/", None), ["id", "device"], "a file needs a column");
    let lines = written(Format::Json, "device={device}/", None);
    assert!(String::from_utf8(lines).expect("is text").contains("\"device\""));
}

/// No format holds them alike, so none holds them.
#[test]
fn values_out_of_range_are_rejected_by_every_format() {
    let schema = Schema::new([Field::new("id", DataType::Int64), Field::new("score", DataType::Float64)]);
    for format in [Format::Json, Format::Csv, Format::Parquet] {
        let schema = schema.clone();
        in_simulation(async move {
            let directory = tempfile::tempdir().expect("a directory");
            let options = options(format, Compression::None, "raw/", 10, 10_000);
            let context = SinkContext {
                host: Host::simulated(1, TEN),
                pipeline: "lab".to_owned(),
                output: "out/lab".to_owned(),
                earlier: pipectl_contract::Earlier::None,
                node: "raw".to_owned(),
                directory: directory.path().to_owned(),
                writer: 0,
                writers: 1,
                schema: schema.clone(),
                payload: None,
                keys: Vec::new(),
                restored: None,
                others: Vec::new(),
            };
            let mut writer =
                Sink::open(&ObjectStore, options, ObjectStoreBinding::default(), context).await.expect("opens");
            let scores = arrow_array::Float64Array::from(vec![f64::NEG_INFINITY, 1.0, f64::NAN]);
            let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(Int64Array::from(vec![1, 2, 3])), Arc::new(scores)];
            let columns = RecordBatch::try_new(schema.arrow(), columns).expect("fits");
            let rejected = writer.write(&batch(0..3).with_columns(columns)).await.expect("writes");
            let rejected: Vec<_> =
                rejected.iter().map(|rejection| (rejection.row, rejection.reason.as_str())).collect();
            assert_eq!(
                rejected,
                [
                    (0, "column `score` holds -inf, which is no finite number"),
                    (2, "column `score` holds NaN, which is no finite number"),
                ]
            );
        });
    }
}

#[test]
fn many_prefixes_are_bounded_and_a_waiting_writer_says_so() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        let options = options(Format::Json, Compression::None, "{id}/", 10, 10_000);
        let mut writer = open(&options, directory.path(), &host, true, None).await;
        writer.write(&batch(0..300)).await.expect("writes");
        writer.checkpoint().await.expect("answers");
        writer.committed().await.expect("publishes");
        assert_eq!(all_ids(directory.path()), (0..172).collect::<Vec<_>>());
        assert!(!writer.wants_checkpoint());
        let mut large = batch(0..1);
        large.payload = Some(BinaryViewArray::from(vec![vec![b' '; 33 << 20].as_slice()]));
        writer.write(&large).await.expect("writes");
        assert!(writer.wants_checkpoint());
    });
}

#[test]
fn a_broken_state_is_refused() {
    in_simulation(async {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::simulated(1, TEN);
        for format in [Format::Json, Format::Parquet] {
            let options = options(format, Compression::None, "raw/", 10, 10_000);
            let mut writer = open(&options, directory.path(), &host, false, None).await;
            writer.write(&batch(0..9)).await.expect("writes");
            let state = writer.checkpoint().await.expect("answers");
            assert!(crate::state::read(state.clone()).is_ok());
            for length in 1..state.len() {
                assert!(crate::state::read(state[..length].to_vec()).is_err(), "{length} of {}", state.len());
            }
            let mut longer = state.clone();
            longer.push(0);
            assert!(crate::state::read(longer).is_err());
        }
    });
}

#[test]
fn a_person_finds_the_folder() {
    let options = options(Format::Json, Compression::None, "raw-stream/x/{arrival:%Y}/", 10, 1);
    let describe = |binding| Sink::describe(&ObjectStore, &options, &binding, "out/lab", "raw");
    assert_eq!(describe(ObjectStoreBinding::default()), "out/lab/raw-stream/x/");
    let there = Directory { path: Some("/data/".to_owned()) };
    assert_eq!(describe(ObjectStoreBinding::Directory(there)), "/data/raw-stream/x/");
}

#[test]
fn options_mean_what_they_say() {
    let check = |json: serde_json::Value| {
        let options: ObjectStoreOptions = serde_json::from_value(json).expect("has the right shape");
        let schema = schema();
        let node = NodeContext {
            pipeline: "lab",
            output: "out/lab",
            node: "raw",
            input: Some(&schema),
            keys: &[],
            row_key: None,
        };
        Sink::check(&ObjectStore, &options, &ObjectStoreBinding::default(), node)
    };
    let facts = check(serde_json::json!({ "prefix": "{device}/{event:%Y}/{gone}/" })).facts.expect("is right");
    let needs: Vec<_> = facts.needs.iter().map(|need| (need.name.as_str(), need.inside.clone())).collect();
    assert_eq!(needs, [("device", Some(1..7)), ("gone", Some(21..25))]);
    assert!(facts.takes_payload && facts.needs_event_time.is_some());
    assert!(!check(serde_json::json!({ "format": "csv" })).facts.expect("is right").takes_payload);
    // Two columns of one name, one of the path and one of the files.
    for prefix in ["device={id}/", "Device={arrival:%Y}/", "{arrival:x=%Y/device=%m}/", "device={device}-/"] {
        let checked = check(serde_json::json!({ "prefix": prefix, "format": "parquet" }));
        assert!(checked.facts.is_some());
        let titles: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert!(matches!(titles.as_slice(), [title] if title.contains("is not in the files")), "{prefix}: {titles:?}");
        let kept = check(serde_json::json!({ "prefix": prefix, "format": "parquet", "partition_columns": "keep" }));
        let titles: Vec<_> = kept.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert!(matches!(titles.as_slice(), [title] if title.contains("twice: in the path")), "{prefix}: {titles:?}");
    }
    for options in [
        serde_json::json!({ "prefix": "device={device}/", "format": "parquet" }),
        serde_json::json!({ "prefix": "device={id}/" }),
        serde_json::json!({ "prefix": "dt={arrival:%Y}/", "format": "parquet", "partition_columns": "keep" }),
    ] {
        assert!(check(options).diagnostics.is_empty());
    }
    let wrong = [
        (serde_json::json!({ "partition_columns": "keep" }), "`partition_columns` has an effect on Parquet files only"),
        (serde_json::json!({ "prefix": "{arival:%Y}/" }), "unknown placeholder `{arival:…}`"),
        (serde_json::json!({ "prefix": "{device:%Y}/" }), "column `device` is not a time and takes no time format"),
        (serde_json::json!({ "flush": { "every": "0s" } }), "`flush.every` is shorter than a millisecond"),
        (serde_json::json!({ "flush": { "size": "0B" } }), "`flush.size` is zero"),
        (serde_json::json!({ "zone": "Europe/Berlim" }), "unknown time zone `Europe/Berlim`"),
        (serde_json::json!({ "file_name": "a/b" }), "`file_name` `a/b` is not usable"),
    ];
    for (options, title) in wrong {
        let checked = check(options);
        assert!(checked.facts.is_none());
        let titles: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert_eq!(titles, [title]);
    }
}
