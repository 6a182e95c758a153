//! Every file of `tests/sql` is a query, its input and all that it must give.
//!
//! A case is run as written, record by record, and, where it has windows, with a checkpoint and a restart after every
//! batch: the result must be the same each time.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fmt::Write as _, fs, path::PathBuf};

use arrow_array::{Array, BinaryViewArray, Int64Array, TimestampMicrosecondArray};
use pipectl_data::{
    Batch, DataType, END_OF_TIME, Field, Micros, PayloadFormat, START_OF_TIME, Schema,
    decode::{DecodeFormat, Decoder},
    encode, timestamp,
};
use pipectl_ir::{Query, dag::LatePolicy};
use pipectl_process::{Operator, Output, sql::SqlOperator, window::WindowOperator};
use pipectl_sql::{Input, Lookup, Time};

struct Case {
    schema: Schema,
    sql: String,
    late: LatePolicy,
    steps: Vec<Step>,
    expected: String,
}

#[derive(Clone)]
enum Step {
    Records(Vec<String>),
    Watermark(i64),
}

/// What stands between commas that are in no brackets.
fn fields(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|character| {
        depth += i32::from(matches!(character, '(' | '<')) - i32::from(matches!(character, ')' | '>'));
        character == ',' && depth == 0
    })
    .collect()
}

fn read(text: &str) -> Case {
    let mut case = Case {
        schema: Schema::new([]),
        sql: String::new(),
        late: LatePolicy::DeadLetter,
        steps: Vec::new(),
        expected: String::new(),
    };
    let mut joined = false;
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "schema" => {
                case.schema = Schema::new(fields(rest).into_iter().map(|field| {
                    let (name, kind) = field.trim().split_once(": ").unwrap();
                    Field::new(name, kind.parse().unwrap())
                }));
            }
            "sql" => writeln!(case.sql, "{rest}").unwrap(),
            "late" => case.late = LatePolicy::Drop,
            "in" => match case.steps.last_mut() {
                Some(Step::Records(records)) if joined => records.push(rest.to_owned()),
                _ => case.steps.push(Step::Records(vec![rest.to_owned()])),
            },
            "watermark" => case.steps.push(Step::Watermark(if rest == "end" {
                END_OF_TIME
            } else {
                timestamp::parse(rest).unwrap()
            })),
            "out" | "dead" | "filtered" | "dropped" => writeln!(case.expected, "{line}").unwrap(),
            "" | "#" | "batch" => {}
            _ => panic!("`{word}` begins no line of a case"),
        }
        joined = word == "in";
    }
    case
}

fn compile(case: &Case) -> Query {
    let time = if case.schema.find("ts").is_some() { Time::Field("ts".to_owned()) } else { Time::None };
    let input = Input { schema: case.schema.clone(), time, bounded: false };
    pipectl_sql::compile(&case.sql, &|_| Lookup::Input(input.clone())).unwrap_or_else(|problems| {
        panic!("{}: {:?}", case.sql, problems.iter().map(|problem| &problem.title).collect::<Vec<_>>())
    })
}

fn operator(query: &Query, case: &Case) -> Box<dyn Operator> {
    if query.is_windowed() {
        Box::new(WindowOperator::new(query, &case.schema, 0, case.late).unwrap())
    } else {
        Box::new(SqlOperator::new(query, &case.schema).unwrap())
    }
}

fn batch(schema: &Schema, records: &[String], first: i64) -> Batch {
    let payload: BinaryViewArray = records.iter().map(|record| Some(record.as_bytes())).collect();
    let decoded = Decoder::new(schema, DecodeFormat::Json).decode(&payload).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let offsets = Int64Array::from_iter_values(first..first + records.len() as i64);
    let arrival = Int64Array::from_iter_values(offsets.values().iter().map(|offset| 1_000_000 * offset));
    let mut batch = Batch::raw(0, offsets, arrival, payload, PayloadFormat::Json).with_columns(decoded.columns);
    batch.event_time = schema.find("ts").map(|(index, _)| {
        let times = batch.columns.as_ref().unwrap().column(index);
        let times = times.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
        Int64Array::new(times.values().clone(), times.nulls().cloned())
    });
    batch
}

fn run(case: &Case, query: &Query, one_by_one: bool, restarts: bool) -> String {
    let mut operator_ = operator(query, case);
    let mut out = Output::default();
    let (mut next, mut newest) = (0, START_OF_TIME);
    for step in &case.steps {
        match step {
            Step::Records(records) => {
                let size = if one_by_one { 1 } else { records.len() };
                for records in records.chunks(size) {
                    let batch = batch(&case.schema, records, next);
                    newest = batch.event_time.iter().flatten().flatten().fold(newest, Micros::max);
                    operator_.on_batch(batch, &mut out).unwrap();
                    next += records.len() as i64;
                }
            }
            Step::Watermark(END_OF_TIME) => {
                operator_.on_end(newest, &mut out).unwrap();
            }
            Step::Watermark(watermark) => operator_.on_watermark(*watermark, &mut out).unwrap(),
        }
        if restarts {
            let snapshot = operator_.snapshot().unwrap();
            assert_eq!(operator_.snapshot().unwrap(), snapshot, "a second snapshot differs");
            operator_ = operator(query, case);
            operator_.restore(&snapshot).unwrap();
        }
    }
    show(&out, &query.output_schema())
}

fn show(out: &Output, schema: &Schema) -> String {
    let mut shown = String::new();
    for batch in &out.batches {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        assert_eq!(batch.len(), batch.columns.as_ref().unwrap().num_rows());
        encode::jsonl::write_rows(batch.columns.as_ref().unwrap(), schema, &mut bytes, &mut ends).unwrap();
        for line in String::from_utf8(bytes).unwrap().lines() {
            writeln!(shown, "out {line}").unwrap();
        }
    }
    let mut dead: Vec<(i64, String)> = Vec::new();
    for letters in out.dead.iter().chain(&out.dead_results) {
        assert_eq!(letters.batch.len(), letters.reasons.len());
        for (row, reason) in letters.reasons.iter().enumerate() {
            let offset = letters.batch.offsets.value(row);
            dead.push((offset, format!("dead {offset} {}: {}\n", reason.code, reason.message)));
        }
    }
    dead.sort();
    for (_, line) in &dead {
        shown.push_str(line);
    }
    if out.filtered > 0 {
        writeln!(shown, "filtered {}", out.filtered).unwrap();
    }
    if out.dropped_late > 0 {
        writeln!(shown, "dropped {}", out.dropped_late).unwrap();
    }
    shown
}

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_gives_what_it_says() {
    for path in cases() {
        let case = read(&fs::read_to_string(&path).unwrap());
        let query = compile(&case);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(run(&case, &query, false, false), case.expected, "{name}");
        assert_eq!(run(&case, &query, true, false), case.expected, "{name}, record by record");
        assert_eq!(run(&case, &query, false, true), case.expected, "{name}, with restarts");
    }
}

/// Each function's example in the reference page is true.
#[test]
fn every_documented_example_holds() {
    for function in pipectl_ir::functions::FUNCTIONS.iter() {
        if function.example.gives.is_empty() {
            continue;
        }
        let case = Case {
            schema: Schema::new([Field::new("x", DataType::Int64)]),
            sql: format!("SELECT CAST({} AS string) AS result FROM s", function.example.sql),
            late: LatePolicy::DeadLetter,
            steps: vec![Step::Records(vec![r#"{"x":1}"#.to_owned()])],
            expected: String::new(),
        };
        let mut out = Output::default();
        let query = compile(&case);
        operator(&query, &case).on_batch(batch(&case.schema, &[r#"{"x":1}"#.to_owned()], 0), &mut out).unwrap();
        assert!(out.dead.is_empty(), "{}: {:?}", function.example.sql, out.dead);
        let column = out.batches[0].columns.as_ref().unwrap().column(0);
        let given = arrow_cast::display::array_value_to_string(column, 0).unwrap();
        assert_eq!(given, function.example.gives, "{}", function.example.sql);
    }
}

/// Writes what is found into the cases; look at the difference before it is committed.
#[test]
#[ignore = "rewrites the cases: cargo test -p pipectl-process --test sql_cases -- --ignored"]
fn rewrite() {
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let case = read(&text);
        let kept: String = text
            .lines()
            .filter(|line| !["out ", "dead ", "filtered ", "dropped "].iter().any(|word| line.starts_with(word)))
            .fold(String::new(), |kept, line| kept + line + "\n");
        let found = run(&case, &compile(&case), false, false);
        fs::write(path, format!("{}\n\n{found}", kept.trim_end())).unwrap();
    }
}

/// A batch whose texts grow is computed in stretches; rows, their order and the dead letters stay as they are.
#[test]
fn growing_texts_come_in_stretches() {
    const ROWS: usize = 150;
    let schema = Schema::new([Field::new("x", DataType::Int64)]);
    let records: Vec<String> = (0..ROWS).map(|row| format!(r#"{{"x":{row}}}"#)).collect();
    let compile = |columns: &str| {
        let sql = format!("SELECT x, {columns} FROM s WHERE x % 10 <> 3");
        let input = Input { schema: schema.clone(), time: Time::None, bounded: false };
        pipectl_sql::compile(&sql, &|_| Lookup::Input(input.clone())).unwrap()
    };
    let run = |columns: &str| {
        let mut operator = SqlOperator::new(&compile(columns), &schema).unwrap();
        let mut out = Output::default();
        for _ in 0..3 {
            operator.on_batch(batch(&schema, &records, 0), &mut out).unwrap();
        }
        out
    };
    for (columns, stretches) in [
        ("length('y') AS l", false),
        ("repeat('z', 1000000) AS l", true),
        ("length(repeat(CAST(x AS string), 500000 / length(CAST(x AS string)))) AS l", true),
        (
            "length(CASE WHEN x > 5 THEN regexp_replace(repeat('a', 1000 + x), 'a', repeat('b', 1000 - x)) END) AS l",
            true,
        ),
        ("length(repeat('a', 1000000) || CAST(x AS string)) AS l, 10 / (x % 20 - 5) AS d", true),
        ("length(encode(CAST(repeat('a', 500000 - x) AS bytes), 'hex')) AS l", true),
    ] {
        let out = run(columns);
        let expected: Vec<i64> =
            (0..ROWS as i64).filter(|x| x % 10 != 3 && (!columns.contains("AS d") || x % 20 != 5)).collect();
        let numbers = out.batches.iter().flat_map(|batch| {
            let column = batch.columns.as_ref().unwrap().column(0);
            assert_eq!(column.to_data(), Int64Array::new(batch.offsets.values().clone(), None).to_data(), "{columns}");
            batch.offsets.values().to_vec()
        });
        assert_eq!(numbers.collect::<Vec<_>>(), expected.repeat(3), "{columns}");
        assert_eq!(out.batches.len() > 3, stretches, "{columns}: {}", out.batches.len());
        assert!(out.batches.iter().all(|batch| !stretches || batch.len() <= 70), "{columns}");
        let dead = out.dead.iter().flat_map(|dead| dead.batch.offsets.values().to_vec());
        let dead_expected = (0..ROWS as i64).filter(|x| x % 10 != 3 && !expected.contains(x)).collect::<Vec<_>>();
        assert_eq!(dead.collect::<Vec<_>>(), dead_expected.repeat(3), "{columns}");
        assert_eq!(out.filtered, 3 * 15, "{columns}");
    }
    // One row can make more than several together.
    let columns: Vec<_> =
        (0..40).map(|n| format!("length(repeat('abcdefghij', x / 148 * (100000 - {n}))) AS l{n}")).collect();
    let out = run(&columns.join(", "));
    assert_eq!((out.batches.iter().map(Batch::len).sum::<usize>(), out.dead.len()), (3 * 135, 0));
}

/// The deepest expressions that the parser lets through also run on the stack of an ordinary thread.
#[test]
fn the_deepest_expressions_run() {
    let schema = Schema::new([Field::new("x", DataType::Int64)]);
    let deep = |open: &str, close: &str, depth: usize| {
        format!("SELECT {}x{} AS y FROM s", open.repeat(depth), close.repeat(depth))
    };
    let mut ran = 0;
    for (open, close) in [
        ("abs(", ")"),
        ("CASE WHEN x > 1 THEN ", " ELSE x END"),
        ("- ", ""),
        ("coalesce(", ", 1)"),
        ("", " + 1"),
        ("CASE WHEN ", " BETWEEN 1 AND 2 THEN 1 END"),
        ("coalesce(1, ", ")"),
    ] {
        for depth in [20, 60, 100, 120, 126, 127, 400, 10_000] {
            let input = Input { schema: schema.clone(), time: Time::None, bounded: false };
            let Ok(query) = pipectl_sql::compile(&deep(open, close, depth), &|_| Lookup::Input(input.clone())) else {
                assert!(depth > 60, "{open} is refused at depth {depth}");
                continue;
            };
            let mut out = Output::default();
            let mut operator = SqlOperator::new(&query, &schema).unwrap();
            operator.on_batch(batch(&schema, &[r#"{"x":1}"#.to_owned()], 0), &mut out).unwrap();
            assert_eq!(out.batches.len(), 1);
            ran += 1;
        }
    }
    assert!(ran > 20, "only {ran} ran");
}
