//! The order of each key.

use std::collections::BTreeMap;

use crate::{Row, rows::Shape};

/// A key whose rows came in another order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disorder {
    /// The key.
    pub(crate) key: String,
    /// The first row of the reference that is not where it should be.
    pub(crate) expected: String,
    /// The row that stands there instead.
    pub(crate) found: String,
}

/// The keys whose rows, the same as often, come in another order. A key whose rows differ is not reported again here.
pub(crate) fn disorders(reference: &[Row], other: &[Row], tolerance: f64) -> Vec<Disorder> {
    let (reference, other) = (by_key(reference), by_key(other));
    let mut found = Vec::new();
    for (key, expected) in reference {
        let Some(rows) = other.get(key) else { continue };
        if rows.len() != expected.len() || !same_rows(&expected, rows) {
            continue;
        }
        let differs = expected
            .iter()
            .zip(rows)
            .find(|(one, two)| one.text != two.text && !Shape::of(&one.text).same(&Shape::of(&two.text), tolerance));
        if let Some((expected, row)) = differs {
            found.push(Disorder { key: key.to_owned(), expected: expected.text.clone(), found: row.text.clone() });
        }
    }
    found
}

fn by_key(rows: &[Row]) -> BTreeMap<&str, Vec<&Row>> {
    let mut keys: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = &row.key {
            keys.entry(key).or_default().push(row);
        }
    }
    keys
}

fn same_rows(one: &[&Row], two: &[&Row]) -> bool {
    let sorted = |rows: &[&Row]| {
        let mut shapes: Vec<String> = rows.iter().map(|row| Shape::of(&row.text).exact).collect();
        shapes.sort();
        shapes
    };
    sorted(one) == sorted(two)
}
