//! Azure Blob storage: Microsoft's own emulator, azurite, its blob service only.

use std::process::Command;

use super::npm;
use crate::{
    Fault, Kind, ask,
    peer::{Launch, Place, startable},
    shell::toolchain,
};

/// On npm.
const VERSION: &str = "3.37.0";
/// The account that every azurite has; it is the first step of a path.
pub const ACCOUNT: &str = "devstoreaccount1";
/// The account's key, the same in every azurite and published in its documentation: no secret.
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server that speaks Azure Blob storage, on plain HTTP, with the account [`ACCOUNT`] and its key [`KEY`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Azurite {}

impl Kind for Azurite {
    const NAME: &'static str = "azurite";
    const KEEPS_DATA: bool = true;
    const USUAL_PORTS: &'static [u16] = &[10000];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("AZURITE_ENDPOINT", endpoint.to_owned())]
    }

    fn prepare(place: &mut Place) -> Result<Launch<Self>, Fault> {
        let node = toolchain("node")?;
        let package = npm("azurite", VERSION)?;
        let port = place.port()?;
        let mut command = Command::new(node);
        command.arg(package.join("dist/src/blob/main.js")).args(["--blobHost", "127.0.0.1", "--blobPort"]);
        command.arg(port.to_string()).args(["--disableTelemetry", "--skipApiVersionCheck", "--silent", "--location"]);
        command.arg(place.folder.join("data")).current_dir(&place.folder);
        let line = format!("GET /{ACCOUNT}?comp=list");
        Ok(Launch {
            command,
            endpoint: format!("http://127.0.0.1:{port}"),
            // Unsigned, it is refused; but by the service itself.
            ready: Box::new(move || ask::http(port, &line, "", "", "Azurite-Blob")),
            kind: Self {},
        })
    }
}

startable!(Azurite);
