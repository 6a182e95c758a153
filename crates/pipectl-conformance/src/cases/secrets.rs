//! Secrets stay where they are.

use std::fmt::Write as _;

use pipectl_contract::ConnectorError;

use crate::{
    lab::{Lab, Reading, Stop, ensure, owned},
    report::LeftOut,
    sample::Sample,
    watch,
};

pub(super) async fn shows_no_secret(lab: &Lab) -> Result<(), Stop> {
    // The watch itself is tried first: a secret of ours that we log must be found.
    match watch::try_out() {
        Ok(found) => ensure(found == 2, || format!("the watch over the log has found {found} of 2 canaries"))?,
        Err(why) => return Err(Stop::LeftOut(LeftOut::Peer, why)),
    }

    let secrets = lab.harness.secrets();
    let before = watch::lines();
    let stream = lab.stream().await?;
    lab.announce(&stream, "secrets", owned()).await?;
    lab.write(&stream, &Sample::range(0, 8, 2)).await?;
    let mut worker = lab.worker(&stream, "secrets", owned(), Reading::default()).await?;
    worker.until("a few records", |seen| seen.distinct() >= 8).await?;
    worker.checkpoint_and_commit().await?;
    lab.keep(worker.close().await?);
    let mut reported = String::new();
    for finding in lab.connection.preflight(std::slice::from_ref(&stream)).await {
        // Writing to a text cannot fail.
        let _infallible = writeln!(reported, "{finding:?}");
    }
    if let Some(state) = lab.connection.describe(&stream, None).await? {
        let _infallible = writeln!(reported, "{state:?}");
    }
    if let Some(error) = lab.harness.connect_denied().await {
        let _infallible = writeln!(reported, "{}", whole(&error));
    }
    tracing::trace!(lines = watch::lines() - before, "the log was searched for secrets");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        ensure(!reported.contains(secret.as_str()), || {
            let line = reported.lines().find(|line| line.contains(secret.as_str())).unwrap_or_default();
            format!("an answer or error shows a secret: {}", watch::hide(line, &secrets))
        })?;
    }
    // Of the whole run of the suite, not of this case alone.
    let leaks = watch::leaks(&secrets);
    ensure(leaks.is_empty(), || format!("{} log lines show a secret: {}", leaks.len(), leaks[0]))
}

/// An error with its causes, as a log would show it.
fn whole(error: &ConnectorError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        let _infallible = write!(text, ": {error} {error:?}");
        cause = error.source();
    }
    text
}
