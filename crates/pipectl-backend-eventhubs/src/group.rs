//! Workers that share a stream: each claims partitions in Blob storage, renews its claims, and gives way to others, as the
//! official processors do.
//!
//! A claim is alive as long as its blob changes; how long ago that was, each worker measures on its own clock, so clocks
//! need not agree. A checkpoint names the version that it replaces, and whoever claims a partition first writes its
//! checkpoint anew: what a former owner still wants to write then fails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use pipectl_contract::ErrorKind;
use pipectl_data::Micros;
use pipectl_host::{Host, JoinHandle};
use tokio::sync::Notify;

use crate::{
    balance,
    blobs::Blobs,
    error::Failure,
    position::{Mark, Position},
    pump::Start,
};

/// A partition that this worker owns.
#[derive(Debug, Clone)]
struct Owned {
    claim: String,
    mark: Option<Mark>,
    mark_version: String,
    renewed: Micros,
}

/// A claim of somebody, and since when it has not changed.
#[derive(Debug, Clone)]
struct Seen {
    owner: String,
    version: String,
    since: Micros,
}

#[derive(Debug, Default)]
struct State {
    owned: BTreeMap<u32, Owned>,
    seen: BTreeMap<u32, Seen>,
    closing: bool,
    /// Why the balance cannot be kept.
    failure: Option<String>,
}

/// This worker as a member of the group.
#[derive(Clone)]
pub(crate) struct Group {
    host: Host,
    blobs: Blobs,
    me: String,
    partitions: Arc<AtomicU32>,
    start: Start,
    lease: Duration,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    /// Held while claims are written: one that is given up during its renewal would stay ours.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Ends the renewal when the last subtask is dropped; nothing else is asked of it.
    renewal: Option<Arc<Renewal>>,
}

struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Group {
    /// Joins. The first claims are made before it returns.
    pub(crate) async fn join(
        host: &Host,
        blobs: Blobs,
        partitions: u32,
        start: Start,
        lease: Duration,
    ) -> Result<Self, Failure> {
        let mut group = Self {
            host: host.clone(),
            blobs,
            me: host.id("event hubs owner"),
            partitions: Arc::new(AtomicU32::new(partitions)),
            start,
            lease,
            state: Arc::default(),
            changed: Arc::default(),
            writing: Arc::default(),
            renewal: None,
        };
        group.balance().await?;
        let member = group.clone();
        group.renewal = Some(Arc::new(Renewal(host.spawn(async move { member.keep().await }))));
        Ok(group)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many partitions there are now; the next balance deals out the new ones.
    pub(crate) fn grow(&self, partitions: u32) {
        self.partitions.fetch_max(partitions, Ordering::Relaxed);
    }

    fn partitions(&self) -> u32 {
        self.partitions.load(Ordering::Relaxed)
    }

    /// Something has changed among the partitions.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The partitions of a subtask, and where reading them begins.
    pub(crate) fn owned(&self, subtask: u32, subtasks: u32) -> BTreeMap<u32, Start> {
        let state = self.state();
        let mine = state.owned.iter().filter(|(number, _)| **number % subtasks == subtask);
        mine.map(|(number, owned)| (*number, owned.mark.clone().map_or_else(|| self.start.clone(), Start::After)))
            .collect()
    }

    /// Somebody else reads the partition now.
    pub(crate) fn lose(&self, partition: u32) {
        self.state().owned.remove(&partition);
        self.changed.notify_waiters();
    }

    /// Writes checkpoints of what is still owned.
    pub(crate) async fn commit(&self, position: &Position) -> Result<(), Failure> {
        for (number, mark) in &position.partitions {
            let Some(owned) = self.state().owned.get(number).cloned() else { continue };
            if mark.sequence < 0 || owned.mark.as_ref().is_some_and(|known| !known.gives_way_to(mark)) {
                continue;
            }
            let written = self.blobs.put_mark(*number, Some(mark), Some(&owned.mark_version)).await?;
            match written {
                Some(version) => {
                    if let Some(owned) = self.state().owned.get_mut(number) {
                        owned.mark = Some(mark.clone());
                        owned.mark_version = version;
                    }
                }
                // Fenced: a new owner has written since.
                None => self.lose(*number),
            }
        }
        Ok(())
    }

    /// Gives up the partitions of a subtask, so that others need not wait for the lease to run out.
    pub(crate) async fn release(&self, subtask: u32, subtasks: u32) -> Result<(), Failure> {
        let _alone = self.writing.lock().await;
        let mine: Vec<(u32, Owned)> = {
            let mut state = self.state();
            state.closing = true;
            let numbers: Vec<u32> =
                state.owned.keys().filter(|number| **number % subtasks == subtask).copied().collect();
            numbers.into_iter().filter_map(|number| state.owned.remove_entry(&number)).collect()
        };
        for (number, owned) in mine {
            // Lost to somebody else already: as good.
            self.blobs.put_claim(number, "", Some(&owned.claim)).await?;
        }
        Ok(())
    }

    /// Renews and balances for as long as the subtasks live.
    async fn keep(&self) {
        let third = self.lease / 3;
        loop {
            self.host.sleep(third).await;
            let result = self.balance().await;
            let mut lost = false;
            {
                let mut state = self.state();
                state.failure = result.as_ref().err().map(|failure| failure.text.clone());
                let oldest = self.host.now().saturating_sub(self.lease.as_micros() as Micros);
                state.owned.retain(|_, owned| {
                    let alive = owned.renewed > oldest;
                    lost |= !alive;
                    alive
                });
            }
            if let Err(failure) = result {
                tracing::warn!("ownership of partitions cannot be renewed: {}", failure.text);
            }
            if lost {
                self.changed.notify_waiters();
            }
        }
    }

    async fn balance(&self) -> Result<(), Failure> {
        let _alone = self.writing.lock().await;
        let mut changed = self.renew().await?;
        for partition in 0..self.partitions() {
            let claim = self.blobs.claim(partition).await?;
            let now = self.host.now();
            let mut state = self.state();
            match claim {
                None => {
                    state.seen.remove(&partition);
                }
                Some(claim) => {
                    let known = state.seen.get(&partition).filter(|seen| seen.version == claim.version);
                    let since = known.map_or(now, |seen| seen.since);
                    state.seen.insert(partition, Seen { owner: claim.owner, version: claim.version, since });
                }
            }
        }
        let (wanted, versions) = self.decide();
        for partition in wanted {
            changed |= self.take(partition, versions.get(&partition).map(String::as_str)).await?;
        }
        if changed {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    fn decide(&self) -> (Vec<u32>, BTreeMap<u32, String>) {
        let now = self.host.now();
        let state = self.state();
        if state.closing {
            return Default::default();
        }
        let alive =
            |seen: &Seen| !seen.owner.is_empty() && now.saturating_sub(seen.since) < self.lease.as_micros() as Micros;
        let mut owners: BTreeMap<u32, String> = state
            .seen
            .iter()
            .filter(|(_, seen)| seen.owner != self.me && alive(seen))
            .map(|(number, seen)| (*number, seen.owner.clone()))
            .collect();
        owners.extend(state.owned.keys().map(|number| (*number, self.me.clone())));
        let order = self.host.rng(&format!("{} at {now}", self.me)).next_u64();
        let versions = state.seen.iter().map(|(number, seen)| (*number, seen.version.clone())).collect();
        (balance::claims(self.partitions(), &self.me, &owners, order), versions)
    }

    /// Renews what is owned; answers whether something was lost.
    async fn renew(&self) -> Result<bool, Failure> {
        let mine = self.state().owned.clone();
        let mut lost = false;
        for (number, owned) in mine {
            let renewed = self.blobs.put_claim(number, &self.me, Some(&owned.claim)).await?;
            let now = self.host.now();
            let mut state = self.state();
            match renewed {
                Some(version) => {
                    if let Some(owned) = state.owned.get_mut(&number) {
                        owned.claim = version;
                        owned.renewed = now;
                    }
                }
                None => lost |= state.owned.remove(&number).is_some(),
            }
        }
        Ok(lost)
    }

    /// Claims a partition; answers whether it is ours now.
    async fn take(&self, partition: u32, version: Option<&str>) -> Result<bool, Failure> {
        let now = self.host.now();
        let Some(claim) = self.blobs.put_claim(partition, &self.me, version).await? else { return Ok(false) };
        // A former owner may write between the two steps; then what it wrote counts and is read again.
        for _ in 0..10 {
            let found = self.blobs.mark(partition).await?;
            let (mark, version) = found.map_or((None, None), |(mark, version)| (mark, Some(version)));
            if let Some(mark_version) = self.blobs.put_mark(partition, mark.as_ref(), version.as_deref()).await? {
                let owned = Owned { claim, mark, mark_version, renewed: now };
                self.state().owned.insert(partition, owned);
                return Ok(true);
            }
        }
        Err(Failure::new(
            ErrorKind::Conflict,
            format!("the checkpoint of partition {partition} is constantly written by other programs"),
        ))
    }
}
