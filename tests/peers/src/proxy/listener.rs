//! What proxies with a thread for each connection share: a port of their own, and an end that is the end of all of them.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Result},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::{Skip, ports::Port};

#[derive(Debug, Default)]
struct Open {
    /// A second handle of every open connection, by its number, so that they end with the proxy.
    connections: Mutex<BTreeMap<u64, TcpStream>>,
    over: AtomicBool,
}

/// Listens, and serves each connection in a thread. It ends, and closes its connections, when dropped.
#[derive(Debug)]
pub(super) struct Listener {
    port: Port,
    open: Arc<Open>,
}

impl Listener {
    /// Listens from now on. A connection that breaks is what happens to clients of a proxy: what `serve` answers is not
    /// looked at.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub(super) fn start(
        serve: impl Fn(&TcpStream) -> Result<()> + Send + Sync + 'static,
    ) -> std::result::Result<Self, Skip> {
        let (port, listener) = bind()?;
        let open = Arc::new(Open::default());
        let started = Self { port, open: Arc::clone(&open) };
        thread::spawn(move || accept(&listener, &open, &Arc::new(serve)));
        Ok(started)
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub(super) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.open.over.store(true, Ordering::SeqCst);
        for connection in locked(&self.open.connections).values() {
            // One that has ended already cannot be shut.
            drop(connection.shutdown(Shutdown::Both));
        }
        // Wakes the thread that waits for connections, which then sees that it is over.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())));
    }
}

/// Listens on a port of loopback that nobody else gets meanwhile.
///
/// # Panics
///
/// If it cannot.
pub(super) fn bind() -> std::result::Result<(Port, TcpListener), Skip> {
    let port = Port::reserve()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()));
    let listener = listener.unwrap_or_else(|error| panic!("port {}: {error}", port.number()));
    Ok((port, listener))
}

/// What a lock holds, also after a thread has panicked with it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a connection with a reset, whatever of it is still known elsewhere.
pub(super) fn reset(client: &TcpStream) -> Result<()> {
    SockRef::from(client).set_linger(Some(Duration::ZERO))?;
    Err(ErrorKind::ConnectionReset.into())
}

fn accept(
    listener: &TcpListener,
    open: &Arc<Open>,
    serve: &Arc<impl Fn(&TcpStream) -> Result<()> + Send + Sync + 'static>,
) {
    for (number, client) in (0..).zip(listener.incoming()) {
        if open.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let Ok(handle) = client.try_clone() else { continue };
        locked(&open.connections).insert(number, handle);
        let (open, serve) = (Arc::clone(open), Arc::clone(serve));
        thread::spawn(move || {
            drop(serve(&client));
            // With the second handle gone the connection is closed here, in order or with a reset.
            locked(&open.connections).remove(&number);
        });
    }
}
