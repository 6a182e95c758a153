//! What a spec can say about simulated data.

use pipectl_contract::SourceFormat;
use pipectl_data::{
    DataType, Field, Schema,
    units::{Duration, Rate},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of records to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Readings of temperature, humidity and pressure, from each device in turn.
    Sensors,
    /// Visits to a shop: page views, clicks, carts and purchases in plausible sessions.
    Clickstream,
    /// Lines of a web server's access log in Apache's combined format.
    ServerLogs,
    /// Order lines against an inventory that falls and is restocked.
    Orders,
}

impl Model {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sensors => "sensors",
            Self::Clickstream => "clickstream",
            Self::ServerLogs => "server_logs",
            Self::Orders => "orders",
        }
    }

    /// The columns of its records.
    pub fn schema(self) -> Schema {
        use DataType::{EpochMillis, Float64, Int64, String, Timestamp};
        match self {
            Self::Sensors => Schema::new([
                Field::required("sensor_id", String),
                Field::required("timestamp", Timestamp),
                Field::new("temperature", Float64),
                Field::new("humidity", Float64),
                Field::new("pressure", Float64),
            ]),
            Self::Clickstream => Schema::new([
                Field::required("event_type", String),
                Field::required("timestamp", EpochMillis),
                Field::required("user_id", String),
                Field::new("page", String),
                Field::new("session_id", String),
                Field::new("referrer", String),
                Field::new("amount", Float64),
            ]),
            Self::ServerLogs => Schema::new([Field::required("line", String)]),
            Self::Orders => Schema::new([
                Field::required("order_id", String),
                Field::required("timestamp", Timestamp),
                Field::required("product_id", String),
                Field::required("quantity", Int64),
                Field::required("unit_price", Float64),
                Field::new("customer_id", String),
                Field::new("stock_left", Int64),
            ]),
        }
    }

    /// How its payloads are written.
    pub fn format(self) -> SourceFormat {
        match self {
            Self::ServerLogs => SourceFormat::Text,
            Self::Sensors | Self::Clickstream | Self::Orders => SourceFormat::Json,
        }
    }
}

/// How fast records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// At `rate` on the clock.
    #[default]
    Real,
    /// As fast as the pipeline takes them. Their times still advance at `rate`.
    Fast,
}

/// Makes up records of a model. The same seed and options give the same records, however often and in how many parts they
/// are read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateOptions {
    /// What kind of records to make.
    #[schemars(example = &"sensors")]
    pub model: Model,

    /// Where all values come from: the same seed and options give the same records.
    #[serde(default = "default_seed")]
    #[schemars(example = 7)]
    pub seed: u64,

    /// Records in a given time, of the whole source.
    #[serde(default = "default_rate")]
    #[schemars(example = &"20/s")]
    pub rate: Rate,

    /// How many sensors there are (`sensors`; 10 if not given).
    #[schemars(range(min = 1, max = 1_000_000), example = 10)]
    pub devices: Option<u32>,

    /// How many users visit (`clickstream`; 100 if not given).
    #[schemars(range(min = 1, max = 1_000_000), example = 100)]
    pub users: Option<u32>,

    /// How many clients send requests (`server_logs`; 200 if not given).
    #[schemars(range(min = 1, max = 1_000_000), example = 200)]
    pub clients: Option<u32>,

    /// How many products are in stock (`orders`; 20 if not given).
    #[schemars(range(min = 1, max = 100_000), example = 20)]
    pub products: Option<u32>,

    /// Which fraction of readings has a spike in one value (`sensors`; 0.001 if not given).
    #[schemars(range(min = 0.0, max = 1.0), example = 0.01)]
    pub anomalies: Option<f64>,

    /// Ends after this many records. Endless if neither this nor `for` is given.
    #[schemars(example = 1200)]
    pub records: Option<u64>,

    /// Ends when the records' own times have advanced by this much.
    #[serde(rename = "for")]
    #[schemars(example = &"10m")]
    pub span: Option<Duration>,

    /// How fast records come: `real` for `rate` on the clock, `fast` for as fast as the pipeline takes them.
    #[serde(default)]
    pub pace: Pace,

    /// The time of the first record: the time of the first start for `real`, 2026-01-01T00:00:00Z for `fast` if not
    /// given.
    #[schemars(extend("format" = "timestamp"), example = &"2026-01-01T00:00:00Z")]
    pub start: Option<String>,

    /// By how much a record's own time may lie before the time at which it comes, so that records are out of order.
    #[schemars(example = &"2s")]
    pub disorder: Option<Duration>,

    /// Which fraction of records comes far too late: 5 to 60 minutes beyond `disorder`.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0), example = 0.01)]
    pub late: f64,

    /// Which fraction of payloads is broken: cut short, with a byte that is not UTF-8, or something else altogether.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0), example = 0.001)]
    pub malformed: f64,

    /// In how many partitions the records come. Each has its share of the devices, users, clients or products.
    #[serde(default = "default_partitions")]
    #[schemars(range(min = 1, max = 1024), example = 4)]
    pub partitions: u32,
}

impl SimulateOptions {
    /// How many devices, users, clients or products there are.
    pub(crate) fn keys(&self) -> u32 {
        match self.model {
            Model::Sensors => self.devices.unwrap_or(10),
            Model::Clickstream => self.users.unwrap_or(100),
            Model::ServerLogs => self.clients.unwrap_or(200),
            Model::Orders => self.products.unwrap_or(20),
        }
    }
}

fn default_seed() -> u64 {
    1
}

fn default_rate() -> Rate {
    Rate(10.0)
}

fn default_partitions() -> u32 {
    1
}
