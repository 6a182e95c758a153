//! What a run measures beside its counts: plain numbers that the live view, the report and `--metrics` read.

use std::collections::BTreeMap;

use pipectl_data::Micros;

/// The upper bounds of [`Durations`] in microseconds, from a millisecond to a minute.
pub const BOUNDS: [Micros; 10] =
    [1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 60_000_000];

/// How long something took, each time it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Durations {
    /// How often it took at most the bound of the same place in [`BOUNDS`] and more than the one before; the last number is
    /// what took longer than all of them.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Adds one.
    pub fn observe(&mut self, took: Micros) {
        let place = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.sum_us += took.max(0).unsigned_abs();
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        for (bucket, others) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += others;
        }
        self.sum_us += other.sum_us;
    }
}

/// The queues that lead to a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Queues {
    /// Bytes that wait in them.
    pub bytes: u64,
    /// Bytes that they may hold.
    pub capacity: u64,
    /// The fill of the fullest of them, in parts of a million: one full queue stops its sender, whatever the others hold.
    pub fullest_ppm: u32,
}

impl Queues {
    /// Adds a queue with this many bytes of its capacity in use.
    pub fn add_queue(&mut self, bytes: u64, capacity: u64) {
        let fill = bytes.saturating_mul(1_000_000).checked_div(capacity).unwrap_or(0);
        self.add(&Self { bytes, capacity, fullest_ppm: u32::try_from(fill).unwrap_or(u32::MAX) });
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.capacity += other.capacity;
        self.fullest_ppm = self.fullest_ppm.max(other.fullest_ppm);
    }
}

/// What is measured of a node. Sums are those of this run, unlike counts, which go on from a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeMetrics {
    /// Payload bytes that its readers have read; `None` where it has no readers.
    pub bytes_in: Option<u64>,
    /// Bytes of the batches that its writers have taken; `None` where it has no writers.
    pub bytes_out: Option<u64>,
    /// Records that were counted as output and refused by the service later; their dead letters are counted as such.
    pub refused: u64,
    /// Dead letters of this run by the code of their reason, dropped records left out. Reports have them among the reasons.
    #[serde(skip)]
    pub dead_letters: BTreeMap<String, u64>,
    /// Records of this run that came too late for some of their windows and count in the others.
    #[serde(skip)]
    pub partly_late: u64,
    /// How far event time has come, in microseconds since 1970: the least of its tasks.
    pub watermark_us: Option<Micros>,
    /// Bytes of operator state.
    pub state_bytes: u64,
    /// What waits before it; `None` where no queue leads to it.
    pub queues: Option<Queues>,
    /// How long its tasks have waited for space in the queues behind them, in microseconds.
    pub backpressure_us: u64,
    /// How long its writers took for each batch; `None` where it has no writers.
    pub writes: Option<Durations>,
    /// How often its writers have tried a failed call again.
    pub retries: u64,
}

impl NodeMetrics {
    /// Adds what another region measured of the same node.
    pub fn add(&mut self, other: &Self) {
        self.bytes_in = sum(self.bytes_in, other.bytes_in);
        self.bytes_out = sum(self.bytes_out, other.bytes_out);
        self.refused += other.refused;
        self.partly_late += other.partly_late;
        self.watermark_us = [self.watermark_us, other.watermark_us].into_iter().flatten().min();
        self.state_bytes += other.state_bytes;
        self.backpressure_us += other.backpressure_us;
        self.retries += other.retries;
        for (reason, count) in &other.dead_letters {
            *self.dead_letters.entry(reason.clone()).or_default() += count;
        }
        if let Some(others) = &other.queues {
            self.queues.get_or_insert_default().add(others);
        }
        if let Some(others) = &other.writes {
            self.writes.get_or_insert_default().add(others);
        }
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.map_or(other, |one| Some(one + other.unwrap_or(0)))
}

/// What is measured of the checkpoints of a region in this run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CheckpointMetrics {
    /// How long each took, from its first barrier until it was durable.
    pub durations: Durations,
    /// How many could not be written.
    pub failed: u64,
    /// Number of the last one.
    pub last: Option<u64>,
    /// How long the last one took, in microseconds.
    pub last_duration_us: Option<Micros>,
    /// Bytes of state in the last one.
    pub last_bytes: Option<u64>,
    /// When the last one became durable, an earlier run's included, in microseconds since 1970; before there is one, when
    /// the run started.
    pub since_us: Micros,
}

/// What is measured of a region: a part of a pipeline with checkpoints of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RegionMetrics {
    /// Its name; empty where the pipeline is one region.
    pub region: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Its checkpoints; `None` where it writes none.
    pub checkpoints: Option<CheckpointMetrics>,
    /// Its memory budget in bytes.
    pub memory_budget: u64,
    /// Bytes in its queues and in its operator state.
    pub memory_used: u64,
}

/// How far a consumer group is behind the end of a partition, as the service says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionLag {
    /// The stream's node.
    pub node: String,
    /// The partition's number; empty for all of a stream that shows no partitions, `other` for all beyond those that are
    /// listed one by one.
    pub partition: String,
    /// Records that wait, where the service counts them.
    pub records: Option<u64>,
    /// How long the oldest of them has waited, in microseconds, where the service reports that.
    pub time_us: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_of_their_bound() {
        let mut durations = Durations::default();
        for took in [-5, 0, 1_000, 1_001, 60_000_000, 60_000_001] {
            durations.observe(took);
        }
        assert_eq!(durations.buckets, [3, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((durations.count(), durations.sum_us), (6, 120_002_002));
        let mut twice = durations.clone();
        twice.add(&durations);
        assert_eq!((twice.count(), twice.sum_us), (12, 240_004_004));
    }

    #[test]
    fn regions_of_one_node_add_up_and_the_fullest_queue_counts() {
        let mut queues = Queues::default();
        queues.add_queue(10, 100);
        queues.add_queue(90, 100);
        queues.add_queue(0, 0);
        assert_eq!(queues, Queues { bytes: 100, capacity: 200, fullest_ppm: 900_000 });
        let mut node = NodeMetrics { bytes_in: Some(5), watermark_us: Some(7), ..NodeMetrics::default() };
        let other = NodeMetrics { watermark_us: Some(3), queues: Some(queues), retries: 2, ..NodeMetrics::default() };
        node.add(&other);
        assert_eq!((node.bytes_in, node.bytes_out, node.watermark_us, node.retries), (Some(5), None, Some(3), 2));
        assert_eq!(node.queues, Some(queues));
    }
}
