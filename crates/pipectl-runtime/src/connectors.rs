//! How the runtime gets at sources and sinks; a dry run hands in its own way.

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Registry, SinkContext, SinkWriter, SourceContext, SourceReader};
use pipectl_ir::physical::{SinkPlan, SourcePlan};

/// Opens what a plan names.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// Opens a source: one reader for each of its partitions.
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError>;

    /// Opens one writer of a sink.
    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError>;
}

/// The kinds of a registry, as they are.
#[derive(Debug, Clone)]
pub struct RegistryConnectors(pub Registry);

#[async_trait]
impl Connectors for RegistryConnectors {
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let source = self.0.find_source(&plan.kind).ok_or_else(|| unknown("source", &plan.kind))?;
        source.open(&plan.options, context).await
    }

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let sink = self.0.find_sink(&plan.kind).ok_or_else(|| unknown("sink", &plan.kind))?;
        sink.open(&plan.options, plan.binding.as_ref(), context).await
    }
}

fn unknown(role: &str, kind: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("this build has no {role} of kind `{kind}`"))
}
