//! What the SDK's errors mean at our border.

use std::{error::Error, time::Duration};

use azure_core::error::ErrorKind as CoreKind;
use azure_core_amqp::{AmqpError, AmqpErrorKind, error::AmqpErrorCondition as Condition};
use azure_messaging_eventhubs::{EventHubsError, error::ErrorKind as HubKind};
use pipectl_contract::{
    ConnectorError, ErrorKind,
    error_text::{chained, one_line},
};

/// How long the service asks to wait when it is busy ("Please wait 4 seconds and try again").
pub(crate) const BUSY: Duration = Duration::from_secs(4);
/// So deep an error is looked into.
const DEPTH: usize = 16;

/// What went wrong, and whether the link or connection that it came over is still of use.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) text: String,
    pub(crate) retry_after: Option<Duration>,
    /// The partition is another reader's now.
    pub(crate) stolen: bool,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry_after: None, stolen: false }
    }

    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
    }

    /// The error of the border: `what` says what was to be done to which stream.
    pub(crate) fn at(self, what: impl std::fmt::Display) -> ConnectorError {
        let help = match self.kind {
            ErrorKind::Denied => {
                "; check the credentials and their roles (Azure Event Hubs Data Sender and Data Receiver)"
            }
            ErrorKind::Throttled => {
                "; the throughput of the namespace is exhausted: add throughput units or write less"
            }
            ErrorKind::Unavailable => "; check the address and the network, then try again",
            _ => "",
        };
        ConnectorError {
            kind: self.kind,
            message: format!("cannot {what}: {}{help}", self.text),
            retry_after: self.retry_after,
            source: None,
        }
    }
}

impl From<EventHubsError> for Failure {
    fn from(error: EventHubsError) -> Self {
        match &error.kind {
            HubKind::ConsumerDisconnected(reason) => {
                let text = reason.as_ref().and_then(|reason| reason.description.clone());
                stolen(text)
            }
            HubKind::InvalidBatchSize { .. } | HubKind::MissingCheckpointMetadata { .. } => {
                Self::new(ErrorKind::Invalid, error.to_string())
            }
            HubKind::InvalidManagementResponse => {
                Self::new(ErrorKind::Internal, "the response of the service about the hub is incomplete")
            }
            _ => deep(&error).unwrap_or_else(|| Self::new(ErrorKind::Unavailable, one_line(&error.to_string()))),
        }
    }
}

impl From<azure_core::Error> for Failure {
    fn from(error: azure_core::Error) -> Self {
        of_core(&error)
            .or_else(|| deep(&error))
            .unwrap_or_else(|| Self::new(ErrorKind::Unavailable, one_line(&error.to_string())))
    }
}

fn stolen(text: Option<String>) -> Failure {
    let text = one_line(&text.unwrap_or_else(|| "another reader has taken the partition".into()));
    Failure { kind: ErrorKind::Conflict, text, retry_after: None, stolen: true }
}

/// The first cause that reports what to do.
fn deep(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    let mut vague = None;
    for _ in 0..DEPTH {
        let Some(one) = cause else { break };
        if let Some(hub) = one.downcast_ref::<EventHubsError>() {
            match &hub.kind {
                HubKind::AmqpError(amqp) => match of_amqp(amqp) {
                    Known::Yes(failure) => return Some(failure),
                    Known::Perhaps(failure) => vague = Some(failure),
                    Known::No => {}
                },
                HubKind::AzureCore(core) => {
                    if let Some(failure) = of_core(core) {
                        return Some(failure);
                    }
                }
                HubKind::SendRejected(Some(described)) => {
                    return Some(of_condition(&described.condition, described.description.as_deref()));
                }
                _ => {}
            }
        } else if let Some(amqp) = one.downcast_ref::<AmqpError>() {
            match of_amqp(amqp) {
                Known::Yes(failure) => return Some(failure),
                Known::Perhaps(failure) => vague = Some(failure),
                Known::No => {}
            }
        } else if let Some(core) = one.downcast_ref::<azure_core::Error>()
            && let Some(failure) = of_core(core)
        {
            return Some(failure);
        }
        cause = one.source();
    }
    vague
}

enum Known {
    Yes(Failure),
    Perhaps(Failure),
    No,
}

fn of_amqp(error: &AmqpError) -> Known {
    match error.kind() {
        AmqpErrorKind::AmqpDescribedError(described) => {
            Known::Yes(of_condition(&described.condition, described.description.as_deref()))
        }
        AmqpErrorKind::ManagementStatusCode(status, text) => {
            let kind = match u16::from(*status) {
                401 | 403 => ErrorKind::Denied,
                404 => ErrorKind::NotFound,
                429 | 503 => ErrorKind::Throttled,
                408 | 500..=599 => ErrorKind::Unavailable,
                _ => ErrorKind::Invalid,
            };
            let text = text.clone().unwrap_or_else(|| format!("the service returned {status}"));
            Known::Yes(Failure::new(kind, one_line(&text)))
        }
        AmqpErrorKind::SendRejected => {
            Known::Yes(Failure::new(ErrorKind::Invalid, "the service refused it without a reason"))
        }
        AmqpErrorKind::AzureCore(core) => of_core(core).map_or(Known::No, Known::Yes),
        AmqpErrorKind::SimpleMessage(text) => Known::Perhaps(Failure::new(ErrorKind::Unavailable, one_line(text))),
        _ => Known::Perhaps(Failure::new(ErrorKind::Unavailable, one_line(&error.to_string()))),
    }
}

fn of_core(error: &azure_core::Error) -> Option<Failure> {
    let text = || one_line(&chained(error));
    match error.kind() {
        CoreKind::Credential => Some(Failure::new(ErrorKind::Denied, text())),
        CoreKind::Io | CoreKind::Connection => Some(Failure::new(ErrorKind::Unavailable, text())),
        CoreKind::HttpResponse { status, .. } => {
            let kind = match u16::from(*status) {
                401 | 403 => ErrorKind::Denied,
                404 => ErrorKind::NotFound,
                429 => ErrorKind::Throttled,
                408 | 500..=599 => ErrorKind::Unavailable,
                _ => ErrorKind::Invalid,
            };
            Some(Failure::new(kind, text()))
        }
        CoreKind::DataConversion => Some(Failure::new(ErrorKind::Invalid, text())),
        CoreKind::Other => None,
    }
}

fn of_condition(condition: &Condition, description: Option<&str>) -> Failure {
    let text = one_line(description.unwrap_or(condition.as_ref()));
    let kind = match condition {
        Condition::LinkStolen => return stolen(Some(text)),
        Condition::ServerBusyError => {
            return Failure { kind: ErrorKind::Throttled, text, retry_after: Some(BUSY), stolen: false };
        }
        // A token that ran out is renewed by connecting anew.
        Condition::UnauthorizedAccess if text.contains("ExpiredToken") => ErrorKind::Unavailable,
        Condition::UnauthorizedAccess => ErrorKind::Denied,
        Condition::NotFound | Condition::ResourceDeleted => ErrorKind::NotFound,
        Condition::ResourceLimitExceeded | Condition::ResourceLocked => ErrorKind::Conflict,
        Condition::LinkPayloadSizeExceeded
        | Condition::ArgumentError
        | Condition::ArgumentOutOfRangeError
        | Condition::DecodeError
        | Condition::InvalidField
        | Condition::NotAllowed
        | Condition::NotImplemented
        | Condition::PreconditionFailed => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Failure::new(kind, text)
}
