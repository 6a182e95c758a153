//! A connection: what can be asked of the service.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pipectl_contract::{
    ConnectContext, Connection, ConnectorError, ConsumerContext, Difference, ErrorKind, Finding, ProducerContext,
    SinkWriter, SourceReader, StreamState, StreamTarget,
};
use pipectl_data::Micros;
use pipectl_host::Host;

use crate::{
    PubSubOptions, clients::Clients, names, preflight, producer::Producer, reading, replay, settings, settings::Stream,
    subscriptions, topics,
};

/// A connection to Pub/Sub.
#[derive(Debug)]
pub struct PubSubConnection {
    clients: Clients,
    options: PubSubOptions,
    host: Host,
}

impl PubSubConnection {
    pub(crate) async fn open(options: PubSubOptions, context: ConnectContext) -> Result<Self, ConnectorError> {
        let place = options.endpoint.as_deref().unwrap_or("https://pubsub.googleapis.com");
        let help =
            "set `endpoint` to an endpoint of Private Service Connect, or let DNS resolve to private.googleapis.com";
        context.admit(place, help).await?;
        let clients = Clients::build(&options, &context).await?;
        Ok(Self { clients, options, host: context.host })
    }

    fn stream(&self, target: &StreamTarget) -> Result<Stream, ConnectorError> {
        Stream::new(&self.clients.project, &self.options, target)
    }

    /// A stream that may be changed.
    fn own(&self, target: &StreamTarget, what: &str) -> Result<Stream, ConnectorError> {
        if target.existing {
            let message = format!("`{}` is marked `existing: true`, so pipectl does not {what} it", target.name);
            return Err(ConnectorError::new(ErrorKind::Conflict, message));
        }
        self.stream(target)
    }

    fn subscription(&self, target: &StreamTarget, group: &str) -> Result<String, ConnectorError> {
        self.stream(target)?.subscription_of(&self.clients.project, group)
    }

    /// Keeps which records of a group's subscription are acknowledged now, under a name, for at most 7 days. Idempotent.
    pub async fn create_snapshot(
        &self,
        stream: &StreamTarget,
        group: &str,
        snapshot: &str,
    ) -> Result<(), ConnectorError> {
        replay::create_snapshot(&self.clients, &self.subscription(stream, group)?, snapshot).await
    }

    /// Lets a group read again from a snapshot on. Its pipeline must not run, and must start without a checkpoint:
    /// a checkpoint knows the ids of what it has read a short time ago.
    pub async fn seek_to_snapshot(
        &self,
        stream: &StreamTarget,
        group: &str,
        snapshot: &str,
    ) -> Result<(), ConnectorError> {
        replay::seek_to_snapshot(&self.clients, &self.subscription(stream, group)?, snapshot).await
    }

    /// Lets a group read again from a moment on (microseconds UTC), as [`PubSubConnection::seek_to_snapshot`] does.
    pub async fn seek_to_time(&self, stream: &StreamTarget, group: &str, at: Micros) -> Result<(), ConnectorError> {
        replay::seek_to_time(&self.clients, &self.subscription(stream, group)?, at).await
    }

    /// Removes a snapshot; answers whether there was one.
    pub async fn delete_snapshot(&self, snapshot: &str) -> Result<bool, ConnectorError> {
        replay::delete_snapshot(&self.clients, snapshot).await
    }
}

#[async_trait]
impl Connection for PubSubConnection {
    async fn describe(
        &self,
        target: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        let stream = self.stream(target)?;
        let Some(topic) = topics::get(&self.clients, &stream).await? else { return Ok(None) };
        let mut reported = BTreeMap::new();
        reported.insert("topic".to_owned(), topic.name.clone());
        let regions = topic.message_storage_policy.map(|policy| policy.allowed_persistence_regions.join(", "));
        if let Some(regions) = regions.filter(|regions| !regions.is_empty()) {
            reported.insert("regions".to_owned(), regions);
        }
        let all = topics::subscriptions(&self.clients, &stream).await?;
        if !all.is_empty() {
            let short: Vec<&str> = all.iter().map(|path| names::short(path)).collect();
            reported.insert("subscriptions".to_owned(), short.join(", "));
        }
        let asked = match group {
            Some(group) => Some(stream.subscription_of(&self.clients.project, group)?),
            None => stream.subscription.clone(),
        };
        if let Some(path) = asked
            && let Some(subscription) = subscriptions::get(&self.clients, &path).await?
        {
            settings::report(&subscription, &mut reported);
        }
        let encryption = match topic.kms_key_name.as_str() {
            "" => "Google's own keys".to_owned(),
            key => format!("KMS {key}"),
        };
        Ok(Some(StreamState {
            name: target.name.clone(),
            // There are none to see, and how many records wait is reported only by Cloud Monitoring
            // (`subscription/num_undelivered_messages`), minutes later.
            partitions: Vec::new(),
            retention: settings::plain(topic.message_retention_duration),
            encryption: Some(encryption),
            created: None,
            lag: None,
            settings: reported,
        }))
    }

    async fn create(&self, target: &StreamTarget) -> Result<(), ConnectorError> {
        let stream = self.own(target, "create")?;
        topics::create(&self.clients, &stream).await?;
        if let Some(path) = &stream.subscription {
            subscriptions::create(&self.clients, &stream, path, false).await?;
        }
        Ok(())
    }

    async fn differences(&self, target: &StreamTarget) -> Result<Vec<Difference>, ConnectorError> {
        let stream = self.stream(target)?;
        let mut found = topics::differences(&self.clients, &stream).await?;
        found.extend(subscriptions::differences(&self.clients, &stream).await?);
        Ok(found)
    }

    async fn update(&self, target: &StreamTarget) -> Result<(), ConnectorError> {
        let stream = self.own(target, "change")?;
        topics::update(&self.clients, &stream).await?;
        subscriptions::update(&self.clients, &stream).await
    }

    async fn delete(&self, target: &StreamTarget) -> Result<bool, ConnectorError> {
        let stream = self.own(target, "delete")?;
        subscriptions::delete_ours(&self.clients, &stream).await?;
        topics::delete(&self.clients, &stream).await
    }

    async fn forget(&self, target: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        let stream = self.stream(target)?;
        let path = stream.subscription_of(&self.clients.project, group)?;
        let Some(subscription) = subscriptions::get(&self.clients, &path).await? else { return Ok(()) };
        if settings::is_ours(&subscription.labels) {
            // The next consumer makes it anew and lets it begin where it wants to.
            return subscriptions::delete(&self.clients, &path).await;
        }
        // Somebody else's: it stays and is set back to all that it still keeps.
        replay::seek_to_time(&self.clients, &path, 0).await
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        topics::list(&self.clients).await
    }

    async fn producer(
        &self,
        target: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let stream = self.stream(target)?;
        Ok(Box::new(Producer::new(&self.clients, stream, &context)))
    }

    async fn consumer(
        &self,
        target: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        reading::open(&self.clients, &self.host, &self.options, &self.stream(target)?, &context).await
    }

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        preflight::all(&self.clients, &self.host, &self.options, streams).await
    }
}
