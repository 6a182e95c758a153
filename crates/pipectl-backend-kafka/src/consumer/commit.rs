//! Writing positions to the group: as the truth where workers share a topic, as a mirror where our checkpoint is it.

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;
use rdkafka::consumer::{CommitMode, Consumer as _};
use serde_json::Value;

use super::{
    group::placed,
    position,
    reader::{Partition, Reader, Sharing},
};
use crate::retry;

impl Partition {
    /// Whether records were handed on that the group does not know of.
    pub(crate) fn is_ahead(&self) -> bool {
        self.committed >= 0 && self.next > self.committed || self.committed < 0 && self.next > self.first
    }
}

impl Reader {
    /// The records before `position` are safe.
    pub(super) async fn commit(&mut self, position: &Value) -> Result<(), ConnectorError> {
        if self.plan.sharing == Sharing::Look {
            return Ok(());
        }
        // Only what is ours still, and only forward: a partition may have gone and come back since the position was
        // taken, and the group may be further by now.
        let safe: Vec<(u32, i64)> = position::read(position)?
            .into_iter()
            .filter(|(number, next)| {
                self.partitions.get(number).is_some_and(|partition| {
                    *next > partition.committed && (partition.first..=partition.next).contains(next)
                })
            })
            .collect();
        if safe.is_empty() {
            return Ok(());
        }
        let list = placed(self.topic(), safe.iter().copied())?;
        let client = self.client()?;
        if self.plan.sharing == Sharing::Owned {
            if let Err(problem) = client.commit(&list, CommitMode::Async) {
                tracing::debug!(%problem, "mirroring positions to the group");
                return Ok(());
            }
        } else {
            let what = format!("commit positions in topic `{}`", self.topic());
            let host: Host = self.plan.host.clone();
            let done = retry::within(&host, self.plan.retry_for, || {
                let (client, list, what) = (std::sync::Arc::clone(&client), list.clone(), what.clone());
                let host = host.clone();
                async move {
                    host.blocking(move || {
                        client
                            .commit(&list, CommitMode::Sync)
                            .map_err(|problem| client.context().watch().explain(what, problem))
                    })
                    .await
                }
            })
            .await;
            match done {
                Ok(()) => {}
                // Fenced: the partitions are others' by now, and the group will report which. Nothing was committed.
                Err(problem) if problem.kind == ErrorKind::Conflict => {
                    tracing::warn!(%problem, "another worker reads these partitions now; nothing was committed");
                    return Ok(());
                }
                Err(problem) => return Err(problem),
            }
        }
        for (number, next) in safe {
            if let Some(partition) = self.partitions.get_mut(&number) {
                partition.committed = next;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaErrorCode as Code;

    use super::*;
    use crate::error;

    #[test]
    fn a_former_owner_is_reported_apart_from_a_broker_that_is_away() {
        for code in [Code::IllegalGeneration, Code::UnknownMemberId, Code::FencedInstanceId, Code::AssignmentLost] {
            assert_eq!(error::kind(code), ErrorKind::Conflict, "{code}");
        }
        for code in [Code::RebalanceInProgress, Code::CoordinatorNotAvailable, Code::OperationTimedOut] {
            assert_eq!(error::kind(code), ErrorKind::Unavailable, "{code}");
        }
    }
}
