//! Errors at the border: few, and each says what the caller should do.

use std::time::Duration;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Too much at once: wait, then retry.
    Throttled,
    /// Out of reach for now: retry with growing pauses.
    Unavailable,
    /// Not allowed: credentials or permissions must change.
    Denied,
    /// It does not exist.
    NotFound,
    /// Somebody else holds or changed it.
    Conflict,
    /// What was sent is wrong; sending it again will not help.
    Invalid,
    /// Nobody reads the output any more, as with `| head`: the run ends without an error.
    ReaderGone,
    /// A fault of ours or of the service that no one can act on.
    Internal,
}

/// An error of a connector or backend.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What to do.
    pub kind: ErrorKind,
    /// What happened and to what, in one line; never a secret.
    pub message: String,
    /// How long to wait, where the service said so.
    pub retry_after: Option<Duration>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error without a cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }

    /// An operating system's error while doing `what` ("read `a.jsonl`").
    pub fn io(what: impl std::fmt::Display, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied => ErrorKind::Denied,
            Io::AlreadyExists | Io::ResourceBusy => ErrorKind::Conflict,
            Io::InvalidData | Io::InvalidInput | Io::IsADirectory | Io::NotADirectory => ErrorKind::Invalid,
            Io::TimedOut | Io::Interrupted | Io::WouldBlock | Io::StorageFull => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        };
        Self { kind, message: format!("cannot {what}: {error}"), retry_after: None, source: Some(Box::new(error)) }
    }

    /// Whether another try can succeed without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
    }
}
