//! What a spec says about delivery, and what an Environment says about where it goes.

use pipectl_data::{
    Schema,
    compress::Compression,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::template::Template;

/// Writes files under a prefix of an object store.
///
/// A file appears under its final name only when it is complete. After a crash, each record is in exactly one file.
/// Files are named `<prefix><pipeline>-<sink>-<writer>-<number>.<format>`, so that they sort in the order in which they
/// were written. A record with a float that is not finite, or with a time outside the years 0 to 9999, becomes a dead
/// letter, because the formats do not agree on how to store it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectStoreOptions {
    /// The beginning of the file names; `/` creates folders. `{arrival:%Y/%m/%d}` is the time at which a record
    /// arrived, `{event:%Y}` its event time, `{field}` and `{field:%Y}` the value of a column. Firehose's
    /// `!{timestamp:yyyy/MM/dd}` works too. Values follow Hive's rules: special characters are percent-encoded; null
    /// and the empty string become `__HIVE_DEFAULT_PARTITION__`. Default: the name of the sink and `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"raw/{arrival:year=%Y/month=%m/day=%d/hour=%H}/")]
    pub prefix: Option<String>,
    /// When a file is closed and a new one begins.
    #[serde(default)]
    pub flush: Flush,
    /// The format of the files.
    #[serde(default)]
    pub format: Format,
    /// How files are compressed. Default: `snappy` for Parquet (inside the file), `none` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Whether a Parquet file contains the columns whose names are folders in its path, as in `name={name}/`. Readers of
    /// such a layout (Hive, Spark, DuckDB, pyarrow) take these columns from the path, and some refuse a column that is in
    /// both. `validate` warns if the values in the path are not those of the column, as in `hour={event:%H}/`.
    /// Default: `omit`. A column is kept if no other column is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"keep")]
    pub partition_columns: Option<PartitionColumns>,
    /// The beginning of the last part of each file name, instead of `<pipeline>-<sink>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"events")]
    pub file_name: Option<String>,
    /// The time zone of the times in the prefix, by its IANA name. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Europe/Berlin")]
    pub zone: Option<String>,
}

/// How to handle columns that are in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionColumns {
    /// The columns are in the path only.
    Omit,
    /// The columns are in the path and in the files.
    Keep,
}

/// When a file is closed: at the first of these limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flush {
    /// The time after the first record of the file. Default: `60s`.
    pub every: Duration,
    /// The size before compression. Default: `5MiB`.
    pub size: Size,
}

impl Default for Flush {
    fn default() -> Self {
        Self { every: Duration(std::time::Duration::from_mins(1)), size: Size(5 << 20) }
    }
}

/// The format of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object per line. Records that arrive as JSON and are not changed are written byte for byte.
    #[default]
    Json,
    /// Comma-separated values with a header line in each file.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Deprecated name of `json`.
    Jsonl,
}

/// Where the files go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectStoreBinding {
    /// A directory on this machine.
    Directory(Directory),
}

impl Default for ObjectStoreBinding {
    fn default() -> Self {
        Self::Directory(Directory::default())
    }
}

/// A directory on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The path of the directory. Default: `out/<pipeline>`, or `out/<pipeline>@<Environment>` if an Environment is
    /// named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"out")]
    pub path: Option<String>,
}

impl ObjectStoreOptions {
    /// The prefix, given or by default.
    pub(crate) fn prefix(&self, node: &str) -> String {
        self.prefix.clone().unwrap_or_else(|| format!("{node}/"))
    }

    /// What the last part of a name begins with.
    pub(crate) fn stem(&self, pipeline: &str, node: &str) -> String {
        self.file_name.clone().unwrap_or_else(|| format!("{pipeline}-{node}"))
    }

    /// How records are written, by the name of today.
    pub(crate) fn format(&self) -> Format {
        if self.format == Format::Jsonl { Format::Json } else { self.format }
    }

    /// The compression, given or by default.
    pub(crate) fn compression(&self) -> Compression {
        self.compression.unwrap_or(match self.format {
            Format::Parquet => Compression::Snappy,
            Format::Json | Format::Jsonl | Format::Csv => Compression::None,
        })
    }
}

impl ObjectStoreOptions {
    /// The columns of a file, of those that come in.
    pub(crate) fn stored(&self, schema: &Schema, template: &Template) -> Schema {
        if self.format != Format::Parquet || self.partition_columns == Some(PartitionColumns::Keep) {
            return schema.clone();
        }
        let partitions = template.partitions();
        // Readers do not distinguish names by case. Where the path has other values, the check has warned.
        let spelled = |name: &str| partitions.iter().any(|partition| partition.name.eq_ignore_ascii_case(name));
        let left = schema.project(|field| !spelled(&field.name));
        if left.fields().is_empty() { schema.clone() } else { left }
    }
}

impl ObjectStoreBinding {
    /// The directory of a pipeline's files, whose folder of output is `output`.
    pub(crate) fn path(&self, output: &str) -> String {
        let Self::Directory(directory) = self;
        directory.path.clone().unwrap_or_else(|| output.to_owned())
    }
}
