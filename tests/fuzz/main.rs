//! Mutations of the example specs: whatever a slip of the hand makes of one, the answer comes in time and is either a
//! pipeline that runs dry or at least one error with its place.
//!
//! `PIPECTL_FUZZ_CASES=N` sets the number of mutated specs; a failing one is printed.
#![allow(clippy::disallowed_methods, reason = "a test that bounds real time")]

mod mutation;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use mutation::Mutation;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// What a mutated spec may take at most, on a busy machine and without much optimisation.
const BOUND: Duration = Duration::from_secs(20);
const CASES: u32 = 1500;

fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("examples").map(|entry| entry.expect("a file").path()).collect();
    // The Environments beside them are no pipelines.
    files.retain(|file| file.is_file());
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("an example")).collect()
}

/// Compiles a spec, or says what is wrong with the answer.
fn judge(spec: &str) -> Result<bool, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("spec.yaml");
    std::fs::write(&path, spec).map_err(|error| error.to_string())?;
    let registry = pipectl::registry();
    let (source, compiled) = pipectl::compile_files(&[path], None, &registry);
    let errors = source.diagnostics.iter().filter(|found| found.severity == pipectl_diag::Severity::Error);
    for found in errors {
        // A spec that holds no pipeline at all has no place where one is missing.
        let place = found.labels.iter().find(|label| label.primary);
        let located = place.is_some_and(|label| source.map.locate(&label.place).is_some());
        if !located && found.code != pipectl_diag::codes::graph::NO_PIPELINE {
            return Err(format!("no place: {} {}", found.code, found.title));
        }
        if found.title.trim().is_empty() {
            return Err(format!("no title: {}", found.code));
        }
    }
    if source.diagnostics.has_errors() {
        // What was found can be shown, whatever is around it.
        for format in [pipectl_diag::Format::Text, pipectl_diag::Format::Sarif] {
            let options = pipectl_diag::RenderOptions { color: false, width: 100 };
            pipectl_diag::render(&source.diagnostics, &source.map, format, options);
        }
        return Ok(false);
    }
    if compiled.is_empty() {
        return Err("neither a pipeline nor an error".to_owned());
    }
    run_dry(folder.path())?;
    Ok(true)
}

/// What compiles also runs: the binary takes some records through it and says so.
fn run_dry(folder: &Path) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipectl"));
    command.current_dir(folder).args(["dry-run", "spec.yaml", "--records", "200", "--until", "10s"]);
    let said = folder.join("said");
    let file = std::fs::File::create(&said).map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                return Err(format!("a dry run ends with {status}: {said}"));
            }
            None if started.elapsed() > BOUND / 2 => {
                child.kill().ok();
                child.wait().ok();
                return Err(format!("a dry run does not end within {:?}", BOUND / 2));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// The same on a thread of its own, so that a hang is a failure with a name and not a test that never ends.
fn judge_in_time(spec: String) -> Result<bool, String> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || sender.send(judge(&spec)));
    match receiver.recv_timeout(BOUND) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no answer within {BOUND:?}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let panic = worker.join().err();
            let said = panic.as_ref().and_then(|panic| panic.downcast_ref::<String>().cloned());
            Err(format!("a panic: {}", said.unwrap_or_default()))
        }
    }
}

#[test]
fn examples_themselves_are_fine() {
    for example in examples() {
        assert_eq!(judge(&example), Ok(true));
    }
}

#[test]
fn mutations_give_a_pipeline_or_located_errors() {
    let cases = std::env::var("PIPECTL_FUZZ_CASES")
        .ok()
        .map_or(CASES, |text| text.parse().expect("PIPECTL_FUZZ_CASES is a number"));
    let examples = examples();
    let mutated = (0..examples.len(), vec(any::<Mutation>(), 1..4));
    let (mut fine, mut wrong) = (0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut fine, &mut wrong));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&mutated, |(example, mutations)| {
        let spec = mutations.iter().fold(examples[example].clone(), |spec, mutation| mutation.apply(&spec));
        match judge_in_time(spec.clone()) {
            Ok(is_fine) => {
                let (fine, wrong) = &mut *counts.borrow_mut();
                if is_fine {
                    **fine += 1;
                } else {
                    **wrong += 1;
                }
                Ok(())
            }
            Err(why) => Err(TestCaseError::fail(format!("{why}\n--- the spec:\n{spec}"))),
        }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{fine} mutated specs were still fine, {wrong} had errors with places");
    assert!(
        wrong > 0 && (fine > 0 || cases < 100),
        "the mutations are too harmless or too rough: {fine} fine, {wrong} wrong"
    );
}
