//! Serves the metrics over HTTP: `/metrics`, `/healthz` and nothing else.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::{CONTENT_TYPE, Snapshot, expose};

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why there can be no server.
#[derive(Debug)]
pub struct ServerError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system says.
    pub error: io::Error,
}

impl ServerError {
    /// Whether the address can never be listened on from this machine, rather than not now.
    pub fn is_wrong(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::InvalidInput)
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.error.kind() {
            io::ErrorKind::AddrInUse => "choose another port, or port 0 for a free one",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine, such as 127.0.0.1",
            io::ErrorKind::PermissionDenied => "use a port of 1024 or above",
            _ => "use a free address, such as 127.0.0.1:9464",
        }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.error.kind() {
            io::ErrorKind::AddrInUse => write!(f, "cannot serve metrics on {}: the address is in use", self.address),
            _ => write!(f, "cannot serve metrics on {}: {}", self.address, self.error),
        }
    }
}

impl std::error::Error for ServerError {}

impl Server {
    /// Listens on an address; port 0 is any free port.
    ///
    /// # Errors
    /// If the address is in use or is not this machine's.
    pub fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        bound.map_err(|error| ServerError { address, error })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped. Each request for the metrics takes a snapshot.
    ///
    /// # Errors
    /// If the system takes the listener away.
    pub fn serve(
        self,
        snapshot: impl Fn() -> Snapshot + Clone + Send + Sync + 'static,
    ) -> impl Future<Output = io::Result<()>> + Send {
        let metrics = move || std::future::ready(page(snapshot()));
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| std::future::ready("ok\n")))
            .fallback(|| std::future::ready((StatusCode::NOT_FOUND, "not found; there are /metrics and /healthz\n")));
        async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            axum::serve(listener, router).await
        }
    }
}

fn page(snapshot: Snapshot) -> Response {
    match expose(snapshot) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
