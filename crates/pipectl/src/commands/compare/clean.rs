//! Removes what a comparison made, and names what it had to leave behind.

use std::collections::{BTreeSet, VecDeque};

use pipectl_contract::{ConnectContext, Registry};
use pipectl_host::Host;
use pipectl_ir::{PhysicalPlan, dag::Carrier};
use pipectl_runtime::{RegistryConnectors, reads, target, writes};

use crate::{
    stop::{GOODBYE, Signals},
    view,
};

/// How long removing may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as the services need, or until a signal comes.
    Long,
    /// Hardly at all: the service does not answer, or somebody wants an end.
    Short,
}

/// Streams of a run that are to be removed.
pub(super) struct Cleaning {
    pipeline: String,
    environment: String,
    left: VecDeque<Carrier>,
    /// Those that could not be removed.
    failed: Vec<(Carrier, String)>,
}

impl Cleaning {
    /// Of the streams of these plans.
    pub(super) fn of(plans: &[PhysicalPlan]) -> Self {
        let mut seen = BTreeSet::new();
        let streams = plans.iter().flat_map(|plan| writes(plan).into_iter().chain(reads(plan)));
        let left = streams.map(|stream| &stream.carrier).filter(|carrier| seen.insert(carrier.target.clone()));
        let name = |of: fn(&PhysicalPlan) -> &String| plans.first().map(of).cloned().unwrap_or_default();
        Self {
            pipeline: name(|plan| &plan.pipeline),
            environment: name(|plan| &plan.environment),
            left: left.cloned().collect(),
            failed: Vec::new(),
        }
    }

    /// Removes them, and reports which may still be there.
    pub(super) async fn carry_out(
        mut self,
        registry: &Registry,
        host: &Host,
        patience: Patience,
        signals: &mut Signals,
    ) {
        match patience {
            Patience::Long => drop(signals.race(self.remove(registry, host)).await),
            Patience::Short => drop(signals.race_within(GOODBYE, self.remove(registry, host)).await),
        }
        for (carrier, reason) in &self.failed {
            let (name, kind) = (&carrier.target, &carrier.kind);
            view::note(&format!("warning: stream `{name}` on {kind} could not be removed: {reason}"));
        }
        if !self.left.is_empty() {
            let names: Vec<String> =
                self.left.iter().map(|carrier| format!("`{}` on {}", carrier.target, carrier.kind)).collect();
            view::note(&format!(
                "warning: not removed, and may still exist: {}; remove it with the tools of the service",
                names.join(", ")
            ));
        }
    }

    async fn remove(&mut self, registry: &Registry, host: &Host) {
        let connectors = RegistryConnectors::new(registry.clone());
        let mut unreachable: Option<(String, String)> = None;
        // Taken off the list only when it is gone: what a signal cuts short is still on it.
        while let Some(carrier) = self.left.front() {
            let removed = match &unreachable {
                // Once is enough to wait for a service that does not answer.
                Some((backend, reason)) if *backend == carrier.backend => Err(reason.clone()),
                _ => {
                    let context = ConnectContext::new(host.clone(), &self.pipeline, &self.environment);
                    match connectors.connection(carrier, context).await {
                        Ok(connection) => {
                            connection.delete(&target(carrier)).await.map(drop).map_err(|error| error.to_string())
                        }
                        Err(error) => {
                            unreachable = Some((carrier.backend.clone(), error.to_string()));
                            Err(error.to_string())
                        }
                    }
                }
            };
            if let (Some(carrier), Err(reason)) = (self.left.pop_front(), removed) {
                self.failed.push((carrier, reason));
            }
        }
    }
}
