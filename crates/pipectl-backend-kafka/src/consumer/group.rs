//! What happens to the group, queued: partitions that come are looked up before they are read, and those that go are
//! handed over only when what was read of them is safe.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{
    ClientContext, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use crate::watch::Watch;

/// The client's view of one subtask.
pub(crate) struct Group {
    watch: Watch,
    events: Mutex<VecDeque<Event>>,
    closing: AtomicBool,
}

/// What the group decided.
#[derive(Debug)]
pub(crate) enum Event {
    /// These partitions are ours from now on.
    Assigned(Vec<u32>),
    /// These are to be handed over, or are lost already.
    Revoked {
        /// Which.
        partitions: Vec<u32>,
        /// Whether another has them already: nothing of them may be committed.
        lost: bool,
    },
}

/// The client of one subtask.
pub(crate) type Client = BaseConsumer<Group>;

impl Group {
    /// For one subtask.
    pub(crate) fn new(watch: Watch) -> Self {
        Self { watch, events: Mutex::default(), closing: AtomicBool::new(false) }
    }

    /// What else is known of the client.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The next event.
    pub(crate) fn event(&self) -> Option<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether there is an event.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// From now on partitions are let go as soon as the group asks: nobody is there who could hand them over.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }
}

impl ClientContext for Group {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.watch.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.watch.generate_oauth_token(config)
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.watch.serve();
        let partitions = list.elements().iter().map(|element| element.partition() as u32).collect();
        let assign = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            let done = if assign { consumer.incremental_assign(list) } else { consumer.incremental_unassign(list) };
            if let Err(error) = done {
                tracing::debug!(%error, "releasing partitions");
            }
            return;
        }
        let lost = !assign && consumer.assignment_lost();
        tracing::debug!(?partitions, assign, lost, "the group moves partitions");
        let event = if assign { Event::Assigned(partitions) } else { Event::Revoked { partitions, lost } };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.watch.serve();
        if let Err(error) = result {
            tracing::debug!(%error, "mirroring positions to the group");
        }
    }
}

/// A list of partitions without positions.
pub(crate) fn list(topic: &str, partitions: impl IntoIterator<Item = u32>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition as i32);
    }
    list
}

/// A list of partitions with positions.
pub(crate) fn placed(
    topic: &str,
    partitions: impl IntoIterator<Item = (u32, i64)>,
) -> Result<TopicPartitionList, ConnectorError> {
    let mut list = TopicPartitionList::new();
    for (partition, next) in partitions {
        list.add_partition_offset(topic, partition as i32, rdkafka::Offset::Offset(next)).map_err(|error| {
            ConnectorError::new(
                ErrorKind::Invalid,
                format!("{next} cannot be a position in partition {partition} of topic `{topic}`: {error}"),
            )
        })?;
    }
    Ok(list)
}
