//! Typed values from plain text: the fields of CSV rows and lines of text.

use super::{
    excerpt,
    slot::{Number, Slots},
};
use crate::{DataType, json};

/// Reads `text`, which stands in the record as it is, as the field's type.
pub(super) fn set<'a>(slots: &mut Slots<'a>, field: usize, text: &'a str) {
    match slots.data_type(field) {
        DataType::String => slots.set_text(field, text),
        data_type => {
            let text = text.trim();
            match data_type {
                _ if text.is_empty() => slots.set_null(field),
                DataType::Json => match json::value(text) {
                    Some("null") => slots.set_null(field),
                    Some(value) => slots.set_text(field, value),
                    None => slots.set_bad(field, excerpt(text)),
                },
                DataType::List(_) | DataType::Struct(_) => {
                    if slots.set_nested(field, text).is_err() {
                        slots.set_bad(field, excerpt(text));
                    }
                }
                _ => set_plain(slots, field, text),
            }
        }
    }
}

/// The same for text that was unquoted and so is not in the record.
pub(super) fn set_copied(slots: &mut Slots<'_>, field: usize, text: &str) {
    match slots.data_type(field) {
        DataType::String => slots.set_copied_text(field, text),
        data_type => {
            let text = text.trim();
            match data_type {
                _ if text.is_empty() => slots.set_null(field),
                DataType::Json => match json::value(text) {
                    Some("null") => slots.set_null(field),
                    Some(value) => slots.set_copied_text(field, value),
                    None => slots.set_bad(field, excerpt(text)),
                },
                DataType::List(_) | DataType::Struct(_) => {
                    if slots.set_copied_nested(field, text).is_err() {
                        slots.set_bad(field, excerpt(text));
                    }
                }
                _ => set_plain(slots, field, text),
            }
        }
    }
}

fn set_plain(slots: &mut Slots<'_>, field: usize, text: &str) {
    match slots.data_type(field) {
        DataType::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => slots.set_bool(field, true),
            "false" | "f" | "0" => slots.set_bool(field, false),
            _ => slots.set_bad(field, excerpt(text)),
        },
        DataType::Int64 | DataType::Decimal(_) => {
            if !slots.set_digits(field, text) {
                slots.set_bad(field, excerpt(text));
            }
        }
        DataType::Float64 | DataType::EpochMillis | DataType::EpochSeconds => match number(text) {
            Some(number) => slots.set_number(field, number),
            None => slots.set_bad(field, excerpt(text)),
        },
        _ => slots.set_copied_text(field, text),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Ok(number) = text.parse() {
        return Some(Number::Int(number));
    }
    // The standard library also reads `inf` and `nan`, which are no measurements.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|_| digits)?;
    number.is_finite().then_some(Number::Float(number))
}
