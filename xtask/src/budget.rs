//! Are the source files small, and do they say why they exist?

use std::{fs, path::Path};

use crate::Findings;

/// Lines of code (neither blank nor comment) that a file may have; tests of its own do not count.
const MOST: usize = 500;
/// From here on it is time to think of a second file.
const MANY: usize = 400;
/// Lines that tests inside a file may have; more of them stand in a `tests.rs` beside it.
const MOST_TESTS: usize = 150;
/// Folders that hold no source of ours.
const SKIPPED: &[&str] = &["target", "node_modules", "out"];

/// Names every file that is too long or has no first line; prints warnings for long ones.
pub(crate) fn run(root: &Path) -> Findings {
    let mut files = Vec::new();
    collect(root, &mut files).map_err(|error| format!("cannot read the sources: {error}"))?;
    files.sort();
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(root.join(&file)).map_err(|error| format!("{file}: {error}"))?;
        let report = judge(&file, &text);
        if let Some(warning) = report.warning {
            eprintln!("warning: {warning}");
        }
        faults.extend(report.faults);
    }
    Ok(faults)
}

/// The `.rs` files below, by their paths from the folder.
fn collect(root: &Path, files: &mut Vec<String>) -> std::io::Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
                let path = entry.path();
                files.push(path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned());
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Report {
    faults: Vec<String>,
    warning: Option<String>,
}

fn judge(file: &str, text: &str) -> Report {
    let mut report = Report::default();
    let is_tests = file.ends_with("tests.rs") || file.split('/').any(|part| part == "tests");
    if is_tests || text.lines().next().is_some_and(|line| line.contains("@generated")) {
        return report;
    }
    if !text.starts_with("//!") {
        report.faults.push(format!("{file}: begins without a `//!` line that says why it exists"));
    }
    let (code, tests) = text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let lines = count(code);
    if lines > MOST {
        report.faults.push(format!("{file}: {lines} lines of code, {MOST} at most; split it by ideas"));
    } else if lines > MANY {
        report.warning = Some(format!("{file}: {lines} lines of code; {MOST} are the end"));
    }
    let lines = count(tests);
    if lines > MOST_TESTS {
        report.faults.push(format!("{file}: {lines} lines of tests, {MOST_TESTS} at most; move them to a tests.rs"));
    }
    report
}

fn count(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn long_files_and_files_without_a_reason_are_named() {
        let lines = |count| "let x = 1;\n".repeat(count);
        let faults = |file, text: &str| judge(file, text).faults.len();
        assert_eq!(faults("a.rs", &format!("//! Why.\n{}", lines(500))), 0);
        assert_eq!(faults("a.rs", &format!("//! Why.\n{}", lines(501))), 1);
        assert_eq!(faults("a.rs", "fn main() {}\n"), 1);
        assert_eq!(faults("a/tests.rs", &lines(900)), 0);
        assert_eq!(faults("a.rs", &format!("// @generated\n{}", lines(900))), 0);
        assert!(judge("a.rs", &format!("//! Why.\n{}", lines(450))).warning.is_some());
        let inside = format!("//! Why.\n{}\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(450), lines(151));
        assert_eq!(faults("a.rs", &inside), 1);
    }
}
