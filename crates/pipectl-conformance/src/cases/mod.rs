//! The cases: each says in one sentence what it proves.

mod bytes;
mod delivery;
mod faults;
mod gaps;
mod lifecycle;
mod limits;
mod order;
mod reshard;
mod secrets;
mod sharing;
mod start;
mod telling;

use futures::future::BoxFuture;
use pipectl_contract::{Capabilities, Order, Partitions};

use crate::{
    lab::{Lab, Stop},
    report::Level,
};

/// A case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// In one sentence, without "it proves that".
    pub(crate) proves: &'static str,
    pub(crate) level: Level,
    /// Why a backend with these capabilities leaves it out, as what follows "the backend".
    pub(crate) left_out: fn(&Capabilities) -> Option<&'static str>,
    pub(crate) run: for<'a> fn(&'a Lab) -> BoxFuture<'a, Result<(), Stop>>,
}

macro_rules! cases {
    ($($level:ident $module:ident :: $name:ident unless $left_out:ident : $proves:literal,)*) => {
        /// All cases, in the order in which they run.
        pub(crate) const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            proves: $proves,
            level: Level::$level,
            left_out: $left_out,
            run: |lab| Box::pin($module::$name(lab)),
        }),*];
    };
}

cases! {
    Alpha lifecycle::opens_and_closes unless never:
        "A stream can be made, and its producers and consumers open and close, again and again.",
    Alpha delivery::writes_and_reads unless never:
        "Every record that was written is read once.",
    Alpha delivery::resumes_where_a_checkpoint_stood unless never:
        "A consumer that owns the stream goes on after a restart where its checkpoint stood.",
    Alpha delivery::resumes_where_the_group_stood unless no_sharing:
        "A consumer of a group goes on after a restart where the group's last commit stood.",
    Beta delivery::forgets_a_group unless no_sharing:
        "A group that is told to be forgotten begins anew, with everything that the stream holds.",
    Beta lifecycle::creating_again_changes_nothing unless never:
        "Creating a stream that exists leaves it and its records as they are.",
    Beta lifecycle::deleting_twice_is_fine unless never:
        "Deleting removes the stream and says so; a second time it says that there was none.",
    Beta lifecycle::an_unknown_stream_is_not_found unless never:
        "A stream that does not exist is told as such, by every question that can be asked of it.",
    Beta lifecycle::examines_without_changing unless never:
        "An examination finds nothing bad in what works, tells of a stream that is missing, and makes none.",
    Beta bytes::brings_back_every_byte unless never:
        "Keys, empty, binary and large payloads come back bit by bit.",
    Beta bytes::carries_headers unless no_headers:
        "Headers come back with their names, values and, for each record, their own.",
    Beta bytes::tells_tombstones_from_empty unless no_tombstones:
        "A record without payload comes back without one, and an empty one empty.",
    Beta limits::takes_batches_of_any_size unless never:
        "A batch that is larger than one call of the service may be is written whole.",
    Beta limits::an_oversize_record_is_rejected_alone unless no_limit:
        "A record that is too large is rejected with a reason, and no other is hurt.",
    Beta order::keeps_the_order_of_each_key unless no_order:
        "Records of a key come in the order in which they were written, with several writers and lanes.",
    Beta delivery::comes_again_after_a_crash unless never:
        "What was read and not committed comes again after a crash.",
    Beta delivery::commits_a_contiguous_prefix unless never:
        "A commit covers what came before its checkpoint and nothing that came after.",
    Beta delivery::a_late_commit_loses_nothing unless no_sharing:
        "A commit of an earlier checkpoint after a later one loses nothing.",
    Beta delivery::the_checkpoint_is_the_truth unless no_positions:
        "A consumer that owns the stream goes by its checkpoint, whatever was committed at the service since.",
    Beta delivery::interrupted_reads_lose_nothing unless never:
        "A read that is given up in the middle loses and repeats nothing.",
    Beta delivery::ends_when_the_writers_have_finished unless no_end:
        "After the writers have finished, the end comes when everything is read, and not before.",
    Beta start::starts_at_the_earliest unless never:
        "A reader that starts at the earliest reads everything.",
    Beta start::starts_at_the_latest unless never:
        "A reader that starts at the latest reads what is written from then on.",
    Beta start::starts_at_a_time unless no_times:
        "A reader that starts at a time reads what the service took in from then on.",
    Beta start::starts_at_positions unless no_positions:
        "A reader that starts at positions reads from those records on.",
    Beta telling::describes_a_stream unless never:
        "A description tells of partitions, their ends and how far a group is behind.",
    Beta telling::tells_of_partitions_and_idleness unless no_partitions:
        "Readers tell which partitions they read and, again and again, which they have read to the end.",
    Beta telling::a_look_leaves_no_trace unless never:
        "Looking at a stream changes nothing for its groups.",
    Beta sharing::hands_over_without_loss unless no_sharing:
        "When a worker joins and leaves, nothing is lost and nothing that was committed comes again.",
    Stable sharing::takes_over_from_a_dead_worker unless no_sharing:
        "What a dead worker had read and not committed is read by the others, and nothing else comes again.",
    Stable reshard::reshards_twice_in_mid_run unless fixed:
        "Partitions change twice while records flow, and once across a restart, and none is lost or repeated.",
    Stable faults::survives_a_restart_of_the_service unless never:
        "The service restarts in mid-run, and writing and reading go on by themselves.",
    Stable faults::throttled_writes_arrive unless never:
        "While the service refuses requests for being too many, everything still arrives.",
    Stable faults::keeps_the_order_under_retries unless no_order:
        "Records of a key stay in order while the service refuses some requests.",
    Stable faults::records_that_fail_are_sent_again unless never:
        "When the service takes a part of a call only, the rest is sent again and arrives.",
    Stable gaps::a_gap_is_told unless no_positions:
        "Where the service has forgotten records before they were read, the reader stops and says so, or warns and goes on with exactly what is left.",
    Stable secrets::shows_no_secret unless never:
        "No log line and no error shows a secret.",
}

fn never(_: &Capabilities) -> Option<&'static str> {
    None
}

fn no_sharing(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.sharing).then_some("does not let workers share a stream")
}

fn no_headers(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.headers).then_some("carries no headers")
}

fn no_tombstones(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.tombstones).then_some("does not tell a record without payload from an empty one")
}

fn no_limit(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.max_record > limits::TRIED).then_some("takes records larger than any that is tried")
}

fn no_order(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.order == Order::None).then_some("promises no order")
}

fn no_positions(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.replay_from_position).then_some("cannot read from a given position")
}

fn no_times(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.replay_from_time).then_some("cannot read from a moment in time")
}

fn no_end(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.end_is_known).then_some("does not know where a stream ends")
}

fn no_partitions(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.partitions == Partitions::None).then_some("has no partitions to see")
}

fn fixed(capabilities: &Capabilities) -> Option<&'static str> {
    matches!(capabilities.partitions, Partitions::None | Partitions::Fixed).then_some("has no partitions that change")
}
