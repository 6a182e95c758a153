//! Kinesis: the packaged kinesis-mock, which knows shards, splits, merges and enhanced fan-out.

use std::{process::Command, time::Duration};

use super::npm;
use crate::{
    Fault, Kind, ask,
    peer::{Launch, LaunchSite, startable},
    shell::toolchain,
};

/// On npm.
const VERSION: &str = "0.6.2";
/// How long its control operations take. On AWS it is seconds to minutes; tests need only that it is not nothing.
const CONTROL: Duration = Duration::from_millis(20);
/// More than any test makes.
const SHARDS: &str = "1000";
/// The control operations whose time can be set (kinesis-mock's README).
const OPERATIONS: &[&str] = &[
    "CREATE_STREAM",
    "DELETE_STREAM",
    "REGISTER_STREAM_CONSUMER",
    "DEREGISTER_STREAM_CONSUMER",
    "SPLIT_SHARD",
    "MERGE_SHARDS",
    "UPDATE_SHARD_COUNT",
    "UPDATE_STREAM_MODE",
    "START_STREAM_ENCRYPTION",
    "STOP_STREAM_ENCRYPTION",
];

/// A server that speaks Kinesis, on plain HTTP, any credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kinesis {}

impl Kind for Kinesis {
    const NAME: &'static str = "kinesis";
    // It can write its data down, but crashes while it does (ERR_STREAM_DESTROYED) and cannot read the rest.
    const KEEPS_DATA: bool = false;
    const USUAL_PORTS: &'static [u16] = &[4567];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("KINESIS_ENDPOINT", endpoint.to_owned())]
    }

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
        let node = toolchain("node")?;
        let package = npm("kinesis-local", VERSION)?;
        let (plain, tls) = (place.port()?, place.port()?);
        let mut command = Command::new(node);
        command.arg(package.join("main.js")).current_dir(&place.folder);
        // Its certificate, which it opens even if nobody speaks TLS with it.
        command.env("KINESIS_MOCK_CERT_PATH", package.join("server.json"));
        command.env("KINESIS_MOCK_PLAIN_PORT", plain.to_string()).env("KINESIS_MOCK_TLS_PORT", tls.to_string());
        command.env("SHARD_LIMIT", SHARDS).env("LOG_LEVEL", "WARN");
        for operation in OPERATIONS {
            command.env(format!("{operation}_DURATION"), format!("{}ms", CONTROL.as_millis()));
        }
        Ok(Launch {
            command,
            endpoint: format!("http://127.0.0.1:{plain}"),
            ready: Box::new(move || ask::aws(plain, "kinesis", "Kinesis_20131202.ListStreams", "StreamNames")),
            kind: Self {},
        })
    }
}

startable!(Kinesis);
