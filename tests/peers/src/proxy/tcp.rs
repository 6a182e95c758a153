//! A proxy of connections that can be told to cut, refuse, delay or swallow while it runs.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

use crate::{Skip, ports::Port};

/// How often a thread that waits for bytes looks whether it should still.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// What happens to bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Pass,
    /// Every piece waits this long, in both directions.
    Delay(Duration),
    /// Connections are taken, and nothing ever comes back.
    BlackHole,
    /// Nobody listens.
    Refuse,
    /// The proxy is gone.
    Over,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    upstream: Option<SocketAddr>,
    /// Goes up when all connections of now must be reset.
    cuts: u64,
    open: usize,
    accepted: u64,
    listening: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        self.changed.notify_all();
        result
    }

    /// Waits until a condition holds; false if it does not within ten seconds.
    fn wait(&self, until: impl Fn(&State) -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(10);
        let mut state = self.state();
        while !until(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// A proxy of TCP connections to loopback. It ends, and resets its connections, when dropped.
#[derive(Debug)]
pub struct Tcp {
    port: Port,
    shared: Arc<Shared>,
}

impl Tcp {
    /// A proxy that leads to a server (`127.0.0.1:PORT`, or with a scheme before it).
    ///
    /// # Panics
    ///
    /// If the address is none.
    pub fn start(upstream: &str) -> Result<Self, Skip> {
        let address = upstream.split_once("://").map_or(upstream, |(_, address)| address);
        let address = address.parse().unwrap_or_else(|error| panic!("{upstream}: {error}"));
        let proxy = Self::listen()?;
        proxy.shared.change(|state| state.upstream = Some(address));
        Ok(proxy)
    }

    /// A proxy that leads nowhere yet: connections wait until it is reported where to.
    pub fn listen() -> Result<Self, Skip> {
        let port = Port::reserve()?;
        let state = State { mode: Mode::Pass, upstream: None, cuts: 0, open: 0, accepted: 0, listening: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        let number = proxy.port();
        thread::spawn(move || accept(number, &shared));
        proxy.expect(|state| state.listening, "listen");
        Ok(proxy)
    }

    /// Leads new connections to another port of loopback.
    pub fn lead_to(&self, port: u16) {
        self.shared.change(|state| state.upstream = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The port of [`endpoint`](Self::endpoint).
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// How many connections have been taken so far.
    pub fn accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.shared.state().open
    }

    /// Lets everything through again, also to connections that waited in a black hole.
    pub fn pass(&self) {
        self.switch(Mode::Pass);
    }

    /// Resets all connections; new ones pass. Returns when they are reset.
    pub fn cut(&self) {
        let cut = self.shared.change(|state| {
            state.cuts += 1;
            state.open
        });
        if cut > 0 {
            // New connections may have come; those of before were counted out when they saw the cut.
            self.shared.wait(|state| state.open < cut);
        }
    }

    /// Resets all connections and closes the port, so that new ones are refused.
    pub fn refuse(&self) {
        self.switch(Mode::Refuse);
        self.expect(|state| !state.listening && state.open == 0, "stop listening");
    }

    /// Holds every piece of data back for so long, in both directions.
    pub fn delay(&self, time: Duration) {
        self.switch(Mode::Delay(time));
    }

    /// Takes connections and lets nothing through in either direction until [`pass`](Self::pass).
    pub fn black_hole(&self) {
        self.switch(Mode::BlackHole);
    }

    fn switch(&self, mode: Mode) {
        self.shared.change(|state| state.mode = mode);
        if mode != Mode::Refuse {
            self.expect(|state| state.listening, "listen again");
        }
    }

    fn expect(&self, until: impl Fn(&State) -> bool, what: &str) {
        assert!(self.shared.wait(until), "the proxy on port {} does not {what}", self.port());
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.shared.change(|state| state.mode = Mode::Over);
        // So that the port is free when its reservation goes.
        self.shared.wait(|state| !state.listening && state.open == 0);
    }
}

/// Takes connections while the mode allows; one thread for the life of the proxy.
fn accept(port: u16, shared: &Arc<Shared>) {
    let mut listener = None;
    loop {
        let mode = shared.state().mode;
        match mode {
            Mode::Over => {
                drop(listener.take());
                shared.change(|state| state.listening = false);
                return;
            }
            Mode::Refuse => {
                drop(listener.take());
                shared.change(|state| state.listening = false);
                shared.wait(|state| state.mode != Mode::Refuse);
                continue;
            }
            Mode::Pass | Mode::Delay(_) | Mode::BlackHole => {}
        }
        if listener.is_none() {
            listener = bind(port).map_err(|error| eprintln!("proxy on port {port}: {error}")).ok();
            shared.change(|state| state.listening = listener.is_some());
        }
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => {
                let cuts = shared.change(|state| {
                    state.open += 1;
                    state.accepted += 1;
                    state.cuts
                });
                let shared = Arc::clone(shared);
                thread::spawn(move || {
                    if !serve(&client, &shared, cuts) {
                        reset(&client);
                    }
                    drop(client);
                    shared.change(|state| state.open -= 1);
                });
            }
            _ => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Lets a closed connection end with a reset if it is dropped without a proper end.
fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

/// Moves bytes both ways. True if both ends have ended properly; otherwise the connection is to be reset.
fn serve(client: &TcpStream, shared: &Shared, cuts: u64) -> bool {
    if client.set_nonblocking(false).is_err() || client.set_nodelay(true).is_err() {
        return false;
    }
    let Some(server) = reach(shared, cuts) else { return false };
    let broken = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        let back = scope.spawn(|| copy(&server, client, shared, cuts, &broken));
        let there = copy(client, &server, shared, cuts, &broken);
        back.join().unwrap_or(false) && there
    });
    if !ended {
        reset(&server);
    }
    ended
}

/// The connection to the server, as soon as connections are let through.
fn reach(shared: &Shared, cuts: u64) -> Option<TcpStream> {
    loop {
        let (mode, upstream) = {
            let state = shared.state();
            if is_cut(&state, cuts) {
                return None;
            }
            (state.mode, state.upstream)
        };
        match (mode, upstream) {
            (Mode::Pass | Mode::Delay(_), Some(address)) => {
                let stream = TcpStream::connect(address).ok()?;
                stream.set_nodelay(true).ok()?;
                return Some(stream);
            }
            _ => thread::sleep(LOOK),
        }
    }
}

fn is_cut(state: &State, cuts: u64) -> bool {
    state.cuts != cuts || matches!(state.mode, Mode::Refuse | Mode::Over)
}

/// Moves bytes one way. True if the sender ended properly and the receiver was reported so.
fn copy(from: &TcpStream, to: &TcpStream, shared: &Shared, cuts: u64, broken: &AtomicBool) -> bool {
    let ended = moved(from, to, shared, cuts, broken).is_some();
    if !ended {
        // The other direction must not wait for bytes that nobody will send.
        broken.store(true, Ordering::Relaxed);
    }
    ended
}

fn moved(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared, cuts: u64, broken: &AtomicBool) -> Option<()> {
    from.set_read_timeout(Some(LOOK)).ok()?;
    to.set_write_timeout(Some(LOOK)).ok()?;
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = in_time(from.read(&mut bytes)).ok()?;
        let pause = gate(shared, cuts, broken, count.is_some())?;
        match count {
            None => {}
            Some(0) => return to.shutdown(Shutdown::Write).ok(),
            Some(count) => {
                thread::sleep(pause);
                let mut rest = &bytes[..count];
                // A receiver that does not read must not keep a cut from being seen.
                while !rest.is_empty() {
                    let written = in_time(to.write(rest)).ok()?.unwrap_or(0);
                    rest = &rest[written..];
                    gate(shared, cuts, broken, true)?;
                }
            }
        }
    }
}

/// Waits while a black hole is open (if there are bytes to keep in it); the time for which a piece is to be delayed, or
/// nothing if the connection is over.
fn gate(shared: &Shared, cuts: u64, broken: &AtomicBool, holds_bytes: bool) -> Option<Duration> {
    loop {
        let state = shared.state();
        if is_cut(&state, cuts) || broken.load(Ordering::Relaxed) {
            return None;
        }
        match state.mode {
            Mode::Delay(time) => return Some(time),
            Mode::BlackHole if holds_bytes => {}
            _ => return Some(Duration::ZERO),
        }
        drop(state);
        thread::sleep(LOOK);
    }
}

/// What a call on a stream has moved; nothing if its time was up.
fn in_time(moved: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match moved {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
