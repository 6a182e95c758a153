//! What a spec says about a table, and what an Environment says about where it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps the newest record of each key as a row of a table.
///
/// A record replaces the row with its key, unless that row's event time is later. Timestamps, dates and json are stored
/// as text, bool as 0 or 1, interval as microseconds. A record with a float that is not finite, or with a time outside of
/// the years 0 to 9999, is a dead letter. The table is created if need be, and gets new columns when the
/// input has them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableOptions {
    /// The table's name. Default: the name of the sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"leaderboard")]
    pub name: Option<String>,
    /// The columns that tell one row from another. Default: the key of the stream that comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["sensor_id", "window_start"], length(min = 1))]
    pub key: Option<Vec<String>>,
    /// The columns to store, the key's among them. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub columns: Option<Vec<String>>,
}

/// Where the table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TableBinding {
    /// A file of SQLite; several sinks may share it.
    Sqlite(Sqlite),
}

impl Default for TableBinding {
    fn default() -> Self {
        Self::Sqlite(Sqlite::default())
    }
}

/// A file of SQLite.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// Its path. Default: `out/<pipeline>/tables.sqlite`, and `out/<pipeline>@<Environment>/tables.sqlite` where an
    /// Environment is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"out/tables.sqlite")]
    pub path: Option<String>,
}

impl TableOptions {
    /// The table's name, given or by default.
    pub(crate) fn name<'a>(&'a self, node: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(node)
    }

    /// The key's columns, given or the stream's.
    pub(crate) fn key<'a>(&'a self, stream: &'a [String]) -> &'a [String] {
        self.key.as_deref().unwrap_or(stream)
    }
}

impl TableBinding {
    /// The path of a pipeline's database, whose folder of output is `output`.
    pub(crate) fn path(&self, output: &str) -> String {
        let Self::Sqlite(sqlite) = self;
        sqlite.path.clone().unwrap_or_else(|| format!("{output}/tables.sqlite"))
    }
}
