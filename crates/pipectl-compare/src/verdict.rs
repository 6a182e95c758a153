//! The judgment of one run against the reference.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Belonging, Origin, Recorded, Row, Run, input::attach, order::disorders, rows::Shape};

/// How to judge.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How far fractions may differ: absolutely up to 1, relatively above.
    pub tolerance: f64,
    /// How many differing rows to report of each sink.
    pub examples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tolerance: 1e-9, examples: 5 }
    }
}

/// A difference, as an example.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The key of the row, if it has one.
    pub key: Option<String>,
    /// The row as the reference has it; `None` if it has no such row, or not so often.
    pub expected: Option<String>,
    /// The row as this run has it; `None` if it has no such row, or not so often.
    pub found: Option<String>,
    /// What kind of difference, in a word or two.
    pub what: &'static str,
    /// The records of the input that the row was made of; `None` where no column of it comes unchanged from the input.
    pub input: Option<Belonging>,
}

/// The judgment of one sink.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SinkVerdict {
    /// The sink's name.
    pub sink: String,
    /// Rows of the reference.
    pub expected: u64,
    /// Rows of this run.
    pub found: u64,
    /// Rows of the reference that are missing, each as often as it is.
    pub lost: u64,
    /// Rows that are there more often than in the reference, each as often as it is.
    pub duplicates: u64,
    /// Rows that the reference does not have at all.
    pub foreign: u64,
    /// Keys whose rows come in another order, where order is promised in both.
    pub disordered_keys: u64,
    /// The first differences.
    pub examples: Vec<Difference>,
}

impl SinkVerdict {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.lost == 0 && self.duplicates == 0 && self.foreign == 0 && self.disordered_keys == 0
    }
}

/// The judgment of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Verdict {
    /// The run's name.
    pub run: String,
    /// Its sinks, the dead letters among them.
    pub sinks: Vec<SinkVerdict>,
}

impl Verdict {
    /// Whether the run came to the same result as the reference.
    pub fn is_equal(&self) -> bool {
        self.sinks.iter().all(SinkVerdict::is_equal)
    }

    /// A sum over all sinks.
    pub fn total(&self, of: impl Fn(&SinkVerdict) -> u64) -> u64 {
        self.sinks.iter().map(of).sum()
    }
}

/// Judges a run against the reference.
pub fn judge(reference: &Run, run: &Run, settings: Settings) -> Verdict {
    let names: BTreeSet<&String> = reference.sinks.keys().chain(run.sinks.keys()).collect();
    let none = Recorded::default();
    let sinks = names.into_iter().map(|name| {
        let (expected, found) = (reference.sinks.get(name).unwrap_or(&none), run.sinks.get(name).unwrap_or(&none));
        let mut verdict = judge_sink(name, expected, found, settings);
        attach(&mut verdict.examples, &expected.origin, &reference.input);
        verdict
    });
    Verdict { run: run.name.clone(), sinks: sinks.collect() }
}

fn judge_sink(name: &str, expected: &Recorded, found: &Recorded, settings: Settings) -> SinkVerdict {
    let mut verdict = SinkVerdict {
        sink: name.to_owned(),
        expected: expected.rows.len() as u64,
        found: found.rows.len() as u64,
        lost: 0,
        duplicates: 0,
        foreign: 0,
        disordered_keys: 0,
        examples: Vec::new(),
    };
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for row in &expected.rows {
        let shape = Shape::of(&row.text);
        groups.entry(shape.exact).or_default().expected.push((shape.fractions, row));
    }
    for row in &found.rows {
        let shape = Shape::of(&row.text);
        groups.entry(shape.exact).or_default().found.push((shape.fractions, row));
    }
    let texts: BTreeSet<&str> = expected.rows.iter().map(|row| row.text.as_str()).collect();
    for group in groups.into_values() {
        let (group_missing, group_extra) = group.unmatched(settings.tolerance);
        verdict.lost += group_missing.len() as u64;
        for row in &group_extra {
            // The very row of the reference once more, or one that only its shape has in common with it.
            if texts.contains(row.text.as_str()) { verdict.duplicates += 1 } else { verdict.foreign += 1 }
        }
        missing.extend(group_missing);
        extra.extend(group_extra);
    }
    let origin = &expected.origin;
    missing.sort_by_cached_key(|row| origin.order_of(row));
    extra.sort_by_cached_key(|row| origin.order_of(row));
    verdict.examples = pairs(&missing, &extra, origin, settings.examples);
    if expected.ordered && found.ordered {
        let disorders = disorders(&expected.rows, &found.rows, settings.tolerance);
        verdict.disordered_keys = disorders.len() as u64;
        let room = settings.examples.saturating_sub(verdict.examples.len());
        verdict.examples.extend(disorders.into_iter().take(room).map(|disorder| Difference {
            key: Some(disorder.key),
            expected: Some(disorder.expected),
            found: Some(disorder.found),
            what: "other order",
            input: None,
        }));
    }
    verdict
}

/// Rows that are equal but for their fractions.
#[derive(Default)]
struct Group<'a> {
    expected: Vec<(Vec<f64>, &'a Row)>,
    found: Vec<(Vec<f64>, &'a Row)>,
}

impl<'a> Group<'a> {
    /// Rows of either side without a partner on the other. Both sides are sorted by their fractions, so that partners
    /// meet; within the tolerance the order of neighbors may differ, so a row is paired with the first free one that is
    /// close.
    fn unmatched(mut self, tolerance: f64) -> (Vec<&'a Row>, Vec<&'a Row>) {
        let order = |one: &(Vec<f64>, &Row), other: &(Vec<f64>, &Row)| {
            let pairs = one.0.iter().zip(&other.0).map(|(one, other)| one.total_cmp(other));
            pairs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        };
        self.expected.sort_by(order);
        self.found.sort_by(order);
        let mut free: Vec<Option<(Vec<f64>, &Row)>> = self.found.into_iter().map(Some).collect();
        let (mut missing, mut start) = (Vec::new(), 0);
        for (fractions, row) in self.expected {
            while start < free.len() && free[start].is_none() {
                start += 1;
            }
            let first = fractions.first().copied();
            let mut partner = None;
            for (index, candidate) in free.iter().enumerate().skip(start) {
                let Some((other, _)) = candidate else { continue };
                let is_close =
                    fractions.iter().zip(other).all(|(one, other)| crate::rows::close(*one, *other, tolerance));
                if is_close {
                    partner = Some(index);
                    break;
                }
                let beyond = first
                    .zip(other.first())
                    .is_some_and(|(first, other)| *other > first && !crate::rows::close(first, *other, tolerance));
                if beyond {
                    break;
                }
            }
            match partner {
                Some(index) => free[index] = None,
                None => missing.push(row),
            }
        }
        (missing, free.into_iter().flatten().map(|(_, row)| row).collect())
    }
}

/// The first differences side by side, in the order of both sides: a missing and an extra row of one group, or two that
/// look alike, are one difference.
fn pairs(missing: &[&Row], extra: &[&Row], origin: &Origin, count: usize) -> Vec<Difference> {
    let mut used = vec![false; extra.len()];
    let mut examples = Vec::new();
    for row in missing.iter().take(count) {
        let partner = extra.iter().enumerate().filter(|(index, _)| !used[*index]).map(|(index, other)| {
            // The first of those that are as good.
            (origin.same_group(row, other), likeness(&row.text, &other.text), std::cmp::Reverse(index))
        });
        let partner = partner.max().filter(|(same, likeness, _)| *same || *likeness * 2 >= row.text.len());
        let partner = partner.map(|(_, _, std::cmp::Reverse(index))| index);
        if let Some(index) = partner {
            used[index] = true;
        }
        examples.push(Difference {
            key: row.key.clone(),
            expected: Some(row.text.clone()),
            found: partner.map(|index| extra[index].text.clone()),
            what: if partner.is_some() { "other values" } else { "missing" },
            input: None,
        });
    }
    let rest = extra.iter().zip(&used).filter(|(_, used)| !**used).map(|(row, _)| row);
    examples.extend(rest.take(count.saturating_sub(examples.len())).map(|row| Difference {
        key: row.key.clone(),
        expected: None,
        found: Some(row.text.clone()),
        what: "too many",
        input: None,
    }));
    examples
}

/// How many bytes two texts have in common at their start and their end.
fn likeness(one: &str, other: &str) -> usize {
    let start = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let rest = one.len().min(other.len()) - start;
    let end = one.bytes().rev().zip(other.bytes().rev()).take(rest).take_while(|(one, other)| one == other).count();
    start + end
}
