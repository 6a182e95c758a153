//! What is done with the durable streams of a pipeline before it runs: those that do not exist are made, and for a run that
//! starts over the backends forget how far it was.

use std::collections::BTreeSet;

use pipectl_contract::{ConnectContext, ConnectorError, Difference, ErrorKind, StreamState};
use pipectl_host::Host;
use pipectl_ir::{
    PhysicalPlan,
    capabilities::Consumption,
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
    /// What was changed just now.
    pub changed: Vec<Difference>,
    /// What the backend says of it.
    pub state: StreamState,
}

/// What becomes of a stream that is there and not as the specs say. One that is marked `existing` is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differing {
    /// It is left as it is, and what differs is reported; what must not be ignored is an error.
    Tell,
    /// It is brought to what the specs say.
    Update,
}

/// Looks at every durable stream of these plans and makes those that do not exist; one that is marked `existing` is never
/// made or changed.
///
/// # Errors
/// If a backend cannot be reached or refuses, a stream that is marked `existing` does not exist, or one is not encrypted as
/// it must be.
pub async fn provision(
    plans: &[PhysicalPlan],
    connectors: &RegistryConnectors,
    host: &Host,
    differing: Differing,
) -> Result<Vec<Provisioned>, RunError> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for plan in plans {
        for stream in writes(plan).into_iter().chain(reads(plan)) {
            if seen.insert((stream.carrier.backend.clone(), stream.carrier.target.clone())) {
                all.push(one(stream, connectors, connecting(plan, host), differing).await?);
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
            forget_group(plan, stream, connectors, host).await?;
        }
    }
    Ok(())
}

/// Lets the backends forget how far the regions of these plans are that one process runs, where a checkpoint alone does
/// not say what is read: records that are leased come again only until they are acknowledged. For who holds the right to
/// these regions, and has cleared their checkpoints.
///
/// # Errors
/// If a backend cannot be reached.
pub async fn start_over(plans: &[PhysicalPlan], connectors: &RegistryConnectors, host: &Host) -> Result<(), RunError> {
    for plan in plans.iter().filter(|plan| plan.workers != Workers::Any) {
        for stream in reads(plan) {
            if connectors.consumption(&stream.carrier) == Some(Consumption::Lease) {
                forget_group(plan, stream, connectors, host).await?;
            }
        }
    }
    Ok(())
}

async fn forget_group(
    plan: &PhysicalPlan,
    stream: &StreamPlan,
    connectors: &RegistryConnectors,
    host: &Host,
) -> Result<(), RunError> {
    let failed = |error| RunError::connector(&stream.name, &error);
    let connection = connectors.connection(&stream.carrier, connecting(plan, host)).await.map_err(failed)?;
    let group = consumer_group(plan, &stream.name);
    connection.forget(&target(&stream.carrier), &group).await.map_err(failed)
}

async fn one(
    stream: &StreamPlan,
    connectors: &RegistryConnectors,
    context: ConnectContext,
    differing: Differing,
) -> Result<Provisioned, RunError> {
    let failed = |error| RunError::connector(&stream.name, &error);
    let connection = connectors.connection(&stream.carrier, context).await.map_err(failed)?;
    let target = target(&stream.carrier);
    let kind = &stream.carrier.kind;
    let provisioned = |state, created, changed| Provisioned {
        stream: stream.name.clone(),
        kind: kind.clone(),
        target: target.name.clone(),
        created,
        changed,
        state,
    };
    if let Some(state) = connection.describe(&target, None).await.map_err(failed)? {
        if target.existing {
            return Ok(provisioned(state, false, Vec::new()));
        }
        let mut found = connection.differences(&target).await.map_err(failed)?;
        if found.iter().any(|difference| difference.blocking) {
            // Perhaps one of ours, whose making broke off before it was encrypted: a backend that knows finishes it.
            connection.create(&target).await.map_err(failed)?;
            found = connection.differences(&target).await.map_err(failed)?;
        }
        if found.is_empty() || differing == Differing::Tell {
            report(stream, &target.name, &found)?;
            return Ok(provisioned(state, false, Vec::new()));
        }
        connection.update(&target).await.map_err(failed)?;
        let state = connection.describe(&target, None).await.map_err(failed)?.unwrap_or(state);
        return Ok(provisioned(state, false, found));
    }
    let missing = |message: String| failed(ConnectorError::new(ErrorKind::NotFound, message));
    if target.existing {
        return Err(missing(format!(
            "there is no stream `{}` on {kind}, although the Environment says `existing: true`",
            target.name
        ))
        .help("correct its `name`, or remove `existing` so that `apply` creates it"));
    }
    connection.create(&target).await.map_err(failed)?;
    let state = connection.describe(&target, None).await.map_err(failed)?;
    let state = state.ok_or_else(|| missing(format!("`{}` was created on {kind} but does not exist", target.name)))?;
    Ok(provisioned(state, true, Vec::new()))
}

fn report(stream: &StreamPlan, target: &str, found: &[Difference]) -> Result<(), RunError> {
    const HELP: &str = "`apply --update-streams` updates the stream to match the specs";
    let kind = &stream.carrier.kind;
    for Difference { setting, is, wanted, blocking } in found {
        let message = format!("`{target}` on {kind} has {setting} {is}, and the specs ask for {wanted}");
        if *blocking {
            let error = ConnectorError::new(ErrorKind::Conflict, message);
            return Err(RunError::connector(&stream.name, &error).help(HELP));
        }
        tracing::warn!(stream = stream.name, "{message}; it is not changed. {HELP}");
    }
    Ok(())
}
