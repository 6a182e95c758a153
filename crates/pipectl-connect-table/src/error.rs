//! SQLite's errors as ours: what the caller should do.

use pipectl_contract::{ConnectorError, ErrorKind};
use rusqlite::ErrorCode;

/// An error of SQLite while doing `what` ("write to table `a` in `t.sqlite`").
pub(crate) fn sqlite(what: impl std::fmt::Display, error: rusqlite::Error) -> ConnectorError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => ErrorKind::Unavailable,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
            ErrorKind::Denied
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::SchemaChanged
            | ErrorCode::TooBig
            | ErrorCode::ConstraintViolation,
        ) => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    };
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => " (another program holds the lock)",
        _ => "",
    };
    ConnectorError {
        kind,
        message: format!("cannot {what}: {error}{hint}"),
        retry_after: None,
        source: Some(Box::new(error)),
    }
}

/// An error that only a person can fix.
pub(crate) fn invalid(message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, message)
}
