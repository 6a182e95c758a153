//! Writing topics: whole batches go into the client's queue at once, and confirmations come back by themselves.

mod account;
mod transaction;
mod writer;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use pipectl_contract::{ConnectorError, ErrorKind, ProducerContext, SinkWriter, StreamTarget};
use pipectl_host::Host;
use rdkafka::{
    ClientConfig, config::FromClientConfigAndContext as _, consumer::BaseConsumer, producer::ThreadedProducer,
};

pub(crate) use self::transaction::Transactors;
use self::{
    account::{Accounts, Deliveries},
    transaction::{Alike, Transactor},
    writer::{Transactions, Writer},
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
    /// The transactions of the connection's regions.
    pub(crate) transactors: &'a Transactors,
}

/// Opens a producer.
pub(crate) async fn open(
    opening: Opening<'_>,
    context: ProducerContext,
) -> Result<Box<dyn SinkWriter>, ConnectorError> {
    let Opening { options, watch, target, stream, facts, .. } = &opening;
    let (client, account, transactions) = if stream.transactional {
        let transactor = opening.transactor(&context).await?;
        let account = transaction::add(&transactor.accounts)?;
        let client = Arc::clone(&transactor.client);
        (client, account, Some(Transactions { transactor, decides: context.region.is_some(), token: None }))
    } else {
        let accounts = Accounts::default();
        let account = transaction::add(&accounts)?;
        let config = config(options, opening.client_id, stream, *facts, context.memory);
        (opening.client(&config, &accounts)?, account, None)
    };
    Ok(Box::new(Writer {
        client,
        watch: watch.clone(),
        account,
        topic: target.name.clone(),
        memory: context.memory,
        compacted: facts.compacted,
        transactions,
    }))
}

/// Whether the transaction that a checkpoint knows of was committed; nobody can do so any more when this returns.
pub(crate) async fn is_committed(
    opening: Opening<'_>,
    context: ProducerContext,
    state: &[u8],
) -> Result<Option<bool>, ConnectorError> {
    // An interval without records had no transaction.
    if state.is_empty() {
        return Ok(Some(true));
    }
    let transactor = opening.transactor(&context).await?;
    let last = transactor.last(&opening.target.name).await?;
    Ok(last.map(|token| token.as_bytes() == state))
}

impl Opening<'_> {
    fn client(&self, config: &ClientConfig, accounts: &Accounts) -> Result<Arc<Client>, ConnectorError> {
        let deliveries = Deliveries::new(self.watch.clone(), Arc::clone(accounts));
        Client::from_config_and_context(config, deliveries)
            .map(Arc::new)
            .map_err(|problem| error::client(format!("write topic `{}`", self.target.name), problem))
    }

    /// The transactor of the producer's region, or one of its own.
    async fn transactor(&self, context: &ProducerContext) -> Result<Arc<Transactor>, ConnectorError> {
        let alike = Alike { compression: self.stream.compression.name(), max_message: self.facts.max_message };
        let Some(region) = &context.region else {
            let id = self.ids.take(&format!("{}.{}", self.owner, context.node));
            return self.transact(id, alike, None, context.memory).await.map(Arc::new);
        };
        let name = format!("{}.{region}", self.owner);
        let found = self.transactors.of(&name, async || {
            let marks = format!("pipectl.{name}.transactions");
            self.transact(self.ids.take(&name), alike, Some(&marks), context.memory).await
        });
        let found = found.await?;
        if found.alike != alike {
            return Err(ConnectorError::new(
                ErrorKind::Invalid,
                format!(
                    "stream `{}` is written in one transaction with others, but its topic accepts records of {} bytes \
                     compressed with {}, and theirs {} bytes with {}; give their topics the same `compression` and \
                     `max.message.bytes`",
                    context.node,
                    alike.max_message,
                    alike.compression,
                    found.alike.max_message,
                    found.alike.compression
                ),
            ));
        }
        Ok(found)
    }

    async fn transact(
        &self,
        id: Id,
        alike: Alike,
        marks: Option<&str>,
        memory: u64,
    ) -> Result<Transactor, ConnectorError> {
        let Opening { options, stream, .. } = self;
        let lasts = topic::transaction_timeout(stream);
        // Each of the producers keeps its own bound; the client's must not come before theirs.
        let memory = if marks.is_some() { memory.saturating_mul(8) } else { memory };
        let mut config = config(options, self.client_id, stream, self.facts, memory);
        config.set("transactional.id", &id.id);
        config.set("transaction.timeout.ms", lasts.as_millis().to_string());
        // A record's time must lie within its transaction's.
        config.set("message.timeout.ms", options.retry_for.0.min(lasts).as_millis().max(1_000).to_string());
        let accounts = Accounts::default();
        let client = self.client(&config, &accounts)?;
        let marks = marks.map(|group| {
            let mut config = settings::common(options, self.client_id);
            config.set("group.id", group);
            BaseConsumer::from_config_and_context(&config, self.watch.clone())
                .map(Arc::new)
                .map_err(|problem| error::client(format!("write topic `{}`", self.target.name), problem))
        });
        let transactor = Transactor {
            host: self.host.clone(),
            watch: self.watch.clone(),
            client,
            accounts,
            alike,
            retry_for: options.retry_for.0,
            _id: id,
            marks: marks.transpose()?,
            open: tokio::sync::Mutex::default(),
        };
        transactor.fence().await?;
        Ok(transactor)
    }
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
