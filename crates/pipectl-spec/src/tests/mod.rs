//! The whole way from text to spec, with kinds that stand in for the real ones.

mod corpus;
mod editor;
mod fuzz;
mod infer;
mod loading;
mod oracle;
mod secrets;

use pipectl_data::{
    Secret,
    units::{Duration, Rate, Size},
};
use pipectl_diag::{Diagnostics, SourceMap};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::{Input, Kind, Kinds, Loaded, Resolver, load};

/// Makes synthetic records.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Simulate {
    /// What to make.
    model: Model,
    /// How many devices.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000))]
    devices: Option<u32>,
    /// How fast.
    rate: Option<Rate>,
    /// The same seed makes the same records.
    seed: Option<u64>,
    /// How often a value is missing.
    #[schemars(range(min = 0.0, max = 1.0))]
    missing: Option<f64>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Model {
    /// Sensors.
    Sensors,
    /// Clicks.
    Clickstream,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct File {
    #[schemars(example = "in/clicks.jsonl")]
    path: String,
    #[serde(default)]
    lines: bool,
    format: Option<Format>,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Tail {
    #[schemars(extend("x-former-name" = "paths"))]
    path: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Format {
    Jsonl,
    Parquet,
    /// With options of its own.
    Csv {
        delimiter: char,
    },
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct ObjectStore {
    prefix: String,
    flush: Option<Flush>,
    format: Option<Format>,
    columns: Option<Vec<String>>,
    from_time: Option<Moment>,
}

struct Moment;

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "timestamp" })
    }
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Flush {
    every: Option<Duration>,
    size: Option<Size>,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Table {
    key: Vec<String>,
    table: Option<String>,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum ObjectStoreBinding {
    /// A directory.
    Directory { path: String },
    /// Amazon S3 and what speaks its protocol.
    S3 { bucket: String, token: Option<Secret> },
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum TableBinding {
    Sqlite { path: String },
    Redis { url: Secret },
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Kinesis {
    region: String,
}

fn options<T: JsonSchema>() -> Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

fn kinds() -> Kinds {
    let kind = |name: &str, options: Value| Kind { name: name.to_owned(), options };
    Kinds {
        sources: vec![
            kind("simulate", options::<Simulate>()),
            kind("file", options::<File>()),
            kind("tail", options::<Tail>()),
        ],
        processors: vec![kind("parse", options::<Empty>())],
        sinks: vec![
            kind("object_store", options::<ObjectStore>()),
            kind("table", options::<Table>()),
            kind("file", options::<File>()),
            kind("stdout", options::<Empty>()),
        ],
        stream_options: Vec::new(),
        backends: vec![kind("memory", options::<Empty>()), kind("kinesis", options::<Kinesis>())],
        bindings: vec![kind("object_store", options::<ObjectStoreBinding>()), kind("table", options::<TableBinding>())],
    }
}

const CANARY: &str = "hunter2-canary";

fn read(files: &[(&str, &[u8])]) -> (Loaded, Diagnostics, SourceMap) {
    let inputs: Vec<_> =
        files.iter().map(|(name, bytes)| Input { name: (*name).to_owned(), bytes: bytes.to_vec() }).collect();
    let resolver = Resolver {
        variable: &|name| match name {
            "DEVICES" => Some("12".to_owned()),
            "NAME" => Some("lab".to_owned()),
            "LETTER" => Some("x".to_owned()),
            "TRICK" => Some("a: {b: c}\n- d".to_owned()),
            "INPUT" => Some("data".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        },
        secret: &|name| (name == "TOKEN").then(|| CANARY.to_owned()),
    };
    let mut map = SourceMap::default();
    let (loaded, problems) = load(&inputs, &kinds(), &resolver, &mut map);
    (loaded, problems, map)
}

fn read_one(text: &str) -> (Loaded, Diagnostics, SourceMap) {
    read(&[("spec.yaml", text.as_bytes())])
}

/// `error[PC0102] 7:5: title`, as the files of the corpus say it.
fn lines(problems: &Diagnostics, map: &SourceMap) -> Vec<String> {
    let line = |problem: &pipectl_diag::Diagnostic| {
        let severity = match problem.severity {
            pipectl_diag::Severity::Error => "error",
            pipectl_diag::Severity::Warning => "warning",
        };
        let span = problem.labels.iter().find(|label| label.primary).and_then(|label| map.locate(&label.place));
        let (line, column) = span.map_or((0, 0), |span| map.file(span.file).line_column(span.start));
        format!("{severity}[{}] {line}:{column}: {}", problem.code, problem.title)
    };
    problems.iter().map(line).collect()
}

/// A spec that has nearly everything.
const EXAMPLE: &str = r#"# yaml-language-server: $schema=../schemas/pipeline.schema.json
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: sensor-lab, description: "Sensors, raw and per minute" }
x-flush: &flush { every: 60s, size: 1MiB }
spec:
  checkpoint: { every: 5s }
  memory: 64MiB
  dead_letters: { file: { path: out/dead.jsonl } }
  sources:
    sensors:
      simulate: { model: sensors, devices: 10, rate: 2/s, seed: 7 }
      to: sensor_data
      idle_after: 30s
    clicks:
      file: { path: "${INPUT}/clicks.jsonl", format: { csv: { delimiter: ";" } } }
      schema: { user_id: string!, page: string?, n: { type: int64, required: true, description: How many } }
  streams:
    sensor_data:
      key: sensor_id
      time: { field: timestamp, lateness: 5s }
      schema: { sensor_id: string!, timestamp: timestamp!, temperature: float64, humidity: float64 }
      partitions: 4
      retention: 24h
      ordering: key
  processors:
    per_minute:
      sql: |
        SELECT sensor_id, window_start, avg(temperature) AS avg_temperature
        FROM sensor_data
        GROUP BY sensor_id, tumble(INTERVAL '1 minute')
      late: drop
    parsed: { from: clicks, parse: {}, on_error: fail }
  sinks:
    raw:
      from: sensor_data
      object_store:
        prefix: "raw/{arrival:year=%Y}/"
        flush: { <<: *flush, every: 10s }
        format: jsonl
    copy: { from: per_minute, stream: mirror }
    shown: { from: parsed, stdout: {} }
---
apiVersion: pipectl/v1
kind: Environment
metadata: { name: aws }
spec:
  backends: { default: { kinesis: { region: us-east-1 } }, local: { memory: {} } }
  streams: { sensor_data: { name: prod.sensors, existing: true, start: latest, backend: local } }
  object_store: { s3: { bucket: lake, token: "${secret:TOKEN}" } }
  table: { sqlite: { path: t.db } }
  sinks: { leaderboard: { redis: { url: "redis://:${secret:TOKEN}@h" } } }
"#;

/// The documents of a text as JSON, before anything is filled in.
pub(super) fn documents(text: &str) -> Vec<Value> {
    fn value(node: &crate::tree::Node) -> Value {
        use crate::tree::Kind;
        match &node.kind {
            Kind::Null | Kind::Broken => Value::Null,
            Kind::Bool(value) => json!(value),
            Kind::Int(value) => json!(i64::try_from(*value).unwrap()),
            Kind::Float(value) => json!(value),
            Kind::Str(text) => json!(text),
            Kind::Seq(items) => items.iter().map(value).collect(),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect())
            }
        }
    }
    let mut problems = Diagnostics::new();
    let file = crate::tree::parse("t", text.as_bytes(), &mut SourceMap::default(), &mut problems);
    file.documents.iter().map(value).collect()
}
