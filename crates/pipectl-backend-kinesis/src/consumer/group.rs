//! What the subtasks of a consumer share: the shards, which of them are done with, and which this worker may read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipectl_contract::{ConnectorError, ErrorKind, StartAt};
use pipectl_host::Micros;
use tokio::sync::Notify;

use crate::{
    api::Api,
    leases::Leases,
    options::{KinesisStreamOptions, OnDataLoss},
    position::{self, At, Mark},
    shards::{self, Shard},
};

/// Whose shards they are.
#[derive(Debug)]
pub(super) enum Mode {
    /// All are this process's; a parent counts as done when a checkpoint holds its end.
    Owned,
    /// A look: a parent counts as done when it is read.
    Look,
    /// Those that this worker leases, under this name.
    Shared { leases: Leases, me: String },
}

/// A lease that this worker has.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) fence: u64,
    pub(super) mark: Mark,
    /// Another worker has asked for it.
    pub(super) wanted: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) shards: BTreeMap<u32, Arc<Shard>>,
    /// When the listing that gave them began.
    pub(super) listed_at: Micros,
    /// They should be listed anew.
    pub(super) relist: bool,
    /// A subtask lists them; others leave it to that one until then, since it may have come to its end meanwhile.
    pub(super) listing_until: Micros,
    /// Shards that are done with: their children may be read.
    pub(super) done: BTreeSet<u32>,
    /// Shards that a subtask has reported.
    pub(super) announced: BTreeSet<u32>,
    /// Subtasks that have come to their end.
    pub(super) finished: BTreeSet<u32>,
    /// What this worker leases.
    pub(super) held: BTreeMap<u32, Held>,
    /// What other workers lease.
    pub(super) foreign: BTreeSet<u32>,
    /// Iterators that were taken when the consumer opened, for a start with the newest.
    pub(super) pinned: BTreeMap<u32, String>,
    /// What stopped the keeper.
    pub(super) error: Option<ConnectorError>,
    /// The worker leaves: nothing new is taken.
    pub(super) closing: bool,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) api: Arc<Api>,
    pub(super) stream: Arc<str>,
    pub(super) node: String,
    pub(super) options: KinesisStreamOptions,
    pub(super) subtasks: u32,
    pub(super) memory: u64,
    pub(super) mode: Mode,
    /// The consumer of enhanced fan-out.
    pub(super) fan_out: Option<Arc<str>>,
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

impl Group {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the shards anew.
    pub(super) async fn list(self: Arc<Self>) -> Result<(), ConnectorError> {
        let began = self.api.host.now();
        let listed = shards::list(&self.api, &self.stream).await;
        {
            let mut state = self.state();
            state.listing_until = 0;
            let listed = listed?;
            state.shards.retain(|number, _| listed.contains_key(number));
            for (number, shard) in listed {
                // A shard that a reader holds stays the same one unless something has changed.
                if state.shards.get(&number).is_none_or(|known| **known != shard) {
                    state.shards.insert(number, Arc::new(shard));
                }
            }
            state.listed_at = began;
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// What to do about records that are gone: an error, or a warning and on.
    pub(super) fn data_loss(&self, shard: u32, at: &At, why: &str) -> Result<(), ConnectorError> {
        let message = format!(
            "shard {shard} of stream `{}` cannot be read further from `{at}`: {why}. Records may be lost",
            self.node
        );
        match self.options.on_data_loss {
            OnDataLoss::Fail => {
                let message = format!("{message}; set `on_data_loss: continue` to continue with the available records");
                Err(ConnectorError::new(ErrorKind::NotFound, message))
            }
            OnDataLoss::Continue => {
                tracing::warn!(stream = self.node, shard, "{message}");
                Ok(())
            }
        }
    }
}

impl State {
    /// Whether all that came before a shard is done with. A parent that is not listed is gone for good.
    pub(super) fn may_start(&self, shard: &Shard) -> bool {
        shard.parents.iter().all(|parent| self.done.contains(parent) || !self.shards.contains_key(parent))
    }

    /// The shards that came from this one.
    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = u32> {
        self.shards.values().filter(move |shard| shard.parents.contains(&parent)).map(|shard| shard.number)
    }
}

/// Where each shard begins when there is no position.
pub(super) fn first_marks(
    shards: &BTreeMap<u32, Arc<Shard>>,
    start: &StartAt,
    now: Micros,
    node: &str,
) -> Result<BTreeMap<u32, Mark>, ConnectorError> {
    let mut marks = BTreeMap::new();
    for shard in shards.values() {
        let at = match start {
            StartAt::Earliest => At::Start,
            StartAt::Latest if shard.open => At::Time(now),
            StartAt::Latest => At::End,
            StartAt::Time(time) => At::Time(*time),
            StartAt::Positions(positions) => match positions.get(&shard.number) {
                None => At::Start,
                Some(text) => position::parse_record(text).ok_or_else(|| {
                    let message = format!(
                        "`{text}` is not a position in shard {} of stream `{node}`: write SEQUENCE or SEQUENCE:SUB",
                        shard.number
                    );
                    ConnectorError::new(ErrorKind::Invalid, message)
                })?,
            },
        };
        marks.insert(shard.number, Mark { at, ..Mark::default() });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Range;

    fn shard(number: u32, parents: &[u32], open: bool) -> (u32, Arc<Shard>) {
        let range = Range { from: 0, to: u128::MAX };
        let id = format!("shardId-{number:012}");
        (number, Arc::new(Shard { number, id, parents: parents.to_vec(), open, range, starts: "1".into() }))
    }

    #[test]
    fn a_child_waits_for_all_its_parents() {
        let mut state =
            State { shards: BTreeMap::from([shard(0, &[], false), shard(1, &[], false)]), ..State::default() };
        let (_, merged) = shard(2, &[0, 1], true);
        assert!(!state.may_start(&merged));
        state.done.insert(0);
        assert!(!state.may_start(&merged));
        state.shards.remove(&1);
        assert!(state.may_start(&merged), "a parent that is gone holds nothing back");
    }

    #[test]
    fn a_start_with_the_newest_leaves_closed_shards_out() {
        let shards = BTreeMap::from([shard(0, &[], false), shard(1, &[0], true)]);
        let marks = first_marks(&shards, &StartAt::Latest, 7, "s").unwrap();
        assert_eq!((&marks[&0].at, &marks[&1].at), (&At::End, &At::Time(7)));
        let positions = StartAt::Positions(BTreeMap::from([(1, "55:2".to_owned())]));
        let marks = first_marks(&shards, &positions, 7, "s").unwrap();
        assert_eq!((&marks[&0].at, &marks[&1].at), (&At::Start, &At::On { sequence: "55".into(), sub: 2 }));
        let wrong = StartAt::Positions(BTreeMap::from([(1, "offset 3".to_owned())]));
        assert_eq!(first_marks(&shards, &wrong, 7, "s").unwrap_err().kind, ErrorKind::Invalid);
    }
}
