//! Transactions: what lies between two checkpoints becomes visible together, and decides whether the second one counts.
//!
//! All producers of a region share one client and so one transaction, however many topics they write. It ends when the
//! checkpoint is durable. In it goes a mark: the transaction's token, which is in the checkpoint too, as metadata of a
//! position of a consumer group that nobody is a member of. After a crash the mark says whether the newest checkpoint
//! counts; if it does not, what came before it is gone as well, and the run goes on from the checkpoint before it.
//! Where nobody keeps checkpoints, the transaction ends when its records are confirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    producer::Producer as _,
};
use tokio::sync::Mutex;

use super::{
    Client, Id,
    account::{Account, Accounts},
};
use crate::{error, retry, watch::Watch};

/// What streams of one transaction must have in common: the client sends all of them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) compression: &'static str,
    pub(super) max_message: u64,
}

/// A client with its transactions.
pub(super) struct Transactor {
    pub(super) host: pipectl_host::Host,
    pub(super) watch: Watch,
    pub(super) client: Arc<Client>,
    pub(super) accounts: Accounts,
    pub(super) alike: Alike,
    pub(super) retry_for: Duration,
    /// Held for as long as the client is.
    pub(super) _id: Id,
    /// The member of no group that leaves marks; `None` where nobody keeps checkpoints.
    pub(super) marks: Option<Arc<BaseConsumer<Watch>>>,
    pub(super) open: Mutex<Open>,
}

/// The transaction under way.
#[derive(Default)]
pub(super) struct Open {
    token: Option<String>,
    topics: BTreeSet<String>,
}

/// The transactors of a connection, by region.
#[derive(Clone, Default)]
pub(crate) struct Transactors(Arc<Mutex<BTreeMap<String, Weak<Transactor>>>>);

impl Transactors {
    /// The one of a region; made if no producer of the region has one yet.
    pub(super) async fn of(
        &self,
        region: &str,
        make: impl AsyncFnOnce() -> Result<Transactor, ConnectorError>,
    ) -> Result<Arc<Transactor>, ConnectorError> {
        let mut all = self.0.lock().await;
        if let Some(known) = all.get(region).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = Arc::new(make().await?);
        all.insert(region.to_owned(), Arc::downgrade(&made));
        Ok(made)
    }
}

impl Transactor {
    /// Makes the client transactional: nobody of the same id can commit any more, and what was left open is undone.
    pub(super) async fn fence(&self) -> Result<(), ConnectorError> {
        self.call("begin transactions", Client::init_transactions).await
    }

    /// Begins a transaction unless there is one.
    pub(super) async fn begin(&self, topic: &str) -> Result<(), ConnectorError> {
        let mut open = self.open.lock().await;
        if open.token.is_none() {
            let begun = self.client.begin_transaction();
            begun.map_err(|problem| error::client(format!("begin a transaction on topic `{topic}`"), problem))?;
            *open = Open { token: Some(self.host.id("kafka transactions")), topics: BTreeSet::new() };
        }
        if !open.topics.contains(topic) {
            open.topics.insert(topic.to_owned());
        }
        Ok(())
    }

    /// What reports the transaction under way from all others; `None` if there is none, or nothing of it is in the topic:
    /// the mark will not be there either, and the topic must not be asked for it.
    pub(super) async fn token(&self, topic: &str) -> Option<String> {
        let open = self.open.lock().await;
        open.token.clone().filter(|_| open.topics.contains(topic))
    }

    /// Ends the transaction, so that its records can be read; nothing if it is not the one under way any more.
    pub(super) async fn commit(&self, token: &str) -> Result<(), ConnectorError> {
        // Held until it is done: nobody may begin the next one before.
        let mut open = self.open.lock().await;
        if open.token.as_deref() != Some(token) {
            return Ok(());
        }
        if let Some(marks) = &self.marks {
            let list = marks_on(&open.topics, token)?;
            let marks = Arc::clone(marks);
            self.call("mark a transaction", move |client, timeout| {
                let group = marks.group_metadata().ok_or(KafkaError::Canceled)?;
                client.send_offsets_to_transaction(&list, &group, timeout)
            })
            .await?;
        }
        self.call("commit a transaction", Client::commit_transaction).await?;
        *open = Open::default();
        Ok(())
    }

    /// The token of the last transaction on a topic that was committed; `None` if the brokers know of none (any more: they
    /// forget positions of groups without members after `offsets.retention.minutes`).
    pub(super) async fn last(&self, topic: &str) -> Result<Option<String>, ConnectorError> {
        let Some(marks) = &self.marks else { return Ok(None) };
        let what = format!("read the mark of the last transaction on topic `{topic}`");
        let bound = self.retry_for;
        retry::within(&self.host, bound, || {
            let (marks, topic, what) = (Arc::clone(marks), topic.to_owned(), what.clone());
            async move {
                let asked = self.host.blocking(move || {
                    let mut list = TopicPartitionList::new();
                    list.add_partition(&topic, 0);
                    let found = marks.committed_offsets(list, bound.clamp(MOMENT, Duration::from_secs(10)))?;
                    let mark = found.elements().first().map(|mark| mark.metadata().to_owned());
                    Ok(mark.filter(|mark| !mark.is_empty()))
                });
                asked.await.map_err(|problem| self.watch.explain(what, problem))
            }
        })
        .await
    }

    async fn call(
        &self,
        what: &str,
        operation: impl Fn(&Client, Duration) -> Result<(), KafkaError> + Clone + Send + 'static,
    ) -> Result<(), ConnectorError> {
        let bound = self.retry_for;
        retry::within(&self.host, bound, || {
            let (client, watch, what) = (Arc::clone(&self.client), self.watch.clone(), what.to_owned());
            let (host, operation) = (self.host.clone(), operation.clone());
            async move {
                host.blocking(move || {
                    operation(&client, bound.max(MOMENT)).map_err(|problem| {
                        let (again, abort) = match &problem {
                            KafkaError::Transaction(error) => (error.is_retriable(), error.txn_requires_abort()),
                            _ => (false, false),
                        };
                        if abort && let Err(problem) = client.abort_transaction(bound) {
                            tracing::debug!(%problem, "aborting a transaction");
                        }
                        let mut problem = watch.explain(what, problem);
                        if again {
                            problem.kind = ErrorKind::Unavailable;
                        } else if problem.is_retryable() {
                            // The client had the whole time for it.
                            problem.kind = ErrorKind::Internal;
                        }
                        problem
                    })
                })
                .await
            }
        })
        .await
    }
}

/// The positions that carry the mark.
fn marks_on(topics: &BTreeSet<String>, token: &str) -> Result<TopicPartitionList, ConnectorError> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let mut mark = list.add_partition(topic, 0);
        mark.set_metadata(token);
        let placed = mark.set_offset(Offset::Offset(0));
        placed.map_err(|problem| error::client(format!("mark a transaction on topic `{topic}`"), problem))?;
    }
    Ok(list)
}

/// The shortest time that the client is given for a call.
const MOMENT: Duration = Duration::from_secs(1);

/// An account with a number of its own among those of a client.
pub(super) fn add(accounts: &Accounts) -> Result<Arc<Account>, ConnectorError> {
    let mut all = accounts.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() == Account::MAX_PRODUCERS {
        let most = Account::MAX_PRODUCERS;
        return Err(ConnectorError::new(ErrorKind::Invalid, format!("one transaction spans at most {most} streams")));
    }
    let account = Arc::new(Account::numbered(all.len()));
    all.push(Arc::clone(&account));
    Ok(account)
}
