//! The keys that nodes have beside their kind. Their descriptions, defaults and examples feed the editor.

use pipectl_data::units::{Duration, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The metadata of a document.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// The name under which checkpoints, dead letters and state are kept. Letters, digits, hyphens and underscores; at
    /// most 64 characters.
    #[schemars(
        extend("x-name" = "document", "pattern" = "^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$", "maxLength" = 64),
        example = "sensor-lab"
    )]
    pub(crate) name: String,
    /// A short description of its purpose.
    pub(crate) description: Option<String>,
    /// Labels to find it by.
    #[serde(default)]
    #[expect(dead_code, reason = "accepted for other tools; nothing here reads them yet")]
    labels: std::collections::BTreeMap<String, String>,
}

/// The content of a pipeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineKeys {
    /// When pipectl saves positions, state and open files, so that a restart continues from there.
    #[serde(default)]
    pub(crate) checkpoint: Checkpoint,
    /// The memory budget of all queues of the pipeline together. When it is used up, sources wait.
    #[serde(default = "memory")]
    #[schemars(example = "256MiB")]
    pub(crate) memory: Size,
}

pub(crate) fn memory() -> Size {
    Size(256 * 1024 * 1024)
}

/// When pipectl saves the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The time between two checkpoints.
    #[serde(default = "checkpoint_every")]
    pub every: Duration,
}

fn checkpoint_every() -> Duration {
    Duration::from_secs(10)
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every: checkpoint_every() }
    }
}

/// Where records come from: these keys and exactly one kind key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceKeys {
    /// The stream that the source writes to. Without it, other nodes read from the source by its name.
    #[schemars(example = &"sensor_data", length(min = 1))]
    pub(crate) to: Option<String>,
    /// The columns of the records, for sources that do not know them. `pipectl infer FILE` generates this schema from
    /// sample records.
    #[schemars(with = "Option<Columns>")]
    pub(crate) schema: Option<Value>,
    /// The field that holds the event time. Required if a window reads the source by its name. If the source writes to
    /// a stream, set `time` on the stream instead.
    pub(crate) time: Option<TimeKeys>,
    /// How long a partition must be silent before it counts as idle and no longer holds back the watermark.
    pub(crate) idle_after: Option<Duration>,
}

/// What carries records from one node to others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamKeys {
    /// The field or fields that determine the partition of a record. Records with the same key stay in order.
    pub(crate) key: Option<Key>,
    /// The field that holds the event time. Required for windows.
    pub(crate) time: Option<TimeKeys>,
    /// The columns of the records, if the node that writes to the stream does not define them.
    #[schemars(with = "Option<Columns>")]
    pub(crate) schema: Option<Value>,
    /// The number of partitions, which is the maximum number of workers that can read the stream in parallel.
    #[schemars(range(min = 1, max = 10000), example = 4)]
    pub(crate) partitions: Option<u32>,
    /// How long the stream keeps records.
    #[schemars(example = "24h")]
    pub(crate) retention: Option<Duration>,
    /// The order that readers can rely on.
    pub(crate) ordering: Option<Ordering>,
    /// How long a partition that is read to its end must be silent before it counts as idle and no longer holds back
    /// the watermark. Applies to streams on a backend. Default: 10 seconds.
    #[schemars(example = "10s")]
    pub(crate) idle_after: Option<Duration>,
}

/// One field or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Key {
    /// The name of a field.
    One(#[schemars(example = &"sensor_id", length(min = 1))] String),
    /// The names of several fields, which together form the key.
    Several(#[schemars(length(min = 1))] Vec<String>),
}

/// One node or several. Several are read as one input: they need the same columns, and the watermark follows the slowest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Inputs {
    /// The name of a node.
    One(#[schemars(example = &"sensor_data", length(min = 1))] String),
    /// The names of several nodes with the same columns.
    Several(#[schemars(length(min = 1))] Vec<String>),
}

/// Event time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeKeys {
    /// The field that holds the event time.
    #[schemars(example = &"timestamp", length(min = 1))]
    pub(crate) field: String,
    /// How far a record may lag behind the newest event time before it is late. Default: 5s. For files, and for
    /// `simulate` with `pace: fast`, the default is to close windows only when the input ends, so that no record is
    /// late.
    #[schemars(example = "5s")]
    pub(crate) lateness: Option<Duration>,
    /// How far the event time of a record may be ahead of its arrival. A record beyond this limit becomes a dead
    /// letter, so that one wrong clock does not make all other records late. Default: 24h; no limit for files and for
    /// `simulate`. Dry runs and comparisons have no limit, because arrival times mean nothing there.
    #[schemars(example = "24h")]
    pub(crate) max_ahead: Option<Duration>,
}

/// The order that readers can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Records with the same key arrive in the order in which they were written.
    Key,
    /// All records of one partition arrive in the order in which they were written.
    Partition,
    /// Records may arrive in any order.
    None,
}

/// What changes records: these keys and exactly one kind key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessorKeys {
    /// The stream, source or processor that it reads from, or a list of several. A query names its input after FROM; with
    /// `from`, it reads these nodes as `FROM input`.
    pub(crate) from: Option<Inputs>,
    /// The stream that it writes to. Without it, other nodes read from the processor by its name.
    #[schemars(length(min = 1))]
    pub(crate) to: Option<String>,
    /// The column of the result that holds the event time. Default: the event time of the input. If the processor
    /// writes to a stream, set `time` on the stream instead.
    pub(crate) time: Option<TimeKeys>,
    /// How to handle records that arrive after their window has closed.
    #[serde(default)]
    pub(crate) late: Late,
    /// How to handle open windows when the input ends. With `keep`, the next run continues with them.
    #[serde(default)]
    pub(crate) at_end: AtEnd,
    /// How to handle a record that cannot be processed.
    #[serde(default)]
    pub(crate) on_error: OnError,
}

/// How to handle late records. They are counted in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// Writes them to the dead letters.
    #[default]
    DeadLetter,
    /// Drops them.
    Drop,
}

/// How to handle open windows when the input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// Closes the windows and writes their results. In a later run, records for these windows are late.
    #[default]
    Close,
    /// Keeps the windows open for the next run. They close when the watermark passes their end.
    Keep,
}

/// How to handle a record that cannot be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Writes the record to the dead letters and continues.
    #[default]
    DeadLetter,
    /// Stops the pipeline.
    Fail,
}

/// Where records go: these keys and exactly one kind key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkKeys {
    /// The stream, source or processor that it reads from, or a list of several.
    pub(crate) from: Inputs,
}

/// What a stream is in this Environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamBindingKeys {
    /// The name of the stream on the backend. Default: its name in the Pipeline.
    #[schemars(example = "prod.sensors", length(min = 1))]
    pub(crate) name: Option<String>,
    /// Whether the stream already exists. If true, `apply` neither creates nor removes it.
    #[serde(default)]
    pub(crate) existing: bool,
    /// Where reading begins when there is no checkpoint.
    #[serde(default)]
    pub(crate) start: Start,
    /// The backend that carries the stream. Default: the backend named `default`.
    #[schemars(length(min = 1))]
    pub(crate) backend: Option<String>,
}

/// Where reading begins when there is no checkpoint: `earliest`, `latest`, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Start {
    /// The oldest record in the stream.
    #[default]
    Earliest,
    /// New records only.
    Latest,
    /// The first record that the service received at this time (microseconds UTC) or later.
    At(pipectl_data::Micros),
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            moment => match pipectl_data::timestamp::parse(moment) {
                Some(moment) => Ok(Self::At(moment)),
                None => Err(format!("`{moment}` is neither `earliest`, `latest` nor a timestamp")),
            },
        }
    }
}

impl serde::Serialize for Start {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Earliest => serializer.serialize_str("earliest"),
            Self::Latest => serializer.serialize_str("latest"),
            Self::At(moment) => serializer.serialize_str(&pipectl_data::timestamp::format(*moment)),
        }
    }
}

impl JsonSchema for Start {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Start".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "start",
            "default": "earliest",
            "examples": ["earliest", "latest", "2026-01-31T12:00:00Z"],
        })
    }
}

/// The columns of a schema: names and types. Stands for the JSON Schema only; the fields are read in the order of the
/// file, which a map would lose.
#[derive(Debug)]
pub(crate) struct Columns;

impl JsonSchema for Columns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word =
            pipectl_data::DataType::json_schema("The field's type; `!` after it means that the field is never null.");
        schemars::json_schema!({
            "type": "object",
            "minProperties": 1,
            "examples": [{ "sensor_id": "string!", "timestamp": "timestamp!", "temperature": "float64" }],
            "additionalProperties": {
                "anyOf": [
                    word,
                    {
                        "type": "object",
                        "properties": {
                            "type": word,
                            "required": {
                                "type": "boolean",
                                "default": false,
                                "description": "Whether the field is never null; a record without it is a dead letter.",
                            },
                            "description": { "type": "string", "description": "What the field means." },
                        },
                        "required": ["type"],
                        "additionalProperties": false,
                    },
                ],
            },
        })
    }
}

/// The addresses that the services of this Environment may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Any address.
    #[default]
    Any,
    /// Only addresses that cannot be reached from the internet: private endpoints, this machine, the local network.
    /// pipectl refuses a connection to a service with a public address.
    Private,
}

/// What an Environment says beside its services.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentKeys {
    /// The addresses that the services may have.
    #[serde(default)]
    pub(crate) network: Network,
}
