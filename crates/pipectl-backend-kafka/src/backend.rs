//! The backend as the compiler sees it: what Kafka can do, and what a stream may ask of it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    Backend, Capabilities, Checked, ConnectContext, Connection, ConnectorError, Consumption, Order, Partitions,
    StreamFacts, StreamNeeds,
};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION};

use crate::{
    connection::KafkaConnection,
    options::{KafkaOptions, KafkaStreamOptions},
    settings, topic,
};

/// Subtasks of a stream that does not say how many partitions it wants: enough for the cores of a laptop, and partitions of
/// a new topic.
pub(crate) const DEFAULT_PARTITIONS: u32 = 4;
/// The largest record that brokers take unless they are set up otherwise: `message.max.bytes`
/// (<https://kafka.apache.org/documentation/#brokerconfigs_message.max.bytes>), less what a batch of one adds.
const MAX_RECORD: u64 = 1_048_588 - 100;
/// Readers of one process; more would be threads without work.
const MAX_LANES: u32 = 256;

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kafka;

#[async_trait]
impl Backend for Kafka {
    type Options = KafkaOptions;
    type StreamOptions = KafkaStreamOptions;
    const KIND: &'static str = "kafka";

    fn capabilities(&self, _options: &KafkaOptions) -> Capabilities {
        Capabilities {
            order: Order::Partition,
            partitions: Partitions::Growing,
            consumption: Consumption::Position,
            max_record: MAX_RECORD,
            max_key: MAX_RECORD,
            retention: (Duration::from_millis(1), None),
            headers: true,
            tombstones: true,
            binary_keys: true,
            replay_from_time: true,
            replay_from_position: true,
            sharing: true,
            end_is_known: true,
            transactions: true,
        }
    }

    fn check(
        &self,
        options: &KafkaOptions,
        stream_options: &KafkaStreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let mut diagnostics = Diagnostics::new();
        let mut wrong = |title: String, help: &str| {
            diagnostics.push(Diagnostic::error(INVALID_OPTION, title).at(&Path::here(), "").help(help));
        };
        for fault in settings::faults(options) {
            wrong(
                format!("the Kafka backend of stream `{}`: {fault}", stream.name),
                "Change the Environment's `backends`.",
            );
        }
        if let Err(why) = topic::check_name(stream.target) {
            wrong(
                format!("`{}` cannot be the name of a Kafka topic: {why}", stream.target),
                "Give the stream another `name` in the Environment: letters, digits, `.`, `_` and `-`, 249 at most.",
            );
        }
        if let Some(fault) = topic::fault(stream_options, stream.retention) {
            wrong(
                format!("the Kafka options of stream `{}`: {fault}", stream.name),
                "Change the stream in the Environment.",
            );
        }
        if stream_options.transactional {
            let timeout = topic::transaction_timeout(stream_options);
            if timeout <= stream.checkpoint_every {
                wrong(
                    format!(
                        "stream `{}`: a transaction lasts from checkpoint to checkpoint ({:?}), but the brokers would abort \
                         it after {timeout:?}",
                        stream.name, stream.checkpoint_every
                    ),
                    "Set `transaction_timeout` to at least twice the checkpoint interval.",
                );
            }
        }
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS).clamp(1, MAX_LANES);
        let facts = StreamFacts { transactional: stream_options.transactional, ..StreamFacts::durable(partitions) };
        Checked::new(facts, diagnostics)
    }

    async fn connect(
        &self,
        options: KafkaOptions,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        Ok(Arc::new(KafkaConnection::open(options, context).await?))
    }
}
