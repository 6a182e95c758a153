//! The service fails, and the work goes on.

use std::{collections::BTreeSet, time::Duration};

use futures::future::{Either, select};
use pipectl_contract::StreamTarget;

use crate::{
    lab::{Lab, Reading, Stop, expect, ids, owned},
    sample::{Sample, batch},
    seen::{judge, judge_order},
};

pub(super) async fn survives_a_restart_of_the_service(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "restart", owned()).await?;
    let (first, second) = (Sample::range(0, 64, 8), Sample::range(64, 160, 8));
    let mut producer = lab.producer(&stream).await?;
    let mut worker = lab.worker(&stream, "restart", owned(), Reading::default()).await?;
    producer.write(&batch(&first)).await?;
    producer.checkpoint().await?;
    worker.until("the records before the restart", |seen| seen.distinct() >= first.len()).await?;
    lab.pulled(lab.harness.restart_peer().await)?;
    // The same producer and the same readers: they must find their way back by themselves.
    let all = ids(&first).union(&ids(&second)).copied().collect::<BTreeSet<_>>();
    let written = async {
        producer.write(&batch(&second)).await?;
        producer.checkpoint().await?;
        producer.finish().await?;
        Ok::<(), Stop>(())
    };
    let read = worker.until("the records after the restart", |seen| seen.distinct() >= all.len());
    match select(Box::pin(written), Box::pin(read)).await {
        Either::Left((written, read)) => {
            written?;
            read.await?;
        }
        Either::Right((read, written)) => {
            read?;
            written.await?;
        }
    }
    worker.checkpoint_and_commit().await?;
    lab.read_all(&mut worker, 0).await?;
    let seen = worker.close().await?;
    // A confirmation that the restart swallowed makes a writer send again, so records may come twice, and none be lost.
    judge(&all, &seen.ids(), |_| true).map_err(Stop::failed)?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn throttled_writes_arrive(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = lab.samples(0.3, 16);
    lab.pulled(lab.harness.throttle(true).await)?;
    let written = lab.write(&stream, &samples).await;
    lab.pulled(lab.harness.throttle(false).await)?;
    written?;
    let seen = lab.look(&stream, samples.len()).await?;
    judge(&ids(&samples), &seen.ids(), |_| true).map_err(Stop::failed)?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn keeps_the_order_under_retries(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = lab.samples(0.3, 4);
    lab.pulled(lab.harness.lose_writes(true).await)?;
    let written = write_slowly(lab, &stream, &samples).await;
    lab.pulled(lab.harness.lose_writes(false).await)?;
    written?;
    let seen = lab.look(&stream, samples.len()).await?;
    judge_order(&seen.records).map_err(Stop::failed)?;
    judge(&ids(&samples), &seen.ids(), |_| true).map_err(Stop::failed)?;
    lab.keep(seen);
    Ok(())
}

/// With pauses, so that a client that gathers sends many requests, and several are on the way when one is lost.
async fn write_slowly(lab: &Lab, stream: &StreamTarget, samples: &[Sample]) -> Result<(), Stop> {
    let mut producer = lab.producer(stream).await?;
    for chunk in samples.chunks(20) {
        producer.write(&batch(chunk)).await?;
        lab.host.sleep(Duration::from_millis(15)).await;
    }
    producer.checkpoint().await?;
    producer.finish().await?;
    Ok(())
}

pub(super) async fn records_that_fail_are_sent_again(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = lab.samples(0.3, 8);
    lab.pulled(lab.harness.fail_some_records(true).await)?;
    let written = lab.write(&stream, &samples).await;
    lab.pulled(lab.harness.fail_some_records(false).await)?;
    written?;
    let seen = lab.look(&stream, samples.len()).await?;
    judge_order(&seen.records).map_err(Stop::failed)?;
    // Only what failed is sent again, so nothing comes twice.
    expect(&samples, &seen, "after calls that failed in part")?;
    lab.keep(seen);
    Ok(())
}
