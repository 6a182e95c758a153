//! The aggregated record format of the Kinesis Producer Library: many user records in one, so that a shard's 1,000
//! records a second are no limit. Written after
//! <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>.

use std::collections::HashMap;

use md5::{Digest, Md5};
use prost::Message;

/// The first bytes of an aggregated record.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// The MD5 of the message, at the end.
const CHECKSUM: usize = 16;
/// At most so many bytes does the format spend on one record beside its data: tags and lengths of the record and its
/// three fields, five bytes each for the lengths.
const RECORD_OVERHEAD: usize = 24;
/// The same for one entry of a table of keys.
const KEY_OVERHEAD: usize = 6;

/// `AggregatedRecord` of the format.
#[derive(Clone, PartialEq, Message)]
struct Aggregated {
    #[prost(string, repeated, tag = "1")]
    partition_keys: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

/// `Record` of the format; its tags, which nobody uses, are read over.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, required, tag = "1")]
    partition_key: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// One record out of an aggregated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRecord {
    pub(crate) key: String,
    pub(crate) explicit_hash: Option<u128>,
    pub(crate) data: Vec<u8>,
}

/// Takes an aggregated record apart; `None` if it is none. What only looks like one (a wrong checksum, a key that is
/// not in the table) is a record as it stands, as the official libraries have it.
pub(crate) fn decode(data: &[u8]) -> Option<Vec<UserRecord>> {
    let body = data.strip_prefix(&MAGIC)?;
    let (message, checksum) = body.split_at_checked(body.len().checked_sub(CHECKSUM)?)?;
    if Md5::digest(message)[..] != *checksum {
        return None;
    }
    let aggregated = Aggregated::decode(message).ok()?;
    let entry = |table: &[String], index: u64| table.get(usize::try_from(index).ok()?).cloned();
    aggregated
        .records
        .into_iter()
        .map(|record| {
            let explicit_hash = match record.explicit_hash_key {
                Some(index) => Some(entry(&aggregated.explicit_hash_keys, index)?.parse().ok()?),
                None => None,
            };
            let key = entry(&aggregated.partition_keys, record.partition_key)?;
            Some(UserRecord { key, explicit_hash, data: record.data })
        })
        .collect()
}

/// Collects records into an aggregated one.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    message: Aggregated,
    keys: HashMap<String, u64>,
    size: usize,
}

impl Builder {
    /// The most that the result would take with one more record.
    pub(crate) fn size_with(&self, key: &str, explicit_hash: Option<u128>, data: usize) -> usize {
        let key = if self.keys.contains_key(key) { 0 } else { key.len() + KEY_OVERHEAD };
        // A hash key has at most 39 digits.
        let hash = explicit_hash.map_or(0, |_| 39 + KEY_OVERHEAD);
        MAGIC.len() + CHECKSUM + self.size + key + hash + data + RECORD_OVERHEAD
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, key: &str, explicit_hash: Option<u128>, data: &[u8]) {
        self.size = self.size_with(key, explicit_hash, data.len()) - MAGIC.len() - CHECKSUM;
        let partition_key = self.keys.get(key).copied().unwrap_or_else(|| {
            let index = self.message.partition_keys.len() as u64;
            self.message.partition_keys.push(key.to_owned());
            self.keys.insert(key.to_owned(), index);
            index
        });
        let explicit_hash_key = explicit_hash.map(|hash| {
            self.message.explicit_hash_keys.push(hash.to_string());
            self.message.explicit_hash_keys.len() as u64 - 1
        });
        self.message.records.push(Record { partition_key, explicit_hash_key, data: data.to_vec() });
    }

    /// The bytes of the aggregated record.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size + MAGIC.len() + CHECKSUM);
        bytes.extend(MAGIC);
        let message = self.message.encode_to_vec();
        let checksum = Md5::digest(&message);
        bytes.extend(message);
        bytes.extend(checksum);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Builder {
        let mut builder = Builder::default();
        builder.push("a", None, b"1");
        builder.push("b", Some(7), b"");
        builder.push("a", None, "ü".as_bytes());
        builder
    }

    #[test]
    fn what_goes_in_comes_out_and_fits_the_estimate() {
        let builder = some();
        let bytes = builder.finish();
        assert!(bytes.len() <= builder.size_with("a", None, 0), "{} bytes", bytes.len());
        let records = decode(&bytes).unwrap();
        let seen: Vec<_> = records.iter().map(|r| (r.key.as_str(), r.explicit_hash, r.data.as_slice())).collect();
        assert_eq!(seen, [("a", None, &b"1"[..]), ("b", Some(7), b""), ("a", None, "ü".as_bytes())]);
    }

    #[test]
    fn what_only_looks_aggregated_stays_whole() {
        let bytes = some().finish();
        let mut wrong_sum = bytes.clone();
        *wrong_sum.last_mut().unwrap() ^= 1;
        let mut dangling = Aggregated::default();
        dangling.records.push(Record { partition_key: 3, explicit_hash_key: None, data: vec![1] });
        let message = dangling.encode_to_vec();
        let dangling = [&MAGIC[..], &message, &Md5::digest(&message)[..]].concat();
        for data in [&b"{}"[..], b"", &MAGIC, &bytes[..20], &bytes[1..], &wrong_sum, &dangling] {
            assert_eq!(decode(data), None);
        }
    }
}
