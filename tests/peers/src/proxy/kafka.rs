//! A proxy of Kafka's protocol that loses writes and their answers, or says inside an answer that a partition failed.

use std::{
    collections::BTreeMap,
    io::{Error, ErrorKind, Read, Result, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    thread,
};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{ProduceResponse, ResponseHeader},
    protocol::{Decodable as _, Encodable as _, HeaderVersion as _},
};

use super::listener::{Listener, locked, reset};
use crate::Skip;

/// The number of the request that writes (<https://kafka.apache.org/protocol>).
const PRODUCE: i16 = 0;
/// `NOT_ENOUGH_REPLICAS_AFTER_APPEND`: the broker has the records and cannot vouch for them; to be asked again.
const NOT_VOUCHED_FOR: i16 = 20;
/// A longer frame is no frame.
const LONGEST: usize = 100 << 20;

/// What happens to writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Mode {
    #[default]
    Pass,
    /// Of four writes the second loses its answer and the fourth does not arrive; the connection ends with each.
    Lose,
    /// Every other write is done, and answered as failed in its first partition.
    Fail,
}

#[derive(Debug, Default)]
struct Shared {
    upstream: AtomicU16,
    mode: Mutex<Mode>,
    /// Writes that came while something was to happen to them.
    met: AtomicU64,
    spoiled: AtomicU64,
    throttled: AtomicU64,
}

/// A proxy in front of a Kafka broker that knows the requests that write. It ends, and closes its connections, when
/// dropped. The broker must name it to its clients:
/// [`Kafka::start_secured_behind`](crate::Kafka::start_secured_behind).
#[derive(Debug)]
pub struct Kafka {
    listener: Listener,
    shared: Arc<Shared>,
}

impl Kafka {
    /// A proxy that leads nowhere yet: connections end at once until it is reported where to.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub fn listen() -> std::result::Result<Self, Skip> {
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |client| serve(client, &serving))?;
        Ok(Self { listener, shared })
    }

    /// Leads new connections to a port of loopback.
    pub fn lead_to(&self, port: u16) {
        self.shared.upstream.store(port, Ordering::SeqCst);
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    /// From now on some writes are lost, and of some the answer is, together with their connection.
    pub fn lose_writes(&self) {
        *locked(&self.shared.mode) = Mode::Lose;
    }

    /// From now on every other write is answered as failed in one partition, to be asked again; the broker has done it.
    pub fn fail_writes(&self) {
        *locked(&self.shared.mode) = Mode::Fail;
    }

    /// Everything passes again.
    pub fn pass(&self) {
        *locked(&self.shared.mode) = Mode::Pass;
    }

    /// How many writes were lost or answered as failed so far.
    pub fn spoiled(&self) -> u64 {
        self.shared.spoiled.load(Ordering::SeqCst)
    }

    /// How many answers to writes have said so far that the broker makes the client wait.
    pub fn throttled(&self) -> u64 {
        self.shared.throttled.load(Ordering::SeqCst)
    }
}

/// What is to become of an answer.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Pass,
    Lose,
    Fail,
}

/// What both directions of a connection know: the writes without an answer yet, by their correlation id, with the
/// version of their request.
type Pending = Mutex<BTreeMap<i32, (i16, Answer)>>;

fn serve(client: &TcpStream, shared: &Shared) -> Result<()> {
    let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, shared.upstream.load(Ordering::SeqCst))))?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let pending = Pending::default();
    let end = || {
        drop(server.shutdown(Shutdown::Both));
        drop(client.shutdown(Shutdown::Both));
    };
    thread::scope(|scope| {
        let back = scope.spawn(|| {
            let done = answers(&server, client, shared, &pending);
            end();
            done
        });
        let there = requests(client, &server, shared, &pending);
        end();
        back.join().unwrap_or(Ok(())).and(there)
    })
}

fn requests(mut client: &TcpStream, mut server: &TcpStream, shared: &Shared, pending: &Pending) -> Result<()> {
    while let Some(frame) = frame(&mut client)? {
        let mut head = frame.get(..8).ok_or(ErrorKind::InvalidData)?;
        let (request, version, correlation) = (head.get_i16(), head.get_i16(), head.get_i32());
        if request == PRODUCE {
            let mode = *locked(&shared.mode);
            let met = if mode == Mode::Pass { 0 } else { shared.met.fetch_add(1, Ordering::SeqCst) };
            let answer = match (mode, met % 4) {
                (Mode::Lose, 3) => {
                    shared.spoiled.fetch_add(1, Ordering::SeqCst);
                    return reset(client);
                }
                (Mode::Lose, 1) => Answer::Lose,
                (Mode::Fail, 1 | 3) => Answer::Fail,
                _ => Answer::Pass,
            };
            locked(pending).insert(correlation, (version, answer));
        }
        send(&mut server, &frame)?;
    }
    Ok(())
}

fn answers(mut server: &TcpStream, mut client: &TcpStream, shared: &Shared, pending: &Pending) -> Result<()> {
    while let Some(mut frame) = frame(&mut server)? {
        let correlation = frame.get(..4).ok_or(ErrorKind::InvalidData)?.get_i32();
        let write = locked(pending).remove(&correlation);
        if let Some((version, answer)) = write {
            let (header, mut body) = decoded(&frame, version).map_err(Error::other)?;
            if body.throttle_time_ms > 0 {
                shared.throttled.fetch_add(1, Ordering::SeqCst);
            }
            match answer {
                Answer::Pass => {}
                Answer::Lose => {
                    shared.spoiled.fetch_add(1, Ordering::SeqCst);
                    return reset(client);
                }
                Answer::Fail => {
                    let partition = body.responses.first_mut().and_then(|topic| topic.partition_responses.first_mut());
                    if let Some(partition) = partition {
                        partition.error_code = NOT_VOUCHED_FOR;
                        partition.base_offset = -1;
                        frame = encoded(&header, &body, version).map_err(Error::other)?;
                        shared.spoiled.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }
        send(&mut client, &frame)?;
    }
    Ok(())
}

type Reply = (ResponseHeader, ProduceResponse);

fn decoded(frame: &[u8], version: i16) -> std::result::Result<Reply, String> {
    let mut bytes = Bytes::copy_from_slice(frame);
    let header = ResponseHeader::decode(&mut bytes, ProduceResponse::header_version(version));
    let header = header.map_err(|error| error.to_string())?;
    let body = ProduceResponse::decode(&mut bytes, version).map_err(|error| error.to_string())?;
    Ok((header, body))
}

fn encoded(header: &ResponseHeader, body: &ProduceResponse, version: i16) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = BytesMut::new();
    let header = header.encode(&mut bytes, ProduceResponse::header_version(version));
    header.and_then(|()| body.encode(&mut bytes, version)).map_err(|error| error.to_string())?;
    Ok(bytes.to_vec())
}

/// The next frame without its length; nothing if the connection ended before it.
fn frame(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

fn send(to: &mut impl Write, frame: &[u8]) -> Result<()> {
    let mut whole = (frame.len() as u32).to_be_bytes().to_vec();
    whole.extend(frame);
    to.write_all(&whole)
}
