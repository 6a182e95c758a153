//! Kinesis, and a plain client of Amazon's SDK: it reads each shard as much as an answer holds and writes as much as a
//! request holds, all shards side by side. Records keep their keys, and so their shards and their order.

use std::time::Duration;

use aws_sdk_kinesis::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    primitives::{Blob, DateTime},
    types::{PutRecordsRequestEntry, Record, ShardIteratorType, StreamStatus},
};
use futures::{TryStreamExt as _, stream::FuturesUnordered};
use pipectl_peers::{Dynamo, Kinesis, Peer, Skip};
use serde_json::{Value, json};

use super::{PARTITIONS, cannot, load, race::Until, wait_for};

/// Records of one request to write (`PutRecords`).
const REQUEST: usize = 500;
/// Records of one answer to a request to read (`GetRecords`).
const ANSWER: i32 = 10_000;
/// How often the onlooker looks: seldom, since it must read what it counts.
const LOOK: Duration = Duration::from_millis(500);
/// How often a stream that comes to be is looked at.
const COMING: Duration = Duration::from_millis(20);

pub(super) struct Lab {
    server: Peer<Kinesis>,
    leases: Peer<Dynamo>,
}

impl Lab {
    /// Starts a server of its own, and one for the leases that pipectl takes.
    pub(super) fn open() -> Result<Self, Skip> {
        Ok(Self { server: Kinesis::start()?, leases: Dynamo::start()? })
    }

    fn client(&self) -> Client {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "bench"))
            .endpoint_url(self.server.endpoint());
        Client::from_conf(config.build())
    }
}

impl super::Lab for Lab {
    fn peer(&self) -> &'static str {
        "kinesis-mock (kinesis-local 0.6.2)"
    }

    fn backend(&self) -> Value {
        json!({
            "region": "us-east-1",
            "endpoint": self.server.endpoint(),
            "dynamodb_endpoint": self.leases.endpoint(),
            "credentials": { "access_key_id": "local", "secret_access_key": "local" },
        })
    }

    fn make(&self, stream: &str) -> Result<(), String> {
        wait_for(async {
            let client = self.client();
            let made = client.create_stream().stream_name(stream).shard_count(PARTITIONS as i32).send().await;
            made.map_err(cannot("make a stream"))?;
            loop {
                let seen = client.describe_stream_summary().stream_name(stream).send().await;
                let seen = seen.map_err(cannot("look at a stream"))?;
                if seen.stream_description_summary().is_some_and(|seen| *seen.stream_status() == StreamStatus::Active) {
                    return Ok(());
                }
                tokio::time::sleep(COMING).await;
            }
        })
    }

    fn fill(&self, stream: &str, records: u64) -> Result<(), String> {
        wait_for(async {
            let client = self.client();
            let all: Vec<_> = (0..records).map(load::record).collect();
            for part in all.chunks(REQUEST) {
                put(&client, stream, part.iter().map(|(key, payload)| (key.as_str(), payload.as_bytes().into())))
                    .await?;
            }
            Ok(())
        })
    }

    fn copy(&self, from: &str, to: &str, records: u64, _until: &Until) -> Result<(), String> {
        wait_for(async {
            let client = self.client();
            let shards = Shard::all(&client, from).await?;
            let copies: FuturesUnordered<_> = shards.into_iter().map(|shard| copy_shard(&client, shard, to)).collect();
            let counts: Vec<u64> = copies.try_collect().await?;
            let copied: u64 = counts.iter().sum();
            if copied == records { Ok(()) } else { Err(format!("the plain client has copied {copied} of {records}")) }
        })
    }

    /// Reads along and takes the service's own times of arrival, so that how fast it reads does not count.
    fn look(&self, stream: &str, records: u64, until: &Until) -> Result<f64, String> {
        wait_for(async {
            let client = self.client();
            let mut shards = Shard::all(&client, stream).await?;
            let (mut seen, mut first, mut last) = (0, f64::INFINITY, 0.0_f64);
            loop {
                for shard in &mut shards {
                    for record in shard.next(&client).await?.0 {
                        let at = record.approximate_arrival_timestamp().map_or(f64::NAN, DateTime::as_secs_f64);
                        (first, last) = (first.min(at), last.max(at));
                        seen += 1;
                    }
                }
                if seen >= records {
                    return if last > first {
                        Ok(seen as f64 / (last - first))
                    } else {
                        Err("all records came at once; give more `--records`".to_owned())
                    };
                }
                until.check_seen(seen, records)?;
                tokio::time::sleep(LOOK).await;
            }
        })
    }
}

/// A shard that is read.
struct Shard {
    iterator: Option<String>,
}

impl Shard {
    async fn all(client: &Client, stream: &str) -> Result<Vec<Self>, String> {
        let listed = client.list_shards().stream_name(stream).send().await.map_err(cannot("list shards"))?;
        let mut shards = Vec::new();
        for shard in listed.shards() {
            let call = client.get_shard_iterator().stream_name(stream).shard_id(shard.shard_id());
            let found = call.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
            shards.push(Self { iterator: found.map_err(cannot("find the first record"))?.shard_iterator });
        }
        Ok(shards)
    }

    /// What comes next, and whether it is all that there is for now.
    async fn next(&mut self, client: &Client) -> Result<(Vec<Record>, bool), String> {
        let call = client.get_records().set_shard_iterator(self.iterator.take()).limit(ANSWER);
        let answer = call.send().await.map_err(cannot("read a shard"))?;
        self.iterator = answer.next_shard_iterator;
        Ok((answer.records, answer.millis_behind_latest == Some(0)))
    }
}

/// The request that writes is under way while the next records are read.
async fn copy_shard(client: &Client, mut shard: Shard, to: &str) -> Result<u64, String> {
    let mut copied = 0;
    let (mut records, mut is_end) = shard.next(client).await?;
    loop {
        let write = async {
            for part in records.chunks(REQUEST) {
                put(
                    client,
                    to,
                    part.iter().map(|record| (record.partition_key().unwrap_or_default(), record.data().clone())),
                )
                .await?;
            }
            Ok::<_, String>(())
        };
        copied += records.len() as u64;
        if is_end {
            write.await?;
            return Ok(copied);
        }
        let ((), next) = futures::try_join!(write, shard.next(client))?;
        (records, is_end) = next;
    }
}

async fn put(client: &Client, stream: &str, records: impl Iterator<Item = (&str, Blob)>) -> Result<(), String> {
    let entries: Result<Vec<_>, _> =
        records.map(|(key, data)| PutRecordsRequestEntry::builder().partition_key(key).data(data).build()).collect();
    let entries = entries.map_err(cannot("make a request"))?;
    let answer = client.put_records().stream_name(stream).set_records(Some(entries)).send().await;
    match answer.map_err(cannot("write records"))?.failed_record_count() {
        None | Some(0) => Ok(()),
        Some(failed) => Err(format!("the peer has not taken {failed} records of a request; it is too slow for this")),
    }
}
