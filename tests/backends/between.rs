//! The real connectors, with what a test puts between the runtime and its writers.

use async_trait::async_trait;
use pipectl_contract::{
    ConnectContext, ConnectorError, ConsumerContext, ProducerContext, Registry, SinkContext, SinkWriter, SourceContext,
    SourceReader,
};
use pipectl_ir::physical::{SinkPlan, SourcePlan, StreamPlan};
use pipectl_runtime::{Connectors, RegistryConnectors};

/// Makes of the writer of a stream or a sink, reported by its name, the one that the runtime gets.
type Around = Box<dyn Fn(&str, Box<dyn SinkWriter>) -> Box<dyn SinkWriter> + Send + Sync>;

pub(crate) struct Between {
    pub(crate) inner: RegistryConnectors,
    around: Around,
}

impl Between {
    pub(crate) fn new(
        around: impl Fn(&str, Box<dyn SinkWriter>) -> Box<dyn SinkWriter> + Send + Sync + 'static,
    ) -> Self {
        Self { inner: RegistryConnectors::new(pipectl::registry()), around: Box::new(around) }
    }
}

#[async_trait]
impl Connectors for Between {
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.inner.open_source(plan, context).await
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok((self.around)(&plan.name, self.inner.open_sink(plan, context).await?))
    }

    async fn open_consumer(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.inner.open_consumer(plan, connect, context).await
    }

    async fn open_producer(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok((self.around)(&plan.name, self.inner.open_producer(plan, connect, context).await?))
    }

    async fn is_committed(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ProducerContext,
        state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        self.inner.is_committed(plan, connect, context, state).await
    }
}
