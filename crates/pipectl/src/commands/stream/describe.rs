//! `pipectl stream describe`: partitions, positions, settings.

use std::{fmt::Write as _, time::Duration};

use pipectl_contract::StreamState;
use pipectl_data::{timestamp, units};
use pipectl_host::Host;

use serde_json::{Value, json};

use crate::{
    cli::{DescribeArguments, Global, ReportFormat},
    exit::Exit,
    reach::Reach,
    view,
};

pub(super) async fn run(reach: &Reach, arguments: &DescribeArguments, global: &Global) -> Exit {
    let line = match reach.connect(Some(&arguments.stream), &Host::real(), global).await {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let group = arguments.group.as_deref();
    match reach.find(&line, &reach.target(&arguments.stream), group).await {
        Ok(state) if arguments.format == ReportFormat::Json => {
            view::print(&(serde_json::to_string_pretty(&as_json(&state)).unwrap_or_default() + "\n"))
        }
        Ok(state) => view::print(&text(&state, group)),
        Err(exit) => exit,
    }
}

/// As the service reports it, with times as specs write them.
fn as_json(state: &StreamState) -> Value {
    let mut value = serde_json::to_value(state).unwrap_or_default();
    let text = |time: Option<Duration>| json!(time.map(|time| units::Duration(time).to_string()));
    value["created"] = json!(state.created.map(timestamp::format));
    value["retention"] = text(state.retention);
    for (number, partition) in state.partitions.iter().enumerate() {
        value["partitions"][number]["behind"] = text(partition.behind);
    }
    value
}

fn text(state: &StreamState, group: Option<&str>) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(created) = state.created {
        lines.push(("created", timestamp::format(created)));
    }
    if let Some(retention) = state.retention {
        lines.push(("retention", units::Duration(retention).to_string()));
    }
    if let Some(encryption) = &state.encryption {
        lines.push(("encryption", encryption.clone()));
    }
    if let Some(lag) = state.lag {
        lines.push(("lag", lag.to_string()));
    }
    lines.extend(state.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default().max(14);
    let mut text = format!("{}\n", state.name);
    for (name, value) in lines {
        writeln!(text, "  {name:<width$} {value}").unwrap_or_default();
    }
    let mut unknown = group.is_some() && state.lag.is_none() && state.partitions.is_empty();
    if !state.partitions.is_empty() {
        text.push('\n');
        let rows = state.partitions.iter().map(|partition| {
            let parents: Vec<String> = partition.parents.iter().map(u32::to_string).collect();
            let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            // Without a group nobody asked; with one, and none for all partitions together, there should be a number.
            let lag = match (partition.lag, partition.behind) {
                (Some(lag), _) => lag.to_string(),
                (None, Some(behind)) => waits(behind),
                _ if group.is_none() || state.lag.is_some() => "-".to_owned(),
                _ => {
                    unknown = true;
                    "unknown".to_owned()
                }
            };
            [
                partition.number.to_string(),
                partition.name.clone(),
                if partition.open { "open" } else { "closed" }.to_owned(),
                if parents.is_empty() { "-".to_owned() } else { parents.join(", ") },
                or_dash(partition.earliest.clone()),
                or_dash(partition.end.clone()),
                lag,
            ]
        });
        text.push_str(&view::plain_table(["partition", "name", "state", "parents", "earliest", "end", "lag"], rows));
    }
    if let (true, Some(group)) = (unknown, group) {
        writeln!(
            text,
            "\nlag unknown: group `{group}` has no committed position here, or the service does not report later records"
        )
        .unwrap_or_default();
    }
    text
}

/// How long records have waited, to the second where it is longer than one.
fn waits(behind: Duration) -> String {
    let whole = Duration::from_secs(behind.as_secs());
    match behind {
        Duration::ZERO => "0".to_owned(),
        _ if whole.is_zero() => units::Duration(behind).to_string(),
        _ => units::Duration(whole).to_string(),
    }
}
