//! The shards of a stream as the service lists them: their numbers, ranges and parents.

use std::collections::BTreeMap;

use aws_sdk_kinesis::types;
use pipectl_contract::{ConnectorError, ErrorKind};

use crate::{api::Api, error::CallError, hash::Range};

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) number: u32,
    pub(crate) id: String,
    /// The numbers of those that it came from; they may be gone.
    pub(crate) parents: Vec<u32>,
    pub(crate) open: bool,
    pub(crate) range: Range,
    /// The sequence number with which it began.
    pub(crate) starts: String,
}

/// The number in `shardId-000000000012`
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Shard.html>).
pub(crate) fn number(id: &str) -> Option<u32> {
    id.strip_prefix("shardId-")?.parse().ok()
}

impl Shard {
    pub(crate) fn read(shard: &types::Shard) -> Option<Self> {
        let range = shard.hash_key_range()?;
        let sequences = shard.sequence_number_range()?;
        let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
        Some(Self {
            number: number(shard.shard_id())?,
            id: shard.shard_id().to_owned(),
            parents: parents.into_iter().flatten().filter_map(number).collect(),
            open: sequences.ending_sequence_number().is_none(),
            range: Range::parse(range.starting_hash_key(), range.ending_hash_key())?,
            starts: sequences.starting_sequence_number().to_owned(),
        })
    }
}

/// Lists all shards that can still be read, by number.
pub(crate) async fn list(api: &Api, stream: &str) -> Result<BTreeMap<u32, Shard>, CallError> {
    let mut shards = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        let answer = api
            .call("ListShards", &format!("list the shards of stream `{stream}`"), || {
                let call = api.kinesis.list_shards();
                // The token names the stream; both together are refused.
                match &token {
                    Some(token) => call.next_token(token).send(),
                    None => call.stream_name(stream).send(),
                }
            })
            .await?;
        for shard in answer.shards() {
            let Some(shard) = Shard::read(shard) else {
                let message = format!(
                    "stream `{stream}` has a shard `{}` whose name or range pipectl cannot read",
                    shard.shard_id()
                );
                return Err(CallError { error: ConnectorError::new(ErrorKind::Internal, message), code: None });
            };
            shards.insert(shard.number, shard);
        }
        token = answer.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(shards);
        }
    }
}

/// The open shard that takes in a hash key.
pub(crate) fn taking(shards: &BTreeMap<u32, Shard>, hash: u128) -> Option<&Shard> {
    shards.values().find(|shard| shard.open && shard.range.contains(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_known_by_its_number() {
        assert_eq!(number("shardId-000000000012"), Some(12));
        assert_eq!(number("shardId-x"), None);
        assert_eq!(number("12"), None);
    }
}
