//! The sinks of a comparison: they keep all rows, with their keys and how long they were on their way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pipectl_compare::{Recorded, Row};
use pipectl_contract::{
    ConnectContext, ConnectorError, ConsumerContext, ErrorKind, ProducerContext, Rejection, SinkContext, SinkWriter,
    SourceContext, SourceReader,
};
use pipectl_data::{Batch, Micros, Schema, encode::jsonl};
use pipectl_host::Host;
use pipectl_ir::physical::{SinkPlan, SourcePlan, StreamPlan};
use pipectl_runtime::{Connectors, RegistryConnectors};

/// What the sinks of a run were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    sinks: BTreeMap<String, Recorded>,
    durations: Vec<Micros>,
}

impl Records {
    /// Takes out what was kept: the rows of each sink, and how long each record was on its way.
    pub(crate) fn take(&self) -> (BTreeMap<String, Recorded>, Vec<Micros>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut all.sinks), std::mem::take(&mut all.durations))
    }
}

/// Real sources and streams, sinks that keep what they are given.
pub(crate) struct RecordingConnectors {
    /// What everything but the sinks is taken from.
    pub(crate) inner: RegistryConnectors,
    /// Where rows are kept.
    pub(crate) records: Records,
    /// When the run started: arrivals before it say nothing about how long a record took.
    pub(crate) started: Micros,
}

#[async_trait]
impl Connectors for RecordingConnectors {
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.inner.open_source(plan, context).await
    }

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        // Each region has dead letters of its own; together they are one sink.
        let dead_letters = plan.name.starts_with(DEAD_LETTERS);
        let sink = if dead_letters { DEAD_LETTERS.to_owned() } else { plan.name.clone() };
        {
            let mut all = self.records.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.sinks.entry(sink.clone()).or_default().ordered = !plan.keys.is_empty();
        }
        Ok(Box::new(Recorder {
            sink,
            dead_letters,
            columns: plan.schema.fields().len(),
            records: self.records.clone(),
            host: context.host,
            started: self.started,
        }))
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
        self.inner.open_producer(plan, connect, context).await
    }

    async fn published(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ProducerContext,
        state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        self.inner.published(plan, connect, context, state).await
    }
}

/// The node of the dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead-letters";

/// Of a dead letter, what does not depend on where in the flow a record was decoded, where it stood and when it came.
const JUDGED: [&str; 3] = ["reason", "payload", "payload_base64"];

struct Recorder {
    sink: String,
    dead_letters: bool,
    columns: usize,
    records: Records,
    host: Host,
    started: Micros,
}

impl Recorder {
    fn rows(&self, batch: &Batch) -> Result<Vec<String>, ConnectorError> {
        // Columns that were decoded only in part say less than the payload itself.
        let whole = batch.columns.as_ref().filter(|columns| columns.num_columns() == self.columns);
        if let (None, Some(payload)) = (whole, &batch.payload) {
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            return Ok(payload.iter().map(text).collect());
        }
        let Some(columns) = &batch.columns else { return Ok(Vec::new()) };
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let schema = Schema::of_arrow(columns.schema_ref());
        jsonl::write_rows(columns, &schema, &mut text, &mut ends)
            .map_err(|error| ConnectorError::new(ErrorKind::Internal, error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

/// A dead letter as it is judged; nothing of one that was late.
fn judged(text: &str) -> Option<String> {
    let letter: serde_json::Value = serde_json::from_str(text).ok()?;
    if letter["reason"] == "late" {
        return None;
    }
    let fields = JUDGED.iter().filter_map(|name| Some(((*name).to_owned(), letter.get(*name)?.clone())));
    Some(serde_json::Value::Object(fields.collect()).to_string())
}

#[async_trait]
impl SinkWriter for Recorder {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let texts = self.rows(batch)?;
        let key = |row: usize| {
            use arrow_array::Array as _;
            let keys = batch.keys.as_ref().filter(|keys| keys.is_valid(row))?;
            Some(String::from_utf8_lossy(keys.value(row)).into_owned())
        };
        let rows: Vec<Row> = texts
            .into_iter()
            .enumerate()
            .filter_map(|(row, text)| {
                if self.dead_letters {
                    judged(&text).map(|text| Row { text, key: None })
                } else {
                    Some(Row { text, key: key(row) })
                }
            })
            .collect();
        let now = self.host.now();
        let came = |arrival: &&Micros| **arrival >= self.started && **arrival <= now;
        let mut all = self.records.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.durations.extend(batch.arrival.values().iter().filter(came).map(|arrival| now - arrival));
        all.sinks.entry(self.sink.clone()).or_default().rows.extend(rows);
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
