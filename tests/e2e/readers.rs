//! What other programs read from files of an object store: pyarrow of several ages, pandas, Polars and DuckDB.

use std::{fs, path::PathBuf};

use crate::support::{
    Lab, edit, example,
    run::Run,
    tools::{self, need},
};

fn python(lab: &Lab, python: PathBuf, script: &str) -> String {
    let mut command = lab.command(python);
    command.args(["-c", script]);
    Run::start(command).finish().code(0).stdout
}

/// Values that are hard for a path, each with what readers give for it. An empty text is in the partition of null, as
/// Hive has it.
const VALUES: &str = r##"
values = ["a=b", "c", "100%", "a b", "a+b", "a/b", "..", ".", "\u00e9", "\u65e5\u672c", "a:b", "a\\b", "'\"", "{}[]^", "#?*",
    "__null__", "__empty__", "__HIVE_DEFAULT_PARTITION_", "%41", "a%3Db", "\t", "\u0001", "\u0085", "x\u007f", "null", "NULL"]
expected = {n: value for n, value in enumerate(values)} | {100: None, 101: None}
"##;

const WRITE_VALUES: &str = r#"
import json
with open("in.jsonl", "w") as file:
    for n, value in enumerate(values):
        file.write(json.dumps({"n": n, "v": value}) + "\n")
    file.write('{"n":100,"v":null}\n{"n":101,"v":""}\n')
"#;

const READ_VALUES: &str = r#"
def same(what, rows):
    found = dict(rows)
    assert len(rows) == len(expected), (what, len(rows))
    for n, value in expected.items():
        assert found[n] == value, (what, n, found[n], value)
import pyarrow.dataset as ds, pyarrow as pa
flavor = ds.partitioning(pa.schema([("v", pa.string())]), flavor="hive")
table = ds.dataset("out/c/lake", format="parquet", partitioning=flavor).to_table()
same("pyarrow", list(zip(table["n"].to_pylist(), table["v"].to_pylist())))
try:
    import duckdb, polars
except ImportError:
    duckdb = None
if duckdb:
    same("duckdb", duckdb.sql("SELECT n, v FROM read_parquet('out/c/lake/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)").fetchall())
    frame = polars.read_parquet("out/c/lake/**/*.parquet", hive_partitioning=True, hive_schema={"v": polars.String})
    same("polars", list(zip(frame["n"].to_list(), frame["v"].to_list())))
"#;

#[test]
fn partition_values_are_read_back() {
    let lab = Lab::of_case("F07-hive-partition-values");
    for reader in [need!(tools::new_readers()), need!(tools::old_readers())] {
        python(&lab, reader.clone(), &format!("{VALUES}{WRITE_VALUES}"));
        fs::remove_dir_all(lab.path("out")).ok();
        fs::remove_dir_all(lab.path(".pipectl")).ok();
        lab.run(&["apply", "spec.yaml"]).code(0);
        assert_eq!(fs::read_to_string(lab.path("dead.jsonl")).unwrap_or_default(), "");
        python(&lab, reader, &format!("{VALUES}{READ_VALUES}"));
    }
}

/// The example, read as its files and as a whole: by a pyarrow without view types, and by today's pandas, which merges
/// the columns of the path with those of the files.
#[test]
fn files_are_of_plain_columns() {
    const FILES: &str = r#"
import glob, pyarrow.parquet as pq
files = glob.glob("out/clickstream/clicks/**/*.parquet", recursive=True)
assert files
for name in files:
    file = pq.ParquetFile(name)
    assert b"ARROW:schema" not in (file.metadata.metadata or {}), name
    assert "section" not in file.schema_arrow.names, name
    assert str(file.schema_arrow.field("user_id").type) == "string", file.schema_arrow
    assert file.read().num_rows > 0
"#;
    const FOLDER: &str = r#"
import pandas
frame = pandas.read_parquet("out/clickstream/clicks")
assert {"dt", "hour", "section", "user_id", "hour_of_day"} <= set(frame.columns), frame.columns
assert set(frame["section"].astype(str)) <= {"product", "purchase", "browse"}, set(frame["section"])
assert (frame["hour"].astype(int) == frame["hour_of_day"]).all()
print(len(frame))
"#;
    let lab = Lab::new();
    lab.write("clickstream.yaml", edit(&example("clickstream"), &[("for: 30m", "for: 2m")]));
    lab.run(&["apply", "clickstream.yaml"]).code(0);
    let (old, new) = (need!(tools::old_readers()), need!(tools::new_readers()));
    for reader in [&old, &new] {
        python(&lab, reader.clone(), FILES);
    }
    let counts: Vec<String> = [old, new.clone()].map(|reader| python(&lab, reader, FOLDER)).into();
    assert_eq!(counts[0], counts[1]);
    // A column that has the name of a folder with other values: readers take it from the path.
    let lab = Lab::new();
    let clash = [("for: 30m", "for: 2m"), ("AS hour_of_day", "AS hour")];
    lab.write("clickstream.yaml", edit(&example("clickstream"), &clash));
    let ran = lab.run(&["apply", "clickstream.yaml"]).code(0);
    assert!(ran.stderr.contains("PC0628"), "{}", ran.stderr);
    python(&lab, new, &FOLDER.replace("hour_of_day", "hour"));
}
