//! Where Kinesis puts a key: the MD5 of a partition key is a number, and each shard owns a range of those numbers.

use md5::{Digest, Md5};

/// A range of hash keys, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: u128,
    pub(crate) to: u128,
}

impl Range {
    /// From the decimal numbers that the service tells.
    pub(crate) fn parse(from: &str, to: &str) -> Option<Self> {
        Some(Self { from: from.parse().ok()?, to: to.parse().ok()? })
    }

    pub(crate) fn contains(self, hash: u128) -> bool {
        (self.from..=self.to).contains(&hash)
    }
}

/// The hash key of a partition key: its MD5 as a big-endian number
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html>).
pub(crate) fn of(key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(key.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_land_where_md5_says() {
        // `printf a | md5sum`
        assert_eq!(of("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
        let half = Range::parse("0", "170141183460469231731687303715884105727").unwrap();
        assert!(half.contains(of("a")) && !half.contains(u128::MAX));
        assert_eq!(Range::parse("0", "x"), None);
    }
}
