//! Several workers of a group.

use std::collections::BTreeSet;

use pipectl_contract::{Consumption, Ownership};

use crate::{
    lab::{Lab, Reading, Stop, ensure, ids},
    sample::Sample,
    seen::Seen,
    worker::{Worker, until_both},
};

async fn joins(lab: &Lab, stream: &pipectl_contract::StreamTarget) -> Result<Worker, Stop> {
    // A worker is a process: it has a connection of its own.
    let connection = lab.harness.connect().await?;
    let mut worker = lab.worker_of(&connection, stream, "shared", Ownership::Shared, Reading::default()).await?;
    if lab.capabilities.consumption == Consumption::Lease {
        // Nothing reports when it is a member, but it is when it has waited in vain. What is written meanwhile goes to the
        // others, and so may all records of those keys until theirs are acknowledged.
        worker.until("its first wait", |seen| !seen.quiet.is_empty()).await?;
    }
    Ok(worker)
}

fn together(one: &Seen, other: &Seen) -> usize {
    one.ids().into_iter().chain(other.ids()).collect::<BTreeSet<_>>().len()
}

/// Writes part after part until both workers have read something of the newest ones; answers all that was written.
async fn until_both_read(
    lab: &Lab,
    stream: &pipectl_contract::StreamTarget,
    one: &mut Worker,
    other: &mut Worker,
    mut samples: Vec<Sample>,
) -> Result<Vec<Sample>, Stop> {
    let keys = 32;
    let each = (lab.budget.records / 10).max(2 * keys);
    let known = other.seen.distinct();
    for _ in 0..40 {
        let more = Sample::range(samples.len(), samples.len() + each, keys);
        lab.write(stream, &more).await?;
        samples.extend(more);
        let count = samples.len();
        until_both(one, other, "all records", |one, other| together(one, other) >= count).await?;
        let idle = lab.has_partitions() && other.seen.open.is_empty();
        if other.seen.distinct() > known && !idle {
            return Ok(samples);
        }
    }
    Err(Stop::failed("a second worker joined the group and was never given anything"))
}

pub(super) async fn hands_over_without_loss(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "shared", Ownership::Shared).await?;
    let samples = lab.samples(0.2, 32);
    let mut first = joins(lab, &stream).await?;
    lab.write(&stream, &samples).await?;
    first.until("the first records", |seen| seen.distinct() >= samples.len()).await?;
    first.checkpoint_and_commit().await?;
    let mut second = joins(lab, &stream).await?;
    let samples = until_both_read(lab, &stream, &mut first, &mut second, samples).await?;
    // Both have committed nothing of the last part yet; the one that leaves does so in order.
    second.checkpoint_and_commit().await?;
    let left = second.close().await?;
    let open = left.records.iter().filter(|record| !record.committed && !record.lost).count();
    ensure(lab.capabilities.consumption == Consumption::Lease || open == 0, || {
        format!("{open} records came between a checkpoint and the close that followed at once")
    })?;
    let more = Sample::range(samples.len(), samples.len() + 64, 32);
    lab.write(&stream, &more).await?;
    let samples: Vec<Sample> = samples.into_iter().chain(more).collect();
    let count = samples.len();
    let known: BTreeSet<usize> = left.ids().into_iter().collect();
    first
        .until("what is written after the other has left", |seen| {
            seen.ids().into_iter().chain(known.iter().copied()).collect::<BTreeSet<_>>().len() >= count
        })
        .await?;
    lab.read_all(&mut first, 0).await?;
    first.checkpoint_and_commit().await?;
    let stayed = first.close().await?;
    let came: Vec<usize> = left.ids().into_iter().chain(stayed.ids()).collect();
    // What an owner had read past its last commit may come again where the partition goes.
    let mut overlap: BTreeSet<usize> = stayed.lost_uncommitted();
    overlap.extend(left.lost_uncommitted());
    lab.expect_all(&ids(&samples), &came, &overlap, "with a worker that came and went")?;
    lab.keep(left);
    lab.keep(stayed);
    Ok(())
}

pub(super) async fn takes_over_from_a_dead_worker(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "shared", Ownership::Shared).await?;
    let mut first = joins(lab, &stream).await?;
    let mut second = joins(lab, &stream).await?;
    let samples = until_both_read(lab, &stream, &mut first, &mut second, Vec::new()).await?;
    first.checkpoint_and_commit().await?;
    second.checkpoint_and_commit().await?;
    // Both read on; the second dies before its next commit.
    let samples = until_both_read(lab, &stream, &mut first, &mut second, samples).await?;
    let dead = second.kill().await;
    let more = Sample::range(samples.len(), samples.len() + 64, 32);
    lab.write(&stream, &more).await?;
    let samples: Vec<Sample> = samples.into_iter().chain(more).collect();
    let kept: BTreeSet<usize> = dead
        .records
        .iter()
        .filter(|record| record.committed)
        .filter_map(|record| record.tag)
        .map(|tag| tag.id)
        .collect();
    let wanted: BTreeSet<usize> = ids(&samples).difference(&kept).copied().collect();
    first
        .until("everything that the dead worker had not committed", |seen| {
            let came: BTreeSet<usize> = seen.ids().into_iter().collect();
            wanted.is_subset(&came)
        })
        .await?;
    lab.read_all(&mut first, 0).await?;
    let alive = first.close().await?;
    let came: Vec<usize> = dead.ids().into_iter().chain(alive.ids()).collect();
    let mut may_repeat = dead.uncommitted();
    may_repeat.extend(alive.lost_uncommitted());
    lab.expect_all(&ids(&samples), &came, &may_repeat, "with a worker that died")?;
    lab.keep(dead);
    lab.keep(alive);
    Ok(())
}
