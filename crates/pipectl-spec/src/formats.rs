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
    let bad = match word.parse::<DataType>() {
        Ok(data_type) if required => return Ok(Field::required(name, data_type)),
        Ok(data_type) => return Ok(Field::new(name, data_type)),
        Err(bad) => bad,
    };
    // Of a type inside another one, only the word that is no type is to be replaced.
    let lower = word.to_lowercase();
    // Of what is nearly ours, the parser knows best what is wrong.
    let nearly = ["decimal(", "list<", "struct<"].iter().any(|form| lower.starts_with(form));
    let whole = !nearly && foreign(&lower).is_some();
    let part = bad.word.as_deref().filter(|_| !whole).unwrap_or(word);
    let ours = foreign(&part.to_lowercase())
        .filter(|_| !nearly || bad.word.is_some())
        .or_else(|| nearest(part, DataType::NAMED.iter().map(DataType::word)).map(str::to_owned));
    let title = match &bad.word {
        _ if whole => format!("there is no type `{word}`"),
        Some(part) if part == word => format!("there is no type `{word}`"),
        Some(part) => format!("there is no type `{part}` in `{word}`"),
        None => format!("`{word}` is not a type"),
    };
    let help = match (ours, &bad.word) {
        (Some(ours), _) => format!("write `{ours}`"),
        (None, Some(_)) => format!("write one of {}", list(DataType::forms())),
        (None, None) => bad.reason,
    };
    Err((title, help))
}

/// Our word for a type that other systems call otherwise.
fn foreign(written: &str) -> Option<String> {
    if let Some(element) = written.strip_suffix("[]") {
        return Some(format!("list<{}>", ours(element)));
    }
    let (word, parameters) = match written.find(['(', '<', '[']) {
        Some(at) => written.split_at(at),
        None => (written, ""),
    };
    let element = || parameters.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).map(str::trim);
    Some(match word.trim() {
        "int" | "integer" | "long" | "bigint" | "smallint" | "tinyint" | "short" | "int8" | "int16" | "int32"
        | "i64" | "i32" | "uint32" | "uint64" | "u64" | "u32" => "int64".to_owned(),
        "float" | "double" | "real" | "number" | "float32" | "f64" | "f32" => "float64".to_owned(),
        "decimal" | "numeric" | "dec" | "bigdecimal" | "money" => {
            let kept = format!("decimal{parameters}");
            if kept.parse::<DataType>().is_ok() { kept } else { "decimal(18, 2)".to_owned() }
        }
        "text" | "varchar" | "char" | "str" | "utf8" | "uuid" | "keyword" => "string".to_owned(),
        "boolean" => "bool".to_owned(),
        "binary" | "blob" | "bytea" | "varbinary" => "bytes".to_owned(),
        "datetime" | "timestamptz" | "timestamp_ntz" | "timestamp_tz" | "time" | "instant" | "date-time" => {
            "timestamp".to_owned()
        }
        "epoch" | "epoch_millis" | "unix_ms" | "timestamp_ms" | "millis" => "epoch_ms".to_owned(),
        "unix" | "unix_s" | "epoch_seconds" | "timestamp_s" => "epoch_s".to_owned(),
        "array" | "list" => format!("list<{}>", ours(element().unwrap_or("string"))),
        "row" | "record" if !parameters.is_empty() => "struct<a:string, b:int64>".to_owned(),
        "object" | "map" | "record" | "jsonb" | "variant" | "any" => "json".to_owned(),
        _ => return None,
    })
}

/// A type inside another one, in our words as far as they are known.
fn ours(written: &str) -> String {
    if written.parse::<DataType>().is_ok() {
        return written.to_owned();
    }
    foreign(written).unwrap_or_else(|| "string".to_owned())
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
