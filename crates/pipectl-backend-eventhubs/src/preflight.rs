//! What a person should know before a run: whether everything that it needs can be reached and used.

use pipectl_contract::{ErrorKind, Finding, FindingOutcome as Outcome, StreamTarget};

use crate::{blobs::Blobs, error::Failure, hubs::Hubs};

/// A hub that nobody has.
const NOBODYS: &str = "pipectl-asks-for-nothing";

pub(crate) async fn all(hubs: &Hubs, streams: &[StreamTarget]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let namespace = &hubs.namespace;
    for stream in streams {
        let what = format!("hub {} of {}", stream.name, namespace.name);
        findings.push(match hubs.known(&stream.name).await {
            Ok(Some(known)) => good(what, format!("reached; it has {}", partitions(&known.partitions))),
            Ok(None) if stream.existing => finding(
                what,
                Outcome::Bad,
                "it does not exist".into(),
                Some("create it, or correct its name under `streams` of the Environment"),
            ),
            Ok(None) if namespace.options.management.is_some() => {
                finding(what, Outcome::Good, "it does not exist yet; `apply` creates it".into(), None)
            }
            Ok(None) => finding(
                what,
                Outcome::Bad,
                "it does not exist, and the backend has no `management` to create it".into(),
                Some("add `management: { subscription: …, resource_group: … }`, or create the hub with other tools"),
            ),
            Err(failure) => bad(what, failure),
        });
    }
    let mut listed = Vec::new();
    if let Some(arm) = hubs.arm() {
        let what = format!("management of {}", namespace.name);
        let began = namespace.host.now();
        let answer = arm.hubs().await;
        let clock = arm.date().and_then(|date| Finding::of_clock(began, namespace.host.now(), &date));
        findings.push(match answer {
            Ok(names) => {
                let many = names.len();
                listed = names;
                good(what, format!("reached; it lists {many} hub{}", if many == 1 { "" } else { "s" }))
            }
            Err(failure) => finding(what, Outcome::Bad, failure.text.clone(), management_help(&failure)),
        });
        findings.extend(clock);
    }
    if streams.is_empty() {
        findings.push(records(hubs, listed.first().map_or(NOBODYS, String::as_str)).await);
    }
    let Some(checkpoints) = &namespace.options.checkpoints else {
        findings.push(finding(
            "checkpoints".into(),
            Outcome::Doubtful,
            "no container is set, so only one worker can read a stream".into(),
            Some("add `checkpoints: { account: …, container: … }` to let several workers share a stream"),
        ));
        return findings;
    };
    let what = format!("container {} of {}", checkpoints.container, checkpoints.account);
    let read = match Blobs::open(namespace, checkpoints, "any", "any") {
        Ok(blobs) => blobs.probe().await,
        Err(failure) => Err(failure),
    };
    findings.push(match read {
        Ok(()) => good(what, "reached; its blobs can be listed".into()),
        Err(failure) if failure.kind == ErrorKind::NotFound => {
            finding(what, Outcome::Bad, failure.text, Some("create the container"))
        }
        Err(failure) => bad(what, failure),
    });
    findings
}

/// Whether records could be sent and read: management and records have addresses and credentials of their own. Without a
/// hub to ask about, only clients that may connect learn that it does not exist.
async fn records(hubs: &Hubs, hub: &str) -> Finding {
    let what = format!("records of {}", hubs.namespace.name);
    match hubs.known(hub).await {
        Ok(Some(known)) => {
            good(what, format!("reached; hub {hub}, one of its hubs, has {}", partitions(&known.partitions)))
        }
        Ok(None) => good(what, "reached; the Environment names no stream to check".into()),
        Err(failure) => bad(what, failure),
    }
}

fn partitions(names: &[String]) -> String {
    format!("{} partition{}", names.len(), if names.len() == 1 { "" } else { "s" })
}

fn management_help(failure: &Failure) -> Option<&'static str> {
    match failure.kind {
        ErrorKind::Denied => Some("give these credentials the role Contributor on the namespace for `management`"),
        ErrorKind::Unavailable => Some("check `management.endpoint`, and that the network permits port 443"),
        _ => None,
    }
}

fn finding(what: String, outcome: Outcome, detail: String, help: Option<&str>) -> Finding {
    Finding { what, outcome, detail, help: help.map(str::to_owned) }
}

fn good(what: String, detail: String) -> Finding {
    finding(what, Outcome::Good, detail, None)
}

fn bad(what: String, failure: Failure) -> Finding {
    let help = match failure.kind {
        ErrorKind::Denied => Some(
            "with a connection string, check its SharedAccessKeyName and SharedAccessKey; otherwise give these credentials the roles Azure Event Hubs Data Sender and Data Receiver (Storage Blob Data Contributor for `checkpoints`)",
        ),
        ErrorKind::Unavailable => {
            Some("check the address, private endpoints and firewalls (port 5671, or `transport: web_socket` for 443)")
        }
        ErrorKind::Throttled => Some("the service is busy: try again later"),
        _ => None,
    };
    let outcome = if failure.kind == ErrorKind::Throttled { Outcome::Unknown } else { Outcome::Bad };
    finding(what, outcome, failure.text, help)
}
