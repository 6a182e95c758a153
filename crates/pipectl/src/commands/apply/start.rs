//! What happens before a pipeline runs: its streams are made, the right to run it is asked for, its parts are opened.

use std::{collections::BTreeSet, path::PathBuf};

use pipectl_contract::Difference;
use pipectl_host::Host;
use pipectl_ir::{PhysicalPlan, physical::Workers};
use pipectl_runtime::{
    Differing, Job, Limits, OutputPolicy, RunError, RunOptions, StateEdits, checkpoint::Checkpoints, consumer_group,
    forget, provision, reads, refuse_output, start_over, writes,
};

use super::{Set, Worker, lag::questions, standby::Standby};
use crate::{
    cli::ApplyArguments,
    state::{Asked, Asking, Right},
    view,
};

/// What is done before a pipeline runs; each may wait long for a service that does not answer.
pub(super) enum Phase {
    /// Looking at its streams, and making those that do not exist; they are named.
    Streams(String),
    /// Letting the backends forget how far it was.
    Forget,
    /// Asking for the right to run it.
    Right,
    /// Opening its sources, streams and sinks.
    Opening,
}

impl Phase {
    /// What a signal in it leaves unfinished.
    pub(super) fn unfinished(&self) -> String {
        match self {
            Self::Streams(none) if none.is_empty() => "nothing was started".to_owned(),
            Self::Streams(names) => {
                format!("its streams were being checked and created; {names} may exist now")
            }
            Self::Forget => {
                "its positions on the backends were being reset, perhaps only in part: pass `--fresh` again".to_owned()
            }
            Self::Right => "it was waiting for the right to run; nothing was read or written".to_owned(),
            Self::Opening => {
                "its sources, streams and sinks were being opened; the next apply starts from the same position"
                    .to_owned()
            }
        }
    }
}

impl Set<'_> {
    /// Starts a pipeline, or stands by for it.
    pub(super) async fn start(&mut self, plans: Vec<PhysicalPlan>) -> Result<(), RunError> {
        let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
        let groups = groups(&plans);
        let questions = if self.exposure.is_some() { questions(&plans) } else { Vec::new() };
        let differing = if self.arguments.update_streams { Differing::Update } else { Differing::Tell };
        for made in provision(&plans, &self.connectors, &self.host, differing).await? {
            for Difference { setting, is, wanted, .. } in &made.changed {
                view::note(&format!(
                    "changed {setting} of stream `{}` on {}: {is} to {wanted}",
                    made.target, made.kind
                ));
            }
            if made.created {
                let partitions = match made.state.partitions.len() {
                    // Where there are none to see, there is no number to report.
                    0 => String::new(),
                    many => format!(" ({})", view::counted(many as u64, "partition")),
                };
                let (target, kind) = (made.target, made.kind);
                view::note(&format!("created stream `{target}` on {kind}{partitions} for `{}`", made.stream));
            }
        }
        if self.arguments.fresh {
            let options = run_options(self.arguments, &name, None);
            if options.output != OutputPolicy::Replace {
                refuse_output(&plans, &self.connectors, &self.host, &options).await?;
            }
            self.phase = Phase::Forget;
            forget(&plans, &self.connectors, &self.host).await?;
        }
        self.phase = Phase::Right;
        let arguments = self.arguments;
        let (state, host) = (&arguments.state, self.host.clone());
        let alone = plans.iter().find(|plan| plan.workers != Workers::Any);
        let (asking, asked) = match alone {
            Some(plan) if arguments.standby => {
                let mut asking = Asking::default();
                let asked = state.ask(plan, &host, &mut asking).await?;
                (asking, Some(asked))
            }
            Some(plan) => (Asking::default(), Some(state.ask_patiently(plan, &host, view::note).await?)),
            None => (Asking::default(), None),
        };
        self.phase = Phase::Opening;
        let worker = match asked {
            Some(Asked::Held(holder)) if arguments.standby => {
                let options = |plan: &mut PhysicalPlan| options(arguments, None, &host, plan);
                let (job, plans) = Job::start_shared(plans, &self.connectors, &host, options).await?;
                view::note(&format!("pipeline `{name}`: standing by until {holder} ends ({})", because(&plans)));
                Worker { job, right: None, standby: Some(Standby { asking, holder, plans }), groups }
            }
            asked => {
                let right = asked.map(|asked| asked.or_refuse(state)).transpose()?;
                if let Some(held) = right.as_ref().filter(|_| arguments.fresh) {
                    let cleared = async {
                        held.clear().await?;
                        start_over(&plans, &self.connectors, &self.host).await
                    };
                    if let Err(error) = cleared.await {
                        give_up(right).await;
                        return Err(error);
                    }
                }
                let options = |plan: &mut PhysicalPlan| options(arguments, right.as_ref(), &host, plan);
                match Job::start(plans, &self.connectors, &host, options).await {
                    Ok(job) => Worker { job, right, standby: None, groups },
                    Err(error) => {
                        give_up(right).await;
                        return Err(error);
                    }
                }
            }
        };
        if let Some(exposure) = &mut self.exposure {
            exposure.add(worker.job.observer(), questions, &self.connectors);
        }
        self.running.push(worker);
        if let Some(worker @ Worker { standby: None, .. }) = self.running.last() {
            report_start(worker);
        }
        Ok(())
    }
}

/// How a plan is run. A worker of several writes its dead letters apart from theirs.
pub(super) fn options(
    arguments: &ApplyArguments,
    right: Option<&Right>,
    host: &Host,
    plan: &mut PhysicalPlan,
) -> Result<RunOptions, RunError> {
    let (store, number) = arguments.state.checkpoints(plan, right, host, arguments.fresh)?;
    if let Some(sink) = plan.stages.last_mut().and_then(|stage| stage.sink.as_mut()).filter(|_| number > 0) {
        sink.set_suffix(&format!("worker-{number}"));
    }
    Ok(run_options(arguments, &plan.pipeline, Some(store)))
}

/// Whether the nodes whose state is to go are what a person takes them for: those to empty are in the spec, those to drop
/// are not, and each is a node of one pipeline.
pub(super) fn check_edits(arguments: &ApplyArguments, pipelines: &[Vec<PhysicalPlan>]) -> Result<(), RunError> {
    let names: Vec<&str> = pipelines.iter().filter_map(|plans| Some(plans.first()?.pipeline.as_str())).collect();
    let has = |pipeline: &str, node: &str| {
        let mut plans = pipelines.iter().flatten().filter(|plan| plan.pipeline == pipeline);
        plans.any(|plan| plan.nodes.iter().any(|known| known.name == node))
    };
    for (flag, text) in edits(arguments) {
        let (pipeline, node) = parts(text);
        let meant: Vec<&str> = names.iter().copied().filter(|name| pipeline.is_none_or(|one| one == *name)).collect();
        let [meant] = meant.as_slice() else {
            let message = format!("`--{flag} {text}`: it is not clear which of the pipelines that is");
            let example = format!("{}/{node}", names.first().unwrap_or(&"PIPELINE"));
            return Err(RunError::failed(message).help(format!("name the pipeline too, as in `--{flag} {example}`")));
        };
        match (flag, has(meant, node)) {
            ("reset", false) => {
                return Err(RunError::failed(format!("`--reset {text}`: no node of the spec is called `{node}`"))
                    .help(format!("for a node that has been removed from the spec, write `--drop {text}`")));
            }
            ("drop", true) => {
                return Err(RunError::failed(format!("`--drop {text}`: `{node}` is still in the spec"))
                    .help(format!("`--reset {text}` empties the state of a node that stays")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The nodes whose state may go, with the flags that say so.
fn edits(arguments: &ApplyArguments) -> impl Iterator<Item = (&'static str, &str)> {
    let reset = arguments.reset.iter().map(|name| ("reset", name.as_str()));
    reset.chain(arguments.drop.iter().map(|name| ("drop", name.as_str())))
}

/// The pipeline, if one is named, and the node. No name has a slash.
fn parts(text: &str) -> (Option<&str>, &str) {
    text.split_once('/').map_or((None, text), |(pipeline, node)| (Some(pipeline), node))
}

/// The names that are about a pipeline.
fn of_pipeline(names: &[String], pipeline: &str) -> BTreeSet<String> {
    let parts = names.iter().map(|name| parts(name)).filter(|(named, _)| named.is_none_or(|named| named == pipeline));
    parts.map(|(_, node)| node.to_owned()).collect()
}

fn run_options(arguments: &ApplyArguments, pipeline: &str, store: Option<Box<dyn Checkpoints>>) -> RunOptions {
    RunOptions {
        store,
        directory: PathBuf::new(),
        limits: Limits::default(),
        drain: arguments.drain_timeout.0,
        live: true,
        output: match arguments {
            ApplyArguments { keep_output: true, .. } => OutputPolicy::Keep,
            ApplyArguments { replace_output: true, .. } => OutputPolicy::Replace,
            _ => OutputPolicy::Refuse,
        },
        edits: StateEdits {
            drop: of_pipeline(&arguments.drop, pipeline),
            reset: of_pipeline(&arguments.reset, pipeline),
        },
    }
}

async fn give_up(right: Option<Right>) {
    if let Some(right) = right {
        right.release().await;
    }
}

/// Why only one process may run these.
fn because(plans: &[(usize, PhysicalPlan)]) -> String {
    let reasons = plans.iter().filter_map(|(_, plan)| match &plan.workers {
        Workers::One { because } => Some(because.as_str()),
        Workers::Any => None,
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// The streams that are made where they do not exist, in words.
pub(super) fn to_make(plans: &[PhysicalPlan]) -> String {
    let streams = plans.iter().flat_map(|plan| writes(plan).into_iter().chain(reads(plan)));
    let carriers = streams.map(|stream| &stream.carrier).filter(|carrier| !carrier.existing);
    let mut names: Vec<String> = carriers.map(|carrier| format!("`{}` on {}", carrier.target, carrier.kind)).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// The streams that are read by a consumer group, with its name, under which a service reports how far it is.
fn groups(plans: &[PhysicalPlan]) -> Vec<(String, String)> {
    let all = plans.iter().flat_map(|plan| {
        reads(plan).into_iter().map(|stream| (stream.name.clone(), consumer_group(plan, &stream.name)))
    });
    all.collect()
}

pub(super) fn report_start(Worker { job, groups, .. }: &Worker) {
    let name = job.pipeline();
    for (stream, group) in groups {
        tracing::info!(pipeline = name, stream, group, "reading as a consumer group");
    }
    if let Some(id) = job.resumed_from() {
        tracing::info!(pipeline = name, checkpoint = id, "resuming");
    } else {
        tracing::info!(pipeline = name, "starting");
    }
}
