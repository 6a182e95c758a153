//! Where reading begins.

use std::collections::BTreeMap;

use pipectl_contract::StartAt;

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, owned},
    sample::Sample,
    seen::Seen,
};

fn parts(lab: &Lab) -> (Vec<Sample>, Vec<Sample>) {
    let mut first = lab.samples(0.2, 8);
    let second = first.split_off(first.len() / 2);
    (first, second)
}

async fn read_from(
    lab: &Lab,
    stream: &pipectl_contract::StreamTarget,
    start: StartAt,
    at_least: usize,
) -> Result<Seen, Stop> {
    let mut worker = lab.worker(stream, "start", owned(), Reading { start, ..Reading::default() }).await?;
    lab.read_all(&mut worker, at_least).await?;
    worker.close().await
}

pub(super) async fn starts_at_the_earliest(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "start", owned()).await?;
    let (first, _) = parts(lab);
    lab.write(&stream, &first).await?;
    let seen = read_from(lab, &stream, StartAt::Earliest, first.len()).await?;
    expect(&first, &seen, "from the earliest")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn starts_at_the_latest(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let (first, second) = parts(lab);
    lab.write(&stream, &first).await?;
    lab.pause().await;
    let reading = Reading { start: StartAt::Latest, ..Reading::default() };
    let mut worker = lab.worker(&stream, "start", owned(), reading).await?;
    worker.until("quiet readers", |seen| seen.quiet.len() == 2).await?;
    // The place where it began is part of its first checkpoint, although nothing was read yet.
    let checkpoint = worker.checkpoint_and_commit().await?;
    ensure(worker.seen.records.is_empty(), || format!("{} older records came", worker.seen.records.len()))?;
    lab.write(&stream, &second).await?;
    worker.until("the new records", |seen| seen.distinct() >= second.len()).await?;
    let seen = worker.kill().await;
    expect(&second, &seen, "from the latest")?;
    lab.keep(seen);
    let ownership = pipectl_contract::Ownership::Owned { positions: checkpoint.positions };
    let reading = Reading { start: StartAt::Latest, ..Reading::default() };
    let mut worker = lab.worker(&stream, "start", ownership, reading).await?;
    lab.read_all(&mut worker, second.len()).await?;
    let seen = worker.close().await?;
    expect(&second, &seen, "from a checkpoint before the first record")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn starts_at_a_time(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let (first, second) = parts(lab);
    lab.write(&stream, &first).await?;
    lab.pause().await;
    lab.write(&stream, &second).await?;
    // The service's own clock counts, so its arrival times say which moment lies between.
    let looked = lab.look(&stream, first.len() + second.len()).await?;
    let later = |id: usize| id >= first.len();
    let arrivals = |late: bool| {
        let records = looked.records.iter().filter(move |record| record.tag.is_some_and(|tag| later(tag.id) == late));
        records.map(|record| record.arrival)
    };
    let (last, next) = (arrivals(false).max().unwrap_or(0), arrivals(true).min().unwrap_or(0));
    ensure(last < next, || format!("records that lie apart arrived at {last} and {next}: later is not later"))?;
    let seen = read_from(lab, &stream, StartAt::Time(next), second.len()).await?;
    expect(&second, &seen, "from the moment between")?;
    lab.keep(seen);
    lab.keep(looked);
    Ok(())
}

pub(super) async fn starts_at_positions(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let (first, _) = parts(lab);
    lab.write(&stream, &first).await?;
    let looked = lab.look(&stream, first.len()).await?;
    let mut partitions: BTreeMap<u32, Vec<(String, usize)>> = BTreeMap::new();
    for record in &looked.records {
        if let Some(tag) = record.tag {
            partitions.entry(record.partition).or_default().push((record.position.clone(), tag.id));
        }
    }
    let (mut positions, mut expected) = (BTreeMap::new(), Vec::new());
    for (place, (partition, records)) in partitions.into_iter().enumerate() {
        // One partition is not named: it begins with its oldest.
        let from = if place == 0 { 0 } else { records.len() / 2 };
        if place > 0 {
            positions.insert(partition, records[from].0.clone());
        }
        expected.extend(records[from..].iter().map(|(_, id)| first[*id].clone()));
    }
    ensure(lab.budget.partitions < 2 || !positions.is_empty(), || "all records are in one partition".to_owned())?;
    let seen = read_from(lab, &stream, StartAt::Positions(positions), expected.len()).await?;
    expect(&expected, &seen, "from the middle of the partitions")?;
    lab.keep(seen);
    lab.keep(looked);
    Ok(())
}
