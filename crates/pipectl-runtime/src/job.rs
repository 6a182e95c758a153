//! A pipeline as one run, however many regions durable streams cut it into.

use std::task::Poll;

use pipectl_data::Micros;
use pipectl_host::Host;
use pipectl_ir::{
    PhysicalPlan,
    physical::{StageInput, StreamPlan, Workers},
    report::{NodeReport, Outcome, RunReport},
};

use crate::{
    Connectors, Observer, RunError, RunErrorKind, RunOptions, Running, idleness::Idleness, observer::Links, outputs,
    run::start_region,
};

/// The regions of a pipeline under way. They run side by side; when all that write a durable stream have finished, those
/// that read it are reported, and end once they have read what is in it.
#[derive(Debug)]
pub struct Job {
    pipeline: String,
    regions: Vec<Region>,
    /// Whether regions are still to come, so that the job is not over with those that there are.
    expecting: bool,
    /// Why the first region that failed did, while the others are still stopping.
    failed: Option<RunError>,
    idleness: Idleness,
    observer: Observer,
}

#[derive(Debug)]
struct Region {
    /// Its place in the flow.
    order: usize,
    shared: bool,
    running: Running,
    links: Links,
    done: Option<RunReport>,
}

impl Job {
    /// Starts all regions of a pipeline, those at the end of the flow first. If one cannot start, none runs. `options` gets
    /// each plan before it starts and may bend it to the worker that runs it.
    ///
    /// # Errors
    /// As [`start`](crate::start).
    pub async fn start(
        plans: Vec<PhysicalPlan>,
        connectors: &dyn Connectors,
        host: &Host,
        options: impl FnMut(&mut PhysicalPlan) -> Result<RunOptions, RunError>,
    ) -> Result<Self, RunError> {
        let mut job = Self::of(&plans, host);
        job.add(plans.into_iter().enumerate().collect(), connectors, host, options).await?;
        Ok(job)
    }

    /// Starts those regions of a pipeline that several workers share; the others are still to come, with [`Job::add`],
    /// when this worker may run them too. Answers those, with their places in the flow.
    ///
    /// # Errors
    /// As [`start`](crate::start).
    pub async fn start_shared(
        plans: Vec<PhysicalPlan>,
        connectors: &dyn Connectors,
        host: &Host,
        options: impl FnMut(&mut PhysicalPlan) -> Result<RunOptions, RunError>,
    ) -> Result<(Self, Vec<(usize, PhysicalPlan)>), RunError> {
        let mut job = Self::of(&plans, host);
        let (shared, rest) = plans.into_iter().enumerate().partition(|(_, plan)| plan.workers == Workers::Any);
        job.add(shared, connectors, host, options).await?;
        job.expect(true);
        Ok((job, rest))
    }

    /// Without regions yet.
    fn of(plans: &[PhysicalPlan], host: &Host) -> Self {
        let pipeline = plans.first().map(|plan| plan.pipeline.clone()).unwrap_or_default();
        let observer = Observer::new(&pipeline, host);
        Self { pipeline, regions: Vec::new(), expecting: false, failed: None, idleness: Idleness::default(), observer }
    }

    fn expect(&mut self, more: bool) {
        self.expecting = more;
        self.observer.set_standby(more);
    }

    /// Starts more regions, which are the last ones to come. If one cannot start, the whole job is stopped.
    ///
    /// # Errors
    /// As [`start`](crate::start).
    pub async fn add(
        &mut self,
        mut plans: Vec<(usize, PhysicalPlan)>,
        connectors: &dyn Connectors,
        host: &Host,
        mut options: impl FnMut(&mut PhysicalPlan) -> Result<RunOptions, RunError>,
    ) -> Result<(), RunError> {
        self.expect(false);
        let mut opened = Vec::with_capacity(plans.len());
        let mut ready = Ok(());
        for (_, plan) in &mut plans {
            match options(plan) {
                Ok(options) => opened.push(options),
                Err(error) => ready = ready.and(Err(error)),
            }
        }
        if ready.is_ok() {
            let regions = plans.iter().map(|(_, plan)| plan).zip(&opened);
            ready = outputs::refuse(regions, connectors, host).await;
        }
        if let Err(error) = ready {
            self.stop();
            self.drain().await;
            return Err(error);
        }
        // All before the first of them starts, which may take long for the next.
        let regions: Vec<_> = plans.into_iter().zip(opened).map(|region| (region, self.idleness.join())).collect();
        for (((order, plan), options), idleness) in regions.into_iter().rev() {
            let (reads, writes) = (reads(&plan), writes(&plan));
            let names = |streams: Vec<&StreamPlan>| streams.into_iter().map(|stream| stream.name.clone()).collect();
            let links = Links { reads: names(reads), writes: names(writes) };
            let shared = plan.workers == Workers::Any;
            match start_region(plan, connectors, host, options, idleness).await {
                Ok(running) => {
                    self.observer.add(order, links.clone(), running.observed().clone());
                    self.regions.push(Region { order, shared, running, links, done: None });
                }
                Err(error) => {
                    self.stop();
                    self.drain().await;
                    return Err(error);
                }
            }
        }
        self.regions.sort_by_key(|region| region.order);
        Ok(())
    }

    /// Name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// The number of the newest checkpoint that a region resumed from.
    pub fn resumed_from(&self) -> Option<u64> {
        self.regions.iter().filter_map(|region| region.running.resumed_from()).max()
    }

    /// Whether every region that this worker runs alone had ended before, and there is one.
    pub fn already_finished(&self) -> bool {
        let mut alone = self.regions.iter().filter(|region| !region.shared).peekable();
        alone.peek().is_some() && alone.all(|region| region.running.already_finished())
    }

    /// Whether nothing has been read since the run started.
    pub fn read_nothing(&self) -> bool {
        self.regions.iter().all(|region| region.running.read_nothing())
    }

    /// Who watches the run: it can be read while the job is waited for, and after it.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Stops all regions; none will come any more.
    pub fn stop(&mut self) {
        self.expect(false);
        for region in &self.regions {
            region.running.stop();
        }
    }

    /// The nodes with their counts as they stand, a node of several regions once.
    pub fn nodes(&self) -> Vec<NodeReport> {
        self.observer.nodes()
    }

    /// How far event time has come in all regions that know it and have not ended.
    pub fn watermark(&self) -> Option<Micros> {
        self.observer.watermark()
    }

    /// Why the job is stopping, if a region has failed; the first one that did.
    pub fn failure(&self) -> Option<&RunError> {
        self.failed.as_ref()
    }

    /// Waits for the end of all regions. If one fails, the others are stopped, and its error is the answer once they have.
    /// Cancel-safe: it can be called again.
    pub async fn join(&mut self) -> Result<RunReport, RunError> {
        while self.expecting || self.regions.iter().any(|region| region.done.is_none()) {
            let (index, result) = self.next_done().await;
            match result {
                Ok(report) => {
                    self.regions[index].done = Some(report);
                    self.notify_readers(index);
                }
                Err(error) => {
                    self.stop();
                    self.regions.remove(index);
                    let others = self.failed.is_some() || self.regions.iter().any(|region| region.done.is_none());
                    if others && error.kind != RunErrorKind::ReaderGone {
                        tracing::error!(pipeline = self.pipeline(), "{error}");
                    }
                    // Kept rather than held here: a caller may give this wait up and wait again. A reader that has gone is
                    // no failure beside a real one.
                    match &self.failed {
                        Some(before) if before.kind != RunErrorKind::ReaderGone => {}
                        _ => self.failed = Some(error),
                    }
                }
            }
        }
        self.failed.take().map_or_else(|| Ok(self.report()), Err)
    }

    /// Waits for all regions, whatever they come to.
    async fn drain(&mut self) {
        for region in self.regions.iter_mut().filter(|region| region.done.is_none()) {
            if let Err(error) = region.running.join().await {
                tracing::error!(pipeline = region.running.pipeline(), "{error}");
            }
        }
    }

    async fn next_done(&mut self) -> (usize, Result<RunReport, RunError>) {
        let open = self.regions.iter_mut().enumerate().filter(|(_, region)| region.done.is_none());
        let mut joins: Vec<_> = open.map(|(index, region)| (index, Box::pin(region.running.join()))).collect();
        std::future::poll_fn(move |context| {
            for (index, join) in &mut joins {
                if let Poll::Ready(result) = join.as_mut().poll(context) {
                    return Poll::Ready((*index, result));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// After a region has ended: for each stream that it wrote, whether that was the last writer.
    fn notify_readers(&self, ended: usize) {
        let finished = |region: &Region| region.done.as_ref().is_some_and(|done| done.outcome == Outcome::Finished);
        for stream in &self.regions[ended].links.writes {
            if self.regions.iter().filter(|region| region.links.writes.contains(stream)).all(finished) {
                for reader in self.regions.iter().filter(|region| region.links.reads.contains(stream)) {
                    reader.running.writers_finished(stream);
                }
            }
        }
    }

    fn report(&self) -> RunReport {
        let reports = || self.regions.iter().filter_map(|region| region.done.as_ref());
        let finished = reports().all(|report| report.outcome == Outcome::Finished);
        RunReport {
            pipeline: self.pipeline().to_owned(),
            outcome: if finished { Outcome::Finished } else { Outcome::Stopped },
            started: reports().map(|report| report.started).min().unwrap_or_default(),
            ended: reports().map(|report| report.ended).max().unwrap_or_default(),
            resumed_from: reports().filter_map(|report| report.resumed_from).max(),
            checkpoint: reports().map(|report| report.checkpoint).max().unwrap_or_default(),
            nodes: self.observer.nodes(),
            regions: self.observer.regions(),
        }
    }
}

/// The durable streams that a plan reads.
pub fn reads(plan: &PhysicalPlan) -> Vec<&StreamPlan> {
    let inputs = plan.stages.iter().map(|stage| &stage.input);
    inputs.filter_map(|input| if let StageInput::Stream(stream) = input { Some(stream) } else { None }).collect()
}

/// The durable streams that a plan writes.
pub fn writes(plan: &PhysicalPlan) -> Vec<&StreamPlan> {
    plan.stages.iter().filter_map(|stage| stage.writes.as_ref()).collect()
}
