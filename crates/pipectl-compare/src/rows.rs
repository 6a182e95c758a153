//! Rows as they are compared.

use std::fmt::Write as _;

use serde_json::Value;

/// A row that a sink was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The row as JSON text.
    pub text: String,
    /// The key that it came with, as text.
    pub key: Option<String>,
}

/// A row taken apart: what must be equal, and the numbers that must be close.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// The row with its fractions left out and its fields sorted by name.
    pub(crate) exact: String,
    /// The fractions in the order of the fields.
    pub(crate) fractions: Vec<f64>,
}

impl Shape {
    /// Of a row's text; what is no JSON must be equal as it is.
    pub(crate) fn of(text: &str) -> Self {
        let mut shape = Self { exact: String::with_capacity(text.len()), fractions: Vec::new() };
        match serde_json::from_str::<Value>(text) {
            Ok(value) => shape.take(&value),
            Err(_) => text.clone_into(&mut shape.exact),
        }
        shape
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::Number(number) if !number.is_i64() && !number.is_u64() => {
                self.exact.push('~');
                self.fractions.push(number.as_f64().unwrap_or(f64::NAN));
            }
            Value::Array(items) => {
                self.exact.push('[');
                for item in items {
                    self.take(item);
                    self.exact.push(',');
                }
                self.exact.push(']');
            }
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                self.exact.push('{');
                for (name, value) in fields {
                    write!(self.exact, "{name:?}:").unwrap_or_default();
                    self.take(value);
                    self.exact.push(',');
                }
                self.exact.push('}');
            }
            other => write!(self.exact, "{other}").unwrap_or_default(),
        }
    }

    /// Whether two rows count as the same.
    pub(crate) fn same(&self, other: &Self, tolerance: f64) -> bool {
        self.exact == other.exact
            && self.fractions.len() == other.fractions.len()
            && self.fractions.iter().zip(&other.fractions).all(|(one, other)| close(*one, *other, tolerance))
    }
}

/// Equal within the tolerance, taken relative for numbers above 1.
pub(crate) fn close(one: f64, other: f64, tolerance: f64) -> bool {
    one.total_cmp(&other).is_eq() || (one - other).abs() <= tolerance * one.abs().max(other.abs()).max(1.0)
}
