//! The inputs of a task as one: watermarks are combined, barriers are aligned.

use std::task::{Context, Poll};

use pipectl_data::{Batch, Micros, START_OF_TIME};

use crate::{
    message::{End, Message},
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
    end: Option<End>,
    /// The barrier that it waits behind until all others have sent it too.
    barrier: Option<u64>,
}

impl Gate {
    /// A gate over these queues, which go on from this watermark.
    pub(crate) fn new(receivers: Vec<Receiver>, watermark: Micros) -> Self {
        let input = |receiver| Input { receiver, watermark: START_OF_TIME, idle: false, end: None, barrier: None };
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

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
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
                    // Nothing to tell yet: the same input may have more.
                }
            }
        }
        Poll::Pending
    }

    fn take(&mut self, index: usize, message: Message) -> Option<Event> {
        let input = &mut self.inputs[index];
        match message {
            Message::Batch(batch) => {
                input.idle = false;
                Some(Event::Batch(batch))
            }
            Message::Watermark(watermark) => {
                input.idle = false;
                input.watermark = input.watermark.max(watermark);
                self.advance()
            }
            Message::Idle => {
                input.idle = true;
                if self.inputs.iter().all(|input| input.idle) { Some(Event::Idle) } else { self.advance() }
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
                if self.ended || self.inputs.iter().any(|input| input.end.is_none()) {
                    return None;
                }
                self.ended = true;
                let stopped = self.inputs.iter().any(|input| input.end == Some(End::Stopped));
                Some(Event::End(if stopped { End::Stopped } else { End::Finished }))
            }
        }
    }

    /// The combined watermark if it has grown. When all inputs are idle it stays: nothing says how far time is.
    fn advance(&mut self) -> Option<Event> {
        let low = self.inputs.iter().filter(|input| !input.idle).map(|input| input.watermark).min()?;
        (low > self.watermark).then(|| {
            self.watermark = low;
            Event::Watermark(low)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::queue;
    use pipectl_data::END_OF_TIME;

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
            for queue in [&one, &two] {
                queue.send(Message::Watermark(END_OF_TIME)).await.unwrap();
                queue.send(Message::End(End::Finished)).await.unwrap();
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
        let end = format!("Watermark({END_OF_TIME})");
        let expected =
            ["Watermark(3)", "Watermark(5)", "Barrier(1)", "Watermark(9)", "Barrier(2)", end.as_str(), "End(Finished)"];
        assert_eq!(seen.unwrap(), expected);
    }
}
