//! The page that says how far each backend is proven, made of what the conformance suite reported about it.

use std::{fmt::Write as _, fs, path::Path};

use pipectl_conformance::{CaseResult, LeftOut, Level, Outcome, Report, STORED};

use crate::Findings;

/// In the order of the documents.
const BACKENDS: &[&str] = &["memory", "kafka", "kinesis", "pubsub", "eventhubs"];

const PAGE: &str = "docs/backends.md";

const HEAD: &str = "\
# Backends

Every backend must pass the same suite of cases, against a real server or the best emulator that runs on one machine.
`cargo xtask ladder` generates this page from the reports of the suite; `--check` verifies that it is up to date.

A backend is **alpha** if it opens, writes, reads and resumes. It is **beta** if it also passes every case that injects no fault
into the service, and **stable** if it passes the cases with faults too. A case is skipped if the service does not have the
feature. A case is unproven if the emulator cannot show the behavior.

";

/// Writes the page from the reports in a folder.
pub(crate) fn write(root: &Path, folder: &str) -> Findings {
    let reports = read(Path::new(folder))?;
    let missing = missing(&reports);
    if !missing.is_empty() {
        return Err(format!("no report of {} in {folder}", missing.join(", ")));
    }
    fs::write(root.join(PAGE), page(&reports)).map_err(|error| format!("{PAGE}: {error}"))?;
    // Cases for faults are not run again while what they depend on is what these say.
    for report in &reports {
        pipectl_conformance::write_report(report, &root.join(STORED)).map_err(|error| format!("{STORED}: {error}"))?;
    }
    Ok(Vec::new())
}

/// Finds out whether the page is what the reports in a folder say. Where the server of a backend could not be had, there
/// is no report to compare with, which is reported.
pub(crate) fn check(root: &Path, folder: &str) -> Findings {
    let reports = read(Path::new(folder))?;
    let missing = missing(&reports);
    if !missing.is_empty() {
        println!("skipped: {PAGE} is not checked, there is no report of {}", missing.join(", "));
        return Ok(Vec::new());
    }
    for report in &reports {
        let stored = pipectl_conformance::stored(root, &report.backend);
        if stored.is_none_or(|stored| stored.key != report.key) {
            println!(
                "note: {} was tested in full, since it has changed; `cargo xtask ladder {folder}` stores its report, so that the \
                 next run need not",
                report.backend
            );
        }
    }
    let is = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    if is == page(&reports) {
        return Ok(Vec::new());
    }
    Ok(vec![format!("{PAGE} is not up to date; generate it again with `cargo xtask ladder {folder}`")])
}

fn read(folder: &Path) -> Result<Vec<Report>, String> {
    let mut reports = Vec::new();
    for backend in BACKENDS {
        let path = folder.join(format!("{backend}.json"));
        let Ok(text) = fs::read_to_string(&path) else { continue };
        reports.push(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(reports)
}

fn missing(reports: &[Report]) -> Vec<&'static str> {
    BACKENDS.iter().copied().filter(|backend| reports.iter().all(|report| report.backend != *backend)).collect()
}

fn page(reports: &[Report]) -> String {
    let mut text = HEAD.to_owned();
    line(&mut text, "| backend | status | tested against | passed | skipped | unproven |");
    line(&mut text, "|---|---|---|---:|---:|---:|");
    for report in reports {
        let count = |wanted: fn(&Outcome) -> bool| report.cases.iter().filter(|case| wanted(&case.outcome)).count();
        let status = match report.ladder.level {
            None => "below alpha",
            Some(Level::Alpha) => "alpha",
            Some(Level::Beta) => "beta",
            Some(Level::Stable) => "stable",
        };
        let (passed, left_out, unproven) = (
            count(|outcome| *outcome == Outcome::Passed),
            count(|outcome| matches!(outcome, Outcome::Skipped(LeftOut::Capability, _))),
            count(|outcome| matches!(outcome, Outcome::Skipped(LeftOut::Peer, _))),
        );
        let (backend, peer) = (&report.backend, &report.peer);
        line(&mut text, &format!("| {backend} | {status} | {peer} | {passed} | {left_out} | {unproven} |"));
    }
    line(&mut text, "\n## Skipped and unproven cases\n");
    for report in reports {
        for case in &report.cases {
            if let Outcome::Skipped(_, why) = &case.outcome {
                line(&mut text, &format!("- `{}`, {}: {why}.", report.backend, case.name));
            }
        }
    }
    line(&mut text, "\n## Cases\n");
    let names: Vec<&str> = reports.iter().map(|report| report.backend.as_str()).collect();
    line(&mut text, &format!("| case | level | {} |", names.join(" | ")));
    line(&mut text, &format!("|---|---|{}", ":-:|".repeat(names.len())));
    for case in reports.first().map(|report| &report.cases[..]).unwrap_or_default() {
        let marks: Vec<&str> = reports.iter().map(|report| mark(&report.cases, &case.name)).collect();
        let level = format!("{:?}", case.level).to_lowercase();
        line(&mut text, &format!("| {} | {level} | {} |", case.proves, marks.join(" | ")));
    }
    text
}

fn mark(cases: &[CaseResult], name: &str) -> &'static str {
    match cases.iter().find(|case| case.name == name).map(|case| &case.outcome) {
        Some(Outcome::Passed) => "yes",
        Some(Outcome::Failed(_)) => "NO",
        Some(Outcome::Skipped(LeftOut::Peer, _)) => "unproven",
        Some(Outcome::Skipped(LeftOut::Capability, _)) | None => "–",
    }
}

fn line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{line}");
}
