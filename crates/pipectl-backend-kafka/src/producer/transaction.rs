//! Transactions: what lies between two checkpoints becomes visible together.
//!
//! A transaction ends in `checkpoint`, before the checkpoint itself is durable. So nothing is ever lost, readers of
//! committed records never see half of an interval, and what a crash cuts short is never seen; only a crash between the
//! end of a transaction and that of its checkpoint makes one interval appear twice. To close that gap the positions of the
//! source would have to go into the transaction, which the writer does not know.

use std::{sync::Arc, time::Duration};

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{error::KafkaError, producer::Producer as _};

use super::{Client, Id, writer::Writer};
use crate::{error, retry};

/// The transactions of a producer.
pub(super) struct Transactions {
    /// Held for as long as the producer is.
    _id: Id,
    open: bool,
    retry_for: Duration,
}

impl Transactions {
    /// Makes the producer transactional, and ends what one of the same id had left open.
    pub(super) async fn open(writer: &Writer, id: Id, retry_for: Duration) -> Result<Self, ConnectorError> {
        call(writer, retry_for, "begin transactions", Client::init_transactions).await?;
        Ok(Self { _id: id, open: false, retry_for })
    }

    /// Begins a transaction unless there is one.
    pub(super) fn begin(&mut self, client: &Client, topic: &str) -> Result<(), ConnectorError> {
        if !self.open {
            client
                .begin_transaction()
                .map_err(|problem| error::client(format!("begin a transaction on topic `{topic}`"), problem))?;
            self.open = true;
        }
        Ok(())
    }

    /// Ends the transaction, if there is one: its records can be read.
    pub(super) async fn commit(&mut self, writer: &Writer) -> Result<(), ConnectorError> {
        if !self.open {
            return Ok(());
        }
        self.open = false;
        call(writer, self.retry_for, "commit a transaction", Client::commit_transaction).await
    }
}

async fn call(
    writer: &Writer,
    bound: Duration,
    what: &str,
    operation: fn(&Client, Duration) -> Result<(), KafkaError>,
) -> Result<(), ConnectorError> {
    let what = format!("{what} on topic `{}`", writer.topic);
    retry::within(&writer.host, bound, || {
        let (client, watch, what) = (Arc::clone(&writer.client), writer.watch.clone(), what.clone());
        let host = writer.host.clone();
        async move {
            host.blocking(move || {
                operation(&client, bound.max(Duration::from_secs(1))).map_err(|problem| {
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
