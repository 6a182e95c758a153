//! Which requests a fault proxy spoils, and how.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::message::Head;

/// Which requests a rule is for. Everything that is named must fit; nothing named fits all.
#[derive(Clone, Debug)]
pub struct When {
    method: Option<String>,
    path: Option<String>,
    target: Option<String>,
    skip: u64,
    times: u64,
}

impl When {
    /// Every request.
    pub fn always() -> Self {
        Self { method: None, path: None, target: None, skip: 0, times: u64::MAX }
    }

    /// Requests of one operation of AWS: the header `x-amz-target` ends with it (`PutRecords`).
    pub fn target(operation: &str) -> Self {
        Self { target: Some(operation.to_owned()), ..Self::always() }
    }

    /// Requests whose path and query contain this.
    pub fn path(part: &str) -> Self {
        Self { path: Some(part.to_owned()), ..Self::always() }
    }

    /// Only with this method (`PUT`).
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Lets the first so many of them pass.
    #[must_use]
    pub fn after(self, passed: u64) -> Self {
        Self { skip: passed, ..self }
    }

    /// Ends after so many were spoiled.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    fn fits(&self, head: &Head) -> bool {
        let target = || head.header("x-amz-target").unwrap_or_default();
        self.method.as_ref().is_none_or(|method| *method == head.method())
            && self.path.as_ref().is_none_or(|path| head.path().contains(path.as_str()))
            && self.target.as_ref().is_none_or(|wanted| target().rsplit('.').next() == Some(wanted))
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Then {
    /// It is answered with this and never reaches the server.
    Answer {
        /// The status, such as 400 or 503.
        status: u16,
        /// More headers, such as `Retry-After`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Entries of a `PutRecords` at these places are answered as failed inside a 200, and only the others reach the
    /// server. Places beyond the last entry do nothing.
    FailEntries {
        /// Counted from 0.
        places: Vec<usize>,
        /// Such as `ProvisionedThroughputExceededException`.
        code: String,
    },
    /// It reaches the server, which does it; the client waits for an answer that never comes.
    SwallowAnswer,
    /// The connection is reset before the request reaches the server.
    Reset,
    /// The request reaches the server, which does it; then the connection is reset.
    ResetAfter,
    /// It is held back so long and then passed.
    Delay(Duration),
}

impl Then {
    /// The throttling of Kinesis' control and data calls: a 400 with that name.
    pub fn throttle_kinesis() -> Self {
        Self::aws_error("ProvisionedThroughputExceededException", "Rate exceeded for shard.")
    }

    /// An error of AWS' JSON protocols: a 400 whose body names it.
    pub fn aws_error(code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": code, "message": message });
        let headers = vec![("Content-Type".to_owned(), "application/x-amz-json-1.1".to_owned())];
        Self::Answer { status: 400, headers, body: body.to_string() }
    }

    /// A bare status with a body of text.
    pub fn status(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
            body: body.to_owned(),
        }
    }

    /// The first so many entries of a `PutRecords` fail as if their shard were throttled.
    pub fn fail_first(count: usize) -> Self {
        let code = "ProvisionedThroughputExceededException".to_owned();
        Self::FailEntries { places: (0..count).collect(), code }
    }
}

/// How often a rule has spoiled a request.
#[derive(Clone, Debug)]
pub struct Fired(Arc<AtomicU64>);

impl Fired {
    /// So often until now.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// One rule of a proxy, with its counts.
#[derive(Debug)]
pub(super) struct Rule {
    when: When,
    then: Then,
    met: u64,
    fired: Arc<AtomicU64>,
}

impl Rule {
    pub(super) fn new(when: When, then: Then) -> (Self, Fired) {
        let fired = Arc::new(AtomicU64::new(0));
        (Self { when, then, met: 0, fired: Arc::clone(&fired) }, Fired(fired))
    }

    /// What happens to this request, if it is one that the rule is for. Counts it.
    pub(super) fn judge(&mut self, head: &Head) -> Option<Then> {
        if !self.when.fits(head) {
            return None;
        }
        self.met += 1;
        if self.met <= self.when.skip || self.met - self.when.skip > self.when.times {
            return None;
        }
        self.fired.fetch_add(1, Ordering::SeqCst);
        Some(self.then.clone())
    }
}
