//! Giving partitions up: what was read of them becomes safe first, so that the next owner begins where we stopped.

use pipectl_contract::ConnectorError;
use pipectl_data::Micros;
use rdkafka::consumer::Consumer as _;

use super::{
    group::list,
    reader::{Reader, micros},
};
use crate::error;

/// Partitions that the group has taken away and that wait for a checkpoint.
#[derive(Debug)]
pub(crate) struct Handover {
    partitions: Vec<u32>,
    until: Micros,
}

impl Reader {
    /// The group takes partitions away. What is lost already goes at once; for the rest a checkpoint is asked for.
    pub(super) fn revoke(&mut self, partitions: Vec<u32>, lost: bool) -> Result<(), ConnectorError> {
        if lost {
            tracing::warn!(
                topic = self.topic(),
                ?partitions,
                "the group has assigned these partitions to other workers, which read the uncommitted records again"
            );
            return self.let_go(&partitions);
        }
        self.forget_fetched(&partitions);
        let client = self.client()?;
        if let Err(problem) = client.pause(&list(self.topic(), partitions.iter().copied())) {
            return Err(error::client(format!("pause partitions of topic `{}`", self.topic()), problem));
        }
        self.handover = Some(Handover { partitions, until: self.plan.host.now() + micros(self.plan.handover) });
        self.hand_over()
    }

    /// Lets partitions go as soon as all that was handed on of them is committed, or when it takes too long.
    pub(super) fn hand_over(&mut self) -> Result<(), ConnectorError> {
        let Some(handover) = &self.handover else { return Ok(()) };
        let safe = handover.partitions.iter().all(|number| {
            // What nothing was read of since the last commit has nothing to wait for.
            self.partitions.get(number).is_none_or(|partition| !partition.is_ahead())
        });
        let late = self.plan.host.now() >= handover.until;
        if !safe && !late {
            return Ok(());
        }
        if !safe {
            tracing::warn!(
                topic = self.topic(),
                partitions = ?handover.partitions,
                "no checkpoint completed before these partitions went to another worker, which reads the records since the \
                 last checkpoint again"
            );
        }
        let partitions = self.handover.take().map(|handover| handover.partitions).unwrap_or_default();
        self.let_go(&partitions)
    }
}
