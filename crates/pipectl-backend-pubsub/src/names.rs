//! Names of topics, subscriptions and snapshots: their paths at the service, and a subscription's name from a group.

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::key_hash;

use crate::limits::MAX_NAME;

/// The label of what pipectl made, so that `delete` removes nothing else.
pub(crate) const LABEL: (&str, &str) = ("made-by", "pipectl");
/// What the names of subscriptions that stand for a consumer group begin with.
const GROUP_PREFIX: &str = "pipectl-";

/// What is wrong with a name, if anything: the rules of
/// <https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names>.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if !(3..=MAX_NAME).contains(&name.len()) {
        Some("it must have 3 to 255 characters")
    } else if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        Some("it must begin with a letter")
    } else if name.starts_with("goog") {
        Some("names that begin with `goog` are reserved for Google")
    } else if !name.bytes().all(is_allowed) {
        Some("it may contain only letters, digits and `-_.~+%`")
    } else {
        None
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte)
}

/// The path of something of a project; what is a path already stays as it is.
pub(crate) fn path(project: &str, collection: &str, name: &str) -> Result<String, ConnectorError> {
    if name.starts_with("projects/") {
        return Ok(name.to_owned());
    }
    match fault(name) {
        None => Ok(format!("projects/{project}/{collection}/{name}")),
        Some(fault) => Err(ConnectorError::new(
            ErrorKind::Invalid,
            format!("`{name}` cannot name anything in Pub/Sub: {fault}; give the stream another name"),
        )),
    }
}

/// The last part of a path.
pub(crate) fn short(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The label of a subscription that has not been set to where reading begins.
pub(crate) const UNSET: &str = "pipectl-unset";

/// The beginning of the names of subscriptions for a peek; a random suffix follows.
pub(crate) const LOOK: &str = "pipectl-look-";

/// The subscription of a consumer group. Two groups never share one: where letters had to be replaced or cut off, a hash
/// of the whole group follows.
pub(crate) fn of_group(group: &str) -> String {
    let plain: String =
        group.chars().map(|letter| if letter.is_ascii() && is_allowed(letter as u8) { letter } else { '-' }).collect();
    let room = MAX_NAME - GROUP_PREFIX.len();
    if plain == group && group.len() <= room {
        return format!("{GROUP_PREFIX}{group}");
    }
    let hash = format!("-{:016x}", key_hash::hash(group.as_bytes()));
    let kept = &plain[..plain.len().min(room - hash.len())];
    format!("{GROUP_PREFIX}{kept}{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_service_s_rules() {
        for good in ["abc", "a.b-c_d~e+f%g", "sensor-data"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["ab", "1abc", "google-topic", "a b c", "größe", &"a".repeat(256)] {
            assert!(fault(bad).is_some(), "{bad}");
        }
        assert_eq!(path("p", "topics", "abc").unwrap(), "projects/p/topics/abc");
        assert_eq!(path("p", "topics", "projects/q/topics/x").unwrap(), "projects/q/topics/x");
        assert_eq!(short("projects/q/topics/x"), "x");
    }

    #[test]
    fn no_two_groups_share_a_subscription() {
        assert_eq!(of_group("shop.local.orders"), "pipectl-shop.local.orders");
        let (slash, colon) = (of_group("shop/local/orders"), of_group("shop:local:orders"));
        assert!(slash.starts_with("pipectl-shop-local-orders-") && slash != colon, "{slash} {colon}");
        let long = |last: &str| of_group(&format!("{}{last}", "g".repeat(300)));
        assert!(long("1") != long("2") && fault(&long("1")).is_none() && long("1").len() == MAX_NAME);
        assert!(fault(&of_group("größe")).is_none());
    }
}
