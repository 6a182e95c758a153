//! The keys that nodes have beside their kind. Their descriptions, defaults and examples feed the editor.

use pipectl_data::units::{Duration, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What a document says about itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// Checkpoints, dead letters and state are kept under this name. Letters, digits, hyphens and underscores; at most 64 characters.
    #[schemars(
        extend("x-name" = "document", "pattern" = "^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$", "maxLength" = 64),
        example = "sensor-lab"
    )]
    pub(crate) name: String,
    /// What it is for, in a sentence.
    pub(crate) description: Option<String>,
    /// Words of your own to find it by.
    #[serde(default)]
    #[expect(dead_code, reason = "accepted for other tools; nothing here reads them yet")]
    labels: std::collections::BTreeMap<String, String>,
}

/// What a pipeline is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineKeys {
    /// When positions, state and open files are made durable, so that a restart goes on from there.
    #[serde(default)]
    pub(crate) checkpoint: Checkpoint,
    /// What all queues of the pipeline together may hold; sources wait when it is full.
    #[serde(default = "memory")]
    #[schemars(example = "256MiB")]
    pub(crate) memory: Size,
}

pub(crate) fn memory() -> Size {
    Size(256 * 1024 * 1024)
}

/// When state is made durable.
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
    /// The stream that the source fills. Without it, read the source by its own name.
    #[schemars(example = &"sensor_data", length(min = 1))]
    pub(crate) to: Option<String>,
    /// The columns of the records, where the source does not know them by itself. `pipectl infer FILE` writes them for you.
    #[schemars(with = "Option<Columns>")]
    pub(crate) schema: Option<Value>,
    /// How long a partition must be silent before it no longer holds back the watermark.
    pub(crate) idle_after: Option<Duration>,
}

/// What carries records from one node to others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamKeys {
    /// The field, or the fields, by which records are spread over partitions; records of one key stay in order.
    pub(crate) key: Option<Key>,
    /// Where the time of an event stands in its record. Windows need it.
    pub(crate) time: Option<TimeKeys>,
    /// The columns of the records, where what fills the stream does not say.
    #[schemars(with = "Option<Columns>")]
    pub(crate) schema: Option<Value>,
    /// How many partitions the stream has: how many workers can read it side by side.
    #[schemars(range(min = 1, max = 10000), example = 4)]
    pub(crate) partitions: Option<u32>,
    /// How long records stay in the stream.
    #[schemars(example = "24h")]
    pub(crate) retention: Option<Duration>,
    /// What order readers are promised.
    pub(crate) ordering: Option<Ordering>,
    /// How long a partition that is read to its end must be silent before it no longer holds back the watermark. Of use where a backend carries the stream; by default 10 seconds.
    #[schemars(example = "10s")]
    pub(crate) idle_after: Option<Duration>,
}

/// One field or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Key {
    /// The name of a field.
    One(#[schemars(example = &"sensor_id", length(min = 1))] String),
    /// The names of several fields, which make the key together.
    Several(#[schemars(length(min = 1))] Vec<String>),
}

/// Event time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeKeys {
    /// The field that holds the time of the event.
    #[schemars(example = &"timestamp", length(min = 1))]
    pub(crate) field: String,
    /// How much older than the newest event time a record may be without being late. If not given: for files, and for
    /// `simulate` with `pace: fast`, windows close when the input ends, so that nothing is late; otherwise 5s.
    #[schemars(example = "5s")]
    pub(crate) lateness: Option<Duration>,
    /// How far ahead of its arrival the event time of a record may be; a record beyond that goes to the dead letters, so
    /// that one wrong clock does not make the records of all others late. If not given: 24h, and no limit for files and
    /// for `simulate`. Dry runs and comparisons have no limit, since arrival says nothing there.
    #[schemars(example = "24h")]
    pub(crate) max_ahead: Option<Duration>,
}

/// What order readers are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Records of one key come in the order in which they were written.
    Key,
    /// All records of one partition come in the order in which they were written.
    Partition,
    /// Records may come in any order.
    None,
}

/// What changes records: these keys and exactly one kind key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessorKeys {
    /// The stream, source or processor that it reads. A query names what it reads itself.
    #[schemars(example = &"sensor_data", length(min = 1))]
    pub(crate) from: Option<String>,
    /// The stream that it fills. Without it, read the processor by its own name.
    #[schemars(length(min = 1))]
    pub(crate) to: Option<String>,
    /// What happens to records that come after their window has closed.
    #[serde(default)]
    pub(crate) late: Late,
    /// What happens to open windows when the input ends. With `keep`, the next run goes on with them.
    #[serde(default)]
    pub(crate) at_end: AtEnd,
    /// What happens to a record that cannot be processed.
    #[serde(default)]
    pub(crate) on_error: OnError,
}

/// What happens to late records; they are counted either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// They go to the dead letters.
    #[default]
    DeadLetter,
    /// They are left out.
    Drop,
}

/// What happens to open windows when the input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// They close and their results are written. A record for them in a later run is late.
    #[default]
    Close,
    /// They stay open for the records of the next run, and close when the watermark passes their end.
    Keep,
}

/// What happens to a record that cannot be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes to the dead letters, and the pipeline goes on.
    #[default]
    DeadLetter,
    /// The pipeline stops.
    Fail,
}

/// Where records go: these keys and exactly one kind key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkKeys {
    /// The stream, source or processor that it reads.
    #[schemars(example = &"per_minute", length(min = 1))]
    pub(crate) from: String,
}

/// What a stream is in this Environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamBindingKeys {
    /// What the backend calls the stream. By default, as the Pipeline does.
    #[schemars(example = "prod.sensors", length(min = 1))]
    pub(crate) name: Option<String>,
    /// Whether the stream exists already; then `apply` neither makes nor removes it.
    #[serde(default)]
    pub(crate) existing: bool,
    /// Where reading begins when there is no checkpoint.
    #[serde(default)]
    pub(crate) start: Start,
    /// The backend that carries the stream. By default, the one called `default`.
    #[schemars(length(min = 1))]
    pub(crate) backend: Option<String>,
}

/// Where reading begins when there is no checkpoint: `earliest`, `latest`, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Start {
    /// With the oldest record that the stream still holds.
    #[default]
    Earliest,
    /// With the records that come from now on.
    Latest,
    /// With the first record that the service took in at this moment (microseconds UTC) or later.
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
        let types = pipectl_data::DataType::NAMED.iter().map(|data_type| data_type.name());
        let written: Vec<String> =
            types.flat_map(|name| [name.to_owned(), format!("{name}!"), format!("{name}?")]).collect();
        let word = schemars::json_schema!({
            "type": "string",
            "format": "column_type",
            "enum": written,
            "description": "The field's type; `!` after it means that the field is never null.",
        });
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

/// Which addresses the services of this Environment may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Any.
    #[default]
    Any,
    /// Only such that cannot be reached from the internet: private endpoints, this machine, the own network. A connection
    /// to a service with a public address is refused.
    Private,
}

/// What an Environment says beside its services.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentKeys {
    /// Which addresses the services may have.
    #[serde(default)]
    pub(crate) network: Network,
}
