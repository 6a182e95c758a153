//! A schema from samples: what `pipectl infer` prints for the user to look at and keep.

use std::collections::BTreeMap;

use pipectl_data::{DataType, Field, Schema};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why no schema could be inferred.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// There was no record.
    #[error("there is no record to infer a schema from")]
    Empty,
    /// A record is not a JSON object.
    #[error("record {number} is not a JSON object: {reason}")]
    NotAnObject {
        /// Counted from 1, empty lines left out.
        number: usize,
        /// What the parser says.
        reason: String,
    },
}

/// What the values of one field have been so far.
#[derive(Default)]
struct Seen {
    /// Records in which it stands with a value.
    present: usize,
    data_type: Option<DataType>,
    /// Whether every value could be milliseconds since 1970 of this age.
    plausible_millis: bool,
}

/// Infers a schema from records, each a JSON object; empty ones are passed over. Fields come in the order in which they
/// first appear, and one that has a value in every record is required.
///
/// Integers mixed with decimals are `float64`; any other mixture, arrays and objects are `json`. Strings that all look
/// like RFC 3339 timestamps (a zone may be missing) or dates get these types. Integers are `epoch_ms` only if the name
/// says so (`timestamp`, `ts`, `time`, or ending in `_at`, `_ts`, `_time`, `_ms`) and all lie between 2001 and 2100.
pub fn infer<'a>(samples: impl Iterator<Item = &'a [u8]>) -> Result<Schema, InferError> {
    let mut order: Vec<String> = Vec::new();
    let mut fields: BTreeMap<String, Seen> = BTreeMap::new();
    let mut records = 0;
    for sample in samples.filter(|sample| !sample.trim_ascii().is_empty()) {
        records += 1;
        let error = |error: serde_json::Error| InferError::NotAnObject { number: records, reason: error.to_string() };
        let mut deserializer = serde_json::Deserializer::from_slice(sample);
        let entries = Entries.deserialize(&mut deserializer).map_err(error)?;
        deserializer.end().map_err(error)?;
        let mut counted = std::collections::BTreeSet::new();
        for (name, value) in entries {
            let seen = fields.entry(name.clone()).or_insert_with(|| {
                order.push(name.clone());
                Seen { plausible_millis: true, ..Seen::default() }
            });
            if seen.value(value.get().trim()) && counted.insert(name) {
                seen.present += 1;
            }
        }
    }
    if records == 0 {
        return Err(InferError::Empty);
    }
    Ok(Schema::new(order.into_iter().map(|name| {
        let seen = fields.remove(&name).unwrap_or_default();
        let data_type = match seen.data_type {
            Some(DataType::Int64) if seen.plausible_millis && names_a_time(&name) => DataType::EpochMillis,
            Some(data_type) => data_type,
            None => DataType::Json,
        };
        Field { name, data_type, nullable: seen.present < records }
    })))
}

/// The schema as a spec takes it, one field a line, indented for a stream of a Pipeline.
pub fn schema_block(schema: &Schema) -> String {
    let mut block = String::from("schema:\n");
    for field in schema.fields() {
        let required = if field.nullable { "" } else { "!" };
        block.extend(["  ", &key(&field.name), ": ", field.data_type.name(), required, "\n"]);
    }
    block
}

/// A name as a YAML key: plain where that is safe.
fn key(name: &str) -> String {
    let plain = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '-';
    let word = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && name.chars().all(plain);
    let reserved = ["null", "true", "false", "yes", "no", "on", "off"].contains(&name.to_lowercase().as_str());
    // JSON's string syntax is YAML's double-quoted one.
    if word && !reserved { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

fn names_a_time(name: &str) -> bool {
    let name = name.to_lowercase();
    ["timestamp", "ts", "time", "epoch_ms"].contains(&name.as_str())
        || ["_at", "_ts", "_time", "_ms", "_timestamp"].iter().any(|end| name.ends_with(end))
}

impl Seen {
    /// Takes one value in; answers whether it is one, and not null.
    fn value(&mut self, json: &str) -> bool {
        let data_type = match json.as_bytes().first() {
            Some(b'n') => return false,
            Some(b't' | b'f') => DataType::Bool,
            Some(b'"') => text_type(json),
            Some(b'{' | b'[') | None => DataType::Json,
            Some(_) => match json.parse::<i64>() {
                Ok(number) => {
                    // 2001-09-09 to 2100-01-01.
                    self.plausible_millis &= (1_000_000_000_000..4_102_444_800_000).contains(&number);
                    DataType::Int64
                }
                Err(_) => DataType::Float64,
            },
        };
        self.data_type = Some(match self.data_type {
            None => data_type,
            Some(before) if before == data_type => before,
            Some(before) => mixed(before, data_type),
        });
        true
    }
}

fn mixed(one: DataType, other: DataType) -> DataType {
    use DataType::{Date, Float64, Int64, Json, String, Timestamp};
    match (one, other) {
        (Int64, Float64) | (Float64, Int64) => Float64,
        (String | Timestamp | Date, String | Timestamp | Date) => String,
        _ => Json,
    }
}

fn text_type(json: &str) -> DataType {
    let Ok(text) = serde_json::from_str::<String>(json) else { return DataType::String };
    // Both are fixed in their first ten characters, which keeps times of day and week dates out.
    let day = text.get(..10).is_some_and(|day| {
        day.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    });
    if !day {
        DataType::String
    } else if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() {
        DataType::Date
    } else if text.len() >= 16
        && (text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok())
    {
        DataType::Timestamp
    } else {
        DataType::String
    }
}

/// Reads an object's entries in order, their values unread.
struct Entries;

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::{infer, schema_block};

    fn block(records: &[&str]) -> String {
        infer(records.iter().map(|record| record.as_bytes()))
            .map_or_else(|error| error.to_string(), |schema| schema_block(&schema))
    }

    #[test]
    fn types_follow_from_all_records() {
        let records = [
            r#"{"id":"a","at":"2026-01-31T12:00:00Z","n":1,"x":1,"ok":true,"ts":1767225600000,"big":1767225600000,"tags":[],"day":"2026-01-31","gone":null,"on":1,"zoneless":"2026-01-31 12:00:00"}"#,
            "",
            r#"{"id":"b","at":"2026-01-31T12:00:00.5+01:00","n":2,"x":1.5,"ok":false,"ts":1767225600001,"big":5,"tags":{},"day":"2026-02-01","gone":null,"on":2,"zoneless":"2026-01-31 12:00:00.25"}"#,
            r#"{"id":"12:30","at":"2026-01-31T12:00:00Z","x":2,"ok":true,"ts":1767225600002,"big":1,"tags":1,"day":"2026-02-02","gone":null,"on":3,"zoneless":"2026-01-31 12:00:01"}"#,
        ];
        let expected = "schema:\n  id: string!\n  at: timestamp!\n  n: int64\n  x: float64!\n  ok: bool!\n  ts: epoch_ms!\n  big: int64!\n  tags: json!\n  day: date!\n  gone: json\n  \"on\": int64!\n  zoneless: timestamp!\n";
        assert_eq!(block(&records), expected);
    }

    #[test]
    fn mixtures_and_strange_names_are_safe() {
        assert_eq!(
            block(&[r#"{"a b":"x","c":1}"#, r#"{"a b":"2026-01-31","c":"1"}"#]),
            "schema:\n  \"a b\": string!\n  c: json!\n"
        );
        assert_eq!(block(&[]), "there is no record to infer a schema from");
        assert!(block(&["[1]"]).starts_with("record 1 is not a JSON object"));
        assert!(block(&["{}", "{\"a\":"]).starts_with("record 2 is not a JSON object"));
    }
}
