//! What a run would need, looked at without changing anything: no topic is made, no record written, no group joined.

use pipectl_contract::{ConnectorError, ErrorKind, Finding, FindingOutcome, StreamTarget};
use rdkafka::{Offset, consumer::Consumer as _};

use crate::{backend::DEFAULT_PARTITIONS, connection::KafkaConnection, topic};

/// Clocks that differ by less do no harm: records are stamped in milliseconds by many machines.
const SKEW_MILLIS: i64 = 5_000;

fn finding(what: String, outcome: FindingOutcome, detail: String, help: Option<&str>) -> Finding {
    Finding { what, outcome, detail, help: help.map(ToOwned::to_owned) }
}

fn bad(what: String, problem: &ConnectorError) -> Finding {
    let outcome = if problem.kind == ErrorKind::Internal { FindingOutcome::Unknown } else { FindingOutcome::Bad };
    let help = match problem.kind {
        ErrorKind::Denied => Some("Check the credentials, and the permissions of the user on the brokers."),
        ErrorKind::Unavailable => Some("Check `brokers`, the network, and whether the port uses TLS or SASL."),
        ErrorKind::NotFound => Some("`pipectl apply` creates streams that are not marked `existing`."),
        _ => None,
    };
    finding(what, outcome, problem.message.clone(), help)
}

/// Looks at the brokers and at each stream.
pub(crate) async fn preflight(connection: &KafkaConnection, streams: &[StreamTarget]) -> Vec<Finding> {
    let brokers = connection.options.brokers.join(", ");
    let what = format!("reach {brokers}");
    let started = connection.host.now();
    let reached = connection
        .ask_once(what.clone(), |client, timeout| {
            let metadata = client.fetch_metadata(None, timeout)?;
            let cluster = client.client().fetch_cluster_id(timeout);
            Ok((metadata.brokers().len(), cluster))
        })
        .await;
    let mut findings = Vec::new();
    match reached {
        Ok((count, cluster)) => {
            let millis = (connection.host.now() - started) / 1_000;
            let cluster = cluster.unwrap_or_else(|| "without a name".into());
            let detail = format!("cluster {cluster} of {count} brokers responded in {millis} ms");
            findings.push(finding(what, FindingOutcome::Good, detail, None));
        }
        Err(problem) => {
            findings.push(bad(what, &problem));
            return findings;
        }
    }
    findings.push(identity(connection));
    for stream in streams {
        preflight_stream(connection, stream, &mut findings).await;
    }
    findings
}

fn identity(connection: &KafkaConnection) -> Finding {
    let (_, version) = rdkafka::util::get_rdkafka_version();
    let tls = if connection.options.tls.is_some() { "encrypted" } else { "not encrypted" };
    let detail = match &connection.options.sasl {
        Some(_) => format!("the brokers accept the credentials; {tls}; librdkafka {version}"),
        None => format!("anonymous; {tls}; librdkafka {version}"),
    };
    let local =
        connection.options.brokers.iter().all(|broker| {
            broker.starts_with("localhost:") || broker.starts_with("127.") || broker.starts_with("[::1]:")
        });
    if connection.options.tls.is_none() && !local {
        let help = Some("Add `tls: {}` if the brokers support it.");
        return finding("connection".into(), FindingOutcome::Doubtful, detail, help);
    }
    finding("connection".into(), FindingOutcome::Good, detail, None)
}

async fn preflight_stream(connection: &KafkaConnection, stream: &StreamTarget, findings: &mut Vec<Finding>) {
    let name = &stream.name;
    let what = format!("topic {name}");
    let seen = match connection.see(name).await {
        Err(problem) => return findings.push(bad(what, &problem)),
        Ok(None) if stream.existing => {
            let help = Some("Create the topic with other tools, or give the user permission to describe it.");
            return findings.push(finding(what, FindingOutcome::Bad, "it does not exist".into(), help));
        }
        Ok(None) => return findings.push(creatable(connection, stream).await),
        Ok(Some(seen)) => seen,
    };
    let detail = format!("{} partitions on {} brokers each", seen.partitions, seen.replicas);
    findings.push(match (seen.ready, stream.partitions) {
        (false, _) => {
            let help = Some("Wait for the brokers to choose leaders, or look at their logs.");
            finding(what, FindingOutcome::Bad, format!("{detail}, not all of them with a leader"), help)
        }
        (true, Some(wanted)) if wanted != seen.partitions && !stream.existing => {
            let help = Some("`pipectl apply --update-streams` adds partitions; it cannot remove any.");
            finding(what, FindingOutcome::Doubtful, format!("{detail}, but the specs ask for {wanted}"), help)
        }
        (true, _) => finding(what, FindingOutcome::Good, detail, None),
    });
    let what = format!("look into topic {name}");
    findings.push(match connection.places(name, seen.partitions, Offset::End).await {
        Ok(places) => {
            let detail = format!("the ends of {} partitions are known", places.len());
            finding(what, FindingOutcome::Good, detail, None)
        }
        Err(problem) => bad(what, &problem),
    });
    let what = format!("settings of topic {name}");
    let settings = async { connection.admin()?.settings(name).await };
    findings.push(match settings.await {
        Ok(settings) => {
            let policy = settings.get("cleanup.policy").map_or("unknown", |setting| setting.value.as_str());
            finding(what, FindingOutcome::Good, format!("readable; cleanup.policy is {policy}"), None)
        }
        Err(problem) => {
            let help = Some("A run works without them; grant DESCRIBE_CONFIGS to check records before they are sent.");
            finding(what, FindingOutcome::Doubtful, problem.message, help)
        }
    });
    findings.push(clocks(connection, name, seen.partitions).await);
    let detail = "not checked: a check of the permissions to read and write would change the topic";
    findings.push(finding(format!("read and write topic {name}"), FindingOutcome::Unknown, detail.into(), None));
}

/// Whether the topic could be made: the brokers check it and do nothing.
async fn creatable(connection: &KafkaConnection, stream: &StreamTarget) -> Finding {
    let what = format!("create topic {}", stream.name);
    let asked = async {
        let options = topic::options(stream)?;
        let settings = topic::settings(stream, &options);
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS);
        connection.admin()?.create(&stream.name, partitions, options.replication_factor, &settings, false).await
    };
    match asked.await {
        Ok(_) => finding(what, FindingOutcome::Good, "it does not exist yet, and the user can create it".into(), None),
        Err(problem) => bad(what, &problem),
    }
}

/// Brokers do not tell the time, but they can say whether they hold records that are later than now.
async fn clocks(connection: &KafkaConnection, name: &str, partitions: u32) -> Finding {
    let what = format!("clock against topic {name}");
    let soon = connection.host.now() / 1_000 + SKEW_MILLIS;
    match connection.places(name, partitions, Offset::Offset(soon)).await {
        Ok(places) if places.is_empty() => {
            let detail = "no record is later than this machine's clock".to_owned();
            finding(what, FindingOutcome::Good, detail, None)
        }
        Ok(places) => {
            let detail = format!(
                "{} partitions hold records that are more than 5 s later than this machine's clock",
                places.len()
            );
            let help = Some(
                "Synchronize the clocks of this machine and of the producers with NTP: times determine which records are late.",
            );
            finding(what, FindingOutcome::Doubtful, detail, help)
        }
        Err(problem) => finding(what, FindingOutcome::Unknown, problem.message, None),
    }
}
