//! A proxy of HTTP/1.1 that can answer in the server's place, spoil answers, or keep them for itself.

use std::{
    collections::BTreeMap,
    io::{BufReader, BufWriter, Error, ErrorKind, Result, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::{
    entries::split,
    listener::{Listener, locked, reset},
    message::{Head, Length, pass, whole},
    rule::{Fired, Rule, Then, When},
};
use crate::Skip;

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    /// Requests seen, by their target of AWS or their method.
    seen: Mutex<BTreeMap<String, u64>>,
}

/// A proxy in front of a server that speaks HTTP/1.1. It ends, and closes its connections, when dropped.
///
/// Rules are asked in the order in which they were given; the first that fits decides. What no rule is for passes,
/// streaming answers while they come.
#[derive(Debug)]
pub struct Http {
    listener: Listener,
    shared: Arc<Shared>,
}

impl Http {
    /// A proxy that leads to a server (`http://127.0.0.1:PORT`).
    ///
    /// # Panics
    ///
    /// If the address is none, or the proxy cannot listen.
    pub fn start(upstream: &str) -> std::result::Result<Self, Skip> {
        let address = upstream.trim_start_matches("http://").trim_end_matches('/');
        let upstream = address.parse().unwrap_or_else(|error| panic!("{upstream}: {error}"));
        let shared = Arc::new(Shared { upstream, rules: Mutex::default(), seen: Mutex::default() });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |client| serve(client, &serving))?;
        Ok(Self { listener, shared })
    }

    /// Where clients connect: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.endpoint())
    }

    /// Adds a rule behind those that are there.
    pub fn on(&self, when: When, then: Then) -> Fired {
        let (rule, fired) = Rule::new(when, then);
        locked(&self.shared.rules).push(rule);
        fired
    }

    /// Takes all rules away: everything passes again.
    pub fn pass(&self) {
        locked(&self.shared.rules).clear();
    }

    /// How many requests of an operation have come so far, spoiled ones included: the last word of `x-amz-target`, or
    /// the method where there is none.
    pub fn requests(&self, operation: &str) -> u64 {
        locked(&self.shared.seen).get(operation).copied().unwrap_or_default()
    }
}

/// The requests of one connection, each over a new connection to the server: a fault of one leaves the next alone.
fn serve(client: &TcpStream, shared: &Shared) -> Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client);
    let mut answers = BufWriter::new(client);
    while let Some(head) = Head::read(&mut requests)? {
        if head.header("expect").is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue")) {
            answers.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            answers.flush()?;
        }
        let body = whole(head.of_request()?, &mut requests)?;
        let operation = head.header("x-amz-target").and_then(|target| target.rsplit('.').next());
        *locked(&shared.seen).entry(operation.unwrap_or(head.method()).to_owned()).or_default() += 1;
        let then = locked(&shared.rules).iter_mut().find_map(|rule| rule.judge(&head));
        let stays_open = match then {
            None => forward(shared, &head, &body, &mut answers)?,
            Some(Then::Delay(time)) => {
                thread::sleep(time);
                forward(shared, &head, &body, &mut answers)?
            }
            Some(Then::Answer { status, headers, body }) => {
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                answer(status, headers, body.as_bytes(), &mut answers)?;
                true
            }
            Some(Then::FailEntries { places, code }) => fail(shared, &head, &body, (&places, &code), &mut answers)?,
            Some(Then::SwallowAnswer) => {
                forward(shared, &head, &body, &mut std::io::sink())?;
                // Until the client loses its patience.
                drop(std::io::copy(&mut requests, &mut std::io::sink()));
                return Ok(());
            }
            Some(Then::Reset) => return reset(client),
            Some(Then::ResetAfter) => {
                forward(shared, &head, &body, &mut std::io::sink())?;
                return reset(client);
            }
        };
        answers.flush()?;
        if !stays_open || !head.stays_open() {
            return Ok(());
        }
    }
    Ok(())
}

/// Hands a request to the server; what answers it.
fn ask(shared: &Shared, head: &Head, body: &[u8]) -> Result<(BufReader<TcpStream>, Head)> {
    let mut server = TcpStream::connect(shared.upstream)?;
    server.set_nodelay(true)?;
    let mut head = head.clone();
    head.headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding") && !name.eq_ignore_ascii_case("expect"));
    head.set("Content-Length", &body.len().to_string());
    head.set("Connection", "close");
    let mut request = Vec::new();
    head.write(&mut request)?;
    request.extend(body);
    server.write_all(&request)?;
    let mut answers = BufReader::new(server);
    loop {
        let answer = Head::read(&mut answers)?.ok_or(ErrorKind::UnexpectedEof)?;
        if answer.status() >= 200 {
            return Ok((answers, answer));
        }
    }
}

/// Passes a request and its answer. True if the client's connection can go on.
fn forward(shared: &Shared, head: &Head, body: &[u8], to: &mut impl Write) -> Result<bool> {
    let (mut from, mut answer) = ask(shared, head, body)?;
    let length = answer.of_answer(head)?;
    let stays_open = length != Length::UntilEnd;
    answer.set("Connection", if stays_open { "keep-alive" } else { "close" });
    answer.write(to)?;
    to.flush()?;
    pass(length, &mut from, to)?;
    Ok(stays_open)
}

/// Fails some entries and passes the others.
fn fail(
    shared: &Shared,
    head: &Head,
    body: &[u8],
    (places, code): (&[usize], &str),
    to: &mut impl Write,
) -> Result<bool> {
    let Some(split) = split(body, places, code) else { return forward(shared, head, body, to) };
    let mut answered = None;
    if let Some(request) = &split.request {
        let (mut from, given) = ask(shared, head, request.as_bytes())?;
        let given_body = whole(given.of_answer(head)?, &mut from)?;
        if given.status() != 200 {
            let headers = given.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            answer(given.status(), headers, &given_body, to)?;
            return Ok(true);
        }
        answered = Some(given_body);
    }
    let merged = split.merge(answered.as_deref());
    let merged = merged.ok_or_else(|| Error::new(ErrorKind::InvalidData, "no answer of a PutRecords"))?;
    answer(200, [("Content-Type", "application/x-amz-json-1.1")], merged.as_bytes(), to)?;
    Ok(true)
}

fn answer<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
    to: &mut impl Write,
) -> Result<()> {
    let mut head = Head { first: format!("HTTP/1.1 {status} Answer"), headers: Vec::new() };
    let framing = ["transfer-encoding", "content-length", "connection"];
    for (name, value) in headers {
        if !framing.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            head.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    head.set("Content-Length", &body.len().to_string());
    head.write(to)?;
    to.write_all(body)
}
