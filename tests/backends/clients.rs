//! Records of the official Python clients go through a pipeline, and the same clients read what it writes: keys, headers,
//! payloads and the order within each key are as they were.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::testbed::Testbed;

const RECORDS: u32 = 200;
const DEVICES: [&str; 7] = ["plain", "größe", "装置-3", "🙂", "with space/and=signs", "\"quoted\"", "7"];

const SPEC: &str = r#"apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: clients }
spec:
  checkpoint: { every: 1s }
  streams:
    from_outside:
      partitions: 2
      key: device
      schema: { id: int64, device: string, value: float64 }
    to_outside: { partitions: 2, key: device }
    # Without a key of its own, so that keys stay as their writer gave them.
    copied: { partitions: 2 }
  processors:
    doubled: { sql: "SELECT id, device, value * 2 AS value FROM from_outside WHERE id % 2 = 0", to: to_outside }
  sinks:
    copy: { from: from_outside, stream: copied }
  dead_letters: { file: { path: dead.jsonl, mode: overwrite } }
"#;

/// The packages of a backend's official client; its script is called as the backend.
fn packages(kind: &str) -> &'static [&'static str] {
    match kind {
        "kafka" => &["confluent-kafka==2.12.1"],
        "kinesis" => &["boto3==1.44.5", "aws-kinesis-agg==1.2.3", "six==1.17.0", "protobuf==7.36.2"],
        "pubsub" => &["google-cloud-pubsub==2.44.0"],
        "eventhubs" => &["azure-eventhub==5.15.1"],
        other => panic!("{other} has no client here"),
    }
}

/// The Environment of the repository, and of the ways to write a stream the one that readers have to know about.
fn environment(kind: &str) -> String {
    let usual = format!("{}/../../pipelines/environments/{kind}.yaml", env!("CARGO_MANIFEST_DIR"));
    let streams = match kind {
        "kafka" => "  streams: { to_outside: { kafka: { transactional: true } } }\n",
        "kinesis" => "  streams: { copied: { kinesis: { aggregate: true } } }\n",
        _ => "",
    };
    std::fs::read_to_string(usual).expect("the Environment") + streams
}

/// What goes beside the payload, as far as the service carries it.
fn headers(kind: &str, id: u32) -> Value {
    let trace = format!("trace-{id}-ü");
    match kind {
        "kafka" => json!([["trace", trace], ["none", null], ["bytes", [0, 255, id % 256]], ["trace", "again"]]),
        "kinesis" => json!([]),
        "pubsub" => json!([["region", "日本"], ["trace", trace]]),
        // What is neither text nor bytes is carried as text.
        "eventhubs" => json!([
            ["at", "2026-01-31T12:00:00.250Z"],
            ["bytes", [0, 255, id % 256]],
            ["count", id.to_string()],
            ["ratio", "0.5"],
            ["trace", trace],
            ["urgent", "true"]
        ]),
        other => panic!("{other} has no client here"),
    }
}

fn device(id: u32) -> &'static str {
    DEVICES[id as usize % DEVICES.len()]
}

/// A record; its payload has a form and a field that no serializer of ours would write.
fn record(kind: &str, id: u32) -> Value {
    let device = device(id);
    let payload = format!(
        "{{ \"value\":{id}.250,  \"note\": \"\\u00fc ü\", \"device\" : {}, \"id\":{id}}}",
        serde_json::to_string(device).expect("a text")
    );
    json!({ "key": format!("key {device}"), "headers": headers(kind, id), "payload": payload })
}

/// The number in a payload of [`record`].
fn id(record: &Value) -> u64 {
    let payload = record["payload"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    payload.and_then(|payload| payload["id"].as_u64()).unwrap_or(u64::MAX)
}

/// By key, in order.
type Found = BTreeMap<String, Vec<Value>>;

fn by_key(records: impl IntoIterator<Item = Value>) -> Found {
    let mut found = Found::new();
    for record in records {
        found.entry(record["key"].to_string()).or_default().push(record);
    }
    found
}

fn same(what: &str, found: &Found, expected: &Found) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}: keys");
    for (key, expected) in expected {
        let found = &found[key];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected, "{what}: the first of key {key} that is not as expected");
        }
        assert_eq!(found.len(), expected.len(), "{what}: records of key {key}");
    }
}

#[test]
fn official_clients_write_what_is_read_and_read_what_is_written() {
    let place = Testbed::with_all();
    for (kind, _) in &place.backends {
        let python = match pipectl_peers::python(packages(kind)) {
            Ok(python) => python,
            Err(why) => {
                println!("{why}");
                continue;
            }
        };
        place.write("clients.yaml", SPEC);
        place.write("environment.yaml", &environment(kind));
        let worker = place.start("clients.log", &["apply", "clients.yaml", "--env", "environment.yaml", "--fresh"]);
        worker.says("starting");
        assert!(!worker.said().contains("warning"), "others write and read: {}", worker.said());

        let mut written: Vec<Value> = (0..RECORDS).map(|id| record(kind, id)).collect();
        let doubled = written.iter().zip(0..).filter(|(_, id)| id % 2 == 0).map(|(record, id)| {
            let device = device(id);
            let payload = json!({ "id": id, "device": device, "value": f64::from(id) * 2.0 + 0.5 });
            json!({ "key": device, "headers": record["headers"], "payload": payload })
        });
        let (doubled, copied) = (by_key(doubled), by_key(written.iter().cloned()));
        let tombstones = if *kind == "kafka" { DEVICES.len() } else { 0 };
        written.extend(DEVICES[..tombstones].iter().map(|key| json!({ "key": key, "headers": [], "payload": null })));

        let mut found = run(&place, &python, kind, &written, &["to_outside=100", "copied=200"]);
        let counts: BTreeMap<_, _> = found.iter().map(|(stream, records)| (stream, records.len())).collect();
        println!("{kind}: {counts:?}");
        assert_eq!(worker.stop(), Some(0), "{kind}");
        let table = place.log("clients.log");
        for (stream, records) in [("to_outside", 100), ("copied", 200)] {
            let row = table.lines().find(|line| line.starts_with(stream)).unwrap_or_default();
            let numbers: Vec<u32> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            assert_eq!(numbers, [records, records, 0, 0, 0], "who writes for others has passed all on: {table}");
        }
        let mut read = by_key(found.remove("copied").unwrap_or_default());
        if *kind == "pubsub" {
            // A topic has an order only where the stream has a key.
            for records in read.values_mut() {
                records.sort_by_key(id);
            }
        }
        same(&format!("{kind}: copied"), &read, &copied);
        let mut read = found.remove("to_outside").unwrap_or_default();
        for record in &mut read {
            let payload: Option<Value> = record["payload"].as_str().and_then(|text| serde_json::from_str(text).ok());
            record["payload"] = payload.into();
        }
        same(&format!("{kind}: to_outside"), &by_key(read), &doubled);
        let dead = std::fs::read_to_string(place.path("dead-from_outside.jsonl")).unwrap_or_default();
        assert_eq!(dead.matches(r#""message":"the record is a tombstone"#).count(), tombstones, "{kind}: {dead}");
        assert_eq!(dead.lines().count(), tombstones, "{kind}: {dead}");
    }
}

/// Lets a client write records and read until it has so many of each stream; answers what it read of each.
fn run(place: &Testbed, python: &Path, kind: &str, records: &[Value], until: &[&str]) -> BTreeMap<String, Vec<Value>> {
    let script = format!("{}/../../tests/backends/clients/{kind}.py", env!("CARGO_MANIFEST_DIR"));
    let mut command = place.program(python);
    command.arg(script).args(until).env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the client starts");
    let mut lines = String::new();
    for record in records {
        let _infallible = writeln!(lines, "{record}");
    }
    child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("the client reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the client ends");
    assert!(status.success(), "{kind}: {}", String::from_utf8_lossy(&stderr));
    let mut found = BTreeMap::<String, Vec<Value>>::new();
    for line in String::from_utf8_lossy(&stdout).lines() {
        let mut record: Value = serde_json::from_str(line).expect("a record");
        let stream = record.as_object_mut().and_then(|record| record.remove("stream")).expect("a stream");
        found.entry(stream.as_str().expect("a name").to_owned()).or_default().push(record);
    }
    found
}
