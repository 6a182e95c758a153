//! A proxy of gRPC that answers some calls of a method with an error, before or after the server has done them.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::SendRequest, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
};

use super::listener::{bind, locked};
use crate::{Skip, ports::Port};

/// How HTTP/2 begins (RFC 9113, 3.4); anything else is passed as it is.
const OPENING: &[u8] = b"PRI";

/// Codes of gRPC (<https://grpc.io/docs/guides/status-codes/>) that a busy or ailing service answers with.
pub mod code {
    /// The caller is too fast, or a quota is used up.
    pub const RESOURCE_EXHAUSTED: u32 = 8;
    /// The service cannot be reached, for now.
    pub const UNAVAILABLE: u32 = 14;
}

/// Which calls of a method are spoiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spoil {
    /// The first of every so many; it never reaches the server.
    Before(u64),
    /// The first of every so many; the server does it, and the client is reported that it failed.
    After(u64),
}

#[derive(Debug)]
struct Rule {
    spoil: Spoil,
    code: u32,
    met: u64,
    spoiled: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rules: Mutex<BTreeMap<String, Rule>>,
}

impl Shared {
    /// What is to become of a call.
    fn judge(&self, method: &str) -> Option<(Spoil, u32)> {
        let mut rules = locked(&self.rules);
        let rule = rules.get_mut(method)?;
        let (Spoil::Before(every) | Spoil::After(every)) = rule.spoil;
        let first = rule.met.is_multiple_of(every.max(1));
        rule.met += 1;
        first.then(|| {
            rule.spoiled.fetch_add(1, Ordering::SeqCst);
            (rule.spoil, rule.code)
        })
    }
}

/// A proxy in front of a server of gRPC without TLS. It ends, and closes its connections, when dropped.
#[derive(Debug)]
pub struct Grpc {
    port: Port,
    shared: Arc<Shared>,
    /// Its end ends the proxy.
    _over: oneshot::Sender<()>,
}

impl Grpc {
    /// A proxy that leads to a server (`127.0.0.1:PORT`, or with `http://` before it).
    ///
    /// # Panics
    ///
    /// If the address is none, or the proxy cannot listen.
    pub fn start(upstream: &str) -> Result<Self, Skip> {
        let address = upstream.trim_start_matches("http://");
        let upstream = address.parse().unwrap_or_else(|error| panic!("{upstream}: {error}"));
        let (port, listener) = bind()?;
        let shared = Arc::new(Shared { upstream, rules: Mutex::default() });
        let (sender, over) = oneshot::channel();
        let proxy = Self { port, shared: Arc::clone(&shared), _over: sender };
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|error| panic!("a proxy of gRPC: {error}"));
            runtime.block_on(async {
                tokio::select! {
                    done = accept(listener, &shared) => done.unwrap_or_else(|error| eprintln!("a proxy of gRPC: {error}")),
                    _ = over => {}
                }
            });
        });
        Ok(proxy)
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Spoils calls of a method (`Publish`) with a [`code`]; the answer counts them.
    pub fn on(&self, method: &str, spoil: Spoil, code: u32) -> Arc<AtomicU64> {
        let spoiled = Arc::new(AtomicU64::new(0));
        let rule = Rule { spoil, code, met: 0, spoiled: Arc::clone(&spoiled) };
        locked(&self.shared.rules).insert(method.to_owned(), rule);
        spoiled
    }

    /// Everything passes again.
    pub fn pass(&self) {
        locked(&self.shared.rules).clear();
    }
}

async fn accept(listener: std::net::TcpListener, shared: &Arc<Shared>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let shared = Arc::clone(shared);
        // A connection that breaks is what happens to clients of a proxy; they see it.
        tokio::spawn(async move { drop(connection(client, shared).await) });
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

async fn connection(mut client: TcpStream, shared: Arc<Shared>) -> Result<(), Fault> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(shared.upstream).await?;
    server.set_nodelay(true)?;
    let mut opening = [0; OPENING.len()];
    if client.peek(&mut opening).await? < opening.len() || opening != OPENING {
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let (upstream, driver) = h2::client::handshake(server).await?;
    // Ends with this connection: it then closes the server's.
    let mut driver = tokio::spawn(driver);
    let mut calls = h2::server::handshake(client).await?;
    loop {
        tokio::select! {
            call = calls.accept() => {
                let Some(call) = call else { break };
                let (request, respond) = call?;
                let (upstream, shared) = (upstream.clone(), Arc::clone(&shared));
                tokio::spawn(async move { drop(pass(request, respond, upstream, &shared).await) });
            }
            _ = &mut driver => break,
        }
    }
    driver.abort();
    Ok(())
}

async fn pass(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    upstream: SendRequest<Bytes>,
    shared: &Shared,
) -> Result<(), Fault> {
    let (head, mut body) = request.into_parts();
    let verdict = shared.judge(head.uri.path().rsplit('/').next().unwrap_or_default());
    if let Some((Spoil::Before(_), code)) = verdict {
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data?.len())?;
        }
        respond.send_response(failure(code), true)?;
        return Ok(());
    }
    let ended = body.is_end_stream();
    let (answer, to) = upstream.ready().await?.send_request(Request::from_parts(head, ()), ended)?;
    let there = async {
        if !ended {
            copy(body, to).await?;
        }
        Ok::<(), Fault>(())
    };
    let back = async {
        let (head, body) = match answer.await {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                respond.send_reset(error.reason().unwrap_or(Reason::CANCEL));
                return Err(error.into());
            }
        };
        if let Some((Spoil::After(_), code)) = verdict {
            whole(body).await?;
            respond.send_response(failure(code), true)?;
            return Ok(());
        }
        let ended = body.is_end_stream();
        let to = respond.send_response(Response::from_parts(head, ()), ended)?;
        if !ended {
            copy(body, to).await?;
        }
        Ok::<(), Fault>(())
    };
    // Either end that gives the call up makes the other do so: what is dropped here is reset.
    tokio::try_join!(there, back)?;
    Ok(())
}

async fn whole(mut body: RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    body.trailers().await.map(drop)
}

/// Moves one direction of a call, no faster than its receiver takes it.
async fn copy(mut from: RecvStream, mut to: SendStream<Bytes>) -> Result<(), Fault> {
    while let Some(data) = from.data().await {
        let mut data = data?;
        let length = data.len();
        while !data.is_empty() {
            to.reserve_capacity(data.len());
            let room = poll_fn(|context| to.poll_capacity(context)).await.ok_or("the receiver is gone")??;
            to.send_data(data.split_to(room.min(data.len())), false)?;
        }
        from.flow_control().release_capacity(length)?;
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers)?,
        None => to.send_data(Bytes::new(), true)?,
    }
    Ok(())
}

/// An answer of headers alone, as gRPC has it for a call that failed.
fn failure(code: u32) -> Response<()> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(code));
    headers.insert("grpc-message", HeaderValue::from_static("a proxy of tests says so"));
    let mut answer = Response::new(());
    *answer.headers_mut() = headers;
    answer
}
