//! No text makes the compiler panic, hang, or point outside of it; what it accepts has sound places.

use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Part, Place};
use pipectl_sql::{Input, Lookup, Time, compile};
use proptest::prelude::*;

const QUERIES: &[&str] = &[
    "SELECT k, window_start, avg(v) AS a FROM s WHERE v > 1.5 AND k LIKE 'a%' GROUP BY k, tumble(ts, INTERVAL '1 minute') HAVING count(*) > 1",
    "SELECT CASE WHEN v IS NULL THEN 'none' ELSE CAST(v AS string) END AS x, upper(k) || 'é' AS y FROM s AS t",
    "SELECT * EXCEPT (v), json_int(j, '$.a[0]') AS n, date_trunc('hour', ts) + INTERVAL '1 h' AS h FROM s",
    "SELECT count(DISTINCT k) FILTER (WHERE v BETWEEN 1 AND 2) AS n FROM s GROUP BY hop(INTERVAL '1 s', INTERVAL '1 minute')",
    "SELECT EXTRACT(hour FROM ts) AS h, substring(k FROM 1 FOR 2) AS p, trim(BOTH 'x' FROM k) AS t, -v::int64 AS i FROM s WHERE k IN ('a', NULL)",
];

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "(",
    ")",
    ",",
    "'",
    "\"",
    "NULL",
    "CASE",
    "END",
    "INTERVAL",
    "*",
    "-",
    "::",
    "AS",
    "NOT",
    "é",
    "1e999",
    "tumble(",
    ";",
    "--",
    "/*",
    "OVER (",
    "ORDER BY",
    "99999999999999999999",
    "''",
    "\u{0}",
    "json_get(j, '$')",
    "->> 'é'",
    "#>> '{a,é}'",
    "~* 'é'",
    "[",
    "LIKE ANY (",
    "= ALL (ARRAY[",
    "BETWEEN SYMMETRIC",
    "{{ é }}",
    "j:é.a[0]",
    "DIV",
    "NOT RLIKE",
    "TOP (5)",
    "regexp_replace(k, '(a)', '\\1é')",
    "date_sub(ts, 1)",
    "timestampdiff(day, ts, ts)",
];

fn lookup(name: &str) -> Lookup {
    let fields = [
        Field::new("k", DataType::String),
        Field::new("ts", DataType::Timestamp),
        Field::new("v", DataType::Float64),
        Field::new("j", DataType::Json),
    ];
    match name {
        "s" => Lookup::Input(Input { schema: Schema::new(fields), time: Time::Field("ts".to_owned()), bounded: false }),
        "none" => Lookup::NoColumns,
        _ => Lookup::Unknown(vec!["s".to_owned()]),
    }
}

fn check(sql: &str) {
    match compile(sql, &lookup) {
        Ok(query) => {
            query.walk(&mut |expr| assert!(sql.get(expr.place.clone()).is_some(), "{:?} in {sql}", expr.place));
            for column in query.output_columns() {
                assert_eq!(query.output_place(&column.name), Some(column.name_place.clone()));
            }
        }
        Err(problems) => {
            assert!(problems.has_errors(), "{sql}");
            for label in problems.iter().flat_map(|problem| &problem.labels) {
                let Place::Node(_, Part::Inside(range)) = &label.place else { panic!("{label:?}") };
                assert!(sql.get(range.clone()).is_some(), "{range:?} in {sql}");
            }
        }
    }
}

#[test]
fn the_queries_are_sound() {
    for sql in QUERIES {
        assert!(compile(sql, &lookup).is_ok(), "{sql}: {:?}", compile(sql, &lookup).err());
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for (open, close) in
        [("(", ")"), ("NOT ", ""), ("- ", ""), ("abs(", ")"), ("CASE WHEN ", " THEN 1 END"), ("CAST(", " AS int64)")]
    {
        let sql = format!("SELECT {}v{} AS x FROM s", open.repeat(100_000), close.repeat(100_000));
        let problems = compile(&sql, &lookup).unwrap_err();
        assert_eq!(problems.iter().next().unwrap().code.as_str(), "PC0518", "{open}");
    }
    let chain = format!("SELECT v FROM s WHERE v = 0{}", " OR v = 1".repeat(100_000));
    assert_eq!(compile(&chain, &lookup).unwrap_err().iter().next().unwrap().code.as_str(), "PC0518");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(sql in "\\PC{0,60}") {
        check(&sql);
        check(&format!("SELECT {sql} AS x FROM s"));
    }

    #[test]
    fn damaged_queries(query in 0..QUERIES.len(), edits in prop::collection::vec((0..300_usize, 0..12_usize, 0..WORDS.len()), 1..4)) {
        let mut characters: Vec<char> = QUERIES[query].chars().collect();
        for (at, removed, word) in edits {
            let at = at.min(characters.len());
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, WORDS[word].chars().chain([' ']));
        }
        check(&characters.into_iter().collect::<String>());
    }
}
