//! Runs the cases, one after the other, each with streams of its own and within a bound of time.

use std::{io::Write as _, path::Path, sync::Arc};

use futures::future::{Either, select};

use pipectl_host::Host;

use crate::{
    cases::{CASES, Case},
    harness::Harness,
    lab::{Lab, Stop},
    report::{CaseResult, LeftOut, Outcome, Report},
    stored::{self, stored},
    watch,
};

/// The variable that names a directory for reports: each backend's goes to `<backend>.json` in it.
pub const REPORTS: &str = "PIPECTL_CONFORMANCE_REPORTS";

/// The variable that names the only cases to run, with commas between them, for whoever fixes one of them. A report
/// of a part is not written, since it would say nothing about the backend.
pub const CASES_ONLY: &str = "PIPECTL_CONFORMANCE_CASES";

/// The variable that names a file for the log of pipectl's own crates while the suite runs. It may hold secrets of the
/// test peer.
pub const LOG: &str = "PIPECTL_CONFORMANCE_LOG";

/// The variable that, with the value `full`, has everything tested: without it the cases for faults are not run again
/// while nothing has changed that they depend on.
pub const FULL: &str = "PIPECTL_TESTS";

/// A case may take so many times the patience that one step of it has.
const STEPS: u32 = 6;

/// The names of all cases, in the order in which they run.
pub fn case_names<'a>() -> Vec<&'a str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs all cases.
pub async fn suite(harness: Arc<dyn Harness>) -> Report {
    run(harness, &case_names()).await
}

/// Runs the named cases.
pub async fn run(harness: Arc<dyn Harness>, names: &[&str]) -> Report {
    let host = harness.host();
    let id: String = host.id(&format!("conformance {}", harness.backend())).chars().take(8).collect();
    // Listens from the start; the case about secrets is reported if it cannot.
    let _told_later = watch::begin(&harness.secrets());
    if let Some(path) = host.variable(LOG)
        && let Err(error) = watch::write_down(Path::new(&path), &host)
    {
        let _not_told = writeln!(std::io::stderr(), "the log cannot be written to {path}: {error}");
    }
    let mut results = Vec::new();
    for case in CASES.iter().filter(|case| names.contains(&case.name)) {
        let began = host.now();
        tracing::debug!(name = case.name, "a case of the suite begins");
        let outcome = one(&harness, case, &id).await;
        let took_ms = u64::try_from((host.now() - began) / 1_000).unwrap_or(0);
        let (name, proves) = (case.name.to_owned(), case.proves.to_owned());
        if let Outcome::Failed(why) = &outcome {
            // At once, since a run that is cut off prints no table.
            let _shown_again_at_the_end = writeln!(std::io::stderr(), "failed: {name}: {why}");
        }
        tracing::debug!(name, ?outcome, took_ms, "a case of the suite has ended");
        results.push(CaseResult { name, proves, level: case.level, outcome, took_ms });
    }
    Report::new(harness.backend(), harness.peer(), results)
}

async fn one(harness: &Arc<dyn Harness>, case: &'static Case, id: &str) -> Outcome {
    if let Some(why) = (case.left_out)(&harness.capabilities()) {
        return Outcome::Skipped(LeftOut::Capability, format!("the backend {why}"));
    }
    if let Some(why) = harness.lacks(case.name) {
        return Outcome::Skipped(LeftOut::Peer, format!("{}: {why}", harness.peer()));
    }
    // Errors are the other way in which secrets get out, so none may hold one.
    let secrets = harness.secrets();
    match bounded(harness, case, id).await {
        Ok(()) => Outcome::Passed,
        Err(Stop::LeftOut(by, why)) => Outcome::Skipped(by, why),
        Err(Stop::Failed(why)) if secrets.iter().any(|secret| !secret.is_empty() && why.contains(secret.as_str())) => {
            Outcome::Failed(format!("an error shows a secret: {}", watch::hide(&why, &secrets)))
        }
        Err(Stop::Failed(why)) => Outcome::Failed(why),
    }
}

async fn bounded(harness: &Arc<dyn Harness>, case: &'static Case, id: &str) -> Result<(), Stop> {
    let lab = Lab::open(harness, case.name, id).await?;
    let bound = lab.budget.patience * STEPS;
    let host = lab.host.clone();
    let result = match select((case.run)(&lab), Box::pin(host.sleep(bound))).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(Stop::Failed(format!("it took longer than {bound:?}"))),
    };
    let breaches = lab.clear().await;
    result?;
    match breaches.first() {
        None => Ok(()),
        Some(first) => Err(Stop::Failed(format!("{} breaches of the contract: {first}", breaches.len()))),
    }
}

/// Runs all cases on the real clock and concludes: the whole body of a backend's test.
///
/// # Panics
/// If a case has failed, or there are no threads.
pub fn prove(harness: Arc<dyn Harness>) -> Report {
    let host = harness.host();
    let only = host.variable(CASES_ONLY);
    let root = stored::root();
    let key = root.as_ref().and_then(|root| stored::key(root, harness.backend(), &harness.peer()));
    let is_full = only.is_some() || host.variable(FULL).is_some_and(|value| value == "full");
    let before = root.filter(|_| !is_full).and_then(|root| stored(&root, harness.backend()));
    let known = stored::known(before, key.as_deref()).unwrap_or_default();
    let is_known = |name: &str| known.iter().any(|case| case.name == name);
    let names = match only.as_deref() {
        Some(only) => only.split(',').collect(),
        None => case_names().into_iter().filter(|name| !is_known(name)).collect::<Vec<_>>(),
    };
    match pipectl_host::run(Some(2), run(harness, &names)) {
        Ok(mut report) => {
            if !known.is_empty() {
                let many = known.len();
                let line = format!(
                    "skipped: {many} cases of {} whose results are stored and stand, since backend, suite and peer are \
                     unchanged; {FULL}=full runs them\n",
                    report.backend
                );
                // Not by `println!`, which a test that passes swallows.
                let _shown_if_it_can_be = std::io::stdout().write_all(line.as_bytes());
                report.add(known);
            }
            report.key = key.unwrap_or_default();
            conclude(&report, &host);
            report
        }
        Err(error) => panic!("no threads to run the suite on: {error}"),
    }
}

/// Prints the table, writes the report where [`REPORTS`] says, and panics if a case has failed.
///
/// # Panics
/// If a case has failed, or something cannot be written.
pub fn conclude(report: &Report, host: &Host) {
    // Not by `println!`, which a test that passes swallows: what was left out must be seen.
    if let Err(error) = std::io::stdout().write_all(report.table().as_bytes()) {
        panic!("cannot print the results: {error}");
    }
    if let Some(directory) = host.variable(REPORTS).filter(|_| host.variable(CASES_ONLY).is_none())
        && let Err(error) = write_report(report, Path::new(&directory))
    {
        panic!("cannot write the report to {directory}: {error}");
    }
    let failures = report.failures();
    assert!(failures.is_empty(), "{} cases have failed: {failures:#?}", failures.len());
}

/// Writes a report as `<backend>.json` into a directory.
///
/// # Errors
/// If the directory or the file cannot be written.
pub fn write_report(report: &Report, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut text = serde_json::to_string_pretty(report).map_err(std::io::Error::other)?;
    text.push('\n');
    std::fs::write(directory.join(format!("{}.json", report.backend)), text)
}
