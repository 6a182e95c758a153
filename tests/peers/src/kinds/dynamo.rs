//! `DynamoDB`, for tables of leases and checkpoints: dynalite, whose conditions hold when many writers race.

use std::process::Command;

use super::npm;
use crate::{
    Fault, Kind, ask,
    peer::{Launch, LaunchSite, startable},
    shell::toolchain,
};

/// On npm.
const VERSION: &str = "4.0.0";

/// A server that speaks `DynamoDB`, on plain HTTP, any credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct Dynamo {}

impl Kind for Dynamo {
    const NAME: &'static str = "dynamo";
    const KEEPS_DATA: bool = true;
    const USUAL_PORTS: &'static [u16] = &[4568];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("DYNAMODB_ENDPOINT", endpoint.to_owned())]
    }

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
        let node = toolchain("node")?;
        let package = npm("dynalite", VERSION)?;
        let port = place.port()?;
        let mut command = Command::new(node);
        command.arg(package.join("cli.js")).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--createTableMs", "20", "--deleteTableMs", "20", "--updateTableMs", "20", "--path"]);
        command.arg(place.folder.join("data")).current_dir(&place.folder);
        Ok(Launch {
            command,
            endpoint: format!("http://127.0.0.1:{port}"),
            ready: Box::new(move || ask::aws(port, "dynamodb", "DynamoDB_20120810.ListTables", "TableNames")),
            kind: Self {},
        })
    }
}

startable!(Dynamo);
