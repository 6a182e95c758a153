//! How long records wait for a group: reported by the age of the next one, since the service numbers none.

use std::time::Duration;

use pipectl_contract::{Connection as _, Ownership, StartAt};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, numbered, read_until, refs, run},
    peers,
};

/// What is reported the shards, in their order.
async fn behind(bench: &Bench, group: Option<&str>) -> Vec<Option<Duration>> {
    let state = bench.connection.describe(&bench.stream, group).await.unwrap().unwrap();
    state.partitions.iter().map(|partition| partition.behind).collect()
}

#[test]
fn what_a_group_has_not_committed_grows_old() {
    let (kinesis, dynamo) = peers!();
    run(async {
        for aggregate in [false, true] {
            let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({ "aggregate": aggregate })).await;
            let reported = async || behind(&bench, Some("p.e.s")).await;
            assert_eq!(behind(&bench, None).await, [None, None], "nobody was asked about");
            assert_eq!(reported().await, [None, None], "there is no such group yet");

            bench.put(&refs(&numbered(40, 20))).await;
            let mut subtasks = bench.consumer(1, Ownership::Shared, StartAt::Earliest).await;
            let mut seen = Seen::default();
            read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() == 40).await;
            assert!(
                reported().await.iter().all(|wait| wait.is_some_and(|wait| !wait.is_zero())),
                "read, not committed"
            );
            let position = subtasks[0].position();
            subtasks[0].committed(&position).await.unwrap();
            assert_eq!(reported().await, [Some(Duration::ZERO); 2]);

            bench.put(&[(Some("one"), "more")]).await;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let mut waits = reported().await;
            waits.sort();
            assert_eq!(waits[0], Some(Duration::ZERO));
            let longest = waits[1].unwrap();
            assert!(longest > Duration::from_secs(1) && longest < Duration::from_mins(1), "{longest:?}");
            subtasks[0].close().await.unwrap();
        }
    });
}
