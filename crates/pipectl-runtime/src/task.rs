//! The three kinds of task, and what they and the coordinator send each other.

mod operator;
mod sink;
mod source;

pub(crate) use operator::OperatorTask;
pub(crate) use sink::SinkTask;
pub(crate) use source::SourceTask;

use pipectl_data::Micros;
use tokio::sync::mpsc;

use crate::{chain::Halt, error::RunError, message::End};

/// What the coordinator sends to source and sink tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Sources: send this barrier.
    Barrier(u64),
    /// Sources: read no more.
    Stop,
    /// Everything before this barrier is durable.
    Committed(u64),
    /// Readers of a durable stream: nobody will write to it any more.
    WritersFinished,
    /// Sources: all inputs of the pipeline have been idle for this long, in microseconds.
    IdleTime(Micros),
}

/// What tasks report to the coordinator.
#[derive(Debug)]
pub(crate) enum TaskEvent {
    /// The task's state at a barrier.
    Snapshot { task: usize, id: u64, state: Vec<u8> },
    /// No more records come out of the task.
    Ended { task: usize, end: End },
    /// The sink has published what waited for this checkpoint.
    Committed { task: usize, id: u64 },
    /// A reader of a shared stream has written its positions up to this checkpoint.
    Acknowledged { id: u64 },
    /// A source has been idle since this time and is read to its end, or no longer.
    Idle { task: usize, since: Option<Micros> },
    /// A sink holds much that waits for a checkpoint.
    WantsCheckpoint,
    /// The task cannot go on.
    Failed(RunError),
}

/// A task's handle to the coordinator.
#[derive(Debug, Clone)]
pub(crate) struct TaskHandle {
    /// The task's number.
    pub(crate) task: usize,
    /// The coordinator's ear.
    pub(crate) events: mpsc::UnboundedSender<TaskEvent>,
}

impl TaskHandle {
    /// Reports the coordinator; if it is gone, the run is over and nobody needs to know.
    pub(crate) fn report(&self, event: TaskEvent) {
        drop(self.events.send(event));
    }

    /// Runs a task's loop and reports how it failed, a panic included.
    pub(crate) async fn watch(self, body: impl Future<Output = Result<(), Halt>>) {
        let mut guard = PanicGuard { handle: &self, armed: true };
        let result = body.await;
        guard.armed = false;
        if let Err(Halt::Failed(error)) = result {
            self.report(TaskEvent::Failed(error));
        }
    }
}

struct PanicGuard<'a> {
    handle: &'a TaskHandle,
    armed: bool,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if self.armed && std::thread::panicking() {
            let error =
                RunError::failed("a task panicked; this is a bug in pipectl, please report it with the lines above");
            self.handle.report(TaskEvent::Failed(error));
        }
    }
}
