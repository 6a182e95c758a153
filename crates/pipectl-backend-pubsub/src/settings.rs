//! What a topic and a subscription should be like, as the service's own terms, and in words.

use std::{collections::BTreeMap, time::Duration};

use google_cloud_pubsub::model::{
    DeadLetterPolicy, ExpirationPolicy, MessageStoragePolicy, RetryPolicy, Subscription, Topic,
};
use pipectl_contract::{ConnectorError, ErrorKind, StreamTarget};
use pipectl_data::units;
use serde::Deserialize as _;

use crate::{PubSubOptions, PubSubStreamOptions, limits, names};

/// A stream with its own options read, and the paths of what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// What the Pipeline calls it at the backend.
    pub(crate) name: String,
    pub(crate) existing: bool,
    pub(crate) ordered: bool,
    pub(crate) retention: Option<Duration>,
    pub(crate) options: PubSubStreamOptions,
    /// The topic's path.
    pub(crate) topic: String,
    /// The path of the subscription that the options name.
    pub(crate) subscription: Option<String>,
    dead_letter: Option<String>,
    ack_deadline: Duration,
}

impl Stream {
    /// Reads a target's options.
    pub(crate) fn new(project: &str, options: &PubSubOptions, target: &StreamTarget) -> Result<Self, ConnectorError> {
        let own = match &target.options {
            None => PubSubStreamOptions::default(),
            Some(value) => PubSubStreamOptions::deserialize(value).map_err(|error| {
                ConnectorError::new(ErrorKind::Invalid, format!("options of stream `{}`: {error}", target.name))
            })?,
        };
        let path = |collection: &str, name: &String| names::path(project, collection, name);
        Ok(Self {
            name: target.name.clone(),
            existing: target.existing,
            ordered: target.ordered,
            retention: own.message_retention.map(|retention| retention.0).or(target.retention),
            topic: path("topics", &target.name)?,
            subscription: own.subscription.as_ref().map(|name| path("subscriptions", name)).transpose()?,
            dead_letter: own.dead_letter.as_ref().map(|dead| path("topics", &dead.topic)).transpose()?,
            options: own,
            ack_deadline: options.ack_deadline.0,
        })
    }

    /// The path of the subscription that a group reads.
    pub(crate) fn subscription_of(&self, project: &str, group: &str) -> Result<String, ConnectorError> {
        match &self.subscription {
            Some(named) => Ok(named.clone()),
            None => names::path(project, "subscriptions", &names::of_group(group)),
        }
    }

    /// The topic as it should be.
    pub(crate) fn topic(&self) -> Topic {
        let topic = Topic::new()
            .set_name(&self.topic)
            .set_labels([LABEL])
            .set_message_retention_duration(wire(self.retention.unwrap_or(limits::DEFAULT_RETENTION)))
            .set_kms_key_name(self.options.kms_key.clone().unwrap_or_default());
        match &self.options.region {
            Some(region) => topic.set_message_storage_policy(
                MessageStoragePolicy::new().set_allowed_persistence_regions([region.clone()]),
            ),
            None => topic,
        }
    }

    /// A subscription as it should be.
    pub(crate) fn subscription(&self, path: &str) -> Subscription {
        let options = &self.options;
        let expiration = options.expiration.map(|after| after.0);
        let kept = self.retention.unwrap_or_else(|| {
            limits::SUBSCRIPTION_RETENTION.min(expiration.unwrap_or(limits::SUBSCRIPTION_RETENTION))
        });
        let dead = options.dead_letter.as_ref().zip(self.dead_letter.as_ref()).map(|(dead, topic)| {
            DeadLetterPolicy::new().set_dead_letter_topic(topic).set_max_delivery_attempts(dead.max_attempts as i32)
        });
        let retry = options.retry_policy.map(|pauses| {
            RetryPolicy::new().set_minimum_backoff(wire(pauses.min.0)).set_maximum_backoff(wire(pauses.max.0))
        });
        Subscription::new()
            .set_name(path)
            .set_topic(&self.topic)
            .set_labels([LABEL])
            .set_ack_deadline_seconds(self.ack_deadline.as_secs() as i32)
            .set_message_retention_duration(wire(kept))
            .set_enable_message_ordering(self.ordered)
            .set_filter(options.filter.clone().unwrap_or_default())
            .set_enable_exactly_once_delivery(options.exactly_once)
            // Without a time in it: never.
            .set_expiration_policy(ExpirationPolicy::new().set_or_clear_ttl(expiration.map(wire)))
            .set_or_clear_dead_letter_policy(dead)
            .set_or_clear_retry_policy(retry)
    }
}

pub(crate) use names::LABEL;

/// Whether pipectl made it.
pub(crate) fn is_ours(labels: &std::collections::HashMap<String, String>) -> bool {
    labels.get(LABEL.0).is_some_and(|maker| maker == LABEL.1)
}

/// A duration as the service writes it.
pub(crate) fn wire(duration: Duration) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(duration.as_secs() as i64, duration.subsec_nanos() as i32)
}

/// And back.
pub(crate) fn plain(duration: Option<google_cloud_wkt::Duration>) -> Option<Duration> {
    duration.and_then(|duration| Duration::try_from(duration).ok())
}

/// What is to be reported a subscription, under `subscription.`.
pub(crate) fn report(subscription: &Subscription, settings: &mut BTreeMap<String, String>) {
    let mut say = |name: &str, value: String| {
        settings.insert(format!("subscription.{name}"), value);
    };
    let long = |duration: Option<google_cloud_wkt::Duration>| {
        plain(duration).map_or_else(|| "never".to_owned(), |duration| units::Duration(duration).to_string())
    };
    say("name", names::short(&subscription.name).to_owned());
    say("ordered", subscription.enable_message_ordering.to_string());
    say("exactly_once", subscription.enable_exactly_once_delivery.to_string());
    say("ack_deadline", format!("{}s", subscription.ack_deadline_seconds));
    say("retention", long(subscription.message_retention_duration));
    say("expires_after", long(subscription.expiration_policy.as_ref().and_then(|policy| policy.ttl)));
    if !subscription.filter.is_empty() {
        say("filter", subscription.filter.clone());
    }
    if let Some(dead) = &subscription.dead_letter_policy {
        let topic = names::short(&dead.dead_letter_topic);
        say("dead_letter", format!("{topic} after {} deliveries", dead.max_delivery_attempts));
    }
    if let Some(retry) = &subscription.retry_policy {
        say("redelivery_after", format!("{} to {}", long(retry.minimum_backoff), long(retry.maximum_backoff)));
    }
    if subscription.detached {
        say("detached", "true".to_owned());
    }
}
