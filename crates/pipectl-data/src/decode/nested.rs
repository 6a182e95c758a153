//! Lists and structs: a JSON value inside a record, by the rules of its parts.

use serde_json::value::RawValue;

use super::{
    json::{self, Keys},
    slot::Slots,
};
use crate::{DataType, Schema};

/// A value for a list or a struct.
pub(super) enum Parsed<'a> {
    Null,
    /// Its values or fields, all of them good.
    Values(Slots<'a>),
    /// Why a part of it cannot be used, and which.
    Bad(String),
    /// What was found instead of an array or object.
    Other(&'static str),
}

impl Parsed<'_> {
    pub(super) fn into_owned(self) -> Parsed<'static> {
        match self {
            Self::Null => Parsed::Null,
            Self::Values(values) => Parsed::Values(values.into_owned()),
            Self::Bad(message) => Parsed::Bad(message),
            Self::Other(found) => Parsed::Other(found),
        }
    }
}

/// Reads the text of a JSON value as a list or a struct.
///
/// # Errors
/// If the text is no JSON: why, in one line.
pub(super) fn parse<'a>(data_type: &DataType, json: &'a str) -> Result<Parsed<'a>, String> {
    match (data_type, json.trim_start().as_bytes().first()) {
        (DataType::List(element), Some(b'[')) => list(element, json),
        (DataType::Struct(fields), Some(b'{')) => object(fields, json),
        _ => other(json),
    }
}

fn list<'a>(element: &DataType, json: &'a str) -> Result<Parsed<'a>, String> {
    let values: Vec<&'a RawValue> = serde_json::from_str(json).map_err(|error| json::reason(&error))?;
    let mut slots = Slots::of_types(vec![element.clone(); values.len()]);
    for (position, value) in values.into_iter().enumerate() {
        json::value(position, value.get(), &mut slots)?;
    }
    Ok(match slots.first_bad() {
        Some((position, why)) => Parsed::Bad(format!("value {} of the list: {why}", position + 1)),
        None => Parsed::Values(slots),
    })
}

fn object<'a>(fields: &Schema, json: &'a str) -> Result<Parsed<'a>, String> {
    let mut slots = Slots::new(fields);
    Keys::new(fields).judge(json, &mut slots)?;
    let mut parts = fields.fields().iter().enumerate();
    let missing =
        parts.find(|(position, field)| !field.nullable && (slots.is_missing(*position) || slots.is_null(*position)));
    if let Some((_, field)) = missing {
        return Ok(Parsed::Bad(format!("field `{}` of the struct: it is missing or null and cannot be", field.name)));
    }
    Ok(match slots.first_bad() {
        Some((position, why)) => {
            let name = fields.names().nth(position).unwrap_or_default();
            Parsed::Bad(format!("field `{name}` of the struct: {why}"))
        }
        None => Parsed::Values(slots),
    })
}

fn other<'a>(json: &str) -> Result<Parsed<'a>, String> {
    let value: &RawValue = serde_json::from_str(json).map_err(|error| json::reason(&error))?;
    Ok(match value.get().as_bytes().first() {
        Some(b'n') => Parsed::Null,
        Some(b'[') => Parsed::Other("an array"),
        Some(b'{') => Parsed::Other("an object"),
        Some(b'"') => Parsed::Other("a string"),
        Some(b't' | b'f') => Parsed::Other("true or false"),
        _ => Parsed::Other("a number"),
    })
}
