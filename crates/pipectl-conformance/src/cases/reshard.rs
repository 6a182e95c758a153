//! Partitions that come and go while records flow.

use std::collections::BTreeSet;

use pipectl_contract::{Ownership, Partitions};

use crate::{
    lab::{Lab, Reading, Stop, ensure, ids, owned},
    sample::Sample,
    seen::judge_order,
};

pub(super) async fn reshards_twice_in_mid_run(lab: &Lab) -> Result<(), Stop> {
    let resharding = lab.capabilities.partitions == Partitions::Resharding;
    let before = lab.budget.partitions.min(2);
    // Where partitions can merge, the second change takes back the first.
    let changes = if resharding { [before * 2, before] } else { [before * 2, before * 3] };
    let stream = lab.stream_of(before).await?;
    lab.announce(&stream, "reshards", owned()).await?;
    let each = (lab.budget.records / 4).max(64);
    let mut samples = Sample::range(0, each, 16);
    lab.write(&stream, &samples).await?;
    let mut worker = lab.worker(&stream, "reshards", owned(), Reading::default()).await?;
    worker.until("the records before any change", |seen| seen.distinct() >= each).await?;
    worker.checkpoint_and_commit().await?;

    let (mut records, mut repeats) = (Vec::new(), BTreeSet::new());
    let mut checkpoint = None;
    for (round, partitions) in changes.into_iter().enumerate() {
        let more = Sample::range(samples.len(), samples.len() + each / 2, 16);
        lab.write(&stream, &more).await?;
        samples.extend(more);
        lab.pulled(lab.harness.reshard(lab.connection.as_ref(), &stream, partitions).await?)?;
        let more = Sample::range(samples.len(), samples.len() + each, 16);
        lab.write(&stream, &more).await?;
        samples.extend(more);
        let seen_before: BTreeSet<usize> =
            records.iter().filter_map(|record: &crate::SeenRecord| record.tag).map(|tag| tag.id).collect();
        let wanted: BTreeSet<usize> = ids(&samples).difference(&seen_before).copied().collect();
        worker
            .until(&format!("all records after change {} of the partitions", round + 1), |seen| {
                wanted.is_subset(&seen.ids().into_iter().collect())
            })
            .await?;
        if round == 0 {
            // It restarts amid the change, with closed partitions in its checkpoint.
            checkpoint = Some(worker.checkpoint_and_commit().await?);
            let seen = worker.kill().await;
            repeats.extend(seen.uncommitted());
            let closed = seen.closed.len();
            ensure(!resharding || closed > 0, || {
                "partitions were split, and no reader reported that one has closed".to_owned()
            })?;
            records.extend(lab.keep(seen));
            let positions = checkpoint.as_ref().map(|checkpoint| checkpoint.positions.clone()).unwrap_or_default();
            worker = lab.worker(&stream, "reshards", Ownership::Owned { positions }, Reading::default()).await?;
        }
    }
    lab.read_all(&mut worker, 0).await?;
    records.extend(lab.keep(worker.close().await?));
    let came: Vec<usize> = records.iter().filter_map(|record| record.tag).map(|tag| tag.id).collect();
    lab.expect_all(&ids(&samples), &came, &repeats, "over two changes of the partitions")?;
    if resharding {
        // Where partitions only grow, equal keys go elsewhere, and nobody can keep their order across that.
        judge_order(&records).map_err(Stop::failed)?;
    }
    drop(checkpoint);
    let state = lab.connection.describe(&stream, None).await?;
    let open = state.map_or(0, |state| state.partitions.iter().filter(|partition| partition.open).count());
    ensure(open == changes[1] as usize, || format!("{} partitions were asked for and {open} are open", changes[1]))
}
