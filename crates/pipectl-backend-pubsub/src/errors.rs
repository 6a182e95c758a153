//! The client's errors as the few of the border.

use std::time::Duration;

use google_cloud_gax::error::{
    Error,
    rpc::{Code, StatusDetails},
};
use pipectl_contract::{
    ConnectorError, ErrorKind,
    error_text::{chained, one_line},
};

/// An error of a call, while doing `what` ("create topic `orders`").
pub(crate) fn call(what: impl std::fmt::Display, error: Error) -> ConnectorError {
    let kind = kind(&error);
    let message = format!("cannot {what}: {}{}", reason(&error), advice(kind));
    let retry_after = retry_after(&error);
    ConnectorError { kind, message, retry_after, source: Some(Box::new(error)) }
}

/// An error that several records share.
pub(crate) fn shared(what: impl std::fmt::Display, error: &Error) -> ConnectorError {
    let kind = kind(error);
    let message = format!("cannot {what}: {}{}", reason(error), advice(kind));
    ConnectorError { kind, message, retry_after: retry_after(error), source: None }
}

/// What a caller should do about it (<https://cloud.google.com/pubsub/docs/reference/error-codes>).
pub(crate) fn kind(error: &Error) -> ErrorKind {
    if let Some(status) = error.status() {
        return match status.code {
            Code::ResourceExhausted => ErrorKind::Throttled,
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Internal | Code::Cancelled => {
                ErrorKind::Unavailable
            }
            Code::PermissionDenied | Code::Unauthenticated => ErrorKind::Denied,
            Code::NotFound => ErrorKind::NotFound,
            Code::AlreadyExists | Code::FailedPrecondition => ErrorKind::Conflict,
            Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        };
    }
    match error.http_status_code() {
        Some(401 | 403) => return ErrorKind::Denied,
        Some(404) => return ErrorKind::NotFound,
        Some(409 | 412) => return ErrorKind::Conflict,
        Some(429) => return ErrorKind::Throttled,
        Some(code) if code >= 500 => return ErrorKind::Unavailable,
        Some(400..=499) => return ErrorKind::Invalid,
        _ => {}
    }
    if error.is_authentication() {
        ErrorKind::Denied
    } else if error.is_timeout() || error.is_io() || error.is_connect() || error.is_transport() || error.is_exhausted()
    {
        ErrorKind::Unavailable
    } else if error.is_binding() || error.is_serialization() {
        ErrorKind::Invalid
    } else {
        ErrorKind::Internal
    }
}

/// The service's own words in one line, without what surrounds them.
pub(crate) fn reason(error: &Error) -> String {
    let text = match error.status() {
        Some(status) if !status.message.is_empty() => format!("{} ({})", status.message, status.code.name()),
        Some(status) => status.code.name().to_owned(),
        None => chained(error),
    };
    one_line(&text)
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => "; check the credentials and their Pub/Sub roles",
        ErrorKind::Unavailable => "; check `endpoint` and the network",
        _ => "",
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::RetryInfo(info) => info.retry_delay.and_then(|delay| Duration::try_from(delay).ok()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    #[test]
    fn each_code_of_the_service_says_what_to_do() {
        let of = |code| call("publish to `orders`", Error::service(Status::default().set_code(code).set_message("no")));
        for (code, kind) in [
            (Code::ResourceExhausted, ErrorKind::Throttled),
            (Code::Unavailable, ErrorKind::Unavailable),
            (Code::PermissionDenied, ErrorKind::Denied),
            (Code::NotFound, ErrorKind::NotFound),
            (Code::AlreadyExists, ErrorKind::Conflict),
            (Code::InvalidArgument, ErrorKind::Invalid),
            (Code::DataLoss, ErrorKind::Internal),
        ] {
            assert_eq!(of(code).kind, kind, "{code:?}");
        }
        let denied = of(Code::PermissionDenied).to_string();
        assert_eq!(
            denied,
            "cannot publish to `orders`: no (PERMISSION_DENIED); check the credentials and their Pub/Sub roles"
        );
    }
}
