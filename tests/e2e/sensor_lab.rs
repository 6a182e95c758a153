//! The sensor example, held against another engine: DuckDB reads the delivered raw files and computes the same
//! aggregates by SQL of its own.

use crate::support::{
    Lab, edit, example,
    run::Run,
    tools::{self, need},
};

/// Compares in DuckDB; floats may differ in the order of their summation only.
const COMPARE: &str = r#"
import duckdb, sqlite3, sys
sql = duckdb.sql
sql("SET TimeZone = 'UTC'")
sql("""CREATE TABLE raw AS SELECT * FROM read_json('out/sensor-lab/raw-stream/**/*.jsonl.gz', format = 'newline_delimited',
    columns = {sensor_id: 'VARCHAR', timestamp: 'TIMESTAMP', temperature: 'DOUBLE', humidity: 'DOUBLE', pressure: 'DOUBLE'})""")
sql("""CREATE TABLE expected AS SELECT sensor_id, date_trunc('minute', timestamp) AS window_start,
    date_trunc('minute', timestamp) + INTERVAL 1 MINUTE AS window_end,
    avg(temperature) AS avg_temperature, min(temperature) AS min_temperature, max(temperature) AS max_temperature,
    avg(humidity) AS avg_humidity, count(*) AS readings FROM raw GROUP BY ALL""")
sql("""CREATE TABLE found AS SELECT sensor_id, window_start::TIMESTAMPTZ AT TIME ZONE 'UTC' AS window_start,
    window_end::TIMESTAMPTZ AT TIME ZONE 'UTC' AS window_end, * EXCLUDE (sensor_id, window_start, window_end)
    FROM read_parquet('out/sensor-lab/processed-stream/**/*.parquet', hive_partitioning = false)""")
stored = sqlite3.connect('out/sensor-lab/tables.sqlite').execute("""SELECT sensor_id, window_start, window_end, avg_temperature,
    min_temperature, max_temperature, avg_humidity, readings FROM sensor_minutes""").fetchall()
sql("""CREATE TABLE stored (sensor_id VARCHAR, window_start TIMESTAMP, window_end TIMESTAMP, avg_temperature DOUBLE,
    min_temperature DOUBLE, max_temperature DOUBLE, avg_humidity DOUBLE, readings BIGINT)""")
duckdb.default_connection().executemany("INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stored)
one = lambda query: sql(query).fetchone()[0]
count, distinct = one("SELECT count(*) FROM raw"), one("SELECT count(*) FROM (SELECT DISTINCT * FROM raw)")
rows = {name: one(f"SELECT count(*) FROM {name}") for name in ("expected", "found", "stored")}
print(count, rows)
assert count == 72000, count
assert len(set(rows.values())) == 1 and rows["found"] >= 600, rows
for name in ("found", "stored"):
    same = one(f"""SELECT count(*) FROM expected e JOIN {name} f USING (sensor_id, window_start, window_end)
        WHERE e.readings = f.readings AND e.min_temperature = f.min_temperature AND e.max_temperature = f.max_temperature
        AND abs(e.avg_temperature - f.avg_temperature) <= 1e-9 * greatest(1, abs(e.avg_temperature))
        AND abs(e.avg_humidity - f.avg_humidity) <= 1e-9 * greatest(1, abs(e.avg_humidity))""")
    if same != rows["expected"]:
        print(sql(f"SELECT * FROM expected e FULL JOIN {name} f USING (sensor_id, window_start) WHERE e.readings IS DISTINCT FROM f.readings LIMIT 20"))
    assert same == rows["expected"], (name, same, rows)
assert one("SELECT sum(readings) FROM found") == 72000
"#;

#[test]
fn aggregates_equal_those_of_another_engine_over_the_raw_files() {
    let python = need!(tools::duckdb());
    let lab = Lab::new();
    lab.write("sensor-lab.yaml", example("sensor-lab"));
    let ran = lab.run(&["apply", "sensor-lab.yaml"]).code(0);
    assert_eq!(ran.stdout, "", "nothing but results goes to standard output");
    for place in ["out/sensor-lab/raw-stream/", "out/sensor-lab/processed-stream/", "out/sensor-lab/tables.sqlite"] {
        assert!(ran.stderr.contains(place), "the summary names {place}:\n{}", ran.stderr);
    }
    let mut compare = lab.command(python);
    compare.args(["-c", COMPARE]);
    let compared = Run::start(compare).finish().code(0);
    println!("DuckDB: {}", compared.stdout.trim());
}

/// No row is lost and none is there twice: the raw files hold exactly the readings that a dry run makes.
#[test]
fn raw_files_hold_each_reading_once() {
    let lab = Lab::new();
    lab.write("sensor-lab.yaml", example("sensor-lab"));
    lab.run(&["apply", "sensor-lab.yaml"]).code(0);
    let delivered = crate::support::output::all_rows(&lab.path("out/sensor-lab/raw-stream"));
    assert_eq!(delivered.len(), 72_000);
    let dry = lab.run(&["dry-run", "sensor-lab.yaml", "--rows", "100000", "--format", "json"]).code(0).json();
    let readings = dry["sinks"]["raw"]["rows"].as_array().expect("rows");
    let key = |row: &serde_json::Value| row.to_string();
    let mut readings: Vec<String> = readings.iter().map(key).collect();
    readings.sort_unstable();
    let mut delivered: Vec<String> =
        delivered.iter().map(|row| key(&serde_json::from_str(row).expect("JSON"))).collect();
    delivered.sort_unstable();
    crate::support::output::assert_same_rows("raw readings", &delivered, &readings);
}

/// Two records a second on the clock, without an end of their own: a day of it in virtual time.
#[test]
fn a_simulated_day_ends_with_the_right_counts() {
    let lab = Lab::new();
    let source = "rate: 20/s, for: 1h, pace: fast, seed: 7, disorder: 2s";
    lab.write("day.yaml", edit(&example("sensor-lab"), &[(source, "rate: 2/s, pace: real, seed: 7, disorder: 2s")]));
    let started = std::time::Instant::now();
    let day = lab.run(&["dry-run", "day.yaml", "--until", "1d", "--format", "json"]).code(0).json();
    println!("a simulated day took {:.2} s", started.elapsed().as_secs_f64());
    let node = |name: &str| {
        let nodes = day["report"]["nodes"].as_array().expect("nodes");
        nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no {name}"))["counts"].clone()
    };
    assert_eq!(day["report"]["started"], "2026-01-01T00:00:00Z");
    assert_eq!(day["report"]["ended"], "2026-01-02T00:00:00Z");
    assert_eq!(node("sensors")["in"], 172_800);
    assert_eq!(node("raw")["out"], 172_800);
    assert_eq!(node("per_minute")["in"], 172_800);
    assert_eq!(node("per_minute")["dead_lettered"], 0);
    // Ten sensors, a row for each of 1440 minutes; the disorder reaches into the minute before the first.
    let windows = node("per_minute")["out"].as_u64().expect("a count");
    assert!((14_400..=14_410).contains(&windows), "{windows} windows");
    assert_eq!(node("sensor_minutes")["out"], windows);
}
