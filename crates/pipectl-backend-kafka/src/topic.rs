//! A topic's options: which names and settings are right, and what a target means in Kafka's own settings.

use std::{collections::BTreeMap, time::Duration};

use pipectl_contract::{ConnectorError, ErrorKind, StreamTarget};
use serde::Deserialize as _;

use crate::options::KafkaStreamOptions;

/// The longest name of a topic (`org.apache.kafka.common.internals.Topic`).
const MAX_NAME: usize = 249;
/// When nothing else is said.
const TRANSACTION_TIMEOUT: Duration = Duration::from_mins(5);

/// Why a name cannot be a topic's.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        "." | ".." => Err("it is a path segment"),
        _ if name.len() > MAX_NAME => Err("it is longer than 249 characters"),
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) => {
            Err("it holds other characters than letters, digits, `.`, `_` and `-`")
        }
        _ => Ok(()),
    }
}

/// What is wrong with a stream's options.
pub(crate) fn fault(options: &KafkaStreamOptions, retention: Option<Duration>) -> Option<String> {
    if options.replication_factor == Some(0) {
        return Some("`replication_factor` must be 1 or more".into());
    }
    if options.config.contains_key("retention.ms") && retention.is_some() {
        return Some("`config` sets `retention.ms`, and the stream has a `retention`: set only one of them".into());
    }
    if options.config.contains_key("compression.type") {
        return Some(
            "`config` sets `compression.type`: use the option `compression` instead, which applies to the producer"
                .into(),
        );
    }
    None
}

/// After which time the brokers give a transaction up.
pub(crate) fn transaction_timeout(options: &KafkaStreamOptions) -> Duration {
    options.transaction_timeout.map_or(TRANSACTION_TIMEOUT, |timeout| timeout.0)
}

/// The stream's options, checked before.
pub(crate) fn options(target: &StreamTarget) -> Result<KafkaStreamOptions, ConnectorError> {
    target.options.as_ref().map_or_else(
        || Ok(KafkaStreamOptions::default()),
        |options| {
            KafkaStreamOptions::deserialize(options).map_err(|error| {
                ConnectorError::new(
                    ErrorKind::Invalid,
                    format!("the options of topic `{}` are not right: {error}", target.name),
                )
            })
        },
    )
}

/// The topic's settings as the target wants them; what it does not say is not in it.
pub(crate) fn settings(target: &StreamTarget, options: &KafkaStreamOptions) -> BTreeMap<String, String> {
    let mut settings = options.config.clone();
    if let Some(retention) = target.retention {
        settings.insert("retention.ms".into(), retention.as_millis().min(i64::MAX as u128).to_string());
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_brokers_take() {
        for good in ["orders", "a.b-c_9", &"x".repeat(249)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            check_name(bad).unwrap_err();
        }
    }
}
