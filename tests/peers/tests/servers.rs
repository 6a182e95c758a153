//! Each server comes up, answers its own protocol, and keeps what it promises to keep over a restart.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use pipectl_peers::{Azurite, Dynamo, EventHubs, Kafka, Kind, Kinesis, Peer, PubSub, need};

/// The answer's status and body to one request without a connection kept.
pub(crate) fn http(endpoint: &str, line: &str, headers: &str, body: &str) -> (u16, String) {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Calls an operation of AWS.
pub(crate) fn aws(endpoint: &str, target: &str, body: &str) -> (u16, String) {
    let (service, version) = if target.starts_with("Kinesis") { ("kinesis", "1.1") } else { ("dynamodb", "1.0") };
    let headers = format!(
        "X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-{version}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00\r\n"
    );
    http(endpoint, "POST /", &headers, body)
}

/// Waits for a condition, at most twenty seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 seconds: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn restarts<K: Kind>(peer: &Peer<K>) {
    let (first, endpoint) = (peer.id().unwrap(), peer.endpoint().to_owned());
    peer.restart();
    assert_ne!(peer.id().unwrap(), first);
    assert_eq!(peer.endpoint(), endpoint);
    let folder = peer.folder().to_owned();
    assert!(folder.is_dir());
}

#[test]
fn kafka_restarts() {
    let kafka = need!(Kafka::start());
    restarts(&kafka);
    kafka.kill();
    assert_eq!(kafka.id(), None);
    assert!(TcpStream::connect(kafka.endpoint()).is_err(), "nobody listens after a kill");
    kafka.resume();
    drop(TcpStream::connect(kafka.endpoint()).unwrap());
}

#[test]
fn kinesis_takes_records_and_restarts_empty() {
    let kinesis = need!(Kinesis::start());
    let call = |operation: &str, body: &str| aws(kinesis.endpoint(), &format!("Kinesis_20131202.{operation}"), body);
    assert_eq!(call("CreateStream", r#"{"StreamName":"kept","ShardCount":2}"#).0, 200);
    eventually("the stream is active", || {
        call("DescribeStreamSummary", r#"{"StreamName":"kept"}"#).1.contains("ACTIVE")
    });
    let (status, put) = call("PutRecord", r#"{"StreamName":"kept","PartitionKey":"a","Data":"aGVsbG8="}"#);
    assert_eq!(status, 200, "{put}");
    let shards = call("ListShards", r#"{"StreamName":"kept"}"#).1;
    assert_eq!(shards.matches("shardId-").count(), 2, "{shards}");
    restarts(&kinesis);
    assert_eq!(call("ListShards", r#"{"StreamName":"kept"}"#).0, 400, "KEEPS_DATA says that it does not");
}

#[test]
fn dynamo_keeps_tables_over_a_restart() {
    let dynamo = need!(Dynamo::start());
    let call = |operation: &str, body: &str| aws(dynamo.endpoint(), &format!("DynamoDB_20120810.{operation}"), body);
    let table = r#"{"TableName":"leases","BillingMode":"PAY_PER_REQUEST",
        "AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]}"#;
    let (status, made) = call("CreateTable", table);
    assert_eq!(status, 200, "{made}");
    eventually("the table is active", || call("DescribeTable", r#"{"TableName":"leases"}"#).1.contains("ACTIVE"));
    let put = r#"{"TableName":"leases","Item":{"k":{"S":"a"}},"ConditionExpression":"attribute_not_exists(k)"}"#;
    assert_eq!(call("PutItem", put).0, 200);
    restarts(&dynamo);
    let (status, refused) = call("PutItem", put);
    assert_eq!(status, 400, "{refused}");
    assert!(refused.contains("ConditionalCheckFailedException"), "{refused}");
}

#[test]
fn azurite_restarts() {
    let azurite = need!(Azurite::start());
    restarts(&azurite);
    let (status, _) = http(azurite.endpoint(), "GET /devstoreaccount1?comp=list", "", "");
    assert_eq!(status, 403, "unsigned requests are refused");
}

#[test]
fn pubsub_restarts() {
    let pubsub = need!(PubSub::shared());
    restarts(pubsub);
    assert!(std::ptr::eq(pubsub, PubSub::shared().unwrap()), "one for all tests of a process");
}

#[test]
fn the_fake_of_pubsub_comes_up() {
    let pubsub = need!(PubSub::start_fake());
    assert!(!pubsub.is_emulator);
    restarts(&pubsub);
}

#[test]
fn event_hubs_keep_hubs_and_groups_over_a_restart() {
    let hubs = need!(EventHubs::start());
    const { assert!(EventHubs::KEEPS_DATA) };
    let managed = |method: &str, path: &str, body: &str| {
        let space = "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventHub/namespaces/test/eventhubs";
        let line = format!("{method} {space}/{path}?api-version=2024-01-01");
        http(&hubs.control, &line, "Authorization: Bearer x\r\n", body)
    };
    assert_eq!(managed("PUT", "kept", r#"{"properties":{"partitionCount":3}}"#).0, 201);
    assert_eq!(managed("PUT", "kept/consumergroups/readers", "{}").0, 201);
    assert_eq!(managed("PUT", "gone", "{}").0, 201);
    assert_eq!(managed("DELETE", "gone", "").0, 200);
    let (_, before) = managed("GET", "kept", "");
    restarts(&hubs);
    assert_eq!(managed("GET", "kept", ""), (200, before));
    assert_eq!(managed("GET", "kept/consumergroups/readers", "").0, 200);
    assert_eq!(managed("GET", "gone", "").0, 404);
}
