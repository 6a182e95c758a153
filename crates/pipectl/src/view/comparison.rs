//! What a comparison came to: for people, for machines, for a workflow's summary.

use std::fmt::Write as _;

use comfy_table::{Table, TableStyle, presets};
use pipectl_compare::{Belonging, Run, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::{counted, report::count};

/// Of each pipeline the run that is the reference, and every other with its verdict.
pub(crate) type Judged<'a> = [(&'a Run, Vec<(&'a Run, Verdict)>)];

const HEAD: [&str; 10] =
    ["where", "verdict", "records", "records/s", "p50 ms", "p99 ms", "lost", "duplicates", "late", "retries"];

fn cells(run: &Run, verdict: Option<&Verdict>) -> Vec<String> {
    let rate = if run.seconds() > 0.0 { run.records() as f64 / run.seconds() } else { 0.0 };
    let millis = |of: fn(&pipectl_compare::Latency) -> i64| {
        run.latency.as_ref().map_or_else(|| "-".to_owned(), |latency| format!("{:.1}", of(latency) as f64 / 1e3))
    };
    let total = |of: fn(&pipectl_compare::SinkVerdict) -> u64| {
        verdict.map_or_else(|| "-".to_owned(), |verdict| count(verdict.total(of)))
    };
    vec![
        run.name.clone(),
        word(verdict).to_owned(),
        count(run.records()),
        count(rate as u64),
        millis(|latency| latency.p50),
        millis(|latency| latency.p99),
        total(|sink| sink.lost),
        total(|sink| sink.duplicates),
        count(run.late),
        count(run.retries),
    ]
}

fn word(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        None => "reference",
        Some(verdict) if verdict.is_equal() => "equal",
        Some(_) => "different",
    }
}

fn table(style: TableStyle, reference: &Run, others: &[(&Run, Verdict)]) -> String {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(HEAD);
    table.add_row(cells(reference, None));
    for (run, verdict) in others {
        table.add_row(cells(run, Some(verdict)));
    }
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n") + "\n"
}

/// Why a run differs, with the first rows side by side.
fn differences(reference: &Run, run: &Run, verdict: &Verdict) -> String {
    let mut text = String::new();
    for sink in verdict.sinks.iter().filter(|sink| !sink.is_equal()) {
        let mut parts = Vec::new();
        for (number, word) in [
            (sink.lost, "lost"),
            (sink.duplicates, "duplicate"),
            (sink.foreign, "unknown to the reference"),
            (
                sink.disordered_keys,
                if sink.disordered_keys == 1 { "key in another order" } else { "keys in another order" },
            ),
        ] {
            if number > 0 {
                parts.push(format!("{} {word}", count(number)));
            }
        }
        writeln!(
            text,
            "{} on {}: {}, {} on {}: {}",
            sink.sink,
            run.name,
            counted(sink.found, "row"),
            count(sink.expected),
            reference.name,
            parts.join(", ")
        )
        .unwrap_or_default();
        for example in &sink.examples {
            let key = example.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
            writeln!(text, "  {}{key}", example.what).unwrap_or_default();
            for (name, row) in [(&reference.name, &example.expected), (&run.name, &example.found)] {
                let width = reference.name.len().max(run.name.len());
                writeln!(text, "    {name:width$}  {}", row.as_deref().unwrap_or("-")).unwrap_or_default();
            }
            if let Some(input) = &example.input {
                text.push_str(&made_of(input));
            }
        }
    }
    text
}

/// The records of the input that a row was made of.
fn made_of(input: &Belonging) -> String {
    let mut text = match input.total {
        0 => "    input: no record has the row's key and time\n".to_owned(),
        total => format!("    input: {}\n", counted(total, "record")),
    };
    for record in &input.records {
        writeln!(text, "      {record}").unwrap_or_default();
    }
    match input.total.saturating_sub(input.records.len() as u64) {
        0 => {}
        more => writeln!(text, "      and {} more", count(more)).unwrap_or_default(),
    }
    text
}

/// For people.
pub(crate) fn text(judged: &Judged<'_>) -> String {
    let mut text = String::new();
    for (reference, others) in judged {
        writeln!(text, "{}", reference.report.pipeline).unwrap_or_default();
        text.push_str(&table(presets::NOTHING, reference, others));
        for (run, verdict) in others.iter().filter(|(_, verdict)| !verdict.is_equal()) {
            text.push('\n');
            text.push_str(&differences(reference, run, verdict));
        }
        text.push('\n');
    }
    text
}

/// For a workflow's summary.
pub(crate) fn markdown(judged: &Judged<'_>) -> String {
    let mut text = String::new();
    for (reference, others) in judged {
        writeln!(text, "### {}\n", reference.report.pipeline).unwrap_or_default();
        text.push_str(&table(presets::ASCII_MARKDOWN, reference, others));
        for (run, verdict) in others.iter().filter(|(_, verdict)| !verdict.is_equal()) {
            write!(text, "\n```text\n{}```\n", differences(reference, run, verdict)).unwrap_or_default();
        }
        text.push('\n');
    }
    text
}

/// For machines.
pub(crate) fn json(judged: &Judged<'_>) -> String {
    let run = |run: &Run, verdict: Option<&Verdict>| {
        json!({
            "name": run.name,
            "backends": run.backends,
            "verdict": word(verdict),
            "records": run.records(),
            "seconds": run.seconds(),
            "latency_micros": run.latency,
            "late": run.late,
            "report": run.report,
            "sinks": verdict.map(|verdict| &verdict.sinks),
        })
    };
    let pipelines: Vec<Value> = judged
        .iter()
        .map(|(reference, others)| {
            let runs = std::iter::once(run(reference, None)).chain(others.iter().map(|(one, v)| run(one, Some(v))));
            let equal = others.iter().all(|(_, verdict)| verdict.is_equal());
            json!({ "pipeline": reference.report.pipeline, "equal": equal, "runs": runs.collect::<Vec<_>>() })
        })
        .collect();
    let equal = judged.iter().all(|(_, others)| others.iter().all(|(_, verdict)| verdict.is_equal()));
    let document = json!({ "equal": equal, "pipelines": pipelines });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// For test reporters: a suite for each pipeline, a case for each sink of each run.
pub(crate) fn junit(judged: &Judged<'_>) -> String {
    let mut report = Report::new("pipectl compare");
    for (reference, others) in judged {
        let mut suite = TestSuite::new(reference.report.pipeline.clone());
        for (run, verdict) in others {
            for sink in &verdict.sinks {
                let status = if sink.is_equal() {
                    TestCaseStatus::success()
                } else {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    let only = Verdict { run: verdict.run.clone(), sinks: vec![sink.clone()] };
                    status.set_message(format!("{} differs from {}", run.name, reference.name));
                    status.set_description(differences(reference, run, &only));
                    status
                };
                let mut case = TestCase::new(sink.sink.clone(), status);
                case.set_classname(run.name.clone());
                // All sinks of a run are filled at the same time.
                case.set_time(std::time::Duration::from_secs_f64(run.seconds()));
                suite.add_test_case(case);
            }
        }
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default()
}
