//! `--metrics`: what the pipelines of an apply expose, and the server that ends with them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipectl_host::{Host, JoinHandle};
use pipectl_runtime::{Observer, RegistryConnectors};
use pipectl_telemetry::{PipelineSnapshot, Server, Snapshot};

use super::lag::{Lags, Question};
use crate::{exit::Exit, view};

/// Serves metrics while it lives.
pub(super) struct Exposure {
    host: Host,
    pipelines: Pipelines,
    tasks: Vec<JoinHandle<()>>,
}

/// The pipelines that have started, for the server.
#[derive(Clone, Default)]
struct Pipelines(Arc<Mutex<Vec<(Observer, Lags)>>>);

impl Exposure {
    /// Starts to serve, if an address was given.
    ///
    /// # Errors
    /// If nobody can listen there: the exit code, once the reason is shown.
    pub(super) fn start(address: Option<SocketAddr>, host: &Host) -> Result<Option<Self>, Exit> {
        let Some(address) = address else { return Ok(None) };
        let server = Server::bind(address).map_err(|error| {
            view::note(&format!("error: {error}"));
            view::note(&format!("  = help: {}", error.help()));
            if error.is_wrong() { Exit::Wrong } else { Exit::Outside }
        })?;
        view::note(&format!("metrics: http://{}/metrics", server.address()));
        let pipelines = Pipelines::default();
        let (shown, clock) = (pipelines.clone(), host.clone());
        let serving = server.serve(move || shown.snapshot(&clock));
        let task = host.spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!("metrics are no longer served: {error}");
            }
        });
        Ok(Some(Self { host: host.clone(), pipelines, tasks: vec![task] }))
    }

    /// Exposes a pipeline too, and asks how far its consumer groups are behind.
    pub(super) fn add(&mut self, observer: Observer, questions: Vec<Question>, connectors: &RegistryConnectors) {
        let lags = Lags::default();
        if !questions.is_empty() {
            let asking = lags.clone().ask(questions, connectors.clone(), self.host.clone());
            self.tasks.push(self.host.spawn(asking));
        }
        self.pipelines.lock().push((observer, lags));
    }
}

impl Drop for Exposure {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Pipelines {
    fn lock(&self) -> MutexGuard<'_, Vec<(Observer, Lags)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self, host: &Host) -> Snapshot {
        let pipelines = self.lock();
        let pipelines = pipelines.iter().map(|(observer, lags)| {
            let (lags, lag_failures) = lags.read();
            PipelineSnapshot {
                pipeline: observer.pipeline().to_owned(),
                standby: observer.is_standby(),
                nodes: observer.nodes(),
                regions: observer.regions(),
                lags,
                lag_failures,
            }
        });
        Snapshot { version: env!("CARGO_PKG_VERSION").to_owned(), pipelines: pipelines.collect(), now: host.now() }
    }
}
