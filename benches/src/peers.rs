//! Batch engines from the Python package index in a Python environment of their own, outside of the checkout.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A batch engine that is ready to run.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    version: String,
    python: PathBuf,
}

/// What the Python package index calls the packages of each.
fn packages(name: &str) -> &'static [&'static str] {
    match name {
        "datafusion" => &["datafusion", "pyarrow"],
        _ => &["duckdb"],
    }
}

/// The engines that can be had; of the others it says why not.
pub(crate) fn install(names: &[String], tools: &Path) -> Vec<Peer> {
    let mut peers = Vec::new();
    for name in names {
        match ready(name, tools) {
            Ok(peer) => peers.push(peer),
            Err(why) => eprintln!("skipped: {name}: {why}"),
        }
    }
    peers
}

fn ready(name: &str, tools: &Path) -> Result<Peer, String> {
    let folder = tools.join(format!("bench-{name}"));
    let mut peer = Peer { name: name.to_owned(), version: String::new(), python: folder.join("bin/python") };
    if let Some(version) = peer.version() {
        peer.version = version;
        return Ok(peer);
    }
    eprintln!("installing {} from PyPI into {}", packages(name).join(" and "), folder.display());
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    succeed(Command::new(&peer.python).args(["-m", "pip", "install", "--quiet"]).args(packages(name)))?;
    peer.version = peer.version().ok_or("it does not start")?;
    Ok(peer)
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed without a word").to_owned())
}

impl Peer {
    /// Name and version.
    pub(crate) fn label(&self) -> String {
        format!("{} {}, batch", self.name, self.version)
    }

    /// What runs a job.
    pub(crate) fn command(&self, job: &str, input: &Path, output: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(script()).arg(&self.name).arg(job).arg(input).arg(output);
        command
    }

    fn version(&self) -> Option<String> {
        let output = Command::new(&self.python).arg(script()).arg(&self.name).arg("version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !version.is_empty()).then_some(version)
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("batch.py")
}
