//! The inputs of a task as one: watermarks are combined, barriers are aligned.

use std::task::{Context, Poll};

use pipectl_data::{Batch, Micros, START_OF_TIME};

use crate::{
    message::{End, IdleTime, Message},
    queue::Receiver,
};

/// What a task hears from its inputs.
#[derive(Debug)]
pub(crate) enum Event {
    /// Records.
    Batch(Batch),
    /// The smallest watermark of the inputs that are not idle has grown to this.
    Watermark(Micros),
    /// No input has had anything for a while.
    Idle,
    /// All inputs of the pipeline are idle; event time goes on without records.
    IdleTime(IdleTime),
    /// Every input has sent this barrier.
    Barrier(u64),
    /// Every input has ended; barriers still come.
    End(End),
    /// A sender is gone before its time: the run has failed elsewhere.
    Closed,
}

/// The inputs.
#[derive(Debug)]
pub(crate) struct Gate {
    inputs: Vec<Input>,
    turn: usize,
    watermark: Micros,
    ended: bool,
}

#[derive(Debug)]
struct Input {
    receiver: Receiver,
    watermark: Micros,
    idle: bool,
    /// How long all inputs of the pipeline have been idle, as this one says.
    idle_time: Option<Micros>,
    end: Option<End>,
    /// The barrier that it waits behind until all others have sent it too.
    barrier: Option<u64>,
}

impl Gate {
    /// A gate over these queues, which go on from this watermark.
    pub(crate) fn new(receivers: Vec<Receiver>, watermark: Micros) -> Self {
        let input = |receiver| Input {
            receiver,
            watermark: START_OF_TIME,
            idle: false,
            idle_time: None,
            end: None,
            barrier: None,
        };
        Self { inputs: receivers.into_iter().map(input).collect(), turn: 0, watermark, ended: false }
    }

    /// The last combined watermark.
    pub(crate) fn watermark(&self) -> Micros {
        self.watermark
    }

    /// The next event. Cancel-safe: an event is either returned or still to come.
    pub(crate) async fn next(&mut self) -> Event {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// As [`Gate::next`].
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        // One round over the inputs, starting where the last event came from plus one, so that none starves and the
        // order follows from the messages alone.
        let count = self.inputs.len();
        let mut step = 0;
        while step < count {
            let index = (self.turn + step) % count;
            let input = &mut self.inputs[index];
            if input.barrier.is_some() {
                step += 1;
                continue;
            }
            match input.receiver.poll(context) {
                Poll::Pending => step += 1,
                Poll::Ready(None) => return Poll::Ready(Event::Closed),
                Poll::Ready(Some(message)) => {
                    if let Some(event) = self.take(index, message) {
                        self.turn = (index + 1) % count;
                        return Poll::Ready(event);
                    }
                    // Nothing to report yet: the same input may have more.
                }
            }
        }
        Poll::Pending
    }

    fn take(&mut self, index: usize, message: Message) -> Option<Event> {
        let input = &mut self.inputs[index];
        match message {
            Message::Batch(batch) => {
                (input.idle, input.idle_time) = (false, None);
                Some(Event::Batch(batch))
            }
            Message::Watermark(watermark) => {
                (input.idle, input.idle_time) = (false, None);
                input.watermark = input.watermark.max(watermark);
                self.advance()
            }
            Message::Idle => {
                input.idle = true;
                if self.all_idle() { Some(Event::Idle) } else { self.advance() }
            }
            Message::IdleTime(IdleTime { elapsed, watermark }) => {
                (input.idle, input.idle_time) = (true, Some(elapsed));
                input.watermark = input.watermark.max(watermark);
                self.idle_time()
            }
            Message::Barrier(id) => {
                input.barrier = Some(id);
                if self.inputs.iter().any(|input| input.barrier.is_none()) {
                    return None;
                }
                for input in &mut self.inputs {
                    input.barrier = None;
                }
                Some(Event::Barrier(id))
            }
            Message::End(end) => {
                input.end = Some(end);
                let ends: Option<Vec<End>> = self.inputs.iter().map(|input| input.end).collect();
                match ends {
                    // The others no longer wait for it.
                    None if self.all_idle() => Some(Event::Idle),
                    None => self.advance(),
                    Some(_) if self.ended => None,
                    Some(ends) => {
                        self.ended = true;
                        ends.into_iter().reduce(End::and).map(Event::End)
                    }
                }
            }
        }
    }

    /// The inputs that may bring records in this run. One that was stopped still holds time back: its records come in
    /// the next run.
    fn open(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| !input.end.is_some_and(End::is_finished))
    }

    /// Whether no open input has had anything for a while.
    fn all_idle(&self) -> bool {
        let mut open = self.open().peekable();
        open.peek().is_some() && open.all(|input| input.idle)
    }

    /// How far time is when all open inputs say that the whole pipeline is idle. The newest watermark counts: an idle
    /// input holds no other one back.
    fn idle_time(&mut self) -> Option<Event> {
        let times: Option<Vec<(Micros, Micros)>> =
            self.open().map(|input| Some((input.idle_time?, input.watermark))).collect();
        let times = times?;
        let elapsed = times.iter().map(|(elapsed, _)| *elapsed).min()?;
        let watermark = times.iter().map(|(_, watermark)| *watermark).max()?;
        self.watermark = self.watermark.max(watermark);
        Some(Event::IdleTime(IdleTime { elapsed, watermark: self.watermark }))
    }

    /// The combined watermark if it has grown. When all inputs are idle it stays: nothing says how far time is.
    fn advance(&mut self) -> Option<Event> {
        let low = self.open().filter(|input| !input.idle).map(|input| input.watermark).min()?;
        (low > self.watermark).then(|| {
            self.watermark = low;
            Event::Watermark(low)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{message::Frontier, queue::queue};

    #[test]
    fn watermarks_are_the_minimum_and_barriers_wait_for_all() {
        let seen = pipectl_host::simulate(async {
            let ((one, first), (two, second)) = (queue(10), queue(10));
            let mut gate = Gate::new(vec![first, second], START_OF_TIME);
            let mut seen = Vec::new();
            for message in [Message::Watermark(5), Message::Barrier(1), Message::Watermark(9), Message::Barrier(2)] {
                one.send(message).await.unwrap();
            }
            for message in [Message::Watermark(3), Message::Idle, Message::Barrier(1), Message::Barrier(2)] {
                two.send(message).await.unwrap();
            }
            for (queue, newest) in [(&one, 20), (&two, 30)] {
                queue.send(Message::End(End::Finished(Frontier { newest, closes: true }))).await.unwrap();
            }
            loop {
                let event = gate.next().await;
                let last = matches!(event, Event::End(_));
                seen.push(format!("{event:?}"));
                if last {
                    return seen;
                }
            }
        });
        let expected = [
            "Watermark(3)",
            "Watermark(5)",
            "Barrier(1)",
            "Watermark(9)",
            "Barrier(2)",
            "End(Finished(Frontier { newest: 30, closes: true }))",
        ];
        assert_eq!(seen.unwrap(), expected);
    }

    /// Whatever the inputs send, what the gate makes of it.
    fn events(messages: &[(usize, Message)]) -> Vec<String> {
        let seen = pipectl_host::simulate(async {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| queue(10)).unzip();
            let mut gate = Gate::new(receivers, START_OF_TIME);
            let mut seen = Vec::new();
            for (input, message) in messages {
                senders[*input].send(message.clone()).await.unwrap();
                // All that follows from it, until the gate waits.
                let mut context = Context::from_waker(std::task::Waker::noop());
                while let Poll::Ready(event) = gate.poll(&mut context) {
                    seen.push(format!("{event:?}"));
                }
            }
            seen
        });
        seen.unwrap()
    }

    #[test]
    fn an_input_that_ended_holds_no_other_back_and_closes_nothing_of_an_idle_one() {
        let finished = Message::End(End::Finished(Frontier::default()));
        let seen = events(&[
            (0, Message::Watermark(5)),
            (1, Message::Idle),
            (0, finished.clone()),
            (1, Message::Watermark(9)),
            (1, finished),
        ]);
        let end = "End(Finished(Frontier { newest: -9223372036854775808, closes: true }))";
        assert_eq!(seen, ["Watermark(5)", "Idle", "Watermark(9)", end]);
        // One that was stopped goes on in the next run, so time waits for it.
        let seen = events(&[(0, Message::Watermark(5)), (0, Message::End(End::Stopped)), (1, Message::Watermark(9))]);
        assert_eq!(seen, ["Watermark(5)"]);
    }

    #[test]
    fn time_goes_on_when_all_inputs_say_that_the_pipeline_is_idle() {
        let idle = |elapsed, watermark| Message::IdleTime(IdleTime { elapsed, watermark });
        let seen = events(&[
            (0, Message::Watermark(50)),
            (0, idle(10, 60)),
            (1, idle(11, 20)),
            (1, Message::Watermark(70)),
            (0, idle(12, 62)),
            (0, Message::Watermark(80)),
        ]);
        let time = "IdleTime(IdleTime { elapsed: 10, watermark: 60 })";
        assert_eq!(seen, [time, "Watermark(70)"], "a record of one input ends it");
    }
}
