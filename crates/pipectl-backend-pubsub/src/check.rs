//! What can be wrong with a stream before anything is asked of the service.

use std::time::Duration;

use pipectl_contract::{Checked, StreamFacts, StreamNeeds};
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::options::{INVALID_OPTION, OPTION_NOT_FOR_THIS},
};

use crate::{PubSubOptions, PubSubStreamOptions, limits, names};

/// Subtasks of a stream that does not say how many partitions it wants: as many as a memory stream has, so that state is
/// divided in the same way.
const DEFAULT_LANES: u32 = 4;

/// Checks a stream. Paths are relative to the stream's node.
pub(crate) fn stream(
    options: &PubSubOptions,
    own: &PubSubStreamOptions,
    needs: StreamNeeds<'_>,
) -> Checked<StreamFacts> {
    let mut found = Diagnostics::new();
    let mut add = |diagnostic: Option<Diagnostic>| diagnostic.into_iter().for_each(|problem| found.push(problem));
    add(endpoint(options));
    add(outstanding(options));
    add(name(needs));
    add(interval(options, needs));
    let at = Path::here().key("retention");
    add(needs.retention.and_then(|retention| retained(retention, &at)));
    let at = Path::here().key("message_retention");
    add(own.message_retention.and_then(|retention| retained(retention.0, &at)));
    add(both_retentions(own, needs));
    add(subscription(own));
    add(snapshot(own));
    add(changes_of_existing(own, needs));
    add(filter(own));
    add(dead_letter(own));
    add(redelivery(own));
    add(expiration(own, needs));
    add(dedup(options, own));
    Checked::new(StreamFacts::durable(needs.partitions.unwrap_or(DEFAULT_LANES).max(1)), found)
}

#[expect(clippy::unnecessary_wraps, reason = "what each check answers")]
fn wrong(option: &str, title: impl Into<String>, help: impl Into<String>) -> Option<Diagnostic> {
    let path = option.split('.').fold(Path::here(), |path, key| path.key(key));
    Some(Diagnostic::error(INVALID_OPTION, title).at(&path, "").help(help))
}

#[expect(clippy::unnecessary_wraps, reason = "what each check answers")]
/// What is wrong with the backend's own options is reported at the stream, the place that was asked about.
fn of_backend(title: impl Into<String>, help: impl Into<String>) -> Option<Diagnostic> {
    Some(Diagnostic::error(INVALID_OPTION, title).at(&Path::here(), "").help(help))
}

fn endpoint(options: &PubSubOptions) -> Option<Diagnostic> {
    let endpoint = options.endpoint.as_ref()?;
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        let title = format!("the pubsub backend's `endpoint` `{endpoint}` begins with neither http:// nor https://");
        return of_backend(title, "Write `http://HOST:PORT` for an emulator, `https://HOST` for the service.");
    }
    let both = options.is_emulator() && options.credentials.is_some();
    let title = "the pubsub backend has credentials and an unencrypted `endpoint`, which does not use them";
    both.then(|| of_backend(title, "Remove `credentials`, or write an `https://` endpoint.")).flatten()
}

fn outstanding(options: &PubSubOptions) -> Option<Diagnostic> {
    if !(2..=1_000_000).contains(&options.max_outstanding_messages) || options.max_outstanding_bytes.0 == 0 {
        let title = "the pubsub backend's `max_outstanding_messages` must be from 2 to 1000000, and its bytes above 0";
        return of_backend(title, "Remove them, or write larger values.");
    }
    if !limits::ACK_DEADLINES.contains(&options.ack_deadline.0) || options.max_lease < options.ack_deadline {
        let title = "the pubsub backend's `ack_deadline` must be from 10s to 10m and not longer than `max_lease`";
        return of_backend(title, "Remove it to use 20s.");
    }
    None
}

fn name(needs: StreamNeeds<'_>) -> Option<Diagnostic> {
    let target = needs.target;
    if needs.existing && target.starts_with("projects/") {
        return None;
    }
    let fault = names::fault(target)?;
    let title = format!("`{target}` cannot name a topic: {fault}");
    Some(Diagnostic::error(INVALID_OPTION, title).at(&Path::here(), "").help("Give the stream another name."))
}

/// A record is acknowledged after the checkpoint that holds its effect. A lease that ends before brings it again and
/// again; a third leaves room for a checkpoint that fails and one that is slow.
fn interval(options: &PubSubOptions, needs: StreamNeeds<'_>) -> Option<Diagnostic> {
    let lease = options.max_lease.0;
    if needs.checkpoint_every <= lease / 3 {
        return None;
    }
    let every = pipectl_data::units::Duration(needs.checkpoint_every);
    let title = format!(
        "checkpoints every {every} are too infrequent for `{}`: Pub/Sub delivers a record again when its lease of {} ends",
        needs.name, options.max_lease
    );
    let least = pipectl_data::units::Duration(needs.checkpoint_every.saturating_mul(3));
    let help = format!(
        "Set the checkpoint interval to at most a third of the lease, or set the `max_lease` of the backend to {least}."
    );
    Some(Diagnostic::error(INVALID_OPTION, title).at(&Path::here(), "").help(help))
}

fn retained(retention: Duration, at: &Path) -> Option<Diagnostic> {
    if (limits::MIN_RETENTION..=limits::MAX_RETENTION).contains(&retention) {
        return None;
    }
    let written = pipectl_data::units::Duration(retention);
    let title = format!("Pub/Sub keeps records from 10m to 31d, not {written}");
    Some(Diagnostic::error(INVALID_OPTION, title).at(at, "").help("Write a duration between `10m` and `31d`."))
}

fn both_retentions(own: &PubSubStreamOptions, needs: StreamNeeds<'_>) -> Option<Diagnostic> {
    let (mine, asked) = (own.message_retention?.0, needs.retention?);
    if mine >= asked {
        return None;
    }
    let title = "`message_retention` is shorter than the `retention` in the Pipeline".to_owned();
    wrong("message_retention", title, "Remove it, or make it at least as long.")
}

fn snapshot(own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let name = own.snapshot.as_ref()?;
    let fault = names::fault(name)?;
    wrong("snapshot", format!("`{name}` cannot name a snapshot: {fault}"), "Write the name without its path.")
}

fn subscription(own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let name = own.subscription.as_ref()?;
    let fault = names::fault(name).filter(|_| !name.starts_with("projects/"))?;
    wrong("subscription", format!("`{name}` cannot name a subscription: {fault}"), "Write another name.")
}

/// What would change a topic that somebody else made.
fn changes_of_existing(own: &PubSubStreamOptions, needs: StreamNeeds<'_>) -> Option<Diagnostic> {
    if !needs.existing {
        return None;
    }
    let of_topic = [
        ("message_retention", own.message_retention.is_some()),
        ("kms_key", own.kms_key.is_some()),
        ("region", own.region.is_some()),
    ];
    let of_subscription = [
        ("exactly_once", own.exactly_once),
        ("filter", own.filter.is_some()),
        ("dead_letter", own.dead_letter.is_some()),
        ("retry_policy", own.retry_policy.is_some()),
        ("expiration", own.expiration.is_some()),
    ];
    let named = own.subscription.is_some();
    let (option, _) = of_topic.iter().chain(of_subscription.iter().filter(|_| named)).find(|(_, set)| *set)?;
    let whose = if named { "topic and a subscription" } else { "topic" };
    let title = format!("`{option}` has no effect on a {whose} that exists and is not changed");
    let path = Path::here().key(*option);
    Some(Diagnostic::error(OPTION_NOT_FOR_THIS, title).at_key(&path, "").help("Remove it, or remove `existing: true`."))
}

fn filter(own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let filter = own.filter.as_ref()?;
    if filter.len() > limits::MAX_FILTER {
        let title = format!("a filter has at most {} bytes, this one {}", limits::MAX_FILTER, filter.len());
        return wrong("filter", title, "Shorten it, or filter with a processor.");
    }
    // The service takes the whole language apart; what surely names no attribute is reported here already.
    if !filter.contains("attributes") {
        let title = "a filter works on attributes only, and this one names none";
        return wrong("filter", title, "Write `attributes.NAME = \"value\"` or `attributes:NAME`.");
    }
    None
}

fn dead_letter(own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let dead = own.dead_letter.as_ref()?;
    if !limits::ATTEMPTS.contains(&dead.max_attempts) {
        let title = format!("`max_attempts` must be from 5 to 100, not {}", dead.max_attempts);
        return wrong("dead_letter.max_attempts", title, "Write a number from 5 to 100.");
    }
    let fault = names::fault(&dead.topic).filter(|_| !dead.topic.starts_with("projects/"))?;
    wrong("dead_letter.topic", format!("`{}` cannot name a topic: {fault}", dead.topic), "Write another name.")
}

fn redelivery(own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let pauses = own.retry_policy?;
    if pauses.max.0 > limits::MAX_PAUSE {
        let title = format!("a delay before a redelivery is at most 10m, not {}", pauses.max);
        return wrong("retry_policy.max", title, "Write at most `10m`.");
    }
    if pauses.min > pauses.max {
        let title = format!("`min` ({}) is longer than `max` ({})", pauses.min, pauses.max);
        return wrong("retry_policy.min", title, "Write a `min` that is not longer than `max`.");
    }
    None
}

fn expiration(own: &PubSubStreamOptions, needs: StreamNeeds<'_>) -> Option<Diagnostic> {
    let expiration = own.expiration?;
    if expiration.0 < limits::MIN_EXPIRATION {
        let title = format!("a subscription expires after 1d at the earliest, not {expiration}");
        return wrong("expiration", title, "Write at least `1d`, or remove it so that the subscription never expires.");
    }
    let kept = own.message_retention.or(needs.retention.map(pipectl_data::units::Duration))?;
    if expiration >= kept {
        return None;
    }
    let title = format!("the subscription would expire (after {expiration}) before its records (after {kept})");
    wrong("expiration", title, "Set `expiration` to at least the retention of the records.")
}

/// An id that leaves before a lost acknowledgement shows would let a record count twice.
fn dedup(options: &PubSubOptions, own: &PubSubStreamOptions) -> Option<Diagnostic> {
    let (given, deadline) = (own.dedup_for?, options.ack_deadline);
    if given >= deadline {
        return None;
    }
    let title = format!("`dedup_for` of {given} is shorter than the acknowledgement deadline ({deadline})");
    let help = format!(
        "Write at least `{deadline}`: a record whose acknowledgement was lost is delivered again after this time."
    );
    wrong("dedup_for", title, help)
}

#[cfg(test)]
mod tests;
