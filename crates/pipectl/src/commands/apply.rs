//! `pipectl apply`: runs until the sources end or somebody stops it.

use std::path::PathBuf;

use pipectl_host::{Host, Interrupts};
use pipectl_ir::{PhysicalPlan, RunReport};
use pipectl_plan::lower_regions;
use pipectl_runtime::{
    Job, Limits, RegistryConnectors, RunError, RunErrorKind, RunOptions, checkpoint::Store, provision,
};

use crate::{
    cli::{ApplyArguments, Global, ReportFormat},
    exit::Exit,
    input::compile_files,
    registry::registry,
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
        match lower_regions(&compiled.dag) {
            Ok(plans) => pipelines.push(plans),
            Err(problem) => {
                view::note(&format!("error: pipeline `{}`: {problem}", compiled.dag.settings().pipeline));
                return Exit::Wrong;
            }
        }
    }
    let connectors = RegistryConnectors::new(registry);
    let workers = arguments.workers.map(usize::from);
    let exits = pipectl_host::run(workers, async {
        let mut interrupts = match Interrupts::listen() {
            Ok(interrupts) => interrupts,
            Err(error) => {
                view::note(&format!("error: cannot listen for signals: {error}"));
                return Exit::Outside;
            }
        };
        let mut set = Set { arguments, host: Host::real(), running: Vec::new() };
        for plans in pipelines {
            let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
            if let Err(error) = set.start(plans, &connectors).await {
                view::run_error(&name, &error);
                set.stop();
                set.drain().await;
                return exit_of(&error);
            }
        }
        set.watch(&mut interrupts).await
    });
    exits.unwrap_or_else(|error| {
        view::note(&format!("error: cannot start threads: {error}"));
        Exit::Outside
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
    running: Vec<Job>,
}

enum Turn {
    Signal(&'static str),
    Done(usize, Result<RunReport, RunError>),
    Show,
}

impl Set<'_> {
    fn options(&self, plan: &PhysicalPlan) -> Result<RunOptions, RunError> {
        let mut folder: PathBuf = self.arguments.state.join(format!("{}@{}", plan.pipeline, plan.environment));
        folder.extend(&plan.region);
        let store = Store::open(folder)?;
        if self.arguments.fresh {
            store.clear()?;
        }
        Ok(RunOptions {
            store: Some(store),
            directory: PathBuf::new(),
            limits: Limits::default(),
            drain: self.arguments.drain_timeout.0,
        })
    }

    async fn start(&mut self, plans: Vec<PhysicalPlan>, connectors: &RegistryConnectors) -> Result<(), RunError> {
        let name = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
        for made in provision(&plans, connectors, &self.host).await? {
            if made.created {
                let partitions = made.state.partitions.len();
                view::note(&format!(
                    "created stream `{}` on {} ({partitions} partitions) for `{}`",
                    made.target, made.kind, made.stream
                ));
            }
        }
        let running = Job::start(plans, connectors, &self.host, |plan| self.options(plan)).await?;
        match running.resumed_from() {
            Some(id) if running.already_finished() => view::note(&format!(
                "pipeline `{name}` had already finished (checkpoint {id}): nothing to do; `--fresh` starts it over"
            )),
            Some(id) => tracing::info!(pipeline = name, checkpoint = id, "resuming"),
            None => tracing::info!(pipeline = name, "starting"),
        }
        self.running.push(running);
        Ok(())
    }

    fn stop(&self) {
        for running in &self.running {
            running.stop();
        }
    }

    /// Waits for all, whatever they come to.
    async fn drain(&mut self) {
        for running in &mut self.running {
            drop(running.join().await);
        }
    }

    async fn watch(&mut self, interrupts: &mut Interrupts) -> Exit {
        let nodes = self.nodes();
        let mut live = Live::new(&nodes, self.host.now());
        let mut done: Vec<Option<Exit>> = vec![None; self.running.len()];
        let mut stopping = false;
        while done.iter().any(Option::is_none) {
            let next = next_done(&mut self.running, &done);
            let turn = tokio::select! {
                biased;
                signal = interrupts.next() => Turn::Signal(signal),
                (index, result) = next => Turn::Done(index, result),
                () = self.host.sleep(live.every()) => Turn::Show,
            };
            match turn {
                Turn::Show => live.show(&self.nodes(), self.host.now()),
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
                view::run_error(self.running[index].pipeline(), &error);
                exit_of(&error)
            }
            Ok(report) if self.arguments.format == ReportFormat::Json => {
                let text = serde_json::to_string_pretty(&report).unwrap_or_default();
                view::print(&(text + "\n"))
            }
            Ok(_) if self.running[index].already_finished() => Exit::Fine,
            Ok(report) => {
                view::note(&view::summary(&report));
                Exit::Fine
            }
        }
    }

    fn nodes(&self) -> Vec<pipectl_ir::report::NodeReport> {
        self.running.iter().flat_map(Job::nodes).collect()
    }
}

/// The next pipeline of the set that ends.
async fn next_done(running: &mut [Job], done: &[Option<Exit>]) -> (usize, Result<RunReport, RunError>) {
    let mut joins: Vec<_> = running
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| done[*index].is_none())
        .map(|(index, running)| (index, Box::pin(running.join())))
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
