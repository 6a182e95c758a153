//! A column's type in the options of a node.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::{BadType, DataType, Field};

/// A column's type as a spec writes it: `int64`, or `int64!` if it is never null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldType {
    /// The type.
    pub data_type: DataType,
    /// Whether a null makes the record a dead letter.
    pub required: bool,
}

impl FieldType {
    /// The column of this name and type.
    pub fn field(&self, name: &str) -> Field {
        Field { name: name.to_owned(), data_type: self.data_type.clone(), nullable: !self.required }
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, required) = match text.strip_suffix('!') {
            Some(name) => (name, true),
            None => (text.strip_suffix('?').unwrap_or(&text), false),
        };
        let data_type = name.parse().map_err(|bad: BadType| {
            let known = DataType::NAMED.iter().map(DataType::word);
            let nearest = bad.word.as_ref().and_then(|word| pipectl_diag::nearest(word, known));
            let more = match (nearest, &bad.word) {
                (Some(nearest), _) => format!("; did you mean `{nearest}`?"),
                (None, Some(word)) if word == name => String::new(),
                (None, _) => format!(": {}", bad.reason),
            };
            serde::de::Error::custom(format!("`{name}` is not a type{more}"))
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
        DataType::json_schema("A column's type; with `!` it is never null.")
    }
}
