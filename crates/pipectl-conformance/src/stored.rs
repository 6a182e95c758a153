//! Reports that are kept in the repository, so that cases which take long are not run again while nothing has changed that
//! they depend on.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::report::{CaseResult, Level, Outcome, Report};

/// Where reports are kept, from the root of the repository.
pub const STORED: &str = "tests/backends/reports";

/// The stored report of a backend.
pub fn stored(root: &Path, backend: &str) -> Option<Report> {
    let text = std::fs::read_to_string(root.join(STORED).join(format!("{backend}.json"))).ok()?;
    serde_json::from_str(&text).ok()
}

/// The root of the repository, where the sources are there.
pub fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("Cargo.lock").is_file().then_some(root)
}

/// What the results of the suite depend on: the sources of the backend and its tests, of the suite and the contract, the
/// versions of what the backend is built on, and the peer. `None` where the sources cannot be read.
pub fn key(root: &Path, backend: &str, peer: &str) -> Option<String> {
    let package = format!("crates/pipectl-backend-{backend}");
    let mut files = Vec::new();
    for folder in [package.as_str(), "crates/pipectl-conformance", "crates/pipectl-contract"] {
        sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut hash = Xxh3::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for file in files {
        add(file.strip_prefix(root).unwrap_or(&file).to_string_lossy().as_bytes());
        add(&std::fs::read(&file).ok()?);
    }
    let manifest = std::fs::read_to_string(root.join(package).join("Cargo.toml")).ok()?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).ok()?;
    for name in manifest.lines().filter_map(|line| line.strip_suffix(".workspace = true")) {
        add(version(&lock, name).unwrap_or_default().as_bytes());
    }
    add(peer.as_bytes());
    Some(format!("{:016x}", hash.digest()))
}

/// The version of a package in a lock file; its newest, if there are several.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("\nname = \"{name}\"\nversion = ");
    let (_, rest) = lock.rsplit_once(entry.as_str())?;
    rest.lines().next()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Option<()> {
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs" || end == "toml") {
            files.push(path);
        }
    }
    Some(())
}

/// The results of the cases for faults that a stored report has, if it has the key and nothing in it failed.
pub(crate) fn known(stored: Option<Report>, key: Option<&str>) -> Option<Vec<CaseResult>> {
    let stored = stored.filter(|stored| Some(stored.key.as_str()) == key && stored.failures().is_empty())?;
    let cases: Vec<CaseResult> = stored.cases.into_iter().filter(|case| case.level == Level::Stable).collect();
    let decided = |case: &CaseResult| !matches!(case.outcome, Outcome::Failed(_));
    cases.iter().all(decided).then_some(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(key: &str, outcome: &Outcome) -> Report {
        let case = |name: &str, level| CaseResult {
            name: name.to_owned(),
            proves: String::new(),
            level,
            outcome: outcome.clone(),
            took_ms: 1,
        };
        let mut report = Report::new(
            "memory",
            "itself".to_owned(),
            vec![case("writes", Level::Alpha), case("restarts", Level::Stable)],
        );
        key.clone_into(&mut report.key);
        report
    }

    #[test]
    fn results_stand_while_the_key_is_the_same_and_nothing_failed() {
        let names = |found: Option<Vec<CaseResult>>| {
            found.map(|cases| cases.into_iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names(known(Some(report("a", &Outcome::Passed)), Some("a"))), Some(vec!["restarts".to_owned()]));
        assert_eq!(names(known(Some(report("a", &Outcome::Passed)), Some("b"))), None);
        assert_eq!(names(known(Some(report("a", &Outcome::Failed("no".to_owned()))), Some("a"))), None);
        assert_eq!(names(known(None, Some("a"))), None);
        assert_eq!(names(known(Some(report("", &Outcome::Passed)), None)), None);
    }

    #[test]
    fn the_key_depends_on_sources_and_on_the_peer() {
        let Some(root) = root() else { return };
        let key = |backend, peer| key(&root, backend, peer).expect("sources");
        assert_eq!(key("memory", "itself"), key("memory", "itself"));
        assert_ne!(key("memory", "itself"), key("memory", "another"));
        assert_ne!(key("memory", "itself"), key("kafka", "itself"));
        assert_eq!(version("\nname = \"a\"\nversion = \"1.2.3\"\nsource\n", "a"), Some("\"1.2.3\""));
    }
}
