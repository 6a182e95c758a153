//! `pipectl compare`: the same input through several Environments, and whether the results are the same.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pipectl_compare::{Latency, Recorded, Run, Settings, Verdict, judge};
use pipectl_contract::{ConnectContext, Registry};
use pipectl_data::Micros;
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::{Host, Interrupts};
use pipectl_ir::{
    PhysicalPlan, RunReport,
    physical::{Operation, StageInput, StreamPlan, Workers},
};
use pipectl_plan::lower_regions;
use pipectl_runtime::{
    Job, Limits, RegistryConnectors, RunError, RunErrorKind, RunOptions, provision, reads, target, writes,
};

use crate::{
    cli::{CompareArguments, CompareFormat, Global},
    environments,
    exit::Exit,
    given::{interactive, replace_source, unfed},
    input::{Source, compile, load_files, load_with},
    record::{RecordingConnectors, Records},
    registry::registry,
    view::{self, comparison},
};

/// Time between checkpoints: acknowledgements wait for them, and a comparison is short.
const CHECKPOINT_EVERY: Micros = 1_000_000;

/// Windows stay open until the input ends, so that it does not matter in which order a backlog is read. Half of all time,
/// so that nothing overflows.
const OPEN_TO_THE_END: Micros = Micros::MAX / 2;

pub(super) fn run(arguments: &CompareArguments, global: &Global) -> Exit {
    let registry = registry();
    let mut sets = Vec::new();
    for place in places(arguments) {
        let (source, plans) = compile_for(&place, arguments, &registry);
        view::diagnostics(&source, global);
        match plans {
            Some(plans) if !source.diagnostics.has_errors() => sets.push((place, plans)),
            _ => return Exit::Wrong,
        }
    }
    if sets.len() < 2 {
        let problem = Diagnostic::error(codes::command::BAD_ARGUMENT, "there is nothing to compare with");
        view::problem(problem.help("name two or more with --envs a.yaml,b.yaml or --backends memory,kafka"), global);
        return Exit::Wrong;
    }
    let result = pipectl_host::run(None, async {
        let mut interrupts = match Interrupts::listen() {
            Ok(interrupts) => interrupts,
            Err(error) => {
                view::note(&format!("error: cannot listen for signals: {error}"));
                return Err(Exit::Outside);
            }
        };
        let mut runs: Vec<Vec<Run>> = Vec::new();
        for (place, pipelines) in sets {
            let mut of_place = Vec::new();
            for plans in pipelines {
                of_place.push(one_run(&place, plans, arguments, &registry, &mut interrupts).await?);
            }
            runs.push(of_place);
        }
        Ok(runs)
    });
    match result {
        Ok(Ok(runs)) => show(&runs, arguments),
        Ok(Err(exit)) => exit,
        Err(error) => {
            view::note(&format!("error: cannot start threads: {error}"));
            Exit::Outside
        }
    }
}

/// Where to run.
enum Place {
    /// An Environment of a file, or by its name.
    Environment(String),
    /// A backend with its defaults.
    Backend(String),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Environment(name) | Self::Backend(name) => name,
        }
    }
}

fn places(arguments: &CompareArguments) -> Vec<Place> {
    let backends = arguments.backends.iter().cloned().map(Place::Backend);
    backends.chain(arguments.envs.iter().cloned().map(Place::Environment)).collect()
}

type Plans = Vec<Vec<PhysicalPlan>>;

fn compile_for(place: &Place, arguments: &CompareArguments, registry: &Registry) -> (Source, Option<Plans>) {
    let mut source = match place {
        Place::Environment(env) => load_files(&arguments.files, Some(env), registry),
        Place::Backend(kind) => {
            let Some(environment) = environments::of(kind) else {
                let mut source = Source::default();
                let title = format!("there is no backend `{kind}`");
                let help = format!("there are: {}", environments::kinds().collect::<Vec<_>>().join(", "));
                source.diagnostics.push(Diagnostic::error(codes::command::BAD_ARGUMENT, title).help(help));
                return (source, None);
            };
            load_with(&arguments.files, environment, registry)
        }
    };
    for input in &arguments.input {
        if let Err(problem) = replace_source(input, &mut source, registry) {
            source.diagnostics.push(problem);
        }
    }
    let compiled = compile(&mut source, registry);
    let mut plans = Vec::new();
    for compiled in &compiled {
        source.diagnostics.extend(interactive(&compiled.dag, "a comparison"));
        source.diagnostics.extend(unfed(&compiled.dag, "a comparison"));
        match lower_regions(&compiled.dag) {
            Ok(regions) => plans.push(regions),
            Err(problem) => source.diagnostics.push(Diagnostic::error(codes::graph::MEET_AGAIN, problem.to_string())),
        }
    }
    (source, Some(plans))
}

async fn one_run(
    place: &Place,
    mut plans: Vec<PhysicalPlan>,
    arguments: &CompareArguments,
    registry: &Registry,
    interrupts: &mut Interrupts,
) -> Result<Run, Exit> {
    let host = Host::real();
    let id: String = host.id("compare").chars().take(8).collect();
    for plan in &mut plans {
        prepare(plan, &id, arguments.lateness);
    }
    let pipeline = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
    view::note(&format!("{pipeline} on {}: running", place.name()));
    let connectors = RegistryConnectors::new(registry.clone());
    let result = run_plans(&plans, connectors, &host, arguments, interrupts).await;
    cleanup(&plans, registry, &host).await;
    let (report, records) = match result {
        Ok(done) => done,
        Err(Stop::Interrupted) => return Err(Exit::Interrupted),
        Err(Stop::Failed(error)) => {
            view::run_error(&format!("{pipeline} on {}", place.name()), &error);
            return Err(match error.kind {
                RunErrorKind::Outside => Exit::Outside,
                _ => Exit::Failed,
            });
        }
    };
    let (sinks, durations) = records.take();
    let mut backends: Vec<String> = plans
        .iter()
        .flat_map(|plan| reads(plan).into_iter().chain(writes(plan)))
        .map(|s| s.carrier.kind.clone())
        .collect();
    backends.sort();
    backends.dedup();
    if backends.is_empty() {
        backends.push("memory".to_owned());
    }
    Ok(Run {
        name: place.name().to_owned(),
        backends,
        retries: host.retries(),
        late: report.nodes.iter().map(|node| node.counts.late).sum(),
        sinks: by_column(sinks, arguments.key.as_deref()),
        latency: Latency::of(durations),
        report,
    })
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
                time.lateness = OPEN_TO_THE_END;
            }
        }
    }
}

enum Stop {
    Interrupted,
    Failed(RunError),
}

async fn run_plans(
    plans: &[PhysicalPlan],
    connectors: RegistryConnectors,
    host: &Host,
    arguments: &CompareArguments,
    interrupts: &mut Interrupts,
) -> Result<(RunReport, Records), Stop> {
    provision(plans, &connectors, host).await.map_err(Stop::Failed)?;
    let records = Records::default();
    let connectors = RecordingConnectors { inner: connectors, records: records.clone(), started: host.now() };
    let time = arguments.until.map(|until| i64::try_from(until.0.as_micros()).unwrap_or(Micros::MAX));
    let options = |plan: &mut PhysicalPlan| {
        plan.workers = Workers::One { because: "a comparison runs alone".to_owned() };
        Ok(RunOptions {
            store: None,
            directory: PathBuf::new(),
            limits: Limits { records: arguments.records, time },
            drain: Duration::from_secs(30),
        })
    };
    let mut job = Job::start(plans.to_vec(), &connectors, host, options).await.map_err(Stop::Failed)?;
    tokio::select! {
        report = job.join() => Ok((report.map_err(Stop::Failed)?, records)),
        signal = interrupts.next() => {
            view::note(&format!("{signal}: stopping, and removing the streams that were made"));
            job.stop();
            job.join().await.map_err(Stop::Failed)?;
            Err(Stop::Interrupted)
        }
    }
}

/// Removes the streams that were made for the run.
async fn cleanup(plans: &[PhysicalPlan], registry: &Registry, host: &Host) {
    let connectors = RegistryConnectors::new(registry.clone());
    let mut done = std::collections::BTreeSet::new();
    for plan in plans {
        for stream in writes(plan).into_iter().chain(reads(plan)) {
            if !done.insert(stream.carrier.target.clone()) {
                continue;
            }
            let context = ConnectContext::new(host.clone(), &plan.pipeline, &plan.environment);
            let removed = match connectors.connection(&stream.carrier, context).await {
                Ok(connection) => connection.delete(&target(&stream.carrier)).await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                let (name, kind) = (&stream.carrier.target, &stream.carrier.kind);
                view::note(&format!("warning: stream `{name}` on {kind} could not be removed: {error}"));
            }
        }
    }
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

fn show(runs: &[Vec<Run>], arguments: &CompareArguments) -> Exit {
    let settings = Settings { tolerance: arguments.tolerance, examples: arguments.rows };
    let mut judged: Vec<(&Run, Vec<(&Run, Verdict)>)> = Vec::new();
    let [reference, others @ ..] = runs else { return Exit::Fine };
    for (index, reference) in reference.iter().enumerate() {
        let of_pipeline = others.iter().filter_map(|runs| runs.get(index));
        judged.push((reference, of_pipeline.map(|run| (run, judge(reference, run, settings))).collect()));
    }
    let text = match arguments.format {
        CompareFormat::Text => comparison::text(&judged),
        CompareFormat::Json => comparison::json(&judged),
        CompareFormat::Junit => comparison::junit(&judged),
        CompareFormat::Markdown => comparison::markdown(&judged),
    };
    let shown = view::print(&text);
    let equal = judged.iter().all(|(_, verdicts)| verdicts.iter().all(|(_, verdict)| verdict.is_equal()));
    match shown {
        Exit::Fine if equal => Exit::Fine,
        Exit::Fine => Exit::Different,
        other => other,
    }
}
