//! The kinds that this build knows, in the order in which help texts list them. Filled by one explicit list in the CLI.

use std::sync::Arc;

use crate::{DynBackend, DynProcessor, DynSink, DynSource};

/// Backends and connectors by kind.
#[derive(Clone, Default)]
pub struct Registry {
    sources: Vec<Arc<dyn DynSource>>,
    processors: Vec<Arc<dyn DynProcessor>>,
    sinks: Vec<Arc<dyn DynSink>>,
    backends: Vec<Arc<dyn DynBackend>>,
}

impl Registry {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of source.
    #[must_use]
    pub fn source(mut self, source: impl DynSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Adds a kind of processor.
    #[must_use]
    pub fn processor(mut self, processor: impl DynProcessor + 'static) -> Self {
        self.processors.push(Arc::new(processor));
        self
    }

    /// Adds a kind of sink.
    #[must_use]
    pub fn sink(mut self, sink: impl DynSink + 'static) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Adds a backend.
    #[must_use]
    pub fn backend(mut self, backend: impl DynBackend + 'static) -> Self {
        self.backends.push(Arc::new(backend));
        self
    }

    /// All kinds of source.
    pub fn sources(&self) -> &[Arc<dyn DynSource>] {
        &self.sources
    }

    /// All kinds of processor.
    pub fn processors(&self) -> &[Arc<dyn DynProcessor>] {
        &self.processors
    }

    /// All kinds of sink.
    pub fn sinks(&self) -> &[Arc<dyn DynSink>] {
        &self.sinks
    }

    /// All backends.
    pub fn backends(&self) -> &[Arc<dyn DynBackend>] {
        &self.backends
    }

    /// The source of this kind.
    pub fn find_source(&self, kind: &str) -> Option<&Arc<dyn DynSource>> {
        self.sources.iter().find(|source| source.kind() == kind)
    }

    /// The processor of this kind.
    pub fn find_processor(&self, kind: &str) -> Option<&Arc<dyn DynProcessor>> {
        self.processors.iter().find(|processor| processor.kind() == kind)
    }

    /// The sink of this kind.
    pub fn find_sink(&self, kind: &str) -> Option<&Arc<dyn DynSink>> {
        self.sinks.iter().find(|sink| sink.kind() == kind)
    }

    /// The backend of this kind.
    pub fn find_backend(&self, kind: &str) -> Option<&Arc<dyn DynBackend>> {
        self.backends.iter().find(|backend| backend.kind() == kind)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.iter().map(|source| source.kind()).collect::<Vec<_>>())
            .field("processors", &self.processors.iter().map(|processor| processor.kind()).collect::<Vec<_>>())
            .field("sinks", &self.sinks.iter().map(|sink| sink.kind()).collect::<Vec<_>>())
            .field("backends", &self.backends.iter().map(|backend| backend.kind()).collect::<Vec<_>>())
            .finish()
    }
}
