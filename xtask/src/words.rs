//! The words that users do not read any more: each has a plain term in its place.
//!
//! Documents are searched whole, Rust sources in their string literals outside of tests; the pages under docs/generated
//! show what doc comments of options, codes and functions say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Findings;

/// What is retired, as words in lower case, and what to write.
const RETIRED: &[(&str, &str)] = &[
    ("tell", "report, show, say"),
    ("tells", "reports, shows, says"),
    ("told", "reported, shown, given"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("shall", "must, will"),
    ("look-alike", "emulator"),
    ("look-alikes", "emulators"),
    ("lane", "subtask"),
    ("lanes", "subtasks"),
    ("stray", "misrouted"),
    ("strays", "misrouted records"),
    ("bury", "send to the dead letters"),
    ("buried", "sent to the dead letters"),
    ("grave", "dead letters"),
    ("dice", "random number generator"),
    ("believed", "used"),
    ("examine", "check"),
    ("examines", "checks"),
    ("examination", "check"),
    ("so many times", "`n` times"),
    ("for ever", "forever, without end"),
    ("what becomes of", "what happens to"),
    ("as it were", "(nothing)"),
];

/// Finds retired words in what users read.
pub(crate) fn run(root: &Path) -> Findings {
    let mut files: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/peers/README.md", "benches/README.md"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    let is_page =
        |path: &Path| path.extension().is_some_and(|end| end == "md") && !path.starts_with(root.join("docs/decisions"));
    collect(&root.join("docs"), &is_page, &mut files)?;
    collect(&root.join("crates"), &is_source, &mut files)?;
    let mut findings = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let is_rust = file.extension().is_some_and(|end| end == "rs");
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for (number, line) in text.lines().enumerate() {
            if is_rust && line.trim_start().starts_with("mod tests") {
                break;
            }
            // A key that was renamed names what it was called before.
            if line.contains("x-former-name") {
                continue;
            }
            let seen = if is_rust { literals(line) } else { without(line, '`', '`') };
            for (word, instead) in found(&seen) {
                findings.push(format!("{name}:{}: `{word}` is retired; write: {instead}", number + 1));
            }
        }
    }
    Ok(findings)
}

/// Sources of the product, without files and crates of tests.
fn is_source(path: &Path) -> bool {
    let is_test = path.components().any(|part| {
        ["tests", "tests.rs", "pipectl-conformance"].contains(&part.as_os_str().to_str().unwrap_or_default())
    });
    path.extension().is_some_and(|end| end == "rs") && !is_test
}

fn collect(folder: &Path, wanted: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, wanted, files)?;
        } else if wanted(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// The text between the double quotes of a line of Rust; nothing of a comment. A string over several lines is seen only
/// where it opens or closes on the line, which is enough to find words.
fn literals(line: &str) -> String {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        return String::new();
    }
    let mut parts = line.split('"').peekable();
    // A line without a quote is code, or the middle of a string, which has no place for a semicolon at its end.
    if line.matches('"').count() == 0 {
        let is_code = ["(", "::", "=", "|", "&&", " % "].iter().any(|sign| line.contains(sign));
        let is_text = trimmed.contains(' ') && !is_code && !trimmed.ends_with([';', '{', '}', ',', '(', ')']);
        return if is_text { line.to_owned() } else { String::new() };
    }
    let mut text = String::new();
    parts.next();
    while let Some(inside) = parts.next() {
        // What stands in braces is a value, whatever its name is.
        text.push_str(&without(inside, '{', '}'));
        text.push('\n');
        parts.next();
    }
    text
}

/// A text without what stands between two signs.
fn without(text: &str, open: char, close: char) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, after)| after);
    }
    kept + rest
}

/// The retired words in a text.
fn found(text: &str) -> Vec<(&'static str, &'static str)> {
    let lower = text.to_lowercase();
    let is_word = |char: char| char.is_alphanumeric() || char == '-' || char == '_';
    RETIRED
        .iter()
        .filter(|(word, _)| {
            lower.match_indices(word).any(|(at, _)| {
                let before = lower[..at].chars().next_back().is_some_and(is_word);
                let after = lower[at + word.len()..].chars().next().is_some_and(is_word);
                !before && !after
            })
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_users_read_them() {
        let words = |text: &str| found(text).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        assert_eq!(words("It tells why. Tell it!"), ["tell", "tells"]);
        assert_eq!(words("intellect, retold, lane_count, a-lane"), Vec::<&str>::new());
        assert_eq!(words(&literals(r#"    told("x is told", value.tell()); // mend"#)), ["told"]);
        assert_eq!(words(&literals(r#"    format!("{told} is {lane}")"#)), Vec::<&str>::new());
        assert_eq!(words(&without("the option `strays` is a lane", '`', '`')), ["lane"]);
        assert_eq!(words(&literals("    // this tells why")), Vec::<&str>::new());
        assert_eq!(words(&literals("    self.tell(problem);")), Vec::<&str>::new());
    }

    #[test]
    fn nothing_that_users_read_has_a_retired_word() {
        assert_eq!(run(&crate::root()).expect("reads"), Vec::<String>::new());
    }
}
