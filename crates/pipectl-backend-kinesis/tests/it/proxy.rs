//! A proxy before the peer that does what the service does and no peer will: throttles, takes a part of the records of a
//! call only, loses an answer after the work is done, cuts connections, lets iterators expire and shards vanish, and ends
//! subscriptions of enhanced fan-out in all the ways in which they end.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::frames;

/// One in so many calls, or records, has bad luck.
const EVERY: u32 = 3;

/// How a subscription goes, before it has brought any record.
#[derive(Clone, Copy)]
pub(crate) enum Subscription {
    /// An error event.
    Error(&'static str),
    /// It breaks in mid-air.
    Break,
    /// It ends in order.
    End,
}

#[derive(Default)]
struct Faults {
    throttle: AtomicBool,
    some_records: AtomicBool,
    lose_answers: AtomicBool,
    cut: AtomicBool,
    expire: AtomicBool,
    refuse_large: AtomicBool,
    rng: AtomicU32,
    done: AtomicU32,
    hidden: Mutex<Range<u32>>,
    subscriptions: Mutex<VecDeque<Subscription>>,
    subscribed: Mutex<Vec<Instant>>,
}

impl Faults {
    fn strikes(&self, fault: &AtomicBool) -> bool {
        let strikes = fault.load(Ordering::Relaxed) && self.rng.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY);
        if strikes {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }
}

pub(crate) struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

impl Proxy {
    pub(crate) fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let faults = Arc::new(Faults::default());
        let shared = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (upstream, faults) = (upstream.clone(), Arc::clone(&shared));
                thread::spawn(move || while serve(&client, &upstream, &faults).is_some() {});
            }
        });
        Self { port, faults }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many faults there were.
    pub(crate) fn done(&self) -> u32 {
        self.faults.done.load(Ordering::Relaxed)
    }

    pub(crate) fn throttle(&self, on: bool) {
        self.faults.throttle.store(on, Ordering::Relaxed);
    }

    pub(crate) fn fail_some_records(&self, on: bool) {
        self.faults.some_records.store(on, Ordering::Relaxed);
    }

    pub(crate) fn lose_answers(&self, on: bool) {
        self.faults.lose_answers.store(on, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self, on: bool) {
        self.faults.cut.store(on, Ordering::Relaxed);
    }

    pub(crate) fn expire(&self, on: bool) {
        self.faults.expire.store(on, Ordering::Relaxed);
    }

    /// Calls with a record of more than 1,000 bytes are refused for good.
    pub(crate) fn refuse_large(&self, on: bool) {
        self.faults.refuse_large.store(on, Ordering::Relaxed);
    }

    /// Shards with these numbers are listed no more, as if their records had all expired.
    pub(crate) fn hide_shards(&self, numbers: Range<u32>) {
        *self.faults.hidden.lock().unwrap() = numbers;
    }

    /// How the next subscriptions go; those after them pass.
    pub(crate) fn spoil_subscriptions(&self, how: impl IntoIterator<Item = Subscription>) {
        *self.faults.subscriptions.lock().unwrap() = how.into_iter().collect();
    }

    /// When each subscription was asked for.
    pub(crate) fn subscribed(&self) -> Vec<Instant> {
        self.faults.subscribed.lock().unwrap().clone()
    }
}

struct Message {
    head: Vec<String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let header = |name: &str| {
        head.iter().find_map(|line| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    let mut body = Vec::new();
    if header("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body.resize(header("content-length:").map_or(0, |length| length.parse().unwrap()), 0);
        reader.read_exact(&mut body).ok()?;
    }
    Some(Message { head, body })
}

fn write(mut stream: &TcpStream, head: &[String], body: &[u8]) -> Option<()> {
    let skipped = ["content-length:", "transfer-encoding:", "connection:", "keep-alive:"];
    let kept = head.iter().filter(|line| !skipped.iter().any(|skip| line.to_lowercase().starts_with(skip)));
    let mut text: String = kept.flat_map(|line| [line.as_str(), "\r\n"]).collect();
    text.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n"]);
    stream.write_all(text.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn refuse(client: &TcpStream, code: &str) -> Option<()> {
    let head = ["HTTP/1.1 400 Bad Request".to_owned(), "content-type: application/x-amz-json-1.1".to_owned()];
    write(client, &head, json!({ "__type": code, "message": "the proxy says so" }).to_string().as_bytes())
}

/// Serves one request; `None` when the connection is over.
fn serve(client: &TcpStream, upstream: &str, faults: &Faults) -> Option<()> {
    let mut request = read(client)?;
    let target = request.head.iter().find_map(|line| {
        let line = line.to_lowercase();
        line.strip_prefix("x-amz-target:").and_then(|target| target.split('.').next_back().map(str::to_owned))
    })?;
    if target == "subscribetoshard" {
        return subscribe(client, upstream, faults, &request);
    }
    let writes = target == "putrecords";
    let data = writes || target == "getrecords";
    if data && faults.strikes(&faults.cut) {
        return None;
    }
    if data && faults.strikes(&faults.throttle) {
        return refuse(client, "ProvisionedThroughputExceededException");
    }
    if target == "getrecords" && faults.strikes(&faults.expire) {
        return refuse(client, "ExpiredIteratorException");
    }
    let mut failed = Vec::new();
    if writes {
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        let records = body["Records"].as_array_mut().unwrap();
        // Base64 makes four characters of three bytes.
        let large = records.iter().any(|record| record["Data"].as_str().unwrap().len() > 1_334);
        if large && faults.refuse_large.load(Ordering::Relaxed) {
            return refuse(client, "InvalidArgumentException");
        }
        failed = records.iter().map(|_| faults.strikes(&faults.some_records)).collect();
        let mut fails = failed.iter();
        records.retain(|_| !fails.next().unwrap());
        if records.is_empty() {
            let entries: Vec<Value> = failed.iter().map(|_| failure()).collect();
            let answer = json!({ "FailedRecordCount": failed.len(), "Records": entries }).to_string();
            return write(client, &["HTTP/1.1 200 OK".to_owned()], answer.as_bytes());
        }
        request.body = body.to_string().into_bytes();
    }
    let server = TcpStream::connect(upstream).ok()?;
    write(&server, &request.head, &request.body)?;
    let mut answer = read(&server)?;
    if writes && faults.strikes(&faults.lose_answers) {
        return None;
    }
    let hidden = faults.hidden.lock().unwrap().clone();
    if target == "listshards" && !hidden.is_empty() {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        let number = |shard: &Value| shard["ShardId"].as_str().unwrap()["shardId-".len()..].parse().unwrap();
        body["Shards"].as_array_mut().unwrap().retain(|shard| !hidden.contains(&number(shard)));
        answer.body = body.to_string().into_bytes();
    }
    if failed.contains(&true) && answer.head[0].contains("200") {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        let mut taken = body["Records"].as_array().unwrap().clone().into_iter();
        let entries: Vec<Value> =
            failed.iter().map(|failed| if *failed { failure() } else { taken.next().unwrap() }).collect();
        body["FailedRecordCount"] = json!(failed.iter().filter(|failed| **failed).count());
        body["Records"] = json!(entries);
        answer.body = body.to_string().into_bytes();
    }
    write(client, &answer.head, &answer.body)
}

/// Serves a subscription: as the test has it, or as the server does for as long as it lasts.
fn subscribe(mut client: &TcpStream, upstream: &str, faults: &Faults, request: &Message) -> Option<()> {
    faults.subscribed.lock().unwrap().push(Instant::now());
    let how = faults.subscriptions.lock().unwrap().pop_front();
    let Some(how) = how else {
        let mut server = TcpStream::connect(upstream).ok()?;
        write(&server, &request.head, &request.body)?;
        std::io::copy(&mut server, &mut client).ok()?;
        return None;
    };
    let mut body = frames::begin();
    if let Subscription::Error(code) = how {
        body.extend(frames::error(code));
    }
    let missing = if matches!(how, Subscription::Break) { 100 } else { 0 };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: {}\r\n\r\n",
        body.len() + missing
    );
    client.write_all(head.as_bytes()).ok()?;
    client.write_all(&body).ok()?;
    (missing == 0).then_some(())
}

fn failure() -> Value {
    json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard" })
}
