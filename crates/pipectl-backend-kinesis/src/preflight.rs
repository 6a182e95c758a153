//! Looks at what a run would need, without changing anything.

use aws_sdk_kinesis::types::StreamStatus;
use pipectl_contract::{ConnectorError, ErrorKind, Finding, FindingOutcome, StreamTarget};

use crate::{api::Api, clock::Dated, error::CallError, shards, summary};

fn finding(what: impl Into<String>, outcome: FindingOutcome, detail: impl Into<String>) -> Finding {
    Finding { what: what.into(), outcome, detail: detail.into(), help: None }
}

fn failed(what: impl Into<String>, error: &ConnectorError) -> Finding {
    let help = match error.kind {
        ErrorKind::Denied => "give the credentials the permissions that the example Environment for Kinesis lists",
        ErrorKind::Unavailable => "check the endpoint, the region and the network",
        ErrorKind::Throttled => "try again in a minute",
        _ => "see the message",
    };
    let outcome = if error.kind == ErrorKind::Throttled { FindingOutcome::Unknown } else { FindingOutcome::Bad };
    Finding { help: Some(help.to_owned()), ..finding(what, outcome, error.message.clone()) }
}

pub(crate) async fn preflight(api: &Api, streams: &[StreamTarget]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let region = api.kinesis.config().region().map_or_else(String::new, ToString::to_string);
    let began = api.host.now();
    let dated = Dated::default();
    let asked = || api.kinesis.describe_limits().customize().interceptor(dated.clone()).send();
    let reached = api.call("DescribeLimits", "reach Kinesis", asked).await;
    let clock = dated.date().and_then(|date| Finding::of_clock(began, api.host.now(), &date));
    let reach = format!("reach Kinesis in {region}");
    match reached {
        Ok(limits) => {
            let millis = (api.host.now() - began) / 1_000;
            let free = limits.shard_limit() - limits.open_shard_count();
            findings.push(finding(reach, FindingOutcome::Good, format!("responded in {millis} ms")));
            let asked: i32 =
                streams.iter().filter(|s| !s.existing).filter_map(|s| s.partitions).map(|n| n as i32).sum();
            if free < asked {
                let detail =
                    format!("the account can open {free} more shards; the streams of the pipeline need {asked}");
                let help = Some("ask AWS for more shards, or use `mode: on_demand`".to_owned());
                findings.push(Finding { help, ..finding("limit of shards", FindingOutcome::Doubtful, detail) });
            }
        }
        // The service is there and knows who asks, but this one question is not permitted, and a run does not need it.
        Err(CallError { error, code }) if code.as_deref() == Some("AccessDeniedException") => {
            findings.push(finding(
                reach,
                FindingOutcome::Good,
                "responded; the credentials do not permit reading its limits",
            ));
            tracing::debug!(%error, "DescribeLimits");
        }
        Err(CallError { error, .. }) => {
            findings.push(failed(reach, &error));
            return findings;
        }
    }
    findings.extend(clock);
    for stream in streams {
        findings.push(look_at(api, stream).await);
    }
    findings.push(leases(api).await);
    findings
}

async fn look_at(api: &Api, stream: &StreamTarget) -> Finding {
    let what = format!("stream `{}`", stream.name);
    match summary::summary(api, &stream.name).await {
        Err(error) => failed(what, &error),
        Ok(None) if stream.existing => Finding {
            help: Some("create it, or correct its name or region".to_owned()),
            ..finding(what, FindingOutcome::Bad, "does not exist, though it is marked `existing`")
        },
        Ok(None) => finding(what, FindingOutcome::Good, "does not exist yet; `apply` creates it"),
        Ok(Some(seen)) if *seen.stream_status() == StreamStatus::Deleting => {
            finding(what, FindingOutcome::Bad, "is being deleted")
        }
        Ok(Some(seen)) => match shards::list(api, &stream.name).await {
            Err(failure) => failed(what, &failure.error),
            Ok(listed) => {
                let open = listed.values().filter(|shard| shard.open).count();
                let detail = format!(
                    "{}, {open} open shards of {}, {} h retention",
                    seen.stream_status().as_str().to_lowercase(),
                    listed.len(),
                    seen.retention_period_hours()
                );
                finding(what, FindingOutcome::Good, detail)
            }
        },
    }
}

async fn leases(api: &Api) -> Finding {
    let table = &api.options.lease_table;
    let what = format!("lease table `{table}`");
    let described = api
        .call("DescribeTable", &format!("describe the lease table `{table}`"), || {
            api.dynamo.describe_table().table_name(table).send()
        })
        .await;
    match described {
        Ok(_) => finding(what, FindingOutcome::Good, "exists"),
        Err(failure) if failure.is_missing() => {
            finding(what, FindingOutcome::Good, "does not exist yet; the first worker that shares a stream creates it")
        }
        // Only pipelines whose workers share streams need it.
        Err(failure) => Finding { outcome: FindingOutcome::Doubtful, ..failed(what, &failure.error) },
    }
}
