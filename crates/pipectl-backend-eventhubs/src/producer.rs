//! Writes a hub. Records wait a few milliseconds so that requests are large; then the requests of all partitions go side
//! by side, those of one partition (or key) one after the other, each until the service has confirmed it: a request that
//! is repeated overtakes nothing, and what a write or a checkpoint leaves behind is confirmed or an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use azure_core_amqp::AmqpMessage;
use azure_messaging_eventhubs::{
    EventDataBatchOptions, ProducerClient, SendMessageOptions, error::ErrorKind as HubKind,
};
use futures::{StreamExt, TryStreamExt, stream};
use pipectl_contract::{ConnectorError, ErrorKind, ProducerContext, Refused, Rejection, SinkWriter};
use pipectl_data::{Batch, Micros};

use crate::{
    error::Failure,
    event, hash,
    namespace::Namespace,
    options::{HubOptions, PartitionBy},
    retry::{Pauses, answered, repeated},
};

/// How long a record waits for others.
const LINGER: Duration = Duration::from_millis(5);
/// What a request in flight costs beside the records themselves: the batch, its envelope and the frames.
const REQUEST: u64 = 4 << 20;
/// What an event has beside payload, key and headers: sections, ids, sizes.
const ENVELOPE: u64 = 1 << 10;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Partition(u32),
    /// The service finds the partition of the key.
    Key(String),
    /// The service takes any.
    Any,
}

/// A record that waits: its batch among those that wait, and its row.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    batch: usize,
    row: usize,
}

pub(crate) struct Writer {
    shared: Shared,
    options: HubOptions,
    partitions: Vec<String>,
    memory: u64,
    batches: Vec<Batch>,
    waiting: BTreeMap<Target, Vec<Waiting>>,
    waiting_bytes: u64,
    deadline: Option<Micros>,
    next: usize,
    refused: Vec<Refused>,
    /// What the first failure said. What became of each record is not known since, so it stays the answer for good.
    failed: Option<(ErrorKind, String)>,
}

/// What the requests of all partitions have in common.
struct Shared {
    namespace: Namespace,
    hub: String,
    stream: String,
    client: Mutex<Option<Arc<ProducerClient>>>,
    opening: tokio::sync::Mutex<()>,
    /// Which links of which client are open. Opening one stops what is sent on the others: where it fails, the client
    /// (`azure_core_amqp` 1.2) opens the whole connection anew and never answers what was on its way.
    links: tokio::sync::RwLock<(usize, BTreeSet<Option<String>>)>,
    limit: u64,
}

impl Writer {
    pub(crate) async fn open(
        namespace: &Namespace,
        hub: &str,
        options: HubOptions,
        context: ProducerContext,
    ) -> Result<Self, ConnectorError> {
        let limit = options.batch.map_or(u64::MAX, |size| size.0);
        let mut shared = Shared {
            namespace: namespace.clone(),
            hub: hub.to_owned(),
            stream: context.node,
            client: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            links: tokio::sync::RwLock::default(),
            limit,
        };
        let opened = repeated(&namespace.host, namespace.options.retry, || shared.look()).await;
        let (partitions, allowed) = opened.map_err(|failure| shared.error(failure))?;
        shared.limit = allowed.min(limit).min(context.memory.max(64 << 10));
        Ok(Self {
            shared,
            options,
            partitions,
            memory: context.memory,
            batches: Vec::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            deadline: None,
            next: 0,
            refused: Vec::new(),
            failed: None,
        })
    }

    fn target(&mut self, key: Option<&str>) -> Target {
        let count = self.partitions.len().max(1);
        match (self.options.partition_by, key) {
            (PartitionBy::Partition, Some(key)) => Target::Partition(hash::partition(key, count as u32)),
            (PartitionBy::Partition, None) => Target::Partition((self.next % count) as u32),
            (PartitionBy::Key, Some(key)) => Target::Key(key.to_owned()),
            (PartitionBy::Key, None) => Target::Any,
        }
    }

    /// The first failure, again.
    fn whole(&self) -> Result<(), ConnectorError> {
        self.failed.as_ref().map_or(Ok(()), |(kind, text)| Err(ConnectorError::new(*kind, text.clone())))
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.whole()?;
        self.deadline = None;
        let waiting = std::mem::take(&mut self.waiting);
        let batches = std::mem::take(&mut self.batches);
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        // Whoever gives this up in the middle leaves records behind of which nothing is known.
        self.failed = Some((ErrorKind::Internal, format!("writing to stream `{}` was canceled", self.shared.stream)));
        let side_by_side = (self.memory / 2 / REQUEST).clamp(1, 64) as usize;
        let (shared, batches, names) = (&self.shared, &batches, &self.partitions);
        let refused: Result<Vec<Vec<Refused>>, Failure> = stream::iter(waiting)
            .map(|(target, rows)| shared.send_all(target, rows, batches, names))
            .buffer_unordered(side_by_side)
            .try_collect()
            .await;
        match refused.map_err(|failure| shared.error(failure)) {
            Ok(refused) => {
                self.failed = None;
                self.refused.extend(refused.into_iter().flatten());
                Ok(())
            }
            Err(error) => {
                self.failed = Some((error.kind, error.message.clone()));
                Err(error)
            }
        }
    }
}

impl Shared {
    fn error(&self, failure: Failure) -> ConnectorError {
        failure.at(format_args!("write stream `{}` to hub `{}`", self.stream, self.hub))
    }

    async fn client(&self) -> Result<Arc<ProducerClient>, Failure> {
        let _only_one = self.opening.lock().await;
        if let Some(client) = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(client);
        }
        let client = Arc::new(self.namespace.producer(&self.hub).await?);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&client));
        Ok(client)
    }

    /// A client whose links are broken is of no more use to anybody.
    fn forget(&self, broken: &Arc<ProducerClient>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.as_ref().is_some_and(|client| Arc::ptr_eq(client, broken)) {
            *client = None;
        }
    }

    /// The partitions, and the largest publication: the SDK tells it only when asked for more.
    async fn look(&self) -> Result<(Vec<String>, u64), Failure> {
        let client = self.client().await?;
        let work = async {
            let hub = client.get_eventhub_properties().await?;
            let asked = EventDataBatchOptions { max_size_in_bytes: Some(u64::MAX), ..Default::default() };
            let allowed = match client.create_batch(Some(asked)).await.map(drop) {
                Err(error) => match error.kind {
                    HubKind::InvalidBatchSize { max_allowed, .. } => max_allowed,
                    _ => return Err(error.into()),
                },
                Ok(()) => u64::MAX,
            };
            Ok::<_, Failure>((hub.partition_ids, allowed))
        };
        work.await.inspect_err(|_| self.forget(&client))
    }

    async fn send_all(
        &self,
        target: Target,
        rows: Vec<Waiting>,
        batches: &[Batch],
        names: &[String],
    ) -> Result<Vec<Refused>, Failure> {
        let partition = match &target {
            Target::Partition(number) => names.get(*number as usize).cloned(),
            Target::Key(_) | Target::Any => None,
        };
        let key = match target {
            Target::Key(key) => Some(key),
            Target::Partition(_) | Target::Any => None,
        };
        let mut refused = Vec::new();
        let mut rest = rows.as_slice();
        let mut pauses = Pauses::new(&self.namespace.host, self.namespace.options.retry);
        while let Some(first) = rest.first() {
            let client = match self.client().await {
                Ok(client) => client,
                Err(failure) => {
                    pauses.after(failure).await?;
                    continue;
                }
            };
            if let Err(failure) = self.open_link(&client, partition.as_deref()).await {
                self.forget(&client);
                pauses.after(failure).await?;
                continue;
            }
            let _nobody_opens = self.links.read().await;
            let sent = self.send_some(&client, partition.as_deref(), key.as_deref(), rest, batches);
            match answered(&self.namespace.host, self.namespace.options.retry.answer.0, sent).await {
                Ok(count) => {
                    rest = &rest[count..];
                    pauses.reset();
                }
                Err(failure) if failure.kind == ErrorKind::Invalid && rest.len() == 1 => {
                    // Refused for good, and it is this one.
                    self.forget(&client);
                    if let Ok(batch) = batches[first.batch].slice(first.row, 1) {
                        refused.push(Refused { batch, reason: failure.text });
                    }
                    rest = &rest[1..];
                }
                Err(failure) => {
                    // A busy service answers on a link that stays good.
                    if failure.kind != ErrorKind::Throttled {
                        self.forget(&client);
                    }
                    pauses.after(failure).await?;
                }
            }
        }
        Ok(refused)
    }

    /// Opens the link to a partition, or to the hub itself, unless this client has it open.
    async fn open_link(&self, client: &Arc<ProducerClient>, partition: Option<&str>) -> Result<(), Failure> {
        let (owner, link) = (Arc::as_ptr(client).addr(), partition.map(str::to_owned));
        {
            let (of, links) = &*self.links.read().await;
            if *of == owner && links.contains(&link) {
                return Ok(());
            }
        }
        let mut open = self.links.write().await;
        if open.0 != owner {
            *open = (owner, BTreeSet::new());
        }
        if !open.1.contains(&link) {
            let asked = EventDataBatchOptions { partition_id: link.clone(), ..Default::default() };
            let opened = async { Ok(client.create_batch(Some(asked)).await.map(drop)?) };
            answered(&self.namespace.host, self.namespace.options.retry.answer.0, opened).await?;
            open.1.insert(link);
        }
        Ok(())
    }

    /// Sends as many of the records as one request holds; answers how many.
    async fn send_some(
        &self,
        client: &ProducerClient,
        partition: Option<&str>,
        key: Option<&str>,
        rows: &[Waiting],
        batches: &[Batch],
    ) -> Result<usize, Failure> {
        let message = |row: &Waiting| -> AmqpMessage {
            let batch = &batches[row.batch];
            // Rows whose key cannot be were rejected before.
            event::message(batch, row.row, event::key_of(batch, row.row).ok().flatten())
        };
        let request = client
            .create_batch(Some(EventDataBatchOptions {
                max_size_in_bytes: Some(self.limit),
                partition_key: key.map(str::to_owned),
                partition_id: partition.map(str::to_owned),
            }))
            .await?;
        let mut count = 0;
        for row in rows {
            if !request.try_add_amqp_message(message(row), None)? {
                break;
            }
            count += 1;
        }
        if count > 0 {
            client.send_batch(request, None).await?;
            return Ok(count);
        }
        // The SDK counts the first event of a batch twice, so one above half of the limit fits into none.
        let Some(first) = rows.first() else { return Ok(0) };
        let options = SendMessageOptions { partition_id: partition.map(str::to_owned) };
        client.send_message(message(first), Some(options)).await?;
        Ok(1)
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.whole()?;
        let mut rejected = Vec::new();
        let number = self.batches.len();
        for row in 0..batch.len() {
            let key = match event::key_of(batch, row) {
                Ok(key) => key,
                Err(reason) => {
                    rejected.push(Rejection { row, reason });
                    continue;
                }
            };
            let size = event::size(batch, row);
            if size + ENVELOPE > self.shared.limit {
                // Near the limit only the encoded size tells.
                let encoded = AmqpMessage::serialize(&event::message(batch, row, key)).map(|bytes| bytes.len() as u64);
                // A message id is added when it is sent.
                let encoded = encoded.map_or(u64::MAX, |bytes| bytes + 64);
                if encoded > self.shared.limit {
                    let limit = self.shared.limit;
                    rejected.push(Rejection {
                        row,
                        reason: format!(
                            "it has {size} bytes, but hub `{}` accepts {limit}, including the overhead of a batch",
                            self.shared.hub
                        ),
                    });
                    continue;
                }
            }
            let target = self.target(key);
            self.waiting.entry(target).or_default().push(Waiting { batch: number, row });
            self.waiting_bytes += size + 64;
        }
        self.next = self.next.wrapping_add(1);
        if rejected.len() < batch.len() {
            self.batches.push(batch.clone());
            let due = self.shared.namespace.host.now().saturating_add(LINGER.as_micros() as Micros);
            self.deadline.get_or_insert(due);
        }
        if self.waiting_bytes > self.memory / 2 {
            self.flush().await?;
        }
        Ok(rejected)
    }

    fn refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    fn deadline(&self) -> Option<Micros> {
        self.deadline
    }

    async fn on_time(&mut self) -> Result<(), ConnectorError> {
        self.flush().await
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.flush().await?;
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.flush().await
    }
}
