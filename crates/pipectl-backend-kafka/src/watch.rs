//! What every client of a connection tells us beside its results: log lines, errors, and the wish for a token.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pipectl_contract::{ConnectorError, ErrorKind};
use rdkafka::{
    ClientContext, client::OAuthToken, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
    statistics::Statistics, types::RDKafkaErrorCode as Code,
};

use crate::{error, token::Tokens};

/// Shared by what looks at a client from outside and by the client's own threads.
#[derive(Clone)]
pub(crate) struct Watch {
    inner: Arc<Inner>,
}

struct Inner {
    tokens: Option<Tokens>,
    refused: Mutex<Option<(Code, String)>>,
    callbacks: AtomicU64,
    advertised: Mutex<Vec<String>>,
}

impl Watch {
    /// For one client.
    pub(crate) fn new(tokens: Option<Tokens>) -> Self {
        Self {
            inner: Arc::new(Inner {
                tokens,
                refused: Mutex::default(),
                callbacks: AtomicU64::new(0),
                advertised: Mutex::default(),
            }),
        }
    }

    /// How many events other than records the client's queue has brought so far.
    pub(crate) fn callbacks(&self) -> u64 {
        self.inner.callbacks.load(Ordering::Relaxed)
    }

    /// Where the brokers say that they are, as `host:port`; known only of a client that is set up to tell statistics.
    pub(crate) fn advertised(&self) -> Vec<String> {
        self.inner.advertised.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether who is refused now may be let in with the next token.
    pub(crate) fn renews(&self) -> bool {
        self.inner.tokens.is_some()
    }

    /// Counts an event.
    pub(crate) fn serve(&self) {
        self.inner.callbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Why the brokers refuse us, if they have: a request that times out says no more than that.
    pub(crate) fn refusal(&self, what: impl std::fmt::Display) -> Option<ConnectorError> {
        let refused = self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refused.map(|(code, reason)| {
            let mut error = error::coded(what, code);
            error.message = format!("{} ({reason})", error.message);
            error
        })
    }

    /// The error, or why the brokers refuse us where that is behind it.
    pub(crate) fn explain(&self, what: impl std::fmt::Display, error: KafkaError) -> ConnectorError {
        let error = error::client(&what, error);
        match error.kind {
            ErrorKind::Unavailable => self.refusal(what).unwrap_or(error),
            _ => error,
        }
    }
}

impl ClientContext for Watch {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.serve();
        match level {
            // Each connection that fails, again and again, also where all is well because another broker answers.
            _ if facility == "FAIL" => {
                tracing::debug!(target: "pipectl_backend_kafka::librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                // What matters comes as an error too; lines about connections repeat while a broker is away.
                tracing::info!(target: "pipectl_backend_kafka::librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "pipectl_backend_kafka::librdkafka", facility, "{message}");
            }
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.serve();
        let Ok(reported) = serde_json::from_slice::<Statistics>(statistics) else { return };
        let learned = reported.brokers.into_values().filter(|broker| broker.source == "learned");
        *self.inner.advertised.lock().unwrap_or_else(PoisonError::into_inner) =
            learned.map(|broker| broker.nodename).collect();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        if let Some(code) = error.rdkafka_error_code()
            && error::kind(code) == ErrorKind::Denied
        {
            let reason = reason.lines().next().unwrap_or_default().to_owned();
            *self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason));
        }
        tracing::debug!(%error, reason, "kafka client");
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.serve();
        match &self.inner.tokens {
            Some(tokens) => {
                let token = tokens.make()?;
                // That the one before it was refused says nothing of this one.
                *self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(token)
            }
            None => Err("no tokens are set up".into()),
        }
    }
}

impl ConsumerContext for Watch {}
