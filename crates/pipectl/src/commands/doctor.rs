//! `pipectl doctor`: reaches every outside part of an Environment and says what to fix.

use std::fmt::Write as _;

use pipectl_contract::{ConnectorError, ErrorKind, Finding, FindingOutcome};
use pipectl_host::Host;
use pipectl_spec::model::KindUse;
use serde_json::json;

use crate::{
    cli::{DoctorArguments, Global, ReportFormat},
    exit::Exit,
    patience::Patience,
    reach::Reach,
    registry::registry,
    state::State,
    stop::run_plain,
    view,
};

pub(super) fn run(arguments: &DoctorArguments, global: &Global) -> Exit {
    match Reach::load(&arguments.place, registry(), global) {
        Ok(reach) => run_plain(preflight(&reach, arguments)),
        Err(exit) => exit,
    }
}

async fn preflight(reach: &Reach, arguments: &DoctorArguments) -> Exit {
    let host = Host::real();
    let mut all: Vec<(String, Vec<Finding>)> = Vec::new();
    for (name, backend) in reach.backends() {
        let findings = if reach.is_inside(backend) { inside() } else { of_service(reach, name, backend, &host).await };
        if let Err(exit) = reported(arguments, &mut all, format!("{name} ({})", backend.name), findings) {
            return exit;
        }
    }
    if let Some(state) = &arguments.state {
        let findings = vec![of_state(state, arguments, &host).await];
        if let Err(exit) = reported(arguments, &mut all, format!("state ({state})"), findings) {
            return exit;
        }
    }
    let bad = all.iter().flat_map(|(_, findings)| findings).any(|finding| finding.outcome == FindingOutcome::Bad);
    if arguments.format == ReportFormat::Json {
        let backends: Vec<_> =
            all.iter().map(|(name, findings)| json!({ "backend": name, "findings": findings })).collect();
        let value = json!({ "environment": reach.name(), "good": !bad, "backends": backends });
        let shown = view::print(&(serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"));
        if shown != Exit::Fine {
            return shown;
        }
    }
    if bad { Exit::Outside } else { Exit::Fine }
}

/// Shows what was found as it comes: the next part may take its time.
fn reported(
    arguments: &DoctorArguments,
    all: &mut Vec<(String, Vec<Finding>)>,
    part: String,
    findings: Vec<Finding>,
) -> Result<(), Exit> {
    all.push((part, findings));
    if arguments.format != ReportFormat::Text {
        return Ok(());
    }
    match view::print(&text(&all[all.len() - 1..])) {
        Exit::Fine => Ok(()),
        exit => Err(exit),
    }
}

async fn of_state(state: &State, arguments: &DoctorArguments, host: &Host) -> Finding {
    let patience = Patience::new(format!("state ({state})"), arguments.place.timeout.0, host.clone());
    let probed = async {
        state.probe(host).await.map_err(|error| {
            let said = std::iter::once(error.message).chain(error.help);
            ConnectorError::new(ErrorKind::Unavailable, said.collect::<Vec<_>>().join("; "))
        })
    };
    let what = "checkpoints".to_owned();
    match patience.answer("writing", probed).await {
        Ok(detail) => Finding { what, outcome: FindingOutcome::Good, detail: detail.to_owned(), help: None },
        Err(error) => {
            let help =
                "check that the location exists, and that the credentials permit reading, writing and deleting there"
                    .to_owned();
            Finding { what, outcome: FindingOutcome::Bad, detail: error.message, help: Some(help) }
        }
    }
}

/// Of a backend that is nothing but this process.
fn inside() -> Vec<Finding> {
    vec![Finding {
        what: "connect".to_owned(),
        outcome: FindingOutcome::Good,
        detail: "its streams exist only in the process that runs them; there is nothing to check".to_owned(),
        help: None,
    }]
}

async fn of_service(reach: &Reach, name: &str, backend: &KindUse, host: &Host) -> Vec<Finding> {
    let patience = reach.patience(name, backend, host);
    let bad = |what: &str, error: &ConnectorError| {
        vec![Finding { what: what.to_owned(), outcome: FindingOutcome::Bad, detail: error.to_string(), help: None }]
    };
    let connection = match patience.answer("connecting", reach.open(backend, host)).await {
        Ok(connection) => connection,
        Err(error) => return bad("connect", &error),
    };
    let streams = reach.streams_of(name);
    let checked = async { Ok(connection.preflight(&streams).await) };
    patience.answer("checking", checked).await.unwrap_or_else(|error| bad("check", &error))
}

fn text(all: &[(String, Vec<Finding>)]) -> String {
    let mut text = String::new();
    for (name, findings) in all {
        writeln!(text, "{name}").unwrap_or_default();
        if findings.is_empty() {
            text.push_str("  no external systems\n");
        }
        for finding in findings {
            let word = match finding.outcome {
                FindingOutcome::Good => "good",
                FindingOutcome::Doubtful => "look",
                FindingOutcome::Bad => "BAD",
                FindingOutcome::Unknown => "unknown",
            };
            writeln!(text, "  {word:<8} {}: {}", finding.what, finding.detail).unwrap_or_default();
            if let Some(help) = &finding.help {
                writeln!(text, "           = help: {help}").unwrap_or_default();
            }
        }
    }
    text
}
