//! `pipectl doctor`: reaches every outside part of an Environment and says what to mend.

use std::fmt::Write as _;

use pipectl_contract::{Finding, FindingOutcome};
use pipectl_host::Host;
use serde_json::json;

use super::stream::wait;
use crate::{
    cli::{DoctorArguments, Global, ReportFormat},
    exit::Exit,
    reach::Reach,
    registry::registry,
    view,
};

pub(super) fn run(arguments: &DoctorArguments, global: &Global) -> Exit {
    match Reach::load(&arguments.place, registry(), global) {
        Ok(reach) => wait(examine(&reach, arguments)),
        Err(exit) => exit,
    }
}

async fn examine(reach: &Reach, arguments: &DoctorArguments) -> Exit {
    let host = Host::real();
    let mut all: Vec<(String, Vec<Finding>)> = Vec::new();
    for (name, backend) in reach.backends() {
        let findings = match reach.open(backend, &host).await {
            Ok(connection) => connection.examine(&reach.streams_of(name)).await,
            Err(error) => vec![Finding {
                what: "connect".to_owned(),
                outcome: FindingOutcome::Bad,
                detail: error.to_string(),
                help: None,
            }],
        };
        all.push((format!("{name} ({})", backend.name), findings));
    }
    let bad = all.iter().flat_map(|(_, findings)| findings).any(|finding| finding.outcome == FindingOutcome::Bad);
    let text = match arguments.format {
        ReportFormat::Json => {
            let backends: Vec<_> =
                all.iter().map(|(name, findings)| json!({ "backend": name, "findings": findings })).collect();
            serde_json::to_string_pretty(&json!({ "environment": reach.name(), "good": !bad, "backends": backends }))
                .unwrap_or_default()
                + "\n"
        }
        ReportFormat::Text => text(&all),
    };
    match view::print(&text) {
        Exit::Fine if bad => Exit::Outside,
        exit => exit,
    }
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
