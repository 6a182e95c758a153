//! The service's many errors as the few that the border knows.

use aws_sdk_kinesis::{
    error::{ProvideErrorMetadata, SdkError},
    types::error::SubscribeToShardEventStreamError,
};
use pipectl_contract::{
    ConnectorError, ErrorKind,
    error_text::{chained, one_line},
};

/// An error with the service's own code, for the few places that look at it.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) error: ConnectorError,
    pub(crate) code: Option<String>,
}

impl CallError {
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.is("ResourceNotFoundException")
    }
}

impl From<CallError> for ConnectorError {
    fn from(call: CallError) -> Self {
        call.error
    }
}

/// What one of the service's codes asks for
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html> and the pages of the operations).
pub(crate) fn kind_of(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        "InternalFailure"
        | "InternalFailureException"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => ErrorKind::Unavailable,
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired" => ErrorKind::Denied,
        "ResourceNotFoundException" => ErrorKind::NotFound,
        "ResourceInUseException" | "ConditionalCheckFailedException" => ErrorKind::Conflict,
        "InvalidArgumentException"
        | "ValidationException"
        | "SerializationException"
        | "ExpiredIteratorException"
        | "ExpiredNextTokenException" => ErrorKind::Invalid,
        _ => return None,
    })
}

/// What to add for a person, by kind.
fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Throttled => {
            "; the stream or the account is at its limit: more shards, or fewer readers and writers"
        }
        ErrorKind::Unavailable => "; check whether the service is reachable from this machine",
        ErrorKind::Denied => "; check the credentials and their permissions",
        ErrorKind::NotFound => "; create it first, or correct its name or region",
        _ => "",
    }
}

/// Says what happened while doing `what` ("write to stream `orders`").
pub(crate) fn map<E>(what: &str, error: &SdkError<E>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let kind = code.as_deref().and_then(kind_of).unwrap_or_else(|| match error {
        SdkError::TimeoutError(_) => ErrorKind::Unavailable,
        SdkError::DispatchFailure(failure) => {
            let denied = !failure.is_io() && !failure.is_timeout() && is_about_credentials(error);
            if denied { ErrorKind::Denied } else { ErrorKind::Unavailable }
        }
        SdkError::ConstructionFailure(_) if is_about_credentials(error) => ErrorKind::Denied,
        _ => match status {
            Some(429) => ErrorKind::Throttled,
            Some(401 | 403) => ErrorKind::Denied,
            Some(status) if status >= 500 => ErrorKind::Unavailable,
            // An answer that cannot be read: cut off on its way.
            Some(200) => ErrorKind::Unavailable,
            Some(_) => ErrorKind::Invalid,
            None => ErrorKind::Internal,
        },
    });
    let message = error_text(what, kind, code.as_deref(), error);
    let retry_after = error
        .raw_response()
        .and_then(|response| response.headers().get("retry-after"))
        .and_then(|seconds| seconds.parse().ok())
        .map(std::time::Duration::from_secs);
    let error = ConnectorError { kind, message, retry_after, source: None };
    CallError { error, code }
}

/// The same of an error inside a subscription, whose answer was good: what is not known is a stream that broke off.
pub(crate) fn map_event<R: std::fmt::Debug>(
    what: &str,
    error: &SdkError<SubscribeToShardEventStreamError, R>,
) -> CallError {
    let event = error.as_service_error().and_then(event_code);
    let code = error.code().or(event).map(str::to_owned);
    let kind = code.as_deref().and_then(kind_of).unwrap_or(ErrorKind::Unavailable);
    let message = error_text(what, kind, code.as_deref(), error);
    CallError { error: ConnectorError::new(kind, message), code }
}

/// The code of an error event: unlike an answer, its body does not have it.
fn event_code(error: &SubscribeToShardEventStreamError) -> Option<&'static str> {
    use SubscribeToShardEventStreamError as Event;
    Some(match error {
        Event::ResourceNotFoundException(_) => "ResourceNotFoundException",
        Event::ResourceInUseException(_) => "ResourceInUseException",
        Event::KmsDisabledException(_) => "KMSDisabledException",
        Event::KmsInvalidStateException(_) => "KMSInvalidStateException",
        Event::KmsAccessDeniedException(_) => "KMSAccessDeniedException",
        Event::KmsNotFoundException(_) => "KMSNotFoundException",
        Event::KmsOptInRequired(_) => "KMSOptInRequired",
        Event::KmsThrottlingException(_) => "KMSThrottlingException",
        Event::InternalFailureException(_) => "InternalFailureException",
        _ => return None,
    })
}

/// What to tell a person: the service's own words on one line, its code, and what can be done.
fn error_text<E, R>(what: &str, kind: ErrorKind, code: Option<&str>, error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let detail = match (code, error.message()) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (Some(code), None) => code.to_owned(),
        // What the client prints itself is for its own developers.
        _ => chained(error),
    };
    format!("cannot {what}: {}{}", one_line(&detail).trim_end_matches('.'), advice(kind))
}

fn is_about_credentials<E: std::error::Error + 'static>(error: &SdkError<E>) -> bool {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("credentials") || text.contains("identity") {
            return true;
        }
        cause = error.source();
    }
    false
}
