//! The emulator's own tests: what it refuses and what it hashes must be true before anything else here is.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use pipectl_peers::find;

#[test]
fn the_look_alike_passes_its_own_tests() {
    let Some(node) = find("node") else {
        // Past the harness, which swallows what a test that passes prints.
        use std::io::Write as _;
        writeln!(std::io::stderr(), "skipped: there is no `node` on the path").unwrap();
        assert!(std::env::var_os("PIPECTL_PEERS_REQUIRED").is_none(), "there is no `node` on the path");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/eventhubs");
    let mut tests: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    assert!(tests.len() >= 2, "{tests:?}");
    let output = Command::new(node).arg("--test").args(&tests).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("# pass ") || said.contains("pass "), "{said}");
}
