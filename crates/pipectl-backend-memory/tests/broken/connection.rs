//! A connection that is broken on purpose.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use pipectl_backend_memory::Broker;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, Finding, Ownership, ProducerContext, SinkWriter, SourceReader,
    StartAt, StreamState, StreamTarget,
};
use pipectl_host::Host;
use serde_json::Value;

use crate::{Fault, reader::BrokenReader, writer::BrokenWriter};

pub(crate) struct BrokenConnection {
    inner: Arc<dyn Connection>,
    fault: Fault,
    host: Host,
    broker: Broker,
    secret: String,
}

impl BrokenConnection {
    pub(crate) fn wrap(
        inner: Arc<dyn Connection>,
        fault: Fault,
        host: &Host,
        broker: &Broker,
        secret: &str,
    ) -> Arc<dyn Connection> {
        Arc::new(Self { inner, fault, host: host.clone(), broker: broker.clone(), secret: secret.to_owned() })
    }

    fn show(&self, mut error: ConnectorError) -> ConnectorError {
        if self.fault == Fault::ErrorsShowSecrets {
            error.message = format!("{} (asked with password {})", error.message, self.secret);
        }
        error
    }
}

/// Where a position is gone, reading is to go on with whatever comes next.
fn jump(positions: &mut [Value], state: &StreamState) {
    for partition in &state.partitions {
        let number = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
        let marks = positions.iter_mut().filter_map(|subtask| subtask.get_mut(partition.number.to_string()));
        for mark in marks.filter(|mark| mark["next"].as_i64().unwrap() < number(&partition.earliest)) {
            mark["next"] = Value::from(number(&partition.end));
        }
    }
}

#[async_trait]
impl Connection for BrokenConnection {
    async fn describe(
        &self,
        stream: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        let mut state = self.inner.describe(stream, group).await?;
        match (self.fault, &mut state) {
            (Fault::DescribesGhosts, None) => {
                state = Some(StreamState { name: stream.name.clone(), ..StreamState::default() });
            }
            (Fault::HidesLag, Some(state)) => {
                state.partitions.iter_mut().for_each(|partition| partition.lag = partition.lag.map(|_| 0));
            }
            _ => {}
        }
        Ok(state)
    }

    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        if self.fault == Fault::CreatesAnew {
            self.inner.delete(stream).await?;
        }
        self.inner.create(stream).await
    }

    async fn forget(&self, stream: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        match self.fault {
            Fault::ForgetsNothing => Ok(()),
            _ => self.inner.forget(stream, group).await,
        }
    }

    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        self.inner.update(stream).await
    }

    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError> {
        Ok(self.inner.delete(stream).await? || self.fault == Fault::DeletesNothingGladly)
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        if self.fault == Fault::ListsNothing { Ok(Vec::new()) } else { self.inner.list().await }
    }

    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let inner = self.inner.producer(stream, context).await.map_err(|error| self.show(error))?;
        Ok(Box::new(BrokenWriter { inner, fault: self.fault, broker: self.broker.clone() }))
    }

    async fn consumer(
        &self,
        stream: &StreamTarget,
        mut context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        if self.fault == Fault::LogsSecrets {
            tracing::debug!(password = self.secret, "opening a consumer");
        }
        context.ownership = match (self.fault, context.ownership) {
            (Fault::IgnoresPositions, Ownership::Owned { .. }) | (Fault::SharesWithNobody, Ownership::Shared) => {
                Ownership::Owned { positions: Vec::new() }
            }
            (Fault::GoesByTheGroup, Ownership::Owned { positions }) if !positions.is_empty() => Ownership::Shared,
            (Fault::LooksByCommitting, Ownership::Look) => Ownership::Shared,
            (_, ownership) => ownership,
        };
        context.start = match (self.fault, context.start) {
            (Fault::IgnoresStart, _) => StartAt::Earliest,
            (Fault::StartsLate, StartAt::Earliest) => StartAt::Latest,
            (_, start) => start,
        };
        if self.fault == Fault::JumpsBehindGaps
            && let Ownership::Owned { positions } = &mut context.ownership
            && let Some(state) = self.inner.describe(stream, None).await?
        {
            jump(positions, &state);
        }
        let readers = self.inner.consumer(stream, context).await.map_err(|error| self.show(error))?;
        let broken = readers.into_iter().map(|inner| {
            Box::new(BrokenReader {
                inner: Some(inner),
                fault: self.fault,
                host: self.host.clone(),
                broker: self.broker.clone(),
                committed: false,
                finished: false,
                closed: false,
                last: None,
                idle: BTreeMap::new(),
            }) as Box<dyn SourceReader>
        });
        Ok(broken.collect())
    }

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        let findings = self.inner.preflight(streams).await;
        if self.fault == Fault::ExaminesByCreating {
            for stream in streams {
                self.inner.create(stream).await.unwrap();
            }
        }
        findings
    }
}
