//! A folder of its own for a test, and the binary in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::run::{Ran, Run};

/// A folder that goes away with the test.
pub(crate) struct Lab(TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("pipectl-e2e-").tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    /// A folder with the files of a case of `cases/`.
    pub(crate) fn of_case(name: &str) -> Self {
        let lab = Self::new();
        let folder = repository().join("tests/e2e/cases").join(name);
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            lab.write(
                path.file_name().and_then(|name| name.to_str()).expect("a name"),
                fs::read(&path).expect("a file"),
            );
        }
        lab
    }

    /// Number and path of a pipeline's newest checkpoint.
    pub(crate) fn checkpoint(&self, pipeline: &str) -> Option<(u64, PathBuf)> {
        // By name alone: a run under way makes and removes such files all the time.
        let entries = fs::read_dir(self.path(format!(".pipectl/{pipeline}@default"))).ok()?;
        let numbered = |path: PathBuf| {
            let id = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
            Some((id, path))
        };
        entries.filter_map(|entry| numbered(entry.ok()?.path())).max()
    }

    /// Any program, in the folder.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// `pipectl` with arguments. Nothing of the developer's own settings reaches it.
    pub(crate) fn pipectl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_pipectl"));
        command.args(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("PIPECTL_") || ["NO_COLOR", "LOG_FILES", "UNTIL_IDLE", "COLUMNS"].contains(&&*name) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `pipectl` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Run::start(self.pipectl(arguments)).finish()
    }

    /// Runs `pipectl` with something on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let input = self.write(".input", input);
        let mut command = self.pipectl(arguments);
        command.stdin(fs::File::open(input).expect("the input"));
        Run::start(command).finish()
    }

    /// Runs a script of the shell in the folder, with the binary as `$PIPECTL`; answers its standard output.
    pub(crate) fn shell(&self, script: &str) -> String {
        let mut command = self.command("sh");
        command.args(["-c", script]).env("PIPECTL", env!("CARGO_BIN_EXE_pipectl"));
        Run::start(command).finish().stdout
    }

    /// Starts `pipectl` and lets it run.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.pipectl(arguments);
        command.envs(variables.iter().copied());
        Run::start(command)
    }
}

/// The text of an example of `pipelines/`.
pub(crate) fn example(name: &str) -> String {
    let path = repository().join("pipelines").join(format!("{name}.yaml"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The top folder of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A copy of a spec with each of the texts replaced by another.
///
/// # Panics
/// If one is not in it exactly once: the example has changed, and the test would no longer test what it says.
pub(crate) fn edit(spec: &str, changes: &[(&str, &str)]) -> String {
    let mut text = spec.to_owned();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "`{from}` should be in the spec once:\n{text}");
        text = text.replacen(from, to, 1);
    }
    text
}
