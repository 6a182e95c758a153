//! What may change in a spec between two runs without losing state: the rows of the table in docs/state.md, one by one.

use std::{collections::BTreeMap, fs, time::Duration};

use crate::support::{
    Lab, edit,
    lab::repository,
    output::{all_rows, assert_same_rows, files},
    scrape::{self, Page},
    wait,
};

/// Two sources of orders, a windowed query with a number of aggregates, an alert and a function with state.
const SPEC: &str = r#"apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: shop }
spec:
  sources:
    orders: { file: { path: "in/*.jsonl" }, to: placed, schema: { id: int64, item: string, price: "decimal(10, 2)", at: timestamp } }
  streams:
    placed: { key: item, partitions: 3, time: { field: at, lateness: 10s } }
  processors:
    sales:
      sql: |
        SELECT item, window_start, count(*) AS n, sum(price) AS total, count(DISTINCT price) AS prices
        FROM placed WHERE price > 0 GROUP BY item, hop(INTERVAL '1 minute', INTERVAL '2 minutes')
      at_end: keep
    busy:
      from: placed
      alert: { key: [item], fire: "price >= 50", message: "{item} at {price}" }
      at_end: keep
  sinks:
    out: { from: sales, file: { path: out.jsonl } }
    alerts: { from: busy, file: { path: alerts.jsonl } }
  dead_letters: { file: { path: dead.jsonl } }
"#;

const ITEMS: usize = 23;

const SOON: Duration = Duration::from_secs(20);

/// Orders of some seconds, every second one of them, in disorder within the lateness.
fn orders(seconds: std::ops::Range<u32>) -> String {
    let order = |number: u32| {
        let second = number ^ 3;
        let (item, price) = (number as usize * 7 % ITEMS, 1 + number * 37 % 80);
        format!(
            "{{\"id\":{number},\"item\":\"i{item}\",\"price\":{price}.5,\"at\":\"2026-01-01T10:{:02}:{:02}Z\"}}\n",
            second / 60,
            second % 60
        )
    };
    seconds.map(order).collect()
}

fn lines(lab: &Lab, file: &str) -> Vec<String> {
    let mut lines: Vec<_> = fs::read_to_string(lab.path(file)).unwrap_or_default().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A lab in which the first half of the orders has been read with a spec; windows are open.
fn half(spec: &str) -> Lab {
    let lab = Lab::new();
    lab.write("spec.yaml", spec);
    lab.write("in/a.jsonl", orders(0..300));
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab
}

/// Reads the second half with another spec; answers what standard error says.
fn go_on(lab: &Lab, spec: &str, flags: &[&str]) -> String {
    lab.write("spec.yaml", spec);
    lab.write("in/b.jsonl", orders(300..600));
    let ran = lab.run(&[&["apply", "spec.yaml", "--format", "json"], flags].concat()).code(0);
    assert!(ran.stderr.contains("resuming"), "{}", ran.stderr);
    balances(&ran.json());
    ran.stderr
}

/// The summary adds up for every node, whatever was carried over, and no record is under way.
fn balances(report: &serde_json::Value) {
    let nodes = report["nodes"].as_array().expect("nodes");
    assert!(nodes.len() > 4, "{report}");
    for node in nodes {
        let count = |name: &str| node["counts"][name].as_u64().unwrap_or(0);
        let kept = if node["stateful"] == true { count("absorbed") } else { count("out") };
        let dead = count("dead_lettered") - count("dead_results");
        assert_eq!(count("in"), kept + count("filtered") + count("dropped_late") + dead, "{node}");
        assert!(count("released") <= count("absorbed"), "{node}");
    }
}

/// What a run over all orders at once gives with a spec.
fn undisturbed(spec: &str) -> Lab {
    let lab = Lab::new();
    lab.write("spec.yaml", spec);
    lab.write("in/a.jsonl", orders(0..300));
    lab.write("in/b.jsonl", orders(300..600));
    lab.run(&["apply", "spec.yaml"]).code(0);
    lab
}

/// After a change that keeps all state, what comes is what comes of a run that has had the new spec from the start.
fn keeps(changes: &[(&str, &str)]) {
    let changed = edit(SPEC, changes);
    let (lab, before, whole) = (half(SPEC), half(&changed), undisturbed(&changed));
    let first = ["out.jsonl", "alerts.jsonl"].map(|file| (file, lines(&lab, file)));
    go_on(&lab, &changed, &[]);
    for (file, mut expected) in first {
        let earlier = lines(&before, file);
        // A lateness that is longer makes rows come later.
        let is_new = |row: &String| !earlier.contains(row) && !expected.contains(row);
        let since: Vec<_> = lines(&whole, file).into_iter().filter(is_new).collect();
        assert!(expected.len() > ITEMS && since.len() > ITEMS, "{file}: {} and {}", expected.len(), since.len());
        expected.extend(since);
        expected.sort();
        assert_same_rows(&format!("{file} after {changes:?}"), &lines(&lab, file), &expected);
    }
    assert_eq!(lines(&lab, "dead.jsonl"), [""; 0], "{changes:?}");
}

/// A change that state does not survive: it is refused with these words, and nothing is touched; `flags` let it pass.
fn refuses(changes: &[(&str, &str)], words: &[&str], flags: &[&str]) -> Lab {
    let lab = half(SPEC);
    let before = [lines(&lab, "out.jsonl"), lines(&lab, "alerts.jsonl")];
    lab.write("spec.yaml", edit(SPEC, changes));
    lab.write("in/b.jsonl", orders(300..600));
    let refused = lab.run(&["apply", "spec.yaml"]).code(3);
    for words in words.iter().chain(&["undo the change"]) {
        assert!(refused.stderr.contains(words), "no {words:?} in\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    assert_eq!([lines(&lab, "out.jsonl"), lines(&lab, "alerts.jsonl")], before, "a refused start wrote something");
    go_on(&lab, &edit(SPEC, changes), flags);
    lab
}

const LINE: &str = "    out: { from: sales, file: { path: out.jsonl } }\n";

#[test]
fn a_sink_comes_and_goes() {
    let more = edit(SPEC, &[(LINE, &format!("{LINE}    more: {{ from: sales, file: {{ path: more.jsonl }} }}\n"))]);
    let lab = half(SPEC);
    let first = lines(&lab, "out.jsonl");
    go_on(&lab, &more, &[]);
    let whole = undisturbed(SPEC);
    let all = lines(&whole, "out.jsonl");
    assert_eq!(lines(&lab, "out.jsonl"), all);
    // The new one gets what comes from now on.
    let since: Vec<_> = all.into_iter().filter(|row| !first.contains(row)).collect();
    assert_eq!(lines(&lab, "more.jsonl"), since);
    // Everything is published, so that it can go again without a word.
    lab.write("spec.yaml", SPEC);
    lab.write("in/c.jsonl", orders(600..700));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "more.jsonl"), since);
    // It comes back, and finds its own output there: it is asked what becomes of it.
    lab.write("spec.yaml", more);
    lab.write("in/d.jsonl", orders(700..800));
    let refused = lab.run(&["apply", "spec.yaml"]).code(1);
    assert!(refused.stderr.contains("more: more.jsonl") && !refused.stderr.contains("out.jsonl"), "{}", refused.stderr);
    let outputs = [lines(&lab, "out.jsonl"), lines(&lab, "more.jsonl")];
    lab.run(&["apply", "spec.yaml", "--keep-output"]).code(0);
    let [out, kept] = ["out.jsonl", "more.jsonl"].map(|file| lines(&lab, file));
    assert!(outputs[1].iter().all(|row| kept.contains(row)) && kept.len() > outputs[1].len());
    assert_eq!(out.len() - outputs[0].len(), kept.len() - outputs[1].len());
    lab.run(&["apply", "spec.yaml"]).code(0);
}

#[test]
fn output_of_a_sink_that_comes_back_is_replaced_on_request() {
    let more = edit(SPEC, &[(LINE, &format!("{LINE}    more: {{ from: sales, file: {{ path: more.jsonl }} }}\n"))]);
    let lab = half(&more);
    go_on(&lab, SPEC, &[]);
    let first = lines(&lab, "out.jsonl");
    lab.write("spec.yaml", more);
    lab.write("in/c.jsonl", orders(600..700));
    lab.run(&["apply", "spec.yaml", "--replace-output"]).code(0);
    let since: Vec<_> = lines(&lab, "out.jsonl").into_iter().filter(|row| !first.contains(row)).collect();
    assert_eq!(lines(&lab, "more.jsonl"), since);
    assert!(!since.is_empty() && !first.is_empty());
}

#[test]
fn projection_having_late_policy_and_lateness_change() {
    keeps(&[("window_start, count(*) AS n", "window_start, window_end, count(*) * 2 AS twice")]);
    keeps(&[("INTERVAL '2 minutes')", "INTERVAL '2 minutes') HAVING count(*) > 1")]);
    keeps(&[
        ("at_end: keep\n    busy", "at_end: keep\n      late: drop\n    busy"),
        ("lateness: 10s", "lateness: 15s"),
    ]);
}

#[test]
fn aggregates_go_and_change_places() {
    keeps(&[(
        "count(*) AS n, sum(price) AS total, count(DISTINCT price) AS prices",
        "count(DISTINCT price) AS p, count(*) AS n",
    )]);
}

#[test]
fn other_nodes_come_in_between_and_beside() {
    keeps(&[
        ("FROM placed WHERE", "FROM known WHERE"),
        (
            "    sales:\n",
            "    known: { sql: \"SELECT *, upper(item) AS name FROM placed WHERE id >= 0\" }\n    sales:\n",
        ),
    ]);
    keeps(&[
        (
            "    busy:\n",
            "    each: { sql: \"SELECT item, count(*) AS n FROM placed GROUP BY item, tumble(INTERVAL '1 minute')\" }\n    busy:\n",
        ),
        (LINE, &format!("{LINE}    each_out: {{ from: each, file: {{ path: each.jsonl }} }}\n")),
    ]);
}

#[test]
fn what_an_alert_says_may_change_and_when_it_fires_may_not() {
    keeps(&[("message: \"{item} at {price}\"", "message: \"{item} at {price}\", silence: 1ms")]);
    let words = ["processor `busy`", "`fire` was \"price >= 50\" and is \"price >= 60\"", "--reset busy"];
    refuses(&[("price >= 50", "price >= 60")], &words, &["--reset", "busy"]);
}

#[test]
fn another_number_of_partitions_gives_the_same_rows() {
    for (before, between, after) in [(3, 1, 4), (1, 5, 2)] {
        let partitions = |number: u32| edit(SPEC, &[("partitions: 3", &format!("partitions: {number}"))]);
        let lab = half(&partitions(before));
        lab.write("spec.yaml", partitions(between));
        lab.write("in/ab.jsonl", orders(300..400));
        balances(&lab.run(&["apply", "spec.yaml", "--format", "json"]).code(0).json());
        lab.write("spec.yaml", partitions(after));
        lab.write("in/b.jsonl", orders(400..600));
        balances(&lab.run(&["apply", "spec.yaml", "--format", "json"]).code(0).json());
        let whole = undisturbed(SPEC);
        for file in ["out.jsonl", "alerts.jsonl", "dead.jsonl"] {
            assert_eq!(lines(&lab, file), lines(&whole, file), "{before}, {between}, {after}: {file}");
        }
    }
}

#[test]
fn windows_and_keys_of_another_kind_are_refused_with_the_difference() {
    let words = ["processor `sales`", "`size` was 2m and is 3m", "which holds", "--reset sales"];
    let lab = refuses(&[("INTERVAL '2 minutes'", "INTERVAL '3 minutes'")], &words, &["--reset", "sales"]);
    // Nothing else has lost anything.
    assert_eq!(lines(&lab, "alerts.jsonl"), lines(&undisturbed(SPEC), "alerts.jsonl"));
    refuses(&[("WHERE price > 0", "WHERE price > 5")], &["its WHERE"], &["--reset", "sales"]);
    refuses(&[("sum(price) AS total", "max(price) AS top")], &["`max(price)` is new"], &["--reset", "sales"]);
    refuses(&[("key: [item], fire", "key: [item, id], fire")], &["`key` was"], &["--reset", "busy"]);
}

#[test]
fn a_node_that_is_gone_is_dropped_only_on_request() {
    let without = [
        (
            "    busy:\n      from: placed\n      alert: { key: [item], fire: \"price >= 50\", message: \"{item} at {price}\" }\n      at_end: keep\n",
            "",
        ),
        ("    alerts: { from: busy, file: { path: alerts.jsonl } }\n", ""),
    ];
    let lab = refuses(&without, &["processor `busy` is gone", "--drop busy"], &["--drop", "busy"]);
    assert_eq!(lines(&lab, "out.jsonl"), lines(&undisturbed(SPEC), "out.jsonl"));
    // A name that is wrong is no permission.
    let wrong = lab.run(&["apply", "spec.yaml", "--drop", "sales"]).code(1);
    assert!(wrong.stderr.contains("still in the spec"), "{}", wrong.stderr);
    let wrong = lab.run(&["apply", "spec.yaml", "--reset", "busy"]).code(1);
    assert!(wrong.stderr.contains("no node of the spec"), "{}", wrong.stderr);
    // A new name is another node.
    refuses(
        &[("    sales:\n", "    sold:\n"), ("from: sales", "from: sold")],
        &["processor `sales` is gone"],
        &["--drop", "sales"],
    );
}

#[test]
fn a_source_comes_and_goes() {
    let second = "    more: { file: { path: \"also/*.jsonl\" }, to: placed, schema: { id: int64, item: string, price: \"decimal(10, 2)\", at: timestamp } }\n";
    let both = edit(SPEC, &[("  streams:\n", &format!("{second}  streams:\n"))]);
    let lab = half(SPEC);
    lab.write("also/x.jsonl", "{\"id\":9000,\"item\":\"only\",\"price\":7,\"at\":\"2026-01-01T10:09:00Z\"}\n");
    go_on(&lab, &both, &[]);
    lab.write("spec.yaml", SPEC);
    lab.write("in/c.jsonl", orders(600..900));
    let refused = lab.run(&["apply", "spec.yaml"]).code(3);
    assert!(
        refused.stderr.contains("source `more` is gone") && refused.stderr.contains("--drop more"),
        "{}",
        refused.stderr
    );
    lab.run(&["apply", "spec.yaml", "--drop", "more"]).code(0);
    let rows = lines(&lab, "out.jsonl");
    assert!(rows.iter().any(|row| row.contains("\"only\"")), "what came from it stays: {rows:?}");
}

#[test]
fn a_function_keeps_its_state_where_its_code_and_the_partitions_change() {
    let function = "    seen: { from: placed, function: { file: seen.py, key: [item], keep: [id, item], returns: { n: \"int64!\" } } }\n";
    let spec = |partitions: u32| {
        edit(
            SPEC,
            &[
                ("partitions: 3", &format!("partitions: {partitions}")),
                (
                    "  sinks:\n",
                    &format!("{function}  sinks:\n    seen_out: {{ from: seen, file: {{ path: seen.jsonl }} }}\n"),
                ),
            ],
        )
    };
    let code = |step: u32| {
        format!(
            "def process(record, context):\n    context.state['n'] = context.state.get('n', 0) + {step}\n    return {{'n': context.state['n']}}\n"
        )
    };
    let lab = Lab::new();
    for (number, (partitions, step)) in [(3, 1), (5, 100), (1, 10_000)].into_iter().enumerate() {
        lab.write("seen.py", code(step));
        lab.write("spec.yaml", spec(partitions));
        lab.write(&format!("in/{number}.jsonl"), orders(number as u32 * 100..number as u32 * 100 + 100));
        let report = lab.run(&["apply", "spec.yaml", "--format", "json"]).code(0);
        balances(&report.json());
    }
    // The newest count of each item says how often each version of the code has seen it.
    let mut newest = BTreeMap::new();
    for line in lines(&lab, "seen.jsonl") {
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        let count = newest.entry(row["item"].as_str().unwrap().to_owned()).or_insert(0);
        *count = row["n"].as_u64().unwrap().max(*count);
    }
    assert_eq!(newest.len(), ITEMS);
    let times = |numbers: std::ops::Range<usize>, item: usize| {
        numbers.filter(|number| number * 7 % ITEMS == item).count() as u64
    };
    for item in 0..ITEMS {
        let expected = times(0..100, item) + 100 * times(100..200, item) + 10_000 * times(200..300, item);
        assert_eq!(newest[&format!("i{item}")], expected, "i{item}");
    }
}

/// Raw records to an object store with a file for each prefix, with a checkpoint every 40 ms and never a full file.
fn raw(partitions: u32) -> String {
    let sinks = format!(
        "{LINE}    raw: {{ from: placed, object_store: {{ prefix: \"raw/{{item}}/\", flush: {{ every: 1h, size: 1GiB }} }} }}\n"
    );
    edit(
        SPEC,
        &[
            ("spec:\n  sources:", "spec:\n  checkpoint: { every: 40ms }\n  sources:"),
            ("partitions: 3", &format!("partitions: {partitions}")),
            (LINE, &sinks),
        ],
    )
}

fn ids(lab: &Lab) -> Vec<u64> {
    let rows = all_rows(&lab.path("out/shop/raw"));
    let id =
        |row: &String| serde_json::from_str::<serde_json::Value>(row).expect("JSON")["id"].as_u64().expect("an id");
    let mut ids: Vec<u64> = rows.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

/// Kills a run that waits for more input, once it has taken some checkpoints.
fn kill_with_open_files(lab: &Lab, spec: &str) {
    lab.write(
        "spec.yaml",
        edit(spec, &[("file: { path: \"in/*.jsonl\" }", "tail: { path: \"in/*.jsonl\", from: start, format: json }")]),
    );
    let before = lab.checkpoint("shop").map_or(0, |(id, _)| id);
    let run = lab.start(&["apply", "spec.yaml"], &[]);
    wait::until("some checkpoints", SOON, || lab.checkpoint("shop").filter(|(id, _)| *id > before + 4).map(|_| ()));
    let (said, hit) = run.kill();
    assert!(hit, "{said}");
}

#[test]
fn open_files_of_writers_that_are_no_more_are_taken_over() {
    let lab = Lab::new();
    let mut end = 0;
    for (number, partitions) in [4, 2, 5, 1, 3].into_iter().enumerate() {
        lab.write(&format!("in/{number}.jsonl"), orders(end..end + 120));
        end += 120;
        kill_with_open_files(&lab, &raw(partitions));
    }
    // The end delivers everything, each record once.
    let tail = edit(
        &raw(2),
        &[(
            "file: { path: \"in/*.jsonl\" }",
            "tail: { path: \"in/*.jsonl\", from: start, format: json, until_idle: 1s }",
        )],
    );
    lab.write("spec.yaml", tail);
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(ids(&lab), (0..u64::from(end)).collect::<Vec<_>>());
    assert_same_rows("windows", &lines(&lab, "out.jsonl"), &lines(&undisturbed(SPEC), "out.jsonl"));
}

#[test]
fn a_sink_with_unpublished_output_goes_only_on_request() {
    let lab = Lab::new();
    lab.write("in/a.jsonl", orders(0..120));
    kill_with_open_files(&lab, &raw(3));
    let without = edit(
        &raw(3),
        &[(
            "file: { path: \"in/*.jsonl\" }",
            "tail: { path: \"in/*.jsonl\", from: start, format: json, until_idle: 1s }",
        )],
    );
    let at = without.find("    raw: ").unwrap();
    let until = at + without[at..].find('\n').unwrap() + 1;
    lab.write("spec.yaml", without[..at].to_owned() + &without[until..]);
    let refused = lab.run(&["apply", "spec.yaml"]).code(3);
    let words = "`--drop raw` continues, and loses the records that `raw` has not published yet";
    assert!(refused.stderr.contains("sink `raw` is gone") && refused.stderr.contains(words), "{}", refused.stderr);
    assert!(ids(&lab).is_empty());
    lab.run(&["apply", "spec.yaml", "--drop", "raw"]).code(0);
}

#[test]
fn a_checkpoint_of_the_format_before_is_read_for_an_unchanged_spec() {
    let earlier = |file: &str| fs::read(repository().join("tests/e2e/inputs/checkpoint-format-1").join(file)).unwrap();
    let spec = String::from_utf8(earlier("spec.yaml")).unwrap();
    let lab = |spec: &str| {
        let lab = Lab::new();
        lab.write("spec.yaml", spec);
        lab.write("out.jsonl", "");
        lab
    };
    let more = edit(&spec, &[("records: 400", "records: 4000")]);
    let [old, whole] = [lab(&more), Lab::new()];
    for file in ["begun", "checkpoint-000000000001"] {
        old.write(&format!(".pipectl/earlier@default/{file}"), earlier(file));
    }
    old.write("spec.yaml", edit(&more, &[("partitions: 3", "partitions: 4")]));
    let refused = old.run(&["apply", "spec.yaml"]).code(3);
    for words in ["an earlier version of pipectl", "stream `placed`", "`fixed` was 3 and is 4"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    old.write("spec.yaml", &more);
    let refused = old.run(&["apply", "spec.yaml", "--reset", "each"]).code(3);
    assert!(refused.stderr.contains("without them"), "{}", refused.stderr);
    balances(&old.run(&["apply", "spec.yaml", "--format", "json"]).code(0).json());
    whole.write("spec.yaml", &more);
    whole.run(&["apply", "spec.yaml"]).code(0);
    assert_same_rows("windows", &lines(&old, "out.jsonl"), &lines(&whole, "out.jsonl"));
    assert!(lines(&whole, "out.jsonl").len() > 20);
    // From here on the spec may change.
    old.write("spec.yaml", edit(&more, &[("partitions: 3", "partitions: 4"), ("records: 4000", "records: 5000")]));
    old.run(&["apply", "spec.yaml"]).code(0);
}

#[test]
fn another_kind_of_node_or_event_time_is_another_node() {
    // The same name, and nothing else in common.
    let alert = "      from: placed\n      alert: { key: [item], fire: \"price >= 50\", message: \"{item} at {price}\" }\n      at_end: keep\n";
    let sql = "      sql: \"SELECT item, count(*) AS n FROM placed GROUP BY item, tumble(INTERVAL '1 hour')\"\n";
    let words = ["processor `busy` was of kind `alert` and is of kind `sql`", "--reset busy", "record"];
    refuses(&[(alert, sql)], &words, &["--reset", "busy"]);
    let words = ["source `orders` was of kind `file` and is of kind `tail`", "forgets how far `orders` was read"];
    let tail = (
        "file: { path: \"in/*.jsonl\" }",
        "tail: { path: \"in/*.jsonl\", from: start, format: json, until_idle: 300ms }",
    );
    refuses(&[tail], &words, &["--reset", "orders"]);
    // What was grouped by one time does not mix with another one.
    let words = [
        "stream `placed`: `time.field` was \"at\" and is \"paid\"",
        "processor `sales`: its event times are those of another field of `placed`",
        "processor `busy`: ",
    ];
    let flags = ["--reset", "placed", "--reset", "sales", "--reset", "busy"];
    let changes = [("at: timestamp }", "at: timestamp, paid: timestamp }"), ("field: at", "field: paid")];
    refuses(&changes, &words, &flags);
    // A sink of another kind is another sink; everything that the old one had is published.
    let lab = half(SPEC);
    let table = edit(
        SPEC,
        &[(
            "alerts: { from: busy, file: { path: alerts.jsonl } }",
            "alerts: { from: busy, table: { key: [alert_id] } }",
        )],
    );
    go_on(&lab, &table, &[]);
    assert_eq!(lines(&lab, "alerts.jsonl"), lines(&half(SPEC), "alerts.jsonl"));
}

#[test]
fn a_sink_that_writes_elsewhere_begins_there() {
    let elsewhere = edit(SPEC, &[("path: out.jsonl", "path: other.jsonl"), ("path: dead.jsonl", "path: gone.jsonl")]);
    let lab = half(SPEC);
    let first = lines(&lab, "out.jsonl");
    go_on(&lab, &elsewhere, &[]);
    let since = lines(&undisturbed(SPEC), "out.jsonl").into_iter().filter(|row| !first.contains(row));
    assert_same_rows("the other file", &lines(&lab, "other.jsonl"), &since.collect::<Vec<_>>());
    assert_eq!(lines(&lab, "out.jsonl"), first);
    // Where something is, somebody is asked.
    lab.write("spec.yaml", edit(SPEC, &[("path: out.jsonl", "path: theirs.jsonl")]));
    lab.write("theirs.jsonl", "{}\n");
    lab.write("in/c.jsonl", orders(600..700));
    let refused = lab.run(&["apply", "spec.yaml"]).code(1);
    assert!(
        refused.stderr.contains("out: theirs.jsonl") && !refused.stderr.contains("start over"),
        "{}",
        refused.stderr
    );
    assert_eq!(lines(&lab, "theirs.jsonl"), ["{}"]);
}

/// The spec with a source that waits for more, and checkpoints all the time.
fn waiting(changes: &[(&str, &str)]) -> String {
    edit(&edit(SPEC, &[("spec:\n  sources:", "spec:\n  checkpoint: { every: 40ms }\n  sources:")]), changes)
}

const ENDS: (&str, &str) =
    ("file: { path: \"in/*.jsonl\" }", "tail: { path: \"in/*.jsonl\", from: start, format: json, until_idle: 1s }");

#[test]
fn after_a_crash_no_file_is_taken_for_another_one() {
    let lab = Lab::new();
    lab.write("in/a.jsonl", orders(0..300));
    kill_with_open_files(&lab, &waiting(&[]));
    let theirs = "{\"theirs\":true}\n".repeat(5000);
    lab.write("theirs.jsonl", &theirs);
    let before = fs::read(lab.path("out.jsonl")).unwrap();
    lab.write("spec.yaml", waiting(&[("path: out.jsonl", "path: theirs.jsonl"), ENDS]));
    // Refused with and without a decision about the file: what the sink has written is not published yet.
    for flags in [&[][..], &["--keep-output"], &["--replace-output"]] {
        let refused = lab.run(&[&["apply", "spec.yaml"], flags].concat()).code(3);
        assert!(refused.stderr.contains("--reset out"), "{}", refused.stderr);
        assert_eq!(fs::read(lab.path("theirs.jsonl")).unwrap(), theirs.as_bytes());
        assert_eq!(fs::read(lab.path("out.jsonl")).unwrap(), before);
    }
    let refused = lab.run(&["apply", "spec.yaml", "--keep-output"]).code(3);
    assert!(refused.stderr.contains("sink `out` wrote to out.jsonl and writes to theirs.jsonl"), "{}", refused.stderr);
    // Without the change everything is there.
    lab.write("spec.yaml", waiting(&[ENDS]));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_same_rows("the rows", &lines(&lab, "out.jsonl"), &lines(&half(SPEC), "out.jsonl"));
}

#[test]
fn a_sink_that_never_had_a_checkpoint_may_not_write_where_nobody_has_looked() {
    let more = |path: &str| {
        let sink = format!("{LINE}    more: {{ from: placed, file: {{ path: {path} }} }}\n");
        let slow = ("spec:\n  sources:", "spec:\n  checkpoint: { every: 1h }\n  sources:");
        edit(SPEC, &[slow, (LINE, &sink)])
    };
    let tail = ("file: { path: \"in/*.jsonl\" }", "tail: { path: \"in/*.jsonl\", from: start, format: json }");
    // A sink that is new in the spec, and one that is there from the start.
    for (lab, flags, rows) in [(half(SPEC), &["--reset", "orders"][..], 100), (Lab::new(), &[], 100)] {
        lab.write("in/b.jsonl", orders(300..400));
        lab.write("spec.yaml", edit(&more("more.jsonl"), &[tail]));
        let run = lab.start(&[&["apply", "spec.yaml"], flags].concat(), &[]);
        let note = lab.path(".pipectl/shop@default/begun");
        let is_noted = || fs::read_to_string(&note).is_ok_and(|note| note.contains("more.jsonl")).then_some(());
        wait::until("what is decided about the sink", SOON, is_noted);
        assert!(run.kill().1);
        // As if it had come to writing.
        lab.write("more.jsonl", "{}\n");
        lab.write("theirs.jsonl", "{}\n");
        lab.write("spec.yaml", more("theirs.jsonl"));
        let refused = lab.run(&["apply", "spec.yaml"]).code(1);
        assert!(refused.stderr.contains("more: theirs.jsonl"), "{}", refused.stderr);
        // The one that it has begun is its own.
        lab.write("spec.yaml", more("more.jsonl"));
        lab.run(&["apply", "spec.yaml"]).code(0);
        assert_eq!(lines(&lab, "more.jsonl").len(), rows);
        assert_eq!(lines(&lab, "theirs.jsonl"), ["{}"]);
    }
}

#[test]
fn numbers_of_files_are_never_given_twice_in_a_folder() {
    let at = |prefix: &str| {
        let sink = format!("{LINE}    raw: {{ from: placed, object_store: {{ prefix: \"{prefix}/\" }} }}\n");
        edit(SPEC, &[("partitions: 3", "partitions: 1"), (LINE, &sink)])
    };
    let without = edit(SPEC, &[("partitions: 3", "partitions: 1")]);
    let lab = Lab::new();
    let mut end = 0;
    let mut go = |spec: &str, flags: &[&str]| {
        lab.write("spec.yaml", spec);
        lab.write(&format!("in/{end}.jsonl"), orders(end..end + 20));
        end += 20;
        lab.run(&[&["apply", "spec.yaml"], flags].concat())
    };
    go(&at("raw/x"), &[]).code(0);
    go(&at("raw/x"), &[]).code(0);
    go(&without, &[]).code(0);
    go(&at("raw/y"), &[]).code(0);
    let refused = go(&at("raw/x"), &[]).code(1);
    assert!(refused.stderr.contains("raw: "), "{}", refused.stderr);
    go(&at("raw/x"), &["--keep-output"]).code(0);
    // The orders that came while there was no such sink are nowhere, all others once.
    let expected: Vec<u64> = (0..u64::from(end)).filter(|id| !(40..60).contains(id)).collect();
    assert_eq!(ids(&lab), expected);
}

#[test]
fn a_file_of_csv_has_one_header() {
    let csv = |columns: &str, path: &str| {
        let query = format!("window_start, {columns}");
        edit(SPEC, &[("path: out.jsonl", path), ("window_start, count(*) AS n", &query)])
    };
    let lab = half(&csv("count(*) AS n", "path: out.csv"));
    let before = fs::read_to_string(lab.path("out.csv")).unwrap();
    assert!(before.starts_with("item,window_start,n,total"), "{before}");
    lab.write("in/b.jsonl", orders(300..600));
    lab.write("spec.yaml", csv("window_end, count(*) AS n", "path: out.csv"));
    let refused = lab.run(&["apply", "spec.yaml"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("rows with the columns"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(lab.path("out.csv")).unwrap(), before);
    lab.write("spec.yaml", csv("window_end, count(*) AS n", "path: after.csv"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    // Nor do rows of another format follow.
    lab.write("in/c.jsonl", orders(600..700));
    lab.write("spec.yaml", csv("window_end, count(*) AS n", "path: after.csv, format: json"));
    let refused = lab.run(&["apply", "spec.yaml"]);
    assert!(refused.stderr.contains("was written as") && refused.code != Some(0), "{}", refused.stderr);
}

#[test]
fn a_flag_is_about_one_pipeline() {
    let lab = Lab::new();
    let other = |name: &str| {
        edit(
            SPEC,
            &[
                ("name: shop", &format!("name: {name}")),
                ("out.jsonl", &format!("{name}.jsonl")),
                ("alerts.jsonl", &format!("{name}-a.jsonl")),
                ("dead.jsonl", &format!("{name}-d.jsonl")),
            ],
        )
    };
    for name in ["one", "two"] {
        lab.write(&format!("{name}.yaml"), other(name));
    }
    lab.write("in/a.jsonl", orders(0..300));
    lab.run(&["apply", "one.yaml", "two.yaml"]).code(0);
    lab.write("in/b.jsonl", orders(300..600));
    lab.write("one.yaml", edit(&other("one"), &[("INTERVAL '2 minutes'", "INTERVAL '3 minutes'")]));
    let unclear = lab.run(&["apply", "one.yaml", "two.yaml", "--reset", "sales"]).code(1);
    assert!(unclear.stderr.contains("as in `--reset one/sales`"), "{}", unclear.stderr);
    lab.run(&["apply", "one.yaml", "two.yaml", "--reset", "one/sales"]).code(0);
    assert_same_rows("the other pipeline", &lines(&lab, "two.jsonl"), &lines(&undisturbed(SPEC), "out.jsonl"));
}

#[test]
fn a_source_that_is_reset_is_read_again_by_all_that_is_reset_with_it() {
    let lab = half(SPEC);
    let all: Vec<&str> = ["orders", "placed", "sales", "busy"].iter().flat_map(|node| ["--reset", *node]).collect();
    lab.write("in/b.jsonl", orders(300..600));
    let report = lab.run(&[&["apply", "spec.yaml", "--format", "json"], all.as_slice()].concat()).code(0).json();
    balances(&report);
    let late: u64 =
        report["nodes"].as_array().unwrap().iter().map(|node| node["counts"]["late"].as_u64().unwrap()).sum();
    assert_eq!(late, 0, "{report}");
    let whole = lines(&undisturbed(SPEC), "out.jsonl");
    let found = lines(&lab, "out.jsonl");
    assert!(whole.iter().all(|row| found.contains(row)));
}

#[test]
fn counts_of_a_node_that_gets_state_begin_anew_and_what_it_held_is_told_right() {
    let known = "    known: { sql: \"SELECT * FROM placed WHERE price > 40\" }\n    sales:\n";
    let counted = "    known: { sql: \"SELECT item, count(*) AS n FROM placed GROUP BY item, tumble(INTERVAL '1 minute')\" }\n    sales:\n";
    let sink = format!("{LINE}    known_out: {{ from: known, file: {{ path: known.jsonl }} }}\n");
    let with = |known: &str| edit(SPEC, &[("    sales:\n", known), (LINE, &sink)]);
    let lab = half(&with(known));
    go_on(&lab, &with(counted), &[]);

    let lab = Lab::new();
    for (number, partitions) in [4, 2, 5, 2].into_iter().enumerate() {
        lab.write("spec.yaml", edit(SPEC, &[("partitions: 3", &format!("partitions: {partitions}"))]));
        lab.write(&format!("in/{number}.jsonl"), orders(number as u32 * 60..number as u32 * 60 + 60));
        lab.run(&["apply", "spec.yaml"]).code(0);
    }
    let report = lab.run(&["apply", "spec.yaml", "--format", "json"]).code(0).json();
    let busy = report["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "busy").unwrap();
    let held = busy["counts"]["absorbed"].as_u64().unwrap() - busy["counts"]["released"].as_u64().unwrap();
    lab.write("spec.yaml", edit(SPEC, &[("partitions: 3", "partitions: 2"), ("price >= 50", "price >= 60")]));
    let refused = lab.run(&["apply", "spec.yaml"]).code(3);
    assert!(held > 1 && refused.stderr.contains(&format!("which holds {held} records")), "{held}: {}", refused.stderr);
}

/// Input for the file sinks of more than they write at a time.
fn many(numbers: std::ops::Range<u32>) -> String {
    let record = |number: u32| {
        format!("{{\"id\":{number},\"item\":\"i{}\",\"price\":1.5,\"at\":\"2026-01-01T11:00:00Z\"}}\n", number % 7)
    };
    numbers.map(record).collect()
}

/// All records to a file, with a checkpoint each hour.
fn copies(path: &str) -> String {
    let sink = format!("{LINE}    copy: {{ from: placed, file: {{ path: {path} }} }}\n");
    edit(SPEC, &[("spec:\n  sources:", "spec:\n  checkpoint: { every: 1h }\n  sources:"), (LINE, &sink)])
}

const WAITS: (&str, &str) =
    ("file: { path: \"in/*.jsonl\" }", "tail: { path: \"in/*.jsonl\", from: start, format: json }");

#[test]
fn a_kill_before_the_first_checkpoint_of_a_later_run_leaves_no_trace_in_a_file() {
    let waits = edit(&copies("copy.jsonl"), &[WAITS]);
    let ends = edit(&copies("copy.jsonl"), &[ENDS]);
    let lab = Lab::new();
    lab.write("spec.yaml", &ends);
    lab.write("in/a.jsonl", orders(0..300));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let before = fs::read(lab.path("copy.jsonl")).unwrap();
    lab.write("in/b.jsonl", many(300..30_000));
    lab.write("spec.yaml", &waits);
    let mut run = lab.start(&["apply", "spec.yaml", "--metrics", "127.0.0.1:0"], &[]);
    let address = scrape::address(&mut run);
    let copied =
        || (Page::get(address).node("pipectl_node_records_out_total", "shop", "copy") >= 29_700.0).then_some(());
    wait::until("everything to be with the sink", SOON, copied);
    assert!(run.kill().1);
    assert_eq!(fs::read(lab.path("copy.jsonl")).unwrap(), before, "nothing is in the file before a checkpoint");
    // And each record comes once.
    lab.write("spec.yaml", &ends);
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "copy.jsonl").len(), 30_000);
}

#[test]
fn a_file_of_the_same_name_in_another_folder_is_another_file() {
    let lab = Lab::new();
    lab.write("in/a.jsonl", orders(0..300));
    kill_with_open_files(&lab, &waiting(&[]));
    let theirs = "{\"theirs\":true}\n".repeat(5000);
    let before = fs::read(lab.path("out.jsonl")).unwrap();
    assert!(!before.is_empty());
    lab.write("out.jsonl", &theirs);
    lab.write("spec.yaml", waiting(&[ENDS]));
    let refused = lab.run(&["apply", "spec.yaml"]);
    assert!(
        refused.code == Some(4) && refused.stderr.contains("something else than this pipeline wrote"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(lab.path("out.jsonl")).unwrap(), theirs.as_bytes());
    // Both ways that it names lead on.
    lab.write("out.jsonl", &before);
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_same_rows("restored", &lines(&lab, "out.jsonl"), &lines(&half(SPEC), "out.jsonl"));
    lab.write("out.jsonl", &theirs);
    lab.write("in/b.jsonl", orders(300..600));
    lab.run(&["apply", "spec.yaml", "--reset", "out", "--keep-output"]).code(0);
    assert!(lines(&lab, "out.jsonl").len() > 5000);
}

#[test]
fn what_is_to_be_replaced_follows_the_place_and_not_the_name() {
    for first in [true, false] {
        let lab = if first { Lab::new() } else { half(SPEC) };
        lab.write("precious.jsonl", "{}\n");
        lab.write("in/b.jsonl", orders(300..400));
        lab.write("spec.yaml", edit(&copies("precious.jsonl"), &[WAITS]));
        let reset: &[&str] = if first {
            &[]
        } else {
            &["--reset", "orders", "--reset", "placed", "--reset", "sales", "--reset", "busy"]
        };
        let run = lab.start(&[&["apply", "spec.yaml", "--replace-output"], reset].concat(), &[]);
        let note = lab.path(".pipectl/shop@default/begun");
        let is_noted = || fs::read_to_string(&note).is_ok_and(|note| note.contains("precious")).then_some(());
        wait::until("what is decided about the sink", SOON, is_noted);
        assert!(run.kill().1);
        // It writes elsewhere after all: nothing there is replaced, also not for the sake of another sink.
        lab.write("spec.yaml", copies("elsewhere.jsonl"));
        lab.run(&["apply", "spec.yaml"]).code(0);
        assert_eq!(lines(&lab, "precious.jsonl"), ["{}"], "{first}");
        lab.write("other.jsonl", "{}\n");
        lab.write("in/c.jsonl", orders(400..500));
        let sink = format!("{LINE}    other: {{ from: placed, file: {{ path: other.jsonl }} }}\n");
        lab.write("spec.yaml", edit(&copies("elsewhere.jsonl"), &[(LINE, &sink)]));
        lab.run(&["apply", "spec.yaml", "--replace-output"]).code(0);
        assert_eq!(lines(&lab, "precious.jsonl"), ["{}"], "{first}");
        assert_eq!(lines(&lab, "other.jsonl").len(), 100);
    }
}

#[test]
fn a_sink_that_is_reset_writes_nothing_before_a_checkpoint_knows_so() {
    let lab = Lab::new();
    lab.write("in/a.jsonl", orders(0..300));
    let with = |change: (&str, &str)| edit(&copies("copy.jsonl, mode: overwrite"), &[change]);
    lab.write("spec.yaml", with(ENDS));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let before = fs::read(lab.path("copy.jsonl")).unwrap();
    lab.write("in/b.jsonl", many(300..30_000));
    lab.write("spec.yaml", with(WAITS));
    let mut run = lab.start(&["apply", "spec.yaml", "--reset", "copy", "--metrics", "127.0.0.1:0"], &[]);
    let address = scrape::address(&mut run);
    let copied =
        || (Page::get(address).node("pipectl_node_records_out_total", "shop", "copy") >= 29_700.0).then_some(());
    wait::until("everything to be with the sink", SOON, copied);
    assert!(run.kill().1);
    assert_eq!(fs::read(lab.path("copy.jsonl")).unwrap(), before);
    lab.write("spec.yaml", with(ENDS));
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "copy.jsonl").len(), 30_000);
}

#[test]
fn names_of_files_in_an_object_store_are_a_place_too() {
    let named = |name: &str| {
        let sink = format!("{LINE}    raw: {{ from: placed, object_store: {{ prefix: raw/, file_name: {name} }} }}\n");
        edit(SPEC, &[("partitions: 3", "partitions: 1"), (LINE, &sink)])
    };
    let lab = half(&named("a"));
    let file = files(&lab.path("out/shop/raw")).into_keys().next().unwrap();
    lab.write(&format!("out/shop/raw/{}", file.replacen('a', "b", 1)), "theirs");
    lab.write("in/b.jsonl", orders(300..400));
    lab.write("spec.yaml", named("b"));
    let refused = lab.run(&["apply", "spec.yaml"]).code(1);
    assert!(refused.stderr.contains("raw: "), "{}", refused.stderr);
}

#[test]
fn records_that_are_read_again_do_not_count_twice_unasked() {
    let lab = half(SPEC);
    lab.write("in/b.jsonl", orders(300..600));
    let refused = lab.run(&["apply", "spec.yaml", "--reset", "orders"]).code(3);
    let words = "processor `sales`: `orders` is read again, and its records would count twice";
    assert!(refused.stderr.contains(words) && refused.stderr.contains("--reset busy"), "{}", refused.stderr);
}
