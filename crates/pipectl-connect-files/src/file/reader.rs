//! The reader of the source `file`: delivers what its files bring, and ends with an error if some of them cannot be read.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceContext, SourceReader};
use pipectl_data::{Batch, Micros, PayloadFormat};
use pipectl_host::Host;
use serde_json::Value;

use super::{
    files::{Files, Listing, Problem, Step},
    ledger::Ledger,
};
use crate::{
    blocks::Block,
    input::{Meaning, OnError, SourceCompression},
    worker::Worker,
};

/// How long the end of a run with an error waits for a checkpoint that keeps what was read before.
const CHECKPOINT_WAIT: Micros = 10_000_000;

pub(super) struct Reader {
    host: Host,
    node: String,
    payload: PayloadFormat,
    on_error: OnError,
    worker: Worker<Files, Result<Step, ConnectorError>>,
    delivered: Ledger,
    /// Whether the last file was read to its end.
    over: bool,
    failed: Option<Failed>,
    /// Files that are to become dead letters.
    rejected: VecDeque<Problem>,
}

/// The error with which the run ends.
struct Failed {
    problems: Vec<String>,
    kind: ErrorKind,
    /// Whether a checkpoint holds everything that was read.
    is_kept: bool,
    /// When to wait for one no longer.
    until: Micros,
}

impl Reader {
    pub(super) fn new(
        files: Vec<PathBuf>,
        meaning: Meaning,
        compression: SourceCompression,
        on_error: OnError,
        context: SourceContext,
    ) -> Result<Self, ConnectorError> {
        let (mut delivered, last) = match context.positions.into_iter().next() {
            None => (Ledger::default(), None),
            Some(position) => Ledger::restore(position)?,
        };
        let listing = Listing::new(files, context.directory, &context.node)?;
        delivered.forget_vanished(|entry| listing.has(entry));
        let payload = meaning.payload();
        let files = Files::new(listing, meaning, compression, context.schema, delivered.clone(), last);
        Ok(Self {
            worker: Worker::new(context.host.clone(), files),
            host: context.host,
            node: context.node,
            payload,
            on_error,
            delivered,
            over: false,
            failed: None,
            rejected: VecDeque::new(),
        })
    }

    /// A file as a dead letter. It is not tried again until it changes.
    fn reject(&mut self, problem: Problem) -> Result<Batch, ConnectorError> {
        match problem.entry {
            Some(entry) if problem.is_gone => self.delivered.forget(|known| known.name == entry.name),
            Some(entry) => self.delivered.put(entry),
            None => {}
        }
        let first = self.delivered.record;
        self.delivered.record += 1;
        Block::rejected(&problem.name, problem.message).into_batch(first, self.host.now(), self.payload, None)
    }

    /// Reports files that could not be read; those for which the run must fail are kept for its end.
    fn report(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            match self.on_error {
                OnError::Skip => {
                    tracing::warn!(node = %self.node, "{}; the other files are read, and the next run tries this one again", problem.message);
                    if problem.is_gone {
                        self.delivered.forget(|entry| entry.name == problem.name);
                    }
                }
                OnError::DeadLetter => self.rejected.push_back(problem),
                OnError::Fail => {
                    tracing::warn!(node = %self.node, "{}; the other files are read before the run fails", problem.message);
                    let failed = self.failed.get_or_insert_with(|| Failed {
                        problems: Vec::new(),
                        kind: problem.kind,
                        is_kept: false,
                        until: 0,
                    });
                    failed.problems.push(problem.message);
                }
            }
        }
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if let Some(problem) = self.rejected.pop_front() {
            return Ok(Read::Records(self.reject(problem)?));
        }
        if !self.over {
            let step = self.worker.run(Files::next_step).await??;
            for entry in step.entries {
                self.delivered.put(entry);
            }
            self.report(step.problems);
            if let Some(block) = step.block {
                // While these records are worked on, the next block is read.
                self.worker.ahead(Files::next_step);
                let first = self.delivered.record;
                self.delivered.record += block.records.len() as i64;
                let batch = block.into_batch(first, self.host.now(), self.payload, step.fields.as_deref())?;
                return Ok(Read::Records(batch));
            }
            self.over = true;
            if let Some(problem) = self.rejected.pop_front() {
                return Ok(Read::Records(self.reject(problem)?));
            }
            if let Some(failed) = &mut self.failed {
                failed.until = self.host.now() + CHECKPOINT_WAIT;
            }
        }
        let Some(failed) = &self.failed else { return Ok(Read::End) };
        if failed.is_kept || self.host.now() >= failed.until {
            return Err(failed.error());
        }
        self.host.sleep(Duration::from_millis(100)).await;
        Ok(Read::Quiet)
    }

    fn position(&self) -> Value {
        self.delivered.position()
    }

    fn wants_checkpoint(&self) -> bool {
        self.over && self.failed.as_ref().is_some_and(|failed| !failed.is_kept)
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        if self.wants_checkpoint() && *position == self.position() {
            self.failed.iter_mut().for_each(|failed| failed.is_kept = true);
        }
        Ok(())
    }
}

impl Failed {
    fn error(&self) -> ConnectorError {
        const LISTED: usize = 3;
        let mut listed = self.problems.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
        if let Some(more @ 1..) = self.problems.len().checked_sub(LISTED) {
            listed = format!("{listed}; and {more} more files");
        }
        let message = format!(
            "{listed} (all other files were read; the next run tries again what is missing, and with `on_error: skip` it is left out)"
        );
        ConnectorError::new(self.kind, message)
    }
}
