//! Subscriptions: looked up, made, changed, removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use google_cloud_pubsub::model::{ExpirationPolicy, Subscription};
use google_cloud_wkt::FieldMask;
use pipectl_contract::{ConnectorError, Difference, ErrorKind};

use crate::{
    clients::Clients,
    errors, limits, names,
    settings::{self, Stream, is_ours, wire},
    topics::{self, absent, made},
};

/// A subscription, if there is one.
pub(crate) async fn get(clients: &Clients, path: &str) -> Result<Option<Subscription>, ConnectorError> {
    absent(clients.subscriptions.get_subscription().set_subscription(path).send().await)
        .map_err(|error| errors::call(format_args!("describe subscription `{}`", names::short(path)), error))
}

/// Makes a subscription unless there is one of this topic; answers whether it was made now. `unset` if it is still to be
/// set to where reading begins, until [`note_set`].
pub(crate) async fn create(
    clients: &Clients,
    stream: &Stream,
    path: &str,
    unset: bool,
) -> Result<bool, ConnectorError> {
    if let Some(is) = get(clients, path).await? {
        return if is.topic == stream.topic { Ok(false) } else { Err(foreign(stream, &is)) };
    }
    let mut wanted = stream.subscription(path);
    if unset {
        wanted.labels.insert(names::UNSET.to_owned(), String::new());
    }
    let call = clients.subscriptions.create_subscription().with_request(wanted);
    made(call.send().await)
        .map_err(|error| errors::call(format_args!("create subscription `{}`", names::short(path)), error))
}

/// A subscription stands where reading begins.
pub(crate) async fn note_set(clients: &Clients, path: &str) -> Result<(), ConnectorError> {
    let labeled = Subscription::new().set_name(path).set_labels([names::LABEL]);
    let call = clients.subscriptions.update_subscription().set_subscription(labeled);
    let answer = call.set_update_mask(FieldMask::default().set_paths(["labels"])).send().await;
    answer.map_err(|error| errors::call(format_args!("label subscription `{}`", names::short(path)), error))?;
    Ok(())
}

fn foreign(stream: &Stream, is: &Subscription) -> ConnectorError {
    let (name, topic) = (names::short(&is.name), names::short(&is.topic));
    let message = match topic {
        "_deleted-topic_" => format!(
            "subscription `{name}` belongs to an earlier topic `{}` that was deleted; delete the subscription",
            stream.name
        ),
        _ => {
            format!("subscription `{name}` reads topic `{topic}`, not `{}`; choose another `subscription`", stream.name)
        }
    };
    ConnectorError::new(ErrorKind::Conflict, message)
}

/// A subscription for a look: nothing is kept for it, and it goes by itself if nobody deletes it.
pub(crate) async fn create_for_look(clients: &Clients, stream: &Stream, path: &str) -> Result<(), ConnectorError> {
    let expires = ExpirationPolicy::new().set_ttl(wire(limits::MIN_EXPIRATION));
    let wanted = stream
        .subscription(path)
        .set_message_retention_duration(wire(Duration::from_hours(24)))
        .set_enable_exactly_once_delivery(false)
        .set_or_clear_dead_letter_policy(None::<google_cloud_pubsub::model::DeadLetterPolicy>)
        .set_expiration_policy(expires);
    made(clients.subscriptions.create_subscription().with_request(wanted).send().await)
        .map_err(|error| errors::call(format_args!("create a subscription to peek at `{}`", stream.name), error))?;
    Ok(())
}

/// Brings the subscriptions of a stream that are pipectl's own to what they should be.
pub(crate) async fn update(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    for path in topics::subscriptions(clients, stream).await? {
        if let Some(is) = changeable(clients, stream, &path).await? {
            update_one(clients, stream, &is).await?;
        }
    }
    Ok(())
}

/// A subscription of a topic that follows the stream's options: pipectl's own, but for those of a look, and the one that
/// the stream names.
async fn changeable(clients: &Clients, stream: &Stream, path: &str) -> Result<Option<Subscription>, ConnectorError> {
    if names::short(path).starts_with(names::LOOK) {
        return Ok(None);
    }
    let is = get(clients, path).await?;
    Ok(is.filter(|is| is_ours(&is.labels) || stream.subscription.as_deref() == Some(path)))
}

/// What differs in the subscriptions of a stream that [`update`] would bring to what they should be, or refuse to.
pub(crate) async fn differences(clients: &Clients, stream: &Stream) -> Result<Vec<Difference>, ConnectorError> {
    let mut found = Vec::new();
    for path in topics::subscriptions(clients, stream).await? {
        let Some(is) = changeable(clients, stream, &path).await? else { continue };
        let (mut has, mut wanted) = (BTreeMap::new(), BTreeMap::new());
        settings::report(&is, &mut has);
        settings::report(&stream.subscription(&path), &mut wanted);
        if stream.retention.is_none() {
            // Left to the service.
            wanted.remove("subscription.retention");
            has.remove("subscription.retention");
        }
        let names: BTreeSet<&String> = has.keys().chain(wanted.keys()).collect();
        for name in names {
            let text = |of: &BTreeMap<String, String>| of.get(name).map_or("none", String::as_str).to_owned();
            let setting = format!("{name} of {}", names::short(&path));
            found.extend(Difference::of(&setting, &text(&has), &text(&wanted), Clone::clone));
        }
    }
    Ok(found)
}

async fn update_one(clients: &Clients, stream: &Stream, is: &Subscription) -> Result<(), ConnectorError> {
    let wanted = stream.subscription(&is.name);
    let fixed = [
        ("filter", is.filter != wanted.filter),
        ("order", is.enable_message_ordering != wanted.enable_message_ordering),
    ];
    if let Some((what, _)) = fixed.iter().find(|(_, differs)| *differs) {
        let message = format!(
            "the {what} of subscription `{}` cannot be changed: read its records, delete it, and let pipectl create it again",
            names::short(&is.name)
        );
        return Err(ConnectorError::new(ErrorKind::Conflict, message));
    }
    let changes = [
        ("ack_deadline_seconds", is.ack_deadline_seconds != wanted.ack_deadline_seconds),
        (
            "message_retention_duration",
            stream.retention.is_some() && is.message_retention_duration != wanted.message_retention_duration,
        ),
        (
            "expiration_policy",
            is.expiration_policy.as_ref().and_then(|policy| policy.ttl)
                != wanted.expiration_policy.as_ref().and_then(|policy| policy.ttl),
        ),
        ("dead_letter_policy", is.dead_letter_policy != wanted.dead_letter_policy),
        ("retry_policy", is.retry_policy != wanted.retry_policy),
        ("enable_exactly_once_delivery", is.enable_exactly_once_delivery != wanted.enable_exactly_once_delivery),
    ];
    let paths: Vec<&str> = changes.iter().filter(|(_, differs)| *differs).map(|(path, _)| *path).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let call = clients.subscriptions.update_subscription().set_subscription(wanted);
    let answer = call.set_update_mask(FieldMask::default().set_paths(paths)).send().await;
    answer.map_err(|error| errors::call(format_args!("change subscription `{}`", names::short(&is.name)), error))?;
    Ok(())
}

/// Removes one; no error if it is gone already.
pub(crate) async fn delete(clients: &Clients, path: &str) -> Result<(), ConnectorError> {
    absent(clients.subscriptions.delete_subscription().set_subscription(path).send().await)
        .map_err(|error| errors::call(format_args!("delete subscription `{}`", names::short(path)), error))?;
    Ok(())
}

/// Removes those of a topic that pipectl made.
pub(crate) async fn delete_ours(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    for path in topics::subscriptions(clients, stream).await? {
        if get(clients, &path).await?.is_some_and(|subscription| is_ours(&subscription.labels)) {
            delete(clients, &path).await?;
        }
    }
    Ok(())
}
