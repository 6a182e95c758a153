//! Reading topics: one client for each subtask, by our own positions, as a member of a group, or to have a look.

mod collect;
mod commit;
mod fetched;
mod group;
mod handover;
mod headers;
mod places;
mod position;
mod questions;
mod reader;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipectl_contract::{ConnectorError, ConsumerContext, Ownership, SourceReader, StreamTarget};
use pipectl_host::Host;
use rdkafka::{ClientConfig, config::FromClientConfigAndContext as _};
use tokio::sync::Notify;

use self::{
    group::{Client, Group},
    places::Lookup,
    reader::{Plan, Reader, Sharing},
};
use crate::{
    error,
    options::{KafkaOptions, KafkaStreamOptions},
    settings,
    watch::Watch,
};

/// The largest answer to one fetch, and the smallest: more makes small budgets large, less makes many requests.
const FETCH: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;
/// The largest part of it that one partition may fill: librdkafka's and Java's default
/// (<https://kafka.apache.org/documentation/#consumerconfigs_max.partition.fetch.bytes>).
const PARTITION_FETCH: u64 = 1 << 20;
/// What one batch of a topic may unfold to, the library's default: a limit and no allocation. It is also the limit of a
/// single batch that is larger than a fetch should be, and of a zstd batch when it is unfolded.
const UNFOLDED: u64 = 100_000_000;

/// Opens all subtasks.
pub(crate) async fn open(
    host: &Host,
    options: &Arc<KafkaOptions>,
    client_id: &str,
    watch: impl Fn() -> Watch,
    target: &StreamTarget,
    stream: &KafkaStreamOptions,
    context: ConsumerContext,
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    headers::keep_quiet();
    let known = match &context.ownership {
        Ownership::Owned { positions } => {
            let mut known = BTreeMap::new();
            for position in positions {
                known.append(&mut position::read(position)?);
            }
            known
        }
        Ownership::Shared | Ownership::Look => BTreeMap::new(),
    };
    let sharing = match &context.ownership {
        Ownership::Owned { .. } => Sharing::Owned,
        Ownership::Shared => Sharing::Shared,
        Ownership::Look => Sharing::Look,
    };
    let subtasks = context.subtasks.max(1);
    let mut config = config(options, client_id, &context, subtasks);
    let mut readers: Vec<Box<dyn SourceReader>> = Vec::new();
    for subtask in 0..subtasks {
        if sharing == Sharing::Shared {
            // The assignor gives partitions to members in the order of their ids, which begin so: in turn to each worker, and
            // not by chance all to one.
            config.set("client.id", format!("{client_id}-{subtask:04}"));
        }
        let wake = Arc::new(Notify::new());
        let client = client(&config, watch(), &wake)
            .map_err(|problem| error::client(format!("read topic `{}`", target.name), problem))?;
        let lookup = Lookup {
            client: Arc::new(client),
            topic: target.name.clone(),
            timeout: options.request_timeout.0,
            on_data_loss: stream.on_data_loss,
        };
        let plan = Plan {
            host: host.clone(),
            sharing,
            subtask,
            subtasks,
            start: context.start.clone(),
            known: known.clone(),
            discover_every: options.discover_every.0,
            retry_for: options.retry_for.0,
            handover: handover_within(context.checkpoint_every),
        };
        readers.push(Box::new(Reader::open(plan, lookup, wake).await?));
    }
    Ok(readers)
}

/// How long a partition that the group takes away may wait for the checkpoint that makes its records safe.
fn handover_within(checkpoint_every: Duration) -> Duration {
    (checkpoint_every * 2).clamp(Duration::from_secs(10), Duration::from_mins(1))
}

fn client(config: &ClientConfig, watch: Watch, wake: &Arc<Notify>) -> Result<Client, rdkafka::error::KafkaError> {
    let mut client = Client::from_config_and_context(config, Group::new(watch))?;
    let wake = Arc::clone(wake);
    client.set_nonempty_callback(move || wake.notify_one());
    Ok(client)
}

fn config(options: &KafkaOptions, client_id: &str, context: &ConsumerContext, subtasks: u32) -> ClientConfig {
    let mut config = settings::common(options, client_id);
    let share = context.memory / u64::from(subtasks);
    let fetch = (share / 4).clamp(*FETCH.start(), *FETCH.end());
    let discover = options.discover_every.0.as_millis().clamp(100, 900_000);
    config
        .set("group.id", &context.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        // We say where to begin; where the brokers disagree, we look into it.
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", (share / 2 / 1024).clamp(64, 1 << 20).to_string())
        .set("fetch.max.bytes", fetch.to_string())
        .set("max.partition.fetch.bytes", fetch.min(PARTITION_FETCH).to_string())
        .set("message.max.bytes", fetch.min(1_000_000).to_string())
        .set("receive.message.max.bytes", UNFOLDED.to_string());
    if settings::given(options, "group.protocol") != Some("consumer") {
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    let mut default = |name: &str, value: String| settings::default(&mut config, options, name, value);
    // How long a broker holds an answer back when there is nothing new: also how long it takes to know that.
    default("fetch.wait.max.ms", "100".into());
    // The pause after the queue was full; the library's second would be most of the time with a small budget.
    default("fetch.queue.backoff.ms", "5".into());
    default("topic.metadata.refresh.interval.ms", discover.to_string());
    default("metadata.max.age.ms", (discover * 3).max(10_000).to_string());
    // A blocked sink must not cost us our partitions: they would be as blocked with another worker.
    let poll = (context.checkpoint_every * 3).max(Duration::from_mins(10));
    default("max.poll.interval.ms", poll.as_millis().min(86_400_000).to_string());
    config
}

#[cfg(test)]
mod tests {
    use pipectl_contract::StartAt;

    use super::*;

    #[test]
    fn what_all_subtask_may_hold_stays_within_the_budget() {
        let context = |memory, subtasks| ConsumerContext {
            node: "s".into(),
            group: "g".into(),
            subtasks,
            ownership: Ownership::Look,
            start: StartAt::Earliest,
            memory,
            checkpoint_every: Duration::from_secs(10),
        };
        for (memory, subtasks) in [(8 << 20, 1_u32), (64 << 20, 4), (256 << 20, 16)] {
            let config = config(&KafkaOptions::default(), "c", &context(memory, subtasks), subtasks);
            let number = |name: &str| config.get(name).unwrap().parse::<u64>().unwrap();
            let each = number("queued.max.messages.kbytes") * 1024 + number("fetch.max.bytes");
            assert!(each * u64::from(subtasks) <= memory, "{memory} bytes for {subtasks} subtasks: {each} each");
            config.create_native_config().unwrap();
        }
    }
}
