//! Random queries over random rows, held against DuckDB: every value, and which rows have none.
//!
//! `cargo test -p pipectl --test differential` asks a few hundred; `PIPECTL_SQL_CASES=20000` asks more. The seed is printed,
//! and `PIPECTL_TEST_SEED=N` brings it back. Where the two mean different things is in `known.rs`, with the reason.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::print_stdout, reason = "seeds and skipped tools are for who reads a test run")]
#![allow(clippy::disallowed_methods, reason = "a test that is given its seed and its size")]

mod aggregate;
mod generate;
mod known;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use aggregate::aggregate;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, Int64Array, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use generate::{Kind, Row, SeededRng, expr, rows};
use known::KNOWN;
use pipectl_data::{
    Batch, DataType, DecimalType, END_OF_TIME, Field, PayloadFormat, Schema,
    decode::{DecodeFormat, Decoder},
};
use pipectl_ir::{Query, dag::LatePolicy};
use pipectl_peers::need;
use pipectl_process::{Operator, Output, sql::SqlOperator, window::WindowOperator};
use pipectl_sql::{Input, Lookup, Time};
use serde_json::{Value, json};

/// The release of DuckDB that results are compared with.
const DUCKDB: &str = "duckdb==1.5.5";
const CASES: usize = 300;
/// Rows of a table, and queries that share one.
const ROWS: usize = 32;
const SHARED: usize = 40;
/// One query in so many is an aggregate over windows.
const WINDOWED: usize = 4;

fn schema() -> Schema {
    use DataType::{Bool, Date, Float64, Int64, String as Text, Timestamp};
    let fields = [
        ("i", Int64),
        ("j", Int64),
        ("f", Float64),
        ("g", Float64),
        ("s", Text),
        ("t", Text),
        ("b", Bool),
        ("c", Bool),
        ("ts", Timestamp),
        ("d", Date),
        ("p", "decimal(8, 2)".parse().unwrap()),
        ("q", "decimal(8, 2)".parse().unwrap()),
    ];
    Schema::new(fields.map(|(name, kind)| Field::new(name, kind)))
}

struct Case {
    table: usize,
    ours: String,
    theirs: String,
    kinds: Vec<Kind>,
    windowed: bool,
}

/// A value of either side. Times are microseconds, dates are days.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

fn alike(ours: &Cell, theirs: &Cell) -> bool {
    match (ours, theirs) {
        (Cell::Float(a), Cell::Float(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => ours == theirs,
    }
}

/// What a column of theirs must be wrapped in to become a cell.
fn wrapped(kind: Kind, theirs: &str) -> String {
    match kind {
        Kind::Time => format!("epoch_us({theirs})"),
        Kind::Date => format!("date_diff('day', DATE '1970-01-01', {theirs})"),
        Kind::Float => format!("CAST({theirs} AS DOUBLE)"),
        Kind::Decimal => format!("CAST({theirs} AS VARCHAR)"),
        _ => theirs.to_owned(),
    }
}

fn case(rng: &mut SeededRng, table: usize) -> Case {
    if rng.below(WINDOWED) == 0 {
        let aggregates: Vec<_> = (0..3).map(|_| aggregate(rng)).collect();
        let (mut ours, mut theirs) =
            ("SELECT c AS k, window_start AS w".to_owned(), "SELECT c, epoch_us(date_trunc('day', ts))".to_owned());
        let mut kinds = vec![Kind::Bool, Kind::Time];
        for (number, (pair, kind)) in aggregates.iter().enumerate() {
            write!(ours, ", {} AS a{number}", pair.ours).unwrap();
            write!(theirs, ", {}", wrapped(*kind, &pair.theirs)).unwrap();
            kinds.push(*kind);
        }
        let condition = expr(rng, Kind::Bool, 1);
        let (ours_where, theirs_where) =
            if condition.fallible { ("TRUE", "TRUE") } else { (condition.ours.as_str(), condition.theirs.as_str()) };
        write!(ours, " FROM s WHERE {ours_where} GROUP BY c, tumble(INTERVAL '1 day')").unwrap();
        write!(theirs, " FROM t{table} WHERE ts IS NOT NULL AND {theirs_where} GROUP BY c, date_trunc('day', ts)")
            .unwrap();
        return Case { table, ours, theirs, kinds, windowed: true };
    }
    let kinds = [Kind::Int, Kind::Float, Kind::Text, Kind::Bool, Kind::Time, Kind::Date, Kind::Decimal];
    let kinds = vec![rng.one(&kinds), rng.one(&kinds)];
    let (x, y) = (expr(rng, kinds[0], 4), expr(rng, kinds[1], 3));
    let condition = expr(rng, Kind::Bool, 2);
    let ours = format!("SELECT {} AS x, {} AS y FROM s WHERE {}", x.ours, y.ours, condition.ours);
    // A value, and whether there is one or null: an error makes both null.
    let pair =
        |kind, theirs: &str| format!("TRY({}), TRY(concat('v', CAST({theirs} AS VARCHAR)))", wrapped(kind, theirs));
    let theirs = format!(
        "SELECT {}, {}, {} FROM t{table} ORDER BY id",
        pair(Kind::Bool, &condition.theirs),
        pair(kinds[0], &x.theirs),
        pair(kinds[1], &y.theirs)
    );
    Case { table, ours, theirs, kinds, windowed: false }
}

fn record(row: &Row) -> String {
    json!({ "i": row.i, "j": row.j, "f": row.f, "g": row.g, "s": row.s, "t": row.t, "b": row.b, "c": row.c, "ts": row.ts, "d": row.d, "p": row.p, "q": row.q })
        .to_string()
}

fn compile(sql: &str) -> Query {
    let input = Input { schema: schema(), time: Time::Field("ts".to_owned()), bounded: false };
    pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).unwrap_or_else(|problems| {
        panic!("{sql}\n{:?}", problems.iter().map(|problem| &problem.title).collect::<Vec<_>>())
    })
}

fn batch(rows: &[Row], first: usize) -> Batch {
    let records: Vec<String> = rows.iter().map(record).collect();
    let payload: BinaryViewArray = records.iter().map(|record| Some(record.as_bytes())).collect();
    let decoded = Decoder::new(&schema(), DecodeFormat::Json).decode(&payload).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let offsets = Int64Array::from_iter_values(first as i64..(first + rows.len()) as i64);
    let mut batch = Batch::raw(0, offsets.clone(), offsets, payload, PayloadFormat::Json).with_columns(decoded.columns);
    let (index, _) = schema().find("ts").map(|(index, field)| (index, field.clone())).unwrap();
    let times = batch.columns.as_ref().unwrap().column(index);
    let times = times.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
    batch.event_time = Some(Int64Array::new(times.values().clone(), times.nulls().cloned()));
    batch
}

fn cell(column: &ArrayRef, kind: Kind, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match kind {
        Kind::Int => Cell::Int(column.as_primitive::<Int64Type>().value(row)),
        Kind::Float => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        Kind::Text => Cell::Text(column.as_string_view().value(row).to_owned()),
        Kind::Bool => Cell::Bool(column.as_boolean().value(row)),
        Kind::Time => Cell::Int(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        Kind::Date => Cell::Int(column.as_primitive::<Date32Type>().value(row).into()),
        Kind::Decimal => {
            let decimals = column.as_primitive::<Decimal128Type>();
            Cell::Text(DecimalType::new(18, 4).unwrap().format(decimals.value(row)))
        }
    }
}

/// Rows by their position in the input (in the output for windows), and the positions of dead ones.
type Answer = (BTreeMap<i64, Vec<Cell>>, Vec<i64>);

fn ours(case: &Case, table: &[Row], chunk: usize) -> Answer {
    let query = compile(&case.ours);
    let mut operator: Box<dyn Operator> = if case.windowed {
        Box::new(WindowOperator::new(&query, &schema(), 0, LatePolicy::DeadLetter).unwrap())
    } else {
        Box::new(SqlOperator::new(&query, &schema()).unwrap())
    };
    let mut out = Output::default();
    for (number, rows) in table.chunks(chunk).enumerate() {
        operator.on_batch(batch(rows, number * chunk), &mut out).unwrap();
    }
    operator.on_watermark(END_OF_TIME, &mut out).unwrap();
    let mut kept = BTreeMap::new();
    for batch in &out.batches {
        let columns = batch.columns.as_ref().unwrap();
        for row in 0..batch.len() {
            let cells: Vec<Cell> =
                case.kinds.iter().zip(columns.columns()).map(|(kind, column)| cell(column, *kind, row)).collect();
            for (cell, column) in cells.iter().zip(query.output_columns()) {
                assert!(*cell != Cell::Null || column.expr.nullable, "{} is null in\n{}", column.name, case.ours);
            }
            kept.insert(batch.offsets.value(row), cells);
        }
    }
    let mut dead: Vec<i64> = out.dead.iter().flat_map(|letters| letters.batch.offsets.values().to_vec()).collect();
    dead.sort_unstable();
    (kept, dead)
}

fn theirs_cell(value: &Value, kind: Kind) -> Cell {
    match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), _) => Cell::Bool(*value),
        (Value::Number(number), Kind::Float) => number.as_f64().map_or(Cell::Null, Cell::Float),
        (Value::Number(number), _) => number.as_i64().map_or(Cell::Null, Cell::Int),
        (Value::String(text), _) => Cell::Text(text.clone()),
        _ => panic!("{value}"),
    }
}

fn judge(case: &Case, table: &[Row], answer: &Value) -> Result<(), String> {
    let found = ours(case, table, table.len());
    for chunk in [1, 7] {
        let other = ours(case, table, chunk);
        if format!("{found:?}") != format!("{other:?}") {
            return Err(format!("in batches of {chunk} it gives\n{other:?}\nand as a whole\n{found:?}"));
        }
    }
    let (kept, dead) = found;
    let rows = answer["rows"].as_array().ok_or_else(|| format!("DuckDB: {}", answer["error"]))?;
    if case.windowed {
        let key = |cells: &[Cell]| format!("{:?} {:?}", cells[0], cells[1]);
        let ours: BTreeMap<_, _> = kept.values().map(|cells| (key(cells), cells.clone())).collect();
        let theirs = rows.iter().map(|row| {
            let cells = row.as_array().unwrap().iter().zip(&case.kinds);
            cells.map(|(value, kind)| theirs_cell(value, *kind)).collect::<Vec<_>>()
        });
        let theirs: BTreeMap<_, _> = theirs.map(|cells| (key(&cells), cells)).collect();
        let same = ours.len() == theirs.len()
            && ours.iter().all(|(key, cells)| {
                theirs.get(key).is_some_and(|other| cells.iter().zip(other).all(|(a, b)| alike(a, b)))
            });
        return if same { Ok(()) } else { Err(format!("ours\n{ours:?}\ntheirs\n{theirs:?}")) };
    }
    for (id, row) in rows.iter().enumerate() {
        let (failed, value) = (|at: usize| row[2 * at + 1].is_null(), |at: usize| &row[2 * at]);
        let passes = value(0) == &Value::Bool(true);
        let theirs_dead = failed(0) || (passes && (failed(1) || failed(2)));
        let ours_dead = dead.contains(&(id as i64));
        let at = || format!("row {id}: {}\nDuckDB: {row}", record(&table[id]));
        if theirs_dead != ours_dead {
            return Err(format!("dead for {}\n{}", if ours_dead { "us only" } else { "DuckDB only" }, at()));
        }
        if ours_dead {
            continue;
        }
        match kept.get(&(id as i64)) {
            None if !passes => {}
            Some(cells) if passes => {
                for (place, (cell, kind)) in cells.iter().zip(&case.kinds).enumerate() {
                    let other = theirs_cell(value(place + 1), *kind);
                    // DuckDB 1.5.5 can leave rubbish in a value beside a row whose TRY failed; its text is then right.
                    let as_text = match cell {
                        Cell::Int(number) => row[2 * place + 3] == format!("v{number}"),
                        Cell::Float(number) => row[2 * place + 3] == format!("v{number:?}"),
                        _ => false,
                    };
                    if !alike(cell, &other) && !as_text {
                        return Err(format!("{cell:?} for us, {other:?} for DuckDB\n{}", at()));
                    }
                }
            }
            kept => return Err(format!("{} for us\n{}", if kept.is_some() { "kept" } else { "left out" }, at())),
        }
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_queries_mean_what_duckdb_means() {
    let python = need!(pipectl_peers::python(&[DUCKDB]));
    let seed = number("PIPECTL_TEST_SEED").unwrap_or(20_261_130);
    let cases = number("PIPECTL_SQL_CASES").map_or(CASES, |cases| cases as usize);
    println!("seed {seed}, {cases} queries");
    let mut rng = SeededRng(seed);
    let tables: Vec<Vec<Row>> = (0..cases.div_ceil(SHARED)).map(|_| rows(&mut rng, ROWS)).collect();
    let cases: Vec<Case> = (0..cases).map(|number| case(&mut rng, number / SHARED)).collect();
    let values = |rows: &Vec<Row>| {
        let row = |(id, r): (usize, &Row)| json!([id, r.i, r.j, r.f, r.g, r.s, r.t, r.b, r.c, r.ts, r.d, r.p, r.q]);
        rows.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    let document = json!({
        "setup": KNOWN.iter().map(|known| format!("CREATE MACRO {}", known.sql)).collect::<Vec<_>>(),
        "tables": tables.iter().map(values).collect::<Vec<_>>(),
        "queries": cases.iter().map(|case| &case.theirs).collect::<Vec<_>>(),
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/differential/duck.py");
    let mut duckdb = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = duckdb.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(document.to_string().as_bytes()));
    let output = duckdb.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "DuckDB ended with {}", output.status);
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        if let Err(why) = judge(case, &tables[case.table], answer) {
            wrong.push(format!("{}\n{}\n{why}\n", case.ours, case.theirs));
        }
    }
    let (count, shown) = (wrong.len(), wrong.into_iter().take(5).collect::<Vec<_>>().join("\n"));
    assert_eq!(count, 0, "of {} queries with seed {seed} so many differ:\n\n{shown}", cases.len());
}

#[test]
fn every_difference_has_a_reason() {
    assert!(KNOWN.iter().all(|known| !known.why.is_empty()));
}
