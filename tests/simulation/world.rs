//! The outside as a simulation has it: sources as they are, sinks that publish into memory, fail and stall.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pipectl_contract::{
    ConnectorError, ErrorKind, Registry, Rejection, SinkContext, SinkWriter, SourceContext, SourceReader,
};
use pipectl_data::{Batch, Schema, encode::jsonl};
use pipectl_host::{Host, Rng};
use pipectl_ir::physical::{SinkPlan, SourcePlan};
use pipectl_runtime::{Connectors, RegistryConnectors};

/// What sinks suffer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// Where chance comes from.
    pub(crate) seed: u64,
    /// Fraction of calls that fail for now.
    pub(crate) failures: f64,
    /// Fraction of calls that take a while.
    pub(crate) stalls: f64,
}

/// Rows by sink, writer and number: publishing twice leaves one.
type Published = BTreeMap<(String, u32, u64), String>;

/// The outside; survives crashes.
#[derive(Clone)]
pub(crate) struct World {
    sources: RegistryConnectors,
    published: Arc<Mutex<Published>>,
    order: Arc<Mutex<Vec<String>>>,
    trouble: Trouble,
    runs: Arc<AtomicU32>,
}

impl World {
    /// An outside with this much trouble.
    pub(crate) fn new(trouble: Trouble) -> Self {
        Self {
            sources: RegistryConnectors::new(pipectl::registry()),
            published: Arc::default(),
            order: Arc::default(),
            trouble,
            runs: Arc::default(),
        }
    }

    /// How many crashes there were.
    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }

    /// The process is gone; what was published stays.
    pub(crate) fn crash(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    /// The rows of each sink, sorted.
    pub(crate) fn is_committed(&self) -> BTreeMap<String, Vec<String>> {
        let mut sinks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ((sink, _, _), row) in lock(&self.published).iter() {
            sinks.entry(sink.clone()).or_default().push(row.clone());
        }
        for rows in sinks.values_mut() {
            rows.sort();
        }
        sinks
    }

    /// The rows in the order in which they were published.
    pub(crate) fn in_order(&self) -> Vec<String> {
        lock(&self.order).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Connectors for World {
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

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let read = |state: &[u8]| serde_json::from_slice::<(u64, Vec<Waiting>)>(state).map_err(|error| invalid(&error));
        let (mut next, mut waiting) = context.restored.as_deref().map(read).transpose()?.unwrap_or_default();
        for other in context.others {
            let (reached, left) = read(&other.state)?;
            next = next.max(reached);
            waiting.extend(left.into_iter().filter(|_| other.adopt));
        }
        let purpose = format!("{}/{}/{}", plan.name, context.writer, self.runs());
        Ok(Box::new(Writer {
            sink: plan.name.clone(),
            number: context.writer,
            sealed: waiting.len(),
            waiting,
            next,
            rng: Rng::new(self.trouble.seed, &purpose),
            host: context.host,
            world: self.clone(),
        }))
    }
}

fn invalid(error: &dyn std::error::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, error.to_string())
}

/// The writer that has taken a row, its number there, and the row.
type Waiting = (u32, u64, String);

/// Publishes in two steps, as the contract asks.
struct Writer {
    sink: String,
    number: u32,
    /// Rows that wait, and how many of them the last checkpoint holds.
    waiting: Vec<Waiting>,
    sealed: usize,
    next: u64,
    rng: Rng,
    host: Host,
    world: World,
}

impl Writer {
    async fn suffer(&mut self) -> Result<(), ConnectorError> {
        if self.rng.unit() < self.world.trouble.stalls {
            self.host.sleep(Duration::from_micros(self.rng.below(200_000))).await;
        }
        if self.rng.unit() < self.world.trouble.failures {
            return Err(ConnectorError::new(ErrorKind::Unavailable, "out of reach for a moment"));
        }
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.suffer().await?;
        let columns = batch.columns.as_ref().ok_or_else(|| ConnectorError::new(ErrorKind::Internal, "no columns"))?;
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let schema = Schema::of_arrow(columns.schema_ref());
        jsonl::write_rows(columns, &schema, &mut text, &mut ends).map_err(|error| invalid(&error))?;
        for line in String::from_utf8_lossy(&text).lines() {
            self.waiting.push((self.number, self.next, line.to_owned()));
            self.next += 1;
        }
        Ok(Vec::new())
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.suffer().await?;
        self.sealed = self.waiting.len();
        serde_json::to_vec(&(self.next, &self.waiting)).map_err(|error| invalid(&error))
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        self.suffer().await?;
        let rows: Vec<_> = self.waiting.drain(..self.sealed).collect();
        self.sealed = 0;
        for (writer, number, row) in rows {
            lock(&self.world.order).push(format!("{}/{writer} {row}", self.sink));
            lock(&self.world.published).insert((self.sink.clone(), writer, number), row);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.suffer().await
    }
}
