//! At least once, and from a checkpoint on.

use std::{collections::BTreeSet, time::Duration};

use pipectl_contract::{Consumption, Ownership};

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, ids, owned},
    sample::Sample,
};

pub(super) async fn writes_and_reads(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = lab.samples(1.0, 16);
    lab.write(&stream, &samples).await?;
    let seen = lab.look(&stream, samples.len()).await?;
    expect(&samples, &seen, "after writing")?;
    lab.keep(seen);
    Ok(())
}

/// Two parts of a case's records.
fn halves(lab: &Lab) -> (Vec<Sample>, Vec<Sample>) {
    let mut first = lab.samples(0.5, 8);
    let second = first.split_off(first.len() / 2);
    (first, second)
}

const WATCHFUL: Reading =
    Reading { subtasks: None, start: pipectl_contract::StartAt::Earliest, impatience: None, never_commits: true };

pub(super) async fn resumes_where_a_checkpoint_stood(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "resumes", owned()).await?;
    let (first, second) = halves(lab);
    lab.write(&stream, &first).await?;
    let mut worker = lab.worker(&stream, "resumes", owned(), WATCHFUL).await?;
    worker.until("the first half", |seen| seen.distinct() >= first.len()).await?;
    let checkpoint = worker.checkpoint_and_commit().await?;
    let seen = worker.close().await?;
    expect(&first, &seen, "before the restart")?;
    lab.keep(seen);
    lab.write(&stream, &second).await?;
    let positions = checkpoint.positions;
    let mut worker = lab.worker(&stream, "resumes", Ownership::Owned { positions }, WATCHFUL).await?;
    lab.read_all(&mut worker, second.len()).await?;
    let seen = worker.close().await?;
    resumed(lab, &first, &second, &seen.ids())?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn resumes_where_the_group_stood(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "resumes", Ownership::Shared).await?;
    let (first, second) = halves(lab);
    let mut worker = lab.settled(&stream, "resumes", Ownership::Shared, WATCHFUL).await?;
    lab.write(&stream, &first).await?;
    worker.until("the first half", |seen| seen.distinct() >= first.len()).await?;
    worker.checkpoint_and_commit().await?;
    let seen = worker.close().await?;
    expect(&first, &seen, "before the restart")?;
    lab.keep(seen);
    lab.write(&stream, &second).await?;
    let mut worker = lab.worker(&stream, "resumes", Ownership::Shared, Reading::default()).await?;
    lab.read_all(&mut worker, second.len()).await?;
    let seen = worker.close().await?;
    resumed(lab, &first, &second, &seen.ids())?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn forgets_a_group(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "forgets", Ownership::Shared).await?;
    let group = format!("{}-forgets", stream.name);
    let samples = lab.samples(0.3, 16);
    lab.write(&stream, &samples).await?;
    for _ in 0..2 {
        let mut worker = lab.worker(&stream, "forgets", Ownership::Shared, WATCHFUL).await?;
        worker.until("all records", |seen| seen.distinct() >= samples.len()).await?;
        worker.checkpoint_and_commit().await?;
        let seen = worker.close().await?;
        lab.expect_all(&ids(&samples), &seen.ids(), &BTreeSet::new(), "of a forgotten group")?;
        lab.keep(seen);
        lab.connection.forget(&stream, &group).await?;
        // Of a group that nobody knows there is nothing to forget.
        lab.connection.forget(&stream, &group).await?;
    }
    Ok(())
}

/// After a commit of `first`, `second` has come; of `first` nothing, unless each record is acknowledged by itself.
fn resumed(lab: &Lab, first: &[Sample], second: &[Sample], came: &[usize]) -> Result<(), Stop> {
    let mut expected = ids(second);
    if lab.capabilities.consumption == Consumption::Lease {
        let repeated: Vec<usize> = came.iter().copied().filter(|id| ids(first).contains(id)).collect();
        expected.extend(repeated);
    }
    lab.expect_all(&expected, came, &BTreeSet::new(), "after the restart")
}

pub(super) async fn comes_again_after_a_crash(lab: &Lab) -> Result<(), Stop> {
    let ways = [("owned", owned()), ("shared", Ownership::Shared)];
    for (name, ownership) in ways.into_iter().take(if lab.capabilities.sharing { 2 } else { 1 }) {
        let stream = lab.stream().await?;
        lab.announce(&stream, name, ownership.clone()).await?;
        let samples = lab.samples(0.25, 8);
        let mut worker = lab.settled(&stream, name, ownership.clone(), WATCHFUL).await?;
        lab.write(&stream, &samples).await?;
        worker.until("all records", |seen| seen.distinct() >= samples.len()).await?;
        // The barrier was taken, but its checkpoint never became durable.
        worker.checkpoint().await?;
        lab.keep(worker.kill().await);
        let mut worker = lab.worker(&stream, name, ownership, Reading::default()).await?;
        lab.read_all(&mut worker, samples.len()).await?;
        let seen = worker.close().await?;
        expect(&samples, &seen, &format!("{name}, after a crash before the first commit"))?;
        lab.keep(seen);
    }
    Ok(())
}

pub(super) async fn commits_a_contiguous_prefix(lab: &Lab) -> Result<(), Stop> {
    let ownership = if lab.capabilities.sharing { Ownership::Shared } else { owned() };
    let stream = lab.stream().await?;
    lab.announce(&stream, "prefix", ownership.clone()).await?;
    let (first, second) = halves(lab);
    let mut worker = lab.settled(&stream, "prefix", ownership.clone(), WATCHFUL).await?;
    lab.write(&stream, &first).await?;
    worker.until("the first half", |seen| seen.distinct() >= first.len()).await?;
    let checkpoint = worker.checkpoint().await?;
    lab.write(&stream, &second).await?;
    let both = first.len() + second.len();
    worker.until("both halves", |seen| seen.distinct() >= both).await?;
    // Much has been read since the checkpoint that becomes durable now.
    worker.commit(&checkpoint).await?;
    lab.keep(worker.kill().await);
    let ownership = match ownership {
        Ownership::Owned { .. } => Ownership::Owned { positions: checkpoint.positions },
        other => other,
    };
    let mut worker = lab.worker(&stream, "prefix", ownership, Reading::default()).await?;
    lab.read_all(&mut worker, second.len()).await?;
    let seen = worker.close().await?;
    resumed(lab, &first, &second, &seen.ids())?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn a_late_commit_loses_nothing(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "late", Ownership::Shared).await?;
    let (first, second) = halves(lab);
    let mut worker = lab.settled(&stream, "late", Ownership::Shared, WATCHFUL).await?;
    lab.write(&stream, &first).await?;
    worker.until("the first half", |seen| seen.distinct() >= first.len()).await?;
    let early = worker.checkpoint().await?;
    lab.write(&stream, &second).await?;
    let both = first.len() + second.len();
    worker.until("both halves", |seen| seen.distinct() >= both).await?;
    let late = worker.checkpoint().await?;
    worker.commit(&late).await?;
    worker.commit(&early).await?;
    lab.keep(worker.kill().await);
    let third = Sample::range(both, both + 40, 8);
    lab.write(&stream, &third).await?;
    let mut worker = lab.worker(&stream, "late", Ownership::Shared, Reading::default()).await?;
    let wanted = ids(&third);
    let has = |came: Vec<usize>| wanted.iter().all(|id| came.contains(id));
    worker.until("the records after both commits", |seen| has(seen.ids())).await?;
    lab.keep(worker.close().await?);
    Ok(())
}

pub(super) async fn the_checkpoint_is_the_truth(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let (first, second) = halves(lab);
    lab.write(&stream, &first).await?;
    let mut worker = lab.worker(&stream, "truth", owned(), WATCHFUL).await?;
    worker.until("the first half", |seen| seen.distinct() >= first.len()).await?;
    let checkpoint = worker.checkpoint_and_commit().await?;
    lab.write(&stream, &second).await?;
    let both = first.len() + second.len();
    worker.until("both halves", |seen| seen.distinct() >= both).await?;
    worker.checkpoint_and_commit().await?;
    lab.keep(worker.kill().await);
    // The second checkpoint was lost with its disk: the first one is what there is.
    let positions = checkpoint.positions;
    let mut worker = lab.worker(&stream, "truth", Ownership::Owned { positions }, WATCHFUL).await?;
    lab.read_all(&mut worker, second.len()).await?;
    let seen = worker.close().await?;
    expect(&second, &seen, "from an older checkpoint")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn interrupted_reads_lose_nothing(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "interrupted", owned()).await?;
    let samples = lab.samples(0.5, 8);
    let reading = Reading { impatience: Some(Duration::from_millis(7)), ..Reading::default() };
    let mut worker = lab.worker(&stream, "interrupted", owned(), reading).await?;
    for chunk in samples.chunks(samples.len() / 8 + 1) {
        lab.write(&stream, chunk).await?;
        worker.checkpoint_and_commit().await?;
    }
    lab.read_all(&mut worker, samples.len()).await?;
    let seen = worker.close().await?;
    expect(&samples, &seen, "with reads that were given up every 7 ms")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn ends_when_the_writers_have_finished(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let samples = lab.samples(0.5, 8);
    let mut worker = lab.worker(&stream, "ends", owned(), Reading::default()).await?;
    // Read to the end and quiet, but its writers have not finished: that is no end.
    worker.until("a quiet reader", |seen| !seen.quiet.is_empty()).await?;
    lab.write(&stream, &samples).await?;
    worker.until("a first record", |seen| !seen.records.is_empty()).await?;
    ensure(worker.seen.ended.is_empty(), || "the end came before the writers had finished".to_owned())?;
    worker.writers_finished().await?;
    worker.until_end().await?;
    worker.checkpoint_and_commit().await?;
    let seen = worker.close().await?;
    expect(&samples, &seen, "at the end")?;
    lab.keep(seen);
    // The same for a reader that finds the stream finished.
    let mut worker = lab.worker(&stream, "ends-later", owned(), Reading::default()).await?;
    worker.writers_finished().await?;
    worker.until_end().await?;
    let seen = worker.close().await?;
    expect(&samples, &seen, "at the end of a finished stream")?;
    lab.keep(seen);
    Ok(())
}
