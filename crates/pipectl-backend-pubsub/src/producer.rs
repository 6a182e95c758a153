//! Writes records to a topic: batched by the official client, in order per key, with a bound on what is unconfirmed.
//!
//! The client stops a key when a request with its records fails, and answers everything of that key that it had not
//! sent yet with "paused". The records are still here, in their order: the key is resumed after they have gone again one by one,
//! so that a record that the service refuses for good is found among its neighbors, and none of them is lost or
//! overtaken.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use arrow_array::UInt32Array;
use async_trait::async_trait;
use futures::FutureExt as _;
use google_cloud_pubsub::{client::Publisher, error::PublishError, model::Message, publisher::PublishFuture};
use pipectl_contract::{ConnectorError, ErrorKind, ProducerContext, Refused, Rejection, SinkWriter};
use pipectl_data::Batch;

use crate::{clients::Clients, errors, limits, message, settings::Stream};

/// How long the client waits for more records before it sends a request.
const DELAY: Duration = Duration::from_millis(10);
/// The client keeps a task for each ordering key that it ever saw; at a checkpoint after so many keys it is replaced.
const MANY_KEYS: usize = 10_000;
/// The bytes of a record are in its batch, in the message, and in the request that carries it.
const COPIES: usize = 3;

/// A record on its way.
struct Sent {
    message: Message,
    size: usize,
    batch: Arc<Batch>,
    row: u32,
    answer: PublishFuture,
}

/// A producer.
pub(crate) struct Producer {
    clients: Clients,
    stream: Stream,
    publisher: Publisher,
    keys: HashSet<String>,
    memory: usize,
    /// In the order in which they were written.
    sent: VecDeque<Sent>,
    unconfirmed: usize,
    refused: Vec<Refused>,
    /// Why it writes no more. What was on its way then is not known to have arrived.
    failed: Option<ConnectorError>,
}

impl Producer {
    /// Opens one. Nothing is sent yet.
    pub(crate) fn new(clients: &Clients, stream: Stream, context: &ProducerContext) -> Self {
        Self {
            publisher: publisher(clients, &stream, limits::MAX_REQUEST_MESSAGES),
            clients: clients.clone(),
            stream,
            keys: HashSet::new(),
            memory: usize::try_from(context.memory).unwrap_or(usize::MAX).max(1),
            sent: VecDeque::new(),
            unconfirmed: 0,
            refused: Vec::new(),
            failed: None,
        }
    }

    fn send(&mut self, batch: &Arc<Batch>, row: usize, message: Message) {
        if !message.ordering_key.is_empty() && !self.keys.contains(&message.ordering_key) {
            self.keys.insert(message.ordering_key.clone());
        }
        let size = message::size(&message) * COPIES;
        let answer = self.publisher.publish(message.clone());
        self.unconfirmed += size;
        self.sent.push_back(Sent { message, size, batch: Arc::clone(batch), row: row as u32, answer });
    }

    /// Waits for the oldest record and settles it.
    async fn settle(&mut self) -> Result<(), ConnectorError> {
        let Some(mut first) = self.sent.pop_front() else { return Ok(()) };
        self.unconfirmed -= first.size;
        match (&mut first.answer).await {
            Ok(_) => Ok(()),
            Err(error) => self.mend(first, error).await,
        }
    }

    /// Settles what is confirmed already, without waiting.
    async fn reap(&mut self) -> Result<(), ConnectorError> {
        while let Some(first) = self.sent.front_mut() {
            let Some(answer) = (&mut first.answer).now_or_never() else { return Ok(()) };
            let Some(first) = self.sent.pop_front() else { return Ok(()) };
            self.unconfirmed -= first.size;
            if let Err(error) = answer {
                self.mend(first, error).await?;
            }
        }
        Ok(())
    }

    /// A record failed. Those of its key that were written after it have failed too, or will: they follow one by one,
    /// and then the key is resumed.
    async fn mend(&mut self, failed: Sent, error: PublishError) -> Result<(), ConnectorError> {
        let key = failed.message.ordering_key.clone();
        self.again(failed, error).await?;
        if key.is_empty() {
            return Ok(());
        }
        let (mut same, others): (VecDeque<Sent>, VecDeque<Sent>) =
            std::mem::take(&mut self.sent).into_iter().partition(|sent| sent.message.ordering_key == key);
        self.sent = others;
        while let Some(mut next) = same.pop_front() {
            self.unconfirmed -= next.size;
            if let Err(error) = (&mut next.answer).await {
                self.again(next, error).await?;
            }
        }
        // Where the client notices the failure only after this, the next record of the key comes back as paused, and all
        // of this happens again.
        self.publisher.resume_publish(key);
        Ok(())
    }

    /// Sends a failed record again, in a request of its own: what failed in company may be innocent.
    async fn again(&mut self, failed: Sent, error: PublishError) -> Result<(), ConnectorError> {
        if !is_refusal(&error) && !matches!(error, PublishError::OrderingKeyPaused) {
            return Err(self.fatal(&error));
        }
        let alone = publisher(&self.clients, &self.stream, 1);
        match alone.publish(failed.message.clone()).await {
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => self.refuse(&failed, &error),
            Err(error) => Err(self.fatal(&error)),
        }
    }

    fn fatal(&self, error: &PublishError) -> ConnectorError {
        let what = format!("publish to topic `{}`", self.stream.name);
        match error {
            PublishError::Rpc(cause) => errors::shared(what, cause),
            other => ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: {other}")),
        }
    }

    fn refuse(&mut self, failed: &Sent, error: &PublishError) -> Result<(), ConnectorError> {
        let rows = UInt32Array::from(vec![failed.row]);
        let batch = failed.batch.take(&rows).map_err(|error| {
            ConnectorError::new(ErrorKind::Internal, format!("cannot take a refused record out of its batch: {error}"))
        })?;
        let reason = match error {
            PublishError::Rpc(cause) => format!("Pub/Sub refuses it: {}", errors::reason(cause)),
            other => format!("Pub/Sub refuses it: {other}"),
        };
        self.refused.push(Refused { batch: batch.compact(), reason });
        Ok(())
    }

    /// Keeps a failure: it is the answer of all later calls too.
    fn kept<T>(&mut self, done: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        if let Err(error) = &done {
            self.failed = Some(ConnectorError::new(error.kind, error.message.clone()));
        }
        done
    }

    fn failure(&self) -> Result<(), ConnectorError> {
        self.failed.as_ref().map_or(Ok(()), |error| Err(ConnectorError::new(error.kind, error.message.clone())))
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let mut rejected = Vec::new();
        let batch = Arc::new(batch.clone());
        for row in 0..batch.len() {
            let message = match message::of_row(&batch, row, self.stream.ordered) {
                Ok(message) => message,
                Err(reason) => {
                    rejected.push(Rejection { row, reason });
                    continue;
                }
            };
            while !self.sent.is_empty() && self.unconfirmed + message::size(&message) * COPIES > self.memory {
                self.settle().await?;
            }
            self.send(&batch, row, message);
        }
        self.reap().await?;
        Ok(rejected)
    }

    async fn confirm_all(&mut self) -> Result<(), ConnectorError> {
        // The client would wait for more records before it sends the last ones.
        self.publisher.flush().await;
        while !self.sent.is_empty() {
            self.settle().await?;
        }
        if self.keys.len() > MANY_KEYS {
            self.keys.clear();
            self.publisher = publisher(&self.clients, &self.stream, limits::MAX_REQUEST_MESSAGES);
        }
        Ok(())
    }
}

fn publisher(clients: &Clients, stream: &Stream, together: u32) -> Publisher {
    let builder = clients.publisher.publisher(&stream.topic).set_message_count_threshold(together);
    builder.set_byte_threshold(limits::REQUEST_BYTES).set_delay_threshold(DELAY).build()
}

/// Whether the service will never take what the request held.
fn is_refusal(error: &PublishError) -> bool {
    matches!(error, PublishError::Rpc(cause) if errors::kind(cause) == ErrorKind::Invalid)
}

#[async_trait]
impl SinkWriter for Producer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.failure()?;
        let written = self.write_all(batch).await;
        self.kept(written)
    }

    fn refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.finish().await.map(|()| Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.failure()?;
        let confirmed = self.confirm_all().await;
        self.kept(confirmed)
    }
}

#[cfg(test)]
mod tests;
