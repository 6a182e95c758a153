//! What can be asked of a broker.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, Finding, FindingOutcome, ProducerContext, SinkWriter, SourceReader,
    StreamState, StreamTarget,
};
use pipectl_data::units::Size;
use pipectl_host::Host;

use crate::{
    Broker, DEFAULT_PARTITIONS, MemoryOptions, MemoryStreamOptions,
    broker::{Cell, stream::Stream},
    failure,
    producer::Producer,
    reader,
};

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct MemoryConnection {
    pub(crate) broker: Broker,
    pub(crate) max_record: u64,
    pub(crate) host: Host,
}

impl Broker {
    /// A connection to it, with the limits that the options set.
    pub fn connect(&self, options: &MemoryOptions, host: Host) -> Arc<dyn Connection> {
        Arc::new(MemoryConnection { broker: self.clone(), max_record: options.capabilities().max_record, host })
    }
}

impl MemoryConnection {
    fn find(&self, name: &str) -> Option<Arc<Cell>> {
        self.broker.streams().get(name).cloned()
    }

    fn get(&self, name: &str) -> Result<Arc<Cell>, ConnectorError> {
        self.find(name).ok_or_else(|| failure::no_stream(name))
    }
}

fn options(target: &StreamTarget) -> Result<MemoryStreamOptions, ConnectorError> {
    let Some(options) = &target.options else { return Ok(MemoryStreamOptions::default()) };
    serde::Deserialize::deserialize(options).map_err(|error| failure::options(&target.name, &error))
}

fn apply(stream: &mut Stream, target: &StreamTarget, options: &MemoryStreamOptions) {
    stream.retention = target.retention;
    stream.keep = options.keep.map(Size::bytes);
}

#[async_trait]
impl Connection for MemoryConnection {
    async fn describe(
        &self,
        stream: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        self.broker.reach(&self.host).await?;
        Ok(self.find(&stream.name).map(|cell| {
            let mut stream = cell.lock();
            stream.trim(self.host.now());
            stream.describe(group)
        }))
    }

    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        self.broker.reach(&self.host).await?;
        let options = options(stream)?;
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS);
        if partitions == 0 {
            return Err(failure::no_partitions(&stream.name));
        }
        let now = self.host.now();
        self.broker.streams().entry(stream.name.clone()).or_insert_with(|| {
            let mut made = Stream::new(&stream.name, partitions, now);
            apply(&mut made, stream, &options);
            Arc::new(Cell::new(made))
        });
        Ok(())
    }

    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        self.broker.reach(&self.host).await?;
        let options = options(stream)?;
        let cell = self.get(&stream.name)?;
        {
            let mut state = cell.lock();
            match stream.partitions {
                Some(0) => return Err(failure::no_partitions(&stream.name)),
                Some(partitions) => state.reshard(partitions),
                None => {}
            }
            apply(&mut state, stream, &options);
            state.trim(self.host.now());
        }
        cell.ring();
        Ok(())
    }

    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError> {
        self.broker.reach(&self.host).await?;
        let Some(cell) = self.broker.streams().remove(&stream.name) else { return Ok(false) };
        cell.lock().deleted = true;
        cell.ring();
        Ok(true)
    }

    async fn forget(&self, stream: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        self.broker.reach(&self.host).await?;
        match self.find(&stream.name) {
            Some(cell) => cell.lock().forget(group),
            None => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        self.broker.reach(&self.host).await?;
        Ok(self.broker.streams().keys().cloned().collect())
    }

    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        self.broker.reach(&self.host).await?;
        let cell = self.get(&stream.name)?;
        Ok(Box::new(Producer {
            broker: self.broker.clone(),
            cell,
            host: self.host.clone(),
            node: context.node,
            max_record: self.max_record,
        }))
    }

    async fn consumer(
        &self,
        stream: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.broker.reach(&self.host).await?;
        reader::open(&self.broker, &self.get(&stream.name)?, &self.host, context)
    }

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        let reach = match self.broker.reach(&self.host).await {
            Ok(()) => finding("reach the memory broker", FindingOutcome::Good, "it answers".to_owned(), None),
            Err(error) => {
                let help = Some("wait until it is up again".to_owned());
                finding("reach the memory broker", FindingOutcome::Bad, error.message, help)
            }
        };
        let known: BTreeMap<String, u32> =
            self.broker.streams().iter().map(|(name, cell)| (name.clone(), cell.lock().open_partitions())).collect();
        let each = streams.iter().map(|stream| {
            let what = format!("find stream {}", stream.name);
            match known.get(&stream.name) {
                Some(partitions) => finding(&what, FindingOutcome::Good, format!("{partitions} partitions"), None),
                None if stream.existing => {
                    let help = Some("create it, or remove `existing: true` so that `apply` creates it".to_owned());
                    finding(&what, FindingOutcome::Bad, "it does not exist".to_owned(), help)
                }
                None => finding(&what, FindingOutcome::Good, "it will be created".to_owned(), None),
            }
        });
        std::iter::once(reach).chain(each).collect()
    }
}

fn finding(what: &str, outcome: FindingOutcome, detail: String, help: Option<String>) -> Finding {
    Finding { what: what.to_owned(), outcome, detail, help }
}
