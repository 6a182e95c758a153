//! The proxy of requests spoils what its rules say and passes the rest, in front of a server that counts.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use pipectl_peers::{
    Kinesis, need,
    proxy::{Http, Then, When},
};

use crate::servers::{aws, eventually, http};

/// A server that says how many requests it has done, in chunks.
fn counter() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let done = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&done);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            if lines.by_ref().take_while(|line| !line.is_empty()).count() == 0 {
                continue;
            }
            let count = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let text =
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nask \r\n1\r\n{count}\r\n0\r\n\r\n");
            drop(stream.write_all(text.as_bytes()));
        }
    });
    (address, done)
}

fn get(proxy: &Http, path: &str) -> (u16, String) {
    http(&proxy.endpoint(), &format!("GET {path}"), "", "")
}

fn raw(proxy: &Http) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.endpoint().trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

#[test]
fn throttling_counts_down_and_chooses_by_path() {
    let (server, done) = counter();
    let proxy = Http::start(&server).unwrap();
    let busy = Then::Answer {
        status: 429,
        headers: vec![("Retry-After".to_owned(), "7".to_owned())],
        body: "slow down".to_owned(),
    };
    let fired = proxy.on(When::path("/busy").after(1).times(2), busy);
    let statuses: Vec<_> = (0..5).map(|_| get(&proxy, "/busy?a=1").0).collect();
    assert_eq!(statuses, [200, 429, 429, 200, 200]);
    assert_eq!(get(&proxy, "/calm").0, 200);
    assert_eq!((fired.count(), proxy.requests("GET"), done.load(Ordering::SeqCst)), (2, 6, 4));
    proxy.on(When::path("/busy").method("PUT"), Then::status(503, "no"));
    assert_eq!(get(&proxy, "/busy").0, 200, "another method");
    let (status, body) = http(&proxy.endpoint(), "PUT /busy", "", "body");
    assert_eq!((status, body.as_str()), (503, "no"));
    proxy.pass();
    assert_eq!(http(&proxy.endpoint(), "PUT /busy", "", "body").0, 200);
}

#[test]
fn several_requests_share_a_connection() {
    let (server, done) = counter();
    let proxy = Http::start(&server).unwrap();
    let mut stream = raw(&proxy);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(answers.ends_with("4\r\nask \r\n1\r\n2\r\n0\r\n\r\n"), "{answers}");
    assert_eq!(done.load(Ordering::SeqCst), 2);
}

#[test]
fn a_swallowed_answer_leaves_the_work_done_and_the_client_waiting() {
    let (server, done) = counter();
    let proxy = Http::start(&server).unwrap();
    proxy.on(When::always().times(1), Then::SwallowAnswer);
    let mut stream = raw(&proxy);
    eventually("the server has done it", || done.load(Ordering::SeqCst) == 1);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let silence = stream.read(&mut [0; 8]).unwrap_err().kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
    assert_eq!(get(&proxy, "/").0, 200, "the next one is answered");
}

#[test]
fn resets_come_before_or_after_the_work() {
    let (server, done) = counter();
    let proxy = Http::start(&server).unwrap();
    for (then, expected) in [(Then::Reset, 0), (Then::ResetAfter, 1)] {
        proxy.pass();
        proxy.on(When::always(), then.clone());
        let mut stream = raw(&proxy);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset, "{then:?}");
        assert_eq!(done.load(Ordering::SeqCst), expected, "{then:?}");
    }
}

#[test]
fn a_delay_holds_a_request_back() {
    let (server, _) = counter();
    let proxy = Http::start(&server).unwrap();
    let time = Duration::from_millis(300);
    proxy.on(When::always().times(1), Then::Delay(time));
    let begin = Instant::now();
    assert_eq!(get(&proxy, "/").0, 200);
    assert!(begin.elapsed() >= time);
}

#[test]
fn an_answer_that_lasts_is_seen_while_it_lasts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (go_on, wait) = mpsc::channel::<()>();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    });
    let proxy = Http::start(&address).unwrap();
    let mut stream = raw(&proxy);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    go_on.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn entries_fail_inside_a_200_and_only_the_others_are_stored() {
    let kinesis = need!(Kinesis::start());
    let proxy = Http::start(kinesis.endpoint()).unwrap();
    let call = |operation: &str, body: &str| aws(&proxy.endpoint(), &format!("Kinesis_20131202.{operation}"), body);
    assert_eq!(call("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).0, 200);
    eventually("the stream is active", || call("DescribeStreamSummary", r#"{"StreamName":"s"}"#).1.contains("ACTIVE"));
    let fired = proxy.on(When::target("PutRecords").times(1), Then::fail_first(2));
    let record = |data: &str| format!(r#"{{"Data":"{data}","PartitionKey":"k"}}"#);
    // "a", "b", "c", "d" in base64.
    let body =
        format!(r#"{{"StreamName":"s","Records":[{}]}}"#, ["YQ==", "Yg==", "Yw==", "ZA=="].map(record).join(","));
    let (status, answer) = call("PutRecords", &body);
    assert_eq!((status, fired.count()), (200, 1), "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["FailedRecordCount"], 2, "{answer}");
    let failed = |place: usize| answer["Records"][place].get("ErrorCode").is_some_and(|code| !code.is_null());
    assert_eq!([0, 1, 2, 3].map(failed), [true, true, false, false], "{answer}");

    let iterator = r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#;
    let iterator: serde_json::Value = serde_json::from_str(&call("GetShardIterator", iterator).1).unwrap();
    let read = call("GetRecords", &format!(r#"{{"ShardIterator":{}}}"#, iterator["ShardIterator"])).1;
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    let data: Vec<_> = read["Records"].as_array().unwrap().iter().map(|record| record["Data"].clone()).collect();
    assert_eq!(data, ["Yw==", "ZA=="]);

    let throttled = proxy.on(When::target("GetRecords"), Then::throttle_kinesis());
    let (status, refused) = call("GetRecords", "{}");
    assert_eq!((status, throttled.count()), (400, 1));
    assert!(refused.contains("ProvisionedThroughputExceededException"), "{refused}");
    assert_eq!(proxy.requests("PutRecords"), 1);
}
