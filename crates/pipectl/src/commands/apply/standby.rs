//! Waits for the right to run what another process runs, and takes over when that one ends.

use std::time::Duration;

use pipectl_ir::PhysicalPlan;
use pipectl_runtime::RunError;

use super::{
    Set,
    start::{options, report_start},
};
use crate::{
    state::{Asked, Asking},
    view,
};

/// How often a standby asks for the lease: the longest time for which nobody runs what a dead owner ran.
pub(super) const STANDBY_EVERY: Duration = Duration::from_millis(250);

/// What waits for another process to end.
pub(super) struct Standby {
    pub(super) asking: Asking,
    pub(super) holder: String,
    pub(super) plans: Vec<(usize, PhysicalPlan)>,
}

impl Set<'_> {
    /// Takes over what a process that has ended ran alone, if there is such a pipeline; answers the first that cannot.
    pub(super) async fn take_over(&mut self) -> Option<(usize, RunError)> {
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
            report_start(worker);
        }
        None
    }
}
