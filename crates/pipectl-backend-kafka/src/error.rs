//! The client library's errors in the words of the border: what happened, to which topic, and what to do.

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

/// What the caller should do about a code.
pub(crate) fn kind(code: Code) -> ErrorKind {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::SSL
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::PolicyViolation => ErrorKind::Denied,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => ErrorKind::NotFound,
        Code::TopicAlreadyExists
        | Code::InvalidProducerEpoch
        | Code::ProducerFenced
        | Code::Fenced
        | Code::FencedInstanceId
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::NonEmptyGroup => ErrorKind::Conflict,
        Code::MessageSizeTooLarge
        | Code::InvalidRecord
        | Code::InvalidMessageSize
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidTimestamp
        | Code::InvalidRequiredAcks
        | Code::InvalidTransactionTimeout
        | Code::InvalidArgument
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::UnsupportedCompressionType
        | Code::BadCompression
        | Code::BadMessage
        | Code::InvalidMessage
        | Code::AutoOffsetReset
        | Code::OffsetOutOfRange => ErrorKind::Invalid,
        Code::ThrottlingQuotaExceeded => ErrorKind::Throttled,
        // The client's own: what it was reported the topic is not whole, as while a broker restarts. Partitions are asked
        // for only by numbers that the topic has.
        Code::UnknownPartition
        | Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::MessageTimedOut
        | Code::TimedOutQueue
        | Code::RequestTimedOut
        | Code::WaitingForCoordinator
        | Code::WaitCache
        | Code::Retry
        | Code::InProgress
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::RebalanceInProgress
        | Code::KafkaStorageError
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::ListenerNotFound
        | Code::ConcurrentTransactions
        | Code::UnstableOffsetCommit
        | Code::DestroyBroker
        | Code::QueueFull
        | Code::OffsetNotAvailable => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// What helps against a code, as the end of a sentence.
fn help(code: Code) -> &'static str {
    match code {
        Code::TopicAuthorizationFailed => "; grant the user access to the topic (READ, WRITE or DESCRIBE)",
        Code::GroupAuthorizationFailed => "; grant the user READ on the consumer group",
        Code::TransactionalIdAuthorizationFailed => "; grant the user WRITE on the transactional id",
        Code::ClusterAuthorizationFailed => "; grant the user the right on the cluster",
        Code::SaslAuthenticationFailed | Code::Authentication => "; check `sasl` in the Environment",
        Code::SSL => {
            "; check `tls` in the Environment: the certificate authorities, the client certificate, the host name of the broker"
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => "; there is no such topic, or the user may not see it",
        Code::BadCompression | Code::BadMessage | Code::InvalidMessage => {
            "; a batch of the topic is damaged, or decompresses to more than 100 MB"
        }
        Code::InvalidReplicationFactor => "; there are fewer brokers: set a smaller `replication_factor`",
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve => {
            "; no broker responds: check `brokers`, and whether they use TLS or SASL"
        }
        Code::InvalidProducerEpoch | Code::ProducerFenced | Code::Fenced => {
            "; another producer with the same transactional id has taken over: do two processes run the pipeline?"
        }
        Code::InvalidTransactionTimeout => {
            "; set a `transaction_timeout` within the brokers' transaction.max.timeout.ms"
        }
        _ => "",
    }
}

/// A code while doing `what` ("create topic `orders`").
pub(crate) fn coded(what: impl std::fmt::Display, code: Code) -> ConnectorError {
    ConnectorError::new(kind(code), format!("cannot {what}: {code}{}", help(code)))
}

/// A client's error while doing `what`.
#[allow(clippy::needless_pass_by_value, reason = "made for map_err, which hands the error over")]
pub(crate) fn client(what: impl std::fmt::Display, error: KafkaError) -> ConnectorError {
    let code = match &error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    if let Some(code) = code {
        return coded(what, code);
    }
    let (kind, detail) = match &error {
        // The value is left out: it may be a secret.
        KafkaError::ClientConfig(_, description, key, _) => {
            (ErrorKind::Invalid, format!("the setting `{key}` is not right: {description}"))
        }
        KafkaError::ClientCreation(reason) | KafkaError::AdminOpCreation(reason) => {
            (ErrorKind::Invalid, reason.clone())
        }
        other => (ErrorKind::Internal, other.to_string()),
    };
    ConnectorError { kind, message: format!("cannot {what}: {detail}"), retry_after: None, source: None }
}
