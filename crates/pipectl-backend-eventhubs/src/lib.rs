//! The Azure Event Hubs backend on the official client: a hub for each stream.
//!
//! - **Writing.** Keys are partition keys, hashed as the service does; requests as large as it takes; order per key across
//!   retries. A record without payload is written with an empty one, since Event Hubs has no tombstones.
//! - **Reading alone.** The positions are those of our checkpoint; an owner level that grows with each start cuts a former
//!   owner off.
//! - **Reading with others.** Workers agree over partitions in Blob storage in the form of the official processors, so that
//!   their tools show how far a pipeline is; changes are fenced by the blobs' versions.
//! - **Hubs** are made, changed and removed through Azure's management interface.
//!
//! The SDK repeats nothing here and is never trusted to attach anew by itself: it would begin where it began at first.

mod arm;
mod balance;
mod blobs;
mod connection;
mod consume;
mod data_loss;
mod error;
mod event;
mod group;
mod growth;
mod hash;
mod hubs;
mod limits;
mod mirror;
mod namespace;
mod options;
mod partition_state;
mod position;
mod preflight;
mod producer;
mod pump;
mod reader;
mod retry;

use std::sync::Arc;

use async_trait::async_trait;
pub use options::{
    Checkpoints, ClientSecret, Credentials, EventHubsOptions, HubOptions, ManagedIdentity, Management, OnDataLoss,
    PartitionBy, Retry, Tier, Transport,
};
use pipectl_contract::{Backend, Checked, ConnectContext, Connection, ConnectorError, StreamFacts, StreamNeeds};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION};
use pipectl_ir::capabilities::{Capabilities, Consumption, Order, Partitions};

/// Azure Event Hubs.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventHubs;

#[async_trait]
impl Backend for EventHubs {
    type Options = EventHubsOptions;
    type StreamOptions = HubOptions;
    const KIND: &'static str = "eventhubs";

    fn capabilities(&self, options: &EventHubsOptions) -> Capabilities {
        let tier = options.tier;
        let (shortest, longest) = tier.retention();
        Capabilities {
            order: Order::Partition,
            partitions: if tier.grows() { Partitions::Growing } else { Partitions::Fixed },
            consumption: Consumption::Position,
            max_record: tier.publication(),
            max_key: limits::KEY as u64,
            retention: (shortest, Some(longest)),
            headers: true,
            tombstones: false,
            binary_keys: false,
            replay_from_time: true,
            replay_from_position: true,
            sharing: options.checkpoints.is_some(),
            end_is_known: true,
            transactions: false,
        }
    }

    fn check(
        &self,
        options: &EventHubsOptions,
        stream_options: &HubOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let mut problems = Diagnostics::new();
        let mut wrong = |key: &str, title: String, help: &str| {
            problems
                .push(Diagnostic::error(INVALID_OPTION, title).at(&Path::here().key(key), "").help(help.to_owned()));
        };
        let tier = options.tier;
        if let Some(partitions) = stream.partitions
            && !(1..=tier.partitions()).contains(&partitions)
        {
            wrong(
                "partitions",
                format!(
                    "stream `{}` asks for {partitions} partitions, and a hub of the {tier:?} tier has 1 to {}",
                    stream.name,
                    tier.partitions()
                ),
                "Set fewer partitions, or set the `tier` of the namespace in the Environment.",
            );
        }
        let (shortest, longest) = tier.retention();
        if let Some(retention) = stream.retention
            && !(shortest..=longest).contains(&retention)
        {
            wrong(
                "retention",
                format!(
                    "stream `{}` asks for a retention that the {tier:?} tier does not have: 1h to {}d",
                    stream.name,
                    longest.as_secs() / 86_400
                ),
                "Set another retention, or set the `tier` of the namespace in the Environment.",
            );
        }
        let letters = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        let target = stream.target;
        if target.is_empty()
            || target.len() > limits::NAME
            || !letters(target)
            || !target.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        {
            wrong(
                "name",
                format!(
                    "`{target}` is not a valid hub name: letters, digits, `.`, `-` and `_`, at most {}, a letter or digit first",
                    limits::NAME
                ),
                "Give the hub another name under `streams` of the Environment.",
            );
        }
        if let Some(group) = &stream_options.consumer_group {
            let plain = group.strip_prefix('$').unwrap_or(group);
            if plain.is_empty() || group.len() > limits::GROUP || !letters(plain) {
                wrong(
                    "eventhubs",
                    format!(
                        "`{group}` is not a valid name of a consumer group: letters, digits, `.`, `-` and `_`, at most {}",
                        limits::GROUP
                    ),
                    "`$Default` is the group that every hub has.",
                );
            } else if tier == Tier::Basic && !group.eq_ignore_ascii_case("$Default") {
                wrong(
                    "eventhubs",
                    "the Basic tier has no consumer group but `$Default`".into(),
                    "Remove `consumer_group`.",
                );
            }
        }
        if let Some(prefetch) = options.prefetch
            && !(1..=10_000).contains(&prefetch)
        {
            wrong(
                "prefetch",
                format!("`prefetch` of the Event Hubs backend is {prefetch}, and may be 1 to 10000"),
                "Remove it.",
            );
        }
        // As many subtasks as partitions are asked for; a hub that exists may have any number, which four subtasks divide well.
        let subtasks = stream.partitions.unwrap_or(limits::DEFAULT_PARTITIONS);
        Checked::new(StreamFacts::durable(subtasks), problems)
    }

    async fn connect(
        &self,
        options: EventHubsOptions,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        let application = format!("pipectl-{}", context.pipeline);
        let namespace = namespace::Namespace::new(options, context.host.clone(), application)?;
        namespace.admit(&context).await?;
        Ok(Arc::new(hubs::Hubs { namespace }))
    }
}
