//! The sources `file` and `tail` on files as they are found: bare names, rotation, rewriting, damage, runs one after
//! another.

use std::{fs, io::Write as _, path::Path, time::Duration};

use crate::support::{Lab, output::appender, run::Run, wait};

const SOON: Duration = Duration::from_secs(30);

/// A pipeline from one source, given as YAML, to the file `out.jsonl`.
fn spec(source: &str) -> String {
    format!(
        "
apiVersion: pipectl/v1
kind: Pipeline
metadata: {{ name: c }}
spec:
  checkpoint: {{ every: 200ms }}
  sources:
    r: {{ {source} }}
  sinks:
    out: {{ from: r, file: {{ path: out.jsonl }} }}
"
    )
}

/// The lines of text that were delivered, in order.
fn delivered(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.path("out.jsonl")).unwrap_or_default();
    let line = |row: &str| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap_or_else(|error| panic!("{error} in {row}"));
        row["line"].as_str().expect("a line").to_owned()
    };
    text.lines().map(line).collect()
}

fn append(path: &Path, text: &str) {
    appender(path).write_all(text.as_bytes()).expect("a file");
}

/// Starts `apply` and waits until so many lines were delivered.
fn start_until(lab: &Lab, count: usize) -> Run {
    let mut run = lab.start(&["apply", "spec.yaml"], &[]);
    wait_for(lab, &mut run, count);
    run
}

fn wait_for(lab: &Lab, run: &mut Run, count: usize) {
    wait::until(&format!("{count} lines"), SOON, || {
        assert!(run.ended().is_none(), "it ended: {}", run.stderr());
        let text = fs::read_to_string(lab.path("out.jsonl")).unwrap_or_default();
        (text.lines().count() >= count).then_some(())
    });
}

fn stop(run: Run) -> String {
    run.signal("TERM");
    run.finish_within(SOON).code(0).stderr
}

#[test]
fn patterns_in_the_current_folder_find_its_files() {
    for (path, expected) in [
        ("b.log", &["b"][..]),
        ("./b.log", &["b"]),
        ("*.log", &["b"]),
        ("./*.log", &["b"]),
        ("**/*.log", &["b", "a"]),
        ("./**/*.log", &["b", "a"]),
        ("logs/*.log", &["a"]),
        ("logs/../*.log", &["b"]),
        ("[b].log", &["b"]),
    ] {
        for source in [format!("file: {{ path: \"{path}\" }}"), format!("tail: {{ path: \"{path}\", until_idle: 1s }}")]
        {
            let lab = Lab::new();
            lab.write("b.log", "b\n");
            lab.write("logs/a.log", "a\n");
            lab.write("spec.yaml", spec(&source));
            lab.run(&["apply", "spec.yaml"]).code(0);
            let mut found = delivered(&lab);
            found.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{source}");
        }
    }
}

#[test]
fn what_matches_nothing_is_reported_with_its_folder() {
    let lab = Lab::new();
    lab.write("spec.yaml", spec("file: { path: \"in/*.log\" }"));
    let ran = lab.run(&["apply", "spec.yaml"]).code(0);
    let folder = fs::canonicalize(lab.path("")).expect("a folder").join("in");
    for expected in ["no file matches", "in/*.log", folder.to_str().expect("UTF-8")] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    let lab = Lab::new();
    lab.write("spec.yaml", spec("tail: { path: \"*.log\", poll: 50ms }"));
    let mut run = lab.start(&["apply", "spec.yaml"], &[]);
    let folder = fs::canonicalize(lab.path("")).expect("a folder");
    wait::until("the warning", SOON, || {
        let said = run.stderr();
        (said.contains("no file matches") && said.contains(folder.to_str().expect("UTF-8"))).then_some(())
    });
    append(&lab.path("late.log"), "1\n");
    wait_for(&lab, &mut run, 1);
    stop(run);
}

#[test]
fn a_log_without_a_folder_is_followed_through_rotations() {
    for by_copy in [false, true] {
        let lab = Lab::new();
        let (log, old) = (lab.path("app.log"), lab.path("app.log.1"));
        let rotate = || {
            if by_copy {
                fs::copy(&log, &old).expect("a copy");
                fs::write(&log, "").expect("a log");
            } else {
                fs::rename(&log, &old).expect("a rename");
            }
        };
        lab.write("spec.yaml", spec("tail: { path: app.log, poll: 100ms }"));
        append(&log, "l1\nl2\n");
        stop(start_until(&lab, 2));
        // Rotated between two runs.
        append(&log, "l3\nl4\n");
        rotate();
        append(&log, "n1\nn2\n");
        let mut run = start_until(&lab, 6);
        assert_eq!(delivered(&lab), ["l1", "l2", "l3", "l4", "n1", "n2"], "by copy: {by_copy}");
        // And while it runs.
        append(&log, "n3\n");
        rotate();
        append(&log, "m1\n");
        wait_for(&lab, &mut run, 8);
        let said = stop(run);
        assert_eq!(delivered(&lab)[6..], ["n3", "m1"], "by copy: {by_copy}\n{said}");
    }
}

#[test]
fn a_rewritten_file_that_begins_alike_is_read_from_its_start() {
    let joined = |lines: Vec<String>| lines.join("\n") + "\n";
    let blank = " ".repeat(10);
    let banner =
        joined((0..30).map(|line| format!("# banner line {line:02} of a program that starts{blank}")).collect());
    let written = |run: u32, length: usize, count: u32| {
        let events = (0..count).map(|number| format!("run {run} event number {number:03} {}", "x".repeat(length)));
        format!("{banner}{}", joined(events.collect()))
    };
    for while_running in [false, true] {
        let lab = Lab::new();
        let log = lab.path("logs/app.log");
        lab.write("spec.yaml", spec("tail: { path: logs/app.log, poll: 1s }"));
        lab.write("logs/app.log", written(1, 3, 20));
        let mut run = start_until(&lab, 50);
        if while_running {
            fs::write(&log, written(2, 33, 40)).expect("a log");
        } else {
            stop(run);
            fs::write(&log, written(2, 33, 40)).expect("a log");
            run = lab.start(&["apply", "spec.yaml"], &[]);
        }
        wait_for(&lab, &mut run, 50 + 70);
        let said = stop(run);
        let lines = delivered(&lab);
        let expected = written(1, 3, 20) + &written(2, 33, 40);
        assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "while it runs: {while_running}");
        assert!(said.contains("WARN") && said.contains("rewritten"), "{said}");
    }
}

#[test]
fn files_that_come_between_two_runs_are_read_whatever_their_names() {
    let lab = Lab::new();
    let rows = |name: &str, count: u32| {
        // Long enough for several blocks.
        let pad = "x".repeat(200);
        let rows = (0..count).map(|number| format!("{{\"f\":\"{name}\",\"n\":{number},\"pad\":\"{pad}\"}}\n"));
        rows.collect::<String>()
    };
    let spec =
        spec("file: { path: \"in/*.jsonl\" }, schema: { f: string, n: int64 }").replace("from: r", "from: q").replace(
            "  sinks:",
            "  processors:\n    q: { sql: \"SELECT f, n, left(sha256(repeat(f, 20000)), 4) AS h FROM r\" }\n  sinks:",
        );
    lab.write("spec.yaml", spec);
    lab.write("in/b.jsonl", rows("b", 60_000));
    lab.write("in/c.jsonl", rows("c", 3));
    let mut run = lab.start(&["apply", "spec.yaml"], &[]);
    wait_for(&lab, &mut run, 100);
    stop(run);
    lab.write("in/a.jsonl", rows("a", 5));
    lab.write("in/d.jsonl", rows("d", 7));
    append(&lab.path("in/b.jsonl"), &rows("more", 2));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let text = fs::read_to_string(lab.path("out.jsonl")).expect("rows");
    let mut found: Vec<(String, i64)> = text
        .lines()
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).expect("a row");
            (row["f"].as_str().expect("a name").to_owned(), row["n"].as_i64().expect("a number"))
        })
        .collect();
    found.sort();
    let expected = [("a", 5), ("b", 60_000), ("c", 3), ("d", 7), ("more", 2)];
    let expected: Vec<(String, i64)> =
        expected.iter().flat_map(|(name, count)| (0..*count).map(|number| ((*name).to_owned(), number))).collect();
    assert!(found == expected, "{} rows", found.len());
}

/// A link to the memory of the process that reads it: a file that can be opened, and not be read.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_stops_no_other() {
    let unreadable = |lab: &Lab, name: &str| {
        std::os::unix::fs::symlink("/proc/self/mem", lab.path(name)).expect("a link");
    };
    let lab = Lab::new();
    lab.write("spec.yaml", spec("tail: { path: \"logs/*.log\", poll: 100ms }"));
    append(&lab.write("logs/a.log", "1\n"), "2\n");
    let mut run = start_until(&lab, 2);
    unreadable(&lab, "logs/secret.log");
    wait::until("the warning", SOON, || run.stderr().contains("secret.log").then_some(()));
    append(&lab.path("logs/a.log"), "3\n");
    wait_for(&lab, &mut run, 3);
    // Once it can be read, it is.
    fs::remove_file(lab.path("logs/secret.log")).expect("a link");
    append(&lab.path("logs/secret.log"), "secret\n");
    wait_for(&lab, &mut run, 4);
    stop(run);
    assert_eq!(delivered(&lab), ["1", "2", "3", "secret"]);

    // In a bounded run the others are read; then it fails, and the next one reads what was missing.
    let lab = Lab::new();
    lab.write("spec.yaml", spec("file: { path: \"logs/*.log\" }"));
    lab.write("logs/a.log", "a\n");
    unreadable(&lab, "logs/b.log");
    lab.write("logs/c.log", "c\n");
    let ran = lab.run(&["apply", "spec.yaml"]);
    assert!(!matches!(ran.code, Some(0) | None), "{ran:?}");
    assert!(ran.stderr.contains("logs/b.log") && ran.stderr.contains("on_error: skip"), "{}", ran.stderr);
    fs::remove_file(lab.path("logs/b.log")).expect("a link");
    append(&lab.path("logs/b.log"), "b\n");
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(delivered(&lab), ["a", "c", "b"]);

    let lab = Lab::new();
    lab.write("spec.yaml", spec("file: { path: \"logs/*.log\", on_error: skip }"));
    lab.write("logs/a.log", "a\n");
    unreadable(&lab, "logs/b.log");
    let ran = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(ran.stderr.contains("logs/b.log"), "{}", ran.stderr);
    assert_eq!(delivered(&lab), ["a"]);
}

#[test]
fn gzip_with_padding_or_garbage_after_it_is_read() {
    let member = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("compresses");
        encoder.finish().expect("compresses")
    };
    let lab = Lab::new();
    lab.write("spec.yaml", spec("file: { path: \"*.log.gz\", format: text }"));
    lab.write("a.log.gz", [member("a\n"), vec![0; 512]].concat());
    lab.write("b.log.gz", [member("b\n"), b"garbage".to_vec()].concat());
    lab.write("c.log.gz", [member("c1\n"), vec![0; 100], member("c2\n")].concat());
    let ran = lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(delivered(&lab), ["a", "b", "c1", "c2"]);
    assert!(ran.stderr.contains("neither gzip nor padding"), "{}", ran.stderr);
}

#[test]
fn a_sink_does_not_write_into_what_is_read() {
    // What names alone do not show: a link.
    let lab = Lab::new();
    lab.write("in/a.log", "1\n2\n");
    std::os::unix::fs::symlink(lab.path("in/a.log"), lab.path("out.jsonl")).expect("a link");
    lab.write("spec.yaml", spec("file: { path: in/a.log }"));
    let ran = lab.run(&["apply", "spec.yaml", "--replace-output"]);
    assert!(!matches!(ran.code, Some(0) | None), "{ran:?}");
    assert!(ran.stderr.contains("out.jsonl") && ran.stderr.contains("reads"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(lab.path("in/a.log")).expect("the input"), "1\n2\n");

    let lab = Lab::new();
    lab.write("logs/a.log", "1\n");
    lab.write("other/out.log", "");
    std::os::unix::fs::symlink(lab.path("other/out.log"), lab.path("logs/out.log")).expect("a link");
    lab.write(
        "spec.yaml",
        spec("tail: { path: \"logs/*.log\", until_idle: 2s }").replace("out.jsonl", "other/out.log"),
    );
    let ran = lab.run(&["apply", "spec.yaml"]);
    assert!(!matches!(ran.code, Some(0) | None), "{ran:?}");
    assert!(ran.stderr.contains("out.log"), "{}", ran.stderr);
}

/// The rows of the dead letters.
fn dead(lab: &Lab) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(lab.path("out/c/dead-letters.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

#[test]
fn a_dead_letter_of_csv_is_the_row_as_it_was_read() {
    let lab = Lab::new();
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/inputs/columns-in-another-order.csv");
    let input = fs::read_to_string(input).expect("the input");
    lab.write("in.csv", &input);
    lab.write(
        "spec.yaml",
        spec("file: { path: in.csv, null: [\"\", NA] }, schema: { a: int64, b: string }")
            .replace("from: r", "from: q")
            .replace("  sinks:", "  processors:\n    q: { sql: \"SELECT * FROM r\" }\n  sinks:"),
    );
    lab.run(&["apply", "spec.yaml"]).code(0);
    let dead = dead(&lab);
    for row in &dead {
        let payload = row["payload"].as_str().expect("text");
        assert!(input.lines().any(|line| line == payload), "{payload} in\n{input}");
    }
    let of = |payload: &str| {
        let found = dead.iter().find(|row| row["payload"] == payload).unwrap_or_else(|| panic!("{payload}: {dead:?}"));
        found["message"].as_str().expect("a message").to_owned()
    };
    assert!(of("x,keepme,notanumber").contains("notanumber"));
    assert!(of("only,two").contains("found 2 fields, expected 3: b, extra, a"), "{}", of("only,two"));
}

#[test]
fn a_line_that_is_too_long_is_a_dead_letter_and_the_others_are_not() {
    let lab = Lab::new();
    lab.write("in.log", format!("one\n{}\ntwo\n", "x".repeat(3_000_000)));
    lab.write("spec.yaml", spec("file: { path: in.log, max_record: 1MiB }"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(delivered(&lab), ["one", "two"]);
    let dead = dead(&lab);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["payload"].as_str().map(str::len), Some(1024));
    assert!(dead[0]["message"].as_str().is_some_and(|message| message.contains("3000000 bytes")), "{dead:?}");
    assert_eq!(dead[0]["node"], "r");
}

#[test]
fn text_and_json_come_in_many_forms() {
    let lab = Lab::new();
    lab.write("in.log", b"caf\xe9\n");
    lab.write("spec.yaml", spec("file: { path: in.log, encoding: latin1 }"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(delivered(&lab), ["café"]);

    let lab = Lab::new();
    lab.write("in.json", "[\n  { \"line\": \"a\" },\n  {\n    \"line\": \"b]\"\n  }\n]\n");
    lab.write("spec.yaml", spec("file: { path: in.json, layout: array }"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(delivered(&lab), ["a", "b]"]);
    let lab = Lab::new();
    lab.write("spec.yaml", spec("stdin: { layout: concatenated }"));
    lab.run_with_input(&["apply", "spec.yaml"], "{\"line\":\"a\"}{\"line\":\n\"b\"}").code(0);
    assert_eq!(delivered(&lab), ["a", "b"]);
}

#[test]
fn gzip_with_padding_as_a_tool_wrote_it_is_read() {
    let lab = Lab::new();
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/inputs/zero-padded.log.gz");
    fs::copy(input, lab.path("in.log.gz")).expect("the input");
    lab.write("spec.yaml", spec("file: { path: in.log.gz, format: text }"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(!delivered(&lab).is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_that_is_written_and_read_by_two_names_is_refused() {
    let lab = Lab::new();
    lab.write("data/a.jsonl", "{\"a\":1}\n");
    std::os::unix::fs::symlink(lab.path("data"), lab.path("in")).expect("a link");
    let whole = fs::canonicalize(lab.path("data")).expect("a folder").display().to_string();
    for (read, sink) in [
        ("in/*.jsonl", "file: { path: data/b.jsonl }".to_owned()),
        ("data/*.jsonl", "file: { path: in/new/../b.jsonl }".to_owned()),
        ("data/*.jsonl", format!("file: {{ path: {whole}/b.jsonl }}")),
        ("data/*.jsonl", format!("table: {{ key: [a] }}, at: {whole}/b.jsonl")),
        ("data/**/*.jsonl", format!("object_store: {{}}, at: {whole}")),
        ("data/day-*.jsonl", "object_store: { prefix: day- }, at: in".to_owned()),
    ] {
        let (sink, at) = sink.split_once(", at: ").unwrap_or((&sink, ""));
        let binding = match sink.split(':').next() {
            Some("table") => format!("sqlite: {{ path: \"{at}\" }}"),
            Some("object_store") => format!("directory: {{ path: \"{at}\" }}"),
            _ => String::new(),
        };
        let binding = match binding.as_str() {
            "" => "  network: private\n".to_owned(),
            binding => format!("  sinks: {{ out: {{ {binding} }} }}\n"),
        };
        lab.write(
            "spec.yaml",
            format!(
                "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: c }}\nspec:\n  sources:\n    r: {{ file: {{ path: \"{read}\" }}, schema: {{ a: int64 }} }}\n  sinks:\n    out: {{ from: r, {sink} }}\n---\napiVersion: pipectl/v1\nkind: Environment\nmetadata: {{ name: e }}\nspec:\n{binding}"
            ),
        );
        let refused = lab.run(&["validate", "spec.yaml"]);
        assert!(refused.stderr.contains("PC0311"), "{read} {sink}: {} {}", refused.stdout, refused.stderr);
    }
}
