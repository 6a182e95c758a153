//! The records of the input that a differing row was made of, as far as its columns show.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Difference, Origin,
    origin::{From, Time, Way, moment},
};

/// How many records are shown of each difference.
const SHOWN: usize = 3;

/// The records that the sources of a run read, by the source's name.
pub type Input = BTreeMap<String, Vec<String>>;

/// The records of the input that belong to a row.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Belonging {
    /// The first ones, as they came in.
    pub records: Vec<String>,
    /// How many there are in all.
    pub total: u64,
}

/// Finds the input of each difference, in one go through the records. `None` stays where no column of the row comes
/// unchanged from the input.
pub(crate) fn attach(differences: &mut [Difference], origin: &Origin, input: &Input) {
    let ways: Vec<&Way> = origin.ways.iter().filter(|way| way.shows_fields()).collect();
    if ways.is_empty() || differences.is_empty() || input.is_empty() {
        return;
    }
    let row = |difference: &Difference| {
        let text = difference.expected.as_ref().or(difference.found.as_ref())?;
        serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
    };
    let rows: Vec<Option<Value>> = differences.iter().map(row).collect();
    for (difference, _) in differences.iter_mut().zip(&rows).filter(|(_, row)| row.is_some()) {
        difference.input = Some(Belonging::default());
    }
    for (source, records) in input {
        let ways: Vec<&Way> = ways.iter().filter(|way| way.source == *source).copied().collect();
        for text in records.iter().filter(|_| !ways.is_empty()) {
            let record: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
            for (difference, row) in differences.iter_mut().zip(&rows) {
                let (Some(row), Some(found)) = (row, &mut difference.input) else { continue };
                if ways.iter().any(|way| belongs(way, row, record.as_ref(), text)) {
                    found.total += 1;
                    if found.records.len() < SHOWN {
                        found.records.push(text.clone());
                    }
                }
            }
        }
    }
}

fn belongs(way: &Way, row: &Value, record: Option<&Value>, text: &str) -> bool {
    if let (Some(window), Some(record)) = (&way.window, record)
        && let Time::Field(field, data_type) = &window.time
        && !record.get(field).and_then(|at| moment(at, data_type)).is_some_and(|at| window.holds(row, at))
    {
        return false;
    }
    way.columns.iter().all(|(column, from)| {
        let value = row.get(column).unwrap_or(&Value::Null);
        match (from, record) {
            (From::Field(field, data_type), Some(record)) => {
                let other = record.get(field).unwrap_or(&Value::Null);
                same(value, other) || moment(other, data_type).is_some_and(|at| same_moment(value, at))
            }
            _ => stands_in(value, text),
        }
    })
}

/// Equal as the values of one column are, however their numbers are written.
fn same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one.total_cmp(&other).is_eq())
}

fn same_moment(value: &Value, at: i64) -> bool {
    value.as_str().and_then(pipectl_data::timestamp::parse) == Some(at)
}

/// Whether a value stands in a text as a word. Of what a text writes in its own way (times, fractions) nothing is asked.
fn stands_in(value: &Value, text: &str) -> bool {
    let word = match value {
        Value::String(word) if pipectl_data::timestamp::parse(word).is_none() => word.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return true,
    };
    if word.is_empty() {
        return true;
    }
    let is_part = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
    text.match_indices(&word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}
