//! Topics made, changed and removed, and what their settings are.

use std::{collections::BTreeMap, time::Duration};

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier,
        TopicReplication,
    },
    config::FromClientConfigAndContext as _,
    types::RDKafkaErrorCode as Code,
};

use crate::{error, watch::Watch};

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its value.
    pub(crate) value: String,
    /// Whether it was set for this topic, and is not the brokers' default.
    pub(crate) own: bool,
}

/// The administrator.
pub(crate) struct Admin {
    client: AdminClient<Watch>,
    watch: Watch,
    timeout: Duration,
}

impl Admin {
    /// Over a client of its own.
    pub(crate) fn new(config: &rdkafka::ClientConfig, watch: Watch, timeout: Duration) -> Result<Self, ConnectorError> {
        let client = AdminClient::from_config_and_context(config, watch.clone())
            .map_err(|problem| error::client("connect to Kafka", problem))?;
        Ok(Self { client, watch, timeout })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Makes a topic, or only asks whether it could be made; `false` if there is one of that name.
    pub(crate) async fn create(
        &self,
        name: &str,
        partitions: u32,
        replication: Option<u16>,
        settings: &BTreeMap<String, String>,
        for_real: bool,
    ) -> Result<bool, ConnectorError> {
        let what = format!("create topic `{name}`");
        let replication = TopicReplication::Fixed(replication.map_or(-1, i32::from));
        let mut topic = NewTopic::new(name, partitions.min(i32::MAX as u32) as i32, replication);
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = self.options().validate_only(!for_real);
        let done = self.client.create_topics([&topic], &options).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(error::coded(what, code)),
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// Adds partitions up to a number.
    pub(crate) async fn grow(&self, name: &str, partitions: u32) -> Result<(), ConnectorError> {
        let what = format!("add partitions to topic `{name}`");
        let wanted = NewPartitions::new(name, partitions as usize);
        let done = self.client.create_partitions([&wanted], &self.options()).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            Some(Err((_, code))) => Err(error::coded(what, code)),
            _ => Ok(()),
        }
    }

    /// Removes a topic; `false` if there is none.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool, ConnectorError> {
        let what = format!("delete topic `{name}`");
        let done = self.client.delete_topics(&[name], &self.options()).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            Some(Err((_, Code::UnknownTopicOrPartition | Code::UnknownTopic))) => Ok(false),
            Some(Err((_, code))) => Err(error::coded(what, code)),
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// Forgets the positions of a group.
    pub(crate) async fn forget(&self, group: &str) -> Result<(), ConnectorError> {
        let what = format!("reset the positions of group `{group}`");
        let done = self.client.delete_groups(&[group], &self.options()).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            None | Some(Ok(_) | Err((_, Code::GroupIdNotFound))) => Ok(()),
            Some(Err((_, Code::NonEmptyGroup))) => {
                let message = format!("cannot {what}: it has members; stop every worker of the pipeline first");
                Err(ConnectorError::new(ErrorKind::Conflict, message))
            }
            Some(Err((_, code))) => Err(error::coded(what, code)),
        }
    }

    /// The settings of a topic.
    pub(crate) async fn settings(&self, name: &str) -> Result<BTreeMap<String, Setting>, ConnectorError> {
        let what = format!("read the settings of topic `{name}`");
        let done = self.client.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            Some(Ok(resource)) => Ok(resource
                .entries
                .into_iter()
                .filter_map(|entry| {
                    let own = entry.source == ConfigSource::DynamicTopic;
                    Some((entry.name, Setting { value: entry.value?, own }))
                })
                .collect()),
            Some(Err(code)) => Err(error::coded(what, code)),
            None => Err(ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: no response"))),
        }
    }

    /// Changes settings of a topic. The request replaces all of the topic's own settings, so those that stay are sent too.
    pub(crate) async fn change(
        &self,
        name: &str,
        current: &BTreeMap<String, Setting>,
        wanted: &BTreeMap<String, String>,
    ) -> Result<(), ConnectorError> {
        let what = format!("change the settings of topic `{name}`");
        let kept = current.iter().filter(|(key, setting)| setting.own && !wanted.contains_key(*key));
        let all = kept.map(|(key, setting)| (key, &setting.value)).chain(wanted.iter());
        let change =
            all.fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |change, (key, value)| change.set(key, value));
        let done = self.client.alter_configs([&change], &self.options()).await;
        let results = done.map_err(|problem| self.watch.explain(&what, problem))?;
        match results.into_iter().next() {
            Some(Err((_, code))) => Err(error::coded(what, code)),
            _ => Ok(()),
        }
    }
}
