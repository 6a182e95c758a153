//! What a backend reports of its streams.

use std::collections::BTreeSet;

use pipectl_contract::{Ownership, StreamState};

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, owned},
    sample::Sample,
};

async fn described(
    lab: &Lab,
    stream: &pipectl_contract::StreamTarget,
    group: Option<&str>,
) -> Result<StreamState, Stop> {
    let group = group.map(|group| format!("{}-{group}", stream.name));
    let state = lab.connection.describe(stream, group.as_deref()).await?;
    state.ok_or_else(|| Stop::failed(format!("{} is not described", stream.name)))
}

/// How far the group is behind in all; `None` where the service does not say.
fn lag(state: &StreamState) -> Option<u64> {
    let lags: Vec<u64> = state.partitions.iter().filter_map(|partition| partition.lag).collect();
    if lags.is_empty() { state.lag } else { Some(lags.iter().sum()) }
}

/// In how many of its partitions records wait for the group, where the service tells for how long they do; `None` where it
/// does not.
fn waiting(state: &StreamState) -> Option<usize> {
    let reported: Vec<_> = state.partitions.iter().filter_map(|partition| partition.behind).collect();
    (!reported.is_empty()).then(|| reported.iter().filter(|behind| !behind.is_zero()).count())
}

pub(super) async fn describes_a_stream(lab: &Lab) -> Result<(), Stop> {
    let ownership = if lab.capabilities.sharing { Ownership::Shared } else { owned() };
    let stream = lab.stream().await?;
    lab.announce(&stream, "describe", ownership.clone()).await?;
    let empty = described(lab, &stream, None).await?;
    ensure(empty.name == stream.name, || format!("{} is described as {}", stream.name, empty.name))?;
    if lab.has_partitions() {
        let numbers: Vec<u32> = empty.partitions.iter().map(|partition| partition.number).collect();
        let wanted: Vec<u32> = (0..lab.budget.partitions).collect();
        ensure(numbers == wanted, || format!("partitions {wanted:?} were asked for and are {numbers:?}"))?;
        ensure(empty.partitions.iter().all(|partition| partition.open), || "a new partition is closed".to_owned())?;
        let names: BTreeSet<&str> = empty.partitions.iter().map(|partition| partition.name.as_str()).collect();
        ensure(names.len() == wanted.len(), || format!("partitions share names: {names:?}"))?;
    } else {
        ensure(empty.partitions.is_empty(), || "there are partitions where none are declared".to_owned())?;
    }
    let samples = lab.samples(0.2, 16);
    lab.write(&stream, &samples).await?;
    let written = described(lab, &stream, None).await?;
    let pairs = empty.partitions.iter().zip(&written.partitions);
    let moved = pairs.filter(|(before, after)| before.end != after.end).count();
    let tells_ends = written.partitions.iter().any(|partition| partition.end.is_some());
    ensure(!tells_ends || moved > 0, || "no end has moved by what was written".to_owned())?;
    let mut worker =
        lab.worker(&stream, "describe", ownership, Reading { never_commits: true, ..Reading::default() }).await?;
    worker.until("all records", |seen| seen.distinct() >= samples.len()).await?;
    let state = described(lab, &stream, Some("describe")).await?;
    let behind = lag(&state);
    let count = samples.len() as u64;
    ensure(behind.is_none_or(|behind| behind == count), || {
        format!("nothing of {count} is committed, and the lag is {behind:?}")
    })?;
    ensure(waiting(&state) != Some(0), || format!("nothing of {count} is committed, and none waits: {state:?}"))?;
    worker.checkpoint_and_commit().await?;
    let state = described(lab, &stream, Some("describe")).await?;
    let behind = lag(&state);
    ensure(behind.is_none_or(|behind| behind == 0), || format!("everything is committed, and the lag is {behind:?}"))?;
    ensure(waiting(&state).is_none_or(|waiting| waiting == 0), || {
        format!("everything is committed, and some waits: {state:?}")
    })?;
    lab.keep(worker.close().await?);
    Ok(())
}

pub(super) async fn tells_of_partitions_and_idleness(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let samples = lab.samples(0.1, 16);
    lab.write(&stream, &samples).await?;
    let wanted = lab.budget.partitions as usize;
    let mut worker = lab.worker(&stream, "idle", owned(), Reading::default()).await?;
    worker.until("all partitions to be open", |seen| seen.open.len() == wanted).await?;
    worker.until("all records", |seen| seen.distinct() >= samples.len()).await?;
    // Twice, so that whoever counts idle time is reminded.
    worker
        .until("every partition to be read to its end, twice", |seen| {
            seen.caught_up.len() == wanted && seen.caught_up.values().all(|times| *times >= 2)
        })
        .await?;
    let seen = worker.close().await?;
    for (partition, subtask) in &seen.open {
        let foreign = seen.records.iter().any(|record| record.partition == *partition && record.subtask != *subtask);
        ensure(!foreign, || format!("records of partition {partition} came on more than one reader"))?;
    }
    expect(&samples, &seen, "while partitions were reported")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn a_look_leaves_no_trace(lab: &Lab) -> Result<(), Stop> {
    let ownership = if lab.capabilities.sharing { Ownership::Shared } else { owned() };
    let stream = lab.stream().await?;
    lab.announce(&stream, "traces", ownership.clone()).await?;
    let mut samples = lab.samples(0.1, 8);
    lab.write(&stream, &samples).await?;
    for _ in 0..2 {
        let mut worker = lab.worker(&stream, "traces", Ownership::Look, Reading::default()).await?;
        worker.until("all records", |seen| seen.distinct() >= samples.len()).await?;
        worker.checkpoint_and_commit().await?;
        let seen = worker.close().await?;
        expect(&samples, &seen, "in a look")?;
        lab.keep(seen);
    }
    let more = Sample::range(samples.len(), samples.len() + 16, 8);
    lab.write(&stream, &more).await?;
    samples.extend(more);
    let mut worker = lab.worker(&stream, "traces", ownership, Reading::default()).await?;
    lab.read_all(&mut worker, samples.len()).await?;
    let seen = worker.close().await?;
    expect(&samples, &seen, "by the group, after others have looked")?;
    lab.keep(seen);
    Ok(())
}
