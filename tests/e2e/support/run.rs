//! A process that was started here, and is ended here whatever becomes of the test.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use super::wait;

/// No run of these tests takes longer on any machine.
const BOUND: Duration = Duration::from_mins(2);

/// A process under way. What it says goes to files, so that it never waits for a reader.
pub(crate) struct Run {
    child: Child,
    stdout: File,
    stderr: File,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn start(mut command: Command) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        command.stdout(stdout.try_clone().expect("a handle")).stderr(stderr.try_clone().expect("a handle"));
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    /// Starts a process whose standard output, as the command sets it up, nobody reads.
    pub(crate) fn start_unread(mut command: Command) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        command.stdout(Stdio::piped()).stderr(stderr.try_clone().expect("a handle"));
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// What it has said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Ran {
        self.finish_within(BOUND)
    }

    /// Waits for its end, which must come soon.
    pub(crate) fn finish_within(mut self, bound: Duration) -> Ran {
        let pid = self.pid();
        let status = wait::until(&format!("the end of process {pid}"), bound, || self.ended());
        Ran { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    /// Ends it as a power cut would. Answers what it had said, and whether it was still running.
    pub(crate) fn kill(mut self) -> (String, bool) {
        let running = self.ended().is_none();
        self.child.kill().expect("a process of ours can be killed");
        let status = self.child.wait().expect("the end of a child");
        (read(&self.stderr), running && status.code().is_none())
    }

    /// Sends it a signal by name, as in `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Only for a test that has failed: otherwise it has ended and was waited for.
        if self.child.try_wait().ok().flatten().is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

impl Ran {
    /// Holds that it ended with this code, and shows all that it said if not.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        let Self { code, stdout, stderr } = &self;
        assert_eq!(*code, Some(expected), "exit code\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{}", self.stdout))
    }
}

/// Sends a signal through the shell's own `kill`, which is on every system.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("a shell").success(), "cannot send {name} to process {pid}");
}

/// The whole file, without moving its place, which the child shares.
fn read(file: &File) -> String {
    let mut bytes = Vec::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = file.read_at(&mut block, bytes.len() as u64).expect("what a process said");
        if count == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.extend_from_slice(&block[..count]);
    }
}
