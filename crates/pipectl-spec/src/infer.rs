//! A schema from samples: what `pipectl infer` prints for the user to look at and keep.

use std::{collections::BTreeMap, fmt::Write as _};

use pipectl_data::{DataType, Field, Schema, timestamp};
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
    /// A row of CSV has not as many values as the header has names.
    #[error("row {number} has {found} values, and the header has {expected} names")]
    Ragged {
        /// Counted from 1, the header left out.
        number: usize,
        /// The values of the row.
        found: usize,
        /// The names of the header.
        expected: usize,
    },
    /// Two columns of CSV have one name.
    #[error("the header names `{0}` twice")]
    Twice(String),
    /// No record has a field that a spec can name.
    #[error("the records have no fields")]
    NoFields,
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
    schema(
        order.into_iter().map(|name| {
            let seen = fields.remove(&name).unwrap_or_default();
            (name, seen)
        }),
        records,
    )
}

/// Infers a schema from rows of CSV by the names of its header. Columns come in the header's order, and one that has a
/// value in every row is required.
///
/// Texts are numbers, booleans, timestamps or dates if all of a column are; `007` is none, since a number would lose its
/// zeros. Everything else is `string`.
///
/// # Errors
/// If there is no row, or a row or the header has another form.
pub fn infer_rows(names: &[String], rows: impl Iterator<Item = Vec<String>>) -> Result<Schema, InferError> {
    if let Some((_, name)) = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|one| one == *name))
    {
        return Err(InferError::Twice(name.clone()));
    }
    let mut columns: Vec<Seen> = names.iter().map(|_| Seen { plausible_millis: true, ..Seen::default() }).collect();
    let mut records = 0;
    for row in rows {
        records += 1;
        if row.len() != names.len() {
            return Err(InferError::Ragged { number: records, found: row.len(), expected: names.len() });
        }
        for (seen, text) in columns.iter_mut().zip(&row) {
            seen.text(text.trim());
        }
    }
    if records == 0 {
        return Err(InferError::Empty);
    }
    for seen in &mut columns {
        // Nothing but empty texts.
        seen.data_type.get_or_insert(DataType::String);
    }
    schema(names.iter().cloned().zip(columns), records)
}

fn schema(fields: impl Iterator<Item = (String, Seen)>, records: usize) -> Result<Schema, InferError> {
    let schema = Schema::new(fields.map(|(name, seen)| {
        let data_type = match seen.data_type.clone() {
            Some(DataType::Int64) if seen.plausible_millis && names_a_time(&name) => DataType::EpochMillis,
            Some(data_type) => data_type,
            None => DataType::Json,
        };
        Field { name, data_type, nullable: seen.present < records }
    }));
    if schema.names().any(can_be_key) { Ok(schema) } else { Err(InferError::NoFields) }
}

/// The schema as a spec takes it, one field a line, indented for a stream of a Pipeline. A name that no key can be is a
/// comment: such a field is passed over.
pub fn schema_block(schema: &Schema) -> String {
    let mut block = String::from("schema:\n");
    for field in schema.fields() {
        let required = if field.nullable { "" } else { "!" };
        let comment = if can_be_key(&field.name) { "" } else { "# cannot be a key of a spec: " };
        block.extend(["  ", comment, &key(&field.name), ": ", &field.data_type.to_string(), required, "\n"]);
    }
    block
}

/// A key holds no reference, and YAML ends the search for its colon after 1,024 characters.
fn can_be_key(name: &str) -> bool {
    !name.contains("${") && key(name).len() < 1_000
}

/// A name as a YAML key: plain where that is safe.
fn key(name: &str) -> String {
    let plain = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '-';
    let word = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && name.chars().all(plain);
    let reserved = ["null", "true", "false", "yes", "no", "on", "off"].contains(&name.to_lowercase().as_str());
    if word && !reserved {
        return name.to_owned();
    }
    // JSON's string syntax is YAML's double-quoted one, but for characters that YAML calls not printable.
    let quoted = serde_json::Value::from(name).to_string();
    let mut key = String::with_capacity(quoted.len());
    for next in quoted.chars() {
        match next {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // A string takes every write.
                let _infallible = write!(key, "\\u{:04x}", u32::from(next));
            }
            next => key.push(next),
        }
    }
    key
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
            Some(_) => self.number(json),
        };
        self.meet(data_type, mixed);
        true
    }

    /// Takes one text of CSV in.
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.present += 1;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = digits.starts_with(|first: char| first.is_ascii_digit())
            && !(digits.starts_with('0') && digits[1..].starts_with(|second: char| second.is_ascii_digit()))
            && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
        let data_type = if number && text.parse::<f64>().is_ok_and(f64::is_finite) {
            match self.number(text) {
                DataType::Json => DataType::String,
                data_type => data_type,
            }
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            DataType::Bool
        } else {
            plain_type(text)
        };
        self.meet(data_type, |one, other| match mixed(one, other) {
            DataType::Json => DataType::String,
            data_type => data_type,
        });
    }

    fn number(&mut self, text: &str) -> DataType {
        match text.parse::<i64>() {
            Ok(number) => {
                // 2001-09-09 to 2100-01-01.
                self.plausible_millis &= (1_000_000_000_000..4_102_444_800_000).contains(&number);
                DataType::Int64
            }
            // A whole number that is too large for an integer is an id rather than a measure, and a float would lose digits.
            Err(_) if text.contains(['.', 'e', 'E']) && text.parse::<f64>().is_ok_and(f64::is_finite) => {
                DataType::Float64
            }
            Err(_) => DataType::Json,
        }
    }

    fn meet(&mut self, data_type: DataType, mixed: impl Fn(DataType, DataType) -> DataType) {
        self.data_type = Some(match self.data_type.take() {
            None => data_type,
            Some(before) if before == data_type => before,
            Some(before) => mixed(before, data_type),
        });
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
    serde_json::from_str::<String>(json).map_or(DataType::String, |text| plain_type(&text))
}

/// By the judge that reads the records later.
fn plain_type(text: &str) -> DataType {
    // Both are fixed in their first ten characters, which keeps times of day and week dates out.
    let day = text.get(..10).is_some_and(|day| {
        day.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    });
    if day && timestamp::parse_date(text).is_some() {
        DataType::Date
    } else if day && text.len() >= 16 && timestamp::parse(text).is_some() {
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
    use super::{infer, infer_rows, schema_block};

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
        assert_eq!(block(&["{}", "{}"]), "the records have no fields");
        assert_eq!(
            block(&[r#"{"a":12345678901234567890,"b":-9223372036854775808}"#]),
            "schema:\n  a: json!\n  b: int64!\n"
        );
        assert_eq!(block(&[r#"{"a":1e999,"b":9}"#, r#"{"a":1,"b":1e3}"#]), "schema:\n  a: json!\n  b: float64!\n");
        assert_eq!(
            block(&[r#"{"until":"9999-12-31T23:59:59Z","day":"0001-01-01","late":"9999-12-31T23:59:59-05:00"}"#]),
            "schema:\n  until: timestamp!\n  day: date!\n  late: string!\n"
        );
        assert!(block(&["[1]"]).starts_with("record 1 is not a JSON object"));
        assert!(block(&["{}", "{\"a\":"]).starts_with("record 2 is not a JSON object"));
    }

    #[test]
    fn rows_of_csv() {
        let rows = |header: &[&str], rows: &[&[&str]]| {
            let owned = |row: &[&str]| row.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            match infer_rows(&owned(header), rows.iter().map(|row| owned(row))) {
                Ok(schema) => schema_block(&schema),
                Err(error) => error.to_string(),
            }
        };
        let header =
            ["id", "zip", "n", "x", "ok", "at", "day", "ts", "gap", "none", "word", "big", "mix", "phone", "exp"];
        let first = [
            "1",
            "01067",
            "-3",
            "1.5",
            "true",
            "2026-01-31 10:00:00",
            "2026-01-31",
            "1767225600000",
            "1",
            "",
            "a",
            "1e999",
            "1",
            "+49351",
            "1e3",
        ];
        let second = [
            "2",
            "10115",
            "0",
            "2",
            "FALSE",
            "2026-01-31T10:00:00Z",
            "2026-02-28",
            "1767225600001",
            " ",
            "",
            "inf",
            "1",
            "x",
            "0",
            "2E-3",
        ];
        assert_eq!(
            rows(&header, &[&first, &second]),
            "schema:\n  id: int64!\n  zip: string!\n  n: int64!\n  x: float64!\n  ok: bool!\n  at: timestamp!\n  day: date!\n  ts: epoch_ms!\n  gap: int64\n  none: string\n  word: string!\n  big: string!\n  mix: string!\n  phone: string!\n  exp: float64!\n"
        );
        assert_eq!(rows(&["a"], &[]), "there is no record to infer a schema from");
        assert_eq!(rows(&["a", "a"], &[&["1", "2"]]), "the header names `a` twice");
        assert_eq!(rows(&["a", "b"], &[&["1", "2"], &["1"]]), "row 2 has 1 values, and the header has 2 names");
    }
}
