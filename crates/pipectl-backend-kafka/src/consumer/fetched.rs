//! What a subtask's client has fetched, and what it says when it cannot: records become batches that wait to be handed on.

use std::time::Duration;

use pipectl_contract::{ConnectorError, ErrorKind, Read};
use rdkafka::{consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode as Code};

use super::reader::{Reader, Ready, TROUBLED, micros};

/// A look at the queue ends with so many bytes: a batch is no larger.
const BATCH: usize = 1 << 20;

/// Refusals that are further apart have nothing to do with each other; the client asks again after half a second.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

/// Whether a code says that what a topic holds cannot be read, which asking again does not fix.
fn is_damage(code: Code) -> bool {
    matches!(code, Code::BadCompression | Code::BadMessage | Code::InvalidMessage | Code::MessageSizeTooLarge)
}

impl Reader {
    /// Looks at everything that the client has for us.
    pub(super) fn drain(&mut self) -> Result<(), ConnectorError> {
        let client = self.client()?;
        let watch = client.context().watch();
        let host = self.plan.host.clone();
        loop {
            let callbacks = watch.callbacks();
            match client.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.collector.push(&message, || host.now());
                    if self.collector.bytes() >= BATCH {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.collected();
                    self.trouble = None;
                    self.ready.push_back(Ready::Tell(Read::CaughtUp(partition as u32)));
                }
                Some(Err(problem)) => self.on_error(problem)?,
                // An event that is no record ends a look as an empty queue does.
                None if watch.callbacks() == callbacks => break,
                None => {}
            }
        }
        self.collected();
        Ok(())
    }

    fn collected(&mut self) {
        for batch in self.collector.finish() {
            if self.partitions.contains_key(&batch.partition) {
                self.trouble = None;
                self.ready.push_back(Ready::Batch(batch));
            }
        }
    }

    /// The client fixes nearly everything by itself; what it cannot fix, and what lasts too long, is an error.
    fn on_error(&mut self, problem: KafkaError) -> Result<(), ConnectorError> {
        let fatal = matches!(problem, KafkaError::MessageConsumptionFatal(_));
        match problem.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                self.must_check = true;
                return Ok(());
            }
            Some(Code::PollExceeded) => {
                tracing::warn!(
                    topic = self.topic(),
                    "nothing was read for longer than max.poll.interval.ms, so the group has reassigned the partitions"
                );
                return Ok(());
            }
            _ => {}
        }
        let client = self.client()?;
        let watch = client.context().watch();
        // A token ends while nobody looks at the queue, as when a sink is blocked; the next one is on its way then.
        let renewed = watch.renews()
            && matches!(problem.rdkafka_error_code(), Some(Code::Authentication | Code::SaslAuthenticationFailed));
        let code = problem.rdkafka_error_code();
        let problem = watch.explain(self.what(), problem);
        if fatal || code.is_some_and(is_damage) || (problem.kind == ErrorKind::Denied && !renewed) {
            return Err(problem);
        }
        if problem.kind != ErrorKind::Unavailable {
            return self.refused(problem);
        }
        if self.trouble.is_none() {
            tracing::debug!(%problem, "reading continues when the brokers are available again");
            self.trouble = Some((self.plan.host.now(), problem));
            self.next_discovery = self.next_discovery.min(self.plan.host.now() + micros(TROUBLED));
        }
        Ok(())
    }

    /// A broker answers and does not give what it was asked for. The client asks again at once and tells us each time; what
    /// goes on for as long as brokers may be away is an error, though other partitions have records.
    fn refused(&mut self, problem: ConnectorError) -> Result<(), ConnectorError> {
        let now = self.plan.host.now();
        let since = match self.refusals {
            Some((since, last)) if now - last < micros(REFUSED_AGAIN) => since,
            _ => {
                tracing::warn!(topic = self.topic(), "{problem}; trying again");
                now
            }
        };
        self.refusals = Some((since, now));
        // Perhaps the topic is gone.
        self.next_discovery = self.next_discovery.min(now + micros(TROUBLED));
        if now - since > micros(self.plan.retry_for) { Err(problem) } else { Ok(()) }
    }

    pub(super) fn quiet(&mut self) -> Result<(), ConnectorError> {
        match &self.trouble {
            Some((since, _)) if self.plan.host.now() - since > micros(self.plan.retry_for) => {
                return Err(self.trouble.take().map_or_else(
                    || ConnectorError::new(ErrorKind::Internal, "an unknown problem"),
                    |(_, problem)| problem,
                ));
            }
            // Brokers that do not answer may well have more for us.
            Some(_) => {}
            None => {
                for (number, partition) in &self.partitions {
                    if partition.caught_up {
                        self.ready.push_back(Ready::Tell(Read::CaughtUp(*number)));
                    }
                }
            }
        }
        self.ready.push_back(Ready::Tell(Read::Quiet));
        Ok(())
    }
}
