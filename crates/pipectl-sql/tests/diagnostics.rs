//! The SQL of every `tests/diagnostics/sql_*.yaml` gives exactly the problems that its comments announce.
//!
//! The whole specs are also run by the compiler's own test; this one knows only as much of YAML as the cases use, so
//! that a change of the type checker is judged by its own crate's tests.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::PathBuf};

use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Part, Place};
use pipectl_sql::{Input, Lookup, Time, compile};

fn lookup(name: &str) -> Lookup {
    let fields =
        |fields: &[(&str, DataType)]| Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone())));
    match name {
        "sensor_data" => Lookup::Input(Input {
            bounded: false,
            schema: fields(&[
                ("sensor_id", DataType::String),
                ("site", DataType::String),
                ("timestamp", DataType::Timestamp),
                ("seen", DataType::Timestamp),
                ("temperature", DataType::Float64),
                ("humidity", DataType::Float64),
                ("detail", DataType::Json),
            ]),
            time: Time::Field("timestamp".to_owned()),
        }),
        "plain" => Lookup::Input(Input {
            bounded: false,
            schema: fields(&[("sensor_id", DataType::String), ("temperature", DataType::Float64)]),
            time: Time::None,
        }),
        _ => Lookup::Unknown(vec!["plain".to_owned(), "sensor_data".to_owned()]),
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/diagnostics");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("sql_"))
        .collect();
    cases.sort();
    cases
}

/// The text of the block scalar and, for each of its lines, the number of the file's line and the indentation.
fn sql_of(text: &str) -> (String, usize, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| line.trim() == "sql: |").unwrap() + 1;
    let indent = lines[start].len() - lines[start].trim_start().len();
    let block: Vec<&str> = lines[start..]
        .iter()
        .take_while(|line| line.len() - line.trim_start().len() >= indent)
        .map(|line| &line[indent..])
        .collect();
    (block.join("\n") + "\n", start + 1, indent)
}

fn found(text: &str) -> Vec<String> {
    let (sql, first_line, indent) = sql_of(text);
    let problems = compile(&sql, &lookup).err().unwrap_or_default();
    let line = |problem: &pipectl_diag::Diagnostic| {
        let Place::Node(_, Part::Inside(range)) = &problem.labels[0].place else { panic!("{problem:?}") };
        let before = &sql[..range.start];
        let line = first_line + before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1 + indent;
        format!("# error[{}] {line}:{column}: {}", problem.code, problem.title)
    };
    problems.iter().map(line).collect()
}

#[test]
fn every_case_gives_what_it_announces() {
    let mut codes = std::collections::BTreeSet::new();
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> = text.lines().filter(|line| line.starts_with("# error[")).collect();
        assert!(!expected.is_empty(), "{} announces nothing", path.display());
        assert_eq!(found(&text), expected, "{}", path.display());
        codes.extend(expected.iter().map(|line| line[8..14].to_owned()));
    }
    for code in pipectl_diag::codes::sql::ALL {
        assert!(codes.contains(code.as_str()), "no case shows {code}");
    }
}

/// Writes what is found into the cases; look at the difference before it is committed.
#[test]
#[ignore = "rewrites the cases: cargo test -p pipectl-sql --test diagnostics -- --ignored"]
fn rewrite() {
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let spec: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        let spec = spec.join("\n") + "\n";
        // The announcements shift the lines that they speak of, so their number must be known first.
        let count = found(&spec).len();
        let shifted = format!("{}{spec}", "#\n".repeat(count));
        fs::write(path, format!("{}\n{spec}", found(&shifted).join("\n"))).unwrap();
    }
}
