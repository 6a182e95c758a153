//! Each file of this folder is a broken spec with the errors that it must give inside, as comment lines:
//! `# error[PC0102] 7:5: unknown key …` (line and column of the place, then the title). All of them and no others.
//!
//! A line `# help: …` is a help that must be among those given.
//!
//! A file that cannot hold comments has its expectation in a sibling `NAME.expect`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pipectl_diag::{Diagnostic, Severity, SourceMap, codes};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/diagnostics")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of the cases")
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    cases.sort();
    cases
}

/// What the case says, each as `error[PC0102] 7:5: title`, in order.
fn expected(case: &Path) -> Vec<String> {
    let sibling = case.with_extension("expect");
    let text = fs::read(if sibling.exists() { &sibling } else { case }).expect("a readable case");
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches('#').trim())
        .filter(|line| line.starts_with("error[PC") || line.starts_with("warning[PC"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// What pipectl says.
fn found(case: &Path) -> Vec<String> {
    let registry = pipectl::registry();
    let (source, _) = pipectl::compile_files(&[case.to_path_buf()], None, &registry);
    let mut lines: Vec<String> = source.diagnostics.iter().map(|found| line(found, &source.map)).collect();
    lines.sort();
    lines
}

fn line(found: &Diagnostic, map: &SourceMap) -> String {
    let severity = if found.severity == Severity::Error { "error" } else { "warning" };
    let place = found.labels.iter().find(|label| label.primary).and_then(|label| map.locate(&label.place)).map_or_else(
        String::new,
        |span| {
            let (line, column) = map.file(span.file).line_column(span.start);
            format!("{line}:{column}: ")
        },
    );
    // A title that names the file does so as it was given; a case knows itself by its name only.
    let title = found.title.replace(&format!("{}/", folder().display()), "");
    format!("{severity}[{}] {place}{title}", found.code)
}

#[test]
fn every_case_gives_its_errors_and_no_others() {
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let (expected, found) = (expected(case), found(case));
        if expected.is_empty() {
            wrong.push(format!("{}: expects nothing", case.display()));
        }
        if expected != found {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            wrong.push(format!(
                "{name}\n  expected:\n    {}\n  found:\n    {}",
                expected.join("\n    "),
                found.join("\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 60, "only {} cases", cases.len());
}

#[test]
fn every_case_gives_the_help_that_it_names() {
    let registry = pipectl::registry();
    let mut count = 0;
    for case in cases() {
        let text = String::from_utf8_lossy(&fs::read(&case).expect("a readable case")).into_owned();
        let (source, _) = pipectl::compile_files(std::slice::from_ref(&case), None, &registry);
        let given: Vec<&String> = source.diagnostics.iter().flat_map(|found| &found.help).collect();
        for help in text.lines().filter_map(|line| line.strip_prefix("# help: ")) {
            assert!(given.iter().any(|given| *given == help), "{}: no help {help:?} in {given:#?}", case.display());
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} helps are held");
}

#[test]
fn every_code_has_a_case() {
    let reported: BTreeSet<String> = cases()
        .iter()
        .flat_map(|case| expected(case))
        .filter_map(|line| line.split_once('[')?.1.split_once(']').map(|(code, _)| code.to_owned()))
        .collect();
    // The family of commands has no spec to put into a file; tests/e2e runs the commands.
    let missing: Vec<&str> = codes::all()
        .map(pipectl_diag::Code::as_str)
        .filter(|code| !code.starts_with("PC08") && !reported.contains(*code))
        // Too large to keep in a file, the next test makes one; and of a build without a backend, where crates/pipectl tests it.
        .filter(|code| *code != "PC0003" && *code != "PC0706")
        .collect();
    assert!(missing.is_empty(), "no case for {}", missing.join(", "));
}

#[test]
fn a_file_that_is_too_large_for_a_spec_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.yaml");
    fs::write(&path, "# padding\n".repeat(1_100_000)).expect("a large file");
    let found = found(&path);
    assert!(matches!(found.as_slice(), [only] if only.starts_with("error[PC0003]")), "{found:?}");
}

#[test]
fn every_case_is_rendered_whole_in_every_format() {
    use pipectl_diag::{Format, RenderOptions, render};
    let registry = pipectl::registry();
    for case in cases() {
        let (source, _) = pipectl::compile_files(std::slice::from_ref(&case), None, &registry);
        for format in [Format::Text, Format::Json, Format::Sarif, Format::Github] {
            for color in [false, true] {
                let text = render(&source.diagnostics, &source.map, format, RenderOptions { color, width: 80 });
                let name = case.display();
                for problem in &source.diagnostics {
                    assert!(text.contains(problem.code.as_str()), "{name}: {} is not in\n{text}", problem.code);
                }
                match format {
                    Format::Json | Format::Sarif => is_json(&text, &name),
                    Format::Github => assert!(text.lines().all(|line| line.starts_with("::")), "{name}\n{text}"),
                    Format::Text => assert_eq!(text.contains('\u{1b}'), color, "{name}\n{text}"),
                }
            }
        }
    }
}

fn is_json(text: &str, name: &dyn std::fmt::Display) {
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        panic!("{name}: {error} in\n{text}");
    }
}
