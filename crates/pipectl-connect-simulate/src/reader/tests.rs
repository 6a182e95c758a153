//! Same seed, same bytes; resume from anywhere; the right number at the right time.

use std::sync::Arc;

use pipectl_contract::{NodeContext, Read, Source, SourceContext, SourceReader};
use pipectl_host::{Host, Micros, simulate};
use serde_json::{Value, json};

use super::FAST_START;
use crate::{Simulate, SimulateOptions};

/// A record as a test sees it: position, arrival time, payload.
type Record = (i64, Micros, Vec<u8>);

const EPOCH: Micros = 1_780_000_000_000_000;

fn options(value: Value) -> SimulateOptions {
    serde_json::from_value(value).expect("options")
}

fn virtually<F: Future>(work: impl FnOnce(Host) -> F) -> F::Output {
    simulate(async { work(Host::simulated(7, EPOCH)).await }).expect("a runtime")
}

async fn readers(host: &Host, value: &Value, positions: Vec<Value>) -> Vec<Box<dyn SourceReader>> {
    let options = options(value.clone());
    let schema = options.model.schema();
    let context = SourceContext {
        host: host.clone(),
        pipeline: "test".to_owned(),
        node: "source".to_owned(),
        directory: ".".into(),
        schema,
        positions,
    };
    Simulate.open(options, context).await.expect("readers")
}

fn records(batch: &pipectl_data::Batch) -> Vec<Record> {
    let payload = batch.payload.as_ref().expect("payloads");
    (0..batch.len())
        .map(|row| (batch.offsets.value(row), batch.arrival.value(row), payload.value(row).to_vec()))
        .collect()
}

async fn drain(reader: &mut dyn SourceReader, limit: usize) -> Vec<Record> {
    let mut all = Vec::new();
    while all.len() < limit {
        match reader.next().await.expect("records") {
            Read::Records(batch) => all.extend(records(&batch)),
            Read::Quiet => {}
            Read::End => break,
            other => panic!("{other:?}"),
        }
    }
    all
}

fn all(value: &Value) -> Vec<Vec<Record>> {
    virtually(|host| async move {
        let mut parts = Vec::new();
        for mut reader in readers(&host, value, Vec::new()).await {
            parts.push(drain(reader.as_mut(), usize::MAX).await);
        }
        parts
    })
}

fn lines(value: &Value) -> String {
    let records = all(value).into_iter().flatten();
    records.map(|(_, _, payload)| String::from_utf8_lossy(&payload).into_owned() + "\n").collect()
}

fn fast(model: &str, records: u64) -> Value {
    json!({ "model": model, "seed": 7, "rate": "20/s", "pace": "fast", "records": records })
}

#[test]
fn first_records_are_fixed_for_ever() {
    insta::assert_snapshot!("sensors", lines(&fast("sensors", 12)));
    insta::assert_snapshot!("clickstream", lines(&fast("clickstream", 12)));
    insta::assert_snapshot!("server_logs", lines(&fast("server_logs", 12)));
    insta::assert_snapshot!("orders", lines(&fast("orders", 12)));
}

#[test]
fn the_same_seed_gives_the_same_records_and_another_others() {
    for model in ["sensors", "clickstream", "server_logs", "orders"] {
        let mut value = fast(model, 5000);
        value["partitions"] = 3.into();
        let once = all(&value);
        assert_eq!(once, all(&value));
        assert_eq!(once.iter().map(Vec::len).sum::<usize>(), 5000);
        value["seed"] = 8.into();
        assert_ne!(once, all(&value));
    }
}

#[test]
fn every_position_can_be_resumed_from() {
    for model in ["sensors", "clickstream", "server_logs", "orders"] {
        let mut value = fast(model, 6000);
        value["disorder"] = "2s".into();
        value["late"] = 0.01.into();
        value["malformed"] = 0.01.into();
        let straight = all(&value).remove(0);
        assert_eq!(straight.len(), 6000);
        virtually(|host| async move {
            for at in (0..6000).step_by(37).chain([1023, 1024, 1025, 4096, 5999, 6000]) {
                let mut resumed = readers(&host, &value, vec![json!({ "record": at })]).await.remove(0);
                assert_eq!(resumed.position(), json!({ "record": at }));
                assert_eq!(drain(resumed.as_mut(), usize::MAX).await, straight[at..], "{model} from {at}");
                assert_eq!(resumed.position(), json!({ "record": 6000 }));
            }
        });
    }
}

#[test]
fn real_pace_keeps_the_rate_and_goes_on_after_a_restart() {
    let value = json!({ "model": "sensors", "rate": "20/s", "for": "1m" });
    let straight = all(&value).remove(0);
    assert_eq!(straight.len(), 1200);
    assert_eq!(straight[0].1, EPOCH);
    assert_eq!(straight[1199].1, EPOCH + 59_950_000);
    virtually(|host| async move {
        let mut reader = readers(&host, &value, Vec::new()).await.remove(0);
        let mut seen = Vec::new();
        while host.now() < EPOCH + 30_000_000 {
            // Dropping the future half-way, as the runtime does at a checkpoint, loses nothing.
            wait_a_little(&host, reader.as_mut(), &mut seen).await;
        }
        assert!((580..=620).contains(&seen.len()), "{}", seen.len());
        let position = reader.position();
        host.sleep(std::time::Duration::from_secs(100)).await;
        let mut reader = readers(&host, &value, vec![position]).await.remove(0);
        seen.extend(drain(reader.as_mut(), usize::MAX).await);
        assert_eq!(seen, straight);
    });
}

/// Waits for the next batch for at most 0.3 seconds.
async fn wait_a_little(host: &Host, reader: &mut dyn SourceReader, seen: &mut Vec<Record>) {
    let mut next = reader.next();
    let mut patience = std::pin::pin!(host.sleep(std::time::Duration::from_millis(300)));
    let read = std::future::poll_fn(|context| {
        use std::task::Poll;
        if let Poll::Ready(read) = next.as_mut().poll(context) {
            return Poll::Ready(Some(read));
        }
        patience.as_mut().poll(context).map(|()| None)
    })
    .await;
    if let Some(Read::Records(batch)) = read.map(|read| read.expect("records")) {
        seen.extend(records(&batch));
    }
}

#[test]
fn a_slow_source_says_that_it_is_quiet() {
    virtually(|host| async move {
        let value = json!({ "model": "orders", "rate": "1/m" });
        let mut reader = readers(&host, &value, Vec::new()).await.remove(0);
        assert!(matches!(reader.next().await, Ok(Read::Records(_))));
        assert!(matches!(reader.next().await, Ok(Read::Quiet)));
        assert_eq!(host.now(), EPOCH + 1_000_000);
        assert_eq!(drain(reader.as_mut(), 1).await.len(), 1);
        assert_eq!(host.now(), EPOCH + 60_000_000);
    });
}

#[test]
fn a_simulated_day_has_all_its_records() {
    let value = json!({ "model": "sensors", "rate": "20/s", "for": "1d", "partitions": 2 });
    let parts = all(&value);
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [864_000, 864_000]);
}

#[test]
fn fast_stamps_follow_the_rate() {
    let value = json!({ "model": "orders", "rate": "4/s", "pace": "fast", "for": "2s", "partitions": 2 });
    let arrivals: Vec<Vec<Micros>> =
        all(&value).iter().map(|part| part.iter().map(|(_, arrival, _)| arrival - FAST_START).collect()).collect();
    assert_eq!(arrivals, [[0, 500_000, 1_000_000, 1_500_000], [250_000, 750_000, 1_250_000, 1_750_000]]);
    let mut value = fast("sensors", 1);
    value["start"] = "2020-02-29T12:00:00Z".into();
    assert_eq!(all(&value)[0][0].1, 1_582_977_600_000_000);
}

#[test]
fn partitions_do_not_change_the_sensors_readings() {
    let mut value = fast("sensors", 1000);
    let whole = lines(&value);
    value["partitions"] = 4.into();
    let parts = lines(&value);
    let sorted = |lines: &str| {
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&whole), sorted(&parts));
}

#[test]
fn batches_keep_their_bounds() {
    virtually(|host| async move {
        let mut reader = readers(&host, &fast("server_logs", 50_000), Vec::new()).await.remove(0);
        while let Read::Records(batch) = reader.next().await.expect("records") {
            let bytes: usize = records(&batch).iter().map(|(_, _, payload)| payload.len()).sum();
            assert!(batch.len() <= 8192 && bytes <= 1 << 20, "{} {bytes}", batch.len());
        }
    });
}

#[test]
fn log_lines_are_in_combined_format() {
    let combined = regex::bytes::Regex::new(concat!(
        r#"^(?:[0-9.]{7,15}|[0-9a-f:]+) - (?:-|[a-z]+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "#,
        r#""(?:GET|POST|HEAD) /\S* HTTP/1\.1" ([2345]\d\d) (?:-|\d+) "(?:-|https://[^" ]+)" "[^"]+"$"#
    ))
    .expect("a regex");
    let mut families = [0_u32; 4];
    for (_, _, line) in all(&fast("server_logs", 20_000)).remove(0) {
        let status = combined.captures(&line).and_then(|captures| captures.get(1)).expect("a combined line");
        families[usize::from(status.as_bytes()[0] - b'2')] += 1;
    }
    assert!(families.iter().all(|count| *count > 100), "{families:?}");
    assert!(families[0] > 15_000, "{families:?}");
}

#[test]
fn sessions_make_sense_and_sell_something() {
    let mut carts = std::collections::BTreeMap::<String, u32>::new();
    let (mut views, mut purchases) = (0, 0);
    for (_, _, payload) in all(&fast("clickstream", 20_000)).remove(0) {
        let event: Value = serde_json::from_slice(&payload).expect("JSON");
        let session = event["session_id"].as_str().expect("a session").to_owned();
        match event["event_type"].as_str() {
            Some("page_view") => views += 1,
            Some("add_to_cart") => *carts.entry(session).or_default() += 1,
            Some("purchase") => {
                purchases += 1;
                assert!(carts.contains_key(&session), "bought without a cart");
                assert!(event["amount"].as_f64() > Some(1.0));
            }
            Some("click") => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(views > 10_000 && purchases > 200, "{views} {purchases}");
}

#[test]
fn stock_falls_by_what_is_sold_and_is_restocked() {
    let mut stock = std::collections::BTreeMap::<String, (i64, u32)>::new();
    for (_, _, payload) in all(&fast("orders", 20_000)).remove(0) {
        let order: Value = serde_json::from_slice(&payload).expect("JSON");
        let product = order["product_id"].as_str().expect("a product").to_owned();
        let (quantity, left) =
            (order["quantity"].as_i64().expect("a number"), order["stock_left"].as_i64().expect("one"));
        assert!((1..=5).contains(&quantity) && left >= 0);
        let entry = stock.entry(product).or_insert((left + quantity, 0));
        if left != entry.0 - quantity {
            assert!(left + quantity > entry.0, "stock fell by itself");
            entry.1 += 1;
        }
        entry.0 = left;
    }
    assert_eq!(stock.len(), 20);
    assert!(stock.values().all(|(_, restocked)| *restocked > 2), "{stock:?}");
}

#[test]
fn readings_keep_their_ranges() {
    let mut value = fast("sensors", 100_000);
    value["rate"] = "1/s".into();
    value["anomalies"] = 0.into();
    let mut warm = 0;
    for (_, _, payload) in all(&value).remove(0) {
        let reading: Value = serde_json::from_slice(&payload).expect("JSON");
        let of = |key: &str| reading[key].as_f64().expect("a number");
        assert!((15.0..=35.0).contains(&of("temperature")));
        assert!((30.0..=80.0).contains(&of("humidity")));
        assert!((990.0..=1030.0).contains(&of("pressure")));
        warm += u32::from(of("temperature") > 25.0);
    }
    assert!((20_000..60_000).contains(&warm), "{warm}");
}

#[test]
fn faults_come_as_often_as_asked_for() {
    let mut value = fast("sensors", 20_000);
    value["disorder"] = "2s".into();
    value["late"] = 0.1.into();
    value["malformed"] = 0.1.into();
    let (mut broken, mut late, mut disordered) = (0, 0, 0);
    for (_, arrival, payload) in all(&value).remove(0) {
        let Ok(reading) = serde_json::from_slice::<Value>(&payload) else {
            broken += 1;
            continue;
        };
        let time = reading["timestamp"].as_str().and_then(pipectl_data::timestamp::parse).expect("a time");
        match arrival - time {
            0..1_000 => {}
            1_000..2_001_001 => disordered += 1,
            300_000_000.. => late += 1,
            other => panic!("displaced by {other}"),
        }
    }
    assert!((1800..2200).contains(&broken), "{broken}");
    assert!((1600..2000).contains(&late), "{late}");
    assert!(disordered > 15_000, "{disordered}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let value = json!({
        "model": "orders", "devices": 3, "anomalies": 2.0, "late": -0.5, "start": "noon", "partitions": 40,
    });
    let node = NodeContext { pipeline: "p", output: "out/p", node: "n", input: None, keys: &[], row_key: None };
    let checked = Simulate.check(&options(value), node);
    assert!(checked.facts.is_none());
    let titles: Vec<String> =
        checked.diagnostics.iter().map(|problem| format!("{} {}", problem.code, problem.title)).collect();
    insta::assert_snapshot!(titles.join("\n"));
}

#[test]
fn a_checkpoint_of_other_partitions_is_refused() {
    let refused = virtually(|host| async move {
        let options = options(fast("sensors", 1));
        let schema = options.model.schema();
        let positions = vec![json!({ "record": 1 }), json!({ "record": 1 })];
        let context = SourceContext {
            host,
            pipeline: "p".to_owned(),
            node: "s".to_owned(),
            directory: ".".into(),
            schema,
            positions,
        };
        Simulate.open(options, context).await.err().map(|error| error.message)
    });
    assert!(refused.is_some_and(|message| message.contains("the checkpoint has 2 partitions")));
}

/// `cargo test --release -p pipectl-connect-simulate speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a check"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the real clock")]
fn speed() {
    for model in ["sensors", "clickstream", "server_logs", "orders"] {
        let value = Arc::new(json!({ "model": model, "rate": "10k/s", "pace": "fast", "records": 2_000_000 }));
        let started = std::time::Instant::now();
        let bytes = virtually(|host| async move {
            let mut reader = readers(&host, &value, Vec::new()).await.remove(0);
            let mut bytes = 0;
            while let Read::Records(batch) = reader.next().await.expect("records") {
                bytes += batch.payload.map_or(0, |payload| payload.data_buffers()[0].len());
            }
            bytes
        });
        let seconds = started.elapsed().as_secs_f64();
        println!("{model}: {:.2} M records/s, {:.0} MB/s", 2.0 / seconds, bytes as f64 / seconds / 1e6);
    }
}
