//! Event Hubs: our own emulator, since nobody packages one. It stands in `eventhubs/` beside this crate's sources.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Fault, Kind, Skip, ask,
    cache::installed,
    peer::{Launch, LaunchSite, startable},
    shell::{run, toolchain},
};

/// A server that speaks Event Hubs over plain AMQP 1.0.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventHubs {
    /// Where faults are ordered over HTTP: `http://127.0.0.1:PORT`.
    pub control: String,
}

impl Kind for EventHubs {
    const NAME: &'static str = "eventhubs";
    const KEEPS_DATA: bool = true;
    const USUAL_PORTS: &'static [u16] = &[5672, 5673];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("EVENTHUBS_ENDPOINT", format!("amqp://{endpoint}")), ("EVENTHUBS_MANAGEMENT", self.control.clone())]
    }

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
        let node = toolchain("node")?;
        let server = server()?;
        let (port, control) = (place.port()?, place.port()?);
        let mut command = Command::new(node);
        command.arg(server).args(["--port", &port.to_string(), "--control", &control.to_string()]);
        command.args(["--data", "journal.jsonl"]);
        command.current_dir(&place.folder);
        Ok(Launch {
            command,
            endpoint: format!("127.0.0.1:{port}"),
            ready: Box::new(move || ask::amqp(port).and_then(|()| ask::http(control, "GET /", "", "", "HTTP/1.1"))),
            kind: Self { control: format!("http://127.0.0.1:{control}") },
        })
    }
}

startable!(EventHubs);

/// The emulator with its libraries: a copy in the cache, named by what it holds, so that an edit makes a new one.
fn server() -> Result<PathBuf, Skip> {
    let npm = toolchain("npm")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("eventhubs");
    let files = files(&source)
        .map_err(|error| Skip::new(format!("the emulator of Event Hubs is not in {}: {error}", source.display())))?;
    let mut hash = DefaultHasher::new();
    files.hash(&mut hash);
    let folder = installed(&format!("eventhubs-{:016x}", hash.finish()), |folder| {
        let failed = |why: String| Skip::new(format!("the emulator of Event Hubs cannot be installed: {why}"));
        for (name, bytes) in &files {
            fs::write(folder.join(name), bytes).map_err(|error| failed(format!("{name}: {error}")))?;
        }
        let mut command = Command::new(&npm);
        command.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts", "--omit=dev"]);
        run(command.current_dir(folder)).map(drop).map_err(failed)
    })?;
    let server = folder.join("server.mjs");
    if server.is_file() { Ok(server) } else { Err(Skip::new("the emulator of Event Hubs has no server.mjs")) }
}

fn files(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let is_wanted = path.extension().is_some_and(|extension| extension == "mjs" || extension == "json");
        if entry.file_type()?.is_file() && is_wanted && !name.contains(".test.") {
            files.push((name, fs::read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
