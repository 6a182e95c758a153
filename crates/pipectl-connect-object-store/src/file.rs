//! A file that is still open: the rows for it, and when it must be closed.

use pipectl_data::{Micros, Schema};

use crate::{
    encoding::{Chunk, Content, Encoding},
    options::Flush,
};

/// An open file; it exists in memory and in checkpoints only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenFile {
    /// The prefix that it will be under.
    pub(crate) prefix: String,
    /// How it is written; kept, since a spec may have changed between two runs.
    pub(crate) encoding: Encoding,
    /// Its columns.
    pub(crate) schema: Schema,
    /// When its first record came in.
    pub(crate) first_arrival: Micros,
    /// When it was opened, on the host's clock.
    pub(crate) opened_at: Micros,
    /// How many records it has.
    pub(crate) rows: u64,
    /// They.
    pub(crate) content: Content,
}

impl OpenFile {
    /// When it is due on the host's clock.
    pub(crate) fn deadline(&self, flush: Flush) -> Micros {
        self.opened_at.saturating_add(flush.every.micros())
    }

    /// Whether a record that came in at `arrival` belongs into the next file.
    pub(crate) fn is_over(&self, arrival: Micros, flush: Flush) -> bool {
        self.rows > 0 && self.is_past(arrival, flush)
    }

    fn is_past(&self, arrival: Micros, flush: Flush) -> bool {
        arrival >= self.first_arrival.saturating_add(flush.every.micros())
    }

    /// Whether it has reached its size.
    pub(crate) fn is_full(&self, flush: Flush) -> bool {
        self.content.size() as u64 >= flush.size.0
    }

    /// Takes rows of `chunk` from `from` on, as many as belong into this file, and answers where it stopped: at the
    /// end, at the first row that came in too late for it, or behind the row that filled it.
    pub(crate) fn fill(&mut self, chunk: &Chunk, arrivals: &[Micros], from: usize, flush: Flush) -> usize {
        let room = usize::try_from(flush.size.0).unwrap_or(usize::MAX).saturating_sub(self.content.size());
        let full = chunk.end_of(from, room);
        let candidates = arrivals.get(from..full).unwrap_or_default();
        let end = candidates.iter().position(|arrival| self.is_past(*arrival, flush)).map_or(full, |at| from + at);
        // The first record of a file decides when it is over, so that it can never be over for that one.
        let end = if self.rows == 0 { end.max(from + 1).min(arrivals.len()) } else { end };
        self.content.push(chunk, from..end);
        self.rows += (end - from) as u64;
        end
    }
}
