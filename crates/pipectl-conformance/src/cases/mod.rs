//! The cases: each says in one sentence what it proves.

mod bytes;
mod data_loss;
mod delivery;
mod describing;
mod faults;
mod lifecycle;
mod limits;
mod order;
mod reshard;
mod secrets;
mod sharing;
mod start;

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
        "A stream can be created, and its producers and consumers can open and close repeatedly.",
    Alpha delivery::writes_and_reads unless never:
        "Every written record is read exactly once.",
    Alpha delivery::resumes_where_a_checkpoint_stood unless never:
        "After a restart, a consumer that owns the stream continues from its checkpoint.",
    Alpha delivery::resumes_where_the_group_stood unless no_sharing:
        "After a restart, a consumer of a group continues from the last commit of the group.",
    Beta delivery::forgets_a_group unless no_sharing:
        "A group that is reset starts over with all records in the stream.",
    Beta lifecycle::creating_again_changes_nothing unless never:
        "Creating a stream that exists does not change it or its records.",
    Beta lifecycle::deleting_twice_is_fine unless never:
        "Deleting removes the stream and reports it. Deleting it again reports that it did not exist.",
    Beta lifecycle::an_unknown_stream_is_not_found unless never:
        "Every operation on a stream that does not exist reports that it does not exist.",
    Beta lifecycle::preflight_changes_nothing unless never:
        "A preflight check finds no problem in a working setup, reports a missing stream, and creates no stream.",
    Beta bytes::brings_back_every_byte unless never:
        "Keys and empty, binary and large payloads are read back byte for byte.",
    Beta bytes::carries_headers unless no_headers:
        "Each record is read back with the names and values of its own headers.",
    Beta bytes::tells_tombstones_from_empty unless no_tombstones:
        "A record without payload is read back without payload, and an empty payload as empty.",
    Beta limits::takes_batches_of_any_size unless never:
        "A batch that is larger than one request to the service is written completely.",
    Beta limits::an_oversize_record_is_rejected_alone unless no_limit:
        "A record that is too large is rejected with a reason, and no other record is affected.",
    Beta order::keeps_the_order_of_each_key unless no_order:
        "Records with the same key arrive in the order in which they were written, with several writers and subtasks.",
    Beta delivery::comes_again_after_a_crash unless never:
        "Records that were read and not committed are read again after a crash.",
    Beta delivery::commits_a_contiguous_prefix unless never:
        "A commit covers the records before its checkpoint and no records after it.",
    Beta delivery::a_late_commit_loses_nothing unless no_sharing:
        "A commit of an earlier checkpoint after a later one loses no records.",
    Beta delivery::the_checkpoint_is_the_truth unless no_positions:
        "A consumer that owns the stream uses its checkpoint, even if the service has a later commit.",
    Beta delivery::interrupted_reads_lose_nothing unless never:
        "A canceled read loses and repeats no records.",
    Beta delivery::ends_when_the_writers_have_finished unless no_end:
        "After the writers have finished, the stream ends when all records are read, and not earlier.",
    Beta start::starts_at_the_earliest unless never:
        "A reader that starts at `earliest` reads all records.",
    Beta start::starts_at_the_latest unless never:
        "A reader that starts at `latest` reads only records that are written after its start.",
    Beta start::starts_at_a_time unless no_times:
        "A reader that starts at a time reads the records that the service received at that time or later.",
    Beta start::starts_at_positions unless no_positions:
        "A reader that starts at positions reads from these records on.",
    Beta describing::describes_a_stream unless never:
        "A description shows the partitions, their ends and the consumer lag of a group.",
    Beta describing::tells_of_partitions_and_idleness unless no_partitions:
        "Readers report which partitions they read and, repeatedly, which of them they have read to the end.",
    Beta describing::a_look_leaves_no_trace unless never:
        "A peek at a stream does not affect its groups.",
    Beta sharing::hands_over_without_loss unless no_sharing:
        "When a worker joins or leaves, no record is lost and no committed record is read again.",
    Stable sharing::takes_over_from_a_dead_worker unless no_sharing:
        "The other workers read the records that a dead worker read and did not commit, and no other record is read again.",
    Stable reshard::reshards_twice_in_mid_run unless fixed:
        "When partitions change twice during a run and once across a restart, no record is lost or repeated.",
    Stable faults::survives_a_restart_of_the_service unless never:
        "When the service restarts during a run, writing and reading continue automatically.",
    Stable faults::throttled_writes_arrive unless never:
        "All records arrive while the service throttles requests.",
    Stable faults::keeps_the_order_under_retries unless no_order:
        "Records with the same key stay in order while the service rejects some requests.",
    Stable faults::records_that_fail_are_sent_again unless never:
        "When the service accepts only part of a request, the rest is sent again and arrives.",
    Stable data_loss::data_loss_is_reported unless no_positions:
        "When the service removes records before they are read, the reader stops with an error, or warns and continues with exactly the remaining records.",
    Stable secrets::shows_no_secret unless never:
        "No log line and no error contains a secret.",
}

fn never(_: &Capabilities) -> Option<&'static str> {
    None
}

fn no_sharing(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.sharing).then_some("does not let workers share a stream")
}

fn no_headers(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.headers).then_some("does not support headers")
}

fn no_tombstones(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.tombstones).then_some("does not distinguish a record without payload from an empty payload")
}

fn no_limit(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.max_record > limits::TRIED).then_some("accepts records larger than any in the suite")
}

fn no_order(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.order == Order::None).then_some("guarantees no order")
}

fn no_positions(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.replay_from_position).then_some("cannot read from a given position")
}

fn no_times(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.replay_from_time).then_some("cannot read from a given time")
}

fn no_end(capabilities: &Capabilities) -> Option<&'static str> {
    (!capabilities.end_is_known).then_some("does not know the end of a stream")
}

fn no_partitions(capabilities: &Capabilities) -> Option<&'static str> {
    (capabilities.partitions == Partitions::None).then_some("has no visible partitions")
}

fn fixed(capabilities: &Capabilities) -> Option<&'static str> {
    matches!(capabilities.partitions, Partitions::None | Partitions::Fixed)
        .then_some("has a fixed number of partitions")
}
