//! Reads one partition into an inbox: opens a client, attaches, receives, and goes on after what breaks. It is a future
//! that its subtask polls and never drops in the middle, so that giving up a wait loses no event.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, UNIX_EPOCH},
};

use azure_messaging_eventhubs::{
    ConsumerClient, OpenReceiverOptions, StartLocation, StartPosition, models::EventHubPartitionProperties,
};
use futures::{FutureExt, StreamExt, pin_mut, select_biased};
use pipectl_contract::ErrorKind;
use pipectl_data::Micros;

use crate::{
    data_loss::DataLoss,
    error::Failure,
    event::{self, Event},
    namespace::Namespace,
    options::OnDataLoss,
    position::Mark,
    retry::{Pauses, answered},
};

/// Without an event for so long, the service is asked whether there are any.
const QUIET: Duration = Duration::from_millis(100);
/// How often it is asked again where all has been read.
const AGAIN: Duration = Duration::from_secs(1);
/// Without an event for so long although there are some, the link is taken for dead.
const DEAD: Duration = Duration::from_mins(1);
/// How long leaving may take.
const LEAVE: Duration = Duration::from_secs(3);
/// A refused owner level is raised above the one that holds the partition only so soon after the start: a newer reader is
/// never pushed out again.
const FRESH: Duration = Duration::from_secs(30);

/// What to do where somebody who only looks is refused.
const LOOKING: &str = "; a peek uses `$Default`, which a pipeline is using now: set another `consumer_group` for its stream, or peek while no pipeline reads (the only way in the Basic tier, which has no other group)";

/// Where reading a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Earliest,
    Latest,
    Time(Micros),
    /// After this event.
    After(Mark),
    /// With the event at this offset.
    Offset(String),
}

/// What has become of the position that a partition was to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Began {
    /// It is this.
    At(Mark),
    /// It was of another hub; reading begins with the oldest, which this position is before.
    Anew(Mark),
}

/// What a pump needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) namespace: Namespace,
    pub(crate) hub: String,
    pub(crate) group: String,
    /// What the service calls the partition.
    pub(crate) partition: String,
    /// The owner level; a reader without one shares the partition with others.
    pub(crate) level: Option<i64>,
    pub(crate) start: Start,
    /// When the hub was made.
    pub(crate) created: Option<Micros>,
    pub(crate) on_data_loss: OnDataLoss,
    pub(crate) prefetch: u32,
    /// Bytes that the inbox may hold.
    pub(crate) limit: usize,
    /// How many partitions are asked about in turn.
    pub(crate) partitions: usize,
}

/// What has been read and not yet handed on, and what happened.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) events: VecDeque<Event>,
    pub(crate) bytes: usize,
    /// All there is has been read; set after each look.
    pub(crate) caught_up: bool,
    /// The same as a state: so it was when the service was last asked, and nothing has come or broken since.
    pub(crate) at_end: bool,
    /// The last event that there was when reading began; nothing until the service has told what it holds.
    pub(crate) found: Option<i64>,
    /// Reading has ended with this.
    pub(crate) failure: Option<Failure>,
    /// Where reading really began, once the service has said what it holds.
    pub(crate) began: Option<Began>,
    /// Leave now.
    pub(crate) stop: bool,
}

/// An inbox that a subtask and its pump share.
#[derive(Clone, Default)]
pub(crate) struct SharedInbox(Arc<Mutex<Inbox>>);

impl SharedInbox {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far reading is.
struct Progress {
    /// Where it begins as long as there is no cursor.
    start: Start,
    /// The event that was read last.
    cursor: Option<Mark>,
    /// When the hub was made that is being read.
    created: Option<Micros>,
    /// Whether the service has told what it holds.
    looked: bool,
    /// Up to this number a data loss has been reported.
    reported: i64,
}

impl Progress {
    /// Begins with the oldest, once everything that was read of the former hub is handed on.
    async fn begin_anew(&mut self, inbox: &SharedInbox) {
        poll_fn(|_| {
            let inbox = inbox.lock();
            if inbox.events.is_empty() || inbox.stop { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // A position, so that a checkpoint before the first record says where to go on.
        let mark = Mark { offset: None, sequence: -1, created: self.created };
        (self.cursor, self.reported) = (Some(mark.clone()), 0);
        let mut inbox = inbox.lock();
        (inbox.began, inbox.found) = (Some(Began::Anew(mark)), None);
    }
}

/// Reads until it is told to stop or cannot go on.
pub(crate) async fn run(mut plan: Plan, inbox: SharedInbox) {
    let host = plan.namespace.host.clone();
    let fresh_until = host.now().saturating_add(FRESH.as_micros() as Micros);
    let mut pauses = Pauses::new(&host, plan.namespace.options.retry);
    let cursor = match &plan.start {
        Start::After(mark) => Some(mark.clone()),
        _ => None,
    };
    let mut progress =
        Progress { start: plan.start.clone(), cursor, created: plan.created, looked: false, reported: 0 };
    loop {
        let before = progress.cursor.clone();
        let result = attached(&plan, &inbox, &mut progress).await;
        let Err(mut failure) = result else { return };
        inbox.lock().at_end = false;
        if progress.cursor != before {
            pauses.reset();
        }
        if let Some(mark) = &progress.cursor
            && let Some(data_loss) = DataLoss::refused(&failure)
        {
            match data_loss.settle(&plan.hub, &plan.partition, mark, plan.on_data_loss) {
                Ok(()) => {
                    progress.begin_anew(&inbox).await;
                    continue;
                }
                Err(refusal) => failure = refusal,
            }
        }
        if failure.stolen && plan.level.is_none() {
            failure.text.push_str(LOOKING);
        }
        if failure.stolen
            && host.now() < fresh_until
            && let Some(level) = plan.level
            && let Some(held) = refused_below(&failure.text)
            && held >= level
        {
            // Clocks differ between machines; whoever starts last reads.
            plan.level = Some(held + 1);
            continue;
        }
        if let Err(failure) = pauses.after(failure).await {
            inbox.lock().failure = Some(failure);
            return;
        }
        if inbox.lock().stop {
            return;
        }
    }
}

/// The level that holds the partition, if the text says that ours is too low to attach.
fn refused_below(text: &str) -> Option<i64> {
    let rest = text.split("epoch of '").nth(1)?;
    let held = rest.split('\'').next()?.parse().ok()?;
    text.contains("lower epoch").then_some(held)
}

async fn attached(plan: &Plan, inbox: &SharedInbox, progress: &mut Progress) -> Result<(), Failure> {
    let host = &plan.namespace.host;
    let client = plan.namespace.consumer(&plan.hub, &plan.group).await?;
    let result = receive(plan, &client, inbox, progress).await;
    // The connection is given back; a broken one cannot be closed in good order.
    let closed = answered(host, LEAVE, async { Ok(client.close().await?) }).await;
    if let Err(failure) = closed {
        tracing::debug!(hub = plan.hub, partition = plan.partition, "a connection was left: {}", failure.text);
    }
    result
}

async fn look(plan: &Plan, client: &ConsumerClient) -> Result<EventHubPartitionProperties, Failure> {
    plan.namespace.turn().await;
    answered(&plan.namespace.host, plan.namespace.options.retry.answer.0, async {
        Ok(client.get_partition_properties(&plan.partition).await?)
    })
    .await
}

/// Looks at what the service holds, and whether it goes on where reading has come to.
async fn begin(
    plan: &Plan,
    client: &ConsumerClient,
    inbox: &SharedInbox,
    progress: &mut Progress,
) -> Result<EventHubPartitionProperties, Failure> {
    let again = std::mem::replace(&mut progress.looked, true);
    if again {
        // While the connection was broken the hub may have become another one.
        plan.namespace.turn().await;
        let asked = async { Ok(client.get_eventhub_properties().await?) };
        let hub = answered(&plan.namespace.host, plan.namespace.options.retry.answer.0, asked).await?;
        progress.created = hub.created_on.map(event::micros);
    }
    let known = look(plan, client).await?;
    if progress.cursor.is_none() && progress.start == Start::Latest {
        // Said in numbers, so that a broken connection skips nothing.
        let offset = (known.last_enqueued_sequence_number >= 0).then(|| known.last_enqueued_offset.clone());
        let mark = Mark { offset, sequence: known.last_enqueued_sequence_number, created: progress.created };
        inbox.lock().began = Some(Began::At(mark.clone()));
        progress.cursor = Some(mark);
    }
    if let Some(mark) = progress.cursor.clone() {
        match DataLoss::find(&mark, progress.created, &known) {
            Some(data_loss @ DataLoss::Anew(_)) => {
                data_loss.settle(&plan.hub, &plan.partition, &mark, plan.on_data_loss)?;
                progress.begin_anew(inbox).await;
            }
            Some(data_loss @ DataLoss::Removed { .. }) => report(plan, progress, &mark, &data_loss)?,
            // From now on it tells its hub. Later on, the inbox may hold what is before it.
            None if mark.created.is_none() && !again => {
                let mark = Mark { created: progress.created, ..mark };
                inbox.lock().began = Some(Began::At(mark.clone()));
                progress.cursor = Some(mark);
            }
            None => {}
        }
    }
    let from = match (&progress.cursor, &progress.start) {
        (None, Start::Time(from)) => Some(*from),
        _ => None,
    };
    inbox.lock().found.get_or_insert(end_of(&known, from));
    Ok(known)
}

/// Tells a data loss, once.
fn report(plan: &Plan, progress: &mut Progress, mark: &Mark, data_loss: &DataLoss) -> Result<(), Failure> {
    if let DataLoss::Removed { oldest, .. } = data_loss
        && *oldest > progress.reported
    {
        progress.reported = *oldest;
        data_loss.settle(&plan.hub, &plan.partition, mark, plan.on_data_loss)?;
    }
    Ok(())
}

/// Reports why numbers are missing, if the service has removed their events; answers whether it has.
fn report_jump(plan: &Plan, progress: &mut Progress, known: &EventHubPartitionProperties) -> Result<bool, Failure> {
    let Some(mark) = progress.cursor.clone() else { return Ok(false) };
    let Some(data_loss) = DataLoss::find(&mark, progress.created, known) else { return Ok(false) };
    report(plan, progress, &mark, &data_loss)?;
    Ok(true)
}

async fn receive(
    plan: &Plan,
    client: &ConsumerClient,
    inbox: &SharedInbox,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let host = &plan.namespace.host;
    let mut known = begin(plan, client, inbox, progress).await?;
    let options = OpenReceiverOptions {
        owner_level: plan.level,
        prefetch: Some(plan.prefetch),
        start_position: Some(position(progress)),
        receive_timeout: None,
    };
    let receiver = client.open_receiver_on_partition(plan.partition.clone(), Some(options)).await?;
    let events = receiver.stream_events();
    pin_mut!(events);
    let mut wait = QUIET;
    let mut quiet_since = host.now();
    // Whether numbers are missing of which the service says that nothing is gone, as in a compacted hub.
    let mut sparse = false;
    loop {
        let stop = poll_fn(|_| if inbox.lock().stop { Poll::Ready(()) } else { Poll::Pending }).fuse();
        // Whoever empties the inbox polls this future again.
        let room = poll_fn(|_| {
            let inbox = inbox.lock();
            if inbox.bytes < plan.limit || inbox.stop { Poll::Ready(()) } else { Poll::Pending }
        });
        room.await;
        let next = events.next().fuse();
        let idle = host.sleep(wait).fuse();
        pin_mut!(stop, next, idle);
        let received = select_biased! {
            () = stop => return Ok(()),
            received = next => Some(received),
            () = idle => None,
        };
        match received {
            Some(Some(Ok(data))) => {
                quiet_since = host.now();
                wait = QUIET;
                let Some(event) = Event::new(data, progress.created) else { continue };
                let (read, here) = (progress.cursor.as_ref().map(|mark| mark.sequence), event.mark.sequence);
                // A link that was attached anew may begin a little earlier.
                if read.is_some_and(|read| here <= read) {
                    continue;
                }
                if read.is_some_and(|read| here > read + 1) && here > progress.reported && !sparse {
                    // A reader that is slower than retention is skipped ahead without a word.
                    known = look(plan, client).await?;
                    sparse = !report_jump(plan, progress, &known)?;
                }
                progress.cursor = Some(event.mark.clone());
                let mut inbox = inbox.lock();
                inbox.at_end = false;
                inbox.bytes += event.bytes;
                inbox.events.push_back(event);
            }
            Some(Some(Err(error))) => return Err(error.into()),
            Some(None) => return Err(Failure::new(ErrorKind::Unavailable, "the service has ended the link")),
            None => {
                match look(plan, client).await {
                    Ok(now) => known = now,
                    // Asked too often: ask later.
                    Err(failure) if failure.kind == ErrorKind::Throttled => {}
                    Err(failure) => return Err(failure),
                }
                if all_read(progress, &known) {
                    quiet_since = host.now();
                    let mut inbox = inbox.lock();
                    (inbox.caught_up, inbox.at_end) = (true, true);
                    drop(inbox);
                    wait = AGAIN.max(crate::limits::RUNTIME_PAUSE * 2 * plan.partitions as u32);
                } else if host.now().saturating_sub(quiet_since) > DEAD.as_micros() as Micros {
                    return Err(Failure::new(
                        ErrorKind::Unavailable,
                        "the link delivers no events although the partition has some",
                    ));
                } else {
                    wait = (wait * 2).min(AGAIN);
                }
            }
        }
    }
}

/// Whether the partition holds nothing that has not been read.
fn all_read(progress: &Progress, known: &EventHubPartitionProperties) -> bool {
    if known.is_empty || known.last_enqueued_sequence_number < 0 {
        return true;
    }
    match (&progress.cursor, &progress.start) {
        (Some(mark), _) => mark.sequence >= known.last_enqueued_sequence_number,
        // Nothing is as new as what is asked for.
        (None, Start::Time(from)) => is_before(known, *from),
        (None, _) => false,
    }
}

/// The last event that is there to be read, from this moment on if it is given; -1 if there is none.
pub(crate) fn end_of(known: &EventHubPartitionProperties, from: Option<Micros>) -> i64 {
    let nothing = known.is_empty || from.is_some_and(|from| is_before(known, from));
    if nothing { -1 } else { known.last_enqueued_sequence_number }
}

/// Whether nothing in the partition is as new as this moment.
fn is_before(known: &EventHubPartitionProperties, from: Micros) -> bool {
    let newest = known.last_enqueued_time_utc.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    newest.is_some_and(|time| (time.as_micros() as Micros) < from)
}

fn position(progress: &Progress) -> StartPosition {
    let (location, inclusive) = match (&progress.cursor, &progress.start) {
        (Some(mark), _) if mark.sequence < 0 => (StartLocation::Earliest, false),
        (Some(Mark { offset: Some(offset), .. }), _) => (StartLocation::Offset(offset.clone()), false),
        (Some(mark), _) => (StartLocation::SequenceNumber(mark.sequence), false),
        (None, Start::Time(from)) => {
            let from = Duration::from_micros(u64::try_from(*from).unwrap_or_default());
            (StartLocation::EnqueuedTime(UNIX_EPOCH + from), true)
        }
        (None, Start::Offset(offset)) => (StartLocation::Offset(offset.clone()), true),
        (None, _) => (StartLocation::Earliest, false),
    };
    StartPosition { location, inclusive }
}

#[cfg(test)]
mod tests {
    use super::refused_below;

    #[test]
    fn only_a_refusal_to_attach_names_the_level_to_beat() {
        let refused = "At least one receiver for the endpoint is created with epoch of '17', and so lower epoch '3' is not allowed.";
        assert_eq!(refused_below(refused), Some(17));
        let displaced = "New receiver with higher epoch of '18' is created hence current receiver with epoch '17' is getting disconnected.";
        assert_eq!(refused_below(displaced), None);
        assert_eq!(refused_below("gone"), None);
    }
}
