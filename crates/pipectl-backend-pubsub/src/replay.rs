//! Reading again: a subscription is set back (or forward) to a moment or to a snapshot.

use google_cloud_wkt::Timestamp;
use pipectl_contract::ConnectorError;
use pipectl_data::Micros;

use crate::{
    clients::Clients,
    errors, names,
    topics::{absent, made},
};

/// Sets a subscription to a moment: what was published before counts as acknowledged, what came at it or later is
/// delivered again as far as it is kept.
pub(crate) async fn seek_to_time(clients: &Clients, path: &str, at: Micros) -> Result<(), ConnectorError> {
    let moment = Timestamp::clamp(at.div_euclid(1_000_000), (at.rem_euclid(1_000_000) * 1_000) as i32);
    let call = clients.subscriptions.seek().set_subscription(path).set_time(Box::new(moment));
    let answer = call.send().await;
    answer.map_err(|error| errors::call(format_args!("reset subscription `{}`", names::short(path)), error))?;
    Ok(())
}

/// Sets a subscription to a snapshot.
pub(crate) async fn seek_to_snapshot(clients: &Clients, path: &str, snapshot: &str) -> Result<(), ConnectorError> {
    let snapshot_path = names::path(&clients.project, "snapshots", snapshot)?;
    let call = clients.subscriptions.seek().set_subscription(path).set_snapshot(snapshot_path);
    call.send().await.map_err(|error| {
        errors::call(format_args!("set subscription `{}` to snapshot `{snapshot}`", names::short(path)), error)
    })?;
    Ok(())
}

/// Keeps which records of a subscription are acknowledged at this moment. Idempotent: one of this name stays as it is.
pub(crate) async fn create_snapshot(clients: &Clients, path: &str, snapshot: &str) -> Result<(), ConnectorError> {
    let snapshot_path = names::path(&clients.project, "snapshots", snapshot)?;
    let call = clients.subscriptions.create_snapshot().set_name(snapshot_path).set_subscription(path);
    made(call.send().await).map_err(|error| errors::call(format_args!("create snapshot `{snapshot}`"), error))?;
    Ok(())
}

/// Removes a snapshot; answers whether there was one.
pub(crate) async fn delete_snapshot(clients: &Clients, snapshot: &str) -> Result<bool, ConnectorError> {
    let path = names::path(&clients.project, "snapshots", snapshot)?;
    let answer = absent(clients.subscriptions.delete_snapshot().set_snapshot(path).send().await);
    let there = answer.map_err(|error| errors::call(format_args!("delete snapshot `{snapshot}`"), error))?;
    Ok(there.is_some())
}
