//! The real yaml-language-server: installed once into the cache by npm, asked through `driver.mjs`.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

/// The release that editors of today ship or are about to.
const VERSION: &str = "1.25.0";

/// A document, and a place in it to ask about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Question {
    pub(crate) uri: String,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) character: Option<usize>,
}

/// What an editor would show.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) diagnostics: Vec<Found>,
    #[serde(default)]
    pub(crate) completions: Vec<Completion>,
    #[serde(default)]
    pub(crate) hover: String,
}

/// A wavy line under a text.
#[derive(Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) severity: u8,
    pub(crate) message: String,
    pub(crate) line: usize,
}

impl Answer {
    /// The errors, each with its line.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = self.diagnostics.iter().filter(|found| found.severity == 1);
        errors.map(|found| format!("line {}: {}", found.line, found.message)).collect()
    }
}

/// A proposal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Completion {
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) insert_text: String,
    #[serde(default)]
    pub(crate) documentation: String,
}

/// Where the server can be started from; the error says why it cannot be had.
pub(crate) fn install() -> Result<PathBuf, String> {
    succeeds(Command::new("node").arg("--version")).map_err(|why| format!("Node.js is missing ({why})"))?;
    let cache = cache()?;
    let folder = cache.join(format!("yaml-language-server-{VERSION}"));
    let lock = File::create(cache.join("yaml-language-server.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let server = folder.join("node_modules/yaml-language-server/bin/yaml-language-server");
    let complete = folder.join("complete");
    if !complete.exists() {
        eprintln!("installing yaml-language-server {VERSION} into {} (once)", folder.display());
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let package = format!("yaml-language-server@{VERSION}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder).arg(package);
        succeeds(&mut npm).map_err(|why| format!("npm cannot install yaml-language-server ({why})"))?;
        fs::write(&complete, "").map_err(|error| error.to_string())?;
    }
    Ok(server)
}

/// Asks the server, which reads `schema` for every document that names no other.
pub(crate) fn ask(server: &Path, schema: &Path, questions: &[Question]) -> Vec<Answer> {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/editor/driver.mjs");
    let mut node = Command::new("node");
    node.arg(driver).arg(server).arg(schema).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = node.spawn().expect("node starts");
    let questions = serde_json::to_vec(questions).expect("questions as JSON");
    node.stdin.take().expect("a pipe").write_all(&questions).expect("the driver reads");
    let output = node.wait_with_output().expect("the driver ends");
    assert!(output.status.success(), "the driver failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("answers as JSON")
}

fn cache() -> Result<PathBuf, String> {
    let host = pipectl_host::Host::real();
    let base = host.variable("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| host.variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let base = base.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = base.join("pipectl/tools");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").to_owned())
}
