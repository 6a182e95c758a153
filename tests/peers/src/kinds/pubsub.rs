//! Pub/Sub: Google's own emulator where this machine has it, else Google's fake for tests in Go, built once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Fault, Kind, Peer, Skip, ask,
    cache::installed,
    fault::or_skip,
    peer::{Launch, LaunchSite, startable},
    shell::{find, run, toolchain},
};

/// Where the emulator's package puts its jar: Debian's `google-cloud-cli-pubsub-emulator`, and an unpacked SDK.
const JARS: &[&str] = &["/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk"];
/// The newest release whose modules all resolve.
const FAKE: &str = "v2.6.2";
const FAKE_MAIN: &str = include_str!("pstest.go");

/// A server that speaks Pub/Sub without credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct PubSub {
    /// Whether it is Google's emulator, which also speaks REST (so the official admin clients work), knows snapshots,
    /// and seeks to a time. The fake in its place does none of these.
    pub is_emulator: bool,
}

impl Kind for PubSub {
    const NAME: &'static str = "pubsub";
    const KEEPS_DATA: bool = false;
    const USUAL_PORTS: &'static [u16] = &[8085];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("PUBSUB_ENDPOINT", format!("http://{endpoint}"))]
    }

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
        match (emulator(), find("java")) {
            (Some(jar), Some(java)) => {
                let port = place.port()?;
                let mut command = Command::new(java);
                command.arg("-Xmx512m").arg("-jar").arg(jar).args(["--host=127.0.0.1", &format!("--port={port}")]);
                command.current_dir(&place.folder);
                Ok(Launch {
                    command,
                    endpoint: format!("127.0.0.1:{port}"),
                    ready: Box::new(move || ask::http(port, "GET /v1/projects/peers/topics", "", "", " 200 ")),
                    kind: Self { is_emulator: true },
                })
            }
            _ => fake(place),
        }
    }
}

startable!(PubSub);

impl PubSub {
    /// The Go fake, also where the emulator could be had.
    ///
    /// # Panics
    ///
    /// If it can be had and does not come up.
    pub fn start_fake() -> Result<Peer<Self>, Skip> {
        or_skip(Peer::launch(fake))
    }
}

fn emulator() -> Option<PathBuf> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("cloud-pubsub-emulator-") && name.ends_with("-all.jar")
    };
    let folders = JARS.iter().filter_map(|sdk| fs::read_dir(Path::new(sdk).join("platform/pubsub-emulator/lib")).ok());
    folders.flatten().filter_map(Result::ok).map(|entry| entry.path()).filter(|path| named(path)).max()
}

fn fake(place: &mut LaunchSite) -> Result<Launch<PubSub>, Fault> {
    let program = built()?;
    let port = place.port()?;
    let mut command = Command::new(program);
    command.args(["-addr", &format!("127.0.0.1:{port}")]).current_dir(&place.folder);
    Ok(Launch {
        command,
        endpoint: format!("127.0.0.1:{port}"),
        ready: Box::new(move || ask::http2(port)),
        kind: PubSub { is_emulator: false },
    })
}

fn built() -> Result<PathBuf, Skip> {
    let go = toolchain("go")?;
    let folder = installed(&format!("pstest-{FAKE}"), |folder| {
        let failed = |why: String| Skip::new(format!("Google's fake Pub/Sub {FAKE} cannot be built: {why}"));
        fs::write(folder.join("main.go"), FAKE_MAIN).map_err(|error| failed(error.to_string()))?;
        let module = format!("cloud.google.com/go/pubsub/v2@{FAKE}");
        for arguments in
            [&["mod", "init", "pstest"][..], &["get", &module], &["mod", "tidy"], &["build", "-o", "pstest", "."]]
        {
            run(Command::new(&go).args(arguments).current_dir(folder)).map_err(failed)?;
        }
        Ok(())
    })?;
    Ok(folder.join("pstest"))
}
