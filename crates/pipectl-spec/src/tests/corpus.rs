//! Every file of `tests/diagnostics` of this crate's families says what it must be refused with.

use std::{collections::BTreeSet, fs, path::Path};

use super::{lines, read};

/// Cases that need the real kinds or later stages are not for this crate.
const FAMILIES: [&str; 3] = ["PC00", "PC01", "PC02"];

#[test]
fn every_case_is_refused_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/diagnostics");
    let mut wrong = Vec::new();
    let mut covered = BTreeSet::new();
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let bytes = fs::read(file).unwrap();
        let beside = file.with_extension("expect");
        let text = if beside.exists() {
            fs::read_to_string(beside).unwrap()
        } else {
            String::from_utf8(bytes.clone()).unwrap()
        };
        let expected: Vec<_> = text
            .lines()
            .filter_map(|line| {
                line.trim_start()
                    .strip_prefix("# ")
                    .filter(|line| line.starts_with("error[") || line.starts_with("warning["))
            })
            .map(str::to_owned)
            .collect();
        let ours = |line: &String| FAMILIES.iter().any(|family| line.contains(&format!("[{family}")));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        // Which services there are, the kinds of this crate's tests do not know.
        if !expected.iter().all(ours) || expected.is_empty() || name.starts_with("env_") {
            continue;
        }
        let (_, problems, map) = read(&[(name.as_str(), &bytes)]);
        let mut found = lines(&problems, &map);
        let mut expected = expected;
        found.sort();
        expected.sort();
        if found != expected {
            wrong.push(format!(
                "{name}\n  expected\n    {}\n  found\n    {}",
                expected.join("\n    "),
                found.join("\n    ")
            ));
        }
        covered.extend(problems.iter().map(|problem| problem.code.as_str()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<_> = pipectl_diag::codes::all()
        .map(pipectl_diag::Code::as_str)
        .filter(|code| FAMILIES.iter().any(|family| code.starts_with(family)) && !covered.contains(code))
        // Ten megabytes are made by a test, not kept in a file.
        .filter(|code| *code != "PC0003")
        .collect();
    assert!(missing.is_empty(), "no case covers {missing:?}");
}
