//! Windows go on from checkpoints of the format before, and refuse others with a text that says what to do.

#![expect(clippy::unwrap_used, reason = "a test")]

use arrow_array::{Array, BinaryViewArray, Int64Array, TimestampMicrosecondArray};
use pipectl_data::{
    Batch, DataType, END_OF_TIME, Field, PayloadFormat, Schema,
    decode::{DecodeFormat, Decoder},
    encode,
};
use pipectl_ir::{Query, dag::LatePolicy};
use pipectl_process::{Operator, Output, window::WindowOperator};
use pipectl_sql::{Input, Lookup, Time};

const TUMBLE: &str = "SELECT k, d, window_start, count(*) AS rows, count(v) AS vs, sum(n) AS ns, sum(v) AS fs,
    avg(n) AS an, avg(v) AS av, min(n) AS n0, max(n) AS n1, min(v) AS v0, max(v) AS v1, min(t) AS t0, max(t) AS t1,
    min(b) AS b0, max(b) AS b1, min(ts) AS ts0, max(d) AS d1, min(ok) AS ok0, max(ok) AS ok1, bool_and(ok) AS every,
    bool_or(ok) AS some, stddev_samp(v) AS sd, var_pop(v) AS vp, count(DISTINCT t) AS ts, sum(DISTINCT n) AS dn,
    avg(DISTINCT n) AS da, max(DISTINCT n) AS dm, min(DISTINCT t) AS dt, count(*) FILTER (WHERE ok) AS oks
    FROM s GROUP BY k, d, tumble(INTERVAL '1 minute')";
const HOP: &str = "SELECT window_start, count(*) AS rows, avg(n) AS an, max(t) AS t1, count(DISTINCT k) AS ks
    FROM s GROUP BY hop(INTERVAL '20 seconds', INTERVAL '1 minute')";

fn schema() -> Schema {
    use DataType::{Bool, Bytes, Date, Float64, Int64, String as Text, Timestamp};
    let fields = [
        ("k", Text),
        ("d", Date),
        ("n", Int64),
        ("v", Float64),
        ("t", Text),
        ("b", Bytes),
        ("ok", Bool),
        ("ts", Timestamp),
    ];
    Schema::new(fields.map(|(name, kind)| Field::new(name, kind)))
}

/// Every third value is missing.
fn batch(numbers: std::ops::Range<i64>) -> Batch {
    let record = |number: i64| {
        let or_null = |at: i64, text: String| if (number + at) % 3 == 0 { "null".to_owned() } else { text };
        format!(
            r#"{{"k":{},"d":{},"n":{},"v":{},"t":{},"b":{},"ok":{},"ts":"2026-01-01T00:{:02}:{:02}Z"}}"#,
            or_null(0, format!(r#""key {}""#, number % 4)),
            or_null(1, format!(r#""2026-01-{:02}""#, 1 + number % 2)),
            or_null(2, (number * 7 % 11 - 5).to_string()),
            or_null(0, format!("{}", (number * 5 % 13) as f64 / 8.0)),
            or_null(1, format!(r#""a text that is longer than a view holds: {}""#, number % 5)),
            or_null(2, r#""aGk=""#.to_owned()),
            or_null(0, (number % 2 == 0).to_string()),
            number % 3,
            number * 7 % 60,
        )
    };
    let records: Vec<String> = numbers.clone().map(record).collect();
    let payload: BinaryViewArray = records.iter().map(|record| Some(record.as_bytes())).collect();
    let decoded = Decoder::new(&schema(), DecodeFormat::Json).decode(&payload).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let offsets = Int64Array::from_iter_values(numbers);
    let mut batch = Batch::raw(0, offsets.clone(), offsets, payload, PayloadFormat::Json).with_columns(decoded.columns);
    let (index, _) = schema().find("ts").unwrap();
    let times = batch.columns.as_ref().unwrap().column(index);
    let times = times.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
    batch.event_time = Some(Int64Array::new(times.values().clone(), times.nulls().cloned()));
    batch
}

fn compile(sql: &str) -> Query {
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap()
}

fn operator(query: &Query) -> WindowOperator {
    WindowOperator::new(query, &schema(), 0, LatePolicy::DeadLetter).unwrap()
}

fn rows(query: &Query, mut operator: WindowOperator, numbers: std::ops::Range<i64>) -> String {
    let mut out = Output::default();
    operator.on_batch(batch(numbers), &mut out).unwrap();
    operator.on_watermark(END_OF_TIME, &mut out).unwrap();
    assert!(out.dead.is_empty() && out.dead_results.is_empty());
    let mut bytes = Vec::new();
    for batch in &out.batches {
        encode::jsonl::write_rows(batch.columns.as_ref().unwrap(), &query.output_schema(), &mut bytes, &mut Vec::new())
            .unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

/// Checkpoints of records 0 to 40, written by the last version with format 1.
const FORMAT_1: [(&str, &[u8]); 2] = [
    (TUMBLE, include_bytes!("checkpoints/tumble-format-1.bin")),
    (HOP, include_bytes!("checkpoints/hop-format-1.bin")),
];

#[test]
fn windows_go_on_from_a_checkpoint_of_format_1() {
    for (sql, checkpoint) in FORMAT_1 {
        let query = compile(sql);
        let mut straight = operator(&query);
        straight.on_batch(batch(0..40), &mut Output::default()).unwrap();
        let mut restored = operator(&query);
        restored.restore(checkpoint).unwrap();
        // What it writes from now on is of the format of now.
        let snapshot = restored.snapshot().unwrap();
        assert_ne!(snapshot, checkpoint);
        let mut again = operator(&query);
        again.restore(&snapshot).unwrap();
        let expected = rows(&query, straight, 40..80);
        assert!(expected.lines().count() > 3, "{expected}");
        assert_eq!(rows(&query, restored, 40..80), expected);
        assert_eq!(rows(&query, again, 40..80), expected);
    }
}

/// A checkpoint whose header has this in place of that.
fn forged(checkpoint: &[u8], old: &str, new: &str) -> Vec<u8> {
    let length = u32::from_le_bytes(checkpoint[12..16].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&checkpoint[16..16 + length]).unwrap();
    assert!(header.contains(old), "{header}");
    let header = header.replace(old, new);
    let mut rest = u32::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    rest.extend_from_slice(header.as_bytes());
    rest.extend_from_slice(&checkpoint[16 + length..]);
    let mut forged = checkpoint[..4].to_vec();
    forged.extend_from_slice(&pipectl_data::key_hash::hash(&rest).to_le_bytes());
    forged.extend_from_slice(&rest);
    forged
}

#[test]
fn other_formats_are_refused_with_advice() {
    let query = compile(HOP);
    let mut now = operator(&query);
    now.on_batch(batch(0..40), &mut Output::default()).unwrap();
    let now = now.snapshot().unwrap();
    for (checkpoint, part) in [
        (
            forged(FORMAT_1[1].1, "55.2.0", "54.0.0"),
            "in format 1 with DataFusion 54.0.0, and this one reads formats 1 and 2",
        ),
        (forged(&now, "\"format\":2", "\"format\":9"), "in format 9, and this one reads formats 1 and 2"),
        (
            forged(&now, "int_mean/1", "int_mean/9"),
            "with an aggregate in format int_mean/9, and this one reads int_mean/1",
        ),
    ] {
        let error = operator(&query).restore(&checkpoint).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("`--fresh`"), "{error}");
    }
    assert!(!String::from_utf8_lossy(&now).contains("datafusion"), "a library's version is in the checkpoint");
}
