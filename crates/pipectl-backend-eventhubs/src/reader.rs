//! A lane: the partitions whose number modulo the number of lanes is its own, as one reader.

use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, pin_mut, select_biased};
use pipectl_contract::{ConnectorError, Read, SourceReader};
use pipectl_data::{Batch, Micros};
use serde_json::Value;

use crate::{
    event,
    group::Group,
    namespace::Namespace,
    position::{Mark, Position},
    pump::{self, Plan, SharedInbox, Start},
    retry::{answered, repeated},
};

/// Payload of a batch, at most about.
const BATCH: usize = 1 << 20;
/// How long a lane waits for events before it says that there are none.
const WAIT: Duration = Duration::from_secs(1);
/// How long leaving may take.
const LEAVE: Duration = Duration::from_secs(4);
/// How often the number of partitions is asked for, in tiers where it grows.
const GROWTH: Duration = Duration::from_secs(30);

type Pump = Pin<Box<dyn Future<Output = ()> + Send>>;
type Counting = Pin<Box<dyn Future<Output = Result<u32, crate::error::Failure>> + Send>>;

/// How a lane's partitions come and go.
pub(crate) enum Membership {
    /// All of them, without others; checkpoints are mirrored there for people.
    Alone(Option<crate::blobs::Blobs>),
    /// Those that this worker owns.
    Shared(Group),
}

struct Part {
    inbox: SharedInbox,
    pump: Option<Pump>,
    /// The last event that was handed on, or where reading began.
    mark: Option<Mark>,
    /// The last event that there will be.
    end: Option<i64>,
    /// Events from before this moment are not read.
    from: Option<Micros>,
}

/// What all lanes of a consumer have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) namespace: Namespace,
    pub(crate) stream: String,
    pub(crate) hub: String,
    pub(crate) group: String,
    pub(crate) lanes: u32,
    pub(crate) level: Option<i64>,
    pub(crate) prefetch: u32,
    pub(crate) limit: usize,
    /// How many partitions there were at first.
    pub(crate) partitions: u32,
}

pub(crate) struct Lane {
    common: Common,
    number: u32,
    membership: Membership,
    parts: BTreeMap<u32, Part>,
    /// Pumps of partitions that went away, until they have left.
    leaving: Vec<Pump>,
    notices: VecDeque<Read>,
    /// Which partition comes first, in turn.
    first: u32,
    finished: bool,
    /// Asks from time to time how many partitions there are.
    growth: Option<Counting>,
    /// What was committed last, so that nothing is written twice.
    mirrored: BTreeMap<u32, (i64, Option<String>)>,
}

impl Lane {
    pub(crate) fn new(common: Common, number: u32, membership: Membership) -> Self {
        Self {
            common,
            number,
            membership,
            parts: BTreeMap::new(),
            leaving: Vec::new(),
            notices: VecDeque::new(),
            first: 0,
            finished: false,
            growth: None,
            mirrored: BTreeMap::new(),
        }
    }

    /// Begins to read a partition.
    pub(crate) fn add(&mut self, partition: u32, start: Start) {
        let mark = match &start {
            Start::After(mark) => Some(mark.clone()),
            _ => None,
        };
        let from = if let Start::Time(from) = &start { Some(*from) } else { None };
        let inbox = SharedInbox::default();
        let plan = Plan {
            namespace: self.common.namespace.clone(),
            hub: self.common.hub.clone(),
            group: self.common.group.clone(),
            partition: partition.to_string(),
            level: self.common.level,
            start,
            prefetch: self.common.prefetch,
            limit: self.common.limit,
            partitions: self.common.partitions as usize,
        };
        let pump: Pump = Box::pin(pump::run(plan, inbox.clone()));
        self.parts.insert(partition, Part { inbox, pump: Some(pump), mark, end: None, from });
        self.notices.push_back(Read::Opened(partition));
    }

    fn remove(&mut self, partition: u32) {
        if let Some(part) = self.parts.remove(&partition) {
            part.inbox.lock().stop = true;
            self.leaving.extend(part.pump);
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
        let owned = group.owned(self.number, self.common.lanes);
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

    /// Lets all pumps work; answers what is there to be told.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Read, ConnectorError>> {
        self.leaving.retain_mut(|pump| pump.as_mut().poll(context).is_pending());
        self.poll_growth(context);
        let mut lost = Vec::new();
        let mut failed = None;
        for (number, part) in &mut self.parts {
            if let Some(pump) = &mut part.pump
                && pump.as_mut().poll(context).is_ready()
            {
                part.pump = None;
            }
            let mut inbox = part.inbox.lock();
            if let Some(began) = inbox.began.take() {
                part.mark.get_or_insert(began);
            }
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
        if let Some(batch) = self.take() {
            return Poll::Ready(Ok(Read::Records(batch)));
        }
        self.notices.pop_front().map_or(Poll::Pending, |notice| Poll::Ready(Ok(notice)))
    }

    /// A batch of the next partition that has events.
    fn take(&mut self) -> Option<Batch> {
        let after = self.parts.range(self.first..).map(|(number, _)| *number);
        let before = self.parts.range(..self.first).map(|(number, _)| *number);
        let order: Vec<u32> = after.chain(before).collect();
        for number in order {
            let Some(part) = self.parts.get_mut(&number) else { continue };
            let mut inbox = part.inbox.lock();
            let mut events = Vec::new();
            let mut bytes = 0;
            while let Some(event) = inbox.events.front() {
                if !events.is_empty() && bytes + event.bytes > BATCH {
                    break;
                }
                bytes += event.bytes;
                events.extend(inbox.events.pop_front());
            }
            inbox.bytes -= bytes;
            drop(inbox);
            let Some(last) = events.last() else { continue };
            part.mark = Some(last.mark.clone());
            self.first = number + 1;
            return Some(event::batch(number, &events));
        }
        None
    }

    /// Partitions that were added since are read from their beginning.
    fn poll_growth(&mut self, context: &mut Context<'_>) {
        let common = &self.common;
        if !common.namespace.options.tier.grows() || matches!(self.membership, Membership::Shared(_)) {
            return;
        }
        let growth = self.growth.get_or_insert_with(|| {
            let (namespace, hub, group) = (common.namespace.clone(), common.hub.clone(), common.group.clone());
            Box::pin(async move {
                namespace.host.sleep(GROWTH).await;
                let client = namespace.consumer(&hub, &group).await?;
                namespace.turn().await;
                let found = client.get_eventhub_properties().await?;
                client.close().await?;
                Ok(found.partition_ids.len() as u32)
            })
        });
        let Poll::Ready(found) = growth.as_mut().poll(context) else { return };
        self.growth = None;
        // Asked again in any case.
        context.waker().wake_by_ref();
        let Ok(count) = found else { return };
        let (lanes, mine) = (self.common.lanes, self.number);
        for partition in (self.common.partitions..count).filter(|number| number % lanes == mine) {
            if !self.parts.contains_key(&partition) {
                self.add(partition, Start::Earliest);
            }
        }
        self.common.partitions = self.common.partitions.max(count);
    }

    fn is_finished(&self) -> bool {
        self.finished
            && self.parts.values().all(|part| {
                let read = part.mark.as_ref().map_or(-1, |mark| mark.sequence);
                part.end.is_some_and(|end| read >= end) && part.inbox.lock().events.is_empty()
            })
    }

    /// The last sequence number of each partition at this moment; nothing for one without a record to read.
    async fn ends(&mut self) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let Common { namespace, hub, group, .. } = self.common.clone();
        let parts: Vec<_> =
            self.parts.iter().map(|(number, part)| (*number, part.from.filter(|_| part.mark.is_none()))).collect();
        let ends = repeated(&namespace.host, namespace.options.retry, || async {
            let client = namespace.consumer(&hub, &group).await?;
            let mut ends = BTreeMap::new();
            for (number, from) in &parts {
                namespace.turn().await;
                let known = client.get_partition_properties(&number.to_string()).await?;
                let nothing = known.is_empty || from.is_some_and(|from| pump::is_before(&known, from));
                ends.insert(*number, if nothing { -1 } else { known.last_enqueued_sequence_number });
            }
            client.close().await?;
            Ok(ends)
        });
        ends.await.map_err(|failure| self.error(failure))
    }
}

#[async_trait]
impl SourceReader for Lane {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let host = self.common.namespace.host.clone();
        let group = match &self.membership {
            Membership::Shared(group) => Some(group.clone()),
            Membership::Alone(_) => None,
        };
        let late = host.sleep(WAIT).fuse();
        pin_mut!(late);
        loop {
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
                read = polled => return read,
                () = changed => {}
                () = late => return Ok(Read::Quiet),
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
        match &self.membership {
            Membership::Shared(group) => {
                let group = group.clone();
                let result = group.commit(&position).await;
                result.map_err(|failure| self.error(failure))?;
                Ok(())
            }
            Membership::Alone(None) => Ok(()),
            Membership::Alone(Some(blobs)) => {
                for (number, mark) in &position.partitions {
                    if self.mirrored.get(number).is_some_and(|(sequence, _)| *sequence >= mark.sequence)
                        || mark.sequence < 0
                    {
                        continue;
                    }
                    // A mirror for people: that it cannot be written must not stop the run.
                    let written = match self.mirrored.get(number).and_then(|(_, version)| version.clone()) {
                        Some(version) => blobs.put_mark(*number, Some(mark), Some(&version)).await,
                        None => Ok(None),
                    };
                    let written = match written {
                        Ok(None) => match blobs.mark(*number).await {
                            Ok(found) => {
                                let version = found.map(|(_, version)| version);
                                blobs.put_mark(*number, Some(mark), version.as_deref()).await
                            }
                            Err(failure) => Err(failure),
                        },
                        other => other,
                    };
                    match written {
                        Ok(version) => {
                            self.mirrored.insert(*number, (mark.sequence, version));
                        }
                        Err(failure) => tracing::warn!(
                            stream = self.common.stream,
                            "checkpoints are not mirrored: {}",
                            failure.text
                        ),
                    }
                }
                Ok(())
            }
        }
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        let host = self.common.namespace.host.clone();
        for part in self.parts.values_mut() {
            part.inbox.lock().stop = true;
            self.leaving.extend(part.pump.take());
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
            let released = answered(&host, LEAVE, group.release(self.number, self.common.lanes)).await;
            released.map_err(|failure| self.error(failure))?;
        }
        Ok(())
    }
}
