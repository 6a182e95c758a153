//! One run of a comparison: streams of its own, sinks that keep what they are given, and nothing left behind.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pipectl_compare::{Latency, Recorded, Run};
use pipectl_contract::Registry;
use pipectl_data::Micros;
use pipectl_host::Host;
use pipectl_ir::{
    PhysicalPlan, RunReport,
    dag::Lateness,
    physical::{Operation, StageInput, StreamPlan, Workers},
};
use pipectl_runtime::{
    Differing, Job, Limits, OutputPolicy, RegistryConnectors, RunError, RunErrorKind, RunOptions, provision, reads,
    writes,
};

use super::{
    clean::{Cleaning, Patience},
    run_target::Compiled,
};
use crate::{
    cli::CompareArguments,
    exit::Exit,
    record::{RecordingConnectors, Records},
    stop::Signals,
    view,
};

/// Time between checkpoints: acknowledgements wait for them, and a comparison is short.
const CHECKPOINT_EVERY: Micros = 1_000_000;

/// Windows stay open until the input ends, so that it does not matter in which order a backlog is read. Half of all time,
/// so that nothing overflows.
const OPEN_TO_THE_END: Micros = Micros::MAX / 2;

/// Runs a pipeline in a place; `is_reference` keeps the input too, to show of what a row was made.
pub(super) async fn one_run(
    place: &str,
    compiled: Compiled,
    is_reference: bool,
    arguments: &CompareArguments,
    registry: &Registry,
    signals: &mut Signals,
) -> Result<Run, Exit> {
    let host = Host::real();
    let id: String = host.id("compare").chars().take(8).collect();
    let Compiled { mut plans, origins } = compiled;
    for plan in &mut plans {
        prepare(plan, &id, arguments.lateness);
    }
    let pipeline = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
    view::note(&format!("{pipeline} on {place}: running"));
    let inner = RegistryConnectors::new(registry.clone());
    let limits = Limits {
        records: arguments.records,
        time: arguments.until.map(|until| i64::try_from(until.0.as_micros()).unwrap_or(Micros::MAX)),
    };
    let records = Records::new(is_reference.then_some(limits));
    let recording = RecordingConnectors { inner: inner.clone(), records: records.clone(), started: host.now() };
    let result = run_plans(&plans, inner, recording, &host, limits, signals).await;
    let patience = match &result {
        Err(Stop::Unprepared) => Patience::Short,
        Err(Stop::Failed(error)) if error.kind == RunErrorKind::Outside => Patience::Short,
        _ => Patience::Long,
    };
    Cleaning::of(&plans).carry_out(registry, &host, patience, signals).await;
    let report = match result {
        Ok(report) => report,
        Err(Stop::Interrupted | Stop::Unprepared) => return Err(Exit::Interrupted),
        Err(Stop::Failed(error)) => {
            view::run_error(&format!("{pipeline} on {place}"), &error);
            return Err(match error.kind {
                RunErrorKind::Outside => Exit::Outside,
                _ => Exit::Failed,
            });
        }
    };
    let recorded = records.take();
    let mut sinks = by_column(recorded.sinks, arguments.key.as_deref());
    for (sink, origin) in origins {
        if let Some(recorded) = sinks.get_mut(&sink) {
            recorded.origin = origin;
        }
    }
    Ok(Run {
        name: place.to_owned(),
        backends: backends(&plans),
        retries: host.retries(),
        late: report.nodes.iter().map(|node| node.counts.late).sum(),
        sinks,
        input: recorded.input,
        latency: Latency::of(recorded.durations),
        report,
    })
}

/// What carried the streams of a run.
fn backends(plans: &[PhysicalPlan]) -> Vec<String> {
    let streams = plans.iter().flat_map(|plan| reads(plan).into_iter().chain(writes(plan)));
    let mut backends: Vec<String> = streams.map(|stream| stream.carrier.kind.clone()).collect();
    backends.sort();
    backends.dedup();
    if backends.is_empty() {
        backends.push("memory".to_owned());
    }
    backends
}

/// Makes a plan one of a comparison: streams and groups of its own, short checkpoints, windows open to the end.
fn prepare(plan: &mut PhysicalPlan, id: &str, lateness: bool) {
    plan.environment = format!("{}-{id}", plan.environment);
    plan.checkpoint_every = CHECKPOINT_EVERY.min(plan.checkpoint_every);
    let rename = |stream: &mut StreamPlan| {
        stream.carrier.target = format!("{}-{id}", stream.carrier.target);
        stream.carrier.existing = false;
    };
    for stage in &mut plan.stages {
        if let StageInput::Stream(stream) = &mut stage.input {
            rename(stream);
        }
        stage.writes.iter_mut().for_each(rename);
        for step in &mut stage.steps {
            if let Operation::EventTime(time) = &mut step.operation
                && !lateness
            {
                time.lateness = Lateness::For(OPEN_TO_THE_END);
            }
        }
    }
}

enum Stop {
    /// A signal ended the run.
    Interrupted,
    /// A signal came while streams were made or opened: their service may not answer.
    Unprepared,
    Failed(RunError),
}

async fn run_plans(
    plans: &[PhysicalPlan],
    inner: RegistryConnectors,
    recording: RecordingConnectors,
    host: &Host,
    limits: Limits,
    signals: &mut Signals,
) -> Result<RunReport, Stop> {
    let options = |plan: &mut PhysicalPlan| {
        plan.workers = Workers::One { because: "a comparison runs alone".to_owned() };
        Ok(RunOptions {
            store: None,
            directory: PathBuf::new(),
            limits,
            drain: Duration::from_secs(30),
            live: false,
            output: OutputPolicy::default(),
            edits: pipectl_runtime::StateEdits::default(),
        })
    };
    let started = signals.race(async {
        provision(plans, &inner, host, Differing::Tell).await?;
        Job::start(plans.to_vec(), &recording, host, options).await
    });
    let mut job = match started.await {
        Ok(job) => job.map_err(Stop::Failed)?,
        Err(signal) => {
            view::note(&format!(
                "{signal}: stopped while streams were created and opened; removing the created streams"
            ));
            return Err(Stop::Unprepared);
        }
    };
    let signal = tokio::select! {
        report = job.join() => return report.map_err(Stop::Failed),
        signal = signals.next() => signal,
    };
    view::note(&format!(
        "{signal}: stopping and removing the created streams; send it again to stop at once and keep them"
    ));
    job.stop();
    match signals.race(job.join()).await {
        Ok(ended) => drop(ended.map_err(Stop::Failed)?),
        Err(_) => return Err(Stop::Unprepared),
    }
    Err(Stop::Interrupted)
}

/// With `--key COLUMN`, rows are of the key that they have in that column, and order is judged wherever there is one.
fn by_column(mut sinks: BTreeMap<String, Recorded>, column: Option<&str>) -> BTreeMap<String, Recorded> {
    let Some(column) = column else { return sinks };
    for recorded in sinks.values_mut() {
        let mut found = false;
        for row in &mut recorded.rows {
            let value: Option<serde_json::Value> = serde_json::from_str(&row.text).ok();
            row.key = value.and_then(|value| value.get(column).map(ToString::to_string));
            found |= row.key.is_some();
        }
        recorded.ordered = found;
    }
    sinks
}
