//! Streams are made and removed, producers and consumers open and close.

use pipectl_contract::{ConnectorError, ConsumerContext, ErrorKind, FindingOutcome, Ownership, StartAt};

use crate::{
    lab::{Lab, Reading, Stop, ensure, expect, owned},
    sample::{Sample, batch},
};

pub(super) async fn opens_and_closes(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let state = lab.connection.describe(&stream, None).await?;
    ensure(state.is_some(), || "a stream that was made is not described".to_owned())?;
    let names = lab.connection.list().await?;
    ensure(names.contains(&stream.name), || format!("the list of streams lacks {}", stream.name))?;
    ensure(names.is_sorted(), || "the list of streams is not sorted".to_owned())?;
    for _ in 0..2 {
        let mut producer = lab.producer(&stream).await?;
        producer.checkpoint().await?;
        producer.finish().await?;
        let worker = lab.worker(&stream, "opens", owned(), Reading::default()).await?;
        let seen = worker.close().await?;
        ensure(seen.records.is_empty(), || format!("an empty stream has {} records", seen.records.len()))?;
        lab.keep(seen);
    }
    Ok(())
}

pub(super) async fn creating_again_changes_nothing(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = lab.samples(0.1, 4);
    lab.write(&stream, &samples).await?;
    let before = lab.connection.describe(&stream, None).await?;
    lab.connection.create(&stream).await?;
    let after = lab.connection.describe(&stream, None).await?;
    let count = |state: &Option<pipectl_contract::StreamState>| state.as_ref().map(|state| state.partitions.len());
    ensure(count(&before) == count(&after), || {
        format!("partitions were {:?} and are {:?}", count(&before), count(&after))
    })?;
    let seen = lab.look(&stream, samples.len()).await?;
    expect(&samples, &seen, "after creating the stream again")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn deleting_twice_is_fine(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.write(&stream, &Sample::range(0, 8, 2)).await?;
    ensure(lab.connection.delete(&stream).await?, || "deleting a stream says that there was none".to_owned())?;
    ensure(!lab.connection.delete(&stream).await?, || "deleting it again says that there was one".to_owned())?;
    let state = lab.connection.describe(&stream, None).await?;
    ensure(state.is_none(), || "a deleted stream is still described".to_owned())?;
    let names = lab.connection.list().await?;
    ensure(!names.contains(&stream.name), || "a deleted stream is still in the list".to_owned())?;
    // The same name can be used again, and nothing of the former stream is left.
    lab.connection.create(&stream).await?;
    lab.announce(&stream, "look", owned()).await?;
    let samples = Sample::range(100, 108, 2);
    lab.write(&stream, &samples).await?;
    let seen = lab.look(&stream, samples.len()).await?;
    expect(&samples, &seen, "in a new stream of the name")?;
    lab.keep(seen);
    Ok(())
}

pub(super) async fn an_unknown_stream_is_not_found(lab: &Lab) -> Result<(), Stop> {
    let mut stream = lab.target(lab.budget.partitions);
    stream.existing = true;
    let state = lab.connection.describe(&stream, None).await?;
    ensure(state.is_none(), || "a stream that was never made is described".to_owned())?;
    let consumed = async {
        let context = ConsumerContext {
            node: stream.name.clone(),
            group: format!("{}-unknown", stream.name),
            subtasks: 1,
            ownership: Ownership::Look,
            start: StartAt::Earliest,
            memory: 1 << 20,
            checkpoint_every: lab.budget.checkpoint_every,
        };
        let mut readers = lab.connection.consumer(&stream, context).await?;
        match readers.first_mut() {
            Some(reader) => reader.next().await.map(drop),
            None => Ok(()),
        }
    };
    expect_not_found("reading", consumed.await)?;
    let produced = async {
        let context = pipectl_contract::ProducerContext::new(&stream.name, 1 << 20);
        let mut producer = lab.connection.producer(&stream, context).await?;
        producer.write(&batch(&Sample::range(0, 1, 1))).await?;
        producer.checkpoint().await.map(drop)
    };
    expect_not_found("writing", produced.await)
}

fn expect_not_found(what: &str, result: Result<(), ConnectorError>) -> Result<(), Stop> {
    match result {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Stop::failed(format!("{what} an unknown stream is {:?}, not NotFound: {error}", error.kind))),
        Ok(()) => Err(Stop::failed(format!("{what} an unknown stream is no error"))),
    }
}

pub(super) async fn preflight_changes_nothing(lab: &Lab) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    let findings = lab.connection.preflight(std::slice::from_ref(&stream)).await;
    ensure(!findings.is_empty(), || "a preflight check returns no findings".to_owned())?;
    let bad = findings.iter().find(|finding| finding.outcome == FindingOutcome::Bad);
    ensure(bad.is_none(), || format!("what works is found to be bad: {bad:?}"))?;
    let mut missing = lab.target(1);
    missing.existing = true;
    let findings = lab.connection.preflight(std::slice::from_ref(&missing)).await;
    let good = findings.iter().all(|finding| finding.outcome == FindingOutcome::Good);
    ensure(!good, || "an existing stream that is missing is found to be good".to_owned())?;
    let state = lab.connection.describe(&missing, None).await?;
    ensure(state.is_none(), || "a preflight check created a stream".to_owned())
}
