//! A task at the end: drives one writer of a sink.

use arrow_array::UInt32Array;
use pipectl_contract::SinkWriter;
use pipectl_contract::{DeadLetters, OperatorError, Reason};
use pipectl_data::Batch;
use pipectl_host::Host;
use tokio::sync::mpsc;

use crate::{
    chain::Halt,
    counters::TaskCounts,
    dead_letter,
    error::RunError,
    gate::{Event, Gate},
    message::Message,
    retry::retrying,
    route::RouteSender,
    state::TaskState,
    steps::broken,
    task::{Command, TaskEvent, TaskHandle},
};

/// The parts of the task.
pub(crate) struct SinkTask {
    /// The sink's name.
    pub(crate) name: String,
    /// Number of its node.
    pub(crate) node: usize,
    /// What comes in.
    pub(crate) gate: Gate,
    /// Where it goes.
    pub(crate) writer: Box<dyn SinkWriter>,
    /// Where records go that the sink will never accept; `None` for the dead letters' own sink.
    pub(crate) dead_letters: Option<RouteSender>,
    /// Its counts.
    pub(crate) counts: TaskCounts,
    /// The door to the clock.
    pub(crate) host: Host,
    /// What the coordinator says.
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// The handle to the coordinator.
    pub(crate) handle: TaskHandle,
    /// Whether the writer was opened with the state of a checkpoint.
    pub(crate) restored: bool,
    /// Whether a call that failed for now is made again. A stream's producer has tried for as long as its options say
    /// when it answers an error, and does not know then what became of each record: it is not called again, and what
    /// comes after the last checkpoint is read anew.
    pub(crate) again: bool,
    /// Whether it may keep open work from one checkpoint to the next. One of several workers may not: the group goes on
    /// behind the checkpoint whoever comes after it, and would never see what only this worker's checkpoint holds.
    pub(crate) keeps: bool,
}

enum Turn {
    Command(Option<Command>),
    Time,
    Event(Event),
}

impl SinkTask {
    /// Runs until the coordinator hangs up or the senders are gone.
    pub(crate) async fn run(mut self) -> Result<(), Halt> {
        if self.restored {
            self.publish().await?;
        }
        let mut asked = false;
        // Whether a checkpoint waits to be decided: what comes after it must not be in its transaction.
        let mut held = false;
        loop {
            let deadline = self.writer.deadline();
            let turn = tokio::select! {
                biased;
                command = self.commands.recv() => Turn::Command(command),
                () = wait(&self.host, deadline), if deadline.is_some() => Turn::Time,
                event = self.gate.next(), if !held => Turn::Event(event),
            };
            match turn {
                Turn::Command(None) | Turn::Event(Event::Closed) => return Ok(()),
                Turn::Command(Some(Command::Committed(id))) => {
                    self.publish().await?;
                    held = false;
                    self.handle.report(TaskEvent::Committed { task: self.handle.task, id });
                }
                Turn::Command(Some(
                    Command::Barrier(_) | Command::Stop | Command::WritersFinished | Command::IdleTime(_),
                ))
                | Turn::Event(Event::Idle | Event::IdleTime(_)) => {}
                Turn::Event(Event::Watermark(watermark)) => {
                    self.counts.watermark(self.node, watermark);
                    self.counts.publish();
                }
                Turn::Time => {
                    retrying!(self, self.writer.on_time());
                }
                Turn::Event(Event::Batch(batch)) => self.write(batch).await?,
                Turn::Event(Event::Barrier(id)) => {
                    asked = false;
                    self.barrier(id).await?;
                    held = self.writer.is_two_phase();
                }
                Turn::Event(Event::End(end)) => {
                    retrying!(self, self.writer.finish());
                    self.dead_letter_refused().await?;
                    if end.is_finished() {
                        self.counts.end_watermarks();
                    }
                    if let Some(route) = &self.dead_letters {
                        route.broadcast(&Message::End(end)).await?;
                    }
                    self.handle.report(TaskEvent::Ended { task: self.handle.task, end });
                }
            }
            if !asked && self.writer.wants_checkpoint() {
                asked = true;
                self.handle.report(TaskEvent::WantsCheckpoint);
            }
        }
    }

    async fn publish(&mut self) -> Result<(), RunError> {
        retrying!(self, self.writer.committed());
        Ok(())
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Halt> {
        let began = self.host.now();
        let rejected = retrying!(self, self.writer.write(&batch));
        let took = self.host.now().saturating_sub(began);
        self.counts.meters().wrote(self.node, batch.byte_size(), took);
        let counts = self.counts.node(self.node);
        counts.input += batch.len() as u64;
        counts.output += (batch.len() - rejected.len()) as u64;
        counts.dead_lettered += rejected.len() as u64;
        self.counts.publish();
        if !rejected.is_empty() {
            let rows: UInt32Array = rejected.iter().map(|rejection| rejection.row as u32).collect();
            let failed = |error: OperatorError| RunError::operator(&self.name, &error);
            let batch = batch.take(&rows).map_err(|error| failed(broken(error)))?;
            self.dead_letter(batch, rejected.into_iter().map(|rejection| rejection.reason)).await?;
        }
        self.dead_letter_refused().await
    }

    /// Records that were accepted and then refused: they have not gone out after all.
    async fn dead_letter_refused(&mut self) -> Result<(), Halt> {
        for refused in self.writer.refused() {
            self.counts.take_back_output(self.node, refused.batch.len() as u64);
            let reasons = std::iter::repeat_n(refused.reason, refused.batch.len());
            self.dead_letter(refused.batch, reasons).await?;
        }
        Ok(())
    }

    async fn dead_letter(&mut self, batch: Batch, reasons: impl Iterator<Item = String>) -> Result<(), Halt> {
        let failed = |error: OperatorError| RunError::operator(&self.name, &error);
        let reasons: Vec<_> = reasons.map(|message| Reason { code: "sink_rejected", message }).collect();
        let Some(route) = &mut self.dead_letters else {
            let reason = reasons.first().map_or("", |reason| reason.message.as_str());
            return Err(RunError::failed(format!("the dead letters' sink refused a record: {reason}")).into());
        };
        self.counts.add_reason(self.node, "sink_rejected", reasons.len() as u64);
        self.counts.publish();
        let dead = DeadLetters { batch, reasons };
        let batch = dead_letter::to_batch(&self.name, &dead).map_err(failed)?;
        for (target, part) in route.split(batch).map_err(failed)? {
            route.send(target, part).await?;
        }
        Ok(())
    }

    async fn barrier(&mut self, id: u64) -> Result<(), Halt> {
        if !self.keeps {
            retrying!(self, self.writer.finish());
        }
        let part = retrying!(self, self.writer.checkpoint());
        self.dead_letter_refused().await?;
        let state = TaskState {
            counts: self.counts.totals(),
            watermark: self.gate.watermark(),
            position: None,
            sent: self.dead_letters.iter().map(RouteSender::sent).collect(),
            parts: vec![part],
        };
        if let Some(route) = &self.dead_letters {
            route.broadcast(&Message::Barrier(id)).await?;
        }
        self.handle.report(TaskEvent::Snapshot { task: self.handle.task, id, state: state.encode()? });
        Ok(())
    }
}

async fn wait(host: &Host, deadline: Option<pipectl_data::Micros>) {
    if let Some(deadline) = deadline {
        host.sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryViewArray, Int64Array};
    use async_trait::async_trait;
    use pipectl_contract::{ConnectorError, Refused, Rejection};
    use pipectl_data::{PayloadFormat, START_OF_TIME};
    use pipectl_ir::physical::RouteBy;

    use super::*;
    use crate::{
        counters::Counters,
        message::{End, Frontier},
        queue::queue,
    };

    /// Accepts everything, and refuses the first record of each batch once the next call comes.
    #[derive(Default)]
    struct Regretful {
        accepted: Vec<Batch>,
    }

    #[async_trait]
    impl SinkWriter for Regretful {
        async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
            self.accepted.push(batch.clone());
            Ok(Vec::new())
        }

        fn refused(&mut self) -> Vec<Refused> {
            let keep = self.accepted.len().saturating_sub(1);
            let refused = self.accepted.drain(..keep);
            refused.map(|batch| Refused { batch: batch.slice(0, 1).unwrap(), reason: "too old".to_owned() }).collect()
        }

        async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
            // The last one is refused at the barrier.
            self.accepted.extend(self.accepted.last().cloned());
            Ok(Vec::new())
        }

        async fn committed(&mut self) -> Result<(), ConnectorError> {
            Ok(())
        }

        async fn finish(&mut self) -> Result<(), ConnectorError> {
            Ok(())
        }
    }

    fn batch(rows: i64) -> Batch {
        let numbers: Int64Array = (0..rows).collect();
        let payload: BinaryViewArray = (0..rows).map(|_| Some(b"{}".as_slice())).collect();
        Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json)
    }

    #[test]
    fn records_that_are_refused_late_move_from_the_output_to_the_dead_letters() {
        pipectl_host::simulate(async {
            let host = Host::simulated(1, 0);
            let ((input, receiver), (dead, mut letters)) = (queue(1 << 20), queue(1 << 20));
            let (commands, receive_commands) = mpsc::unbounded_channel();
            let (events, mut received) = mpsc::unbounded_channel();
            let counters = Arc::new(Counters::new(1));
            let task = SinkTask {
                name: "out".to_owned(),
                node: 0,
                gate: Gate::new(vec![receiver], START_OF_TIME),
                writer: Box::new(Regretful::default()),
                dead_letters: Some(RouteSender::new(RouteBy::Gather, vec![dead])),
                counts: TaskCounts::new(Arc::clone(&counters), None),
                host: host.clone(),
                commands: receive_commands,
                handle: TaskHandle { task: 0, events },
                restored: false,
                again: true,
                keeps: true,
            };
            let running = host.spawn(async { drop(task.run().await) });
            for message in [
                Message::Batch(batch(3)),
                Message::Batch(batch(2)),
                Message::Barrier(1),
                Message::End(End::Finished(Frontier::default())),
            ] {
                input.send(message).await.unwrap();
            }
            while !matches!(received.recv().await, Some(TaskEvent::Ended { .. }) | None) {}
            let counts = counters.of(0);
            assert_eq!((counts.input, counts.output, counts.dead_lettered), (5, 3, 2), "{counts:?}");
            assert!(counts.balances(false));
            assert_eq!(counters.reasons(0).get("sink_rejected"), Some(&2));
            drop(commands);
            running.await.unwrap();
            let mut found = 0;
            while let Some(message) = std::future::poll_fn(|context| letters.poll(context)).await {
                found += if let Message::Batch(batch) = message { batch.len() } else { 0 };
            }
            assert_eq!(found, 2);
        })
        .unwrap();
    }
}
