//! Several nodes read as one (`from: [a, b]`): queries, parsers, windows and sinks see the records of all, in any order of
//! their columns.

use std::fs;

use crate::support::{Lab, lab::edit};

const SPEC: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: union }
spec:
  sources:
    shop: { file: { path: shop.jsonl }, schema: { id: string!, at: timestamp!, cents: int64 }, time: { field: at } }
    web: { file: { path: web.csv }, schema: { cents: int64, at: timestamp!, id: string }, time: { field: at } }
    old: { file: { path: old.log, format: text } }
    new: { file: { path: new.log, format: text } }
  processors:
    large: { from: [shop, web], sql: 'SELECT id, cents / 100 AS euros FROM input WHERE cents >= 100' }
    minutes:
      from: [shop, web]
      sql: SELECT window_start, count(*) AS n, sum(cents) AS cents FROM input GROUP BY tumble(INTERVAL '1 minute')
    totals: { from: [large, refunds], sql: 'SELECT id, sum(euros) AS euros FROM input AS i GROUP BY i.id' }
    refunds: { sql: 'SELECT -1 AS euros, id FROM web WHERE cents < 0' }
    words: { from: [old, new], parse: { regex: '^(?P<level>[A-Z]+) (?P<text>.*)$' } }
    levels: { sql: 'SELECT level, count(*) AS n FROM words GROUP BY level' }
  streams:
    # A stream takes what such a processor makes like anything else.
    kept: { key: id, partitions: 3 }
  sinks:
    all: { from: [shop, web], file: { path: all.csv } }
    larges: { from: large, file: { path: larges.csv } }
    minutes_out: { from: minutes, file: { path: minutes.jsonl } }
    totals_out: { from: totals, file: { path: totals.jsonl } }
    level_counts: { from: levels, file: { path: levels.csv } }
    lake: { from: [large, refunds], object_store: { prefix: 'lake/', format: csv } }
    along: { from: [large, refunds], stream: kept }
    kept_out: { from: kept, file: { path: kept.csv } }
";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("union.yaml", SPEC);
    let shop = [("a", "10:00:05", 100), ("b", "10:00:30", 250), ("c", "10:02:00", 99)];
    let lines =
        shop.map(|(id, at, cents)| format!("{{\"id\":\"{id}\",\"cents\":{cents},\"at\":\"2026-03-01T{at}Z\"}}\n"));
    lab.write("shop.jsonl", lines.concat());
    lab.write(
        "web.csv",
        "cents,at,id\n300,2026-03-01T10:00:10Z,d\n-5,2026-03-01T10:01:00Z,a\n1000,2026-03-01T10:02:59Z,\n",
    );
    lab.write("old.log", "INFO up\nWARN slow\n");
    lab.write("new.log", "INFO up again\nbroken\n");
    lab
}

fn sorted(lab: &Lab, name: &str) -> Vec<String> {
    let text = fs::read_to_string(lab.path(name)).expect(name);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn several_nodes_are_read_as_one() {
    let lab = lab();
    let ran = lab.run(&["apply", "union.yaml"]).code(0);
    assert_eq!(
        sorted(&lab, "all.csv"),
        [
            "\"\",2026-03-01T10:02:59Z,1000",
            "a,2026-03-01T10:00:05Z,100",
            "a,2026-03-01T10:01:00Z,-5",
            "b,2026-03-01T10:00:30Z,250",
            "c,2026-03-01T10:02:00Z,99",
            "d,2026-03-01T10:00:10Z,300",
            "id,at,cents",
        ]
    );
    assert_eq!(sorted(&lab, "larges.csv"), ["\"\",10", "a,1", "b,2", "d,3", "id,euros"]);
    assert_eq!(
        sorted(&lab, "minutes.jsonl"),
        [
            r#"{"window_start":"2026-03-01T10:00:00Z","n":3,"cents":650}"#,
            r#"{"window_start":"2026-03-01T10:01:00Z","n":1,"cents":-5}"#,
            r#"{"window_start":"2026-03-01T10:02:00Z","n":2,"cents":1099}"#,
        ]
    );
    assert_eq!(
        sorted(&lab, "totals.jsonl"),
        [r#"{"id":"","euros":10}"#, r#"{"id":"a","euros":0}"#, r#"{"id":"b","euros":2}"#, r#"{"id":"d","euros":3}"#,]
    );
    assert_eq!(sorted(&lab, "levels.csv"), ["INFO,2", "WARN,1", "level,n"]);
    let rows = ["\"\",10", "a,-1", "a,1", "b,2", "d,3", "id,euros"];
    assert_eq!(sorted(&lab, "kept.csv"), rows);
    assert_eq!(lab.shell("cat out/union/lake/*.csv | sort -u").lines().collect::<Vec<_>>(), rows);
    // The ledger counts each record once.
    let line = |name: &str| {
        let found = ran.stdout.lines().chain(ran.stderr.lines()).find(|line| line.starts_with(&format!("{name} ")));
        found.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("large")[3..7], ["6", "4", "2", "0"], "{ran:?}");
    assert_eq!(line("words")[3..7], ["4", "3", "0", "1"], "{ran:?}");
}

/// The same rows as from a stream that both write to.
#[test]
fn a_union_gives_what_a_stream_gives() {
    let lab = lab();
    let through_stream = edit(
        SPEC,
        &[
            ("kept: { key: id, partitions: 3 }", "kept: { key: id, partitions: 3 }\n    both: { time: { field: at } }"),
            (", time: { field: at } }\n    web", ", to: both }\n    web"),
            (", time: { field: at } }\n    old", ", to: both }\n    old"),
            ("large: { from: [shop, web], sql: '", "large: { sql: '"),
            ("euros FROM input WHERE", "euros FROM both WHERE"),
            ("      from: [shop, web]\n", ""),
            ("AS cents FROM input GROUP BY tumble", "AS cents FROM both GROUP BY tumble"),
            ("FROM web WHERE cents < 0", "FROM both WHERE cents < 0"),
            ("all: { from: [shop, web],", "all: { from: both,"),
            ("name: union", "name: stream"),
        ],
    );
    lab.write("stream.yaml", through_stream);
    let rows = |spec: &str| {
        lab.run(&["apply", spec, "--fresh", "--replace-output"]).code(0);
        ["all.csv", "minutes.jsonl", "totals.jsonl", "levels.csv", "kept.csv"].map(|name| sorted(&lab, name))
    };
    assert_eq!(rows("union.yaml"), rows("stream.yaml"));
}

#[test]
fn a_second_run_reads_what_is_new_in_all_inputs() {
    let lab = lab();
    lab.run(&["apply", "union.yaml"]).code(0);
    let mut shop = fs::read_to_string(lab.path("shop.jsonl")).expect("the file");
    shop.push_str("{\"id\":\"e\",\"cents\":700,\"at\":\"2026-03-01T11:00:00Z\"}\n");
    lab.write("shop.jsonl", shop);
    lab.run(&["apply", "union.yaml"]).code(0);
    let all = sorted(&lab, "all.csv");
    assert_eq!((all.len(), all.iter().filter(|row| row.starts_with("e,")).count()), (8, 1), "{all:?}");
    assert_eq!(sorted(&lab, "larges.csv"), ["\"\",10", "a,1", "b,2", "d,3", "e,7", "id,euros"]);
}
