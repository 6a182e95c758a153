//! Batches and records at the limits.

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, owned},
    sample::Sample,
};

/// Records up to this size are tried.
pub(super) const TRIED: u64 = 32 << 20;

/// More records than any service takes in one call (1000 of Pub/Sub, <https://cloud.google.com/pubsub/quotas>).
const MANY: usize = 1_200;

pub(super) async fn takes_batches_of_any_size(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let mut samples = Sample::range(0, MANY.min(lab.budget.records), 16);
    // And more bytes than one call may have where a call is as large as a record: 8 times an eighth and a bit.
    let limit = usize::try_from(lab.capabilities.max_record).unwrap_or(usize::MAX).min(lab.budget.large);
    let fill = "x".repeat(limit / 6);
    for _ in 0..8 {
        let id = samples.len();
        let payload = format!(r#"{{"id":{id},"key":{},"nth":{id},"fill":"{fill}"}}"#, 100 + id);
        samples.push(Sample { payload: Some(payload.into_bytes()), ..Sample::numbered(id, 100 + id, id) });
    }
    let (rejections, refused) = lab.try_write(&stream, &samples, samples.len()).await?;
    let count = rejections.len() + refused.len();
    ensure(count == 0, || format!("{count} records of a large batch were not taken: {rejections:?} {refused:?}"))?;
    let seen = lab.look(&stream, samples.len()).await?;
    expect(&samples, &seen, "after one large batch")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn an_oversize_record_is_rejected_alone(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "limits", owned()).await?;
    let mut samples = Sample::range(0, 9, 3);
    let oversize = vec![b'x'; lab.capabilities.max_record as usize + 1];
    samples[4].payload = Some(oversize.clone());
    let (rejections, refused) = lab.try_write(&stream, &samples, samples.len()).await?;
    let rows: Vec<usize> = rejections.iter().map(|(_, rejection)| rejection.row).collect();
    let late: usize = refused.iter().map(|refused| refused.batch.len()).sum();
    let once = (rows == [4] && late == 0) || (rows.is_empty() && late == 1);
    ensure(once, || format!("one record is too large, and rows {rows:?} were rejected and {late} refused later"))?;
    let reasons =
        rejections.iter().map(|(_, rejection)| &rejection.reason).chain(refused.iter().map(|refused| &refused.reason));
    for reason in reasons {
        ensure(!reason.trim().is_empty() && !reason.contains('\n'), || format!("the reason is no line: {reason:?}"))?;
    }
    samples.remove(4);
    let mut worker = lab.worker(&stream, "limits", owned(), Reading::default()).await?;
    lab.read_all(&mut worker, samples.len()).await?;
    let seen = worker.close().await?;
    expect(&samples, &seen, "beside the oversize record")?;
    let large =
        seen.records.iter().any(|record| record.sample.payload.as_ref().is_some_and(|payload| *payload == oversize));
    ensure(!large, || "the oversize record was rejected and came all the same".to_owned())?;
    lab.keep(seen);
    Ok(())
}
