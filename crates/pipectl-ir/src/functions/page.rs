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

Generated from `crates/pipectl-ir/src/functions/table.rs`. Names of functions and keywords may be written in any case;
names of columns are case-sensitive, in `\"double quotes\"` if they are not plain words or are keywords.

- `int64 / int64` is whole and cut towards zero: `7 / 2` is 3. Write `7.0 / 2` or a cast for a fraction.
- Division by zero, an overflow of `int64`, a failing cast or a fault of a function sends the row to the dead letters;
  nothing wraps round and no NaN appears silently. `TRY_CAST` gives null instead.
- Conditions are three-valued: a comparison with null is null, and `WHERE` keeps only rows for which it is true.
- A cast of `float64` to `int64` cuts towards zero. Texts as times are RFC 3339; without a zone they mean UTC.
- There is no `now()`: a row's time is `event_time()` or `arrival_time()`, so that a replay gives the same rows.
- A string constant beside a timestamp, date, interval or json value is read as one.
- `count(DISTINCT x)` and `FILTER (WHERE …)` go with every aggregate. Aggregates need a window:
  `GROUP BY key, tumble(INTERVAL '1 minute')` or `hop(INTERVAL '10 seconds', INTERVAL '1 minute')` (slide, then size).
  `tumble(size, offset)` shifts the windows. `window_start` and `window_end` are the window's bounds.
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
