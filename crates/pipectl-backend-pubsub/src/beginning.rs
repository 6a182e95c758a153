//! The beginning of a topic at Google's emulator, which cannot set a subscription to a time.
//!
//! The service keeps a topic's records for readers who come later; the emulator has only snapshots. So a topic that is
//! made there gets a snapshot of its beginning. A reader who wants the oldest records is set to it, and one who wants
//! those from a moment on is set to it as well and passes over what is older.

use pipectl_contract::ConnectorError;

use crate::{clients::Clients, names, replay, settings::Stream, subscriptions, topics};

fn name(stream: &Stream) -> String {
    names::of_group(&format!("first.{}", names::short(&stream.topic)))
}

/// Remembers the beginning of a topic that was made just now.
pub(crate) async fn remember(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    let name = name(stream);
    let path = names::path(&clients.project, "subscriptions", &name)?;
    subscriptions::create_for_look(clients, stream, &path).await?;
    replay::create_snapshot(clients, &path, &name).await?;
    subscriptions::delete(clients, &path).await
}

/// Sets a subscription to the beginning; answers whether it is known.
pub(crate) async fn seek(clients: &Clients, stream: &Stream, path: &str) -> Result<bool, ConnectorError> {
    let found = topics::absent(replay::seek(clients, path, &name(stream)).await?);
    let known = found.map_err(|error| crate::errors::call(format_args!("begin `{}` anew", stream.name), error))?;
    if known.is_none() {
        tracing::warn!(
            topic = stream.name,
            "the emulator knows no beginning of a topic that pipectl did not make: only what comes from now on is read"
        );
    }
    Ok(known.is_some())
}

/// Forgets it, with the topic.
pub(crate) async fn forget(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    replay::delete_snapshot(clients, &name(stream)).await.map(drop)
}
