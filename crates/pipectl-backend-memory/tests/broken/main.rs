//! The suite proves itself: a memory broker that is broken on purpose, in one way at a time, fails the cases that are
//! there to find just that; and there is no case that nothing can fail.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its helpers too")]

#[path = "../common/mod.rs"]
mod common;
mod connection;
mod reader;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pipectl_conformance::{case_names, suite};
use pipectl_host::Host;

use self::{common::MemoryHarness, connection::BrokenConnection};

/// A way to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    CommitsAhead,
    CommitsTooEarly,
    CommitsTooMuch,
    CreatesAnew,
    CutsLargePayloads,
    CutsLongBatches,
    DeletesNothingGladly,
    DescribesGhosts,
    EndsTooEarly,
    EndsUnasked,
    ErrorsShowSecrets,
    ExaminesByCreating,
    ForgetsDeadWorkers,
    ForgetsHeaders,
    ForgetsKeys,
    ForgetsToCommit,
    GivesUpWhenDown,
    GoesByTheGroup,
    ForgetsNothing,
    HidesLag,
    IgnoresPositions,
    IgnoresStart,
    JumpsBehindGaps,
    ListsNothing,
    LogsSecrets,
    LooksByCommitting,
    LosesAfterCommit,
    LosesOnThrottle,
    LosesWhenInterrupted,
    MakesTombstonesEmpty,
    NeverCloses,
    NeverEnds,
    NeverIdle,
    Nothing,
    OpensSilently,
    OverlooksNewPartitions,
    RejectsWholeBatches,
    ReordersKeys,
    ReordersOnRetry,
    RepeatsAfterCommit,
    RepeatsOnPartialFailure,
    SharesWithNobody,
    StartsLate,
    SwallowsOversize,
    TellsIdleOnce,
}

use Fault::*;

/// Each fault and the cases that must find it; others may as well.
const FOUND_BY: &[(Fault, &[&str])] = &[
    (CommitsAhead, &["resumes_where_the_group_stood", "a_late_commit_loses_nothing"]),
    (CommitsTooEarly, &["comes_again_after_a_crash"]),
    (CommitsTooMuch, &["commits_a_contiguous_prefix"]),
    (CreatesAnew, &["creating_again_changes_nothing"]),
    (CutsLargePayloads, &["brings_back_every_byte"]),
    (CutsLongBatches, &["takes_batches_of_any_size"]),
    (DeletesNothingGladly, &["deleting_twice_is_fine"]),
    (DescribesGhosts, &["an_unknown_stream_is_not_found"]),
    (EndsTooEarly, &["ends_when_the_writers_have_finished"]),
    (EndsUnasked, &["ends_when_the_writers_have_finished"]),
    (ErrorsShowSecrets, &["shows_no_secret"]),
    (ExaminesByCreating, &["preflight_changes_nothing"]),
    (ForgetsDeadWorkers, &["takes_over_from_a_dead_worker"]),
    (ForgetsHeaders, &["carries_headers"]),
    (ForgetsKeys, &["brings_back_every_byte"]),
    (ForgetsToCommit, &["resumes_where_the_group_stood", "commits_a_contiguous_prefix", "describes_a_stream"]),
    (GivesUpWhenDown, &["survives_a_restart_of_the_service"]),
    (GoesByTheGroup, &["the_checkpoint_is_the_truth"]),
    (ForgetsNothing, &["forgets_a_group"]),
    (HidesLag, &["describes_a_stream"]),
    (IgnoresPositions, &["resumes_where_a_checkpoint_stood"]),
    (IgnoresStart, &["starts_at_the_latest", "starts_at_a_time", "starts_at_positions"]),
    (JumpsBehindGaps, &["data_loss_is_reported"]),
    (ListsNothing, &["opens_and_closes"]),
    (LogsSecrets, &["shows_no_secret"]),
    (LooksByCommitting, &["a_look_leaves_no_trace"]),
    (LosesAfterCommit, &["interrupted_reads_lose_nothing", "reshards_twice_in_mid_run"]),
    (LosesOnThrottle, &["throttled_writes_arrive"]),
    (LosesWhenInterrupted, &["interrupted_reads_lose_nothing"]),
    (MakesTombstonesEmpty, &["tells_tombstones_from_empty"]),
    (NeverCloses, &["reshards_twice_in_mid_run"]),
    (NeverEnds, &["ends_when_the_writers_have_finished"]),
    (NeverIdle, &["tells_of_partitions_and_idleness"]),
    (OpensSilently, &["tells_of_partitions_and_idleness"]),
    (OverlooksNewPartitions, &["reshards_twice_in_mid_run"]),
    (RejectsWholeBatches, &["an_oversize_record_is_rejected_alone"]),
    (ReordersKeys, &["keeps_the_order_of_each_key"]),
    (ReordersOnRetry, &["keeps_the_order_under_retries"]),
    (RepeatsAfterCommit, &["interrupted_reads_lose_nothing"]),
    (RepeatsOnPartialFailure, &["records_that_fail_are_sent_again"]),
    (SharesWithNobody, &["hands_over_without_loss"]),
    (StartsLate, &["starts_at_the_earliest", "writes_and_reads"]),
    (SwallowsOversize, &["an_oversize_record_is_rejected_alone"]),
    (TellsIdleOnce, &["tells_of_partitions_and_idleness"]),
];

/// What the suite finds of a fault: the cases that fail, and how.
fn failures(fault: Fault) -> BTreeMap<String, String> {
    let secret = format!("s3cr3t-{fault:?}");
    let report = pipectl_host::simulate(async {
        let host = Host::simulated(7, 1_800_000_000_000_000);
        let (clock, word) = (host.clone(), secret.clone());
        let wrap = Box::new(move |inner: Arc<dyn pipectl_contract::Connection>, broker: &_| {
            BrokenConnection::wrap(inner, fault, &clock, broker, &word)
        });
        suite(Arc::new(MemoryHarness::new(host, &secret, wrap))).await
    });
    let report = report.unwrap();
    report.failures().into_iter().map(|(case, why)| (case.to_owned(), why.to_owned())).collect()
}

#[test]
fn each_fault_is_found_by_the_right_cases() {
    // A few threads, each with a virtual clock of its own.
    let missed: Vec<String> = std::thread::scope(|scope| {
        // Beside them all, the same wrapper without a fault: what is found is the fault's and not the wrapper's.
        let whole = scope.spawn(|| (0..8).map(|_| failures(Nothing)).collect::<Vec<_>>());
        let quarters: Vec<_> = FOUND_BY
            .chunks(FOUND_BY.len().div_ceil(4))
            .map(|faults| {
                scope.spawn(move || {
                    let mut missed = Vec::new();
                    for (fault, cases) in faults {
                        let failures = failures(*fault);
                        println!("{fault:?}: {failures:#?}");
                        let unseen: Vec<_> = cases.iter().filter(|case| !failures.contains_key(**case)).collect();
                        let secret = failures.get("shows_no_secret").is_some_and(|why| why.contains("a secret"));
                        if secret != matches!(fault, ErrorsShowSecrets | LogsSecrets) {
                            missed.push(format!("{fault:?} and secrets: {:?}", failures.get("shows_no_secret")));
                        }
                        if !unseen.is_empty() {
                            missed.push(format!("{fault:?} was not found by {unseen:?}"));
                        }
                    }
                    missed
                })
            })
            .collect();
        for failures in whole.join().unwrap() {
            assert_eq!(failures, BTreeMap::new(), "nothing is broken");
        }
        quarters.into_iter().flat_map(|quarter| quarter.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_case_can_fail() {
    let found: BTreeSet<&str> = FOUND_BY.iter().flat_map(|(_, cases)| *cases).copied().collect();
    let known: BTreeSet<&str> = case_names().into_iter().collect();
    assert_eq!(known.difference(&found).collect::<Vec<_>>(), Vec::<&&str>::new(), "no fault is known that fails these");
    assert_eq!(found.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "there are no such cases");
}
