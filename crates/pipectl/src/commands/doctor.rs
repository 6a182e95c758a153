//! `pipectl doctor`: reaches every outside part of an Environment and says what to mend.

use std::fmt::Write as _;

use pipectl_contract::{ConnectorError, Finding, FindingOutcome};
use pipectl_host::Host;
use pipectl_spec::model::KindUse;
use serde_json::json;

use crate::{
    cli::{DoctorArguments, Global, ReportFormat},
    exit::Exit,
    reach::Reach,
    registry::registry,
    stop::run_plain,
    view,
};

pub(super) fn run(arguments: &DoctorArguments, global: &Global) -> Exit {
    match Reach::load(&arguments.place, registry(), global) {
        Ok(reach) => run_plain(examine(&reach, arguments)),
        Err(exit) => exit,
    }
}

async fn examine(reach: &Reach, arguments: &DoctorArguments) -> Exit {
    let host = Host::real();
    let mut all: Vec<(String, Vec<Finding>)> = Vec::new();
    for (name, backend) in reach.backends() {
        let findings = if reach.is_inside(backend) { inside() } else { of_service(reach, name, backend, &host).await };
        let of_backend = (format!("{name} ({})", backend.name), findings);
        // Told as it comes: the next one may take its time.
        if arguments.format == ReportFormat::Text {
            let shown = view::print(&text(std::slice::from_ref(&of_backend)));
            if shown != Exit::Fine {
                return shown;
            }
        }
        all.push(of_backend);
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

/// Of a backend that is nothing but this process.
fn inside() -> Vec<Finding> {
    vec![Finding {
        what: "connect".to_owned(),
        outcome: FindingOutcome::Good,
        detail: "its streams live inside the process that runs them; there is nothing to reach".to_owned(),
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
    let examined = async { Ok(connection.examine(&streams).await) };
    patience.answer("examining", examined).await.unwrap_or_else(|error| bad("examine", &error))
}

fn text(all: &[(String, Vec<Finding>)]) -> String {
    let mut text = String::new();
    for (name, findings) in all {
        writeln!(text, "{name}").unwrap_or_default();
        if findings.is_empty() {
            text.push_str("  nothing outside of this process\n");
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
