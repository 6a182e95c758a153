//! A second `apply`: what is new is read, what was there is neither mixed nor removed, and the summary says what happened.

use std::{fs, time::Duration};

use crate::support::{
    Lab,
    output::{all_rows, files},
    sqlite, wait,
};

const SOON: Duration = Duration::from_secs(20);

fn spec(body: &str) -> String {
    format!("apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: c }}\nspec:\n{body}")
}

/// Counts per minute over a drop folder.
fn windows(time: &str, at_end: &str) -> String {
    spec(&format!(
        "  sources:\n    r: {{ file: {{ path: \"in/*.jsonl\" }}, to: s, schema: {{ k: string, t: timestamp }} }}\n  streams:\n    \
         s: {{ time: {{ field: t{time} }}, partitions: 1 }}\n  processors:\n    w:\n      sql: \"SELECT k, window_start, \
         count(*) AS n FROM s GROUP BY k, tumble(INTERVAL '1 minute')\"\n{at_end}  sinks:\n    out: {{ from: w, file: {{ \
         path: out.jsonl }} }}\n  dead_letters: {{ file: {{ path: dead.jsonl }} }}\n"
    ))
}

fn record(key: &str, time: &str) -> String {
    format!("{{\"k\":\"{key}\",\"t\":\"2026-01-01T{time}Z\"}}\n")
}

fn lines(lab: &Lab, file: &str) -> Vec<String> {
    fs::read_to_string(lab.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn standard_input_is_read_by_every_apply() {
    let lab = Lab::new();
    lab.write("spec.yaml", spec("  sources:\n    r: { stdin: { format: text } }\n  sinks:\n    out: { from: r, file: { path: out.jsonl } }\n"));
    for input in ["a\nb", "c\n", ""] {
        lab.run_with_input(&["apply", "spec.yaml"], input).code(0);
    }
    assert_eq!(lines(&lab, "out.jsonl"), ["{\"line\":\"a\"}", "{\"line\":\"b\"}", "{\"line\":\"c\"}"]);
    let nothing = lab.run_with_input(&["apply", "spec.yaml"], "").code(0);
    assert!(nothing.stderr.contains("nothing new to read"), "{}", nothing.stderr);
}

#[test]
fn a_drop_folder_is_read_file_by_file_and_closed_windows_stay_closed() {
    let lab = Lab::new();
    lab.write("spec.yaml", windows("", ""));
    lab.write("in/b.jsonl", record("x", "10:00:10") + &record("x", "10:05:00") + &record("y", "10:00:20"));
    let first = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(first.stderr.contains("everything is delivered"), "{}", first.stderr);
    let minutes = ["10:00:00\",\"n\":1", "10:00:00\",\"n\":1", "10:05:00\",\"n\":1"];
    let found = lines(&lab, "out.jsonl");
    assert!(found.len() == 3 && found.iter().zip(minutes).all(|(row, end)| row.contains(&end[..8])), "{found:?}");
    // Of a later run: for a closed window, for a window in between that nobody had filled, and for a new one.
    lab.write("in/c.jsonl", record("x", "10:00:30") + &record("z", "10:03:00") + &record("x", "10:06:00"));
    let second = lab.run(&["apply", "spec.yaml"]).code(0);
    let found = lines(&lab, "out.jsonl");
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[3].contains("10:06:00"), "{found:?}");
    let dead = lines(&lab, "dead.jsonl");
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead.iter().all(|letter| letter.contains("\"late\"") && letter.contains("at_end: keep")), "{dead:?}");
    assert!(second.stderr.contains("not delivered: 2 records") && second.stderr.contains("late"), "{}", second.stderr);
    let third = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(third.stderr.contains("nothing new to read"), "{}", third.stderr);
    assert_eq!(lines(&lab, "out.jsonl").len(), 4);
}

#[test]
fn windows_that_are_kept_open_take_the_records_of_later_runs() {
    let lab = Lab::new();
    lab.write("spec.yaml", windows(", lateness: 30s", "      at_end: keep\n"));
    lab.write("in/a.jsonl", record("x", "10:00:10") + &record("x", "10:01:10"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(lines(&lab, "out.jsonl").is_empty());
    lab.write("in/b.jsonl", record("x", "10:00:50") + &record("x", "10:02:00"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let found = lines(&lab, "out.jsonl");
    assert!(found.len() == 1 && found[0].contains("10:00:00") && found[0].contains("\"n\":2"), "{found:?}");
    // Without a lateness they would never close.
    lab.write("never.yaml", windows("", "      at_end: keep\n"));
    let refused = lab.run(&["validate", "never.yaml"]).code(1);
    assert!(refused.stderr.contains("PC0408") && refused.stderr.contains("lateness: 1h"), "{}", refused.stderr);
}

#[test]
fn a_source_that_is_given_more_goes_on() {
    let lab = Lab::new();
    let more = |records: u32| {
        spec(&format!(
            "  sources:\n    s: {{ simulate: {{ model: sensors, records: {records}, pace: fast, seed: 3 }} }}\n  sinks:\n    out: \
             {{ from: s, file: {{ path: out.jsonl }} }}\n"
        ))
    };
    lab.write("spec.yaml", more(100));
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab.write("spec.yaml", more(250));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let whole = Lab::new();
    whole.write("spec.yaml", more(250));
    whole.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "out.jsonl"), lines(&whole, "out.jsonl"));
    assert_eq!(lines(&lab, "out.jsonl").len(), 250);
}

#[test]
fn unsorted_files_lose_nothing_where_no_lateness_is_given() {
    let lab = Lab::new();
    lab.write("spec.yaml", windows("", ""));
    lab.write(
        "in/a.jsonl",
        record("x", "23:00:00") + &record("x", "01:00:00") + &record("y", "12:00:00") + &record("y", "00:00:00"),
    );
    let ran = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(ran.stderr.contains("everything is delivered"), "{}", ran.stderr);
    assert_eq!(lines(&lab, "out.jsonl").len(), 4);
    let dry = lab.run(&["dry-run", "spec.yaml", "--format", "json"]).code(0).json();
    assert_eq!(dry["sinks"]["out"]["total"], 4);
    // More windows than memory are refused with what to write.
    lab.write(
        "small.yaml",
        windows("", "").replace("spec:\n  sources", "spec:\n  memory: 1MiB\n  sources").replace("in/*", "many/*"),
    );
    let mut many = String::new();
    for second in 0..86_400 {
        many += &record(
            &format!("a key of some length {second}"),
            &format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60),
        );
    }
    lab.write("many/a.jsonl", many);
    let refused = lab.run(&["apply", "small.yaml", "--state", "small"]).code(1).stderr;
    assert!(refused.contains("--replace-output"), "{refused}");
    let failed = lab.run(&["apply", "small.yaml", "--state", "small", "--replace-output"]).code(3).stderr;
    assert!(failed.contains("lateness") && failed.contains("memory: 1MiB"), "{failed}");
}

/// A file, files under a prefix and a table.
fn three_outputs(records: u32) -> String {
    spec(&format!(
        "  checkpoint: {{ every: 100ms }}\n  sources:\n    s: {{ simulate: {{ model: sensors, devices: 5, records: {records}, pace: fast, seed: 3 \
         }} }}\n  sinks:\n    out: {{ from: s, file: {{ path: out.jsonl }} }}\n    lake: {{ from: s, object_store: {{ prefix: \
         \"lake/{{sensor_id}}/\" }} }}\n    tab: {{ from: s, table: {{ key: [sensor_id, timestamp] }} }}\n"
    ))
}

fn table_rows(lab: &Lab) -> usize {
    sqlite::dump(&lab.path("out/c/tables.sqlite")).iter().filter(|line| line.starts_with("tab: ")).count()
}

#[test]
fn output_of_earlier_runs_is_neither_mixed_nor_removed_unasked() {
    let lab = Lab::new();
    lab.write("spec.yaml", three_outputs(200));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let before = files(&lab.path("out"));
    let rows = table_rows(&lab);
    assert!(rows > 100, "{rows}");
    lab.write("spec.yaml", three_outputs(40));
    for again in [&["apply", "spec.yaml", "--fresh"][..], &["apply", "spec.yaml", "--state", "elsewhere"]] {
        let refused = lab.run(again).code(1);
        for word in ["out.jsonl", "lake/", "table `tab`", "--replace-output", "--keep-output"] {
            assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
        }
        assert!(files(&lab.path("out")) == before, "a refused run changed the output");
        assert_eq!(lines(&lab, "out.jsonl").len(), 200);
    }
    // Who was refused can go on from the checkpoint.
    lab.write("more.yaml", three_outputs(210));
    let goes_on = lab.run(&["apply", "more.yaml"]).code(0);
    assert!(goes_on.stderr.contains("10 records in"), "{}", goes_on.stderr);
    assert_eq!(lines(&lab, "out.jsonl").len(), 210);
    let kept = lab.run(&["apply", "spec.yaml", "--fresh", "--keep-output"]).code(0);
    assert!(kept.stderr.contains("everything is delivered"), "{}", kept.stderr);
    assert_eq!(lines(&lab, "out.jsonl").len(), 250);
    assert_eq!(all_rows(&lab.path("out/c/lake")).len(), 250);
    assert!(table_rows(&lab) >= rows);
    let replaced = lab.run(&["apply", "spec.yaml", "--fresh", "--replace-output"]).code(0);
    assert!(replaced.stderr.contains("lake/") && replaced.stderr.contains("removed"), "{}", replaced.stderr);
    assert_eq!(lines(&lab, "out.jsonl").len(), 40);
    assert_eq!(all_rows(&lab.path("out/c/lake")).len(), 40);
    assert_eq!(table_rows(&lab), 40);
    // And then it goes on as ever.
    lab.write("spec.yaml", three_outputs(90));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!((lines(&lab, "out.jsonl").len(), table_rows(&lab)), (90, 90));
}

#[test]
fn what_is_replaced_is_there_until_the_first_checkpoint() {
    let lab = Lab::new();
    lab.write("spec.yaml", three_outputs(200));
    lab.run(&["apply", "spec.yaml"]).code(0);
    // A run that never comes to a checkpoint, because its first takes place in a year, is killed.
    let slow = three_outputs(1_000_000)
        .replace("every: 100ms", "every: 365d")
        .replace("pace: fast", "pace: real, rate: 2000/s");
    lab.write("slow.yaml", slow);
    let run = lab.start(&["apply", "slow.yaml", "--fresh", "--replace-output"], &[]);
    wait::until("the start", SOON, || run.stderr().contains("starting").then_some(()));
    wait::pass(Duration::from_millis(500));
    assert!(run.kill().1);
    assert_eq!(lines(&lab, "out.jsonl").len(), 200);
    assert_eq!(all_rows(&lab.path("out/c/lake")).len(), 200);
    assert!(table_rows(&lab) > 100);
    // The next run need not be reported again.
    lab.write("spec.yaml", three_outputs(40));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "out.jsonl").len(), 40);
    assert_eq!(all_rows(&lab.path("out/c/lake")).len(), 40);
    assert_eq!(table_rows(&lab), 40);
}

#[test]
fn a_first_run_that_is_killed_before_its_first_checkpoint_needs_no_permission() {
    let lab = Lab::new();
    let slow = three_outputs(1_000_000)
        .replace("every: 100ms", "every: 365d")
        .replace("pace: fast", "pace: real, rate: 2000/s");
    lab.write("slow.yaml", slow);
    let run = lab.start(&["apply", "slow.yaml"], &[]);
    wait::until("rows", SOON, || lab.path("out/c/tables.sqlite").exists().then_some(()));
    wait::pass(Duration::from_millis(500));
    assert!(run.kill().1);
    lab.write("spec.yaml", three_outputs(40));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "out.jsonl").len(), 40);
}

#[test]
fn environments_have_output_folders_of_their_own() {
    let lab = Lab::new();
    lab.write("spec.yaml", three_outputs(20));
    lab.write("prod.yaml", "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: prod }\nspec: {}\n");
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab.write("other.yaml", three_outputs(30).replace("path: out.jsonl", "path: other.jsonl"));
    lab.run(&["apply", "other.yaml", "--env", "prod.yaml"]).code(0);
    assert_eq!(all_rows(&lab.path("out/c/lake")).len(), 20);
    assert_eq!(all_rows(&lab.path("out/c@prod/lake")).len(), 30);
}

#[test]
fn the_summary_says_what_was_not_delivered_and_ci_can_judge_it() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    r: { file: { path: in.jsonl }, schema: { a: int64! } }\n  processors:\n    q: { sql: \"SELECT 10 / a AS b FROM r\" }\n  sinks:\n    out: { from: q, file: { path: out.jsonl } }\n  dead_letters: { file: { path: dead.jsonl } }\n"),
    );
    lab.write("in.jsonl", "{\"a\":1}\n{\"a\":0}\n{\"a\":\"x\"}\n{\"a\":2}\n");
    for (limit, code) in [("2", 0), ("50%", 0), ("1", 3), ("49%", 3)] {
        let ran = lab.run(&["dry-run", "spec.yaml", "--max-dead-letters", limit]).code(code);
        assert_eq!(ran.stderr.contains("--max-dead-letters"), code == 3, "{}", ran.stderr);
    }
    let ran = lab.run(&["apply", "spec.yaml", "--max-dead-letters", "0"]).code(3);
    assert!(ran.stderr.contains("not delivered: 2 records"), "{}", ran.stderr);
    for word in ["decode", "evaluate", "dead.jsonl", "2 dead letters of 4 records read"] {
        assert!(ran.stderr.contains(word), "{word} in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("everything is delivered"), "{}", ran.stderr);
    // What is judged is this run.
    let again = lab.run(&["apply", "spec.yaml", "--max-dead-letters", "0"]).code(0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
}

#[test]
fn the_row_of_a_node_with_windows_adds_up() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    r: { file: { path: in.jsonl }, to: s, schema: { k: string, t: timestamp, i: int64 } }\n  streams:\n    s: { time: { field: t, lateness: 5s }, partitions: 1 }\n  processors:\n    w: { sql: \"SELECT k, sum(i) AS s FROM s GROUP BY k, tumble(INTERVAL '1 minute')\" }\n  sinks:\n    out: { from: w, file: { path: out.jsonl } }\n  dead_letters: { file: { path: dead.jsonl } }\n"),
    );
    let row = |key: &str, time: &str, value: &str| {
        format!("{{\"k\":\"{key}\",\"t\":\"2026-01-01T{time}Z\",\"i\":{value}}}\n")
    };
    let max = "9223372036854775807";
    lab.write(
        "in.jsonl",
        row("a", "10:00:00", max)
            + &row("a", "10:00:01", max)
            + &row("b", "10:00:02", "1")
            + &row("b", "10:02:00", "2")
            + &row("b", "10:00:03", "9"),
    );
    let ran = lab.run(&["apply", "spec.yaml", "--format", "json"]).code(0);
    let report = ran.json();
    let node =
        report["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["name"] == "w")).expect("w").clone();
    let count = |name: &str| node["counts"][name].as_u64().expect("a count");
    assert_eq!((count("in"), count("out"), count("dead_lettered"), count("dead_results")), (5, 2, 1, 1), "{node}");
    assert_eq!(count("in"), count("absorbed") + count("dead_lettered") + count("filtered"));
    assert_eq!(count("absorbed"), count("released"), "nothing is held after the end");
    let text = lab.run(&["dry-run", "spec.yaml"]).code(0).stdout;
    let row = text.lines().find(|line| line.starts_with("w ")).expect("a row").to_owned();
    assert!(row.split_whitespace().last() == Some("0"), "in flight: {row}");
}

#[test]
fn a_closed_or_full_standard_error_ends_no_run() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    s: { simulate: { model: sensors, records: 20000, pace: fast } }\n  sinks:\n    out: { from: s, file: { path: out.jsonl, mode: overwrite } }\n    shown: { from: s, stdout: {} }\n"),
    );
    let shell = |script: &str| lab.shell(script);
    let full = shell("\"$PIPECTL\" apply spec.yaml --fresh 2>/dev/full >/dev/null; echo code $?");
    assert!(full.contains("code 0"), "{full}");
    let closed = shell("\"$PIPECTL\" apply spec.yaml --fresh 2>&- >/dev/null; echo code $?");
    assert!(closed.contains("code 0"), "{closed}");
    let gone =
        shell("{ \"$PIPECTL\" apply spec.yaml --fresh 2>&1 >/dev/null; echo code $? >code; } | head -1; cat code");
    assert!(gone.contains("code 0"), "{gone}");
    let wrong = shell("\"$PIPECTL\" validate nope.yaml 2>/dev/full; echo code $?");
    assert!(wrong.contains("code 1") || wrong.contains("code 4"), "{wrong}");
    // Whoever reads the rows has enough: a quiet end.
    let head = shell(
        "{ \"$PIPECTL\" apply spec.yaml --fresh 2>err; echo code $? >code; } | head -1; cat code; grep -c error: err",
    );
    assert!(head.contains("sensor_id") && head.contains("code 0") && head.trim_end().ends_with('0'), "{head}");
}

#[test]
fn a_signal_that_is_sent_twice_at_once_drains_all_the_same() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    s: { simulate: { model: sensors, rate: 5000/s, pace: real } }\n  sinks:\n    out: { from: s, file: { path: out.jsonl } }\n"),
    );
    for signal in ["INT", "TERM", "INT"] {
        let run = lab.start(&["apply", "spec.yaml"], &[]);
        wait::until("the start", SOON, || {
            (run.stderr().contains("starting") || run.stderr().contains("resuming")).then_some(())
        });
        wait::pass(Duration::from_millis(100));
        run.signal(signal);
        run.signal(signal);
        let ran = run.finish_within(SOON).code(0);
        assert!(ran.stderr.contains("stopped"), "{}", ran.stderr);
    }
}

#[test]
fn a_quiet_log_closes_its_last_window_and_one_wrong_clock_makes_nobody_late() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  checkpoint: { every: 200ms }\n  sources:\n    r: { tail: { path: logs/a.jsonl, format: json, poll: 100ms }, to: s, schema: { k: string, t: timestamp }, idle_after: 500ms }\n  streams:\n    s: { time: { field: t, lateness: 0s }, partitions: 1 }\n  processors:\n    w: { sql: \"SELECT k, count(*) AS n FROM s GROUP BY k, tumble(INTERVAL '2 seconds')\" }\n  sinks:\n    out: { from: w, file: { path: out.jsonl } }\n  dead_letters: { file: { path: dead.jsonl } }\n"),
    );
    let text = record("x", "10:00:00.5") + "{\"k\":\"x\",\"t\":\"2999-01-01T00:00:00Z\"}\n" + &record("x", "10:00:01");
    lab.write("logs/a.jsonl", text);
    let run = lab.start(&["apply", "spec.yaml"], &[]);
    wait::until("the last window", SOON, || (lines(&lab, "out.jsonl").len() == 1).then_some(()));
    run.signal("TERM");
    run.finish_within(SOON).code(0);
    let found = lines(&lab, "out.jsonl");
    assert!(found.len() == 1 && found[0].contains("\"n\":2"), "{found:?}");
    let dead = lines(&lab, "dead.jsonl");
    assert!(dead.len() == 1 && dead[0].contains("too_far_ahead") && dead[0].contains("max_ahead"), "{dead:?}");
}

/// A window over the results of another one: the second has come as far as the results, not only as far as the records.
#[test]
fn a_window_over_windows_gives_no_second_row_in_a_later_run() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    r: { file: { path: \"in/*.jsonl\" }, to: s, schema: { k: string, t: timestamp } }\n  streams:\n    s: { time: { field: t }, partitions: 1 }\n  processors:\n    w1: { sql: \"SELECT k, count(*) AS n FROM s GROUP BY k, hop(INTERVAL '10 minutes', INTERVAL '1 hour')\" }\n    w2: { sql: \"SELECT window_start, sum(n) AS n FROM w1 GROUP BY tumble(INTERVAL '1 hour')\" }\n  sinks:\n    out: { from: w2, file: { path: out.jsonl } }\n"),
    );
    lab.write("in/a.jsonl", record("x", "10:55:00"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let first = lines(&lab, "out.jsonl");
    assert_eq!(first.len(), 2, "{first:?}");
    lab.write("in/b.jsonl", record("x", "11:30:00"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let all = lines(&lab, "out.jsonl");
    let starts: Vec<&str> = all.iter().filter_map(|row| row.split('"').nth(3)).collect();
    let mut once = starts.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), starts.len(), "a window has two rows: {all:?}");
}

#[test]
fn rows_of_other_columns_do_not_come_after_those_of_a_csv_file() {
    let lab = Lab::new();
    let query = |columns: &str| {
        spec(&format!(
            "  sources:\n    r: {{ file: {{ path: in.jsonl }}, schema: {{ a: int64, b: string }} }}\n  processors:\n    q: {{ sql: \"SELECT {columns} FROM r\" }}\n  sinks:\n    out: {{ from: q, file: {{ path: d.csv }} }}\n"
        ))
    };
    lab.write("in.jsonl", "{\"a\":1,\"b\":\"x\"}\n");
    lab.write("spec.yaml", query("a, b"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab.run(&["apply", "spec.yaml", "--fresh", "--keep-output"]).code(0);
    assert_eq!(lines(&lab, "d.csv"), ["a,b", "1,x", "1,x"]);
    lab.write("spec.yaml", query("b, a * 10 AS c"));
    let refused = lab.run(&["apply", "spec.yaml", "--fresh", "--keep-output"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("`a,b`"), "{}", refused.stderr);
    assert_eq!(lines(&lab, "d.csv"), ["a,b", "1,x", "1,x"]);
    // Nothing was forgotten either.
    lab.write("spec.yaml", query("a, b"));
    let again = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
    assert_eq!(lines(&lab, "d.csv"), ["a,b", "1,x", "1,x"]);
}

#[test]
fn records_that_are_late_for_some_of_their_windows_are_counted() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        spec("  sources:\n    r: { file: { path: \"in/*.jsonl\" }, to: s, schema: { k: string, t: timestamp } }\n  streams:\n    s: { time: { field: t }, partitions: 1 }\n  processors:\n    w: { sql: \"SELECT window_start, count(*) AS n FROM s GROUP BY hop(INTERVAL '10 minutes', INTERVAL '1 hour')\" }\n  sinks:\n    out: { from: w, file: { path: out.jsonl } }\n"),
    );
    lab.write("in/a.jsonl", record("x", "10:05:00"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab.write("in/b.jsonl", record("x", "10:15:00") + &record("x", "12:00:00"));
    let second = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(
        second.stderr.contains("not delivered: 1 record") && second.stderr.contains("partly_late"),
        "{}",
        second.stderr
    );
}
