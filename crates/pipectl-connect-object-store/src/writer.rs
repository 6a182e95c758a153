//! The writer of one partition: open files, finished ones that wait for a checkpoint, and what decides between the two.

use std::{borrow::Cow, collections::BTreeMap};

use arrow_array::{Array, BooleanArray, UInt32Array};
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Rejection, SinkContext, SinkWriter};
use pipectl_data::{Batch, Micros, PayloadFormat, Schema, encode};
use pipectl_host::Host;

use crate::{
    encoding::{Chunk, Content, Encoding},
    file::OpenFile,
    name::Namer,
    options::{Flush, Format},
    state::{self, State},
    store::{Object, Store},
    template::{Renderer, Rows},
};

/// How many files a writer keeps open; the oldest one is closed for one more.
const OPEN_FILES: usize = 128;
/// How many bytes all open files of a writer may have, unless a single one may have more.
const OPEN_BYTES: usize = 64 << 20;
/// How many bytes of finished files may wait before the writer asks for a checkpoint.
const PENDING_BYTES: usize = 32 << 20;

/// What a writer is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) renderer: Renderer,
    /// The columns of a file.
    pub(crate) schema: Schema,
    pub(crate) namer: Namer,
    pub(crate) encoding: Encoding,
    pub(crate) flush: Flush,
    pub(crate) store: Store,
}

#[derive(Debug)]
pub(crate) struct Writer {
    setup: Setup,
    host: Host,
    /// Whether payloads are delivered as they are.
    payloads: bool,
    /// Open files by the order in which they were opened.
    open: BTreeMap<u64, OpenFile>,
    /// The open file of a prefix.
    by_prefix: BTreeMap<String, u64>,
    next_open: u64,
    next_number: u64,
    /// Finished files in the order of their numbers.
    pending: Vec<Object>,
    /// How many of them the last checkpoint holds.
    sealed: usize,
}

impl Writer {
    /// A writer that goes on from the context's state; without one, its first file has the number `first_number`.
    pub(crate) async fn open(setup: Setup, first_number: u64, context: SinkContext) -> Result<Self, ConnectorError> {
        let mut restored = match context.restored {
            Some(bytes) if !bytes.is_empty() => state::read(bytes)?,
            _ => State { next_number: first_number, ..State::default() },
        };
        let mut adopted = Vec::new();
        for other in context.others.into_iter().filter(|other| !other.state.is_empty()) {
            let state = state::read(other.state)?;
            // With another number of writers, a number may have been another writer's, under the same name.
            restored.next_number = restored.next_number.max(state.next_number);
            if other.adopt {
                restored.pending.extend(state.pending);
                adopted.extend(state.open);
            }
        }
        let json = setup.encoding.format == Format::Json;
        let mut writer = Self {
            payloads: json && context.payload == Some(PayloadFormat::Json),
            setup,
            host: context.host,
            open: BTreeMap::new(),
            by_prefix: BTreeMap::new(),
            next_open: 0,
            next_number: restored.next_number,
            sealed: restored.pending.len(),
            pending: restored.pending,
        };
        let mut changed = Vec::new();
        for file in adopted {
            let number = writer.insert(file);
            writer.roll(number).await?;
        }
        for file in restored.open {
            let same =
                file.encoding == writer.setup.encoding && (file.schema == writer.setup.schema || writer.payloads);
            let number = writer.insert(file);
            if !same {
                changed.push(number);
            }
        }
        // The spec has changed since: what is open is finished the way in which it was begun.
        for number in changed {
            writer.roll(number).await?;
        }
        Ok(writer)
    }

    fn insert(&mut self, file: OpenFile) -> u64 {
        let number = self.next_open;
        self.next_open += 1;
        self.by_prefix.insert(file.prefix.clone(), number);
        self.open.insert(number, file);
        number
    }

    /// Finishes a file: from now on its name and its bytes are fixed.
    async fn roll(&mut self, number: u64) -> Result<(), ConnectorError> {
        let Some(file) = self.open.remove(&number) else { return Ok(()) };
        self.by_prefix.remove(&file.prefix);
        let name = self.setup.namer.name(&file.prefix, self.next_number, file.encoding);
        let OpenFile { content, encoding, schema, rows, .. } = file;
        let bytes = self.host.blocking(move || content.finish(encoding, &schema)).await?;
        tracing::debug!(file = %name, rows, bytes = bytes.len(), "finished a file");
        self.next_number += 1;
        self.pending.push(Object { name, bytes: bytes.into() });
        Ok(())
    }

    async fn roll_where(&mut self, due: impl Fn(&OpenFile) -> bool + Send) -> Result<(), ConnectorError> {
        let due: Vec<u64> = self.open.iter().filter(|(_, file)| due(file)).map(|(number, _)| *number).collect();
        for number in due {
            self.roll(number).await?;
        }
        Ok(())
    }

    /// Adds records to the files of a prefix.
    async fn append(&mut self, prefix: &str, batch: &Batch) -> Result<(), ConnectorError> {
        let chunk = Chunk::encode(self.setup.encoding.format, batch, &self.setup.schema, self.payloads)?;
        let arrivals: &[Micros] = batch.arrival.values();
        let flush = self.setup.flush;
        let mut from = 0;
        while let Some(arrival) = arrivals.get(from).copied() {
            let number = match self.by_prefix.get(prefix).copied() {
                Some(number) if self.open.get(&number).is_some_and(|file| file.is_over(arrival, flush)) => {
                    self.roll(number).await?;
                    continue;
                }
                Some(number) => number,
                None => self.open_file(prefix, arrival).await?,
            };
            let Some(file) = self.open.get_mut(&number) else { break };
            from = file.fill(&chunk, arrivals, from, flush);
            if file.is_full(flush) {
                self.roll(number).await?;
            }
        }
        self.keep_within_memory().await
    }

    async fn open_file(&mut self, prefix: &str, first_arrival: Micros) -> Result<u64, ConnectorError> {
        if self.open.len() >= OPEN_FILES
            && let Some(oldest) = self.open.keys().next().copied()
        {
            self.roll(oldest).await?;
        }
        let encoding = self.setup.encoding;
        let file = OpenFile {
            prefix: prefix.to_owned(),
            encoding,
            schema: self.setup.schema.clone(),
            first_arrival,
            opened_at: self.host.now(),
            rows: 0,
            content: Content::new(encoding.format, &self.setup.schema),
        };
        Ok(self.insert(file))
    }

    /// Closes the largest files while all together are too large.
    async fn keep_within_memory(&mut self) -> Result<(), ConnectorError> {
        let limit = OPEN_BYTES.max(usize::try_from(self.setup.flush.size.0).unwrap_or(usize::MAX));
        while self.open.values().map(|file| file.content.size()).sum::<usize>() > limit {
            let sizes = self.open.iter().map(|(number, file)| (file.content.size(), *number));
            let Some((_, largest)) = sizes.max() else { break };
            self.roll(largest).await?;
        }
        Ok(())
    }

    /// The batch without records that no file can hold, and the original row of each that stays.
    fn deliverable<'a>(
        &self,
        batch: &'a Batch,
        rejections: &mut Vec<Rejection>,
    ) -> Result<(Cow<'a, Batch>, Option<Vec<usize>>), ConnectorError> {
        let refused = match (&batch.payload, &batch.columns) {
            (Some(payload), _) if self.payloads => {
                let reason =
                    "the record is a tombstone: it has a key and no payload, and a file can only hold payloads";
                let null = |row: &usize| payload.is_null(*row);
                let count = if payload.null_count() > 0 { payload.len() } else { 0 };
                (0..count).filter(null).map(|row| (row, reason.to_owned())).collect()
            }
            (_, Some(columns)) => encode::refused(columns),
            _ => BTreeMap::new(),
        };
        if refused.is_empty() {
            return Ok((Cow::Borrowed(batch), None));
        }
        let kept: Vec<usize> = (0..batch.len()).filter(|row| !refused.contains_key(row)).collect();
        let keep: BooleanArray = (0..batch.len()).map(|row| Some(!refused.contains_key(&row))).collect();
        rejections.extend(refused.into_iter().map(|(row, reason)| Rejection { row, reason }));
        Ok((Cow::Owned(batch.filter(&keep).map_err(internal)?), Some(kept)))
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let mut rejections = Vec::new();
        let (batch, originals) = self.deliverable(batch, &mut rejections)?;
        for group in self.setup.renderer.split(&batch)? {
            let usable = group.prefix.and_then(|prefix| match self.setup.namer.refuse(&prefix, self.setup.encoding) {
                Some(reason) => Err(reason),
                None => Ok(prefix),
            });
            let prefix = match usable {
                Ok(prefix) => prefix,
                Err(reason) => {
                    let rows = match group.rows {
                        Rows::All => (0..batch.len()).collect(),
                        Rows::Some(rows) => rows.into_iter().map(|row| row as usize).collect::<Vec<_>>(),
                    };
                    let original =
                        |row: usize| originals.as_ref().and_then(|rows| rows.get(row).copied()).unwrap_or(row);
                    rejections
                        .extend(rows.into_iter().map(|row| Rejection { row: original(row), reason: reason.clone() }));
                    continue;
                }
            };
            let part = match group.rows {
                Rows::All => Cow::Borrowed(batch.as_ref()),
                Rows::Some(rows) => Cow::Owned(batch.take(&UInt32Array::from(rows)).map_err(internal)?),
            };
            self.append(&prefix, &part).await?;
        }
        rejections.sort_by_key(|rejection| rejection.row);
        Ok(rejections)
    }

    fn deadline(&self) -> Option<Micros> {
        self.open.values().map(|file| file.deadline(self.setup.flush)).min()
    }

    fn wants_checkpoint(&self) -> bool {
        self.pending.iter().map(|object| object.bytes.len()).sum::<usize>() > PENDING_BYTES
    }

    async fn on_time(&mut self) -> Result<(), ConnectorError> {
        let (now, flush) = (self.host.now(), self.setup.flush);
        self.roll_where(|file| file.deadline(flush) <= now).await
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        let state = state::write(self.next_number, self.open.values(), &self.pending)?;
        self.sealed = self.pending.len();
        Ok(state)
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        // Files finished since the checkpoint wait for the next one: a restart from this one writes them anew.
        let sealed = self.pending.get(..self.sealed).unwrap_or_default().to_vec();
        if !sealed.is_empty() {
            self.setup.store.put(&self.host, sealed).await?;
            self.pending.drain(..self.sealed);
            self.sealed = 0;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.roll_where(|_| true).await
    }
}

pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError {
        kind: ErrorKind::Internal,
        message: format!("cannot write records to the object store: {error}"),
        retry_after: None,
        source: Some(Box::new(error)),
    }
}

#[cfg(test)]
mod tests;
