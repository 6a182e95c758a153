//! The order of each key.

use futures::future::try_join_all;

use crate::{
    lab::{Lab, Reading, Stop, expect, owned},
    sample::{Sample, batch},
    seen::judge_order,
};

pub(super) async fn keeps_the_order_of_each_key(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "order", owned()).await?;
    let reading = Reading { subtasks: Some(lab.budget.partitions.max(2)), ..Reading::default() };
    let mut worker = lab.worker(&stream, "order", owned(), reading).await?;
    // Three writers at a time, each with keys of its own, each in many small batches.
    let samples = lab.samples(1.0, 12);
    let writers = (0..3).map(|writer| {
        let mine = samples.iter().enumerate().filter(move |(id, _)| id % 12 % 3 == writer);
        let mine: Vec<Sample> = mine.map(|(_, sample)| sample.clone()).collect();
        let stream = &stream;
        async move {
            let mut producer = lab.producer(stream).await?;
            for chunk in mine.chunks(25) {
                producer.write(&batch(chunk)).await?;
            }
            producer.checkpoint().await?;
            producer.finish().await?;
            Ok::<(), Stop>(())
        }
    });
    try_join_all(writers).await?;
    lab.read_all(&mut worker, samples.len()).await?;
    let seen = worker.close().await?;
    judge_order(&seen.records).map_err(Stop::failed)?;
    expect(&samples, &seen, "with three writers")?;
    lab.keep(seen);
    Ok(())
}
