//! `pipectl apply`: runs until the sources end or somebody stops it.

mod exposure;
mod lag;
mod standby;
mod start;

use std::time::Duration;

use pipectl_host::{Host, Micros};
use pipectl_ir::{PhysicalPlan, RunReport};
use pipectl_plan::lower_regions;
use pipectl_runtime::{Job, RegistryConnectors, RunError, RunErrorKind};

use self::{
    exposure::Exposure,
    standby::{STANDBY_EVERY, Standby},
    start::{Phase, check_edits, to_make},
};
use crate::{
    cli::{ApplyArguments, Global, ReportFormat},
    exit::Exit,
    guarantee,
    input::{compile_files, look_for_inputs},
    registry::registry,
    state::Right,
    stop::{self, Signals},
    view::{self, Live, Moment},
};

pub(super) fn run(arguments: &ApplyArguments, global: &Global) -> Exit {
    let registry = registry();
    let files = &arguments.files;
    let (mut source, compiled) = compile_files(&files.files, files.env.as_deref(), &registry);
    look_for_inputs(&mut source, &compiled, &registry);
    view::diagnostics(&source, global);
    // All or nothing: one broken pipeline and none of the set runs.
    if source.diagnostics.has_errors() {
        return Exit::Wrong;
    }
    let mut pipelines: Vec<Vec<PhysicalPlan>> = Vec::new();
    for compiled in &compiled {
        if let Some(reported) = guarantee::weak_outputs(&compiled.dag) {
            tracing::info!(pipeline = compiled.dag.settings().pipeline, "{reported}");
        }
        match lower_regions(&compiled.dag) {
            Ok(plans) => pipelines.push(plans),
            Err(problem) => {
                view::note(&format!("error: pipeline `{}`: {problem}", compiled.dag.settings().pipeline));
                return Exit::Wrong;
            }
        }
    }
    if let Err(error) = check_edits(arguments, &pipelines) {
        view::note(&format!("error: {error}"));
        for line in &error.help {
            view::note(&format!("  = help: {line}"));
        }
        return Exit::Wrong;
    }
    let connectors = RegistryConnectors::new(registry);
    let threads = arguments.threads.map(usize::from);
    stop::run(threads, async |signals| {
        let (host, running) = (Host::real(), Vec::new());
        let exposure = match Exposure::start(arguments.metrics, &host) {
            Ok(exposure) => exposure,
            Err(exit) => return exit,
        };
        let mut set = Set { arguments, host, connectors, running, exposure, phase: Phase::Streams(String::new()) };
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
        RunErrorKind::OutputExists => Exit::Wrong,
        RunErrorKind::ReaderGone => Exit::Fine,
    }
}

/// Shows why a pipeline failed. A reader that has gone (`| head`) is no failure.
fn show_error(pipeline: &str, error: &RunError) {
    if error.kind != RunErrorKind::ReaderGone {
        view::run_error(pipeline, error);
    }
}

/// The pipelines of one apply.
struct Set<'a> {
    arguments: &'a ApplyArguments,
    host: Host,
    connectors: RegistryConnectors,
    running: Vec<Worker>,
    /// The metrics, if they are exposed.
    exposure: Option<Exposure>,
    /// What is being done before a pipeline runs.
    phase: Phase,
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

enum Turn {
    Signal(&'static str),
    Done(usize, Result<RunReport, RunError>),
    Tick,
}

impl Set<'_> {
    /// Starts all pipelines and runs them to their ends, or to a signal in any phase.
    async fn carry_out(&mut self, pipelines: Vec<Vec<PhysicalPlan>>, signals: &mut Signals) -> Exit {
        for plans in pipelines {
            let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
            self.phase = Phase::Streams(to_make(&plans));
            let exit = match signals.race(self.start(plans)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => {
                    show_error(&name, &error);
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
                        live.show(&self.moment());
                        next_show = self.host.now() + live.every().as_micros() as Micros;
                    }
                }
                Turn::Signal(signal) if stopping => {
                    live.end();
                    view::note(&format!(
                        "{signal} again: stopping at once; the next apply continues from the last checkpoint"
                    ));
                    return Exit::Interrupted;
                }
                Turn::Signal(signal) => {
                    stopping = true;
                    live.stopping();
                    tracing::info!("{signal}: stopping; send it again to stop at once");
                    self.stop();
                }
                Turn::Done(index, result) => {
                    live.end();
                    let failed = result.is_err();
                    let exit = self.ended(index, result);
                    if failed || exit != Exit::Fine {
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
                show_error(self.running[index].job.pipeline(), &error);
                exit_of(&error)
            }
            Ok(report) => {
                let shown = self.show(&self.running[index].job, &report);
                match self.arguments.max_dead_letters.and_then(|limit| limit.judge(&report)) {
                    Some(problem) => {
                        view::note(&problem);
                        Exit::Failed
                    }
                    None => shown,
                }
            }
        }
    }

    /// Shows what a run came to.
    fn show(&self, job: &Job, report: &RunReport) -> Exit {
        if self.arguments.format == ReportFormat::Json {
            let text = serde_json::to_string_pretty(report).unwrap_or_default();
            return view::print(&(text + "\n"));
        }
        let name = &report.pipeline;
        view::note(&match report.resumed_from {
            _ if report.nodes.is_empty() => format!("pipeline `{name}`: stopped while standing by"),
            Some(id) if job.already_finished() && job.read_nothing() => {
                format!("pipeline `{name}`: nothing new to read since checkpoint {id}, where all input had been read")
            }
            _ => view::summary(report),
        });
        Exit::Fine
    }

    fn nodes(&self) -> Vec<pipectl_ir::report::NodeReport> {
        self.running.iter().flat_map(|worker| worker.job.nodes()).collect()
    }

    /// All pipelines as they stand; event time is as far as the last of those that know it.
    fn moment(&self) -> Moment {
        Moment {
            nodes: self.nodes(),
            regions: self.running.iter().flat_map(|worker| worker.job.observer().regions()).collect(),
            watermark: self.running.iter().filter_map(|worker| worker.job.watermark()).min(),
            now: self.host.now(),
        }
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
