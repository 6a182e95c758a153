//! Does one build of the dependencies serve the program, the chores and the tests?
//!
//! Cargo builds a crate once for each set of features that is asked of it. If the tests ask more of a crate than the
//! program does, then that crate and all that stands on it is built twice; with Arrow and DataFusion on it that is minutes.

use std::{collections::BTreeSet, path::Path, process::Command};

/// Every crate that a command builds, each with its features.
fn crates(selection: &[&str], root: &Path) -> BTreeSet<String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"]).args(selection);
    let output = command.output().expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.trim().is_empty()).collect()
}

#[test]
fn tests_build_what_the_program_builds() {
    let root = crate::root();
    // What runs on the machine that builds (macros, build scripts) is built apart, with features of its own.
    let tests = crates(&["--workspace", "--edges", "no-build,no-proc-macro"], &root);
    assert!(tests.len() > 100, "{tests:?}");
    for package in ["pipectl", "xtask"] {
        let program = crates(&["--package", package, "--edges", "no-dev,no-build,no-proc-macro"], &root);
        // The program itself is built for the tests with all backends, and without any by default; and with it the runtime,
        // which then keeps checkpoints in folders only.
        let own = |name: &String| ["pipectl v", "pipectl-runtime v"].iter().any(|own| name.starts_with(own));
        let twice: Vec<_> = program.difference(&tests).filter(|name| !own(name)).collect();
        assert!(
            twice.is_empty(),
            "built twice, for {package} and again for tests: {twice:?}; name the missing features in crates/pipectl/Cargo.toml"
        );
    }
}
