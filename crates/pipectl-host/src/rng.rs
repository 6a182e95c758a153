//! Seeded random numbers whose values are the same on every machine and in every version.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// `ChaCha` with 8 rounds (<https://cr.yp.to/chacha.html>): fast, and its output is fixed by its definition, which a
/// library's "default" generator does not promise.
#[derive(Debug, Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The numbers that follow from a seed and a purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): fixed for ever, unlike the standard library's hasher.
        let purpose = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 if `bound` is 0. The bias of the multiplication method is below 2^-32 for bounds
    /// below 2^32 (Lemire, <https://arxiv.org/abs/1805.10941>), nothing that generated test data could show.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A draw from the standard normal distribution (Box and Muller 1958, <https://doi.org/10.1214/aoms/1177706645>).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}
