//! The Google Pub/Sub backend: topics, subscriptions, leases and acknowledgements.
//!
//! A stream is a topic; the readers of a consumer group share one subscription. There are no partitions to see: records
//! with a key carry it as ordering key, and each key belongs to one *subtask* (a reader) by the hash of its bytes. A record
//! is acknowledged when the checkpoint that holds its effect is durable, and its id stays in the checkpoint so that a
//! redelivery is noticed.
//!
//! What Pub/Sub has no place for goes into attributes whose names begin with `pipectl.`:
//!
//! | attribute | what it says |
//! |---|---|
//! | `pipectl.key` | the key, where it is no ordering key (the stream promises no order, or the key is empty) |
//! | `pipectl.base64.NAME` | a value of header NAME that is no text, in base64; also `pipectl.base64.pipectl.key` |
//! | `pipectl.null.NAME` | header NAME without value |
//! | `pipectl.repeat.N.NAME` | the value of the (N+1)th header called NAME |
//! | `pipectl.order` | the places of the headers, where they were not written in the order of their names |
//! | `pipectl.tombstone` | the record has no payload |
//! | `pipectl.empty` | the payload is empty (the service refuses a message without payload and attributes) |

mod active_time;
mod attributes;
mod check;
mod clients;
mod clock;
mod connection;
mod demultiplexer;
mod emulator;
mod errors;
mod ids;
mod limits;
mod message;
mod names;
mod options;
mod packed;
mod preflight;
mod producer;
mod reading;
mod replay;
mod settings;
mod subscriptions;
mod subtask;
mod topics;

use std::sync::Arc;

use async_trait::async_trait;
pub use connection::PubSubConnection;
pub use options::{DeadLetter, PubSubOptions, PubSubStreamOptions, Redelivery};
use pipectl_contract::{
    Backend, Capabilities, Checked, ConnectContext, Connection, ConnectorError, Consumption, Order, Partitions,
    StreamFacts, StreamNeeds,
};

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct PubSub;

impl PubSub {
    /// Connects as [`Backend::connect`] does; the connection itself also makes snapshots and seeks.
    pub async fn open(options: PubSubOptions, context: ConnectContext) -> Result<PubSubConnection, ConnectorError> {
        PubSubConnection::open(options, context).await
    }
}

#[async_trait]
impl Backend for PubSub {
    type Options = PubSubOptions;
    type StreamOptions = PubSubStreamOptions;
    const KIND: &'static str = "pubsub";

    fn capabilities(&self, _options: &PubSubOptions) -> Capabilities {
        Capabilities {
            order: Order::Key,
            partitions: Partitions::None,
            consumption: Consumption::Lease,
            max_record: limits::MAX_MESSAGE as u64,
            max_key: limits::MAX_ORDERING_KEY as u64,
            retention: (limits::MIN_RETENTION, Some(limits::MAX_RETENTION)),
            headers: true,
            // By an attribute of ours; a foreign client sees an empty payload with it.
            tombstones: true,
            // Ordering keys are text.
            binary_keys: false,
            replay_from_time: true,
            replay_from_position: false,
            sharing: true,
            end_is_known: false,
            transactions: false,
        }
    }

    fn check(
        &self,
        options: &PubSubOptions,
        stream_options: &PubSubStreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        check::stream(options, stream_options, stream)
    }

    async fn connect(
        &self,
        options: PubSubOptions,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        Ok(Arc::new(Self::open(options, context).await?))
    }
}
