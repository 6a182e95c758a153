//! The writer of a topic. A batch is in the client's queue when `write` returns; `checkpoint` waits for the brokers.

use std::sync::Arc;

use arrow_array::Array as _;
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Refused, Rejection, SinkWriter};
use pipectl_data::Batch;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
    types::RDKafkaErrorCode as Code,
};

use super::{
    Client,
    account::{Account, reason},
    transaction::Transactor,
};
use crate::{error, watch::Watch};

/// Writes a topic.
pub(super) struct Writer {
    pub(super) client: Arc<Client>,
    pub(super) watch: Watch,
    pub(super) account: Arc<Account>,
    pub(super) topic: String,
    pub(super) memory: u64,
    /// Whether the topic is compacted, and so refuses records without a key: brokers would refuse whole batches for one.
    pub(super) compacted: bool,
    pub(super) transactions: Option<Transactions>,
}

/// How a writer takes part in transactions.
pub(super) struct Transactions {
    pub(super) transactor: Arc<Transactor>,
    /// Whether checkpoints are kept, which the end of a transaction decides about.
    pub(super) decides: bool,
    /// The transaction that the last checkpoint knows of.
    pub(super) token: Option<String>,
}

impl Writer {
    pub(super) fn what(&self) -> String {
        format!("write topic `{}`", self.topic)
    }

    /// What has failed since: what came after it is not sent, or not known to be.
    fn failure(&self) -> Result<(), ConnectorError> {
        let Some(code) = self.account.failure() else { return Ok(()) };
        let problem = error::coded(self.what(), code);
        Err(match problem.kind {
            ErrorKind::Unavailable => self.watch.refusal(self.what()).unwrap_or(problem),
            _ => problem,
        })
    }

    async fn confirmed(&mut self) -> Result<(), ConnectorError> {
        self.account.settled().await;
        self.failure()
    }

    async fn send(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let slip = self.account.open(batch);
        let mut rejections = Vec::new();
        for row in 0..batch.len() {
            self.account.room(slip.each, self.memory).await;
            let key = batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row));
            let payload =
                batch.payload.as_ref().filter(|payload| payload.is_valid(row)).map(|payload| payload.value(row));
            self.account.charge(slip);
            if self.compacted && key.is_none() {
                self.account.withdraw(slip, row);
                let reason = "the topic is compacted, and the record has no key".to_owned();
                rejections.push(Rejection { row, reason });
                continue;
            }
            let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topic, slip.number(row));
            (record.key, record.payload) = (key, payload);
            record.headers = headers(batch, row);
            loop {
                let (problem, back) = match self.client.send(record) {
                    Ok(()) => break,
                    Err(refused) => refused,
                };
                match problem.rdkafka_error_code() {
                    Some(Code::QueueFull) => {
                        // The bound of the client: records of others may count there too.
                        self.failure()?;
                        self.account.progress().await;
                        record = back;
                    }
                    Some(code @ Code::MessageSizeTooLarge) => {
                        self.account.withdraw(slip, row);
                        rejections.push(Rejection { row, reason: reason(code) });
                        break;
                    }
                    _ => return Err(self.watch.explain(self.what(), problem)),
                }
            }
        }
        self.failure()?;
        Ok(rejections)
    }
}

fn headers(batch: &Batch, row: usize) -> Option<OwnedHeaders> {
    let mut headers = batch.headers.as_ref()?.of(row).peekable();
    headers.peek()?;
    Some(headers.fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value })))
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.failure()?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(Transactions { transactor, .. }) = &self.transactions {
            transactor.begin(&self.topic).await?;
        }
        if batch.len() < Account::MAX_ROWS {
            return self.send(batch).await;
        }
        let mut rejections = Vec::new();
        for start in (0..batch.len()).step_by(Account::MAX_ROWS - 1) {
            let length = (batch.len() - start).min(Account::MAX_ROWS - 1);
            let part = batch.slice(start, length).map_err(|problem| {
                ConnectorError::new(ErrorKind::Internal, format!("cannot {}: {problem}", self.what()))
            })?;
            let rejected = self.send(&part).await?;
            rejections
                .extend(rejected.into_iter().map(|Rejection { row, reason }| Rejection { row: row + start, reason }));
        }
        Ok(rejections)
    }

    fn refused(&mut self) -> Vec<Refused> {
        self.account.refused()
    }

    fn is_two_phase(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| transactions.decides)
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.confirmed().await?;
        let Some(transactions) = &mut self.transactions else { return Ok(Vec::new()) };
        transactions.token = transactions.transactor.token(&self.topic).await;
        if !transactions.decides {
            self.committed().await?;
            return Ok(Vec::new());
        }
        Ok(transactions.token.clone().unwrap_or_default().into_bytes())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        if let Some(Transactions { transactor, token, .. }) = &mut self.transactions
            && let Some(committed) = token
        {
            // Forgotten once it is done: a call that is made again after a failure must not pass for a commit.
            transactor.commit(committed).await?;
            *token = None;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        if self.is_two_phase() {
            return self.confirmed().await;
        }
        self.checkpoint().await.map(drop)
    }
}
