//! The way to Google's emulator, which does not notice by itself that a reader has left.
//!
//! A client leaves a call by resetting its stream of HTTP/2, and the official one has no other way. The gRPC server
//! inside the emulator (0.8.20) fails on a reset and on a connection that breaks (`NoSuchMethodError` in its log), so the
//! call stays registered for ever, and since the emulator spreads ordering keys over all registered calls, nobody gets
//! the records of some keys any more. What it does notice is a call whose client says that it will send no more. So
//! the frames of readers pass through here, and say that in time: when the consumer closes, in place of a reset, and
//! when the client's connection breaks. A process that is killed says nothing; after that the emulator must be restarted.
//!
//! A closing consumer also reads what the emulator still sends until the call ends: it has leased those records to us.

use std::{collections::BTreeSet, io, net::Ipv4Addr, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use pipectl_host::Host;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What a client sends first on a connection (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What each frame begins with: length, type, flags, stream (RFC 9113, 4.1).
const HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// A call that is still open on the client's side after so long is the one that reads; all others say what they have to
/// say at once.
const SETTLE: Duration = Duration::from_millis(50);
/// The pause before the emulator is called again when nobody answers there.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the emulator may take to close its side of a connection.
const LINGER: Duration = Duration::from_secs(1);

/// The way of one consumer; when it is dropped, connections that stand go on until the client closes them.
#[derive(Debug)]
pub(crate) struct Way {
    /// Where the client finds it.
    pub(crate) endpoint: String,
    ending: watch::Sender<bool>,
}

impl Way {
    /// Opens a way to `host:port`, on a free port of loopback. It has tasks of its own, as the client has: what a
    /// consumer that was dropped without being closed leaves to say is said after it is gone.
    pub(crate) async fn open(host: &Host, address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (ending, reported) = watch::channel(false);
        let (task, address) = (host.clone(), address.to_owned());
        host.spawn(async move {
            let mut dropped = reported.clone();
            loop {
                tokio::select! {
                    biased;
                    accepted = listener.accept() => match accepted {
                        Ok((client, _)) => drop(task.spawn(carry(task.clone(), client, address.clone(), reported.clone()))),
                        // Too many files are open, for instance.
                        Err(_) => task.sleep(PAUSE).await,
                    },
                    changed = dropped.changed() => if changed.is_err() { return },
                }
            }
        });
        Ok(Self { endpoint, ending })
    }

    /// Lets the emulator end the calls that read; what it sent before still comes.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// Carries one connection.
async fn carry(host: Host, client: TcpStream, address: String, reported: watch::Receiver<bool>) -> io::Result<()> {
    let (from_client, mut to_client) = client.into_split();
    // A client that calls while the emulator is away waits; it would call again for ever all the same.
    let server = loop {
        match TcpStream::connect(address.as_str()).await {
            Ok(server) => break server,
            Err(error) if reported.has_changed().is_err() => return Err(error),
            Err(_) => host.sleep(PAUSE).await,
        }
    };
    server.set_nodelay(true)?;
    let (mut from_server, to_server) = server.into_split();
    let there = async {
        let passed = Passage::new(&host, from_client, to_server).run(reported).await;
        host.sleep(LINGER).await;
        passed
    };
    tokio::select! {
        biased;
        copied = tokio::io::copy(&mut from_server, &mut to_client) => copied.map(drop),
        passed = there => passed,
    }
}

/// The direction from the client to the emulator.
struct Passage<'a> {
    host: &'a Host,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    read: BytesMut,
    /// The streams of which the client may still send something.
    open: BTreeSet<u32>,
    /// Whether the headers that passed last were complete: nothing may come between their parts.
    whole: bool,
}

impl<'a> Passage<'a> {
    fn new(host: &'a Host, from: OwnedReadHalf, to: OwnedWriteHalf) -> Self {
        Self { host, from, to, read: BytesMut::new(), open: BTreeSet::new(), whole: true }
    }

    async fn run(mut self, mut reported: watch::Receiver<bool>) -> io::Result<()> {
        if !self.begins_with_preface().await? {
            // Calls of the administration, which the client writes in HTTP/1.
            self.to.write_all(&self.read).await?;
            tokio::io::copy(&mut self.from, &mut self.to).await?;
            return self.to.shutdown().await;
        }
        self.to.write_all(&self.read.split_to(PREFACE.len())).await?;
        // The streams to be ended, and when.
        let mut ending: Option<(BTreeSet<u32>, i64)> = None;
        loop {
            self.pass().await?;
            let due = ending.as_ref().map_or(i64::MAX, |(_, due)| *due);
            tokio::select! {
                biased;
                read = self.from.read_buf(&mut self.read) => if !matches!(read, Ok(1..)) { break },
                Ok(()) = reported.changed() => {
                    ending = Some((self.open.clone(), self.host.now() + SETTLE.as_micros() as i64));
                }
                () = self.host.sleep_until(due), if ending.is_some() && self.whole => {
                    for stream in ending.take().unwrap_or_default().0 {
                        self.end(stream).await?;
                    }
                }
            }
        }
        if self.whole {
            for stream in self.open.clone() {
                self.end(stream).await?;
            }
        }
        self.to.shutdown().await
    }

    async fn begins_with_preface(&mut self) -> io::Result<bool> {
        while self.read.len() < PREFACE.len() && PREFACE.starts_with(&self.read) {
            if self.from.read_buf(&mut self.read).await? == 0 {
                break;
            }
        }
        Ok(self.read.starts_with(PREFACE))
    }

    /// Passes on what has come whole.
    async fn pass(&mut self) -> io::Result<()> {
        while let Some(frame) = self.next() {
            let (kind, flags) = (frame[3], frame[4]);
            let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]) & (u32::MAX >> 1);
            match kind {
                RST_STREAM => {
                    self.end(stream).await?;
                    continue;
                }
                // We have said already that nothing more comes.
                DATA if !self.open.contains(&stream) => continue,
                HEADERS => {
                    self.open.insert(stream);
                    self.whole = flags & END_HEADERS != 0;
                }
                CONTINUATION => self.whole = flags & END_HEADERS != 0,
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                self.open.remove(&stream);
            }
            self.to.write_all(&frame).await?;
        }
        Ok(())
    }

    /// The next frame, if it is there whole.
    fn next(&mut self) -> Option<Bytes> {
        let length = HEAD + self.read.get(..3)?.get_uint(3) as usize;
        (self.read.len() >= length).then(|| self.read.split_to(length).freeze())
    }

    /// Says that nothing more comes on a stream: an empty frame of data with the flag.
    async fn end(&mut self, stream: u32) -> io::Result<()> {
        if !self.open.remove(&stream) {
            return Ok(());
        }
        let mut frame = [0; HEAD];
        (frame[3], frame[4]) = (DATA, END_STREAM);
        frame[5..].copy_from_slice(&stream.to_be_bytes());
        self.to.write_all(&frame).await
    }
}
