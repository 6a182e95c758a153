//! Keeps a worker's leases: renews them, takes those that nobody holds, asks for one of a worker that has too many.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pipectl_contract::{ConnectorError, StartAt};
use pipectl_host::Micros;

use super::{
    alarm::Alarm,
    group::{Group, Held, Mode, first_marks},
};
use crate::{
    leases::{Leases, Row},
    position::{At, Beginning, Mark},
};

/// Renewals within the time after which a silent worker's shards are taken: two may fail.
const BEATS: i64 = 3;
/// A worker that was asked for a shard may finish its checkpoint for so many times the length of a lease.
const PATIENCE: i64 = 3;
/// A shard that has had no reader for so many times the length of a lease is reported: any worker would have taken it.
const UNREAD: i64 = 5;

/// What was seen of a row, and since when it has stood so.
#[derive(Debug)]
struct Seen {
    fence: u64,
    beat: u64,
    since: Micros,
}

/// Runs until it is dropped, or until an error that its retries do not fix.
pub(super) async fn run(group: Arc<Group>, start: StartAt) {
    let mut keeper = Keeper::default();
    let every = group.api.options.lease.micros() / BEATS;
    loop {
        if let Err(error) = keeper.round(&group, &start).await {
            let stop = !error.is_retryable();
            tracing::warn!(stream = group.node, %error, "the leases could not be renewed");
            if stop {
                group.state().error = Some(error);
                group.changed.notify_waiters();
                return;
            }
        }
        group.changed.notify_waiters();
        group.api.host.sleep_until(group.api.host.now() + every).await;
    }
}

#[derive(Default)]
struct Keeper {
    seen: BTreeMap<u32, Seen>,
    /// Shards whose first row of all was this worker's, so that what it has pinned of them is the group's beginning.
    began: BTreeSet<u32>,
    alarm: Alarm,
    /// Shards that this worker has asked for, and when.
    asked: BTreeMap<u32, Micros>,
}

impl Keeper {
    async fn round(&mut self, group: &Group, start: &StartAt) -> Result<(), ConnectorError> {
        let Mode::Shared { leases, me } = &group.mode else { return Ok(()) };
        let api = &group.api;
        self.renew(group, leases, me).await?;
        let mut rows = leases.read(api).await?;
        if self.add_missing(group, leases, &rows, start).await? {
            rows = leases.read(api).await?;
        }
        let now = api.host.now();
        self.observe(&rows, now);
        self.reconcile(group, leases, &rows).await?;
        let silent = |seen: &Seen| now - seen.since >= api.options.lease.micros();
        let silent: BTreeSet<u32> =
            self.seen.iter().filter(|(_, seen)| silent(seen)).map(|(shard, _)| *shard).collect();
        let dead = |row: &Row| row.owner.is_none() || silent.contains(&row.shard);
        let (closing, takeable) = {
            let mut state = group.state();
            for row in rows.values() {
                if row.at == At::End {
                    state.done.insert(row.shard);
                }
            }
            let foreign = |row: &&Row| row.owner.as_ref().is_some_and(|owner| owner != me) && !dead(row);
            state.foreign = rows.values().filter(foreign).map(|row| row.shard).collect();
            let may_start = |row: &&Row| {
                let shard = state.shards.get(&row.shard);
                row.at != At::End && shard.is_some_and(|shard| state.may_start(shard))
            };
            (state.closing, rows.values().filter(may_start).cloned().collect::<Vec<_>>())
        };
        if closing {
            return Ok(());
        }
        self.share_out(group, leases, me, &takeable, &dead).await?;
        let held: BTreeSet<u32> = group.state().held.keys().copied().collect();
        let unread =
            takeable.iter().filter(|row| dead(row) && !held.contains(&row.shard)).map(|row| row.shard).collect();
        for (shard, waited) in self.alarm.look(&unread, now, UNREAD * api.options.lease.micros()) {
            let seconds = waited / 1_000_000;
            tracing::warn!(stream = group.node, shard, seconds, "no worker has read this shard for long");
        }
        Ok(())
    }

    async fn renew(&mut self, group: &Group, leases: &Leases, me: &str) -> Result<(), ConnectorError> {
        let held: Vec<(u32, u64)> = group.state().held.iter().map(|(shard, held)| (*shard, held.fence)).collect();
        for (shard, fence) in held {
            let id = format!("shardId-{shard:012}");
            let row = leases.renew(&group.api, &id, me, fence).await?;
            let mut state = group.state();
            // It may have been released in the meantime.
            let Some(held) = state.held.get_mut(&shard).filter(|held| held.fence == fence) else { continue };
            if let Some(row) = row {
                held.wanted = row.claim.is_some_and(|claim| claim != *me);
            } else {
                tracing::info!(stream = group.node, shard, "another worker has taken the shard");
                state.held.remove(&shard);
            }
        }
        Ok(())
    }

    /// Adds rows for shards that have none: all at a first start, later those that came from others, and those that a
    /// worker which fell at its first start has left out.
    async fn add_missing(
        &mut self,
        group: &Group,
        leases: &Leases,
        rows: &BTreeMap<u32, Row>,
        start: &StartAt,
    ) -> Result<bool, ConnectorError> {
        let missing: BTreeMap<_, _> = {
            let state = group.state();
            // A row of a shard that is done with goes when the shard does; an older listing does not bring it back.
            let missing = |shard: &u32| !rows.contains_key(shard) && !state.done.contains(shard);
            state.shards.iter().filter(|(shard, _)| missing(shard)).map(|(n, shard)| (*n, Arc::clone(shard))).collect()
        };
        let now = group.api.host.now();
        let known = Beginning::of(rows);
        let mut marks = match &known {
            Some(beginning) => beginning.marks(&missing, start, now, &group.node)?,
            None => first_marks(&missing, start, now, &group.node)?,
        };
        let is_first = known.is_none();
        let beginning = known.unwrap_or_else(|| Beginning::new(&missing, start, now));
        for (number, shard) in &missing {
            let mark = marks.remove(number).unwrap_or_default();
            let added = leases.add(&group.api, &shard.id, &mark, &beginning).await?;
            if is_first && added {
                self.began.insert(*number);
            } else if is_first {
                // Another worker begins at the same moment. Its beginning is the group's, which the next round goes by.
                break;
            }
        }
        group.state().pinned.retain(|shard, _| self.began.contains(shard));
        Ok(!missing.is_empty())
    }

    fn observe(&mut self, rows: &BTreeMap<u32, Row>, now: Micros) {
        self.seen.retain(|shard, _| rows.contains_key(shard));
        for row in rows.values() {
            let seen = self.seen.entry(row.shard).or_insert(Seen { fence: row.fence, beat: row.beat, since: now });
            if (seen.fence, seen.beat) != (row.fence, row.beat) {
                *seen = Seen { fence: row.fence, beat: row.beat, since: now };
            }
        }
    }

    /// Rows of shards that the stream does not list any more.
    async fn reconcile(&self, group: &Group, leases: &Leases, rows: &BTreeMap<u32, Row>) -> Result<(), ConnectorError> {
        let (listed, known): (bool, BTreeSet<u32>) = {
            let state = group.state();
            (state.listed_at > 0, state.shards.keys().copied().collect())
        };
        // A row may be newer than the listing: another worker has seen the shard first.
        let newest = known.last().copied().unwrap_or_default();
        for row in rows.values().filter(|row| listed && !known.contains(&row.shard) && row.shard <= newest) {
            if row.at == At::End {
                leases.remove(&group.api, row).await?;
            } else {
                group.data_loss(row.shard, &row.at, "the stream no longer has this shard")?;
                leases.end(&group.api, row).await?;
            }
        }
        Ok(())
    }

    async fn share_out(
        &mut self,
        group: &Group,
        leases: &Leases,
        me: &str,
        rows: &[Row],
        dead: impl Fn(&Row) -> bool,
    ) -> Result<(), ConnectorError> {
        let now = group.api.host.now();
        let lease = group.api.options.lease.micros();
        let mut load: BTreeMap<&str, usize> = BTreeMap::from([(me, 0)]);
        for row in rows.iter().filter(|row| !dead(row)) {
            if let Some(owner) = &row.owner {
                *load.entry(owner).or_default() += 1;
            }
            if let Some(claim) = &row.claim {
                load.entry(claim).or_default();
            }
        }
        let mine = |group: &Group| group.state().held.len();
        let fair = rows.len().div_ceil(load.len());
        self.asked.retain(|shard, _| rows.iter().any(|row| row.shard == *shard && row.claim.as_deref() == Some(me)));
        let mut took = false;
        for row in rows.iter().filter(|row| !group.state().held.contains_key(&row.shard)) {
            let for_me = row.claim.as_deref() == Some(me);
            // Whoever asked first has a while to come for what was released.
            let promised = row.claim.is_some()
                && !for_me
                && self.seen.get(&row.shard).is_some_and(|seen| now - seen.since < lease);
            let overdue = for_me && self.asked.get(&row.shard).is_some_and(|asked| now - asked > PATIENCE * lease);
            let free = dead(row) && !promised && (mine(group) < fair || for_me);
            // A former life of this very worker cannot be: its name is new each time.
            if (free || overdue)
                && let Some(row) = leases.take(&group.api, row, me).await?
            {
                tracing::info!(stream = group.node, shard = row.shard, from = %row.at, "took a shard");
                let held = Held { fence: row.fence, mark: row.mark(), wanted: false };
                let mut state = group.state();
                state.held.insert(row.shard, held);
                drop(state);
                self.asked.remove(&row.shard);
                took = true;
            }
        }
        if took || !self.asked.is_empty() || mine(group) >= fair {
            return Ok(());
        }
        // One at a time, from whoever has the most, if that makes things more even.
        let most = load.iter().filter(|(owner, _)| **owner != me).max_by_key(|(_, count)| **count);
        let Some((owner, _)) = most.filter(|(_, count)| **count > mine(group) + 1) else { return Ok(()) };
        let wanted = rows.iter().rev().find(|row| row.owner.as_deref() == Some(owner) && row.claim.is_none());
        if let Some(row) = wanted
            && leases.claim(&group.api, row, me).await?
        {
            tracing::info!(stream = group.node, shard = row.shard, "asked another worker for a shard");
            self.asked.insert(row.shard, now);
        }
        Ok(())
    }
}

/// Writes how far a subtask is; answers the shards that are this worker's no more.
pub(super) async fn commit(group: &Group, shards: &BTreeMap<u32, Mark>) -> Result<Vec<u32>, ConnectorError> {
    let Mode::Shared { leases, me } = &group.mode else { return Ok(vec![]) };
    let mut lost = Vec::new();
    for (&shard, mark) in shards {
        let Some(held) = group.state().held.get(&shard).cloned() else { continue };
        if mark.fence != Some(held.fence) {
            continue;
        }
        let release = mark.at == At::End;
        if !release && held.mark.at == mark.at {
            continue;
        }
        let id = format!("shardId-{shard:012}");
        let written = leases.checkpoint(&group.api, &id, me, held.fence, mark, release).await?;
        let mut state = group.state();
        if written && release {
            state.done.insert(shard);
        }
        if !written || release {
            state.held.remove(&shard);
        } else if let Some(held) = state.held.get_mut(&shard) {
            held.mark = mark.clone();
        }
        if !written {
            lost.push(shard);
        }
    }
    group.changed.notify_waiters();
    Ok(lost)
}

/// Gives shards up: those that were asked for, or all of a worker that leaves.
pub(super) async fn release(group: &Group, shards: &[u32]) -> Result<(), ConnectorError> {
    let Mode::Shared { leases, me } = &group.mode else { return Ok(()) };
    for shard in shards {
        let Some(held) = group.state().held.remove(shard) else { continue };
        leases.release(&group.api, &format!("shardId-{shard:012}"), me, held.fence).await?;
    }
    Ok(())
}

/// The error that the keeper stopped on, if it did.
pub(super) fn failure(group: &Group) -> Result<(), ConnectorError> {
    match &group.state().error {
        None => Ok(()),
        Some(error) => Err(ConnectorError::new(error.kind, error.message.clone())),
    }
}
