//! Writing: what arrives is what was sent, in the partition where every other client would put it; what can never arrive
//! is reported; memory is bounded.

use std::time::Duration;

use arrow_array::{BinaryViewArray, Int64Array};
use pipectl_contract::Ownership;
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};
use serde_json::json;

use crate::lab::{Seen, batch, borrowed, close, consuming, numbered, producing, until_end, with_kafka};

#[test]
fn keys_headers_tombstones_and_empty_values_arrive_as_they_are() {
    with_kafka(async |lab| {
        let target = lab.stream("envelope", 1).await;
        let numbers = Int64Array::from_iter_values(0..4);
        let payload = BinaryViewArray::from_iter([Some(&b"{}"[..]), None, Some(&b""[..]), Some(&[0, 255][..])]);
        let mut sent = Batch::raw(0, numbers.clone(), numbers, payload.clone(), PayloadFormat::Json);
        let keys = BinaryViewArray::from_iter([Some(&b"a"[..]), Some(&[0xff, 0][..]), None, Some(&b""[..])]);
        sent.keys = Some(keys.clone());
        let mut headers = HeadersBuilder::default();
        headers.end_record();
        headers.header("trace", Some(b"1"));
        headers.header("trace", None);
        headers.header("empty", Some(b""));
        headers.end_record();
        headers.end_record();
        headers.end_record();
        sent.headers = headers.finish();
        let mut producer = lab.producer(&target).await;
        assert_eq!(producer.write(&sent).await.unwrap(), []);
        producer.finish().await.unwrap();
        let got = lab.all(&target).await;
        let got = Batch::concat(&got.batches).unwrap().unwrap();
        assert_eq!(got.payload.as_ref(), Some(&payload));
        assert_eq!(got.keys.as_ref(), Some(&keys));
        let headers = got.headers.as_ref().unwrap();
        assert_eq!(headers.of(0).count(), 0);
        let expected = [("trace", Some(&b"1"[..])), ("trace", None), ("empty", Some(&b""[..]))];
        assert_eq!(headers.of(1).collect::<Vec<_>>(), expected);
        assert_eq!(headers.of(3).count(), 0);
        assert_eq!(got.offsets.values(), &[0, 1, 2, 3]);
        let now = pipectl_host::Host::real().now();
        assert!(got.arrival.values().iter().all(|arrival| (now - 60_000_000..=now).contains(arrival)));
    });
}

#[test]
fn a_key_goes_where_the_java_client_puts_it() {
    with_kafka(async |lab| {
        let target = lab.stream("murmur", 100).await;
        // toPositive(Utils.murmur2(key)) % 100, from the hashes in apache/kafka's UtilsTest: "21" -> -973932308,
        // "foobar" -> -790332482, "a-little-bit-long-string" -> -985981536, "abc" -> 479470107.
        let hashes: [(&str, i32); 4] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("abc", 479_470_107),
        ];
        let records: Vec<_> = hashes.iter().map(|(key, _)| (*key, String::new())).collect();
        lab.write(&target, &records).await;
        let mut placed: Vec<_> = lab
            .all(&target)
            .await
            .records
            .into_iter()
            .map(|(partition, _, key, _)| (String::from_utf8(key.unwrap()).unwrap(), partition))
            .collect();
        placed.sort();
        let mut expected: Vec<_> =
            hashes.iter().map(|(key, hash)| ((*key).to_owned(), ((hash & 0x7fff_ffff) % 100) as u32)).collect();
        expected.sort();
        assert_eq!(placed, expected);
    });
}

#[test]
fn a_record_that_is_too_large_is_reported_and_the_others_arrive() {
    with_kafka(async |lab| {
        let target = lab.stream_with("large", 1, json!({ "config": { "max.message.bytes": "50000" } })).await;
        let mut records: Vec<_> = (0..100).map(|number| ("k", format!("{number:01000}"))).collect();
        records[3].1 = "x".repeat(60_000);
        records[97].1 = "x".repeat(2_000_000);
        let mut producer = lab.producer(&target).await;
        let rejected = producer.write(&batch(&records)).await.unwrap();
        assert_eq!(rejected.iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [3, 97]);
        assert!(rejected[0].reason.contains("max.message.bytes"), "{rejected:?}");
        producer.checkpoint().await.unwrap();
        assert!(producer.refused().is_empty());
        assert_eq!(lab.all(&target).await.records.len(), 98);
    });
}

#[test]
fn what_the_broker_refuses_later_comes_back_and_the_rest_arrives() {
    with_kafka(async |lab| {
        let mut target = lab.stream_with("later", 1, json!({ "compression": "none" })).await;
        let mut producer = lab.producer(&target).await;
        // The limit shrinks after the producer has learnt it.
        target.options = Some(json!({ "compression": "none", "config": { "max.message.bytes": "10000" } }));
        lab.connection.update(&target).await.unwrap();
        let records = [("k", "x".repeat(20_000))];
        assert_eq!(producer.write(&batch(&records)).await.unwrap(), []);
        producer.checkpoint().await.unwrap();
        let refused = producer.refused();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].batch.payload.as_ref().unwrap().value(0).len(), 20_000);
        assert!(producer.refused().is_empty(), "each is reported once");
        producer.write(&batch(&[("k", "small".into())])).await.unwrap();
        producer.checkpoint().await.unwrap();
        assert_eq!(lab.all(&target).await.payloads(), ["small"]);
    });
}

#[test]
fn a_compacted_topic_refuses_only_the_records_without_a_key() {
    with_kafka(async |lab| {
        let target = lab.stream_with("compact", 1, json!({ "config": { "cleanup.policy": "compact" } })).await;
        let mut sent = batch(&borrowed(&numbered(0..3, 3)));
        sent.keys = Some(BinaryViewArray::from_iter([Some("a"), None, Some("c")]));
        let mut producer = lab.producer(&target).await;
        let rejected = producer.write(&sent).await.unwrap();
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].row, 1);
        producer.checkpoint().await.unwrap();
        assert_eq!(lab.all(&target).await.payloads(), ["0", "2"]);
    });
}

#[test]
fn every_compression_reads_back_and_makes_topics_smaller() {
    let kafka = pipectl_peers::need!(pipectl_peers::Kafka::shared());
    with_kafka(async |lab| {
        let mut plain = 0;
        for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let target = lab.stream_with("packed", 1, json!({ "compression": compression })).await;
            let records: Vec<_> = (0..2_000).map(|number| ("k", format!("{number:05}{}", "x".repeat(2_000)))).collect();
            lab.write(&target, &records).await;
            assert_eq!(lab.all(&target).await.payloads().len(), 2_000, "{compression}");
            let stored = kafka.stored(&target.name);
            if compression == "none" {
                plain = stored;
            }
            let expected = if compression == "none" { 4_000_000..u64::MAX } else { 1..plain / 4 };
            assert!(expected.contains(&stored), "{compression}: {stored} bytes of {plain}");
        }
    });
}

#[test]
fn batches_that_unfold_to_much_are_read_with_a_small_budget() {
    with_kafka(async |lab| {
        // The library guesses what a zstd batch unfolds to, three times as much each time: different sizes, so that some
        // guess goes far beyond what the batch holds.
        for size in [300, 700, 2_000, 9_000] {
            let target = lab.stream_with("unfolds", 1, json!({ "compression": "zstd" })).await;
            let count = 6_000_000 / size;
            let payload = "x".repeat(size);
            let records: Vec<_> = (0..count).map(|number| ("k", format!("{number:05}{payload}"))).collect();
            lab.write(&target, &records).await;
            let mut context = consuming(&target.name, 1, Ownership::Look);
            context.memory = 1 << 20;
            let mut readers = lab.readers(&target, context).await;
            readers[0].writers_finished().await.unwrap();
            let mut seen = Seen::default();
            until_end(&mut readers, &mut seen).await;
            close(readers).await;
            assert_eq!(seen.payloads().len(), count, "records of {size} bytes");
        }
    });
}

#[test]
fn many_times_the_memory_goes_through_and_order_stays() {
    with_kafka(async |lab| {
        let target = lab.stream("memory", 2).await;
        let mut producer = lab.connection.producer(&target, producing(256 << 10)).await.unwrap();
        for part in 0..20 {
            let records: Vec<_> = (part * 100..part * 100 + 100)
                .map(|number| ("k", format!("{number:05}{}", "x".repeat(2_000))))
                .collect();
            assert_eq!(producer.write(&batch(&records)).await.unwrap(), []);
        }
        producer.finish().await.unwrap();
        let payloads = lab.all(&target).await.payloads();
        assert_eq!(payloads.len(), 2_000);
        assert!(payloads.is_sorted());
    });
}

#[test]
fn without_a_broker_write_waits_and_holds_no_more_than_its_memory() {
    let kafka = pipectl_peers::need!(pipectl_peers::Kafka::start());
    crate::lab::on(kafka.endpoint(), async |lab| {
        let target = lab.stream("blocked", 1).await;
        let mut producer = lab.connection.producer(&target, producing(1 << 20)).await.unwrap();
        tokio::task::block_in_place(|| kafka.stop());
        let records: Vec<_> = (0..1_000).map(|number| ("k", format!("{number:01000}"))).collect();
        let sent = batch(&records);
        let waited = tokio::time::timeout(Duration::from_secs(3), producer.write(&sent)).await;
        assert!(waited.is_err(), "a megabyte with copies and envelopes is more than a megabyte");
        tokio::task::block_in_place(|| kafka.resume());
        producer.checkpoint().await.unwrap();
        let arrived = lab.all(&target).await.records.len();
        assert!((100..600).contains(&arrived), "{arrived} records were in a megabyte of memory");
    });
}
