//! Random numbers that belong to a record: found by its number alone, without drawing those of the records before it.

use pipectl_host::Rng;

/// A family of draws: one for each purpose of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(Rng::new(seed, purpose).next_u64())
    }

    /// The numbers that belong to `index`.
    pub(crate) fn at(self, index: u64) -> Draw {
        Draw(mix(self.0 ^ mix(index.wrapping_add(GAMMA))))
    }

    /// The numbers that belong to two indices.
    pub(crate) fn at_pair(self, first: u64, second: u64) -> Draw {
        Draw(mix(self.at(first).0 ^ mix(second.wrapping_add(GAMMA))))
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014, <https://doi.org/10.1145/2660193.2660195>): a step is an addition and a mix, and
/// its output is fixed by its definition. The starting points of records are spread by the same mix.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Draw {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`, which must not be the whole range of the type.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// Smaller numbers in `0..bound` more often than greater ones: the least of two.
    pub(crate) fn low_below(&mut self, bound: u64) -> u64 {
        let first = self.below(bound);
        first.min(self.below(bound))
    }

    /// A bell-shaped number of mean 0 and this standard deviation, never further out than 3.4 of them: the sum of
    /// four uniform numbers, since the logarithm and cosine of other methods differ between machines.
    pub(crate) fn bell(&mut self, deviation: i64) -> i64 {
        /// Of the sum: `sqrt(4 / 12) * 2^16`.
        const SUM_DEVIATION: i64 = 37_837;
        let bits = self.bits();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        (sum as i64 - 2 * 0xffff) * deviation / SUM_DEVIATION
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, chance: Probability) -> bool {
        chance.0 > 0 && self.bits() <= chance.0
    }

    /// One of `items`, which has a weight each; the weights' sum is `total`. The last if the weights fall short.
    pub(crate) fn weighted<'a, T>(&mut self, items: &'a [(u64, T)], total: u64) -> Option<&'a T> {
        let mut left = self.below(total);
        for (weight, item) in items {
            if left < *weight {
                return Some(item);
            }
            left -= weight;
        }
        items.last().map(|(_, item)| item)
    }

    /// One of `items`.
    pub(crate) fn pick<'a>(&mut self, items: &'a [&'static str]) -> &'a str {
        items.get(self.below(items.len() as u64) as usize).copied().unwrap_or_default()
    }
}

/// A probability that costs one comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probability(u64);

impl Probability {
    /// From a fraction between 0 and 1.
    pub(crate) fn new(fraction: f64) -> Self {
        // 2^64 is exact as a float, and the conversion saturates.
        Self((fraction * 18_446_744_073_709_551_616.0) as u64)
    }

    pub(crate) fn is_never(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for the state 1234567, as published with the reference implementation in C.
        let mut draw = Draw(1_234_567);
        assert_eq!(draw.bits(), 6_457_827_717_110_365_317);
        assert_eq!(draw.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bells_have_the_deviation_asked_for() {
        let key = Key::new(1, "test");
        let draws: Vec<i64> = (0..100_000).map(|index| key.at(index).bell(1000)).collect();
        let mean = draws.iter().sum::<i64>() / draws.len() as i64;
        let variance = draws.iter().map(|draw| draw * draw).sum::<i64>() / draws.len() as i64;
        assert!(mean.abs() < 15, "{mean}");
        assert!((980_000..1_020_000).contains(&variance), "{variance}");
    }

    #[test]
    fn chances_hold_at_both_ends_and_between() {
        let key = Key::new(1, "test");
        let count = |fraction| (0..10_000).filter(|index| key.at(*index).happens(Probability::new(fraction))).count();
        assert_eq!(count(0.0), 0);
        assert_eq!(count(1.0), 10_000);
        assert!((900..1100).contains(&count(0.1)), "{}", count(0.1));
    }
}
