//! What a backend brings to the suite: a way in, what it declares, and levers of its test peer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{Capabilities, Connection, ConnectorError, StreamTarget};
use pipectl_host::Host;

/// How much the peer can carry and how long things take there.
#[derive(Debug, Clone)]
pub struct Budget {
    /// How many records a case writes at the most, roughly.
    pub records: usize,
    /// How many partitions a stream gets.
    pub partitions: u32,
    /// How long anything that must happen may take before a case fails.
    pub patience: Duration,
    /// How long a reader must bring nothing before it counts as having read everything, where the end is not known.
    pub quiet: Duration,
    /// Records that are this far apart have different times of arrival at the service.
    pub pause: Duration,
    /// The time between two checkpoints that consumers are reported.
    pub checkpoint_every: Duration,
    /// Bytes of payload of the largest record that is tried where the service allows more.
    pub large: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            records: 1_000,
            partitions: 4,
            patience: Duration::from_mins(1),
            quiet: Duration::from_secs(2),
            pause: Duration::from_millis(1_100),
            checkpoint_every: Duration::from_secs(10),
            large: 1_000_000,
        }
    }
}

/// What became of a wish to the test peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lever {
    /// It was done.
    Done,
    /// The peer cannot do it, and why; the case is left out with this reason, as unproven.
    Lacking(String),
    /// Nothing of the kind can happen at the service itself, and why; the case is left out, and nothing is unproven.
    Unheard(String),
}

impl Lever {
    /// The peer cannot do it.
    pub fn lacking(why: impl Into<String>) -> Self {
        Self::Lacking(why.into())
    }

    /// The service itself knows no such thing.
    pub fn unheard(why: impl Into<String>) -> Self {
        Self::Unheard(why.into())
    }
}

/// A backend with its test peer, as the suite needs it.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// The kind key of the backend.
    fn backend(&self) -> &'static str;

    /// What it is tried against: `Apache Kafka 4.3.1`.
    fn peer(&self) -> String;

    /// The door to the outside; a simulated one for what lives in the process.
    fn host(&self) -> Host {
        Host::real()
    }

    /// What the backend declares.
    fn capabilities(&self) -> Capabilities;

    /// A new connection, as another process would make it.
    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError>;

    /// How much the peer can carry.
    fn budget(&self) -> Budget {
        Budget::default()
    }

    /// A stream of this name, with whatever options the backend's tests need. Names have lower-case letters, digits and
    /// hyphens and at most 50 characters, and no other run uses them.
    fn target(&self, name: &str, partitions: u32) -> StreamTarget {
        StreamTarget {
            name: name.to_owned(),
            existing: false,
            partitions: Some(partitions),
            retention: None,
            ordered: true,
            options: None,
        }
    }

    /// Why the peer cannot show a case, by the case's name; it is then left out, and the reason names the peer.
    fn lacks(&self, _case: &str) -> Option<String> {
        None
    }

    /// Whether a group sees only what is written after it was first opened (a subscription that has to exist): the suite
    /// then opens each group once before it writes.
    fn group_comes_first(&self) -> bool {
        false
    }

    /// The secrets in the options of [`Harness::connect`] and [`Harness::connect_denied`]: no log line and no error may
    /// contain one of them.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tries to use the service with a wrong secret and answers the error; `None` if the peer takes everybody.
    async fn connect_denied(&self) -> Option<ConnectorError> {
        None
    }

    /// Stops the peer and starts it again with its data. Returns as soon as it is starting; the suite waits.
    async fn restart_peer(&self) -> Lever {
        Lever::lacking("it cannot be restarted from here")
    }

    /// From now on the service answers some of the requests with "too much" (on), or none (off). What is asked again
    /// must come through in the end.
    async fn throttle(&self, _on: bool) -> Lever {
        Lever::lacking("it refuses nobody for being too fast")
    }

    /// From now on some writes, or the answers to them, get lost on the way (on), or none (off), so that they are sent
    /// again. By default what the service refuses serves for that.
    async fn lose_writes(&self, on: bool) -> Lever {
        self.throttle(on).await
    }

    /// From now on the service refuses some records of a call and takes the others (on), or takes all (off).
    async fn fail_some_records(&self, _on: bool) -> Lever {
        Lever::lacking("it cannot refuse a part of a call")
    }

    /// The service forgets everything that a stream holds now, as retention would do in time.
    async fn age_out(&self, _connection: &dyn Connection, _stream: &StreamTarget) -> Result<Lever, ConnectorError> {
        Ok(Lever::lacking("it does not remove records early"))
    }

    /// Changes the partitions of a stream to `partitions`; by default through [`Connection::update`].
    async fn reshard(
        &self,
        connection: &dyn Connection,
        stream: &StreamTarget,
        partitions: u32,
    ) -> Result<Lever, ConnectorError> {
        let wanted = StreamTarget { partitions: Some(partitions), ..stream.clone() };
        connection.update(&wanted).await.map(|()| Lever::Done)
    }
}
