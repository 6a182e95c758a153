//! Which checkpoint a run goes on from: the newest that counts.
//!
//! Where a stream is written in transactions, a checkpoint counts once its transaction is committed, which comes after it is
//! durable. A crash in between leaves a newest checkpoint whose records nobody will ever see; the one before it counts then,
//! since no checkpoint is begun before the one before it counts.

use pipectl_host::Host;
use pipectl_ir::physical::PhysicalPlan;

use crate::{
    build::{connecting, producing},
    carry::States,
    checkpoint::{Checkpoint, Checkpoints},
    connectors::Connectors,
    error::RunError,
};

/// The checkpoint to go on from; `None` starts at the beginning.
pub(crate) async fn resume(
    plan: &PhysicalPlan,
    store: Option<&dyn Checkpoints>,
    connectors: &dyn Connectors,
    host: &Host,
) -> Result<Option<Checkpoint>, RunError> {
    let Some(store) = store else { return Ok(None) };
    let Some(latest) = store.latest().await? else { return Ok(None) };
    if store.is_committed(latest.id).await? || counts(plan, &latest, connectors, host).await? {
        return Ok(Some(latest));
    }
    let before = store.before_latest().await?;
    if before.is_none() && latest.id > 1 {
        return Err(RunError::failed(format!(
            "checkpoint {} of pipeline `{}` is not valid, because its transaction was never committed, and the previous \
             checkpoint no longer exists",
            latest.id, plan.pipeline
        ))
        .help("restore the state folder from a backup, or start over with `--fresh`"));
    }
    tracing::info!(
        pipeline = plan.pipeline,
        checkpoint = latest.id,
        "the transaction of the newest checkpoint was never committed: continuing from the previous checkpoint"
    );
    Ok(before)
}

/// Whether all transactions of a checkpoint were committed.
async fn counts(
    plan: &PhysicalPlan,
    checkpoint: &Checkpoint,
    connectors: &dyn Connectors,
    host: &Host,
) -> Result<bool, RunError> {
    let states = States::unchanged(checkpoint, plan)?;
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for stage in &plan.stages {
        let Some(stream) = stage.writes.as_ref().filter(|stream| stream.carrier.transactional) else { continue };
        let Some(state) = states.of(&stage.name, 0).and_then(|task| task.writer.as_deref()) else { continue };
        // Nothing was written, and so there is nothing to commit.
        if state.is_empty() {
            continue;
        }
        let asked = connectors.is_committed(stream, connecting(plan, host), producing(plan, stream), state).await;
        match asked.map_err(|error| RunError::connector(&stream.name, &error))? {
            Some(true) => yes.push(stream.name.as_str()),
            Some(false) => no.push(stream.name.as_str()),
            None => {
                if checkpoint.id > 1 {
                    tracing::warn!(
                        stream = stream.name,
                        "the service no longer knows whether the last transaction was committed: records that were written \
                         between the last two checkpoints can be duplicated"
                    );
                }
                no.push(&stream.name);
            }
        }
    }
    if !no.is_empty() && !yes.is_empty() {
        tracing::warn!(
            twice = ?yes,
            "a region writes streams on several services, and only some transactions of the last checkpoint were \
             committed: their records are written again"
        );
    }
    Ok(no.is_empty())
}
