//! The hash that sends a key to a partition and a group to a worker. It is part of a checkpoint's meaning, so it is
//! fixed and has a version; a library's default hash would change under our feet.

/// The version that new state is written with; a checkpoint of another version is refused.
pub const VERSION: u32 = 1;

/// Version 1: XXH3 with 64 bits and seed 0 (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>) of the
/// key's bytes.
pub fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// The partition of a key among `partitions`, by multiplication instead of division
/// (Lemire, <https://arxiv.org/abs/1805.10941>). `partitions` must not be 0.
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    ((u128::from(hash(key)) * u128::from(partitions)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_fixed_for_ever() {
        assert_eq!(hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(partition(b"sensor-003", 4), partition(b"sensor-003", 4));
        let mut seen = [0_u32; 4];
        for key in 0..1000 {
            seen[partition(format!("sensor-{key:03}").as_bytes(), 4) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 200), "{seen:?}");
    }
}
