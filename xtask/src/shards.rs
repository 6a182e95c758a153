//! Which tests each shard of `.ci/full` runs. What no shard names goes into the first, so that no new test is forgotten.

use std::collections::BTreeSet;

use cargo_metadata::{MetadataCommand, TargetKind};

/// The shards after the first, each with its test targets: those that take long, by what they start.
const SHARDS: &[&[&str]] = &[&["backends"], &["kafka", "it"], &["conformance", "emulator"]];

/// The names of all test targets of the workspace.
fn targets() -> Result<BTreeSet<String>, String> {
    let metadata = MetadataCommand::new().no_deps().exec().map_err(|error| format!("cargo metadata: {error}"))?;
    let targets = metadata.workspace_packages().into_iter().flat_map(|package| package.targets.clone());
    Ok(targets.filter(|target| target.kind.contains(&TargetKind::Test)).map(|target| target.name).collect())
}

/// What to pass to `cargo test` for the integration tests of a shard, from 1 on.
pub(crate) fn arguments(shard: &str) -> Result<String, String> {
    let number: usize = shard.parse().map_err(|_| format!("`{shard}` is no number of a shard"))?;
    let tests: Vec<String> = match number {
        1 => targets()?.into_iter().filter(|name| !SHARDS.iter().any(|shard| shard.contains(&name.as_str()))).collect(),
        _ => match number.checked_sub(2).and_then(|at| SHARDS.get(at)) {
            Some(shard) => shard.iter().map(|name| (*name).to_owned()).collect(),
            None => return Err(format!("there is no shard {number}; there are {}", SHARDS.len() + 1)),
        },
    };
    Ok(tests.iter().flat_map(|name| ["--test ", name, " "]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_name_tests_that_there_are() {
        let targets = targets().expect("cargo metadata");
        for name in SHARDS.iter().copied().flatten() {
            assert!(targets.contains(*name), "{name}");
        }
        let first = arguments("1").expect("a shard");
        assert!(first.contains("--test e2e ") && !first.contains("--test kafka "), "{first}");
        assert!(arguments("5").is_err() && arguments("0").is_err() && arguments("x").is_err());
    }
}
