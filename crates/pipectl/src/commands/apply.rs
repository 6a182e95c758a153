//! `pipectl apply`: runs until the sources end or somebody stops it.

use std::{path::PathBuf, time::Duration};

use pipectl_contract::Difference;
use pipectl_host::{Host, Micros};
use pipectl_ir::{PhysicalPlan, RunReport, physical::Workers};
use pipectl_plan::lower_regions;
use pipectl_runtime::{
    Differing, Job, Limits, RegistryConnectors, RunError, RunErrorKind, RunOptions, consumer_group, forget, provision,
    reads, start_over, writes,
};

use crate::{
    cli::{ApplyArguments, Global, ReportFormat},
    exit::Exit,
    guarantee,
    input::compile_files,
    registry::registry,
    state::{Asked, Asking, Right},
    stop::{self, Signals},
    view::{self, Live},
};

pub(super) fn run(arguments: &ApplyArguments, global: &Global) -> Exit {
    let registry = registry();
    let files = &arguments.files;
    let (source, compiled) = compile_files(&files.files, files.env.as_deref(), &registry);
    view::diagnostics(&source, global);
    // All or nothing: one broken pipeline and none of the set runs.
    if source.diagnostics.has_errors() {
        return Exit::Wrong;
    }
    let mut pipelines: Vec<Vec<PhysicalPlan>> = Vec::new();
    for compiled in &compiled {
        if let Some(told) = guarantee::told(&compiled.dag) {
            tracing::info!(pipeline = compiled.dag.settings().pipeline, "{told}");
        }
        match lower_regions(&compiled.dag) {
            Ok(plans) => pipelines.push(plans),
            Err(problem) => {
                view::note(&format!("error: pipeline `{}`: {problem}", compiled.dag.settings().pipeline));
                return Exit::Wrong;
            }
        }
    }
    let connectors = RegistryConnectors::new(registry);
    let threads = arguments.threads.map(usize::from);
    stop::run(threads, async |signals| {
        let (host, running) = (Host::real(), Vec::new());
        let mut set = Set { arguments, host, connectors, running, phase: Phase::Streams(String::new()) };
        let exit = set.carry_out(pipelines, signals).await;
        if exit == Exit::Interrupted {
            // Its clients would say goodbye to services that may not answer; the process ends without.
            std::mem::forget(set);
        }
        exit
    })
}

fn exit_of(error: &RunError) -> Exit {
    match error.kind {
        RunErrorKind::Failed | RunErrorKind::DrainTimeout => Exit::Failed,
        RunErrorKind::Outside => Exit::Outside,
    }
}

/// The pipelines of one apply.
struct Set<'a> {
    arguments: &'a ApplyArguments,
    host: Host,
    connectors: RegistryConnectors,
    running: Vec<Worker>,
    /// What is being done before a pipeline runs.
    phase: Phase,
}

/// What is done before a pipeline runs; each may wait long for a service that does not answer.
enum Phase {
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
    fn unfinished(&self) -> String {
        match self {
            Self::Streams(none) if none.is_empty() => "nothing was begun".to_owned(),
            Self::Streams(names) => {
                format!("its streams were being looked at and made, so that there may be {names} now")
            }
            Self::Forget => {
                "its backends were being told to forget how far it was, which may be done in part: give `--fresh` again"
                    .to_owned()
            }
            Self::Right => "it was asking for the right to run; nothing was read or written".to_owned(),
            Self::Opening => {
                "its sources, streams and sinks were being opened; the next apply goes on where this one would have"
                    .to_owned()
            }
        }
    }
}

/// One pipeline, or this process's part of it.
struct Worker {
    job: Job,
    /// The right to run what only one process may.
    right: Option<Right>,
    /// What waits for that right.
    standby: Option<Standby>,
    /// The streams that it reads by a consumer group, with its name.
    groups: Vec<(String, String)>,
}

struct Standby {
    asking: Asking,
    holder: String,
    plans: Vec<(usize, PhysicalPlan)>,
}

enum Turn {
    Signal(&'static str),
    Done(usize, Result<RunReport, RunError>),
    Tick,
}

/// How often a standby asks for the lease: the longest time for which nobody runs what a dead owner ran.
const STANDBY_EVERY: Duration = Duration::from_millis(250);

impl Set<'_> {
    /// Starts all pipelines and runs them to their ends, or to a signal in any phase.
    async fn carry_out(&mut self, pipelines: Vec<Vec<PhysicalPlan>>, signals: &mut Signals) -> Exit {
        for plans in pipelines {
            let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
            self.phase = Phase::Streams(to_make(&plans));
            let exit = match signals.race(self.start(plans)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => {
                    view::run_error(&name, &error);
                    exit_of(&error)
                }
                Err(signal) => {
                    view::note(&format!("{signal}: pipeline `{name}` has not started: {}", self.phase.unfinished()));
                    Exit::Interrupted
                }
            };
            self.stop();
            if signals.race(self.drain()).await.is_err() {
                return Exit::Interrupted;
            }
            self.give_up(signals).await;
            return exit;
        }
        let exit = self.watch(signals).await;
        self.give_up(signals).await;
        exit
    }

    async fn start(&mut self, plans: Vec<PhysicalPlan>) -> Result<(), RunError> {
        let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
        let groups = groups(&plans);
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
                    // Where there are none to see, there is no number to tell.
                    0 => String::new(),
                    many => format!(" ({})", view::counted(many as u64, "partition")),
                };
                let (target, kind) = (made.target, made.kind);
                view::note(&format!("created stream `{target}` on {kind}{partitions} for `{}`", made.stream));
            }
        }
        if self.arguments.fresh {
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
        self.running.push(worker);
        if let Some(worker @ Worker { standby: None, .. }) = self.running.last() {
            tell_start(worker);
        }
        Ok(())
    }

    /// Takes over what a process that has ended ran alone, if there is such a pipeline; answers the first that cannot.
    async fn take_over(&mut self) -> Option<(usize, RunError)> {
        let arguments = self.arguments;
        for (index, worker) in self.running.iter_mut().enumerate() {
            let Some(Standby { mut asking, holder, plans }) = worker.standby.take() else { continue };
            let Some((_, plan)) = plans.first() else { continue };
            let right = match arguments.state.ask(plan, &self.host, &mut asking).await {
                Ok(Asked::Ours(right)) => right,
                Ok(Asked::Held(holder)) => {
                    worker.standby = Some(Standby { asking, holder, plans });
                    continue;
                }
                Err(error) => {
                    // What cannot be asked now can be asked again.
                    tracing::warn!("{error}");
                    worker.standby = Some(Standby { asking, holder, plans });
                    continue;
                }
            };
            view::note(&format!("pipeline `{}`: {holder} has ended, taking over", worker.job.pipeline()));
            let right = worker.right.insert(right);
            let host = self.host.clone();
            let options = |plan: &mut PhysicalPlan| options(arguments, Some(right), &host, plan);
            if let Err(error) = worker.job.add(plans, &self.connectors, &self.host, options).await {
                return Some((index, error));
            }
            tell_start(worker);
        }
        None
    }

    fn stop(&mut self) {
        for worker in &mut self.running {
            worker.standby = None;
            worker.job.stop();
        }
    }

    /// Waits for all, whatever they come to.
    async fn drain(&mut self) {
        for worker in &mut self.running {
            drop(worker.job.join().await);
        }
    }

    /// Lets others have what only one process may run. Who waits for it finds out by itself too, only later.
    async fn give_up(&mut self, signals: &mut Signals) {
        let rights: Vec<Right> = self.running.iter_mut().filter_map(|worker| worker.right.take()).collect();
        let release = async {
            for right in rights {
                right.release().await;
            }
        };
        signals.race_within(stop::GOODBYE, release).await;
    }

    async fn watch(&mut self, signals: &mut Signals) -> Exit {
        let nodes = self.nodes();
        let mut live = Live::new(&nodes, self.host.now());
        let mut done: Vec<Option<Exit>> = vec![None; self.running.len()];
        let mut stopping = false;
        let mut next_show = self.host.now() + live.every().as_micros() as Micros;
        while done.iter().any(Option::is_none) {
            let waits = self.running.iter().any(|worker| worker.standby.is_some());
            let until_shown = Duration::from_micros((next_show - self.host.now()).max(0).unsigned_abs());
            let tick = if waits { until_shown.min(STANDBY_EVERY) } else { until_shown };
            let next = next_done(&mut self.running, &done);
            let mut turn = tokio::select! {
                biased;
                signal = signals.next() => Turn::Signal(signal),
                (index, result) = next => Turn::Done(index, result),
                () = self.host.sleep(tick) => Turn::Tick,
            };
            if let (Turn::Tick, true) = (&turn, waits) {
                match signals.race(self.take_over()).await {
                    Ok(None) => {}
                    Ok(Some((index, error))) => {
                        live.end();
                        done[index] = Some(self.ended(index, Err(error)));
                        self.stop();
                    }
                    Err(signal) => turn = Turn::Signal(signal),
                }
            }
            match turn {
                Turn::Tick => {
                    if self.host.now() >= next_show {
                        live.show(&self.nodes(), self.host.now());
                        next_show = self.host.now() + live.every().as_micros() as Micros;
                    }
                }
                Turn::Signal(signal) if stopping => {
                    live.end();
                    view::note(&format!(
                        "{signal} again: ending at once; the next apply goes on from the last checkpoint"
                    ));
                    return Exit::Interrupted;
                }
                Turn::Signal(signal) => {
                    stopping = true;
                    live.stopping();
                    tracing::info!("{signal}: stopping; once more ends at once");
                    self.stop();
                }
                Turn::Done(index, result) => {
                    live.end();
                    let exit = self.ended(index, result);
                    if exit != Exit::Fine {
                        // All or nothing: the others stop too.
                        self.stop();
                    }
                    done[index] = Some(exit);
                }
            }
        }
        done.into_iter().flatten().find(|exit| *exit != Exit::Fine).unwrap_or(Exit::Fine)
    }

    fn ended(&self, index: usize, result: Result<RunReport, RunError>) -> Exit {
        match result {
            Err(error) => {
                view::run_error(self.running[index].job.pipeline(), &error);
                exit_of(&error)
            }
            Ok(report) if self.arguments.format == ReportFormat::Json => {
                let text = serde_json::to_string_pretty(&report).unwrap_or_default();
                view::print(&(text + "\n"))
            }
            Ok(_) if self.running[index].job.already_finished() => Exit::Fine,
            Ok(report) if report.nodes.is_empty() => {
                view::note(&format!("pipeline `{}`: stopped while standing by", report.pipeline));
                Exit::Fine
            }
            Ok(report) => {
                view::note(&view::summary(&report));
                Exit::Fine
            }
        }
    }

    fn nodes(&self) -> Vec<pipectl_ir::report::NodeReport> {
        self.running.iter().flat_map(|worker| worker.job.nodes()).collect()
    }
}

/// How a plan is run. A worker of several writes its dead letters apart from theirs.
fn options(
    arguments: &ApplyArguments,
    right: Option<&Right>,
    host: &Host,
    plan: &mut PhysicalPlan,
) -> Result<RunOptions, RunError> {
    let (store, number) = arguments.state.checkpoints(plan, right, host, arguments.fresh)?;
    if let Some(sink) = plan.stages.last_mut().and_then(|stage| stage.sink.as_mut()).filter(|_| number > 0) {
        sink.set_apart(&format!("worker-{number}"));
    }
    Ok(RunOptions {
        store: Some(store),
        directory: PathBuf::new(),
        limits: Limits::default(),
        drain: arguments.drain_timeout.0,
    })
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
fn to_make(plans: &[PhysicalPlan]) -> String {
    let streams = plans.iter().flat_map(|plan| writes(plan).into_iter().chain(reads(plan)));
    let carriers = streams.map(|stream| &stream.carrier).filter(|carrier| !carrier.existing);
    let mut names: Vec<String> = carriers.map(|carrier| format!("`{}` on {}", carrier.target, carrier.kind)).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// The streams that are read by a consumer group, with its name, under which a service tells how far it is.
fn groups(plans: &[PhysicalPlan]) -> Vec<(String, String)> {
    let all = plans.iter().flat_map(|plan| {
        reads(plan).into_iter().map(|stream| (stream.name.clone(), consumer_group(plan, &stream.name)))
    });
    all.collect()
}

fn tell_start(Worker { job, groups, .. }: &Worker) {
    let name = job.pipeline();
    for (stream, group) in groups.iter().filter(|_| !job.already_finished()) {
        tracing::info!(pipeline = name, stream, group, "reading as a consumer group");
    }
    match job.resumed_from() {
        Some(id) if job.already_finished() => view::note(&format!(
            "pipeline `{name}` had already finished (checkpoint {id}): nothing to do; `--fresh` starts it over"
        )),
        Some(id) => tracing::info!(pipeline = name, checkpoint = id, "resuming"),
        None => tracing::info!(pipeline = name, "starting"),
    }
}

/// The next pipeline of the set that ends.
async fn next_done(running: &mut [Worker], done: &[Option<Exit>]) -> (usize, Result<RunReport, RunError>) {
    let mut joins: Vec<_> = running
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| done[*index].is_none())
        .map(|(index, worker)| (index, Box::pin(worker.job.join())))
        .collect();
    std::future::poll_fn(move |context| {
        for (index, join) in &mut joins {
            if let std::task::Poll::Ready(result) = join.as_mut().poll(context) {
                return std::task::Poll::Ready((*index, result));
            }
        }
        std::task::Poll::Pending
    })
    .await
}
