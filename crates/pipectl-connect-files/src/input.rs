//! Options that the sources share, and what they mean.

use std::path::Path;

use pipectl_contract::{FileSet, SourceFacts, SourceFormat};
use pipectl_data::{DataType, Field, PayloadFormat, Schema, compress::Compression, units::Size};
use pipectl_diag::{Diagnostic, Diagnostics, Path as KeyPath, codes::options::INVALID_OPTION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{blocks::Cut, encoding};

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
    pub(crate) fn entries(&self, place: &KeyPath) -> Vec<(&str, KeyPath)> {
        match self {
            Self::One(value) => vec![(value, place.clone())],
            Self::Many(values) => {
                values.iter().enumerate().map(|(index, value)| (value.as_str(), place.index(index))).collect()
            }
        }
    }

    /// The files that patterns stand for, with the place of each.
    pub(crate) fn files(&self, place: &KeyPath) -> Vec<(FileSet, KeyPath)> {
        self.entries(place).into_iter().map(|(pattern, place)| (FileSet::matching(pattern), place)).collect()
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
    /// One JSON object per line.
    Json,
    /// Comma-separated values.
    Csv,
    /// Lines of text. Each line becomes a record with a single column, `line`.
    Text,
}

/// How JSON documents follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Layout {
    /// One document on each line.
    #[default]
    Lines,
    /// The elements of an array. An element may span several lines.
    Array,
    /// Documents one after another. A document may span several lines.
    Concatenated,
}

/// How to handle a record that is longer than `max_record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Oversize {
    /// Writes a dead letter that holds the first bytes of the record.
    #[default]
    DeadLetter,
    /// Uses the first `max_record` bytes as the record. Useful for lines of text.
    Truncate,
    /// Ends the run with an error.
    Fail,
}

/// How to handle a file that cannot be read or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnError {
    /// Logs a warning, reads the other files, and retries this one.
    Skip,
    /// Writes a dead letter with the name of the file, and reads the other files.
    DeadLetter,
    /// Ends the run with an error.
    Fail,
}

/// How a source's files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SourceCompression {
    /// By the extension of each file: `.gz`, `.zst`, `.sz`; otherwise none.
    #[default]
    Auto,
    /// No compression.
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
    pub(crate) on_oversize: Oversize,
    pub(crate) layout: Layout,
    pub(crate) encoding: Option<&'a str>,
    pub(crate) null: Option<&'a OneOrMany>,
}

/// What the options about format mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) cut: Cut,
    /// Whether each input starts with the names of its columns.
    pub(crate) header: bool,
    /// Texts without quotes that stand for null in CSV.
    pub(crate) nulls: Vec<String>,
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
                        "`delimiter` must be one ASCII character, and not a quote or line end",
                    )
                    .at(&KeyPath::keys(["delimiter"]), "")
                    .help("write `delimiter: \";\"` or, for a tab, `delimiter: \"\\t\"`"),
                );
                b','
            }
        };
        if format != Format::Csv {
            for (key, given) in [
                ("delimiter", self.delimiter.is_some()),
                ("header", self.header.is_some()),
                ("null", self.null.is_some()),
            ] {
                if given {
                    diagnostics.push(
                        Diagnostic::error(INVALID_OPTION, format!("`{key}` is only for CSV"))
                            .at_key(&KeyPath::keys([key]), "")
                            .help("remove it, or write `format: csv`"),
                    );
                }
            }
        }
        let max_record = self.max_record.unwrap_or(MAX_RECORD);
        if !(1..=1 << 30).contains(&max_record.bytes()) {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`max_record` must be between 1B and 1GiB")
                    .at(&KeyPath::keys(["max_record"]), ""),
            );
        }
        let max_record = usize::try_from(max_record.bytes()).unwrap_or(usize::MAX);
        let layout = self.layout;
        if layout != Layout::Lines && format != Format::Json {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`layout` is only for JSON")
                    .at_key(&KeyPath::keys(["layout"]), "")
                    .help("remove it, or write `format: json`"),
            );
        }
        let encoding = self.encoding.and_then(|name| {
            let found = encoding::find(name);
            if found.is_none() {
                diagnostics.push(
                    Diagnostic::error(INVALID_OPTION, "`encoding` is not a known text encoding")
                        .at(&KeyPath::keys(["encoding"]), "")
                        .help("write `utf-8`, `latin1`, `windows-1252`, `utf-16`, `shift_jis` or another label of the WHATWG Encoding Standard"),
                );
            }
            found.filter(|found| encoding::is_foreign(found))
        });
        let cut = Cut { format, layout, delimiter, max_record, oversize: self.on_oversize, encoding };
        let nulls = self.null.map(OneOrMany::values).unwrap_or_default();
        Meaning { cut, header: format == Format::Csv && self.header.unwrap_or(true), nulls }
    }
}

impl Meaning {
    /// What the check answers.
    pub(crate) fn facts(&self, bounded: bool, reads: Vec<(FileSet, KeyPath)>) -> SourceFacts {
        let (schema, format) = match self.cut.format {
            Format::Json => (None, SourceFormat::Json),
            Format::Csv => {
                (None, SourceFormat::Csv { delimiter: self.cut.delimiter, columns: None, nulls: self.nulls.clone() })
            }
            Format::Text => (Some(Schema::new([Field::required("line", DataType::String)])), SourceFormat::Text),
        };
        SourceFacts { schema, format, bounded, at_rest: false, reads }
    }

    /// How the payloads are written.
    pub(crate) fn payload(&self) -> PayloadFormat {
        match self.cut.format {
            Format::Json => PayloadFormat::Json,
            Format::Csv | Format::Text => PayloadFormat::Opaque,
        }
    }
}
