//! Random moments and choices that can be had again: the seed is printed, and `PIPECTL_TEST_SEED` sets it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pipectl_host::Rng;

/// Seeded chance.
pub(crate) struct Probability(Rng);

impl Probability {
    /// For one test. Other seeds in every run, so that many runs try many moments.
    pub(crate) fn new(test: &str) -> Self {
        let given = std::env::var("PIPECTL_TEST_SEED").ok();
        let seed = given.map_or_else(
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64),
            |text| text.parse().expect("PIPECTL_TEST_SEED is a number"),
        );
        println!("{test}: to have the same random choices again, set PIPECTL_TEST_SEED={seed}");
        Self(Rng::new(seed, test))
    }

    /// A time between the two.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + to.saturating_sub(from).mul_f64(self.0.unit())
    }
}
