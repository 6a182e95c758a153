//! Do all arrows between crates point down?

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::{
    Findings,
    layers::{ACROSS, ACROSS_IN_TESTS, HIDDEN, IMPURE, ROOMS, Room},
};

/// One line of a manifest's dependencies.
struct Arrow {
    from: String,
    to: String,
    in_tests: bool,
}

/// Reads the manifests of the workspace and names every arrow that is not allowed.
pub(crate) fn run() -> Findings {
    let metadata = MetadataCommand::new().no_deps().exec().map_err(|error| format!("cargo metadata: {error}"))?;
    let mut members = Vec::new();
    let mut arrows = Vec::new();
    for package in metadata.workspace_packages() {
        members.push(package.name.to_string());
        arrows.extend(package.dependencies.iter().map(|dependency| Arrow {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            in_tests: dependency.kind == DependencyKind::Development,
        }));
    }
    let mut found = faults(&members, &arrows);
    found.extend(unused(&arrows));
    Ok(found)
}

/// Libraries that are hidden by a crate which does not depend on them.
fn unused(arrows: &[Arrow]) -> impl Iterator<Item = String> {
    let is_used =
        |library: &str, owner: &str| arrows.iter().any(|arrow| fits(library, &arrow.to) && fits(owner, &arrow.from));
    let unused = HIDDEN.iter().filter(move |(library, owner)| !is_used(library, owner));
    unused
        .map(|(library, owner)| format!("{library}: {owner} does not depend on it; remove it from xtask/src/layers.rs"))
}

fn faults(members: &[String], arrows: &[Arrow]) -> Vec<String> {
    let strangers = members
        .iter()
        .filter(|name| find(name).is_none())
        .map(|name| format!("{name}: stands on no layer; add it to xtask/src/layers.rs"));
    strangers.chain(arrows.iter().filter_map(|arrow| fault(arrow, members))).collect()
}

fn fault(arrow: &Arrow, members: &[String]) -> Option<String> {
    let Arrow { from, to, in_tests } = arrow;
    let room = find(from)?;
    if room.pure && !in_tests && IMPURE.contains(&to.as_str()) {
        return Some(format!("{from} -> {to}: {from} is pure; let its caller ask {to} and hand the answer in"));
    }
    if let Some((_, owner)) = HIDDEN.iter().find(|(library, _)| fits(library, to)) {
        let allowed = fits(owner, from) || *in_tests;
        return (!allowed).then(|| format!("{from} -> {to}: only {owner} may know {to}"));
    }
    if !members.contains(to) {
        return None;
    }
    let target = find(to)?;
    let across = |list: &[(&str, &str)]| list.iter().any(|(left, right)| fits(left, from) && fits(right, to));
    if target.layer < room.layer || across(ACROSS) || (*in_tests && across(ACROSS_IN_TESTS)) {
        return None;
    }
    let direction = if target.layer > room.layer { "up" } else { "across" };
    let (low, high) = (room.layer, target.layer);
    Some(format!("{from} -> {to}: points {direction}, from layer {low} to layer {high}"))
}

fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| fits(room.name, name))
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, in_tests: bool) -> Vec<String> {
        let members = [from, to].into_iter().filter(|name| name.starts_with("pipectl")).map(str::to_owned);
        faults(&members.collect::<Vec<_>>(), &[Arrow { from: from.to_owned(), to: to.to_owned(), in_tests }])
    }

    #[test]
    fn the_workspace_keeps_its_layers() {
        assert_eq!(run().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn planted_violations_are_caught() {
        let caught = |from, to| check(from, to, false).len() == 1;
        assert!(caught("pipectl-diag", "pipectl-ir"), "up");
        assert!(caught("pipectl-sql", "pipectl-contract"), "across");
        assert!(caught("pipectl-spec", "pipectl-ir"), "across");
        assert!(caught("pipectl-connect-files", "pipectl-connect-table"), "across, by pattern");
        assert!(caught("pipectl-process", "pipectl-runtime"), "the exception has one direction");
        assert!(caught("pipectl-backend-memory", "pipectl-conformance"), "only in tests");
        assert!(caught("pipectl-ir", "pipectl-host"), "impure");
        assert!(caught("pipectl-runtime", "petgraph"), "hidden");
        assert!(caught("pipectl-shed", "serde"), "stands nowhere");
    }

    #[test]
    fn allowed_arrows_pass() {
        let passes = |from, to, in_tests| check(from, to, in_tests).is_empty();
        assert!(passes("pipectl-runtime", "pipectl-process", false));
        assert!(passes("pipectl-contract", "pipectl-ir", false));
        assert!(passes("pipectl-backend-memory", "pipectl-conformance", true));
        assert!(passes("pipectl", "pipectl-backend-memory", false));
        assert!(passes("pipectl-ir", "petgraph", false));
    }
}
