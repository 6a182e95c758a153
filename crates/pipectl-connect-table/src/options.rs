//! What a spec says about a table, and what an Environment says about where it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps the latest record of each key as a row of a table.
///
/// A record replaces the row with its key, unless that row has a later event time. Timestamps, dates and json are
/// stored as text, bool as 0 or 1, interval as microseconds. A record with a float that is not finite, or with a time
/// outside the years 0 to 9999, becomes a dead letter. pipectl creates the table if it does not exist, and adds columns
/// when the input has new ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableOptions {
    /// The name of the table. Default: the name of the sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"leaderboard")]
    pub name: Option<String>,
    /// The columns that identify a row. Default: the key of the input stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["sensor_id", "window_start"], length(min = 1))]
    pub key: Option<Vec<String>>,
    /// The columns to store, including the key columns. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub columns: Option<Vec<String>>,
}

/// Where the table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TableBinding {
    /// A SQLite file. Several sinks may share it.
    Sqlite(Sqlite),
}

impl Default for TableBinding {
    fn default() -> Self {
        Self::Sqlite(Sqlite::default())
    }
}

/// A SQLite file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The path of the file. Default: `out/<pipeline>/tables.sqlite`, or `out/<pipeline>@<Environment>/tables.sqlite`
    /// if an Environment is named.
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
