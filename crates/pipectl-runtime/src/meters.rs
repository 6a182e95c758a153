//! What a region measures beside its counts. Tasks add to it once for each batch; who watches the run reads it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use pipectl_data::Micros;
use pipectl_host::Host;
use pipectl_ir::metrics::{CheckpointMetrics, Durations, NodeMetrics, Queues};
use tokio::sync::Semaphore;

/// The meters of a region.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    nodes: Vec<NodeMeter>,
    checkpoints: Mutex<Option<CheckpointMetrics>>,
}

/// The meters of a node.
#[derive(Debug, Default)]
struct NodeMeter {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    refused: AtomicU64,
    state_bytes: AtomicU64,
    retries: AtomicU64,
    /// Set up while the tasks are built; later only read, but for the durations.
    ends: Mutex<Ends>,
}

/// What a node has at its ends.
#[derive(Debug, Default)]
struct Ends {
    reads: bool,
    writes: Option<Durations>,
    /// The room of each queue that leads to it, with its capacity.
    queues: Vec<(Arc<Semaphore>, u32)>,
    waits: Vec<Arc<Wait>>,
}

/// How long a task has waited for space in its queues.
#[derive(Debug)]
pub(crate) struct Wait {
    host: Host,
    /// The time of the waits that are over, and since when the present one lasts: a task that is stuck must be seen while
    /// it is. A lock will do, since nobody comes here who does not wait.
    time: Mutex<(u64, Option<Micros>)>,
}

/// A wait under way; it ends with this.
pub(crate) struct Waiting<'a>(&'a Wait);

impl Meters {
    /// For this many nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { nodes: (0..nodes).map(|_| NodeMeter::default()).collect(), checkpoints: Mutex::default() }
    }

    /// A node has readers; without one, it shows no bytes that were read.
    pub(crate) fn has_reader(&self, node: usize) {
        if let Some(mut ends) = self.ends(node) {
            ends.reads = true;
        }
    }

    /// A node has writers.
    pub(crate) fn has_writer(&self, node: usize) {
        if let Some(mut ends) = self.ends(node) {
            ends.writes.get_or_insert_default();
        }
    }

    /// A queue leads to a node.
    pub(crate) fn has_queue(&self, node: usize, room: Arc<Semaphore>, capacity: u32) {
        if let Some(mut ends) = self.ends(node) {
            ends.queues.push((room, capacity));
        }
    }

    /// A task begins with a node; what it waits for space counts as the node's.
    pub(crate) fn has_task(&self, node: usize, host: &Host) -> Arc<Wait> {
        let wait = Arc::new(Wait { host: host.clone(), time: Mutex::default() });
        if let Some(mut ends) = self.ends(node) {
            ends.waits.push(Arc::clone(&wait));
        }
        wait
    }

    /// Payload bytes were read.
    pub(crate) fn read(&self, node: usize, bytes: usize) {
        self.add(node, |meter| &meter.bytes_in, bytes as u64);
    }

    /// A writer took a batch.
    pub(crate) fn wrote(&self, node: usize, bytes: usize, took: Micros) {
        self.add(node, |meter| &meter.bytes_out, bytes as u64);
        if let Some(writes) = self.ends(node).as_mut().and_then(|ends| ends.writes.as_mut()) {
            writes.observe(took);
        }
    }

    /// Records that were counted as output were refused.
    pub(crate) fn refused(&self, node: usize, records: u64) {
        self.add(node, |meter| &meter.refused, records);
    }

    /// How many those are.
    pub(crate) fn refused_by(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |meter| meter.refused.load(Ordering::Acquire))
    }

    /// A call that failed for now is tried again.
    pub(crate) fn retried(&self, node: usize) {
        self.add(node, |meter| &meter.retries, 1);
    }

    /// An operator holds `now` bytes, and held `before`.
    pub(crate) fn state_changed(&self, node: usize, before: usize, now: usize) {
        if let Some(meter) = self.nodes.get(node) {
            // Wraps to the right sum whichever of two tasks comes first.
            meter.state_bytes.fetch_add((now as u64).wrapping_sub(before as u64), Ordering::Relaxed);
        }
    }

    /// The region keeps checkpoints, the last of them since this time.
    pub(crate) fn keeps_checkpoints(&self, last: Option<u64>, since: Micros) {
        *self.checkpoints() = Some(CheckpointMetrics { last, since_us: since, ..CheckpointMetrics::default() });
    }

    /// A checkpoint became durable.
    pub(crate) fn checkpoint(&self, id: u64, began: Micros, now: Micros, bytes: usize) {
        if let Some(checkpoints) = self.checkpoints().as_mut() {
            let took = now.saturating_sub(began).max(0);
            checkpoints.durations.observe(took);
            checkpoints.last = Some(id);
            checkpoints.last_duration_us = Some(took);
            checkpoints.last_bytes = Some(bytes as u64);
            checkpoints.since_us = now;
        }
    }

    /// A checkpoint could not be written.
    pub(crate) fn checkpoint_failed(&self) {
        if let Some(checkpoints) = self.checkpoints().as_mut() {
            checkpoints.failed += 1;
        }
    }

    /// What was measured of the checkpoints.
    pub(crate) fn of_checkpoints(&self) -> Option<CheckpointMetrics> {
        self.checkpoints().clone()
    }

    /// What was measured of a node, without what its counters know.
    pub(crate) fn of(&self, node: usize, now: Micros) -> NodeMetrics {
        let Some(meter) = self.nodes.get(node) else { return NodeMetrics::default() };
        let at = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let ends = meter.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queues = Queues::default();
        for (room, capacity) in &ends.queues {
            let used = (*capacity as usize).saturating_sub(room.available_permits());
            queues.add_queue(used as u64, u64::from(*capacity));
        }
        NodeMetrics {
            bytes_in: ends.reads.then(|| at(&meter.bytes_in)),
            bytes_out: ends.writes.is_some().then(|| at(&meter.bytes_out)),
            refused: at(&meter.refused),
            state_bytes: at(&meter.state_bytes),
            queues: (!ends.queues.is_empty()).then_some(queues),
            backpressure_us: ends.waits.iter().map(|wait| wait.total(now)).sum(),
            writes: ends.writes.clone(),
            retries: at(&meter.retries),
            ..NodeMetrics::default()
        }
    }

    fn add(&self, node: usize, number: impl Fn(&NodeMeter) -> &AtomicU64, more: u64) {
        if let Some(meter) = self.nodes.get(node) {
            number(meter).fetch_add(more, Ordering::Relaxed);
        }
    }

    fn ends(&self, node: usize) -> Option<MutexGuard<'_, Ends>> {
        Some(self.nodes.get(node)?.ends.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn checkpoints(&self) -> MutexGuard<'_, Option<CheckpointMetrics>> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    /// The task begins to wait.
    pub(crate) fn begin(&self) -> Waiting<'_> {
        self.time().1 = Some(self.host.now());
        Waiting(self)
    }

    /// How long it has waited, the present wait included.
    fn total(&self, now: Micros) -> u64 {
        let (total, since) = *self.time();
        total + since.map_or(0, |since| elapsed(since, now))
    }

    fn time(&self) -> MutexGuard<'_, (u64, Option<Micros>)> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = self.0.host.now();
        let mut time = self.0.time();
        if let Some(since) = time.1.take() {
            time.0 += elapsed(since, now);
        }
    }
}

fn elapsed(since: Micros, now: Micros) -> u64 {
    now.saturating_sub(since).max(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_is_seen_while_it_lasts_and_counts_once() {
        pipectl_host::simulate(async {
            let host = Host::simulated(1, 0);
            let meters = Meters::new(1);
            let wait = meters.has_task(0, &host);
            let waiting = wait.begin();
            host.sleep(Duration::from_secs(3)).await;
            assert_eq!(meters.of(0, host.now()).backpressure_us / 1_000_000, 3);
            drop(waiting);
            host.sleep(Duration::from_secs(5)).await;
            let waiting = wait.begin();
            host.sleep(Duration::from_secs(1)).await;
            drop(waiting);
            assert_eq!(meters.of(0, host.now()).backpressure_us / 1_000_000, 4);
        })
        .unwrap();
    }

    #[test]
    fn queues_and_state_show_what_is_in_use() {
        let meters = Meters::new(2);
        let rooms = [100, 300].map(|capacity| (Arc::new(Semaphore::new(capacity as usize)), capacity));
        for (room, capacity) in &rooms {
            meters.has_queue(1, Arc::clone(room), *capacity);
        }
        let _held = rooms[0].0.try_acquire_many(75).unwrap();
        let queues = meters.of(1, 0).queues.unwrap();
        assert_eq!((queues.bytes, queues.capacity, queues.fullest_ppm), (75, 400, 750_000));
        assert_eq!(meters.of(0, 0).queues, None);
        meters.state_changed(1, 0, 50);
        meters.state_changed(1, 0, 20);
        meters.state_changed(1, 50, 10);
        assert_eq!(meters.of(1, 0).state_bytes, 30);
        assert_eq!((meters.of(1, 0).bytes_in, meters.of(1, 0).writes), (None, None));
        meters.has_writer(1);
        meters.wrote(1, 7, 2_000);
        assert_eq!((meters.of(1, 0).bytes_out, meters.of(1, 0).writes.unwrap().count()), (Some(7), 1));
    }

    #[test]
    fn checkpoints_are_measured_only_where_they_are_kept() {
        let meters = Meters::new(0);
        meters.checkpoint(1, 0, 5, 10);
        assert_eq!(meters.of_checkpoints(), None);
        meters.keeps_checkpoints(Some(4), 100);
        meters.checkpoint(5, 200, 250, 10);
        meters.checkpoint_failed();
        let checkpoints = meters.of_checkpoints().unwrap();
        assert_eq!((checkpoints.last, checkpoints.since_us, checkpoints.failed), (Some(5), 250, 1));
        assert_eq!((checkpoints.last_duration_us, checkpoints.last_bytes), (Some(50), Some(10)));
    }
}
