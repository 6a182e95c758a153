//! What a spec can say about simulated data.

use pipectl_contract::SourceFormat;
use pipectl_data::{
    DataType, DecimalType, Field, Schema,
    units::{Duration, Rate},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of records to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Readings of temperature, humidity and pressure, from each device in turn.
    Sensors,
    /// Visits to a shop: page views, clicks, carts and purchases in plausible sessions.
    Clickstream,
    /// Lines of a web server's access log in Apache's combined format.
    ServerLogs,
    /// Order lines that reduce an inventory, which is restocked when it cannot serve an order.
    Orders,
}

/// Amounts of money in the models: cents, up to a hundred million.
const MONEY: DecimalType = DecimalType::capped(8, 2);

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
        use DataType::{Decimal, EpochMillis, Float64, Int64, String, Timestamp};
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
                Field::new("amount", Decimal(MONEY)),
            ]),
            Self::ServerLogs => Schema::new([Field::required("line", String)]),
            Self::Orders => Schema::new([
                Field::required("order_id", String),
                Field::required("timestamp", Timestamp),
                Field::required("product_id", String),
                Field::required("quantity", Int64),
                Field::required("unit_price", Decimal(MONEY)),
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

/// How fast records arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// At `rate` on the wall clock.
    #[default]
    Real,
    /// As fast as the pipeline reads them. Event time still advances at `rate`.
    Fast,
}

/// Generates records of a model. The same seed and options always give the same records, no matter how often they are
/// read or into how many partitions they are split.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateOptions {
    /// The kind of records to generate.
    #[schemars(example = &"sensors")]
    pub model: Model,

    /// The seed of the random number generator. The same seed and options give the same records.
    #[serde(default = "default_seed")]
    #[schemars(example = 7)]
    pub seed: u64,

    /// The rate of records of the whole source.
    #[serde(default = "default_rate")]
    #[schemars(example = &"20/s")]
    pub rate: Rate,

    /// The number of sensors (`sensors` only). Default: 10.
    #[schemars(range(min = 1, max = 1_000_000), example = 10)]
    pub devices: Option<u32>,

    /// The number of users (`clickstream` only). Default: 100.
    #[schemars(range(min = 1, max = 1_000_000), example = 100)]
    pub users: Option<u32>,

    /// The number of clients that send requests (`server_logs` only). Default: 200.
    #[schemars(range(min = 1, max = 1_000_000), example = 200)]
    pub clients: Option<u32>,

    /// The number of products in stock (`orders` only). Default: 20.
    #[schemars(range(min = 1, max = 100_000), example = 20)]
    pub products: Option<u32>,

    /// The fraction of readings that have a spike in one value (`sensors` only). Default: 0.001.
    #[schemars(range(min = 0.0, max = 1.0), example = 0.01)]
    pub anomalies: Option<f64>,

    /// Ends the source after this number of records. Without `records` and `for`, the source never ends.
    #[schemars(example = 1200)]
    pub records: Option<u64>,

    /// Ends the source when the event time of its records has advanced by this duration.
    #[serde(rename = "for")]
    #[schemars(example = &"10m")]
    pub span: Option<Duration>,

    /// How fast records arrive: `real` for `rate` on the wall clock, `fast` for as fast as the pipeline reads them.
    #[serde(default)]
    pub pace: Pace,

    /// The event time of the first record. Default: the time of the first start for `real`, 2026-01-01T00:00:00Z for
    /// `fast`.
    #[schemars(extend("format" = "timestamp"), example = &"2026-01-01T00:00:00Z")]
    pub start: Option<String>,

    /// How far the event time of a record may lie before its arrival, so that records arrive out of order.
    #[schemars(example = &"2s")]
    pub disorder: Option<Duration>,

    /// The fraction of records that are late: 5 to 60 minutes beyond `disorder`.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0), example = 0.01)]
    pub late: f64,

    /// The fraction of payloads that are malformed: truncated, with a byte that is not UTF-8, or with unrelated
    /// content.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0), example = 0.001)]
    pub malformed: f64,

    /// The number of partitions. Each partition has its share of the devices, users, clients or products.
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
