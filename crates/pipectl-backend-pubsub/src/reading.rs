//! Opens the consumer of a stream: finds or makes its subscription, sets it to where reading begins, makes the subtasks.

use std::sync::Arc;

use futures::FutureExt as _;
use google_cloud_pubsub::subscriber::ShutdownBehavior;
use pipectl_contract::{ConnectorError, ConsumerContext, ErrorKind, Ownership, SourceReader, StartAt};
use pipectl_data::Micros;
use pipectl_host::Host;
use serde_json::Value;

use crate::{
    PubSubOptions,
    clients::Clients,
    demultiplexer::Demultiplexer,
    ids::Ids,
    names, replay,
    settings::{Stream, is_ours, plain},
    subscriptions,
    subtask::{self, Manner, Subtask},
    topics,
};

/// Opens the consumer: as many readers as subtasks.
pub(crate) async fn open(
    clients: &Clients,
    host: &Host,
    options: &PubSubOptions,
    stream: &Stream,
    context: &ConsumerContext,
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    if matches!(context.start, StartAt::Positions(_)) {
        let message = format!(
            "`{}`: Pub/Sub cannot start at positions; start at the oldest records, at new records, or at a time",
            context.node
        );
        return Err(ConnectorError::new(ErrorKind::Invalid, message));
    }
    let positions: &[Value] = match &context.ownership {
        Ownership::Owned { positions } => positions,
        Ownership::Shared | Ownership::Look => &[],
    };
    if !positions.is_empty() && positions.len() != context.subtasks as usize {
        let message = format!(
            "`{}`: the checkpoint has {} subtasks and the spec {}; restore the old value of `partitions`, or start over with `--fresh`",
            context.node,
            positions.len(),
            context.subtasks
        );
        return Err(ConnectorError::new(ErrorKind::Conflict, message));
    }
    let look = context.ownership == Ownership::Look;
    let place = Subscriber { clients, host, emulated: options.is_emulator(), stream };
    let (path, from) = if look {
        place.temporary(&context.start).await?
    } else {
        place.lasting(context, positions.is_empty()).await?
    };
    let most = (
        options.max_outstanding_messages as usize,
        usize::try_from(options.max_outstanding_bytes.0.min(context.memory)).unwrap_or(usize::MAX).max(1),
    );
    let way = clients.way(host).await?;
    let pull = clients
        .subscriber(way.as_ref())
        .await?
        .subscribe(&path)
        .set_max_lease(options.max_lease.0)
        .set_max_lease_extension(options.ack_deadline.0)
        .set_max_outstanding_messages(most.0 as i64)
        .set_max_outstanding_bytes(i64::try_from(most.1).unwrap_or(i64::MAX))
        .set_shutdown_behavior(ShutdownBehavior::NackImmediately)
        .build();
    let farewell = look.then(|| {
        let (clients, path) = (clients.clone(), path.clone());
        async move { subscriptions::delete(&clients, &path).await }.boxed()
    });
    let demultiplexer = Arc::new(Demultiplexer::new(host, &path, (pull, way), context.subtasks, most, farewell));
    let manner = Manner {
        node: context.node.clone(),
        look,
        quiet: options.quiet.0,
        keeps_ids: matches!(context.ownership, Ownership::Owned { .. }),
        from: None,
    };
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let keep_done = micros(stream.options.dedup_for());
    // A record that nobody acknowledged comes again within its lease; a lease may have begun just before.
    let keep_open = keep_done.saturating_add(micros(options.max_lease.0));
    let mut subtasks: Vec<Box<dyn SourceReader>> = Vec::new();
    for number in 0..context.subtasks {
        let mut from = from;
        let mut ids = Ids::new(keep_done, keep_open, context.subtasks);
        if let Some(position) = positions.get(number as usize) {
            let position = subtask::restored(&context.node, position)?;
            from = position.from;
            ids.restore(&position, demultiplexer.active_time.now()).ok_or_else(|| {
                let message =
                    format!("`{}`: the ids in the checkpoint cannot be read; start over with `--fresh`", context.node);
                ConnectorError::new(ErrorKind::Invalid, message)
            })?;
        }
        subtasks.push(Box::new(Subtask::new(
            number,
            Arc::clone(&demultiplexer),
            Manner { from, ..manner.clone() },
            ids,
        )));
    }
    Ok(subtasks)
}

/// A stream, seen by somebody who begins to read it.
struct Subscriber<'a> {
    clients: &'a Clients,
    host: &'a Host,
    emulated: bool,
    stream: &'a Stream,
}

/// A subscription, and the moment before which its records are passed over (at an emulator only).
type Begun = (String, Option<Micros>);

impl Subscriber<'_> {
    /// The subscription of a group.
    async fn lasting(&self, context: &ConsumerContext, first: bool) -> Result<Begun, ConnectorError> {
        let (clients, stream) = (self.clients, self.stream);
        let path = stream.subscription_of(&clients.project, &context.group)?;
        let owned = matches!(context.ownership, Ownership::Owned { .. });
        let there = subscriptions::get(clients, &path).await?;
        if there.is_none() && stream.existing && stream.subscription.is_some() {
            let message = format!(
                "`{}`: there is no subscription `{}`; create it, or remove `subscription` so that pipectl creates one",
                context.node,
                names::short(&path)
            );
            return Err(ConnectorError::new(ErrorKind::NotFound, message));
        }
        // Making it and setting it to where reading begins are two calls: until the second is done, a label says so, and
        // whoever comes sets it. (The emulator knows no labels that change.)
        let snapshot = stream.options.snapshot.as_deref();
        let unset = !self.emulated && (snapshot.is_some() || context.start != StartAt::Latest);
        let left_unset = there.as_ref().is_some_and(|subscription| subscription.labels.contains_key(names::UNSET));
        // A single owner whose first try was answered too late made it all the same.
        let made = subscriptions::create(clients, stream, &path, unset).await? || (there.is_none() && owned);
        let is_made = made || left_unset;
        let ours = is_made || (owned && there.is_some_and(|subscription| is_ours(&subscription.labels)));
        let from = match context.start {
            // Others read it already, or the checkpoint knows where to go on.
            _ if !ours || !first => None,
            _ if snapshot.is_some() => {
                replay::seek_to_snapshot(clients, &path, snapshot.unwrap_or_default()).await?;
                None
            }
            StartAt::Time(at) => self.begin_at(&path, at, made).await?,
            StartAt::Latest => self.begin_now(&path, made).await?,
            StartAt::Earliest => self.begin_with_the_oldest(&path, made).await?,
            StartAt::Positions(_) => None,
        };
        if unset && is_made {
            subscriptions::note_set(clients, &path).await?;
        }
        Ok((path, from))
    }

    /// A subscription for a look.
    async fn temporary(&self, start: &StartAt) -> Result<Begun, ConnectorError> {
        let name = format!("{}{}", names::LOOK, self.host.id("look"));
        let path = names::path(&self.clients.project, "subscriptions", &name)?;
        subscriptions::create_for_look(self.clients, self.stream, &path).await?;
        let set = match start {
            StartAt::Time(at) => self.begin_at(&path, *at, true).await,
            StartAt::Earliest => self.begin_with_the_oldest(&path, true).await,
            StartAt::Latest | StartAt::Positions(_) => self.begin_now(&path, true).await,
        };
        match set {
            Ok(from) => Ok((path, from)),
            Err(error) => {
                // It would expire by itself.
                if let Err(also) = subscriptions::delete(self.clients, &path).await {
                    tracing::debug!("{also}");
                }
                Err(error)
            }
        }
    }

    /// Sets a subscription to a moment. Google's emulator cannot: there a new subscription begins with the oldest record
    /// that the topic keeps, and what came before the moment is passed over.
    async fn begin_at(&self, path: &str, at: Micros, made: bool) -> Result<Option<Micros>, ConnectorError> {
        if !self.emulated {
            replay::seek_to_time(self.clients, path, at).await?;
            return Ok(None);
        }
        if !made {
            self.make_anew(path).await?;
        }
        Ok(Some(at))
    }

    /// Google's emulator lets a new subscription begin with the oldest record, and sets none back.
    async fn make_anew(&self, path: &str) -> Result<(), ConnectorError> {
        subscriptions::delete(self.clients, path).await?;
        subscriptions::create(self.clients, self.stream, path, false).await.map(drop)
    }

    /// Sets a subscription to this moment.
    async fn begin_now(&self, path: &str, made: bool) -> Result<Option<Micros>, ConnectorError> {
        match (self.emulated, made) {
            // A new subscription of the service begins with what comes from now on.
            (false, true) => Ok(None),
            // The emulator cuts times to milliseconds.
            (true, _) => Ok(Some(self.host.now() / 1_000 * 1_000)),
            (false, false) => self.begin_at(path, self.host.now(), made).await,
        }
    }

    /// Sets a subscription back to the oldest record that the topic keeps.
    async fn begin_with_the_oldest(&self, path: &str, made: bool) -> Result<Option<Micros>, ConnectorError> {
        if self.emulated {
            if !made {
                self.make_anew(path).await?;
            }
            return Ok(None);
        }
        let topic = topics::get(self.clients, self.stream).await?;
        let kept = topic.and_then(|topic| plain(topic.message_retention_duration));
        let Some(kept) = kept.filter(|kept| !kept.is_zero()) else {
            tracing::warn!(
                topic = self.stream.name,
                "the topic keeps no records (its message retention is not set): only new records are read"
            );
            return Ok(None);
        };
        let oldest = self.host.now().saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX)).max(0);
        replay::seek_to_time(self.clients, path, oldest).await?;
        Ok(None)
    }
}
