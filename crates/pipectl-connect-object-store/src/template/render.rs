//! Splits a batch by the prefixes of its records.
//!
//! Most batches fall into one prefix: without columns in the prefix, comparing the earliest and the latest time of the
//! batch decides that without looking at single rows. Otherwise a prefix is rendered only where a row differs from the
//! one before.

use std::collections::BTreeMap;

use arrow_array::{Array, Int64Array};
use jiff::tz::TimeZone;
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Batch, civil::CivilError};

use super::{Part, Template, TimeFormat, value::Column};

/// Rows of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All of them.
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

/// Rows of a batch that belong under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The rendered prefix, or why these rows can have none, in one line.
    pub(crate) prefix: Result<String, String>,
    /// Its rows.
    pub(crate) rows: Rows,
}

/// Renders a template.
#[derive(Debug)]
pub(crate) struct Renderer {
    template: Template,
    zone: TimeZone,
}

/// A part of the template beside the batch's own data, and what it was rendered to last.
enum Piece<'a> {
    Literal(&'a str),
    Time { times: &'a Int64Array, what: &'static str, format: &'a TimeFormat, unit: i64, last: Last<i64> },
    Value { column: Column<'a>, name: &'a str, format: Option<&'a TimeFormat>, last: Last<usize> },
}

/// What a piece was rendered for last, and what came of it.
struct Last<T> {
    from: Option<T>,
    text: String,
    fault: Option<String>,
}

impl Renderer {
    /// Renders times in `zone`.
    pub(crate) fn new(template: Template, zone: TimeZone) -> Self {
        Self { template, zone }
    }

    /// The prefixes of a batch in the order in which they first appear. Fails if a column or the event time that the
    /// prefix names is not there.
    pub(crate) fn split(&self, batch: &Batch) -> Result<Vec<Group>, ConnectorError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut pieces =
            self.template.parts.iter().map(|part| self.piece(part, batch)).collect::<Result<Vec<_>, _>>()?;
        if pieces.iter().all(Piece::is_constant) {
            return Ok(vec![Group { prefix: self.render(&mut pieces, 0), rows: Rows::All }]);
        }
        let mut groups: Vec<(Result<String, String>, Vec<u32>)> = Vec::new();
        let mut known: BTreeMap<Result<String, String>, usize> = BTreeMap::new();
        let mut current = None;
        for row in 0..batch.len() {
            let changed = pieces.iter().any(|piece| piece.differs(row));
            let group = match current {
                Some(group) if !changed => group,
                _ => {
                    let prefix = self.render(&mut pieces, row);
                    let next = groups.len();
                    let group = *known.entry(prefix.clone()).or_insert(next);
                    if group == next {
                        groups.push((prefix, Vec::new()));
                    }
                    group
                }
            };
            current = Some(group);
            if let Some((_, rows)) = groups.get_mut(group) {
                rows.push(row as u32);
            }
        }
        if groups.len() == 1 {
            return Ok(groups.into_iter().map(|(prefix, _)| Group { prefix, rows: Rows::All }).collect());
        }
        Ok(groups.into_iter().map(|(prefix, rows)| Group { prefix, rows: Rows::Some(rows) }).collect())
    }

    fn piece<'a>(&'a self, part: &'a Part, batch: &'a Batch) -> Result<Piece<'a>, ConnectorError> {
        let missing = |what: String| ConnectorError::new(ErrorKind::Internal, format!("the prefix needs {what}"));
        let time = |times, what, format: &'a TimeFormat| {
            let unit = format.unit(&self.zone);
            Piece::Time { times, what, format, unit, last: Last::nothing() }
        };
        Ok(match part {
            Part::Literal(text) => Piece::Literal(text),
            Part::Arrival(format) => time(&batch.arrival, "the arrival time", format),
            Part::Event(format) => {
                let times = batch.event_time.as_ref();
                let times = times.ok_or_else(|| missing("an event time, and the records have none".to_owned()))?;
                time(times, "the event time", format)
            }
            Part::Field { name, format, .. } => {
                let column = batch.columns.as_ref().and_then(|columns| Column::find(columns, name));
                let column = column.ok_or_else(|| missing(format!("column `{name}`, and the records have none")))?;
                Piece::Value { column, name, format: format.as_ref(), last: Last::nothing() }
            }
        })
    }

    fn render(&self, pieces: &mut [Piece<'_>], row: usize) -> Result<String, String> {
        let mut prefix = String::new();
        for piece in pieces {
            prefix.push_str(piece.render(row, &self.zone)?);
        }
        Ok(prefix)
    }
}

impl<T> Last<T> {
    fn nothing() -> Self {
        Self { from: None, text: String::new(), fault: None }
    }

    /// Renders anew.
    fn set(&mut self, what: impl FnOnce() -> String, write: impl FnOnce(&mut String) -> Result<(), CivilError>) {
        self.text.clear();
        let result = write(&mut self.text);
        self.fault =
            result.err().map(|error| format!("the prefix of its file cannot be made from {}: {error}", what()));
    }

    fn get(&self) -> Result<&str, String> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(&self.text),
        }
    }
}

impl Piece<'_> {
    /// Whether it is the same for every row, as far as that can be reported without reading single values.
    fn is_constant(&self) -> bool {
        match self {
            Self::Literal(_) => true,
            Self::Value { .. } => false,
            Self::Time { times, unit, .. } => {
                let bounds = |(low, high): (i64, i64), time: &i64| (low.min(*time), high.max(*time));
                let (low, high) = times.values().iter().fold((i64::MAX, i64::MIN), bounds);
                times.null_count() == 0 && low.div_euclid(*unit) == high.div_euclid(*unit)
            }
        }
    }

    /// Whether it may look different for this row than it was last rendered.
    fn differs(&self, row: usize) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Time { times, unit, last, .. } => unit_of(times, *unit, row) != last.from,
            Self::Value { column, last, .. } => !last.from.is_some_and(|last| column.same(last, row)),
        }
    }

    /// Its text for a row, or why it has none.
    fn render(&mut self, row: usize, zone: &TimeZone) -> Result<&str, String> {
        match self {
            Self::Literal(text) => Ok(text),
            Self::Time { times, what, format, unit, last } => {
                let now = unit_of(times, *unit, row);
                match now {
                    Some(now) if last.from == Some(now) => {}
                    Some(now) => {
                        last.set(|| (*what).to_owned(), |text| format.write(now.saturating_mul(*unit), zone, text));
                    }
                    None => last.set(
                        || (*what).to_owned(),
                        |text| {
                            text.push_str(&format.null());
                            Ok(())
                        },
                    ),
                }
                last.from = now;
                last.get()
            }
            Self::Value { column, name, format, last } => {
                if !last.from.is_some_and(|last| column.same(last, row)) {
                    last.set(|| format!("column `{name}`"), |text| column.render(row, *format, zone, text));
                }
                last.from = Some(row);
                last.get()
            }
        }
    }
}

/// The span of time that a row falls into; none for a null.
fn unit_of(times: &Int64Array, unit: i64, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| times.value(row).div_euclid(unit))
}
