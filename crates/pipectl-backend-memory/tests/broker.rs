//! What only a broker in memory has: names within the process, retention, and the hand-over of partitions step by step.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its helpers too")]

use std::{sync::Arc, time::Duration};

use pipectl_backend_memory::{Memory, MemoryOptions};
use pipectl_conformance::{Sample, batch};
use pipectl_contract::{
    Backend, ConnectContext, Connection, ConsumerContext, Ownership, ProducerContext, Read, SourceReader, StartAt,
    StreamTarget,
};
use pipectl_host::{Host, simulate};

async fn connect(broker: &str, host: &Host) -> Arc<dyn Connection> {
    let options = MemoryOptions { broker: Some(broker.into()), ..MemoryOptions::default() };
    let context = ConnectContext::new(host.clone(), "test", "test");
    Backend::connect(&Memory, options, context).await.unwrap()
}

fn target() -> StreamTarget {
    StreamTarget { existing: false, partitions: Some(4), ..StreamTarget::existing("s") }
}

async fn write(connection: &dyn Connection, samples: &[Sample]) {
    let context = ProducerContext::new("s", 1 << 20);
    connection.producer(&target(), context).await.unwrap().write(&batch(samples)).await.unwrap();
}

async fn consume(connection: &dyn Connection, ownership: Ownership) -> Vec<Box<dyn SourceReader>> {
    let context = ConsumerContext {
        node: "s".into(),
        group: "g".into(),
        subtasks: 2,
        ownership,
        start: StartAt::Earliest,
        memory: 1 << 20,
        checkpoint_every: Duration::from_secs(10),
    };
    connection.consumer(&target(), context).await.unwrap()
}

/// Reads until the readers are quiet; answers how many records came, and which partitions they have.
async fn drain(readers: &mut [Box<dyn SourceReader>]) -> (usize, Vec<u32>) {
    let (mut records, mut open) = (0, Vec::new());
    for reader in readers {
        loop {
            match reader.next().await.unwrap() {
                Read::Records(batch) => records += batch.len(),
                Read::Opened(partition) => open.push(partition),
                Read::Lost(partition) => open.retain(|known| *known != partition),
                Read::Quiet => break,
                _ => {}
            }
        }
    }
    open.sort_unstable();
    (records, open)
}

#[test]
fn a_name_leads_to_the_same_streams_within_the_process() {
    simulate(async {
        let host = Host::simulated(1, 0);
        connect("names", &host).await.create(&target()).await.unwrap();
        assert_eq!(connect("names", &host).await.list().await.unwrap(), ["s"]);
        assert!(connect("other names", &host).await.list().await.unwrap().is_empty());
    })
    .unwrap();
}

#[test]
fn records_go_by_the_retention_on_the_hosts_clock() {
    simulate(async {
        let host = Host::simulated(1, 0);
        let connection = connect("retention", &host).await;
        let (day, second) = (Duration::from_hours(24), Duration::from_secs(1));
        connection.create(&StreamTarget { retention: Some(day), ..target() }).await.unwrap();
        write(connection.as_ref(), &Sample::range(0, 100, 10)).await;
        host.sleep(day.saturating_sub(second)).await;
        write(connection.as_ref(), &Sample::range(100, 130, 10)).await;
        assert_eq!(drain(&mut consume(connection.as_ref(), Ownership::Look).await).await.0, 130);
        host.sleep(2 * second).await;
        assert_eq!(drain(&mut consume(connection.as_ref(), Ownership::Look).await).await.0, 30);
    })
    .unwrap();
}

#[test]
fn a_member_that_was_given_partitions_and_never_looked_lets_them_go() {
    simulate(async {
        let host = Host::simulated(1, 0);
        let connection = connect("groups", &host).await;
        connection.create(&target()).await.unwrap();
        write(connection.as_ref(), &Sample::range(0, 100, 20)).await;
        let mut first = consume(connection.as_ref(), Ownership::Shared).await;
        // One subtask of the first looks, which gives it all partitions; the other has not yet when the second joins.
        let opened = first[0].next().await.unwrap();
        assert!(matches!(opened, Read::Opened(0)), "{opened:?}");
        let mut second = consume(connection.as_ref(), Ownership::Shared).await;
        let mut all = 0;
        for _ in 0..4 {
            all += drain(&mut second).await.0 + drain(&mut first).await.0;
            for reader in first.iter_mut().chain(&mut second) {
                let position = reader.position();
                reader.committed(&position).await.unwrap();
            }
        }
        assert_eq!(all, 100);
        let state = connection.describe(&target(), Some("g")).await.unwrap().unwrap();
        assert!(state.partitions.iter().all(|partition| partition.lag == Some(0)), "{state:?}");
    })
    .unwrap();
}
