//! The alarm of workers: a shard that no worker reads is told of, once until it is read.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use pipectl_contract::{Ownership, SourceReader, StartAt};
use pipectl_peers::proxy::{Http, Then, When};
use serde_json::json;
use tracing::{Event, Level, Metadata, Subscriber, field::Field, span};

use crate::{
    bench::{Bench, Seen, connect, options, read_until},
    peers,
};

/// Keeps the warnings of a thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("pipectl")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            write!(text, "{field}={value:?} ").unwrap();
        });
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Drives a lane for so many seconds.
async fn wait(lane: &mut Box<dyn SourceReader>, seen: &mut Seen, seconds: u64) {
    let until = std::time::Instant::now() + Duration::from_secs(seconds);
    read_until(lane, seen, |_| std::time::Instant::now() >= until).await;
}

#[test]
fn a_shard_that_no_worker_can_take_is_told_once() {
    let (kinesis, dynamo) = peers!();
    let way = pipectl_peers::need!(Http::start(dynamo.endpoint()));
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let told = || -> Vec<String> {
        let all = warnings.0.lock().unwrap().clone();
        all.into_iter().filter(|text| text.contains("no worker has read this shard")).collect()
    };
    // One thread, so that all that is told is told here.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let mut options = options(kinesis.endpoint(), &way.endpoint());
        options.lease = pipectl_data::units::Duration::from_secs(1);
        let bench = Bench { connection: connect(options).await, ..bench };
        way.on(When::target("UpdateItem"), Then::aws_error("ConditionalCheckFailedException", "somebody was quicker"));
        let mut lanes = bench.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen = Seen::default();
        wait(&mut lanes[0], &mut seen, 4).await;
        assert_eq!(told(), [""; 0], "it is not long yet");
        wait(&mut lanes[0], &mut seen, 5).await;
        let once = told();
        assert_eq!(once.len(), 1, "{once:?}");
        assert!(once[0].contains("shard=0 ") && once[0].contains("seconds=5 "), "{once:?}");
        way.pass();
        read_until(&mut lanes[0], &mut seen, |seen| seen.has("opened 0")).await;
        assert_eq!(told().len(), 1);
        lanes[0].close().await.unwrap();
    });
}
