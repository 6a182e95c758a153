//! What a spec can say about parsing.

use std::collections::BTreeMap;

use pipectl_data::FieldType;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parses a column of text into several columns. Set exactly one of `format`, `regex`, `grok`, `csv` and `json`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseOptions {
    /// The column to parse. Default: `line` if it exists, otherwise the only column of type string.
    #[schemars(example = &"line")]
    pub field: Option<String>,

    /// The format of a web server's access log.
    #[schemars(example = &"combined")]
    pub format: Option<LogFormat>,

    /// A regular expression (syntax: <https://docs.rs/regex>). Each named group becomes a column. Use `^` and `$` to
    /// match the whole text; without them, other text may precede or follow the match.
    #[schemars(example = &"^(?<client>\\S+) (?<method>[A-Z]+) (?<path>\\S+)$")]
    pub regex: Option<String>,

    /// A grok pattern with the standard pattern names. Each `%{PATTERN:column}` becomes a column of type string, each
    /// `%{PATTERN:column:int}` a column of the given type.
    #[schemars(example = &"%{IPORHOST:client} %{WORD:method} %{NUMBER:bytes:int}")]
    pub grok: Option<String>,

    /// Custom patterns for `grok`, by name.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("ORDER", "order-[0-9]+")]))]
    pub patterns: BTreeMap<String, String>,

    /// Comma-separated values.
    pub csv: Option<CsvOptions>,

    /// A JSON object. `schema` lists the fields to read.
    pub json: Option<JsonOptions>,

    /// The types of the parsed columns: `int64`, or `int64!` for a column that is never null. With `regex`, `grok` and
    /// `csv`, a column that is not listed is a string. With `json`, only the listed columns are read.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("status", "int64"), ("time", "timestamp!")]))]
    pub schema: BTreeMap<String, FieldType>,

    /// The strftime format of timestamp columns, for `regex` and `grok`. A time without a zone is UTC. Default: RFC
    /// 3339 and the format of access logs.
    #[schemars(example = &"%d.%m.%Y %H:%M:%S")]
    pub time_format: Option<String>,

    /// The other columns to keep. Default: all. A parsed column replaces a kept column of the same name.
    #[schemars(example = ["host"])]
    pub keep: Option<Vec<String>>,

    /// Whether to keep the parsed column too.
    #[serde(default)]
    pub keep_field: bool,
}

/// A format of access logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Apache's common format: client, ident, user, time, request, status, bytes.
    Common,
    /// Apache's combined format, also the default of nginx: common, then referrer and user agent.
    Combined,
    /// The format `main` of the nginx packages: combined, then the forwarded-for header.
    NginxMain,
    /// The format of Debian's `other_vhosts_access.log`: the virtual host and its port, then combined.
    VhostCombined,
}

/// Comma-separated values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvOptions {
    /// The columns, in their order in the text. Write `_` to skip a column.
    #[schemars(length(min = 1), example = ["sensor_id", "timestamp", "_", "temperature"])]
    pub columns: Vec<String>,

    /// The delimiter between two values: one ASCII character.
    #[serde(default = "default_delimiter")]
    #[schemars(length(min = 1, max = 1), example = &";")]
    pub delimiter: String,
}

fn default_delimiter() -> String {
    ",".to_owned()
}

/// A JSON object; no options yet, it is written `json: {}`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonOptions {}
