//! A broker that goes and comes back in mid-run: producer and reader go on by themselves.

use crate::lab::{Seen, batch, borrowed, close, consuming, drive, numbered, on};
use pipectl_contract::Ownership;

#[test]
fn a_broker_that_restarts_in_mid_run_loses_and_repeats_nothing() {
    let kafka = pipectl_peers::need!(pipectl_peers::Kafka::start());
    on(kafka.endpoint(), async |lab| {
        let target = lab.stream("restart", 3).await;
        for ownership in [Ownership::Owned { positions: Vec::new() }, Ownership::Shared] {
            let group = format!("{}-{}", target.name, matches!(ownership, Ownership::Shared));
            let mut context = consuming(&group, 2, ownership);
            context.start = pipectl_contract::StartAt::Latest;
            let mut readers = lab.readers(&target, context).await;
            let mut seen = Seen::default();
            drive(&mut readers, &mut seen, |seen| seen.opened.len() == 3).await;
            let mut producer = lab.producer(&target).await;
            producer.write(&batch(&borrowed(&numbered(0..1_000, 13)))).await.unwrap();
            drive(&mut readers, &mut seen, |seen| seen.records.len() >= 500).await;
            // While the broker is away, more is written.
            tokio::task::block_in_place(|| kafka.stop());
            producer.write(&batch(&borrowed(&numbered(1_000..2_000, 13)))).await.unwrap();
            tokio::task::block_in_place(|| kafka.resume());
            producer.checkpoint().await.unwrap();
            drive(&mut readers, &mut seen, |seen| seen.records.len() >= 2_000).await;
            for reader in &mut readers {
                let position = reader.position();
                reader.committed(&position).await.unwrap();
            }
            close(readers).await;
            assert_eq!(seen.numbers(), (0..2_000).collect::<Vec<_>>());
            for (key, payloads) in seen.by_key() {
                let numbers: Vec<u32> = payloads.iter().map(|payload| payload.parse().unwrap()).collect();
                assert!(numbers.is_sorted(), "key {key} is out of order");
            }
        }
    });
}
