//! Where reading begins: the bounds of partitions as the brokers tell them, what a checkpoint or the group says, and what
//! to do when records between the two are gone. All of it blocks, and runs where that harms nobody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipectl_contract::{ConnectorError, ErrorKind, StartAt};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
    types::RDKafkaErrorCode as Code,
};

use super::group::{Client, list};
use crate::{error, options::OnDataLoss};

/// What a look-up needs of a subtask.
#[derive(Clone)]
pub(crate) struct Lookup {
    /// The client.
    pub(crate) client: Arc<Client>,
    /// The topic.
    pub(crate) topic: String,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// What to do about records that are gone.
    pub(crate) on_data_loss: OnDataLoss,
}

/// A partition's bounds: the oldest record and the place after the newest that may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The oldest record.
    pub(crate) low: i64,
    /// After the newest.
    pub(crate) high: i64,
}

/// A partition, where reading it begins, and its bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// Its number.
    pub(crate) number: u32,
    /// The next record to read.
    pub(crate) next: i64,
    /// Whether `next` is what the group or the checkpoint says, and not a beginning.
    pub(crate) known: bool,
    /// Its bounds.
    pub(crate) bounds: Bounds,
}

impl Lookup {
    /// Lets a client that reads nothing yet say what it has to say: above all that it needs a token.
    pub(crate) fn serve(&self) {
        let watch = self.client.context().watch();
        loop {
            let before = watch.callbacks();
            if self.client.poll(Duration::ZERO).is_none() && watch.callbacks() == before {
                return;
            }
        }
    }

    /// How many partitions the topic has.
    pub(crate) fn partitions(&self) -> Result<u32, ConnectorError> {
        let what = format!("read topic `{}`", self.topic);
        let metadata = self
            .client
            .fetch_metadata(Some(&self.topic), self.timeout)
            .map_err(|error| self.client.context().watch().explain(&what, error))?;
        let topic = metadata.topics().first();
        if let Some(code) = topic.and_then(rdkafka::metadata::MetadataTopic::error) {
            return Err(error::coded(what, code.into()));
        }
        match topic.map_or(0, |topic| topic.partitions().len()) {
            0 => Err(error::coded(what, Code::UnknownTopicOrPartition)),
            count => Ok(count as u32),
        }
    }

    /// The bounds of partitions.
    pub(crate) fn bounds(&self, partitions: &[u32]) -> Result<BTreeMap<u32, Bounds>, ConnectorError> {
        let low = self.at(partitions, Offset::Beginning)?;
        let high = self.at(partitions, Offset::End)?;
        Ok(low
            .into_iter()
            .map(|(number, low)| (number, Bounds { low, high: high.get(&number).copied().unwrap_or(low).max(low) }))
            .collect())
    }

    /// Where partitions begin. What `known` tells stands; a partition that came into being after the others were known is
    /// read from its oldest record, and so is a partition from number `added` on.
    pub(crate) fn place(
        &self,
        partitions: &[u32],
        known: &BTreeMap<u32, i64>,
        start: &StartAt,
        added: u32,
    ) -> Result<Vec<Placed>, ConnectorError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let bounds = self.bounds(partitions)?;
        let times = match start {
            StartAt::Time(time) if known.is_empty() => {
                self.at(partitions, Offset::Offset((time + 999).div_euclid(1_000)))?
            }
            _ => BTreeMap::new(),
        };
        bounds
            .into_iter()
            .map(|(number, bounds)| {
                let stored = known.get(&number).copied();
                let given = match start {
                    StartAt::Positions(positions) if known.is_empty() => {
                        positions.get(&number).map(|text| self.given(number, text)).transpose()?
                    }
                    _ => None,
                };
                let next = match (stored.or(given), start) {
                    (Some(next), _) if stored.is_some() => self.within(number, next, bounds)?,
                    (Some(next), _) if (bounds.low..=bounds.high).contains(&next) => next,
                    (Some(next), _) => return Err(self.not_there(number, next, bounds)),
                    (None, StartAt::Latest) if known.is_empty() && number < added => bounds.high,
                    (None, StartAt::Time(_)) if known.is_empty() => times.get(&number).copied().unwrap_or(bounds.high),
                    (None, _) => bounds.low,
                };
                Ok(Placed { number, next, known: stored.is_some(), bounds })
            })
            .collect()
    }

    /// What the group has for all partitions of the topic.
    pub(crate) fn committed(&self, partitions: u32) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let what = format!("look up the consumer group's positions in topic `{}`", self.topic);
        let committed = self
            .client
            .committed_offsets(list(&self.topic, 0..partitions), self.timeout)
            .map_err(|error| self.client.context().watch().explain(what, error))?;
        Ok(numbers(&committed))
    }

    /// Writes the places of partitions that the group has none for to the group before anything is read of them: were they
    /// to move on before the first checkpoint, "the end" would be another place for the next owner, and what lies between
    /// would be lost.
    pub(crate) fn pin(&self, mut placed: Vec<Placed>) -> Result<Vec<Placed>, ConnectorError> {
        let new =
            placed.iter().filter(|partition| !partition.known).map(|partition| (partition.number, partition.next));
        let places = super::group::placed(&self.topic, new)?;
        if places.count() == 0 {
            return Ok(placed);
        }
        let what = format!("commit where reading topic `{}` begins", self.topic);
        match self.client.commit(&places, CommitMode::Sync) {
            Ok(()) => placed.iter_mut().for_each(|partition| partition.known = true),
            Err(problem) => {
                let problem = self.client.context().watch().explain(what, problem);
                // The group has moved on already and will tell so; whoever comes next does it.
                if problem.kind != ErrorKind::Conflict {
                    return Err(problem);
                }
            }
        }
        Ok(placed)
    }

    /// A place that must be there, or what is there instead.
    pub(crate) fn within(&self, number: u32, next: i64, bounds: Bounds) -> Result<i64, ConnectorError> {
        let topic = &self.topic;
        let problem = if next < bounds.low {
            let gone = bounds.low - next;
            format!(
                "{gone} records of partition {number} of topic `{topic}` are lost: the read position is {next}, the oldest available record is {}",
                bounds.low
            )
        } else if next > bounds.high {
            format!(
                "partition {number} of topic `{topic}` ends at {}, but the read position is {next}: the topic was deleted and created again",
                bounds.high
            )
        } else {
            return Ok(next);
        };
        match self.on_data_loss {
            OnDataLoss::Continue => {
                tracing::warn!("{problem}; continuing with the oldest record");
                Ok(bounds.low)
            }
            OnDataLoss::Fail => Err(ConnectorError::new(
                ErrorKind::Conflict,
                format!("{problem}; set `on_data_loss: continue` on the stream to continue with the oldest record"),
            )),
        }
    }

    /// Somebody asked for a place that a partition does not have.
    fn not_there(&self, number: u32, next: i64, Bounds { low, high }: Bounds) -> ConnectorError {
        let topic = &self.topic;
        let held = match high - low {
            0 => format!("holds no records, and its next one gets {high}"),
            _ => format!("holds {low} to {}", high - 1),
        };
        ConnectorError::new(
            ErrorKind::Invalid,
            format!("partition {number} of topic `{topic}` has no {next}: it {held}"),
        )
    }

    fn given(&self, number: u32, text: &str) -> Result<i64, ConnectorError> {
        text.parse().ok().filter(|next: &i64| *next >= 0).ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Invalid,
                format!(
                    "`{text}` is not a position in partition {number} of topic `{}`: write the number of a record",
                    self.topic
                ),
            )
        })
    }

    /// Asks the brokers for a place in each partition. The protocol has numbers for the beginning and the end that stand
    /// where a time does, and they are the same as the library's; so one request for each broker answers for all.
    fn at(&self, partitions: &[u32], place: Offset) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let what = format!("look up positions in topic `{}`", self.topic);
        let mut wanted = list(&self.topic, partitions.iter().copied());
        wanted.set_all_offsets(place).map_err(|error| error::client(&what, error))?;
        let found = self
            .client
            .offsets_for_times(wanted, self.timeout)
            .map_err(|error| self.client.context().watch().explain(&what, error))?;
        for element in found.elements() {
            element.error().map_err(|error| error::client(&what, error))?;
        }
        Ok(numbers(&found))
    }
}

/// The places in a list that are numbers of records.
fn numbers(list: &TopicPartitionList) -> BTreeMap<u32, i64> {
    list.elements()
        .iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(next) if next >= 0 => Some((element.partition() as u32, next)),
            _ => None,
        })
        .collect()
}
