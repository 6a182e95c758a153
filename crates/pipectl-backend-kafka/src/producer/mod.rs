//! Writing topics: whole batches go into the client's queue at once, and confirmations come back by themselves.

mod account;
mod transaction;
mod writer;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use pipectl_contract::{ConnectorError, ProducerContext, SinkWriter, StreamTarget};
use pipectl_host::Host;
use rdkafka::{ClientConfig, config::FromClientConfigAndContext as _, producer::ThreadedProducer};

use self::{
    account::{Account, Deliveries},
    transaction::Transactions,
    writer::Writer,
};
use crate::{
    error,
    options::{KafkaOptions, KafkaStreamOptions},
    settings, topic,
    watch::Watch,
};

/// The largest batch of one partition: many records a request; brokers take no more by default.
const BATCH: u64 = 1 << 20;
/// What the protocol adds to a record at most, with its batch.
const AROUND_A_RECORD: u64 = 100;

type Client = ThreadedProducer<Deliveries>;

/// What the brokers say of a topic that a producer must know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The largest batch that they take.
    pub(crate) max_message: u64,
    /// Whether records without a key are refused.
    pub(crate) compacted: bool,
}

/// Which transactional ids are in use: the lowest free number is taken, so that a producer that is opened again after a
/// crash has the id of the one before it and ends what that one left open.
#[derive(Clone, Default)]
pub(crate) struct Ids(Arc<Mutex<BTreeSet<String>>>);

impl Ids {
    fn take(&self, name: &str) -> Id {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = 0_u32;
        let mut id = format!("{name}.{number}");
        while used.contains(&id) {
            number += 1;
            id = format!("{name}.{number}");
        }
        used.insert(id.clone());
        Id { ids: self.clone(), id }
    }
}

/// A transactional id, free again when it is dropped.
struct Id {
    ids: Ids,
    id: String,
}

impl Drop for Id {
    fn drop(&mut self) {
        self.ids.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What a producer is opened with.
pub(crate) struct Opening<'a> {
    /// The door to the clock.
    pub(crate) host: &'a Host,
    /// The backend's options.
    pub(crate) options: &'a KafkaOptions,
    /// How the client calls itself.
    pub(crate) client_id: &'a str,
    /// Its watch.
    pub(crate) watch: Watch,
    /// The topic.
    pub(crate) target: &'a StreamTarget,
    /// The stream's options.
    pub(crate) stream: &'a KafkaStreamOptions,
    /// What the topic is like.
    pub(crate) facts: Facts,
    /// What transactional ids begin with.
    pub(crate) owner: &'a str,
    /// Those in use.
    pub(crate) ids: &'a Ids,
}

/// Opens a producer.
pub(crate) async fn open(
    opening: Opening<'_>,
    context: ProducerContext,
) -> Result<Box<dyn SinkWriter>, ConnectorError> {
    let Opening { host, options, watch, target, stream, facts, .. } = opening;
    let id = stream.transactional.then(|| opening.ids.take(&format!("{}.{}", opening.owner, context.node)));
    let mut config = config(options, opening.client_id, stream, facts, context.memory);
    if let Some(id) = &id {
        config.set("transactional.id", &id.id);
        config.set("transaction.timeout.ms", topic::transaction_timeout(stream).as_millis().to_string());
        // A record's time must lie within its transaction's.
        let timeout = options.retry_for.0.min(topic::transaction_timeout(stream));
        config.set("message.timeout.ms", timeout.as_millis().max(1_000).to_string());
    }
    let account = Arc::new(Account::default());
    let deliveries = Deliveries::new(watch.clone(), Arc::clone(&account));
    let client = Client::from_config_and_context(&config, deliveries)
        .map_err(|problem| error::client(format!("write topic `{}`", target.name), problem))?;
    let mut writer = Writer {
        host: host.clone(),
        client: Arc::new(client),
        watch,
        account,
        topic: target.name.clone(),
        memory: context.memory,
        compacted: facts.compacted,
        transactions: None,
    };
    if let Some(id) = id {
        writer.transactions = Some(Transactions::open(&writer, id, options.retry_for.0).await?);
    }
    Ok(Box::new(writer))
}

fn config(
    options: &KafkaOptions,
    client_id: &str,
    stream: &KafkaStreamOptions,
    facts: Facts,
    memory: u64,
) -> ClientConfig {
    let mut config = settings::common(options, client_id);
    let largest = facts.max_message.clamp(1_000, 1_000_000_000);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Equal keys in the same partition as with the Java client, and so with everybody.
        .set("partitioner", "murmur2_random")
        .set("compression.type", stream.compression.name())
        .set("message.max.bytes", largest.saturating_sub(AROUND_A_RECORD).max(1_000).to_string())
        .set("message.timeout.ms", options.retry_for.0.as_millis().clamp(1_000, 86_400_000).to_string())
        // The account keeps the bound; the client's own must not come first, nor be far behind.
        .set("queue.buffering.max.kbytes", (memory / 1024).clamp(1024, 1 << 21).to_string())
        .set("queue.buffering.max.messages", "0");
    settings::default(&mut config, options, "linger.ms", "5");
    settings::default(&mut config, options, "batch.size", BATCH.min(largest).to_string());
    settings::default(&mut config, options, "batch.num.messages", "100000");
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactional_ids_are_the_same_after_a_crash_and_never_shared() {
        let ids = Ids::default();
        let (first, second) = (ids.take("shop.test.orders"), ids.take("shop.test.orders"));
        assert_eq!((first.id.as_str(), second.id.as_str()), ("shop.test.orders.0", "shop.test.orders.1"));
        drop(first);
        assert_eq!(ids.take("shop.test.orders").id, "shop.test.orders.0");
        assert_eq!(Ids::default().take("shop.test.orders").id, "shop.test.orders.0", "another process");
    }
}
