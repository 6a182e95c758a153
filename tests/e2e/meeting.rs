//! Nodes that write to one stream with their columns in different orders: every sink has each value under its name.

use std::fs;

use crate::support::{Lab, sqlite};

const SPEC: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: meeting }
spec:
  sources:
    a: { file: { path: a.jsonl }, schema: { x: int64, y: int64, z: string } }
    b: { file: { path: b.csv }, schema: { y: int64, x: int64, z: string }, to: mixed }
  streams:
    # Of three writers, one of which makes a column more, and one is decoded from CSV.
    mixed: { key: z, partitions: 2, schema: { y: int64, x: int64, z: string } }
    # Declared in another order than its only writer has.
    declared: { schema: { y: int64, x: int64 } }
    # What the stream does not declare goes no further.
    fewer: { schema: { y: int64 } }
    copy: {}
  processors:
    first: { sql: 'SELECT x, y, z FROM a', to: mixed }
    second: { sql: 'SELECT z, x + 100 AS x, x AS more, y + 100 AS y FROM a', to: mixed }
    third: { sql: 'SELECT x, y FROM a', to: declared }
    fourth: { sql: 'SELECT x, y FROM a', to: fewer }
  sinks:
    csv: { from: mixed, file: { path: mixed.csv } }
    json: { from: mixed, file: { path: mixed.jsonl } }
    rows: { from: mixed, table: { key: [x] } }
    lake: { from: mixed, object_store: { prefix: 'lake/', format: csv } }
    along: { from: mixed, stream: copy }
    copied: { from: copy, file: { path: copied.csv } }
    declared_csv: { from: declared, file: { path: declared.csv } }
    fewer_csv: { from: fewer, file: { path: fewer.csv } }
";

#[test]
fn columns_keep_their_names_where_writers_meet() {
    let lab = Lab::new();
    lab.write("spec.yaml", SPEC);
    lab.write("a.jsonl", "{\"x\":1,\"y\":10,\"z\":\"k\"}\n{\"z\":\"l\",\"y\":20,\"x\":2}\n");
    lab.write("b.csv", "z,y,x\nk,30,3\n");
    lab.run(&["apply", "spec.yaml"]).code(0);
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let read = |name: &str| sorted(&fs::read_to_string(lab.path(name)).expect(name));
    let rows = ["10,1,k", "110,101,k", "120,102,l", "20,2,l", "30,3,k"];
    let with_header: Vec<_> = rows.iter().copied().chain(["y,x,z"]).collect();
    assert_eq!(read("mixed.csv"), with_header);
    assert_eq!(read("copied.csv"), with_header);
    let json: Vec<_> = rows
        .iter()
        .map(|row| {
            let parts: Vec<_> = row.split(',').collect();
            format!(r#"{{"y":{},"x":{},"z":"{}"}}"#, parts[0], parts[1], parts[2])
        })
        .collect();
    assert_eq!(read("mixed.jsonl"), json);
    let found = sqlite::query(&lab.path("out/meeting/tables.sqlite"), "SELECT y, x, z FROM rows");
    assert_eq!(found, ["10|1|k", "110|101|k", "120|102|l", "20|2|l", "30|3|k"]);
    let lake = lab.shell("cat out/meeting/lake/*.csv | sort -u");
    assert_eq!(sorted(&lake), with_header);
    assert_eq!(read("declared.csv"), ["10,1", "20,2", "y,x"]);
    assert_eq!(read("fewer.csv"), ["10", "20", "y"]);
}
