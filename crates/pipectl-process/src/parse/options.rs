//! What a spec can say about parsing.

use std::collections::BTreeMap;

use pipectl_data::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// Takes a column of text apart into columns of their own. Exactly one of `format`, `regex`, `grok`, `csv` and `json` says what the text looks like.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseOptions {
    /// The column to take apart: `line` if there is one, or else the only column of type string.
    #[schemars(example = &"line")]
    pub field: Option<String>,

    /// A web server's access log.
    #[schemars(example = &"combined")]
    pub format: Option<LogFormat>,

    /// A regular expression (syntax: <https://docs.rs/regex>). Each named group becomes a column; anything may stand
    /// before and after the match unless `^` and `$` forbid it.
    #[schemars(example = &"^(?<client>\\S+) (?<method>[A-Z]+) (?<path>\\S+)$")]
    pub regex: Option<String>,

    /// A grok pattern with the standard names. Each `%{PATTERN:column}` becomes a column, each
    /// `%{PATTERN:column:int}` one of that type.
    #[schemars(example = &"%{IPORHOST:client} %{WORD:method} %{NUMBER:bytes:int}")]
    pub grok: Option<String>,

    /// Patterns of your own for `grok`, by name.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("ORDER", "order-[0-9]+")]))]
    pub patterns: BTreeMap<String, String>,

    /// Comma-separated values.
    pub csv: Option<CsvOptions>,

    /// A JSON object, whose fields `schema` names.
    pub json: Option<JsonOptions>,

    /// The types of the columns that parsing makes: `int64`, or `int64!` for one that is never null. `regex`, `grok`
    /// and `csv` make strings where nothing is said; `json` makes the columns named here and no others.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("status", "int64"), ("time", "timestamp!")]))]
    pub schema: BTreeMap<String, FieldType>,

    /// How columns of type timestamp are written, in strftime's letters; without a zone it is UTC. If not given, RFC 3339
    /// and the form of access logs are understood. For `regex` and `grok`.
    #[schemars(example = &"%d.%m.%Y %H:%M:%S")]
    pub time_format: Option<String>,

    /// Which other columns stay: all if not given. A column that stays gives way to a parsed one of the same name.
    #[schemars(example = ["host"])]
    pub keep: Option<Vec<String>>,

    /// Whether the column that is taken apart stays too.
    #[serde(default)]
    pub keep_field: bool,
}

/// A form of access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Apache's common format: client, ident, user, time, request, status, bytes.
    Common,
    /// Apache's combined format, which is also nginx's: common, then referrer and user agent.
    Combined,
    /// What nginx's packages call `main`: combined, then the forwarded-for header.
    NginxMain,
    /// What Debian's Apache writes to `other_vhosts_access.log`: the virtual host and its port in front of combined.
    VhostCombined,
}

/// Comma-separated values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvOptions {
    /// The columns in the order in which they stand; `_` for one that is not wanted.
    #[schemars(length(min = 1), example = ["sensor_id", "timestamp", "_", "temperature"])]
    pub columns: Vec<String>,

    /// The character between two values: one ASCII character.
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

/// A column's type as a spec writes it: `int64`, or `int64!` if it is never null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldType {
    /// The type.
    pub data_type: DataType,
    /// Whether a null makes the record a dead letter.
    pub required: bool,
}

impl FieldType {
    /// The column of this name and type.
    pub(super) fn field(self, name: &str) -> Field {
        Field { name: name.to_owned(), data_type: self.data_type, nullable: !self.required }
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, required) = match text.strip_suffix('!') {
            Some(name) => (name, true),
            None => (text.strip_suffix('?').unwrap_or(&text), false),
        };
        let data_type = name.parse().map_err(|()| {
            let nearest = pipectl_diag::nearest(name, DataType::NAMED.into_iter().map(DataType::name));
            let nearest = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
            serde::de::Error::custom(format!("`{name}` is not a type{nearest}"))
        })?;
        Ok(Self { data_type, required })
    }
}

impl JsonSchema for FieldType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = ["", "!"].into_iter().flat_map(|mark| DataType::NAMED.map(|name| format!("{name}{mark}")));
        schemars::json_schema!({
            "type": "string",
            "enum": names.collect::<Vec<_>>(),
            "description": "A column's type; with `!` it is never null.",
        })
    }
}
