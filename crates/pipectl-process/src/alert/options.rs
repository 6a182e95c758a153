//! What a spec can say about an alert.

use pipectl_data::units::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Watches a condition for each key and makes one message when it becomes true, not one for each record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertOptions {
    /// The columns whose values are watched separately: one alert for each product, or for each sensor. Default: one alert
    /// for all records.
    #[serde(default)]
    #[schemars(example = ["product_id"])]
    pub key: Vec<String>,

    /// The SQL condition on the columns of a record under which the alert fires.
    #[schemars(example = &"stock_left < 10", length(min = 1))]
    pub fire: String,

    /// The SQL condition under which a firing alert is resolved, so that it can fire again. Default: the record does not
    /// meet `fire`. A condition that leaves room to `fire` keeps a value near the limit from firing again and again.
    #[schemars(example = &"stock_left >= 20", length(min = 1))]
    pub resolve: Option<String>,

    /// How long `fire` must hold, in event time, before the alert fires.
    #[serde(rename = "for")]
    #[schemars(example = "30s")]
    pub hold: Option<Duration>,

    /// How long, in event time, an alert that fires again for the same key makes no message after its last one.
    #[schemars(example = "1h")]
    pub silence: Option<Duration>,

    /// The text of the message. `{…}` stands for the value of a column, or of an SQL expression, in the record that made the
    /// alert fire; `{{` and `}}` for braces.
    #[schemars(example = &"{product_id}: only {stock_left} left", length(min = 1))]
    pub message: String,

    /// Whether the resolution of an alert makes a message too.
    #[serde(default)]
    pub send_resolved: bool,
}
