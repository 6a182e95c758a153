//! The few errors that a broker in memory can have, in one place so that they read alike.

use pipectl_contract::{ConnectorError, ErrorKind};

pub(crate) fn no_stream(name: &str) -> ConnectorError {
    let message = format!("the memory broker has no stream `{name}`: create it first, or correct its name");
    ConnectorError::new(ErrorKind::NotFound, message)
}

pub(crate) fn deleted(name: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::NotFound, format!("stream `{name}` was deleted while it was in use"))
}

pub(crate) fn no_partitions(name: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("stream `{name}` needs at least one partition"))
}

pub(crate) fn options(name: &str, error: &serde_json::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("the options of stream `{name}` cannot be used: {error}"))
}

pub(crate) fn position(node: &str) -> ConnectorError {
    let message = format!("the position of stream `{node}` was not written by a memory stream");
    ConnectorError::new(ErrorKind::Invalid, message)
}
