//! The alarm of workers: a shard that no worker reads is reported, once until it is read.

use std::time::Duration;

use pipectl_contract::{Ownership, SourceReader, StartAt};
use pipectl_peers::{
    Warnings,
    proxy::{Http, Then, When},
};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, connect, options, read_until},
    peers,
};

/// Drives a subtask for so many seconds.
async fn wait(subtask: &mut Box<dyn SourceReader>, seen: &mut Seen, seconds: u64) {
    let until = std::time::Instant::now() + Duration::from_secs(seconds);
    read_until(subtask, seen, |_| std::time::Instant::now() >= until).await;
}

#[test]
fn a_shard_that_no_worker_can_take_is_reported_once() {
    let (kinesis, dynamo) = peers!();
    let way = pipectl_peers::need!(Http::start(dynamo.endpoint()));
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let reported = || warnings.about("no worker has read this shard");
    // One thread, so that all that is reported is reported here.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let mut options = options(kinesis.endpoint(), &way.endpoint());
        options.lease = pipectl_data::units::Duration::from_secs(1);
        let bench = Bench { connection: connect(options).await, ..bench };
        way.on(When::target("UpdateItem"), Then::aws_error("ConditionalCheckFailedException", "somebody was quicker"));
        let mut subtasks = bench.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen = Seen::default();
        wait(&mut subtasks[0], &mut seen, 4).await;
        assert_eq!(reported(), [""; 0], "it is not long yet");
        wait(&mut subtasks[0], &mut seen, 5).await;
        let once = reported();
        assert_eq!(once.len(), 1, "{once:?}");
        assert!(once[0].contains("shard=0 ") && once[0].contains("seconds=5 "), "{once:?}");
        way.pass();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.has("opened 0")).await;
        assert_eq!(reported().len(), 1);
        subtasks[0].close().await.unwrap();
    });
}
