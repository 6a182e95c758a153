//! Writes a stream: takes batches into a queue of queues by key, from which a task of the writer's own makes requests.

mod queue;
mod sender;

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::Array;
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, ProducerContext, Refused, Rejection, SinkWriter, StreamTarget};
use pipectl_data::Batch;
use pipectl_host::JoinHandle;
use tokio::sync::Notify;

use self::queue::{Item, Queue};
use crate::{api::Api, hash, limits, options::KinesisStreamOptions};

/// The partition key of records that have no key. The service wants one for every record, so one value must stand for
/// "none": the sign of the empty set, which no key is likely to be. Such records spread over all shards.
pub(crate) const NO_KEY: &str = "∅";

/// What the writer and its task share.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// For the task: there is something to do.
    work: Notify,
    /// For the writer: records were confirmed, or it is all over.
    progress: Notify,
}

impl Shared {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's writer.
#[derive(Debug)]
pub(crate) struct Producer {
    api: Arc<Api>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    node: String,
    ordered: bool,
    max_record: u64,
    memory: u64,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Producer {
    pub(crate) fn open(
        api: Arc<Api>,
        stream: &StreamTarget,
        options: &KinesisStreamOptions,
        context: ProducerContext,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(options.max_buffer.micros())),
            work: Notify::new(),
            progress: Notify::new(),
        });
        let sender = sender::Sender::new(Arc::clone(&api), Arc::clone(&shared), &stream.name, options.aggregate);
        let task = api.host.spawn(sender.run());
        Self {
            api,
            shared,
            task,
            node: context.node,
            ordered: stream.ordered,
            max_record: options.max_record(),
            memory: context.memory,
        }
    }

    /// Waits until `enough` says so, or fails with what stopped the sending.
    async fn wait(&self, enough: impl Fn(&Queue) -> bool) -> Result<(), ConnectorError> {
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            {
                let mut queue = self.shared.queue();
                if queue.is_stopped() {
                    return Err(queue.take_error().unwrap_or_else(|| {
                        let message = format!("writing to stream `{}` has stopped after an error", self.node);
                        ConnectorError::new(ErrorKind::Internal, message)
                    }));
                }
                if enough(&queue) {
                    return Ok(());
                }
            }
            progress.await;
        }
    }

    /// The item of a row, or why it can never be written.
    fn item(&self, batch: &Arc<Batch>, row: usize) -> Result<Item, String> {
        let key = batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row));
        let data = batch.payload.as_ref().filter(|payload| payload.is_valid(row)).map_or(0, |p| p.value(row).len());
        let (key, hash, has_key): (Arc<str>, _, _) = match key {
            Some(key) => {
                let key = std::str::from_utf8(key).map_err(|_| "its key is not UTF-8, which Kinesis requires")?;
                let characters = key.chars().count();
                if characters == 0 {
                    return Err("its key is empty; Kinesis requires at least one character".into());
                }
                if characters > limits::KEY_CHARACTERS {
                    return Err(format!(
                        "its key has {characters} characters; Kinesis accepts at most {}",
                        limits::KEY_CHARACTERS
                    ));
                }
                if key == NO_KEY {
                    return Err(format!("its key is `{NO_KEY}`, which is reserved for records without a key"));
                }
                (key.into(), hash::of(key), true)
            }
            None => (NO_KEY.into(), self.api.any_hash(), false),
        };
        let size = data + key.len();
        if size as u64 > self.max_record {
            return Err(format!(
                "it has {size} bytes with its key; the stream accepts at most {} (`max_record`)",
                self.max_record
            ));
        }
        Ok(Item { batch: Arc::clone(batch), row, key, hash, has_key, size, queued: self.api.host.now() })
    }
}

#[async_trait]
impl SinkWriter for Producer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        if batch.payload.is_none() {
            let message = format!("a batch for stream `{}` came without payloads", self.node);
            return Err(ConnectorError::new(ErrorKind::Internal, message));
        }
        let batch = Arc::new(batch.clone().compact());
        let mut rejections = Vec::new();
        {
            let mut queue = self.shared.queue();
            for row in 0..batch.len() {
                match self.item(&batch, row) {
                    Ok(item) => queue.push(item, self.ordered),
                    Err(reason) => rejections.push(Rejection { row, reason }),
                }
            }
        }
        self.shared.work.notify_one();
        let memory = self.memory;
        self.wait(|queue| queue.unconfirmed_bytes() <= memory).await?;
        Ok(rejections)
    }

    fn refused(&mut self) -> Vec<Refused> {
        self.shared.queue().take_refused()
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.finish().await?;
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.shared.queue().flush();
        self.shared.work.notify_one();
        self.wait(|queue| queue.unconfirmed_bytes() == 0).await
    }
}
