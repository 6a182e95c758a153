//! The sinks of a dry run: they keep the first rows and write nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pipectl_contract::{
    ConnectorError, ErrorKind, Registry, Rejection, SinkContext, SinkWriter, SourceContext, SourceReader,
};
use pipectl_data::{Batch, Schema, encode::jsonl};
use pipectl_ir::physical::{SinkPlan, SourcePlan};
use pipectl_runtime::{Connectors, RegistryConnectors};

/// The rows that the sinks of a run were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Previews {
    sinks: Arc<Mutex<BTreeMap<String, Preview>>>,
    keep: usize,
}

#[derive(Debug, Default)]
struct Preview {
    total: u64,
    rows: Vec<String>,
}

impl Previews {
    /// Keeps this many rows of each sink.
    pub(crate) fn new(keep: usize) -> Self {
        Self { sinks: Arc::default(), keep }
    }

    /// Total and first rows of a sink.
    pub(crate) fn of(&self, sink: &str) -> (u64, Vec<String>) {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.get(sink).map_or((0, Vec::new()), |preview| (preview.total, preview.rows.clone()))
    }
}

/// Real sources, preview sinks.
pub(crate) struct DryConnectors {
    pub(crate) sources: RegistryConnectors,
    pub(crate) previews: Previews,
}

#[async_trait]
impl Connectors for DryConnectors {
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.sources.open_source(plan, context).await
    }

    fn registry(&self) -> &Registry {
        self.sources.registry()
    }

    async fn open_sink(&self, plan: &SinkPlan, _context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(PreviewWriter {
            sink: plan.name.clone(),
            schema: plan.schema.clone(),
            previews: self.previews.clone(),
        }))
    }
}

struct PreviewWriter {
    sink: String,
    schema: Schema,
    previews: Previews,
}

impl PreviewWriter {
    fn rows(&self, batch: &Batch, count: usize) -> Result<Vec<String>, ConnectorError> {
        let broken = |error: String| ConnectorError::new(ErrorKind::Internal, error);
        let batch = batch.slice(0, count).map_err(|error| broken(error.to_string()))?;
        // Columns that were decoded only in part say less than the payload itself.
        let whole = batch.columns.as_ref().filter(|columns| columns.num_columns() == self.schema.fields().len());
        if let (None, Some(payload)) = (whole, &batch.payload) {
            return Ok(payload
                .iter()
                .map(|bytes| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned())
                .collect());
        }
        let Some(columns) = &batch.columns else { return Ok(Vec::new()) };
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        // Columns in memory do not distinguish json from text; the sink's schema does.
        let schema = Schema::of_arrow(columns.schema_ref());
        let schema = Schema::new(schema.fields().iter().map(|field| match self.schema.find(&field.name) {
            Some((_, known)) if known.data_type.arrow() == field.data_type.arrow() => known.clone(),
            _ => field.clone(),
        }));
        jsonl::write_rows(columns, &schema, &mut text, &mut ends).map_err(|error| broken(error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

#[async_trait]
impl SinkWriter for PreviewWriter {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let kept = {
            let mut sinks = self.previews.sinks.lock().unwrap_or_else(PoisonError::into_inner);
            let preview = sinks.entry(self.sink.clone()).or_default();
            preview.total += batch.len() as u64;
            preview.rows.len()
        };
        let missing = self.previews.keep.saturating_sub(kept).min(batch.len());
        if missing > 0 {
            let rows = self.rows(batch, missing)?;
            let mut sinks = self.previews.sinks.lock().unwrap_or_else(PoisonError::into_inner);
            sinks.entry(self.sink.clone()).or_default().rows.extend(rows);
        }
        Ok(Vec::new())
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
