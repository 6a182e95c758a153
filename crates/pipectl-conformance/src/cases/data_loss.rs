//! Records that the service has forgotten before anybody has read them.

use pipectl_contract::Ownership;

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, owned},
    sample::Sample,
    seen::Seen,
    watch,
};

pub(super) async fn data_loss_is_reported(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let first = Sample::range(0, 64, 16);
    lab.write(&stream, &first).await?;
    let mut worker = lab.worker(&stream, "gap", owned(), Reading::default()).await?;
    worker.until("the first records", |seen| seen.distinct() >= first.len()).await?;
    let checkpoint = worker.checkpoint_and_commit().await?;
    lab.keep(worker.close().await?);
    lab.write(&stream, &Sample::range(64, 128, 16)).await?;
    lab.pause().await;
    lab.pulled(lab.harness.age_out(lab.connection.as_ref(), &stream).await?)?;
    let rest = Sample::range(128, 192, 16);
    lab.write(&stream, &rest).await?;
    let goes_on: Result<Seen, Stop> = async {
        let ownership = Ownership::Owned { positions: checkpoint.positions };
        let mut worker = lab.worker(&stream, "gap", ownership, Reading::default()).await?;
        lab.read_all(&mut worker, rest.len()).await?;
        worker.close().await
    }
    .await;
    match goes_on {
        // What a person has to decide stops the run, under the name of what it is about.
        Err(Stop::Failed(why)) if why.starts_with("Conflict error") || why.starts_with("NotFound error") => {
            ensure(why.contains(&stream.name), || format!("the error does not name the stream: {why}"))
        }
        Err(stop) => Err(stop),
        Ok(seen) => {
            expect(&rest, &seen, "behind a gap")?;
            lab.keep(seen);
            let reported = watch::warned_of(&stream.name);
            ensure(reported, || {
                "records are gone, the reader goes on, and neither an error nor a warning says so".into()
            })
        }
    }
}
