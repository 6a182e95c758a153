//! How far a group is behind. The service numbers no records, but it reports when the next one came in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use pipectl_contract::{ConnectorError, ErrorKind};

use super::fetch::{Job, Step};
use crate::{
    api::Api,
    leases::Leases,
    position::At,
    shards::{self, Shard},
    summary::micros,
};

/// Shards that are asked at the same time. Each takes one of the five reads a second that a shard allows.
const AT_ONCE: usize = 16;

/// How long the oldest record has been in a shard that the group has not committed, by shard; zero where none waits. Shards
/// of which the lease table holds no position of the group are left out.
///
/// # Errors
///
/// If the lease table or a shard cannot be read.
pub(crate) async fn behind(
    api: &Arc<Api>,
    stream: &str,
    group: &str,
) -> Result<BTreeMap<u32, Duration>, ConnectorError> {
    let rows = match Leases::new(api, group, stream).read(api).await {
        // Nobody has shared a stream yet.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read?,
    };
    let mut shards = shards::list(api, stream).await?;
    let name: Arc<str> = stream.into();
    let asked = rows.into_values().filter_map(|row| Some((shards.remove(&row.shard)?, row.at)));
    let waits = asked.map(|(shard, at)| {
        let (api, stream) = (Arc::clone(api), Arc::clone(&name));
        async move { Ok::<_, ConnectorError>((shard.number, wait(api, stream, shard, at).await?)) }
    });
    let all: Vec<_> = futures::stream::iter(waits).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().filter_map(|(shard, wait)| Some((shard, wait?))).collect())
}

async fn wait(api: Arc<Api>, stream: Arc<str>, shard: Shard, at: At) -> Result<Option<Duration>, ConnectorError> {
    if at == At::End {
        return Ok(Some(Duration::ZERO));
    }
    let shard = Arc::new(shard);
    let job = Job { api: Arc::clone(&api), stream, shard, at, next: None, consumer: None, limit: 1 };
    // What the service has forgotten meanwhile nobody can date.
    let Step::Records(fetched) = job.run().await? else { return Ok(None) };
    let arrival = fetched.records.first().and_then(|record| micros(record.approximate_arrival_timestamp()?));
    Ok(match arrival {
        // One that has just come waits too.
        Some(arrival) => Some(Duration::from_micros((api.host.now() - arrival).max(1_000) as u64)),
        None => fetched.behind,
    })
}
