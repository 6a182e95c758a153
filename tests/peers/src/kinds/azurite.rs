//! Azure Blob storage: Microsoft's own emulator, azurite, its blob service only.

use std::process::Command;

use super::npm;
use crate::{
    Fault, Kind, ask,
    peer::{Launch, LaunchSite, startable},
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

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
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

/// Makes a container, which an azurite has none of at first and most clients expect to find.
///
/// # Errors
/// If Python, which signs the request, cannot be had, or the server refuses.
pub fn make_container(blobs: &crate::Peer<Azurite>, name: &str) -> Result<(), Fault> {
    let script = format!(
        "import hmac,hashlib,base64,email.utils\n\
         date=email.utils.formatdate(usegmt=True)\n\
         text='PUT'+'\\n'*12+'x-ms-date:'+date+'\\nx-ms-version:2021-08-06\\n/{ACCOUNT}/{ACCOUNT}/{name}\\nrestype:container'\n\
         key=base64.b64decode('{KEY}')\n\
         print(date+'|'+base64.b64encode(hmac.new(key,text.encode(),hashlib.sha256).digest()).decode(),end='')\n"
    );
    let output = Command::new(toolchain("python3")?).args(["-c", &script]).output();
    let output = output.map_err(|error| Fault::Broken(format!("python3: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (date, signature) = text.split_once('|').unwrap_or_default();
    let headers =
        format!("x-ms-version: 2021-08-06\r\nx-ms-date: {date}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n");
    let line = format!("PUT /{ACCOUNT}/{name}?restype=container");
    let port = blobs.endpoint().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let port = port.ok_or_else(|| Fault::Broken(format!("no port in {}", blobs.endpoint())))?;
    let ask = |expected: &str| ask::http(port, &line, &headers, "", expected);
    ask(" 201 ").or_else(|_| ask("ContainerAlreadyExists")).map_err(Fault::Broken)
}
