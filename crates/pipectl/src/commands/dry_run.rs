//! `pipectl dry-run`: the same engine on a virtual clock; sinks show their first rows and write nothing.

use std::path::PathBuf;

use pipectl_host::{Host, Micros};
use pipectl_ir::{Dag, NodeKind, PhysicalPlan, RunReport};
use pipectl_plan::lower;
use pipectl_runtime::{Limits, OutputPolicy, RegistryConnectors, RunError, RunOptions, start};
use serde_json::json;

use crate::{
    cli::{DryRunArguments, Global, ReportFormat},
    exit::Exit,
    given::{interactive, replace_source, unfed},
    input::{compile, load_files, look_for_inputs},
    preview::{DryConnectors, Previews},
    registry::registry,
    view,
};

/// When virtual time starts: 2026-01-01T00:00:00Z, the same for every run, so that two runs are equal.
const EPOCH: Micros = 1_767_225_600_000_000;

/// Virtual time of a run whose sources have no end of their own.
const DEFAULT_TIME: Micros = 60_000_000;

pub(super) fn run(arguments: &DryRunArguments, global: &Global) -> Exit {
    let registry = registry();
    let files = &arguments.files;
    let mut source = load_files(&files.files, files.env.as_deref(), &registry);
    for input in &arguments.input {
        if let Err(problem) = replace_source(input, &mut source, &registry) {
            source.diagnostics.push(problem);
        }
    }
    let compiled = compile(&mut source, &registry);
    look_for_inputs(&mut source, &compiled, &registry);
    for dag in compiled.iter().map(|compiled| &compiled.dag) {
        source.diagnostics.extend(interactive(dag, "a dry run"));
        source.diagnostics.extend(unfed(dag, "a dry run"));
    }
    view::diagnostics(&source, global);
    if source.diagnostics.has_errors() {
        return Exit::Wrong;
    }
    let mut exit = Exit::Fine;
    for compiled in &compiled {
        let previews = Previews::new(arguments.rows);
        let connectors =
            DryConnectors { sources: RegistryConnectors::new(registry.clone()), previews: previews.clone() };
        match run_one(&compiled.dag, &connectors, arguments) {
            Ok(report) => {
                let shown = match arguments.format {
                    ReportFormat::Text => text(&report, &previews),
                    ReportFormat::Json => json_text(&report, &previews),
                };
                if view::print(&shown) != Exit::Fine {
                    exit = Exit::Outside;
                }
                if let Some(problem) = arguments.max_dead_letters.and_then(|limit| limit.judge(&report)) {
                    view::note(&problem);
                    exit = Exit::Failed;
                }
            }
            Err(error) => {
                view::run_error(&compiled.dag.settings().pipeline, &error);
                exit = Exit::Failed;
            }
        }
    }
    exit
}

fn run_one(dag: &Dag, connectors: &DryConnectors, arguments: &DryRunArguments) -> Result<RunReport, RunError> {
    let endless = dag.nodes().any(|(_, node)| matches!(&node.kind, NodeKind::Source(source) if !source.bounded));
    let given = arguments.until.map(|until| i64::try_from(until.0.as_micros()).unwrap_or(Micros::MAX));
    let time = given.or((endless && arguments.records.is_none()).then_some(DEFAULT_TIME));
    // Nothing is kept, so there is nothing to checkpoint in between; the last one still goes through all tasks.
    let plan = PhysicalPlan { checkpoint_every: Micros::MAX, ..lower(dag) };
    let options = RunOptions {
        store: None,
        directory: PathBuf::new(),
        limits: Limits { records: arguments.records, time },
        drain: std::time::Duration::from_hours(1),
        live: false,
        output: OutputPolicy::default(),
        edits: pipectl_runtime::StateEdits::default(),
    };
    pipectl_host::simulate(async {
        let host = Host::simulated(arguments.seed, EPOCH);
        let mut running = start(plan, connectors, &host, options).await?;
        running.join().await
    })?
}

fn sinks(report: &RunReport, previews: &Previews) -> Vec<(String, u64, Vec<String>)> {
    let sinks = report.nodes.iter().filter(|node| node.role == "sink");
    sinks
        .map(|node| {
            let (total, rows) = previews.of(&node.name);
            (node.name.clone(), total, rows)
        })
        .filter(|(name, total, _)| name != "dead-letters" || *total > 0)
        .collect()
}

fn text(report: &RunReport, previews: &Previews) -> String {
    let seconds = (report.ended - report.started) as f64 / 1e6;
    let head = format!("{}: dry run, {seconds} s of virtual time, nothing written\n\n", report.pipeline);
    head + &view::ledger(&report.nodes) + &view::previews(&sinks(report, previews))
}

fn json_text(report: &RunReport, previews: &Previews) -> String {
    let rows: serde_json::Map<String, serde_json::Value> = sinks(report, previews)
        .into_iter()
        .map(|(name, total, rows)| {
            let rows: Vec<serde_json::Value> = rows
                .into_iter()
                .map(|row| serde_json::from_str(&row).unwrap_or(serde_json::Value::String(row)))
                .collect();
            (name, json!({ "total": total, "rows": rows }))
        })
        .collect();
    let document = json!({ "report": report, "sinks": rows });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
