//! A queue between two tasks, bounded in bytes.
//!
//! A batch larger than the whole queue still fits when the queue is empty, so the smallest budget moves one batch at a
//! time instead of stopping for ever.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    message::Message,
    meters::{Meters, Wait},
};

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    channel: mpsc::UnboundedSender<(Message, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
    capacity: u32,
    /// Measures how long the sending task waits for room.
    wait: Option<Arc<Wait>>,
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Receiver {
    channel: mpsc::UnboundedReceiver<(Message, Option<OwnedSemaphorePermit>)>,
}

/// The other task is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// A queue that holds at most `capacity` bytes, or one batch.
pub(crate) fn queue(capacity: usize) -> (Sender, Receiver) {
    let capacity =
        u32::try_from(capacity).unwrap_or(u32::MAX).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize) as u32);
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Sender { channel: sender, room: Arc::new(Semaphore::new(capacity as usize)), capacity, wait: None },
        Receiver { channel: receiver },
    )
}

impl Sender {
    /// Shows how full the queue is as that of a node.
    pub(crate) fn show(&self, meters: &Meters, node: usize) {
        meters.has_queue(node, Arc::clone(&self.room), self.capacity);
    }

    /// Has the sending task's waits for room measured.
    pub(crate) fn measure(&mut self, wait: Arc<Wait>) {
        self.wait = Some(wait);
    }

    /// Waits for room and sends.
    ///
    /// Room is asked for by waiting, also where there is some: so the scheduler makes a task that sends again and again give
    /// way. The receiver, which was woken on the same worker thread, would otherwise run only when the input pauses, and the
    /// queue would fill with memory that is used once (docs/performance.md).
    pub(crate) async fn send(&self, message: Message) -> Result<(), Closed> {
        let size = u32::try_from(message.byte_size()).unwrap_or(u32::MAX).min(self.capacity);
        let permit = if size == 0 {
            None
        } else {
            let mut acquiring = pin!(Arc::clone(&self.room).acquire_many_owned(size));
            let at_once = poll_fn(|context| Poll::Ready(acquiring.as_mut().poll(context))).await;
            let permit = match at_once {
                Poll::Ready(permit) => permit,
                Poll::Pending => {
                    let _waiting = self.wait.as_ref().map(|wait| wait.begin());
                    tokio::select! {
                        biased;
                        permit = acquiring => permit,
                        () = self.channel.closed() => return Err(Closed),
                    }
                }
            };
            Some(permit.map_err(|_| Closed)?)
        };
        self.channel.send((message, permit)).map_err(|_| Closed)
    }
}

impl Receiver {
    /// The next message; `None` when the sender is gone and the queue is empty.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        // The permit goes back here: the receiver holds one batch beside what the queue holds.
        self.channel.poll_recv(context).map(|received| received.map(|(message, _permit)| message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BinaryViewArray, Int64Array};
    use pipectl_data::{Batch, PayloadFormat};

    fn batch(bytes: usize) -> Message {
        let payload = BinaryViewArray::from_iter_values([vec![b'x'; bytes]]);
        let numbers = Int64Array::from(vec![0]);
        Message::Batch(Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json))
    }

    async fn receive(receiver: &mut Receiver) -> Option<Message> {
        poll_fn(|context| receiver.poll(context)).await
    }

    #[test]
    fn a_full_queue_makes_the_sender_wait_but_lets_barriers_pass() {
        let done = pipectl_host::simulate(async {
            let (sender, mut receiver) = queue(1000);
            sender.send(batch(700)).await.map_err(|_| "closed")?;
            let blocked = {
                let mut second = Box::pin(sender.send(batch(700)));
                futures::poll!(&mut second).is_pending()
            };
            sender.send(Message::Barrier(1)).await.map_err(|_| "closed")?;
            let first = receive(&mut receiver).await;
            let second = receive(&mut receiver).await;
            // Larger than the queue: fits alone.
            sender.send(batch(5000)).await.map_err(|_| "closed")?;
            Ok::<_, &str>((
                blocked,
                matches!(first, Some(Message::Batch(_))),
                matches!(second, Some(Message::Barrier(1))),
            ))
        });
        assert_eq!(done.ok(), Some(Ok((true, true, true))));
    }
}
