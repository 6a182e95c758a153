//! How a run fails.

use pipectl_contract::OperatorError;
use pipectl_contract::{ConnectorError, ErrorKind};

/// What the user should do about it; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunErrorKind {
    /// The run failed: data, state or a bug.
    Failed,
    /// An outside system is unreachable or refuses.
    Outside,
    /// The run did not drain before its deadline.
    DrainTimeout,
    /// Output of an earlier run is there, and nobody has said what becomes of it.
    OutputExists,
    /// Nobody reads the output any more: the run ends quietly, and the next one goes on from the last checkpoint.
    ReaderGone,
}

/// A failed run.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// What to do.
    pub kind: RunErrorKind,
    /// What failed, with the node's name.
    pub message: String,
    /// What to do, a line each.
    pub help: Vec<String>,
}

impl RunError {
    /// A fault of the run itself.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: RunErrorKind::Failed, message: message.into(), help: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// A connector's error at a node.
    pub(crate) fn connector(node: &str, error: &ConnectorError) -> Self {
        let kind = match error.kind {
            ErrorKind::Invalid | ErrorKind::Internal => RunErrorKind::Failed,
            ErrorKind::ReaderGone => RunErrorKind::ReaderGone,
            _ => RunErrorKind::Outside,
        };
        Self { kind, message: format!("`{node}`: {error}"), help: Vec::new() }
    }

    /// An operator's error at a node.
    pub(crate) fn operator(node: &str, error: &OperatorError) -> Self {
        Self::failed(format!("`{node}`: {error}"))
    }
}

impl From<std::io::Error> for RunError {
    fn from(error: std::io::Error) -> Self {
        Self { kind: RunErrorKind::Outside, message: error.to_string(), help: Vec::new() }
    }
}
