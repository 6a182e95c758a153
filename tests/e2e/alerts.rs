//! Alerts through the whole program: one message for each crossing and key, with the same ids in every run.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::support::{Lab, lab::edit};

const SPEC: &str = r#"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: stock }
spec:
  checkpoint: { every: 100ms }
  sources:
    levels:
      file: { path: 'levels-*.jsonl' }
      schema: { product: string!, stock: int64, at: timestamp! }
      time: { field: at, lateness: 15s }
  processors:
    low:
      from: levels
      alert:
        key: [product]
        fire: stock < 10
        resolve: stock >= 15
        message: "{product}: only {stock} left"
        send_resolved: true
    held: { from: levels, alert: { key: [product], fire: stock < 10, for: 30s, message: '{product} is low' } }
    urgent: { sql: "SELECT alert_id, alert_message, stock FROM low WHERE alert_state = 'firing' AND stock < 5" }
    per_day:
      sql: |
        SELECT alert_state, count(*) AS n FROM low GROUP BY alert_state, tumble(INTERVAL '1 day')
  sinks:
    messages: { from: low, file: { path: low.jsonl } }
    held_out: { from: held, file: { path: held.jsonl } }
    urgent_out: { from: urgent, file: { path: urgent.csv } }
    counts: { from: per_day, file: { path: counts.csv } }
"#;

/// The series of a value around its limit, of two products, not in the order of time.
const LEVELS: &str = r#"{"product":"tea","stock":12,"at":"2026-03-01T10:00:00Z"}
{"product":"tea","stock":11,"at":"2026-03-01T10:00:20Z"}
{"product":"tea","stock":9,"at":"2026-03-01T10:00:10Z"}
{"product":"jam","stock":4,"at":"2026-03-01T10:00:21Z"}
{"product":"tea","stock":8,"at":"2026-03-01T10:00:30Z"}
{"product":"tea","stock":15,"at":"2026-03-01T10:00:40Z"}
{"product":"tea","stock":null,"at":"2026-03-01T10:00:50Z"}
{"product":"tea","stock":3,"at":"2026-03-01T10:01:00Z"}
{"product":"jam","stock":3,"at":"2026-03-01T10:01:10Z"}
"#;

fn rows(lab: &Lab, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(lab.path(name)).expect(name);
    let mut rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    rows.sort_by_key(|row| (row["alert_at"].to_string(), row["product"].to_string()));
    rows
}

fn said(rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("null").to_owned();
    rows.iter()
        .map(|row| {
            format!("{} {} {}", &text(row, "alert_at")[11..19], text(row, "alert_state"), text(row, "alert_message"))
        })
        .collect()
}

const EXPECTED: [&str; 4] = [
    "10:00:10 firing tea: only 9 left",
    "10:00:21 firing jam: only 4 left",
    "10:00:40 resolved tea: only 15 left",
    "10:01:00 firing tea: only 3 left",
];

#[test]
fn one_message_for_each_crossing() {
    let lab = Lab::new();
    lab.write("stock.yaml", SPEC);
    lab.write("levels-1.jsonl", LEVELS);
    lab.run(&["apply", "stock.yaml"]).code(0);
    let low = rows(&lab, "low.jsonl");
    assert_eq!(said(&low), EXPECTED);
    assert_eq!(low[0]["alert_id"], low[2]["alert_id"]);
    assert_eq!(low.iter().map(|row| row["alert_id"].to_string()).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(low[1]["stock"], 4);
    // Only jam was low for half a minute; the message is about its newest record before.
    assert_eq!(said(&rows(&lab, "held.jsonl")), ["10:00:51 firing jam is low"]);
    let urgent = fs::read_to_string(lab.path("urgent.csv")).expect("rows");
    assert_eq!(urgent.lines().count(), 3, "{urgent}");
    let mut counts: Vec<String> =
        fs::read_to_string(lab.path("counts.csv")).expect("rows").lines().map(str::to_owned).collect();
    counts.sort();
    assert_eq!(counts, ["alert_state,n", "firing,3", "resolved,1"]);
}

#[test]
fn alerts_go_on_in_the_next_run_with_the_same_ids() {
    let whole = Lab::new();
    whole.write("stock.yaml", SPEC);
    whole.write("levels-1.jsonl", LEVELS);
    whole.run(&["apply", "stock.yaml"]).code(0);
    let lab = Lab::new();
    lab.write("stock.yaml", SPEC);
    let lines: Vec<&str> = LEVELS.lines().collect();
    for (number, part) in [&lines[..3], &lines[3..5], &lines[5..]].iter().enumerate() {
        lab.write(&format!("levels-{number}.jsonl"), part.join("\n") + "\n");
        lab.run(&["apply", "stock.yaml"]).code(0);
    }
    assert_eq!(rows(&lab, "low.jsonl"), rows(&whole, "low.jsonl"));
    assert_eq!(rows(&lab, "held.jsonl"), rows(&whole, "held.jsonl"));
}

/// A record of a later run that is older than the newest one before is not late while the records before it wait.
#[test]
fn records_wait_between_runs() {
    let lab = Lab::new();
    lab.write(
        "stock.yaml",
        edit(SPEC, &[("    low:\n      from: levels\n", "    low:\n      from: levels\n      at_end: keep\n")]),
    );
    let lines: Vec<&str> = LEVELS.lines().collect();
    for (number, part) in [&lines[..2], &lines[2..]].iter().enumerate() {
        lab.write(&format!("levels-{number}.jsonl"), part.join("\n") + "\n");
        lab.run(&["apply", "stock.yaml"]).code(0);
    }
    // The newest records still wait: the watermark is a quarter of a minute behind 10:01:10.
    assert_eq!(said(&rows(&lab, "low.jsonl")), EXPECTED[..3]);
    lab.write("levels-9.jsonl", "{\"product\":\"jam\",\"stock\":3,\"at\":\"2026-03-01T10:02:00Z\"}\n");
    lab.run(&["apply", "stock.yaml"]).code(0);
    assert_eq!(said(&rows(&lab, "low.jsonl")), EXPECTED);
}

#[test]
fn a_dry_run_shows_alerts_and_an_explanation_knows_them() {
    let lab = Lab::new();
    lab.write("stock.yaml", edit(SPEC, &[("lateness: 15s", "lateness: 1h")]));
    lab.write("levels-1.jsonl", LEVELS);
    let ran = lab.run(&["dry-run", "stock.yaml"]).code(0);
    assert!(ran.stdout.contains("tea: only 9 left"), "{}", ran.stdout);
}
