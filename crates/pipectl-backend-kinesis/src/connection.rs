//! A connection to Kinesis: the contract's calls, each answered by the part of the crate that knows.

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, Difference, ErrorKind, Finding, ProducerContext, SinkWriter,
    SourceReader, StreamState, StreamTarget,
};
use serde::Deserialize;

use crate::{
    admin,
    api::{Api, Calls},
    consumer,
    options::KinesisStreamOptions,
    preflight,
    producer::Producer,
    settings, summary,
};

/// A connection to Kinesis and, for leases, to `DynamoDB`.
#[derive(Debug)]
pub struct KinesisConnection {
    api: Arc<Api>,
}

impl KinesisConnection {
    pub(crate) fn new(api: Api) -> Self {
        Self { api: Arc::new(api) }
    }

    /// How often each operation was called.
    pub fn calls(&self) -> &Calls {
        &self.api.calls
    }
}

/// The stream's own options.
fn options(stream: &StreamTarget) -> Result<KinesisStreamOptions, ConnectorError> {
    let Some(value) = &stream.options else { return Ok(KinesisStreamOptions::default()) };
    KinesisStreamOptions::deserialize(value).map_err(|error| {
        let message = format!("the options of stream `{}` cannot be read: {error}", stream.name);
        ConnectorError::new(ErrorKind::Invalid, message)
    })
}

#[async_trait]
impl Connection for KinesisConnection {
    /// Without ends and numbers of records: see [`admin::describe`]. How long records wait for a group costs one read of
    /// each of its shards.
    async fn describe(
        &self,
        stream: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        let Some(mut state) = admin::describe(&self.api, stream).await? else { return Ok(None) };
        if let Some(group) = group {
            let behind = consumer::lag::behind(&self.api, &stream.name, group).await?;
            for partition in &mut state.partitions {
                partition.behind = behind.get(&partition.number).copied();
            }
        }
        Ok(Some(state))
    }

    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        admin::create(&self.api, stream, &options(stream)?).await
    }

    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        admin::update(&self.api, stream, &options(stream)?).await
    }

    async fn differences(&self, stream: &StreamTarget) -> Result<Vec<Difference>, ConnectorError> {
        settings::differences(&self.api, stream, &options(stream)?).await
    }

    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError> {
        admin::delete(&self.api, stream).await
    }

    async fn forget(&self, stream: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        crate::leases::forget_group(&self.api, &stream.name, group).await
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        admin::list(&self.api).await
    }

    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let options = options(stream)?;
        summary::existing(&self.api, &stream.name).await?;
        Ok(Box::new(Producer::open(Arc::clone(&self.api), stream, &options, context)))
    }

    async fn consumer(
        &self,
        stream: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        consumer::open(Arc::clone(&self.api), stream, options(stream)?, context).await
    }

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        preflight::preflight(&self.api, streams).await
    }
}
