//! Whether all regions of a pipeline are idle, as far as they run in this process.
//!
//! The time of an idle pipeline goes on. A region alone cannot know that its pipeline is idle: what comes before it may be
//! busy with records that it has not yet written to the stream between them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipectl_data::Micros;

/// Regions by number; since when each is idle, `None` while it is not.
type Regions = BTreeMap<usize, Option<Micros>>;

/// What the regions of one pipeline know of each other. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idleness(Arc<Mutex<Regions>>);

/// The place of one region in it, as long as it runs.
#[derive(Debug)]
pub(crate) struct RegionIdleness {
    all: Idleness,
    region: usize,
}

impl Idleness {
    /// A region that starts, and is not idle.
    pub(crate) fn join(&self) -> RegionIdleness {
        let mut regions = self.regions();
        let region = regions.last_key_value().map_or(0, |(last, _)| last + 1);
        regions.insert(region, None);
        drop(regions);
        RegionIdleness { all: self.clone(), region }
    }

    fn regions(&self) -> MutexGuard<'_, Regions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RegionIdleness {
    /// Says since when this region is idle, if it is; answers since when all are, if they are.
    pub(crate) fn set(&self, since: Option<Micros>) -> Option<Micros> {
        let mut regions = self.all.regions();
        regions.insert(self.region, since);
        regions.values().try_fold(Micros::MIN, |latest, since| Some(latest.max((*since)?)))
    }
}

impl Drop for RegionIdleness {
    fn drop(&mut self) {
        self.all.regions().remove(&self.region);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_only_while_all_regions_are_idle() {
        let all = Idleness::default();
        let first = all.join();
        assert_eq!(first.set(Some(5)), Some(5));
        let second = all.join();
        assert_eq!(first.set(Some(5)), None);
        assert_eq!(second.set(Some(9)), Some(9));
        assert_eq!(first.set(Some(5)), Some(9));
        assert_eq!(first.set(None), None);
        assert_eq!(second.set(Some(9)), None);
        drop(first);
        assert_eq!(second.set(Some(9)), Some(9), "a region that has ended holds nobody back");
        assert_eq!(all.join().set(Some(1)), Some(9));
    }
}
