//! The face of every operator.

use std::task::{Context, Poll};

use pipectl_data::{Batch, END_OF_TIME, Micros, Share};

/// Why a record became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word: `decode`, `cast`, `late`, `null_key`, `no_event_time`, `parse`, `function`, `sink_rejected`.
    pub code: &'static str,
    /// For people: which field, which value, what was expected, in one line; lines after it say more.
    pub message: String,
}

/// Records that an operator cannot use; they still carry their envelope and, where there was one, their payload.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// The records.
    pub batch: Batch,
    /// One for each record.
    pub reasons: Vec<Reason>,
}

/// What an operator makes, in order.
///
/// The ledger: every record that came in is passed on (`batches`), filtered, absorbed into state, dropped as late, or
/// a dead letter. An operator without state keeps `in + extra = out + filtered + dead-lettered`.
#[derive(Debug, Default)]
pub struct Output {
    /// Records for the next operator.
    pub batches: Vec<Batch>,
    /// Records for the dead letters.
    pub dead: Vec<DeadLetters>,
    /// Results for the dead letters: rows that no input record stands for.
    pub dead_results: Vec<DeadLetters>,
    /// Records that a condition left out.
    pub filtered: u64,
    /// Records in `batches` beyond the first that a record gave.
    pub extra: u64,
    /// Records that went into state (a window).
    pub absorbed: u64,
    /// Absorbed records that state no longer holds, because all their windows have closed.
    pub released: u64,
    /// Of `absorbed`, the records that came too late for some of their windows, and count in the others only.
    pub partly_late: u64,
    /// Records that came too late and were dropped because the node says so.
    pub dropped_late: u64,
}

/// A fault that stops the pipeline: a broken checkpoint, a bug. Bad records are dead letters, not errors.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OperatorError(pub String);

/// A synchronous state machine.
pub trait Operator: Send {
    /// Takes records.
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError>;

    /// No record with an event time before `watermark` is expected any more.
    /// The runtime passes the watermark on after this returns.
    fn on_watermark(&mut self, _watermark: Micros, _out: &mut Output) -> Result<(), OperatorError> {
        Ok(())
    }

    /// The input has ended, and `newest` is the newest event time of all its records (`START_OF_TIME` if there was
    /// none): everything closes. More input may come in a later run, after a snapshot; what belongs to what has closed
    /// here is late then. Answers the newest event time that it can have passed on.
    fn on_end(&mut self, newest: Micros, out: &mut Output) -> Result<Micros, OperatorError> {
        self.on_watermark(END_OF_TIME, out)?;
        Ok(newest)
    }

    /// Whether the end of the input leaves its state open for a later run; then [`Operator::on_end`] is not called, for
    /// what is behind it neither.
    fn keeps_open_at_end(&self) -> bool {
        false
    }

    /// Whether its state is closed by the end of each run, although something before it stays open for the next one.
    fn closes_at_every_end(&self) -> bool {
        false
    }

    /// For an operator whose work is done elsewhere. Then a batch is only taken over by [`Operator::on_batch`], a watermark
    /// by [`Operator::on_watermark`], and what comes of them is asked for here. Snapshots are taken, and the end of the
    /// input comes, when nothing is under way.
    fn calls(&mut self) -> Option<&mut dyn Calls> {
        None
    }

    /// Everything needed to go on from here, in a format of its own with a version in it; empty without state.
    /// Taking it changes nothing that could be seen later.
    fn snapshot(&mut self) -> Result<Vec<u8>, OperatorError> {
        Ok(Vec::new())
    }

    /// Goes on from a snapshot; called once, before anything else.
    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }

    /// Goes on from a task's share of a snapshot, where records were placed in other tasks when it was written. It is called
    /// for each task that wrote one, before anything else; no two of them hold the same key.
    fn restore_share(&mut self, _snapshot: &[u8], _share: &Share) -> Result<(), OperatorError> {
        Err(OperatorError("its state cannot be distributed to other tasks".to_owned()))
    }

    /// Bytes of state held, for the byte budget.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// The face of an operator that waits for others: a worker process, a service.
pub trait Calls {
    /// Whether it takes another batch; if not, the runtime waits for an answer first.
    fn has_room(&self) -> bool;

    /// Whether it has taken over something that is not done.
    fn is_waiting(&self) -> bool;

    /// Ready when something that was taken over is done, with what comes of it in `out`, in the order in which it came in.
    /// Nothing is lost if it is asked again much later.
    fn poll_answer(&mut self, context: &mut Context<'_>, out: &mut Output) -> Poll<Result<(), OperatorError>>;

    /// The newest watermark before which everything is done, if it is newer than at the last time.
    fn take_watermark(&mut self) -> Option<Micros>;
}
