//! A subtask: the partitions whose number modulo the number of subtasks is its own, as one reader.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, pin_mut, select_biased};
use pipectl_contract::{ConnectorError, Read, SourceReader};
use pipectl_data::{Batch, Micros};
use serde_json::Value;

use crate::{
    group::Group,
    growth::Growth,
    mirror::Mirror,
    namespace::Namespace,
    options::OnDataLoss,
    partition_state::{PartitionState, Pump},
    position::Position,
    pump::{self, Plan, Start},
    retry::{answered, repeated},
};

/// A subtask that has read everything says so this often.
const CAUGHT_UP_INTERVAL: Duration = Duration::from_secs(1);
/// How long leaving may take.
const LEAVE: Duration = Duration::from_secs(4);

/// How a subtask's partitions come and go.
pub(crate) enum Membership {
    /// All of them, without others; checkpoints are mirrored there for people.
    Alone(Option<Mirror>),
    /// Those that this worker owns.
    Shared(Group),
}

/// What all subtasks of a consumer have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) namespace: Namespace,
    pub(crate) stream: String,
    pub(crate) hub: String,
    pub(crate) group: String,
    pub(crate) subtasks: u32,
    pub(crate) level: Option<i64>,
    pub(crate) prefetch: u32,
    pub(crate) limit: usize,
    /// When the hub was made.
    pub(crate) created: Option<Micros>,
    pub(crate) on_data_loss: OnDataLoss,
    /// How many partitions there were at first.
    pub(crate) partitions: u32,
}

pub(crate) struct Subtask {
    common: Common,
    number: u32,
    membership: Membership,
    parts: BTreeMap<u32, PartitionState>,
    /// Pumps of partitions that went away, until they have left.
    leaving: Vec<Pump>,
    notices: VecDeque<Read>,
    /// Which partition comes first, in turn.
    first: u32,
    finished: bool,
    /// Where partitions may be added.
    growth: Option<Growth>,
    /// When to say that all is read, unless there are records until then.
    quiet_at: Micros,
}

impl Subtask {
    pub(crate) fn new(common: Common, number: u32, membership: Membership) -> Self {
        let growth = match &membership {
            // One subtask looks for all of the worker.
            Membership::Shared(_) if number > 0 => None,
            _ => Growth::new(&common.namespace, &common.hub, &common.group),
        };
        let quiet_at = common.namespace.host.now().saturating_add(CAUGHT_UP_INTERVAL.as_micros() as Micros);
        Self {
            common,
            number,
            membership,
            parts: BTreeMap::new(),
            leaving: Vec::new(),
            notices: VecDeque::new(),
            first: 0,
            finished: false,
            growth,
            quiet_at,
        }
    }

    /// Begins to read a partition.
    pub(crate) fn add(&mut self, partition: u32, start: Start) {
        let plan = Plan {
            namespace: self.common.namespace.clone(),
            hub: self.common.hub.clone(),
            group: self.common.group.clone(),
            partition: partition.to_string(),
            level: self.common.level,
            start,
            created: self.common.created,
            on_data_loss: self.common.on_data_loss,
            prefetch: self.common.prefetch,
            limit: self.common.limit,
            partitions: self.common.partitions as usize,
        };
        self.parts.insert(partition, PartitionState::new(partition, plan));
        self.notices.push_back(Read::Opened(partition));
    }

    fn remove(&mut self, partition: u32) {
        if let Some(mut part) = self.parts.remove(&partition) {
            self.leaving.extend(part.stop());
            self.notices.push_back(Read::Lost(partition));
        }
    }

    fn error(&self, failure: crate::error::Failure) -> ConnectorError {
        let Common { stream, hub, group, .. } = &self.common;
        failure.at(format_args!("read stream `{stream}` from hub `{hub}` with consumer group `{group}`"))
    }

    /// Takes over what the balance of workers has changed.
    fn reconcile(&mut self) {
        let Membership::Shared(group) = &self.membership else { return };
        let owned = group.owned(self.number, self.common.subtasks);
        let lost: Vec<u32> = self.parts.keys().filter(|number| !owned.contains_key(number)).copied().collect();
        for partition in lost {
            self.remove(partition);
        }
        for (partition, start) in owned {
            if !self.parts.contains_key(&partition) {
                self.add(partition, start);
            }
        }
    }

    /// Lets all pumps work; answers what is there to be reported.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Read, ConnectorError>> {
        self.leaving.retain_mut(|pump| pump.as_mut().poll(context).is_pending());
        self.poll_growth(context);
        let mut lost = Vec::new();
        let mut failed = None;
        for (number, part) in &mut self.parts {
            part.poll(context);
            let mut inbox = part.inbox.lock();
            // Events that were read before still count.
            if inbox.events.is_empty()
                && let Some(failure) = inbox.failure.take()
            {
                match &self.membership {
                    Membership::Shared(_) if failure.stolen => lost.push(*number),
                    _ => failed = failed.or(Some(failure)),
                }
            }
            if inbox.events.is_empty() && std::mem::take(&mut inbox.caught_up) {
                self.notices.push_back(Read::CaughtUp(*number));
            }
        }
        if let Some(failure) = failed {
            return Poll::Ready(Err(self.error(failure)));
        }
        for partition in lost {
            if let Membership::Shared(group) = &self.membership {
                group.lose(partition);
            }
            self.remove(partition);
        }
        // A partition opens before its first record, and was caught up before what has come since.
        if let Some(notice) = self.notices.pop_front() {
            return Poll::Ready(Ok(notice));
        }
        self.take().map_or(Poll::Pending, |batch| Poll::Ready(Ok(Read::Records(batch))))
    }

    /// A batch of the next partition that has events.
    fn take(&mut self) -> Option<Batch> {
        let after = self.parts.range(self.first..).map(|(number, _)| *number);
        let before = self.parts.range(..self.first).map(|(number, _)| *number);
        let order: Vec<u32> = after.chain(before).collect();
        for number in order {
            let Some(part) = self.parts.get_mut(&number) else { continue };
            if let Some(batch) = part.take() {
                self.first = number + 1;
                return Some(batch);
            }
        }
        None
    }

    fn poll_growth(&mut self, context: &mut Context<'_>) {
        if !self.finished
            && let Some(count) = self.growth.as_mut().and_then(|growth| growth.poll(context))
        {
            self.grow(count);
        }
    }

    /// Partitions that were added since are read from their beginning.
    fn grow(&mut self, count: u32) {
        if let Membership::Shared(group) = &self.membership {
            group.grow(count);
            return;
        }
        let (subtasks, mine) = (self.common.subtasks, self.number);
        for partition in (self.common.partitions..count).filter(|number| number % subtasks == mine) {
            self.add(partition, Start::Earliest);
        }
        self.common.partitions = self.common.partitions.max(count);
    }

    /// Whether all that there is has been read, as far as the service has said.
    fn is_quiet(&self) -> bool {
        self.parts.values().all(PartitionState::is_quiet)
    }

    fn is_finished(&self) -> bool {
        self.finished && self.parts.values().all(PartitionState::is_finished)
    }

    /// The last sequence number of each partition at this moment; nothing for one without a record to read.
    async fn ends(&mut self) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let Common { namespace, hub, group, .. } = self.common.clone();
        let grows = self.growth.is_some();
        let (subtasks, mine, partitions) = (self.common.subtasks, self.number, self.common.partitions);
        let parts: Vec<_> = self.parts.iter().map(|(number, part)| (*number, part.from())).collect();
        let ends = repeated(&namespace.host, namespace.options.retry, || async {
            let client = namespace.consumer(&hub, &group).await?;
            let mut count = partitions;
            if grows {
                // What was added a moment ago belongs to what there is to read.
                namespace.turn().await;
                count = count.max(client.get_eventhub_properties().await?.partition_ids.len() as u32);
            }
            let added = (partitions..count).filter(|number| number % subtasks == mine).map(|number| (number, None));
            let mut ends = BTreeMap::new();
            for (number, from) in parts.iter().copied().chain(added) {
                namespace.turn().await;
                let known = client.get_partition_properties(&number.to_string()).await?;
                ends.insert(number, pump::end_of(&known, from));
            }
            client.close().await.unwrap_or_default();
            Ok((count, ends))
        });
        let (count, ends) = ends.await.map_err(|failure| self.error(failure))?;
        self.grow(count);
        Ok(ends)
    }
}

#[async_trait]
impl SourceReader for Subtask {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let host = self.common.namespace.host.clone();
        let group = match &self.membership {
            Membership::Shared(group) => Some(group.clone()),
            Membership::Alone(_) => None,
        };
        loop {
            let late = host.sleep_until(self.quiet_at).fuse();
            pin_mut!(late);
            let changed = async {
                match &group {
                    Some(group) => group.changed().await,
                    None => std::future::pending().await,
                }
            }
            .fuse();
            pin_mut!(changed);
            self.reconcile();
            if self.is_finished() {
                return Ok(Read::End);
            }
            let polled = poll_fn(|context| self.poll(context)).fuse();
            pin_mut!(polled);
            select_biased! {
                read = polled => {
                    if matches!(read, Ok(Read::Records(_))) {
                        self.quiet_at = host.now().saturating_add(CAUGHT_UP_INTERVAL.as_micros() as Micros);
                    }
                    return read;
                }
                () = changed => {}
                () = late => {
                    self.quiet_at = host.now().saturating_add(CAUGHT_UP_INTERVAL.as_micros() as Micros);
                    if self.is_quiet() {
                        return Ok(Read::Quiet);
                    }
                }
            }
        }
    }

    fn position(&self) -> Value {
        let marks = self.parts.iter().filter_map(|(number, part)| Some((*number, part.mark.clone()?)));
        Position { partitions: marks.collect() }.to_value()
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.reconcile();
        let ends = self.ends().await?;
        for (number, end) in ends {
            if let Some(part) = self.parts.get_mut(&number) {
                part.end = Some(end);
            }
        }
        self.finished = true;
        Ok(())
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        let position = Position::parse(position, &self.common.stream)?;
        match &mut self.membership {
            Membership::Shared(group) => {
                let group = group.clone();
                group.commit(&position).await.map_err(|failure| self.error(failure))
            }
            Membership::Alone(mirror) => {
                if let Some(mirror) = mirror {
                    mirror.write(&position, &self.common.stream).await;
                }
                Ok(())
            }
        }
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        let host = self.common.namespace.host.clone();
        for part in self.parts.values_mut() {
            self.leaving.extend(part.stop());
        }
        let gone = poll_fn(|context| {
            self.leaving.retain_mut(|pump| pump.as_mut().poll(context).is_pending());
            if self.leaving.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        // Links that do not close in time break when the process ends.
        let left = answered(&host, LEAVE, gone.map(Ok)).await;
        if let Err(failure) = left {
            tracing::debug!(stream = self.common.stream, "links were left open: {}", failure.text);
        }
        if let Membership::Shared(group) = &self.membership {
            let group = group.clone();
            let released = answered(&host, LEAVE, group.release(self.number, self.common.subtasks)).await;
            released.map_err(|failure| self.error(failure))?;
        }
        Ok(())
    }
}
