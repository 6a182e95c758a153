//! The prefix of a file's name as a template: literal text, times, and values of columns.
//!
//! Two spellings are understood side by side: ours (`{arrival:%Y}`, `{event:%Y}`, `{field}`, `{field:%Y}`) and the one
//! of Amazon Data Firehose (`!{timestamp:yyyy}`, `!{partitionKeyFromQuery:field}`,
//! <https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html>), so that a prefix can be taken over as it is.

mod parse;
mod partitions;
mod render;
mod time_format;
mod value;

use std::ops::Range;

use pipectl_diag::Code;

pub(crate) use render::{Renderer, Rows};
pub(crate) use time_format::TimeFormat;

/// A prefix, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// In order.
    pub(crate) parts: Vec<Part>,
}

/// A part of a prefix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// Text that stays as it is.
    Literal(String),
    /// When the record came in.
    Arrival(TimeFormat),
    /// When it happened.
    Event(TimeFormat),
    /// The value of a column.
    Field {
        /// The column.
        name: String,
        /// How to write it, for a timestamp or a date.
        format: Option<TimeFormat>,
        /// Where its name stands in the prefix.
        range: Range<usize>,
    },
}

/// What is wrong with a prefix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TemplateError {
    /// The kind of fault.
    pub(crate) code: Code,
    /// Where in the prefix.
    pub(crate) range: Range<usize>,
    /// One line.
    pub(crate) title: String,
    /// What to say at the place.
    pub(crate) label: String,
    /// What to write instead.
    pub(crate) help: String,
}

impl Template {
    /// Understands a prefix, or says everything that is wrong with it.
    pub(crate) fn parse(prefix: &str) -> Result<Self, Vec<TemplateError>> {
        parse::parse(prefix)
    }

    /// The columns that it names, each with its place.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, Option<&TimeFormat>, Range<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field { name, format, range } => Some((name.as_str(), format.as_ref(), range.clone())),
            Part::Literal(_) | Part::Arrival(_) | Part::Event(_) => None,
        })
    }

    /// Whether it needs the time at which records happened.
    pub(crate) fn needs_event_time(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Event(_)))
    }

    /// The folder that all its files share: the text before the first placeholder, up to its last `/`.
    pub(crate) fn common_folder(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text.rfind('/').map_or("", |at| &text[..=at]),
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests;
