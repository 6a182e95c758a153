//! Windows against a plain model, and what a checkpoint refuses.

use std::collections::BTreeMap;

use arrow_array::{
    Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use pipectl_data::{Batch, DataType, END_OF_TIME, Field, PayloadFormat, START_OF_TIME, Schema, civil};
use pipectl_ir::{Query, dag::LatePolicy, query::Window};
use pipectl_sql::{Input, Lookup, Time};
use proptest::prelude::*;

use super::WindowOperator;
use crate::{Operator, Output};

const SECOND: i64 = 1_000_000;

fn schema() -> Schema {
    Schema::new([
        Field::new("k", DataType::String),
        Field::new("ts", DataType::Timestamp),
        Field::new("v", DataType::Float64),
    ])
}

fn compile(window: &str) -> Query {
    let sql = format!(
        "SELECT k, window_start, count(*) AS n, sum(v) AS s, avg(v) AS a, min(v) AS lo, max(v) AS hi, \
         count(DISTINCT v) AS d, stddev_samp(v) AS sd FROM s GROUP BY k, {window}"
    );
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    pipectl_sql::compile(&sql, &|_| Lookup::Input(input.clone())).unwrap()
}

fn operator(query: &Query) -> WindowOperator {
    WindowOperator::new(query, &schema(), 3, LatePolicy::DeadLetter).unwrap()
}

type Row = (Option<u8>, i64, Option<i8>);

fn batch(rows: &[Row]) -> Batch {
    let keys: StringViewArray = rows.iter().map(|(key, _, _)| key.map(|key| format!("key-{key}"))).collect();
    let times = Int64Array::from_iter_values(rows.iter().map(|(_, at, _)| *at));
    let values: Float64Array = rows.iter().map(|(_, _, value)| value.map(|value| f64::from(value) / 8.0)).collect();
    let columns = RecordBatch::try_new(
        schema().arrow(),
        vec![
            std::sync::Arc::new(keys),
            std::sync::Arc::new(TimestampMicrosecondArray::new(times.values().clone(), None)),
            std::sync::Arc::new(values),
        ],
    )
    .unwrap();
    Batch {
        partition: 0,
        offsets: Int64Array::from_iter_values(0..rows.len() as i64),
        arrival: Int64Array::from_value(0, rows.len()),
        event_time: Some(times),
        keys: None,
        payload: None,
        headers: None,
        positions: None,
        format: PayloadFormat::Json,
        columns: Some(columns),
        notes: None,
        watermark: START_OF_TIME,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<Row>),
    /// Forward by so many seconds.
    Watermark(i64),
    Restart,
}

/// What an exact, slow reading of the definition gives: window start, key, values in the order of their coming.
#[derive(Default)]
struct Model {
    open: BTreeMap<i64, BTreeMap<Option<u8>, Vec<Option<i8>>>>,
    late: usize,
}

impl Model {
    fn add(&mut self, window: Window, watermark: i64, (key, at, value): Row) {
        let (size, slide, offset) = (window.size(), window.slide(), window.offset());
        let mut start = (at - offset).div_euclid(slide) * slide + offset;
        let mut taken = false;
        while start > at - size {
            if start + size > watermark {
                self.open.entry(start).or_default().entry(key).or_default().push(value);
                taken = true;
            }
            start -= slide;
        }
        self.late += usize::from(!taken);
    }

    fn close(&mut self, window: Window, watermark: i64, out: &mut Vec<Result_>) {
        while let Some((start, groups)) = self.open.pop_first() {
            if start.saturating_add(window.size()) > watermark {
                self.open.insert(start, groups);
                return;
            }
            for (key, values) in groups {
                let present: Vec<f64> = values.iter().flatten().map(|value| f64::from(*value) / 8.0).collect();
                let n = present.len() as f64;
                let sum: f64 = present.iter().sum();
                let squares: f64 = present.iter().map(|value| (value - sum / n).powi(2)).sum();
                let mut different: Vec<_> = values.iter().flatten().collect();
                different.sort();
                different.dedup();
                let some = |value: f64| (!present.is_empty()).then_some(value);
                out.push(Result_ {
                    key: key.map(|key| format!("key-{key}")),
                    start,
                    count: values.len() as i64,
                    sum: some(sum),
                    avg: some(sum / n),
                    low: present.iter().copied().reduce(f64::min),
                    high: present.iter().copied().reduce(f64::max),
                    different: different.len() as i64,
                    deviation: (present.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
                });
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Result_ {
    key: Option<String>,
    start: i64,
    count: i64,
    sum: Option<f64>,
    avg: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    different: i64,
    deviation: Option<f64>,
}

fn results(out: &Output) -> Vec<Result_> {
    let mut results = Vec::new();
    for batch in &out.batches {
        let columns = batch.columns.as_ref().unwrap();
        let keys = columns.column(0).as_string_view();
        let floats = |index: usize, row: usize| {
            let column = columns.column(index).as_primitive::<Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let ints = |index: usize, row: usize| columns.column(index).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.len() {
            results.push(Result_ {
                key: keys.is_valid(row).then(|| keys.value(row).to_owned()),
                start: columns.column(1).as_primitive::<TimestampMicrosecondType>().value(row),
                count: ints(2, row),
                sum: floats(3, row),
                avg: floats(4, row),
                low: floats(5, row),
                high: floats(6, row),
                different: ints(7, row),
                deviation: floats(8, row),
            });
        }
    }
    results
}

fn run(query: &Query, steps: &[Step], restarts: bool) -> (Output, usize) {
    let mut operator_ = operator(query);
    let mut out = Output::default();
    let mut watermark = START_OF_TIME;
    let mut absorbed = 0;
    for step in steps {
        match step {
            Step::Rows(rows) => {
                operator_.on_batch(batch(rows), &mut out).unwrap();
                absorbed += rows.len();
            }
            Step::Watermark(seconds) => {
                watermark = watermark.max(-60 * SECOND) + seconds * SECOND;
                operator_.on_watermark(watermark, &mut out).unwrap();
            }
            Step::Restart if restarts => {
                let snapshot = operator_.snapshot().unwrap();
                operator_ = operator(query);
                operator_.restore(&snapshot).unwrap();
            }
            Step::Restart => {}
        }
    }
    operator_.on_watermark(END_OF_TIME, &mut out).unwrap();
    assert_eq!(operator_.state_bytes(), 0, "bytes of state are left over");
    let late: usize = out.dead.iter().map(|dead| dead.batch.len()).sum();
    assert_eq!(out.absorbed as usize + late, absorbed, "the ledger does not balance");
    (out, late)
}

fn expected(window: Window, steps: &[Step]) -> (Vec<Result_>, usize) {
    let mut model = Model::default();
    let mut out = Vec::new();
    let mut watermark = START_OF_TIME;
    for step in steps {
        match step {
            Step::Rows(rows) => rows.iter().for_each(|row| model.add(window, watermark, *row)),
            Step::Watermark(seconds) => {
                watermark = watermark.max(-60 * SECOND) + seconds * SECOND;
                model.close(window, watermark, &mut out);
            }
            Step::Restart => {}
        }
    }
    model.close(window, END_OF_TIME, &mut out);
    (out, model.late)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row =
        (prop::option::weighted(0.9, 0..4_u8), -90 * SECOND..150 * SECOND, prop::option::weighted(0.9, any::<i8>()));
    let step = prop_oneof![
        4 => prop::collection::vec(row, 1..30).prop_map(Step::Rows),
        2 => (0..40_i64).prop_map(Step::Watermark),
        2 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..16)
}

fn windows() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "tumble(INTERVAL '10 seconds')",
        "tumble(INTERVAL '1 minute', INTERVAL '7 seconds')",
        "hop(INTERVAL '10 seconds', INTERVAL '30 seconds')",
        "hop(INTERVAL '20 seconds', INTERVAL '30 seconds')",
        "hop(INTERVAL '7 seconds', INTERVAL '16 seconds', INTERVAL '3 seconds')",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_equal_the_model_and_restarts_change_no_bit(window in windows(), steps in steps()) {
        let query = compile(window);
        let (straight, late) = run(&query, &steps, false);
        let (restarted, late_again) = run(&query, &steps, true);
        let straight = results(&straight);
        prop_assert_eq!(&straight, &results(&restarted));
        prop_assert_eq!(late, late_again);
        let (model, late_model) = expected(query.window().unwrap().window, &steps);
        prop_assert_eq!(late, late_model);
        prop_assert_eq!(straight.len(), model.len());
        for (given, wanted) in straight.iter().zip(&model) {
            // Eighths add up exactly; only the deviation depends on the order of its steps.
            let without = |result: &Result_| Result_ { deviation: None, ..result.clone() };
            prop_assert_eq!(without(given), without(wanted));
            match (given.deviation, wanted.deviation) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} {b}"),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }

    #[test]
    fn a_damaged_snapshot_is_refused_not_believed(cut in 0..2_000_usize, flip in 0..2_000_usize) {
        let query = compile("tumble(INTERVAL '10 seconds')");
        let mut full = operator(&query);
        full.on_batch(batch(&[(Some(1), 0, Some(1)), (None, 20 * SECOND, None)]), &mut Output::default()).unwrap();
        let snapshot = full.snapshot().unwrap();
        let short = &snapshot[..cut.min(snapshot.len() - 1)];
        prop_assert!(short.is_empty() || operator(&query).restore(short).is_err());
        let mut flipped = snapshot;
        let at = flip % flipped.len();
        flipped[at] ^= 0x10;
        prop_assert!(operator(&query).restore(&flipped).is_err());
    }
}

#[test]
fn a_snapshot_of_another_query_is_refused() {
    let mut tens = operator(&compile("tumble(INTERVAL '10 seconds')"));
    tens.on_batch(batch(&[(Some(1), 0, Some(1))]), &mut Output::default()).unwrap();
    let snapshot = tens.snapshot().unwrap();
    let error = operator(&compile("tumble(INTERVAL '20 seconds')")).restore(&snapshot).unwrap_err();
    assert!(error.to_string().contains("another query"), "{error}");
    // Only the text differs, not what the state means.
    operator(&compile("tumble(INTERVAL  '10000 ms' )")).restore(&snapshot).unwrap();
    assert!(operator(&compile("tumble(INTERVAL '10 seconds')")).restore(b"PCWS\xff\xff\xff\xff").is_err());
}

#[test]
fn an_unchanged_pane_is_written_once() {
    let mut operator = operator(&compile("tumble(INTERVAL '10 seconds')"));
    let many: Vec<Row> = (0..200).map(|index| (Some(1), index * 10 * SECOND, Some(1))).collect();
    operator.on_batch(batch(&many), &mut Output::default()).unwrap();
    let first = operator.snapshot().unwrap();
    operator.on_batch(batch(&[(Some(1), 0, Some(1))]), &mut Output::default()).unwrap();
    let second = operator.snapshot().unwrap();
    assert_eq!(first.len(), second.len());
    assert_ne!(first, second);
}

#[test]
fn results_carry_the_window_in_their_envelope() {
    let mut operator = operator(&compile("tumble(INTERVAL '10 seconds')"));
    let mut out = Output::default();
    operator.on_batch(batch(&[(Some(1), 5 * SECOND, Some(1)), (Some(1), 15 * SECOND, Some(1))]), &mut out).unwrap();
    operator.on_watermark(10 * SECOND, &mut out).unwrap();
    operator.on_watermark(END_OF_TIME, &mut out).unwrap();
    let envelope: Vec<_> = out
        .batches
        .iter()
        .map(|batch| (batch.partition, batch.offsets.value(0), batch.event_time.as_ref().unwrap().value(0)))
        .collect();
    assert_eq!(envelope, [(3, 0, 10 * SECOND - 1), (3, 1, 20 * SECOND - 1)]);
}

#[test]
fn times_at_the_ends_of_time_are_dead_letters() {
    let mut operator = operator(&compile("hop(INTERVAL '7 seconds', INTERVAL '16 seconds')"));
    let mut out = Output::default();
    let rows =
        [(Some(1), i64::MAX, None), (Some(1), i64::MIN, None), (Some(1), i64::MIN + 1, None), (Some(1), 0, None)];
    operator.on_batch(batch(&rows), &mut out).unwrap();
    operator.on_watermark(END_OF_TIME, &mut out).unwrap();
    assert_eq!(out.dead.iter().map(|dead| dead.batch.len()).sum::<usize>(), 3);
    assert_eq!(out.absorbed, 1);
}

/// `cargo test --release -p pipectl-process speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    let query = compile_speed();
    let mut operator = operator(&query);
    let mut out = Output::default();
    let batches: Vec<Batch> = (0..600)
        .map(|number| {
            let rows: Vec<Row> = (0..8_192)
                .map(|row| (Some((row % 100) as u8), (number * 8_192 + row) * 5_000, Some((row % 97) as i8)))
                .collect();
            batch(&rows)
        })
        .collect();
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let start = std::time::Instant::now();
    for batch in batches {
        let latest = batch.event_time.as_ref().unwrap().values().iter().copied().max().unwrap();
        operator.on_batch(batch, &mut out).unwrap();
        operator.on_watermark(latest - 5 * SECOND, &mut out).unwrap();
    }
    let rate = 600.0 * 8_192.0 / start.elapsed().as_secs_f64() / 1e6;
    println!("{rate:.1} million rows a second, {} results", out.batches.iter().map(Batch::len).sum::<usize>());
}

fn compile_speed() -> Query {
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    let sql = "SELECT k, window_start, avg(v) AS a, min(v) AS lo, max(v) AS hi, avg(v + 1.0) AS b FROM s \
               GROUP BY k, tumble(INTERVAL '1 minute')";
    pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap()
}

/// A window of the last day can end beyond the years; its result is no later than they are.
#[test]
fn results_stay_within_the_years() {
    let query = compile("tumble(INTERVAL '7 days')");
    let mut operator = operator(&query);
    let mut out = Output::default();
    operator.on_batch(batch(&[(Some(1), civil::MAX - SECOND, Some(1))]), &mut out).unwrap();
    operator.on_end(civil::MAX - SECOND, &mut out).unwrap();
    let times: Vec<_> = out.batches.iter().flat_map(|batch| batch.event_time.iter().flatten()).collect();
    assert_eq!(times, [Some(civil::MAX)]);
}

/// Arguments that grow beyond what one evaluation may make give the same windows, in the order of their rows.
#[test]
fn growing_arguments_are_computed_in_stretches() {
    let sql =
        "SELECT k, count(*) AS n, max(repeat(k, 150000)) = repeat(k, 150000) AS same, avg(length(repeat(k, 150000)))
               AS mean FROM s GROUP BY k, tumble(INTERVAL '1 minute')";
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    let query = pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap();
    let mut operator = operator(&query);
    let mut out = Output::default();
    let rows: Vec<Row> = (0..200).map(|row| (Some((row % 2) as u8), row * SECOND, None)).collect();
    operator.on_batch(batch(&rows), &mut out).unwrap();
    assert_eq!(out.absorbed, 200);
    operator.on_end(200 * SECOND, &mut out).unwrap();
    assert_eq!((out.dead.len(), out.dead_results.len()), (0, 0));
    let counts: Vec<_> = out
        .batches
        .iter()
        .flat_map(|batch| batch.columns.as_ref().unwrap().column(1).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(counts, [30, 30, 30, 30, 30, 30, 10, 10]);
    for columns in out.batches.iter().map(|batch| batch.columns.as_ref().unwrap()) {
        assert!(columns.column(2).as_boolean().iter().all(|same| same == Some(true)));
        let means = columns.column(3).as_primitive::<Float64Type>();
        assert_eq!(means, &Float64Array::from_value(750_000.0, means.len()));
    }
}

/// Over an input that ends, the different rows need no window.
#[test]
fn different_rows_of_a_bounded_input() {
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: true };
    let sql = "SELECT DISTINCT v > 0 AS positive, k FROM s WHERE k IS NOT NULL";
    let query = pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap();
    let mut operator = operator(&query);
    let mut out = Output::default();
    let rows = [(Some(1), 0, Some(1)), (Some(1), 90 * SECOND, Some(2)), (None, 0, Some(1)), (Some(1), 0, Some(-1))];
    operator.on_batch(batch(&rows), &mut out).unwrap();
    operator.on_end(90 * SECOND, &mut out).unwrap();
    let found: Vec<_> = out
        .batches
        .iter()
        .map(|batch| batch.columns.as_ref().unwrap())
        .flat_map(|columns| columns.column(0).as_boolean().iter().zip(columns.column(1).as_string_view()))
        .map(|(positive, key)| (positive.unwrap(), key.unwrap().to_owned()))
        .collect();
    assert_eq!(found, [(false, "key-1".to_owned()), (true, "key-1".to_owned())]);
}

/// Which records come first makes no difference for what is ordered by event time, whatever the partitions.
#[test]
fn the_order_of_arrival_does_not_show() {
    let sql = "SELECT window_start, first(v) AS f, last(v) AS l, max_by(v, k) AS m, string_agg(k, ',') AS ks,
               string_agg(DISTINCT k, ',') AS each FROM s GROUP BY tumble(INTERVAL '1 minute')";
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    let query = pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap();
    let of = |partition: u32, rows: &[Row]| Batch { partition, ..batch(rows) };
    let batches = [
        of(1, &[(Some(1), 5 * SECOND, Some(1)), (Some(3), 5 * SECOND, Some(2)), (Some(2), 2 * SECOND, Some(3))]),
        of(0, &[(Some(3), 5 * SECOND, Some(4)), (Some(2), SECOND, Some(5))]),
        of(2, &[(Some(3), 5 * SECOND, Some(6)), (Some(1), 5 * SECOND, Some(7)), (Some(1), 5 * SECOND, None)]),
    ];
    let run = |order: [usize; 3]| {
        let mut operator = operator(&query);
        let mut out = Output::default();
        for index in order {
            operator.on_batch(batches[index].clone(), &mut out).unwrap();
            let snapshot = operator.snapshot().unwrap();
            operator.restore(&snapshot).unwrap();
        }
        operator.on_watermark(END_OF_TIME, &mut out).unwrap();
        format!("{:?}", out.batches.iter().map(|batch| batch.columns.clone()).collect::<Vec<_>>())
    };
    let first = run([0, 1, 2]);
    assert!(first.contains("key-2,key-2,key-3,key-1,key-3,key-3,key-1,key-1"), "{first}");
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(run(order), first);
    }
}
