//! Money and nested records through the whole program: exact from a file to files, tables and windows, as DuckDB and Python
//! read them.

use std::fs;

use crate::support::{
    Lab,
    run::Run,
    sqlite,
    tools::{self, need},
};

const ORDERS: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: shop }
spec:
  sources:
    orders:
      file: { path: orders.jsonl }
      schema:
        id: string!
        at: timestamp!
        customer: struct<name:string!, city:string>
        lines: list<struct<sku:string!, price:decimal(10, 2), qty:int64>>
        discount: decimal(4, 3)
      to: placed
  streams:
    placed: { key: id, partitions: 2, time: { field: at } }
    priced: {}
  processors:
    firsts:
      sql: |
        SELECT id, customer.city, customer, lines, lines[1].price * lines[1].qty AS first,
               CAST(lines[1].price * lines[1].qty * (1 - discount) AS decimal(18, 2)) AS paid
        FROM placed
      to: priced
    totals:
      sql: |
        SELECT city, sum(paid) AS paid, avg(paid) AS mean, min(first) AS least, count(DISTINCT paid) AS different
        FROM firsts GROUP BY city, tumble(INTERVAL '1 day')
  sinks:
    rows: { from: firsts, file: { path: rows.jsonl } }
    lake: { from: firsts, object_store: { prefix: 'lake/paid={paid}/', format: parquet } }
    prices: { from: firsts, table: { key: [id] } }
    sums: { from: totals, file: { path: totals.csv } }
    again: { from: priced, file: { path: again.jsonl } }
  dead_letters: { file: { path: dead.jsonl } }
";

/// Prices as numbers and as texts, more digits than a float64 has, and one digit too many.
const RECORDS: &str = r#"{"id":"a","at":"2026-01-31T10:00:00Z","customer":{"name":"Ada","city":"Bern","vip":true},"lines":[{"sku":"x","price":0.10,"qty":3},{"sku":"y","price":"2.50","qty":1}],"discount":0.125}
{"id":"b","at":"2026-01-31T10:00:01Z","customer":{"name":"Bob","city":"Bern"},"lines":[{"sku":"x","price":99999999.99,"qty":1000000}],"discount":"0"}
{"id":"c","at":"2026-01-31T10:00:02Z","customer":{"name":"Cy"},"lines":[],"discount":null}
{"id":"d","at":"2026-01-31T10:00:03Z","customer":{"name":"Di"},"lines":[{"sku":"x","price":0.105,"qty":1}],"discount":0}
{"id":"e","at":"2026-01-31T10:00:04Z","customer":{"city":"Bern"},"lines":null,"discount":0}
"#;

const READERS: &str = r#"
import duckdb, decimal
rows = duckdb.sql("SELECT * FROM read_parquet('out/shop/lake/**/*.parquet', hive_partitioning = false) ORDER BY id")
types = dict(zip(rows.columns, map(str, rows.types)))
assert types["first"] == "DECIMAL(30,2)", types
assert types["lines"] == "STRUCT(sku VARCHAR, price DECIMAL(10,2), qty BIGINT)[]", types
assert types["customer"] == 'STRUCT("name" VARCHAR, city VARCHAR)', types
found = {row[0]: dict(zip(rows.columns, row)) for row in rows.fetchall()}
assert found["a"]["first"] == decimal.Decimal("0.30"), found
assert found["b"]["first"] == decimal.Decimal("99999999990000.00"), found
assert found["a"]["lines"][1] == {"sku": "y", "price": decimal.Decimal("2.50"), "qty": 1}, found
assert found["c"]["lines"] == [] and found["c"]["first"] is None, found
assert found["c"]["customer"] == {"name": "Cy", "city": None}, found
"#;

#[test]
fn money_and_nested_records_are_exact_everywhere() {
    let lab = Lab::new();
    lab.write("shop.yaml", ORDERS);
    lab.write("orders.jsonl", RECORDS);
    lab.run(&["apply", "shop.yaml"]).code(0);
    let read = |name: &str| fs::read_to_string(lab.path(name)).expect(name);
    let sorted = |name: &str| {
        let mut lines: Vec<_> = read(name).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let rows = sorted("rows.jsonl");
    assert_eq!(
        rows,
        [
            r#"{"id":"a","city":"Bern","customer":{"name":"Ada","city":"Bern"},"lines":[{"sku":"x","price":0.10,"qty":3},{"sku":"y","price":2.50,"qty":1}],"first":0.30,"paid":0.26}"#,
            r#"{"id":"b","city":"Bern","customer":{"name":"Bob","city":"Bern"},"lines":[{"sku":"x","price":99999999.99,"qty":1000000}],"first":99999999990000.00,"paid":99999999990000.00}"#,
            r#"{"id":"c","city":null,"customer":{"name":"Cy","city":null},"lines":[],"first":null,"paid":null}"#,
        ]
    );
    // A stream of results is the same again.
    assert_eq!(sorted("again.jsonl"), rows);
    assert_eq!(
        sorted("totals.csv"),
        [",,,,0", "Bern,99999999990000.26,49999999995000.130000,0.30,2", "city,paid,mean,least,different"]
    );
    assert_eq!(
        sqlite::query(&lab.path("out/shop/tables.sqlite"), "SELECT id, first, paid, customer FROM prices ORDER BY id"),
        [
            r#"a|0.30|0.26|{"name":"Ada","city":"Bern"}"#,
            r#"b|99999999990000.00|99999999990000.00|{"name":"Bob","city":"Bern"}"#,
            r#"c|null|null|{"name":"Cy","city":null}"#,
        ]
    );
    let dead = read("dead.jsonl");
    assert_eq!(dead.lines().count(), 2, "{dead}");
    for reason in [
        "field `lines`: value 1 of the list: field `price` of the struct: found the number 0.105, expected a number of at most 8 digits before the point and 2 after it",
        "field `customer`: field `name` of the struct: it is missing or null and cannot be",
    ] {
        assert!(dead.contains(reason), "{reason}: {dead}");
    }
    let mut command = lab.command(need!(tools::duckdb()));
    command.args(["-c", READERS]);
    Run::start(command).finish().code(0);
}
