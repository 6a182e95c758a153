//! The sinks of a comparison: they keep all rows, with their keys and how long they were on their way; and in the run that
//! is the reference its sources, which keep what they read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use pipectl_compare::{Input, Recorded, Row};
use pipectl_contract::{
    ConnectContext, ConnectorError, ConsumerContext, ErrorKind, ProducerContext, Read, Registry, Rejection,
    SinkContext, SinkWriter, SourceContext, SourceReader,
};
use pipectl_data::{Batch, Micros, Schema, encode::jsonl};
use pipectl_host::Host;
use pipectl_ir::physical::{SinkPlan, SourcePlan, StreamPlan};
use pipectl_runtime::{Connectors, Limits, RegistryConnectors};

/// What is kept of a run.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    all: Arc<Mutex<All>>,
    /// Set if the input is kept too: how much of it the run takes.
    input: Option<Limits>,
}

/// What was kept.
#[derive(Debug, Default)]
pub(crate) struct All {
    /// The rows of each sink.
    pub(crate) sinks: BTreeMap<String, Recorded>,
    /// How long each record was on its way.
    pub(crate) durations: Vec<Micros>,
    /// What the sources read.
    pub(crate) input: Input,
}

impl Records {
    /// Nothing yet; of the input, with these limits, if there are any.
    pub(crate) fn new(input: Option<Limits>) -> Self {
        Self { all: Arc::default(), input }
    }

    /// Takes out what was kept.
    pub(crate) fn take(&self) -> All {
        std::mem::take(&mut *self.all())
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
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
        let readers = self.inner.open_source(plan, context).await?;
        let Some(limits) = self.records.input else { return Ok(readers) };
        let kept = |reader| -> Box<dyn SourceReader> {
            let (source, records) = (plan.name.clone(), self.records.clone());
            Box::new(Kept { reader, source, records, limits, taken: 0, end: None })
        };
        Ok(readers.into_iter().map(kept).collect())
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        // Each region has dead letters of its own; together they are one sink.
        let dead_letters = plan.name.starts_with(DEAD_LETTERS);
        let sink = if dead_letters { DEAD_LETTERS.to_owned() } else { plan.name.clone() };
        {
            let mut all = self.records.all();
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

/// A reader of a source whose records are kept, as far as the run's limits let them through.
struct Kept {
    reader: Box<dyn SourceReader>,
    source: String,
    records: Records,
    limits: Limits,
    taken: u64,
    /// The arrival at which the limit of time ends the input.
    end: Option<Micros>,
}

impl Kept {
    fn keep(&mut self, batch: &Batch) {
        let Some(payload) = &batch.payload else { return };
        let mut texts = Vec::new();
        for (bytes, arrival) in payload.iter().zip(batch.arrival.values()) {
            let end = self.limits.time.map(|time| *self.end.get_or_insert_with(|| arrival.saturating_add(time)));
            if self.limits.records.is_some_and(|limit| self.taken >= limit) || end.is_some_and(|end| *arrival >= end) {
                break;
            }
            self.taken += 1;
            texts.extend(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        }
        self.records.all().input.entry(self.source.clone()).or_default().extend(texts);
    }
}

#[async_trait]
impl SourceReader for Kept {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let read = self.reader.next().await?;
        if let Read::Records(batch) = &read {
            self.keep(batch);
        }
        Ok(read)
    }

    fn position(&self) -> serde_json::Value {
        self.reader.position()
    }

    fn wants_checkpoint(&self) -> bool {
        self.reader.wants_checkpoint()
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.reader.writers_finished().await
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.reader.close().await
    }

    async fn committed(&mut self, position: &serde_json::Value) -> Result<(), ConnectorError> {
        self.reader.committed(position).await
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
        let mut all = self.records.all();
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
