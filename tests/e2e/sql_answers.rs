//! What SQL answers at the edges of its types, through the whole program: what it cannot answer is a dead letter in every
//! sink alike, and what it can is the same in all of them.

use crate::support::{Lab, sqlite};

/// As reported: 1e308 times ten was null in JSON, infinite in SQLite, NaN in Parquet.
const OVERFLOW: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: c }
spec:
  sources:
    r: { file: { path: ./in.jsonl }, schema: { k: string, f: float64 } }
  processors:
    q: { sql: 'SELECT k, f*10 AS m, f*10 - f*10 AS n, f + f AS a, f*10 > 1 AS big, CAST(f*10 AS string) AS t, round(f, 2) AS r, coalesce(f*10, 0.0) AS c FROM r' }
  sinks:
    out: { from: q, file: { path: ./out.jsonl } }
    csv: { from: q, file: { path: ./out.csv } }
    tab: { from: q, table: { key: [k] } }
  dead_letters: { file: { path: ./dead.jsonl } }
";

#[test]
fn floats_out_of_range_are_dead_letters() {
    let lab = Lab::new();
    lab.write("spec.yaml", OVERFLOW);
    lab.write("in.jsonl", "{\"k\":\"a\",\"f\":1e308}\n{\"k\":\"b\",\"f\":2.0}\n");
    lab.run(&["apply", "spec.yaml"]).code(0);
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).expect(name);
    assert_eq!(
        read("out.jsonl"),
        "{\"k\":\"b\",\"m\":20.0,\"n\":0.0,\"a\":4.0,\"big\":true,\"t\":\"20.0\",\"r\":2.0,\"c\":20.0}\n"
    );
    assert_eq!(read("out.csv").lines().count(), 2, "{}", read("out.csv"));
    assert_eq!(sqlite::query(&lab.path("out/c/tables.sqlite"), "SELECT k, m FROM tab"), ["b|20.0"]);
    let dead = read("dead.jsonl");
    assert_eq!(dead.lines().count(), 1, "{dead}");
    assert!(dead.contains("`f*10`: the result does not fit float64 (f = 1e308)"), "{dead}");
}

const FOR_EVER: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: c }
spec:
  sources:
    r: { file: { path: ./in.jsonl }, schema: { id: int64, valid_to: timestamp, d: date } }
  processors:
    c: { sql: \"SELECT id, to_char(valid_to, '%Y-%m-%d') AS c, date_trunc('year', valid_to) AS y, CAST(d AS timestamp) AS dt, date_part('year', valid_to) AS py FROM r\" }
  sinks:
    out: { from: c, file: { path: ./out.jsonl } }
";

/// 9999-12-31 is what many systems write for \"valid for ever\".
#[test]
fn the_ends_of_the_calendar_are_in_range() {
    let lab = Lab::new();
    lab.write("spec.yaml", FOR_EVER);
    lab.write(
        "in.jsonl",
        "{\"id\":1,\"valid_to\":\"9999-12-31T00:00:00Z\",\"d\":\"9999-12-31\"}\n\
         {\"id\":4,\"valid_to\":\"0001-01-01T00:00:00Z\",\"d\":\"0001-01-01\"}\n\
         {\"id\":5,\"valid_to\":null,\"d\":null}\n",
    );
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(
        std::fs::read_to_string(lab.path("out.jsonl")).expect("out.jsonl"),
        "{\"id\":1,\"c\":\"9999-12-31\",\"y\":\"9999-01-01T00:00:00Z\",\"dt\":\"9999-12-31T00:00:00Z\",\"py\":9999}\n\
         {\"id\":4,\"c\":\"0001-01-01\",\"y\":\"0001-01-01T00:00:00Z\",\"dt\":\"0001-01-01T00:00:00Z\",\"py\":1}\n\
         {\"id\":5,\"c\":null,\"y\":null,\"dt\":null,\"py\":null}\n"
    );
}

#[test]
fn a_dry_run_shows_json_as_json() {
    let lab = Lab::new();
    lab.write(
        "spec.yaml",
        "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: c }
spec:
  sources:
    r: { file: { path: ./in.jsonl }, schema: { id: int64, j: json } }
  processors:
    q: { sql: \"SELECT id, json_get(j, '$.\\\"odd name\\\"') AS part, json_keys(j) AS names FROM r\" }
  sinks:
    out: { from: q, file: { path: ./out.jsonl } }
",
    );
    lab.write("in.jsonl", "{\"id\":1,\"j\":{\"odd name\":{\"a\":[1,2]}}}\n");
    let report = lab.run(&["dry-run", "--format", "json", "spec.yaml"]).code(0).json();
    assert_eq!(
        report["sinks"]["out"]["rows"][0],
        serde_json::json!({ "id": 1, "part": { "a": [1, 2] }, "names": ["odd name"] })
    );
}
