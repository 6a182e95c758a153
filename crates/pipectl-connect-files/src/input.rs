//! Options that the sources share, and what they mean.

use std::path::Path;

use pipectl_contract::{SourceFacts, SourceFormat};
use pipectl_data::{DataType, Field, PayloadFormat, Schema, compress::Compression, units::Size};
use pipectl_diag::{Diagnostic, Diagnostics, Path as Place, codes::options::INVALID_OPTION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::Cut;

/// One value or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The values with the place of each, relative to the option.
    pub(crate) fn entries(&self, place: &Place) -> Vec<(&str, Place)> {
        match self {
            Self::One(value) => vec![(value, place.clone())],
            Self::Many(values) => {
                values.iter().enumerate().map(|(index, value)| (value.as_str(), place.index(index))).collect()
            }
        }
    }

    /// The values.
    pub(crate) fn values(&self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value.clone()],
            Self::Many(values) => values.clone(),
        }
    }
}

/// How the records of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Comma-separated values.
    Csv,
    /// Lines of text; each becomes a record with a single column `line`.
    Text,
}

/// How a source's files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SourceCompression {
    /// As each file's name says: `.gz`, `.zst`, `.sz`, otherwise none.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy in its framing format.
    Snappy,
}

impl SourceCompression {
    pub(crate) fn of(self, path: &Path) -> Compression {
        match self {
            Self::Auto => Compression::detect(path),
            Self::None => Compression::None,
            Self::Gzip => Compression::Gzip,
            Self::Zstd => Compression::Zstd,
            Self::Snappy => Compression::Snappy,
        }
    }
}

impl Format {
    /// What the name of a file, or a pattern for one, says; with the byte between fields if it is CSV.
    pub(crate) fn detect(path: &str) -> Option<(Self, u8)> {
        let mut names = path.rsplit('/').next()?.rsplit('.');
        let mut extension = names.next()?;
        if Compression::detect(Path::new(path)) != Compression::None {
            extension = names.next()?;
        }
        match extension.to_ascii_lowercase().as_str() {
            "json" | "jsonl" | "ndjson" => Some((Self::Json, b',')),
            "csv" => Some((Self::Csv, b',')),
            "tsv" => Some((Self::Csv, b'\t')),
            "txt" | "log" | "text" => Some((Self::Text, b',')),
            _ => None,
        }
    }
}

/// The longest record where the options do not say: longer ones are rarely records.
pub(crate) const MAX_RECORD: Size = Size(16 << 20);

/// The options about format, as all sources have them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape<'a> {
    pub(crate) format: Option<Format>,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) header: Option<bool>,
    pub(crate) max_record: Option<Size>,
}

/// What the options about format mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) cut: Cut,
    /// Whether each input starts with the names of its columns.
    pub(crate) header: bool,
}

impl Shape<'_> {
    /// The meaning, with `detected` where the options do not name a format; problems go to `diagnostics`.
    pub(crate) fn meaning(&self, detected: Option<(Format, u8)>, diagnostics: &mut Diagnostics) -> Meaning {
        let (detected, delimiter) = detected.unwrap_or((Format::Json, b','));
        let format = self.format.unwrap_or(detected);
        let delimiter = match self.delimiter.map(str::as_bytes) {
            None => delimiter,
            Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
            Some(_) => {
                diagnostics.push(
                    Diagnostic::error(
                        INVALID_OPTION,
                        "`delimiter` must be one ASCII character, but no quote or line end",
                    )
                    .at(&Place::keys(["delimiter"]), "")
                    .help("write `delimiter: \";\"` or, for a tab, `delimiter: \"\\t\"`"),
                );
                b','
            }
        };
        if format != Format::Csv {
            for (key, given) in [("delimiter", self.delimiter.is_some()), ("header", self.header.is_some())] {
                if given {
                    diagnostics.push(
                        Diagnostic::error(INVALID_OPTION, format!("`{key}` is only for CSV"))
                            .at_key(&Place::keys([key]), "")
                            .help("leave it out, or write `format: csv`"),
                    );
                }
            }
        }
        let max_record = self.max_record.unwrap_or(MAX_RECORD);
        if !(1..=1 << 30).contains(&max_record.bytes()) {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`max_record` must be between 1B and 1GiB")
                    .at(&Place::keys(["max_record"]), ""),
            );
        }
        let cut = Cut { format, delimiter, max_record: usize::try_from(max_record.bytes()).unwrap_or(usize::MAX) };
        Meaning { cut, header: format == Format::Csv && self.header.unwrap_or(true) }
    }
}

impl Meaning {
    /// What the check answers.
    pub(crate) fn facts(&self, bounded: bool) -> SourceFacts {
        let (schema, format) = match self.cut.format {
            Format::Json => (None, SourceFormat::Json),
            Format::Csv => (None, SourceFormat::Csv { delimiter: self.cut.delimiter, columns: None }),
            Format::Text => (Some(Schema::new([Field::required("line", DataType::String)])), SourceFormat::Text),
        };
        SourceFacts { schema, format, bounded, at_rest: false }
    }

    /// How the payloads are written.
    pub(crate) fn payload(&self) -> PayloadFormat {
        match self.cut.format {
            Format::Json => PayloadFormat::Json,
            Format::Csv | Format::Text => PayloadFormat::Opaque,
        }
    }
}
