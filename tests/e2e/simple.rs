//! Jobs without ceremony: event time on a source or a processor, totals of a file, input that is not there.

use crate::support::Lab;

/// A pipeline of this body to the file `out.jsonl`.
fn spec(body: &str) -> String {
    format!(
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: c }}\nspec:\n{body}  sinks:\n    out: {{ from: q, file: {{ path: out.jsonl }} }}\n"
    )
}

fn rows(lab: &Lab) -> Vec<String> {
    let text = std::fs::read_to_string(lab.path("out.jsonl")).unwrap_or_default();
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    // Groups are worked on side by side.
    rows.sort();
    rows
}

const HOURS: &str = "SELECT window_start, k, sum(v) AS v FROM FROM_WHERE GROUP BY k, tumble(INTERVAL '1 hour')";

#[test]
fn windows_need_no_stream() {
    let records = [
        ("a", "2026-01-01T10:05:00Z", 1),
        ("b", "2026-01-01T11:05:00Z", 2),
        ("a", "2026-01-01T10:59:59Z", 4),
        ("a", "2026-01-01T09:00:00Z", 8),
    ];
    let line = |(k, at, v): &(&str, &str, i64)| format!("{{\"k\":\"{k}\",\"at\":\"{at}\",\"v\":{v}}}\n");
    let lines = records.iter().map(line).collect::<Vec<_>>().concat();
    let expected = [
        r#"{"window_start":"2026-01-01T09:00:00Z","k":"a","v":8}"#,
        r#"{"window_start":"2026-01-01T10:00:00Z","k":"a","v":5}"#,
        r#"{"window_start":"2026-01-01T11:00:00Z","k":"b","v":2}"#,
    ];
    let on_source = format!(
        "  sources:\n    r: {{ file: {{ path: in.jsonl }}, schema: {{ k: string, at: timestamp, v: int64 }}, time: {{ field: at }} }}\n  processors:\n    q: {{ sql: \"{}\" }}\n",
        HOURS.replace("FROM_WHERE", "r")
    );
    let on_processor = format!(
        "  sources:\n    r: {{ file: {{ path: in.jsonl }}, schema: {{ k: string, at: string, v: int64 }} }}\n  processors:\n    p: {{ sql: \"SELECT k, v, CAST(at AS timestamp) AS moment FROM r\", time: {{ field: moment }} }}\n    q: {{ sql: \"{}\" }}\n",
        HOURS.replace("FROM_WHERE", "p")
    );
    for body in [on_source, on_processor] {
        let lab = Lab::new();
        lab.write("in.jsonl", &lines);
        lab.write("spec.yaml", spec(&body));
        lab.run(&["apply", "spec.yaml"]).code(0);
        assert_eq!(rows(&lab), expected, "{body}");
        // A later record of an hour that has closed is late, as behind a stream.
        lab.write("in.jsonl", format!("{lines}{{\"k\":\"b\",\"at\":\"2026-01-01T11:10:00Z\",\"v\":16}}\n"));
        let second = lab.run(&["apply", "spec.yaml"]).code(0);
        assert!(second.stderr.contains("not delivered: 1 record"), "{}", second.stderr);
    }
}

#[test]
fn a_bounded_input_can_be_grouped_without_a_window() {
    let lab = Lab::new();
    lab.write(
        "in/a.jsonl",
        "{\"k\":\"b\",\"v\":1}\n{\"k\":\"a\",\"v\":2}\n{\"k\":\"b\",\"v\":4}\n{\"k\":null,\"v\":8}\n",
    );
    let source = "  sources:\n    r: { file: { path: \"in/*.jsonl\" }, schema: { k: string, v: int64 } }\n";
    lab.write("spec.yaml", spec(&format!("{source}  processors:\n    q: {{ sql: \"SELECT k, count(*) AS n, sum(v) AS v FROM r GROUP BY k HAVING sum(v) > 2\" }}\n")));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(rows(&lab), [r#"{"k":"b","n":2,"v":5}"#, r#"{"k":null,"n":1,"v":8}"#]);
    // Each run gives the result of what it read.
    lab.write("in/b.jsonl", "{\"k\":\"b\",\"v\":16}\n");
    let second = lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(rows(&lab)[0], r#"{"k":"b","n":1,"v":16}"#, "{}", second.stderr);
    let third = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(third.stderr.contains("nothing new"), "{}", third.stderr);
    assert_eq!(rows(&lab).len(), 3);
    let lab = Lab::new();
    lab.write("in/a.jsonl", "{\"k\":\"b\",\"v\":1}\n{\"k\":\"a\",\"v\":2}\n");
    lab.write(
        "spec.yaml",
        spec(&format!(
            "{source}  processors:\n    q: {{ sql: \"SELECT max(v) AS v, count(DISTINCT k) AS ks FROM r\" }}\n"
        )),
    );
    let dry = lab.run(&["dry-run", "spec.yaml"]).code(0);
    assert!(dry.stdout.contains(r#"{"v":2,"ks":2}"#), "{}", dry.stdout);
    // Streams in between, and groups beyond the budget.
    lab.write(
        "spec.yaml",
        spec("  memory: 64MiB\n  sources:\n    r: { simulate: { model: sensors, rate: 1000, duration: 10s }, to: s }\n  streams:\n    s: { key: sensor_id }\n  processors:\n    q: { sql: \"SELECT count(*) AS n FROM s\" }\n"),
    );
    lab.run(&["apply", "spec.yaml"]);
    let many: Vec<String> = (0..400_000).map(|n| format!("{{\"k\":\"{n:0>150}\",\"v\":{n}}}\n")).collect();
    lab.write("in/a.jsonl", many.concat());
    lab.write(
        "spec.yaml",
        spec(&format!(
            "  memory: 64MiB\n{source}  processors:\n    q: {{ sql: \"SELECT k, count(*) AS n FROM r GROUP BY k\" }}\n"
        )),
    );
    let failed = lab.run(&["dry-run", "spec.yaml"]).code(3);
    assert!(failed.stderr.contains("the groups of `q` hold more than `memory: 64MiB`"), "{}", failed.stderr);
}

#[test]
fn a_named_input_that_is_not_there_is_reported_with_its_place() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: c }\nspec:\n  sources:\n    r: { file: { path: [in/none.jsonl, \"in/*.jsonl\"] }, schema: { a: int64 } }\n  sinks:\n    out: { from: r, file: { path: out.jsonl } }\n",
    );
    lab.run(&["validate", "spec.yaml"]).code(0);
    for verb in [
        &["apply", "spec.yaml"][..],
        &["dry-run", "spec.yaml"],
        &["compare", "spec.yaml", "--backends", "memory,kafka"],
    ] {
        let ran = lab.run(verb).code(1);
        for expected in ["no file `in/none.jsonl` in ", "PC0807", "spec.yaml:6:25"] {
            assert!(ran.stderr.contains(expected), "{verb:?} says not {expected}: {}", ran.stderr);
        }
    }
    assert!(!lab.path("out.jsonl").exists());
}

#[test]
fn a_dry_run_says_that_its_sources_ended_before_the_time_that_was_asked_for() {
    let lab = Lab::new();
    lab.write("in.jsonl", "{\"a\":1}\n");
    lab.write(
        "spec.yaml",
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: c }\nspec:\n  sources:\n    r: { file: { path: in.jsonl }, schema: { a: int64 } }\n  sinks:\n    out: { from: r, file: { path: out.jsonl } }\n",
    );
    let ran = lab.run(&["dry-run", "spec.yaml", "--until", "1d"]).code(0);
    assert!(ran.stderr.contains("ended before the time limit, 1d"), "{}", ran.stderr);
    let ran = lab.run(&["dry-run", "spec.yaml", "--rows", "0"]).code(0);
    assert!(!ran.stdout.contains("{\"a\""), "{}", ran.stdout);
}

#[test]
fn infer_reads_json_that_is_not_one_record_a_line() {
    let lab = Lab::new();
    let lines = lab.write("lines.jsonl", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2}\n");
    assert!(lines.exists());
    let expected = lab.run(&["infer", "lines.jsonl"]).code(0).stdout;
    for (name, text, layout) in [
        ("array.json", "[{\"a\":1,\"b\":\"x\"},\n{\"a\":2}]\n", "array"),
        ("mark.json", "\u{feff}[{\"a\":1,\"b\":\"x\"},{\"a\":2}]", "array"),
        ("pretty.json", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}\n{\n  \"a\": 2\n}\n", "concatenated"),
    ] {
        lab.write(name, text);
        let ran = lab.run(&["infer", name]).code(0);
        assert_eq!(ran.stdout, expected);
        assert!(ran.stderr.contains(&format!("`layout: {layout}`")), "{}", ran.stderr);
    }
}

#[test]
fn fmt_lays_out_what_it_is_given_and_nothing_else() {
    let lab = Lab::new();
    let untidy = "# Why.\napiVersion:   pipectl/v1\nkind: Pipeline\nmetadata: {name: c}\nspec:\n    sources:\n        r: {file: {path: in.jsonl}}   # here\n    sinks:\n        out: {from: r, stdout: {}}\n";
    let tidy = "# Why.\napiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: c }\nspec:\n  sources:\n    r: { file: { path: in.jsonl } } # here\n  sinks:\n    out: { from: r, stdout: {} }\n";
    lab.write("specs/a.yaml", untidy);
    lab.write("specs/b.yml", tidy);
    lab.write("specs/notes.txt", untidy);
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).expect("a file");
    let checked = lab.run(&["fmt", "--check", "specs"]).code(2);
    assert_eq!((checked.stdout.as_str(), read("specs/a.yaml").as_str()), ("specs/a.yaml\n", untidy));
    assert_eq!(lab.run(&["fmt", "specs"]).code(0).stdout, "specs/a.yaml\n");
    assert_eq!((read("specs/a.yaml").as_str(), read("specs/notes.txt").as_str()), (tidy, untidy));
    assert_eq!(lab.run(&["fmt", "--check", "specs"]).code(0).stdout, "");
    assert_eq!(lab.run_with_input(&["fmt", "-"], untidy).code(0).stdout, tidy);
    // What is not YAML stays as it is, and the others are still laid out.
    lab.write("specs/a.yaml", untidy);
    lab.write("specs/broken.yaml", "a: [1\nb: 2\n");
    let ran = lab.run(&["fmt", "specs"]).code(1);
    assert!(ran.stderr.contains("specs/broken.yaml:"), "{}", ran.stderr);
    assert_eq!((read("specs/a.yaml").as_str(), read("specs/broken.yaml").as_str()), (tidy, "a: [1\nb: 2\n"));
    assert_eq!(std::fs::read_dir(lab.path("specs")).expect("a folder").count(), 4, "nothing is left beside them");
}

/// Keys are spread over subtasks, and one that has none of them has no results and no event time.
#[test]
fn windows_over_results_that_have_a_time_of_their_own_close_while_records_come() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: c }\nspec:\n  checkpoint: { every: 200ms }\n  sources:\n    r: { tail: { path: in.jsonl, format: json, poll: 50ms }, schema: { k: string, at: timestamp }, time: { field: at, lateness: 0s, max_ahead: 9999d } }\n  processors:\n    minutes: { sql: \"SELECT k, window_start, count(*) AS n FROM r GROUP BY k, tumble(INTERVAL '1 minute')\", time: { field: window_start, lateness: 0s } }\n    hours: { sql: \"SELECT k, window_start AS hour, sum(n) AS n FROM minutes GROUP BY k, tumble(INTERVAL '1 hour')\" }\n  sinks:\n    out: { from: hours, file: { path: out.jsonl } }\n",
    );
    let line = |minute: u32| {
        let at = format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        ["a", "b"].map(|k| format!("{{\"k\":\"{k}\",\"at\":\"{at}\"}}\n")).concat()
    };
    lab.write("in.jsonl", (0..300).map(line).collect::<Vec<_>>().concat());
    let mut run = lab.start(&["apply", "spec.yaml"], &[]);
    crate::support::wait::until("the hours that are over", std::time::Duration::from_secs(30), || {
        assert!(run.ended().is_none(), "it ended: {}", run.stderr());
        (rows(&lab).len() >= 8).then_some(())
    });
    run.signal("TERM");
    run.finish_within(std::time::Duration::from_secs(30)).code(0);
    let expected: Vec<String> = (0..4)
        .flat_map(|hour| {
            ["a", "b"].map(|k| format!("{{\"k\":\"{k}\",\"hour\":\"2026-01-01T{hour:02}:00:00Z\",\"n\":60}}"))
        })
        .collect();
    let mut expected = expected;
    expected.sort();
    assert_eq!(rows(&lab), expected);
}

#[test]
fn totals_over_windows_that_are_kept_open_are_given_by_each_run() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    r: { file: { path: \"in/*.jsonl\" }, schema: { k: string, at: timestamp }, time: { field: at, lateness: 0s } }\n  processors:\n    w: { at_end: keep, sql: \"SELECT k, count(*) AS n FROM r GROUP BY k, tumble(INTERVAL '1 minute')\" }\n    q: { sql: \"SELECT k, sum(n) AS n FROM w GROUP BY k\" }\n"),
    );
    let record = |minute: u32| format!("{{\"k\":\"a\",\"at\":\"2026-01-01T10:{minute:02}:00Z\"}}\n");
    for (file, minutes, total) in [("a", 0..10, 9), ("b", 10..20, 10)] {
        lab.write(&format!("in/{file}.jsonl"), minutes.map(record).collect::<Vec<_>>().concat());
        lab.run(&["apply", "spec.yaml"]).code(0);
        assert!(rows(&lab).contains(&format!("{{\"k\":\"a\",\"n\":{total}}}")), "{:?}", rows(&lab));
    }
}
