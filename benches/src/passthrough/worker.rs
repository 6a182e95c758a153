//! `pipectl apply` on a pipeline that passes records on and does nothing with them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Lab, PARTITIONS, race::Until};

/// How long it may take to stop when it is asked to.
const STOPPING: Duration = Duration::from_secs(20);
/// How often it is looked whether it still runs.
const LOOK: Duration = Duration::from_millis(50);

/// A process under way; killed with the value if it has not ended before.
pub(super) struct Worker {
    child: Child,
    /// What it says.
    log: PathBuf,
}

impl Worker {
    /// Starts it. The stream that it writes gives the pipeline a name of its own: so it has read nothing yet.
    pub(super) fn start(
        binary: &Path,
        folder: &Path,
        backend: &str,
        lab: &dyn Lab,
        from: &str,
        to: &str,
    ) -> Result<Self, String> {
        let spec = folder.join("passthrough.json");
        let state = folder.join("passthrough-state");
        // Positions of an earlier run belong to a peer that is gone.
        if state.exists() {
            fs::remove_dir_all(&state).map_err(|error| format!("{}: {error}", state.display()))?;
        }
        let text = format!("{}\n---\n{}\n", pipeline(to), environment(backend, lab, from, to));
        fs::write(&spec, text).map_err(|error| format!("{}: {error}", spec.display()))?;
        let log = folder.join("passthrough.log");
        let said = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(binary);
        command.arg("apply").arg(&spec).arg("--state").arg(&state);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        Ok(Self { child, log })
    }

    /// Lets it work until the race is over, then asks it to stop: some peers keep what belongs to a client that was killed.
    pub(super) fn work(&mut self, until: &Until) -> Result<(), String> {
        while !until.is_over() {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("pipectl has ended by itself ({status}); {} says why", self.log.display()));
            }
            thread::sleep(LOOK);
        }
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        asked.map_err(|error| format!("cannot start `kill`: {error}"))?;
        let asked = Instant::now();
        while asked.elapsed() < STOPPING && self.child.try_wait().map_err(|error| error.to_string())?.is_none() {
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// As few words as a pipeline can have; the output has no key, so that keys stay as their writer gave them.
fn pipeline(name: &str) -> Value {
    json!({
        "apiVersion": "pipectl/v1",
        "kind": "Pipeline",
        "metadata": { "name": name },
        "spec": {
            "streams": {
                "in": { "key": "user", "partitions": PARTITIONS, "schema": { "id": "int64", "user": "string" } },
                "out": { "partitions": PARTITIONS },
            },
            "sinks": { "copy": { "from": "in", "stream": "out" } },
        },
    })
}

fn environment(backend: &str, lab: &dyn Lab, from: &str, to: &str) -> Value {
    json!({
        "apiVersion": "pipectl/v1",
        "kind": "Environment",
        "metadata": { "name": "bench" },
        "spec": {
            "backends": { "default": { backend: lab.backend() } },
            "streams": {
                "in": { "name": from, "existing": true, backend: lab.input() },
                "out": { "name": to, "existing": true },
            },
        },
    })
}
