//! The reference page, made of the table so that it cannot differ from it.

use std::fmt::Write as _;

use super::{Engine, FUNCTIONS, Group};

/// The reference page of all functions, in Markdown.
pub fn functions_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for group in [
        Group::Text,
        Group::Regex,
        Group::Math,
        Group::Conditional,
        Group::Time,
        Group::Json,
        Group::Nested,
        Group::Aggregate,
    ] {
        let title = match group {
            Group::Text => "Text",
            Group::Regex => "Regular expressions",
            Group::Math => "Numbers",
            Group::Conditional => "Conditions",
            Group::Time => "Time",
            Group::Json => "JSON",
            Group::Nested => "Lists and structs",
            Group::Aggregate => "Aggregates",
        };
        let _infallible =
            write!(page, "\n## {title}\n\n| call | description | example | engines |\n|---|---|---|---|\n");
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

Generated from `crates/pipectl-ir/src/functions/table`. Names of functions and keywords are not case-sensitive. Names of
columns are case-sensitive. Write a column name in `\"double quotes\"` if it is a keyword or not a plain identifier.

The semantics are those of PostgreSQL. This page lists every difference.

## Evaluation

- A query evaluates `WHERE` first, then the group keys, then the `FILTER` of each aggregate, then the arguments of that
  aggregate. It evaluates `HAVING` before the columns after `SELECT`. Rows that an earlier step removes are not evaluated
  by later steps: `sum(10 / i) FILTER (WHERE i <> 0)` never divides by zero.
- `AND`, `OR`, `CASE`, `coalesce`, `nullif`, `IN` and `BETWEEN` evaluate from left to right and stop when the result is
  known: `i <> 0 AND 10 / i > 2` has no error for `i = 0`. All other operators and functions evaluate all operands.
- If the evaluation of a row fails, the whole row becomes a dead letter: division by zero, an overflow, a failing cast, an
  error of a function. No aggregate of the query counts this row. `TRY_CAST` returns null instead of an error. Which rows
  become dead letters does not depend on the other rows of their batch.
- If the result of a window fails (a sum that does not fit), this row of the result becomes a dead letter.
- Operator precedence is that of PostgreSQL, from high to low: `::`, `AT TIME ZONE`, sign, `* / %`, `+ -`, `||`,
  `IN BETWEEN LIKE`, `= < > <= >= <>`, `IS`, `NOT`, `AND`, `OR`. Chained comparisons (`a < b < c`) are refused.

## Numbers

- `int64 / int64` is an integer division that truncates toward zero: `7 / 2` is 3. For a fraction, write `7.0 / 2` or a
  cast. A cast of `float64` to `int64` truncates toward zero too (PostgreSQL rounds).
- A `float64` is always finite: infinity and NaN are neither accepted nor produced. A result beyond 1.8e308 is an error. A
  result that is too small for a `float64` becomes zero. `sum` and `avg` are correct whenever the result fits `float64`,
  even if a partial sum does not.
- `round` rounds halves away from zero and uses the decimal digits as written: `round(2.345, 2)` is 2.35, although the
  `float64` is slightly less (PostgreSQL does this for `numeric`, and rounds halves of `float8` to even).
- 0.0 and -0.0 are equal everywhere: in comparisons, `IN`, `CASE`, `DISTINCT`, group keys, and in the keys of records.
- Integer arithmetic never wraps around.
- If an `int64` meets a `float64`, in a comparison, `IN`, `BETWEEN` or `CASE`, it becomes a `float64`. One number with a decimal
  point makes the whole list of `IN` `float64`. Beyond 2^53, neighboring whole numbers are then equal:
  `9007199254740993 IN (9007199254740992, 0.5)` is true.
- A `float64` cast to a string always has a decimal point or an exponent: `CAST(1.0 AS string)` is `1.0` (PostgreSQL: `1`),
  `CAST(1e16 AS string)` is `1e16` (PostgreSQL: `1e+16`).

## Decimals

- A `decimal(p, s)` is an exact number of at most `p` digits (38 at most), `s` of them after the point: `decimal(10, 2)` for
  money. JSON has it as a number; SQLite and CSV have it as text.
- Results are exact, then rounded once to the digits of their type, halves away from zero. A result with too many digits
  before the point is an error of the row. `CAST` rounds too; a cast to `int64` truncates toward zero.
- The type of a result is that of Flink and Spark: for operands with `p1, s1` and `p2, s2`, `+` and `-` give `max(s1, s2)` digits
  after the point and one more before it than the larger operand, `*` gives `decimal(p1 + p2 + 1, s1 + s2)`, and `/` gives
  `max(6, s1 + p2 + 1)` digits after the point. If that is more than 38 digits, digits after the point are given up, down to 6.
- An `int64` next to a decimal is a decimal. A constant with a point is exact next to a decimal, `price * 1.19`, and has the type of
  its digits. With any other `float64`, a decimal becomes a `float64`.
- `sum` of a `decimal(p, s)` is a `decimal(38, s)`, `avg` a `decimal(38, max(6, s))`. Standard deviation, variance and the functions
  that return a `float64` convert a decimal to `float64`.
- A decimal that is compared with one of other digits keeps all digits after the point. If both together need more than 38 digits,
  a value that has no room is an error of the row.

## Lists and structs

- `list<T>` holds values of one type, `struct<a:T, b:T>` fields with names. JSON has them as arrays and objects; CSV and SQLite have
  them as the text of their JSON; Parquet has both.
- `customer.address.city` is a field of a struct, `items[1]` a value of a list, counted from 1, `items[1].sku` both. What does not exist
  is null.
- `CAST(x AS json)` makes JSON of a list or a struct, `CAST(x AS list<int64>)` reads one from JSON or from its text.
- Lists and structs cannot be compared or grouped by; take a value out of them.

## Text

- Positions and lengths count characters (Unicode scalar values).
- A function can extend a text up to 1 MiB. A longer result is an error of the row. Functions accept an input text that is
  already longer.
- A text casts to `bool` from `true`, `yes`, `on`, `1`, `false`, `no`, `off`, `0`, or the first letters of these words, in
  upper or lower case; to `date` only from the format `2026-01-31`; to `int64` and `float64` from a number, optionally
  with spaces around it.
- `LIKE` matches the whole text. `%` matches any number of characters, `_` matches one. A backslash, or the character
  after `ESCAPE`, makes the next character literal.

## Times

- A `timestamp` is an instant in UTC with microseconds. A `timestamp` or `date` ranges from year 0 to the end of year 9999.
  A result outside this range is an error, and so is a bound of a window where it is read. Fractions round down, before
  1970 too.
- Times in text are RFC 3339, optionally with a zone in brackets. A time without a zone is UTC.
- A string constant next to a timestamp, date, interval or json value in a comparison or a call converts to that type. In
  arithmetic it does not: write `ts + INTERVAL '1 hour'`, `ts - TIMESTAMP '2026-01-31T10:00:00Z'`.
- In an interval, a sign applies only to the amount that follows it, as in PostgreSQL: `INTERVAL '-1 day 2 hours'` is -22
  hours, `INTERVAL '-1 day -2 hours'` is -26 hours. `ago` at the end negates the whole interval. You can add months and
  years to a time or subtract them, `ts + INTERVAL '1 month'`. They have no fixed length, so no other operation accepts
  them.
- `date + 1` and `date - 1` are dates, a date plus an interval is a timestamp, and the difference of two dates is an
  interval, like that of two timestamps (PostgreSQL counts days): `to_ms(d2 - d1) / 86400000`.
- `time AT TIME ZONE 'Europe/Berlin'` is the local time in that zone, as a timestamp. `date_trunc`, `date_part` and
  `to_char` take a zone as their last argument. Zone names are those of the IANA database, which is built in. If a local
  time occurs twice, the first one applies (PostgreSQL: the second).
- Formats use strftime directives. `%f` is the fraction of a second without a decimal point, `%3f` its first three digits.
  `%.f` and `%.3f` include the decimal point; `%.f` is empty if the fraction is zero. `%z` is the offset from UTC,
  `+0200`, and `%:z` is `+02:00`. `%c` and `%x`, a date in a locale-neutral format, are for display only and cannot be
  parsed.
- There is no `now()`. Use `event_time()` or `arrival_time()`, so that a replay gives the same rows.

## Conditions and windows

- Conditions use three-valued logic: a comparison with null is null, and `WHERE` keeps only rows for which it is true.
- Every aggregate accepts `DISTINCT`, as in `count(DISTINCT x)`, and `FILTER (WHERE …)`. Over an unbounded input,
  aggregates need a window: `GROUP BY key, tumble(INTERVAL '1 minute')` or
  `hop(INTERVAL '10 seconds', INTERVAL '1 minute')` (slide, then size).
  `tumble(size, offset)` and `hop(slide, size, offset)` shift the windows: `tumble(INTERVAL '1 day', INTERVAL '6 hours')`
  starts each day at 6:00. `window_start` and `window_end` are the bounds of the window.
- Aggregates skip nulls, except `count(*)`. Their results depend only on the rows of the window, not on the order in which
  the rows arrive; only sums, means and variances of `float64` can differ in their last digits. Functions that depend on an
  order use event time, then partition and position.
- `SELECT DISTINCT window_start, a, b FROM s GROUP BY tumble(INTERVAL '1 minute')` returns the different rows of each window.
  Everything that is selected is a group key, and one bound of the window must be selected.
- Over a bounded input, such as a file, a query can group without a window. It writes one result when the input ends, for
  the records of this run, and no result if there are no records. All groups stay in memory until then.
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
