//! The service's limits, each with the page that says so.

use std::time::Duration;

/// The largest message, with attributes and ordering key (<https://cloud.google.com/pubsub/quotas#resource_limits>).
pub(crate) const MAX_MESSAGE: usize = 10_000_000;
/// The most messages of one publish request (same page).
pub(crate) const MAX_REQUEST_MESSAGES: u32 = 1_000;
/// The most bytes of one publish request are 10,000,000 (same page). The client estimates without the framing of each
/// message, so a fifth is left for that.
pub(crate) const REQUEST_BYTES: u32 = 8_000_000;
/// The longest ordering key, in bytes (same page).
pub(crate) const MAX_ORDERING_KEY: usize = 1_024;
/// The most attributes of a message (same page).
pub(crate) const MAX_ATTRIBUTES: usize = 100;
/// The longest name of an attribute, in bytes (same page).
pub(crate) const MAX_ATTRIBUTE_NAME: usize = 256;
/// The longest value of an attribute, in bytes (same page).
pub(crate) const MAX_ATTRIBUTE_VALUE: usize = 1_024;

/// The shortest retention
/// (`message_retention_duration`, <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics>).
pub(crate) const MIN_RETENTION: Duration = Duration::from_mins(10);
/// The longest retention (same page).
pub(crate) const MAX_RETENTION: Duration = Duration::from_hours(31 * 24);
/// The retention of a topic that says none: what Kinesis gives too, enough for a reader who comes the day after.
pub(crate) const DEFAULT_RETENTION: Duration = Duration::from_hours(24);
/// The longest pause before a redelivery
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#RetryPolicy>).
pub(crate) const MAX_PAUSE: Duration = Duration::from_mins(10);
/// A subscription may not expire sooner
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#ExpirationPolicy>).
pub(crate) const MIN_EXPIRATION: Duration = Duration::from_hours(24);
/// How often a message may be delivered before it is a dead letter
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#DeadLetterPolicy>).
pub(crate) const ATTEMPTS: std::ops::RangeInclusive<u32> = 5..=100;
/// The longest filter, in bytes (<https://cloud.google.com/pubsub/docs/subscription-message-filter>).
pub(crate) const MAX_FILTER: usize = 256;
/// The longest name of a topic, a subscription or a snapshot
/// (<https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names>); the shortest has 3 characters.
pub(crate) const MAX_NAME: usize = 255;
/// The deadline of an acknowledgement
/// (`ack_deadline_seconds`, <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>).
pub(crate) const ACK_DEADLINES: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_mins(10);
/// What a subscription keeps if nobody says otherwise (`message_retention_duration`, same page).
pub(crate) const SUBSCRIPTION_RETENTION: Duration = Duration::from_hours(7 * 24);
