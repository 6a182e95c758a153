//! `pipectl stream describe`: partitions, positions, settings.

use std::fmt::Write as _;

use pipectl_contract::StreamState;
use pipectl_data::timestamp;
use pipectl_host::Host;

use super::failed;
use crate::{
    cli::{DescribeArguments, Global, ReportFormat},
    exit::Exit,
    reach::Reach,
    view,
};

pub(super) async fn run(reach: &Reach, arguments: &DescribeArguments, global: &Global) -> Exit {
    let connection = match reach.connect(Some(&arguments.stream), &Host::real(), global).await {
        Ok(connection) => connection,
        Err(exit) => return exit,
    };
    let target = reach.target(&arguments.stream);
    match connection.describe(&target, arguments.group.as_deref()).await {
        Ok(Some(state)) if arguments.format == ReportFormat::Json => {
            view::print(&(serde_json::to_string_pretty(&state).unwrap_or_default() + "\n"))
        }
        Ok(Some(state)) => view::print(&text(&state)),
        Ok(None) => {
            view::note(&format!("error: there is no stream `{}` in `{}`", target.name, reach.name()));
            Exit::Outside
        }
        Err(error) => failed(&error),
    }
}

fn text(state: &StreamState) -> String {
    let mut text = format!("{}\n", state.name);
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<14} {value}").unwrap_or_default();
    if let Some(created) = state.created {
        line("created", timestamp::format(created));
    }
    if let Some(retention) = state.retention {
        line("retention", pipectl_data::units::Duration(retention).to_string());
    }
    if let Some(encryption) = &state.encryption {
        line("encryption", encryption.clone());
    }
    if let Some(lag) = state.lag {
        line("lag", lag.to_string());
    }
    for (name, value) in &state.settings {
        line(name, value.clone());
    }
    if !state.partitions.is_empty() {
        text.push('\n');
        let rows = state.partitions.iter().map(|partition| {
            let parents: Vec<String> = partition.parents.iter().map(u32::to_string).collect();
            let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            [
                partition.number.to_string(),
                partition.name.clone(),
                if partition.open { "open" } else { "closed" }.to_owned(),
                if parents.is_empty() { "-".to_owned() } else { parents.join(", ") },
                or_dash(partition.earliest.clone()),
                or_dash(partition.end.clone()),
                or_dash(partition.lag.map(|lag| lag.to_string())),
            ]
        });
        text.push_str(&view::plain_table(["partition", "name", "state", "parents", "earliest", "end", "lag"], rows));
    }
    text
}
