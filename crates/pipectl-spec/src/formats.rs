//! Texts with a form of their own: the formats that a schema can name.

use std::ops::Range;

use pipectl_data::{
    DataType, Field, timestamp,
    units::{Duration, Rate, Size},
};
use pipectl_diag::nearest;

/// What is wrong with a text, and where in it.
pub(crate) struct Fault {
    pub(crate) reason: String,
    pub(crate) range: Range<usize>,
}

/// Checks a text; `None` for a format that is not ours to check.
pub(crate) fn check(format: &str, text: &str) -> Option<Result<(), Fault>> {
    let unit = |result: Result<(), pipectl_data::units::UnitError>| {
        result.map_err(|error| Fault { reason: error.to_string(), range: error.range() })
    };
    let whole = |valid: bool, reason: &str| {
        if valid { Ok(()) } else { Err(Fault { reason: format!("`{text}` {reason}"), range: 0..text.len() }) }
    };
    Some(match format {
        "duration" => unit(text.parse::<Duration>().map(|_| ())),
        "size" => unit(text.parse::<Size>().map(|_| ())),
        "rate" => unit(text.parse::<Rate>().map(|_| ())),
        "timestamp" | "date-time" => {
            whole(timestamp::parse(text).is_some(), "is not a timestamp: write one such as `2026-01-31T12:00:00Z`")
        }
        "start" => whole(
            matches!(text, "earliest" | "latest") || timestamp::parse(text).is_some(),
            "is not a start position: write `earliest`, `latest` or a timestamp such as `2026-01-31T12:00:00Z`",
        ),
        "date" => whole(timestamp::parse_date(text).is_some(), "is not a date: write one such as `2026-01-31`"),
        _ => return None,
    })
}

/// What to call a format in a message.
pub(crate) fn noun(format: &str) -> Option<&'static str> {
    Some(match format {
        "duration" => "a duration such as `60s`",
        "size" => "a size such as `64MiB`",
        "rate" => "a rate such as `200/s`",
        "timestamp" | "date-time" => "a timestamp such as `2026-01-31T12:00:00Z`",
        "start" => "`earliest`, `latest` or a timestamp",
        "date" => "a date such as `2026-01-31`",
        "column_type" => "a type such as `string`",
        _ => return None,
    })
}

/// The field that `name: string!` declares. The error is a title and what to write instead.
pub(crate) fn column(name: &str, written: &str) -> Result<Field, (String, String)> {
    let (word, required) = match written.strip_suffix('!') {
        Some(word) => (word, true),
        None => (written.strip_suffix('?').unwrap_or(written), false),
    };
    if let Ok(data_type) = word.parse::<DataType>() {
        return Ok(if required { Field::required(name, data_type) } else { Field::new(name, data_type) });
    }
    let names = || DataType::NAMED.iter().map(|data_type| data_type.name());
    let help = match foreign(&word.to_lowercase()).or_else(|| nearest(word, names())) {
        Some(ours) => format!("write `{ours}`"),
        None => format!("write one of {}", list(names())),
    };
    Err((format!("there is no type `{word}`"), help))
}

/// Our word for a type that other systems call otherwise.
fn foreign(word: &str) -> Option<&'static str> {
    if word.ends_with("[]") {
        return Some("json");
    }
    let word = word.split(['(', '<', '[']).next().unwrap_or(word).trim();
    Some(match word {
        "int" | "integer" | "long" | "bigint" | "smallint" | "tinyint" | "short" | "int8" | "int16" | "int32"
        | "i64" | "i32" | "uint32" | "uint64" | "u64" | "u32" => "int64",
        "float" | "double" | "real" | "number" | "numeric" | "decimal" | "float32" | "f64" | "f32" => "float64",
        "text" | "varchar" | "char" | "str" | "utf8" | "uuid" | "keyword" => "string",
        "boolean" => "bool",
        "binary" | "blob" | "bytea" | "varbinary" => "bytes",
        "datetime" | "timestamptz" | "timestamp_ntz" | "timestamp_tz" | "time" | "instant" | "date-time" => "timestamp",
        "epoch" | "epoch_millis" | "unix_ms" | "timestamp_ms" | "millis" => "epoch_ms",
        "unix" | "unix_s" | "epoch_seconds" | "timestamp_s" => "epoch_s",
        "object" | "struct" | "array" | "list" | "map" | "record" | "jsonb" | "variant" | "any" => "json",
        _ => return None,
    })
}

/// `a`, `b` or `c`.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Why a word cannot name a node; `None` if it can.
pub(crate) fn identifier(name: &str) -> Option<&'static str> {
    let mut characters = name.chars();
    let start = characters.next();
    if name.len() > 64 {
        Some("is longer than 64 characters")
    } else if !start.is_some_and(|first| first.is_ascii_alphabetic() || first == '_') {
        Some("must begin with a letter or an underscore")
    } else if !characters.all(|next| next.is_ascii_alphanumeric() || next == '_') {
        Some("may hold letters, digits and underscores only")
    } else {
        None
    }
}

/// Why a word cannot name a document; `None` if it can. A document's name becomes part of file and group names.
pub(crate) fn document_name(name: &str) -> Option<&'static str> {
    let plain = |next: char| next.is_ascii_alphanumeric();
    if name.len() > 64 {
        Some("is longer than 64 characters")
    } else if !(name.starts_with(plain) && name.ends_with(plain)) {
        Some("must begin and end with a letter or a digit")
    } else if !name.chars().all(|next| plain(next) || next == '-' || next == '_') {
        Some("may hold letters, digits, hyphens and underscores only")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn times_are_those_that_are_read_later() {
        let fits = |format: &str, text: &str| matches!(check(format, text), Some(Ok(())));
        for text in ["9999-12-31T23:59:59Z", "0001-01-01", "2026-01-31T12:00:00+01:00", "2026-01-31 12:00:00"] {
            assert!(fits("timestamp", text) && fits("start", text), "{text}");
        }
        for text in ["9999-12-31T23:59:59-05:00", "soon", "2026-02-30", "2026-01-31T12:00:00[Mars/Olympus]"] {
            assert!(!fits("timestamp", text) && !fits("start", text), "{text}");
        }
        assert!(fits("start", "latest") && fits("date", "9999-12-31") && !fits("date", "2026-02-30"));
    }
}
