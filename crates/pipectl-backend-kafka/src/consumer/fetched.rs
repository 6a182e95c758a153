//! What a lane's client has fetched, and what it says when it cannot: records become batches that wait to be handed on.

use std::time::Duration;

use pipectl_contract::{ConnectorError, ErrorKind, Read};
use rdkafka::{consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode as Code};

use super::reader::{Reader, Ready, TROUBLED, micros};

/// A look at the queue ends with so many bytes: a batch is no larger.
const BATCH: usize = 1 << 20;

impl Reader {
    /// Looks at everything that the client has for us.
    pub(super) fn drain(&mut self) -> Result<(), ConnectorError> {
        let client = self.client()?;
        let watch = client.context().watch();
        let host = self.plan.host.clone();
        loop {
            let served = watch.served();
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
                None if watch.served() == served => break,
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

    /// The client mends nearly everything by itself; what it cannot mend, and what lasts too long, is an error.
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
                    "nothing was read for longer than max.poll.interval.ms, so the group has taken the partitions away"
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
        let problem = watch.explain(self.what(), problem);
        if fatal || (problem.kind == ErrorKind::Denied && !renewed) {
            return Err(problem);
        }
        if self.trouble.is_none() {
            tracing::debug!(%problem, "reading goes on when the brokers do");
            self.trouble = Some((self.plan.host.now(), problem));
            self.next_discovery = self.next_discovery.min(self.plan.host.now() + micros(TROUBLED));
        }
        Ok(())
    }

    pub(super) fn quiet(&mut self) -> Result<(), ConnectorError> {
        match &self.trouble {
            Some((since, _)) if self.plan.host.now() - since > micros(self.plan.retry_for) => {
                return Err(self.trouble.take().map_or_else(
                    || ConnectorError::new(ErrorKind::Internal, "trouble without a cause"),
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
