//! Looks at what a run would need, without changing anything.

use google_cloud_pubsub::model::Topic;
use pipectl_contract::{ConnectorError, ErrorKind, Finding, FindingOutcome, StreamTarget};
use pipectl_host::Host;

use crate::{
    PubSubOptions,
    clients::Clients,
    clock, errors, names,
    settings::{Stream, plain},
    subscriptions, topics,
};

/// The rights that a run needs on a topic and on a subscription
/// (<https://cloud.google.com/pubsub/docs/access-control#permissions_and_roles>).
const ON_TOPIC: [&str; 3] = ["pubsub.topics.get", "pubsub.topics.publish", "pubsub.topics.attachSubscription"];
const ON_SUBSCRIPTION: [&str; 2] = ["pubsub.subscriptions.get", "pubsub.subscriptions.consume"];

/// Everything.
pub(crate) async fn all(
    clients: &Clients,
    host: &Host,
    options: &PubSubOptions,
    targets: &[StreamTarget],
) -> Vec<Finding> {
    let address = options.endpoint.as_deref().unwrap_or("https://pubsub.googleapis.com");
    let what = format!("reach {address} as project {}", clients.project);
    let mut found = Vec::new();
    let listed = clients.topics.list_topics().set_project(format!("projects/{}", clients.project)).set_page_size(1);
    match listed.send().await {
        Ok(_) => found.push(finding(&what, FindingOutcome::Good, "it answers")),
        Err(error) => {
            let error = errors::call("list topics", error);
            // Whoever may not list may still read and write.
            let outcome = if error.kind == ErrorKind::Denied { FindingOutcome::Doubtful } else { FindingOutcome::Bad };
            let out_of_reach = error.is_retryable();
            found.push(wrong(&what, outcome, &error));
            if out_of_reach {
                return found;
            }
        }
    }
    found.extend(clock::compared(clients, host).await);
    for target in targets {
        match Stream::new(&clients.project, options, target) {
            Ok(stream) => one(clients, &stream, &mut found).await,
            Err(error) => found.push(wrong(&format!("stream {}", target.name), FindingOutcome::Bad, &error)),
        }
    }
    found
}

async fn one(clients: &Clients, stream: &Stream, found: &mut Vec<Finding>) {
    let what = format!("topic {}", stream.name);
    match topics::get(clients, stream).await {
        Err(error) => return found.push(wrong(&what, FindingOutcome::Bad, &error)),
        Ok(None) if stream.existing => {
            let mut missing = finding(
                &what,
                FindingOutcome::Bad,
                "it does not exist, and `existing: true` prevents pipectl from creating it",
            );
            missing.help = Some("Create it, correct its name, or remove `existing: true`.".to_owned());
            return found.push(missing);
        }
        Ok(None) => {
            return found.push(finding(&what, FindingOutcome::Good, "it does not exist yet; `apply` creates it"));
        }
        Ok(Some(topic)) => found.push(of_topic(&what, &topic)),
    }
    found.push(rights(clients, &stream.topic, &ON_TOPIC).await);
    if let Some(path) = &stream.subscription {
        of_subscription(clients, stream, path, found).await;
    }
    if let Some(dead) = &stream.options.dead_letter {
        let target = StreamTarget::existing(dead.topic.clone());
        let what = format!("dead-letter topic {}", dead.topic);
        let looked = match Stream::new(&clients.project, &PubSubOptions::default(), &target) {
            Ok(dead) => topics::get(clients, &dead).await,
            Err(error) => Err(error),
        };
        found.push(match looked {
            Ok(Some(_)) => finding(&what, FindingOutcome::Good, "it exists"),
            Ok(None) => {
                let mut missing = finding(&what, FindingOutcome::Bad, "it does not exist: records would be lost there");
                missing.help = Some("Create it, with a subscription that keeps its records.".to_owned());
                missing
            }
            Err(error) => wrong(&what, FindingOutcome::Unknown, &error),
        });
    }
}

fn of_topic(what: &str, topic: &Topic) -> Finding {
    if let Some(kept) = plain(topic.message_retention_duration).filter(|kept| !kept.is_zero()) {
        let kept = pipectl_data::units::Duration(kept);
        return finding(what, FindingOutcome::Good, &format!("it exists and keeps records for {kept}"));
    }
    let detail = "it exists and keeps no records: a new reader gets only records that are published later";
    let mut doubtful = finding(what, FindingOutcome::Doubtful, detail);
    doubtful.help = Some("Set the topic's message retention (`gcloud pubsub topics update`).".to_owned());
    doubtful
}

async fn of_subscription(clients: &Clients, stream: &Stream, path: &str, found: &mut Vec<Finding>) {
    let what = format!("subscription {}", names::short(path));
    let subscription = match subscriptions::get(clients, path).await {
        Err(error) => return found.push(wrong(&what, FindingOutcome::Bad, &error)),
        Ok(None) if stream.existing => return found.push(finding(&what, FindingOutcome::Bad, "it does not exist")),
        Ok(None) => {
            return found.push(finding(&what, FindingOutcome::Good, "it does not exist yet; `apply` creates it"));
        }
        Ok(Some(subscription)) => subscription,
    };
    let pushed = subscription.push_config.as_ref().is_some_and(|push| !push.push_endpoint.is_empty());
    let exported = subscription.bigquery_config.is_some() || subscription.cloud_storage_config.is_some();
    let (outcome, detail) = if subscription.topic != stream.topic {
        (FindingOutcome::Bad, format!("it reads topic {}", names::short(&subscription.topic)))
    } else if subscription.detached {
        (FindingOutcome::Bad, "it is detached from its topic".to_owned())
    } else if pushed || exported {
        (FindingOutcome::Bad, "it is a push or export subscription; a pipeline needs a pull subscription".to_owned())
    } else if stream.ordered && !subscription.enable_message_ordering {
        (FindingOutcome::Bad, "it does not keep the order of keys, which the stream guarantees".to_owned())
    } else {
        (FindingOutcome::Good, "it exists".to_owned())
    };
    found.push(finding(&what, outcome, &detail));
    found.push(rights(clients, path, &ON_SUBSCRIPTION).await);
}

/// Which rights these credentials have.
async fn rights(clients: &Clients, path: &str, wanted: &[&str]) -> Finding {
    let what = format!("rights on {}", names::short(path));
    let call = clients.permissions.test_iam_permissions().set_resource(path);
    match call.set_permissions(wanted.iter().copied()).send().await {
        Ok(answer) => {
            let missing: Vec<&str> =
                wanted.iter().copied().filter(|right| !answer.permissions.iter().any(|has| has == right)).collect();
            if missing.is_empty() {
                return finding(&what, FindingOutcome::Good, &wanted.join(", "));
            }
            let mut bad = finding(&what, FindingOutcome::Bad, &format!("missing: {}", missing.join(", ")));
            bad.help = Some("Give the account the roles Pub/Sub Publisher, Subscriber and Viewer.".to_owned());
            bad
        }
        // An emulator has none.
        Err(error) => wrong(&what, FindingOutcome::Unknown, &errors::call("ask for rights", error)),
    }
}

fn finding(what: &str, outcome: FindingOutcome, detail: &str) -> Finding {
    Finding { what: what.to_owned(), outcome, detail: detail.to_owned(), help: None }
}

fn wrong(what: &str, outcome: FindingOutcome, error: &ConnectorError) -> Finding {
    finding(what, outcome, &error.message)
}
