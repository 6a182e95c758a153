//! The reference page, made of the table so that it cannot differ from it.

use std::fmt::Write as _;

use super::{Engine, FUNCTIONS, Group};

/// The reference page of all functions, in Markdown.
pub fn functions_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for group in
        [Group::Text, Group::Regex, Group::Math, Group::Conditional, Group::Time, Group::Json, Group::Aggregate]
    {
        let title = match group {
            Group::Text => "Text",
            Group::Regex => "Regular expressions",
            Group::Math => "Numbers",
            Group::Conditional => "Conditions",
            Group::Time => "Time",
            Group::Json => "JSON",
            Group::Aggregate => "Aggregates",
        };
        let _infallible = write!(page, "\n## {title}\n\n| call | gives | example | engines |\n|---|---|---|---|\n");
        for function in FUNCTIONS.iter().filter(|function| function.group == group) {
            let calls: Vec<_> = function.usages().iter().map(|usage| format!("`{usage}`")).collect();
            let mut doc = function.doc.to_owned();
            if !function.aliases.is_empty() {
                let aliases: Vec<_> = function.aliases.iter().map(|alias| format!("`{alias}`")).collect();
                let _infallible = write!(doc, " Also {}.", aliases.join(", "));
            }
            let example = match function.example.gives {
                "" => format!("`{}`", function.example.sql),
                gives => format!("`{}` → `{gives}`", function.example.sql),
            };
            let engines: Vec<_> = function.engines.iter().copied().map(engine_name).collect();
            let cells = [calls.join("<br>"), doc, example, engines.join(", ")].map(|cell| cell.replace('|', "\\|"));
            let _infallible = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
    page
}

fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Local => "local",
        Engine::Flink => "Flink",
        Engine::Spark => "Spark",
    }
}

const INTRODUCTION: &str = "\
# SQL functions

Generated from `crates/pipectl-ir/src/functions/table`. Names of functions and keywords may be written in any case;
names of columns are case-sensitive, in `\"double quotes\"` if they are not plain words or are keywords.

PostgreSQL's meaning decides. Where pipectl differs, this page says so.

## What is computed, and in which order

- A row is looked at by `WHERE` first, then by the group keys, then by each aggregate's `FILTER`, then come the arguments
  of that aggregate. `HAVING` is judged before the columns after `SELECT` are computed. What an earlier step leaves out is
  not computed: `sum(10 / i) FILTER (WHERE i <> 0)` never divides by zero.
- `AND`, `OR`, `CASE`, `coalesce`, `nullif`, `IN` and `BETWEEN` compute from left to right and stop when the answer is
  known: `i <> 0 AND 10 / i > 2` has no fault for `i = 0`. All other operators and functions compute all their operands.
- A row that is computed and has no value is a dead letter, as a whole: division by zero, an overflow, a failing cast, a
  fault of a function. It then counts in no aggregate of the query. `TRY_CAST` gives null instead of a fault. Which rows
  are dead letters does not depend on what else is in their batch.
- If a window's own result has a fault (a sum that does not fit), that row of the result is a dead letter.
- Operators bind as in PostgreSQL, from tight to loose: `::`, `AT TIME ZONE`, sign, `* / %`, `+ -`, `||`,
  `IN BETWEEN LIKE`, `= < > <= >= <>`, `IS`, `NOT`, `AND`, `OR`. Two comparisons side by side (`a < b < c`) are refused.

## Numbers

- `int64 / int64` is whole and cut towards zero: `7 / 2` is 3. Write `7.0 / 2` or a cast for a fraction. A cast of
  `float64` to `int64` cuts towards zero too (PostgreSQL rounds).
- A `float64` is always a number: infinity and NaN neither come in nor arise. A result beyond 1.8e308 is a fault; one that
  is too close to zero to be told from it is zero. `sum` and `avg` are right wherever the result is a `float64`, also if a
  partial sum is not.
- `round` sends halves away from zero and looks at the digits as they are written: `round(2.345, 2)` is 2.35, although the
  `float64` is a little less (PostgreSQL does so for `numeric`, and rounds halves of `float8` to even).
- 0.0 and -0.0 are equal everywhere: in comparisons, `IN`, `CASE`, `DISTINCT`, group keys, and in the keys of records.
- Nothing wraps round.

## Text

- Positions and lengths count characters (Unicode scalar values).
- A function may make its text longer up to 1 MiB; beyond that it is a fault of the row. A text that came in longer is
  worked on as it is.
- A text is cast to `bool` from `true`, `yes`, `on`, `1`, `false`, `no`, `off`, `0`, or the first letters of these words, in
  any case; to `date` from `2026-01-31` and no other form; to `int64` and `float64` from a number, with spaces around it.
- `LIKE` matches the whole text; `%` stands for any characters, `_` for one. A backslash, or the character after `ESCAPE`,
  makes the next one an ordinary one.

## Times

- A `timestamp` is an instant with microseconds, in UTC, from year 0 to the end of year 9999, as is a `date`. A result
  outside of that is a fault. Fractions are rounded down, before 1970 too.
- Texts as times are RFC 3339, also with a zone in brackets; without a zone they mean UTC.
- A string constant beside a timestamp, date, interval or json value in a comparison or a call is read as one. In
  arithmetic it is not: write `ts + INTERVAL '1 hour'`, `ts - TIMESTAMP '2026-01-31T10:00:00Z'`.
- In an interval a sign belongs to the amount behind it alone, as in PostgreSQL: `INTERVAL '-1 day 2 hours'` is 22 hours
  back, `INTERVAL '-1 day -2 hours'` is 26. `ago` at the end turns all of it round. Months and years can be added to a
  time or taken from it, `ts + INTERVAL '1 month'`; they have no fixed length, so there is nothing else to do with them.
- `date + 1` and `date - 1` are dates, a date with an interval is a timestamp, and the difference of two dates is an
  interval, as of two timestamps (PostgreSQL counts days): `to_ms(d2 - d1) / 86400000`.
- `time AT TIME ZONE 'Europe/Berlin'` is what a clock there shows, as a timestamp. `date_trunc`, `date_part` and `to_char`
  take a zone as their last argument. Zones have the names of the IANA database, which is built in. Of a time that a clock
  shows twice the first is meant (PostgreSQL: the second).
- Formats are those of strftime. `%f` is the fraction of a second without its point, `%3f` its first three digits, `%.f` and
  `%.3f` the same with a point, nothing if it is zero and no digits are asked for. `%z` is the offset from UTC, `+0200`, and
  `%:z` is `+02:00`. `%c` and `%x`, a date as people of no country in particular write it, are for display only: neither
  can be read again.
- There is no `now()`: a row's time is `event_time()` or `arrival_time()`, so that a replay gives the same rows.

## Conditions and windows

- Conditions are three-valued: a comparison with null is null, and `WHERE` keeps only rows for which it is true.
- `count(DISTINCT x)` and `FILTER (WHERE …)` go with every aggregate. Aggregates need a window:
  `GROUP BY key, tumble(INTERVAL '1 minute')` or `hop(INTERVAL '10 seconds', INTERVAL '1 minute')` (slide, then size).
  `tumble(size, offset)` and `hop(slide, size, offset)` shift the windows: `tumble(INTERVAL '1 day', INTERVAL '6 hours')`
  begins at six. `window_start` and `window_end` are the window's bounds.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FUNCTIONS, functions_page};
    use crate::functions::names;

    #[test]
    fn every_function_is_described_and_named_once() {
        let all: Vec<_> = names().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a name stands twice");
        let page = functions_page();
        for function in FUNCTIONS.iter() {
            assert!(!function.doc.is_empty() && !function.signatures.is_empty(), "{}", function.name);
            assert!(page.contains(&format!("`{}(", function.name)), "{} is not on the page", function.name);
        }
    }
}
