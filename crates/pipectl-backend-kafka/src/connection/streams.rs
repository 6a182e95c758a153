//! What streams want of a connection: to be described, made, changed and removed, written and read.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, Difference, ErrorKind, Finding, PartitionState, ProducerContext,
    SinkWriter, SourceReader, StreamState, StreamTarget,
};
use rdkafka::consumer::Consumer as _;

use super::{ASK_AGAIN, KafkaConnection};
use crate::{
    admin::Setting,
    backend::DEFAULT_PARTITIONS,
    consumer,
    options::KafkaStreamOptions,
    preflight,
    producer::{self, Facts, Opening},
    retry, topic,
};

/// What a topic takes if it may not be looked at: the brokers' default for `max.message.bytes`
/// (<https://kafka.apache.org/documentation/#topicconfigs_max.message.bytes>).
const MAX_MESSAGE: u64 = 1_048_588;
/// Settings that people look for first.
const SHOWN: &[&str] = &["cleanup.policy", "max.message.bytes", "message.timestamp.type", "min.insync.replicas"];

impl KafkaConnection {
    /// What a producer must know of a topic.
    async fn facts(&self, stream: &StreamTarget) -> Result<Facts, ConnectorError> {
        // A topic that is not there must not be made by the first record, as some brokers would.
        self.find(&stream.name).await?;
        let settings = self.settings(&stream.name).await?;
        let setting = |name: &str| settings.get(name).map(|setting| setting.value.as_str());
        Ok(Facts {
            max_message: setting("max.message.bytes").and_then(|text| text.parse().ok()).unwrap_or(MAX_MESSAGE),
            compacted: setting("cleanup.policy")
                .is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact")),
        })
    }

    fn opening<'a>(&'a self, target: &'a StreamTarget, stream: &'a KafkaStreamOptions, facts: Facts) -> Opening<'a> {
        Opening {
            host: &self.host,
            options: &self.options,
            client_id: &self.client_id,
            watch: self.watch(),
            target,
            stream,
            facts,
            owner: &self.owner,
            ids: &self.ids,
            transactors: &self.transactors,
        }
    }
}

#[async_trait]
impl Connection for KafkaConnection {
    async fn describe(
        &self,
        stream: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        let name = &stream.name;
        let Some(seen) = self.see(name).await? else { return Ok(None) };
        let low = self.places(name, seen.partitions, rdkafka::Offset::Beginning).await?;
        let high = self.places(name, seen.partitions, rdkafka::Offset::End).await?;
        let committed = match group {
            Some(group) => Some(self.lags(name, group, seen.partitions).await?),
            None => None,
        };
        let settings = self.settings(name).await?;
        let partitions = (0..seen.partitions)
            .map(|number| {
                let (low, high) = (low.get(&number).copied(), high.get(&number).copied());
                let lag = committed.as_ref().and_then(|committed| {
                    let next = committed.get(&number).copied().or(low)?;
                    Some(u64::try_from(high? - next.max(low?)).unwrap_or(0))
                });
                PartitionState {
                    number,
                    name: number.to_string(),
                    open: true,
                    parents: Vec::new(),
                    earliest: low.map(|place| place.to_string()),
                    end: high.map(|place| place.to_string()),
                    lag,
                    behind: None,
                }
            })
            .collect();
        let retention = settings
            .get("retention.ms")
            .and_then(|setting| setting.value.parse().ok())
            // -1 keeps records for ever.
            .map(Duration::from_millis);
        let mut shown: BTreeMap<String, String> = settings
            .into_iter()
            .filter(|(key, setting)| setting.own || SHOWN.contains(&key.as_str()))
            .map(|(key, setting)| (key, setting.value))
            .collect();
        shown.insert("replication.factor".into(), seen.replicas.to_string());
        Ok(Some(StreamState { name: name.clone(), partitions, retention, settings: shown, ..StreamState::default() }))
    }

    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        let name = &stream.name;
        if stream.existing {
            return self.find(name).await.map(drop);
        }
        let options = topic::options(stream)?;
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS).max(1);
        let settings = topic::settings(stream, &options);
        let made = retry::within(&self.host, self.options.retry_for.0, || async {
            self.admin()?.create(name, partitions, options.replication_factor, &settings, true).await
        })
        .await?;
        tracing::debug!(topic = name, made, "create");
        self.until(name, "being made", |seen| seen.is_some_and(|seen| seen.ready)).await?;
        // Metadata come before the leaders know of their office: only an answer of theirs shows that it can be read.
        let seen = self.find(name).await?;
        self.places(name, seen.partitions, rdkafka::Offset::End).await.map(drop)
    }

    async fn differences(&self, stream: &StreamTarget) -> Result<Vec<Difference>, ConnectorError> {
        let name = &stream.name;
        let Some(seen) = self.see(name).await? else { return Ok(Vec::new()) };
        let options = topic::options(stream)?;
        let number = |count: &usize| count.to_string();
        let wanted = stream.partitions.map(|wanted| wanted as usize);
        let partitions =
            wanted.and_then(|wanted| Difference::of("partitions", &(seen.partitions as usize), &wanted, number));
        let wanted = options.replication_factor.map(usize::from);
        let replicas = wanted.and_then(|wanted| Difference::of("replication_factor", &seen.replicas, &wanted, number));
        let mut found: Vec<_> = partitions.into_iter().chain(replicas).collect();
        let wanted = topic::settings(stream, &options);
        if !wanted.is_empty() {
            let current = self.settings(name).await?;
            for (key, value) in &wanted {
                let is = current.get(key).map_or("nothing", |setting| setting.value.as_str());
                let setting = format!("config.{key}");
                found.extend(Difference::of(&setting, &is, &value.as_str(), ToString::to_string));
            }
        }
        Ok(found)
    }

    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        let name = &stream.name;
        let seen = self.find(name).await?;
        if stream.existing {
            return Ok(());
        }
        let options = topic::options(stream)?;
        if let Some(wanted) = stream.partitions {
            if wanted < seen.partitions {
                return Err(ConnectorError::new(
                    ErrorKind::Conflict,
                    format!(
                        "topic `{name}` has {} partitions and cannot have fewer: set `partitions: {}`, or write to a new topic",
                        seen.partitions, seen.partitions
                    ),
                ));
            }
            if wanted > seen.partitions {
                retry::within(&self.host, self.options.retry_for.0, || async {
                    self.admin()?.grow(name, wanted).await
                })
                .await?;
                self.until(name, "with more partitions", |seen| {
                    seen.is_some_and(|seen| seen.ready && seen.partitions >= wanted)
                })
                .await?;
                self.places(name, wanted, rdkafka::Offset::End).await?;
            }
        }
        if let Some(wanted) = options.replication_factor
            && usize::from(wanted) != seen.replicas
        {
            return Err(ConnectorError::new(
                ErrorKind::Conflict,
                format!(
                    "topic `{name}` is kept on {} brokers, not {wanted}: moving replicas is a task for \
                     kafka-reassign-partitions; then set `replication_factor: {}`",
                    seen.replicas, seen.replicas
                ),
            ));
        }
        let wanted = topic::settings(stream, &options);
        if wanted.is_empty() {
            return Ok(());
        }
        let differs = |current: &BTreeMap<String, Setting>| {
            wanted.iter().any(|(key, value)| current.get(key).is_none_or(|setting| setting.value != *value))
        };
        let settings =
            || retry::within(&self.host, self.options.retry_for.0, || async { self.admin()?.settings(name).await });
        let current = settings().await?;
        if !differs(&current) {
            return Ok(());
        }
        retry::within(&self.host, self.options.retry_for.0, || async {
            self.admin()?.change(name, &current, &wanted).await
        })
        .await?;
        let until = self.host.now() + i64::try_from(self.options.retry_for.0.as_micros()).unwrap_or(i64::MAX / 4);
        while differs(&settings().await?) {
            if self.host.now() > until {
                return Err(ConnectorError::new(
                    ErrorKind::Unavailable,
                    format!("the brokers accepted the new settings of topic `{name}`, but do not show them yet"),
                ));
            }
            self.host.sleep(ASK_AGAIN).await;
        }
        Ok(())
    }

    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError> {
        let name = &stream.name;
        if stream.existing {
            return Err(ConnectorError::new(
                ErrorKind::Conflict,
                format!("topic `{name}` is marked `existing`, so pipectl does not delete it"),
            ));
        }
        let was =
            retry::within(&self.host, self.options.retry_for.0, || async { self.admin()?.delete(name).await }).await?;
        if was {
            self.until(name, "being deleted", |seen| seen.is_none()).await?;
        }
        Ok(was)
    }

    async fn forget(&self, _stream: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        retry::within(&self.host, self.options.retry_for.0, || async { self.admin()?.forget(group).await }).await
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        self.ask("list topics", |client, timeout| {
            let metadata = client.fetch_metadata(None, timeout)?;
            let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
            // The brokers' own.
            let mut names: Vec<_> = names.filter(|name| !name.starts_with("__")).collect();
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let (facts, options) = (self.facts(stream).await?, topic::options(stream)?);
        producer::open(self.opening(stream, &options, facts), context).await
    }

    async fn is_committed(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
        state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        let (facts, options) = (self.facts(stream).await?, topic::options(stream)?);
        producer::is_committed(self.opening(stream, &options, facts), context, state).await
    }

    async fn consumer(
        &self,
        stream: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        self.find(&stream.name).await?;
        let options = topic::options(stream)?;
        consumer::open(&self.host, &self.options, &self.client_id, || self.watch(), stream, &options, context).await
    }

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        preflight::preflight(self, streams).await
    }
}
