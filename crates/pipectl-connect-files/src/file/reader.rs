//! The reader of the source `file`: delivers what its files bring, and ends with an error if some of them cannot be read.

use std::{collections::VecDeque, path::PathBuf};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceContext, SourceReader};
use pipectl_data::{Batch, PayloadFormat};
use pipectl_host::Host;
use serde_json::Value;

use super::{
    files::{Files, Problem, Step},
    ledger::Ledger,
    listing::Listing,
};
use crate::{
    blocks::Block,
    input::{Meaning, OnError, SourceCompression},
    last_checkpoint::LastCheckpoint,
    worker::Worker,
};

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
    /// Once all has been read that there is, before a failure is reported.
    last_checkpoint: Option<LastCheckpoint>,
    /// Files that are to become dead letters.
    rejected: VecDeque<Problem>,
}

/// The error with which the run ends.
struct Failed {
    problems: Vec<String>,
    /// What ended the reading of all files.
    fatal: Option<String>,
    kind: ErrorKind,
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
            last_checkpoint: None,
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
                _ if problem.is_fatal => {
                    let failed = self.failed.get_or_insert_with(|| Failed::new(problem.kind));
                    failed.kind = problem.kind;
                    failed.fatal = Some(problem.message);
                }
                OnError::Skip => {
                    tracing::warn!(node = %self.node, "{}; the other files are read, and the next run tries this one again", problem.message);
                    if problem.is_gone {
                        self.delivered.forget(|entry| entry.name == problem.name);
                    }
                }
                OnError::DeadLetter => self.rejected.push_back(problem),
                OnError::Fail => {
                    tracing::warn!(node = %self.node, "{}; the other files are read before the run fails", problem.message);
                    if problem.is_gone {
                        self.delivered.forget(|entry| entry.name == problem.name);
                    }
                    let failed = self.failed.get_or_insert_with(|| Failed::new(problem.kind));
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
            if !step.forgotten.is_empty() {
                self.delivered.forget(|entry| step.forgotten.contains(entry));
            }
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
            // All copies have been found now.
            self.delivered.forget(super::ledger::Entry::is_rewritten);
            if let Some(problem) = self.rejected.pop_front() {
                return Ok(Read::Records(self.reject(problem)?));
            }
        }
        let Some(failed) = &self.failed else { return Ok(Read::End) };
        let last = self.last_checkpoint.get_or_insert_with(|| LastCheckpoint::new(&self.host));
        last.wait(&self.host).await.ok_or_else(|| failed.error())
    }

    fn position(&self) -> Value {
        self.delivered.position()
    }

    fn wants_checkpoint(&self) -> bool {
        self.last_checkpoint.as_ref().is_some_and(LastCheckpoint::is_wanted)
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        if self.wants_checkpoint() && *position == self.position() {
            self.last_checkpoint.iter_mut().for_each(LastCheckpoint::committed);
        }
        Ok(())
    }
}

impl Failed {
    fn new(kind: ErrorKind) -> Self {
        Self { problems: Vec::new(), fatal: None, kind }
    }

    fn error(&self) -> ConnectorError {
        const LISTED: usize = 3;
        if let Some(fatal) = &self.fatal {
            let all: Vec<&str> = std::iter::once(fatal).chain(&self.problems).map(String::as_str).collect();
            return ConnectorError::new(self.kind, all.join("; "));
        }
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
