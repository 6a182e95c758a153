//! Runs a workflow file as a runner of GitHub Actions does, so that the file that people are to copy is known to work.
//!
//! Three things are stood in for: a repository that would be checked out is this checkout, or a folder with the pipeline
//! that is to be compared; actions of others are left out; and pipectl is not built again where it is to be installed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::Findings;

#[derive(Debug, Deserialize)]
struct Workflow {
    jobs: BTreeMap<String, Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Step {
    name: Option<String>,
    uses: Option<String>,
    run: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    working_directory: Option<String>,
    #[serde(rename = "if")]
    condition: Option<String>,
}

/// What came of the steps so far.
enum State {
    Well,
    /// A server could not be had, which is the machine's fault and not the file's.
    Skipped(String),
    Failed(String),
}

/// Runs all steps of a workflow on a pipeline; answers the step that failed.
pub(crate) fn run(root: &Path, file: &str, pipeline: &str) -> Findings {
    let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    let workflow: Workflow = serde_saphyr::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let binaries = std::env::current_exe().map_err(|error| error.to_string())?;
    let binaries = binaries.parent().unwrap_or(root);
    let place = binaries.join("workflow");
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    if place.exists() {
        fs::remove_dir_all(&place).map_err(failed)?;
    }
    fs::create_dir_all(&place).map_err(failed)?;
    let summary = place.join("summary.md");
    let runner = Runner { root, pipeline: &root.join(pipeline), place: &place, binaries, summary: &summary };
    let mut state = State::Well;
    for step in workflow.jobs.values().flat_map(|job| &job.steps) {
        let always = step.condition.as_deref().is_some_and(|condition| condition.contains("always()"));
        if let Some(condition) = step.condition.as_deref().filter(|_| !always) {
            return Err(format!("{file}: `if: {condition}` is not understood here"));
        }
        if matches!(state, State::Well) || always {
            let next = runner.step(step).map_err(|error| format!("{file}: {error}"))?;
            if matches!(state, State::Well) {
                state = next;
            }
        }
    }
    print!("{}", fs::read_to_string(&summary).unwrap_or_default());
    match state {
        State::Well => Ok(Vec::new()),
        State::Skipped(why) => {
            println!("skipped: {file} was not run to its end: {why}");
            Ok(Vec::new())
        }
        State::Failed(step) => Ok(vec![format!("{file}: step `{step}` failed")]),
    }
}

struct Runner<'a> {
    root: &'a Path,
    pipeline: &'a Path,
    /// The workspace of the runner.
    place: &'a Path,
    /// Where pipectl is.
    binaries: &'a Path,
    summary: &'a Path,
}

impl Runner<'_> {
    fn step(&self, step: &Step) -> Result<State, String> {
        if let Some(action) = &step.uses {
            return self.action(action, step);
        }
        let script = step.run.as_deref().ok_or("a step has neither `uses` nor `run`")?;
        let name = step.name.as_deref().unwrap_or(script);
        if let Some(text) = step.env.values().map(String::as_str).chain([script]).find(|text| text.contains("${{")) {
            return Err(format!("step `{name}`: the expression in `{text}` is not understood here"));
        }
        if script.contains("cargo install") {
            // Nobody expands a tilde in a variable, so what looks like a home folder is one called `~`.
            if let Some((variable, _)) = step.env.iter().find(|(_, value)| value.starts_with('~')) {
                return Err(format!("step `{name}`: `{variable}` begins with `~`, which no runner expands"));
            }
            println!("--- {name}: built already");
            return Ok(State::Well);
        }
        println!("--- {name}");
        let folder = step.working_directory.as_ref().map_or_else(|| self.place.to_owned(), |sub| self.place.join(sub));
        let output = Command::new("bash")
            .args(["-e", "-c", &format!("PATH='{}':$PATH\n{script}", self.binaries.display())])
            .current_dir(folder)
            .env("GITHUB_STEP_SUMMARY", self.summary)
            .envs(&step.env)
            .output()
            .map_err(|error| format!("step `{name}`: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        print!("{said}");
        if output.status.success() {
            return Ok(State::Well);
        }
        let missing = said.lines().find(|line| line.contains("skipped: "));
        Ok(missing.map_or_else(|| State::Failed(name.to_owned()), |line| State::Skipped(line.to_owned())))
    }

    fn action(&self, action: &str, step: &Step) -> Result<State, String> {
        let name = action.split('@').next().unwrap_or(action);
        if name != "actions/checkout" {
            println!("--- {action}: left out");
            return Ok(State::Well);
        }
        let path: PathBuf = self.place.join(step.with.get("path").map_or(".", String::as_str));
        let made = if step.with.contains_key("repository") {
            println!("--- {action}: this checkout");
            std::os::unix::fs::symlink(self.root, &path)
        } else {
            println!("--- {action}: {}", self.pipeline.display());
            fs::create_dir_all(&path).and_then(|()| fs::copy(self.pipeline, path.join("pipeline.yaml")).map(drop))
        };
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(State::Well)
    }
}
