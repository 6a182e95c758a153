use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringViewArray, cast::AsArray, types::TimestampMicrosecondType};
use pipectl_contract::{OpenContext, Operator, Output};
use pipectl_data::{Batch, DataType, END_OF_TIME, Field, Micros, PayloadFormat, START_OF_TIME, Schema};
use pipectl_ir::dag::{AtEnd, LatePolicy};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AlertOperator, AlertOptions, operator::entry_bytes};

const SECOND: Micros = 1_000_000;

fn schema() -> Schema {
    Schema::new([Field::new("product", DataType::String), Field::new("stock", DataType::Int64)])
}

fn operator(options: Value, late: LatePolicy) -> AlertOperator {
    let options: AlertOptions = serde_json::from_value(options).expect("options");
    let context = OpenContext {
        node: "low".to_owned(),
        input: schema(),
        subtask: 3,
        late,
        at_end: AtEnd::default(),
        host: pipectl_host::Host::real(),
        directory: std::path::PathBuf::new(),
    };
    AlertOperator::new(&options, context).expect("an operator")
}

fn options() -> Value {
    json!({
        "key": ["product"],
        "fire": "stock < 10",
        "resolve": "stock >= 15",
        "message": "{product}: {stock} left",
        "send_resolved": true,
    })
}

/// A record: its second, its product, its stock.
type Row = (i64, &'static str, Option<i64>);

fn batch(partition: u32, first: i64, rows: &[Row]) -> Batch {
    let columns = RecordBatch::try_new(
        schema().arrow(),
        vec![
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
        ],
    )
    .expect("columns");
    let times: Vec<i64> = rows.iter().map(|row| row.0 * SECOND).collect();
    Batch {
        partition,
        offsets: (first..first + rows.len() as i64).collect::<Vec<_>>().into(),
        arrival: vec![0; rows.len()].into(),
        event_time: Some(times.into()),
        keys: None,
        payload: None,
        headers: None,
        positions: None,
        format: PayloadFormat::default(),
        columns: Some(columns),
        notes: None,
        watermark: START_OF_TIME,
    }
}

/// Messages as `second state text id`, the first letters of ids only.
fn messages(out: &Output) -> Vec<String> {
    let of_batch = |batch: &Batch| {
        let columns = batch.columns.clone().expect("columns");
        let text = |index: usize, row: usize| columns.column(index).as_string_view().value(row).to_owned();
        let at = columns.column(2).as_primitive::<TimestampMicrosecondType>().clone();
        assert_eq!(batch.event_time.as_ref().map(|times| times.values().to_vec()), Some(at.values().to_vec()));
        (0..batch.len())
            .map(|row| format!("{} {} {} {}", at.value(row) / SECOND, text(1, row), text(3, row), &text(0, row)[..6]))
            .collect::<Vec<_>>()
    };
    out.batches.iter().flat_map(of_batch).collect()
}

/// What an operator makes of batches, each followed by a watermark, and of the end.
fn run(operator: &mut AlertOperator, batches: &[(Batch, i64)]) -> (Vec<String>, Output) {
    let mut all = Output::default();
    for (batch, watermark) in batches {
        operator.on_batch(batch.clone(), &mut all).expect("a batch");
        operator.on_watermark(watermark * SECOND, &mut all).expect("a watermark");
    }
    operator.on_end(100 * SECOND, &mut all).expect("the end");
    (messages(&all), all)
}

#[test]
fn one_message_for_each_crossing_in_the_order_of_event_times() {
    let rows = [
        (1, "a", Some(12)),
        (4, "a", Some(9)),
        (3, "b", Some(4)),
        (2, "a", Some(30)),
        (5, "a", Some(11)),
        (6, "a", Some(8)),
        (9, "b", None),
        (7, "a", Some(15)),
        (8, "a", Some(2)),
    ];
    let mut low = operator(options(), LatePolicy::DeadLetter);
    let (found, out) = run(&mut low, &[(batch(0, 0, &rows), 1)]);
    let expected = [
        "3 firing b: 4 left 3edbd5",
        "4 firing a: 9 left 4bb9f4",
        "7 resolved a: 15 left 4bb9f4",
        "8 firing a: 2 left b21b6c",
    ];
    let without_ids = |lines: &[&str]| lines.iter().map(|line| line[..line.len() - 7].to_owned()).collect::<Vec<_>>();
    assert_eq!(without_ids(&found.iter().map(String::as_str).collect::<Vec<_>>()), without_ids(&expected));
    let id = |line: usize| found[line].rsplit(' ').next().expect("an id").to_owned();
    assert_eq!(id(1), id(2), "a resolution has the id of its crossing");
    assert!(id(1) != id(0) && id(1) != id(3));
    assert_eq!((out.absorbed, out.released), (9, 9));
    assert!(out.dead.is_empty() && out.dead_results.is_empty());
}

#[test]
fn late_records_are_dead_letters_or_dropped() {
    for (policy, dead, dropped) in [(LatePolicy::DeadLetter, 1, 0), (LatePolicy::Drop, 0, 1)] {
        let mut low = operator(options(), policy);
        let batches =
            [(batch(0, 0, &[(10, "a", Some(20))]), 8), (batch(0, 1, &[(7, "a", Some(1)), (8, "a", Some(2))]), 9)];
        let (found, out) = run(&mut low, &batches);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((out.dead.len(), out.dropped_late, out.absorbed), (dead, dropped, 2));
        assert!(out.dead.iter().flat_map(|dead| &dead.reasons).all(|reason| reason.code == "late"));
    }
}

#[test]
fn a_fault_in_a_condition_is_a_dead_letter_and_changes_no_alert() {
    let mut options = options();
    options["fire"] = json!("100 / stock > 10");
    options["resolve"] = json!("100 / stock <= 10");
    let mut low = operator(options, LatePolicy::DeadLetter);
    let rows = [(1, "a", Some(5)), (2, "a", Some(0)), (3, "a", Some(6)), (4, "a", Some(50))];
    let (found, out) = run(&mut low, &[(batch(0, 0, &rows), 2)]);
    assert_eq!(
        found.iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect::<Vec<_>>(),
        ["firing", "resolved"]
    );
    assert_eq!((out.dead.len(), out.absorbed), (1, 3));
}

#[test]
fn a_fault_in_a_message_is_a_dead_letter_of_a_result() {
    let mut options = options();
    options["message"] = json!("{10 / stock}");
    let mut low = operator(options, LatePolicy::DeadLetter);
    let (found, out) = run(&mut low, &[(batch(0, 0, &[(1, "a", Some(0)), (2, "b", Some(5))]), 1)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(out.dead_results.iter().map(|dead| dead.batch.len()).sum::<usize>(), 1);
}

#[test]
fn calm_keys_take_no_memory() {
    let mut low = operator(options(), LatePolicy::DeadLetter);
    let rows: Vec<Row> = (0..50).map(|second| (second, "a", Some(20))).collect();
    let (_, _) = run(&mut low, &[(batch(0, 0, &rows), 50)]);
    assert_eq!((low.state_bytes(), low.alerts.len(), low.held.len()), (0, 0, 0));
}

/// The bytes of all that an operator holds, counted anew.
fn counted(low: &AlertOperator) -> usize {
    low.held.iter().map(|held| held.bytes).sum::<usize>()
        + low.pending.values().map(Batch::byte_size).sum::<usize>()
        + low.alerts.keys().map(|key| entry_bytes(key)).sum::<usize>()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..40_i64, prop::sample::select(vec!["a", "b", "c"]), prop::option::weighted(0.9, 0..25_i64));
    prop::collection::vec(row, 0..60)
}

proptest! {
    /// Whatever order records come in, how they are cut, where checkpoints are: the same messages.
    #[test]
    fn only_the_records_decide(
        rows in rows(),
        cuts in prop::collection::vec(1..20_usize, 1..8),
        hold in prop::sample::select(vec![None, Some("3s")]),
        silence in prop::sample::select(vec![None, Some("9s")]),
    ) {
        let mut options = options();
        if let Some(hold) = hold { options["for"] = json!(hold); }
        if let Some(silence) = silence { options["silence"] = json!(silence); }
        let whole = run(&mut operator(options.clone(), LatePolicy::DeadLetter), &[(batch(0, 0, &rows), -1)]).0;

        // In the order of event times, with a watermark right behind each batch, and a checkpoint after each.
        let mut sorted: Vec<(i64, Row)> = (0..).zip(rows.iter().copied()).collect();
        sorted.sort_by_key(|(position, row)| (row.0, *position));
        let mut low = operator(options.clone(), LatePolicy::DeadLetter);
        let mut found = Vec::new();
        let mut rest = sorted.as_slice();
        for cut in cuts.iter().cycle() {
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            let mut out = Output::default();
            let mut one = batch(0, 0, &part.iter().map(|(_, row)| *row).collect::<Vec<_>>());
            one.offsets = part.iter().map(|(position, _)| *position).collect::<Vec<_>>().into();
            low.on_batch(one, &mut out).expect("a batch");
            let watermark = after.first().map_or(END_OF_TIME, |(_, row)| row.0 * SECOND);
            if watermark < END_OF_TIME {
                low.on_watermark(watermark, &mut out).expect("a watermark");
            } else {
                low.on_end(100 * SECOND, &mut out).expect("the end");
            }
            found.extend(messages(&out));
            let snapshot = low.snapshot().expect("a snapshot");
            let bytes = low.state_bytes();
            prop_assert_eq!(bytes, counted(&low));
            low = operator(options.clone(), LatePolicy::DeadLetter);
            low.restore(&snapshot).expect("restores");
            prop_assert_eq!(low.state_bytes(), counted(&low));
            // Records that came in several batches lie in one now, which takes fewer bytes for nulls.
            prop_assert!(low.state_bytes() <= bytes, "{} > {}", low.state_bytes(), bytes);
            prop_assert_eq!(&low.snapshot().expect("a snapshot"), &snapshot);
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        found.sort();
        let mut whole = whole;
        whole.sort();
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn damaged_checkpoints_are_refused(at in 0..200_usize, to in any::<u8>()) {
        let mut low = operator(options(), LatePolicy::DeadLetter);
        let mut out = Output::default();
        low.on_batch(batch(0, 0, &[(1, "a", Some(1)), (9, "b", Some(2))]), &mut out).expect("a batch");
        low.on_watermark(5 * SECOND, &mut out).expect("a watermark");
        let mut snapshot = low.snapshot().expect("a snapshot");
        let at = at % snapshot.len();
        prop_assume!(snapshot[at] != to);
        snapshot[at] = to;
        prop_assert!(operator(options(), LatePolicy::DeadLetter).restore(&snapshot).is_err());
    }
}
