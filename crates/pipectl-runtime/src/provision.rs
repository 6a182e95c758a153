//! What is done with the durable streams of a pipeline before it runs: those that do not exist are made, and for a run that
//! starts over the backends forget how far it was.

use std::collections::BTreeSet;

use pipectl_contract::{ConnectContext, ErrorKind, StreamState};
use pipectl_host::Host;
use pipectl_ir::{
    PhysicalPlan,
    physical::{StreamPlan, Workers},
};

use crate::{
    RegistryConnectors, RunError,
    build::connecting,
    connectors::target,
    consumer_group,
    job::{reads, writes},
};

/// A durable stream as it was found or made.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// Its name in the Pipeline.
    pub stream: String,
    /// The kind of its backend.
    pub kind: String,
    /// What the backend calls it.
    pub target: String,
    /// Whether it was made just now.
    pub created: bool,
    /// What the backend says of it.
    pub state: StreamState,
}

/// Looks at every durable stream of these plans and makes those that do not exist; one that is marked `existing` is never
/// made or changed.
///
/// # Errors
/// If a backend cannot be reached or refuses, or a stream that is marked `existing` does not exist.
pub async fn provision(
    plans: &[PhysicalPlan],
    connectors: &RegistryConnectors,
    host: &Host,
) -> Result<Vec<Provisioned>, RunError> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for plan in plans {
        for stream in writes(plan).into_iter().chain(reads(plan)) {
            if seen.insert((stream.carrier.backend.clone(), stream.carrier.target.clone())) {
                all.push(one(stream, connectors, connecting(plan, host)).await?);
            }
        }
    }
    Ok(all)
}

/// Lets the backends forget how far the regions of these plans are that several workers share. The others go by their
/// checkpoints.
///
/// # Errors
/// If a backend cannot be reached, or another worker still reads.
pub async fn forget(plans: &[PhysicalPlan], connectors: &RegistryConnectors, host: &Host) -> Result<(), RunError> {
    for plan in plans.iter().filter(|plan| plan.workers == Workers::Any) {
        for stream in reads(plan) {
            let failed = |error| RunError::connector(&stream.name, &error);
            let connection = connectors.connection(&stream.carrier, connecting(plan, host)).await.map_err(failed)?;
            let group = consumer_group(plan, &stream.name);
            connection.forget(&target(&stream.carrier), &group).await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn one(
    stream: &StreamPlan,
    connectors: &RegistryConnectors,
    context: ConnectContext,
) -> Result<Provisioned, RunError> {
    let failed = |error| RunError::connector(&stream.name, &error);
    let connection = connectors.connection(&stream.carrier, context).await.map_err(failed)?;
    let target = target(&stream.carrier);
    let kind = &stream.carrier.kind;
    let provisioned = |state, created| Provisioned {
        stream: stream.name.clone(),
        kind: kind.clone(),
        target: target.name.clone(),
        created,
        state,
    };
    if let Some(state) = connection.describe(&target, None).await.map_err(failed)? {
        let has = state.partitions.iter().filter(|partition| partition.open).count();
        if let Some(wanted) = target.partitions.filter(|wanted| !target.existing && has > 0 && *wanted as usize != has)
        {
            tracing::warn!(
                stream = stream.name,
                "`{}` has {has} partitions on {kind}, the pipeline asks for {wanted}; it is left as it is",
                target.name
            );
        }
        return Ok(provisioned(state, false));
    }
    let missing = |message: String| failed(pipectl_contract::ConnectorError::new(ErrorKind::NotFound, message));
    if target.existing {
        return Err(missing(format!(
            "there is no stream `{}` on {kind}, although the Environment says `existing: true`",
            target.name
        ))
        .help("correct its `name`, or remove `existing` so that `apply` makes it"));
    }
    connection.create(&target).await.map_err(failed)?;
    let state = connection.describe(&target, None).await.map_err(failed)?;
    let state = state.ok_or_else(|| missing(format!("`{}` was made on {kind} but is not there", target.name)))?;
    Ok(provisioned(state, true))
}
