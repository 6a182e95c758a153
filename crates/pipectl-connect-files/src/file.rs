//! Source `file`: reads files once, from the first to the last.

mod reader;

use std::collections::BTreeSet;

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Source, SourceContext, SourceFacts, SourceReader,
};
use pipectl_data::units::Size;
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    glob::Pattern,
    input::{Format, Meaning, OneOrMany, Shape, SourceCompression},
};

/// Reads files from beginning to end: JSON lines, CSV or lines of text, whole or compressed. The run ends when all are
/// read; a restart goes on in the middle of a file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    /// The files to read: a path or several, with `*`, `?`, `[…]`, `{…}` and `**` where wanted. They are read one after
    /// another in the order of their names.
    #[schemars(example = &"in/*.jsonl.gz")]
    pub path: OneOrMany,

    /// How records are written; if not given, the files' extension says it (`.jsonl`, `.csv`, `.tsv`, `.log`, `.txt`).
    pub format: Option<Format>,

    /// The character between the fields of CSV; a comma, or a tab for `.tsv`.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// Whether each CSV file starts with the names of its columns (the default). Without a header, the columns are the
    /// schema's, in its order.
    pub header: Option<bool>,

    /// How the files are compressed.
    #[serde(default)]
    pub compression: SourceCompression,

    /// The longest record; a longer one stops the run, since it is probably no record at all. 16MiB if not given.
    pub max_record: Option<Size>,
}

impl FileOptions {
    fn meaning(&self, diagnostics: &mut Diagnostics) -> Meaning {
        let entries = self.path.entries(&Path::keys(["path"]));
        let mut detected = None;
        if entries.is_empty() {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`path` names no file")
                    .at(&Path::keys(["path"]), "")
                    .help("write a path or a pattern, as in `path: in/*.jsonl`"),
            );
        }
        for (path, place) in entries {
            if !check_pattern(path, &place, diagnostics) || self.format.is_some() {
                continue;
            }
            match (Format::detect(path), detected) {
                (None, _) => diagnostics.push(
                    Diagnostic::error(
                        INVALID_OPTION,
                        format!("the name `{path}` does not tell how the file is written"),
                    )
                    .at(&place, "no known extension")
                    .help("add `format: json`, `format: csv` or `format: text`"),
                ),
                (found, None) => detected = found,
                (found, before) if found != before => diagnostics.push(
                    Diagnostic::error(INVALID_OPTION, "the files of one source must all be written in one format")
                        .at(&place, "another format than the first")
                        .help("make a source for each format, or name the format with `format:`"),
                ),
                _ => {}
            }
        }
        let shape = Shape {
            format: self.format,
            delimiter: self.delimiter.as_deref(),
            header: self.header,
            max_record: self.max_record,
        };
        shape.meaning(detected, diagnostics)
    }
}

/// Whether a pattern can be used; says why not.
pub(crate) fn check_pattern(pattern: &str, place: &Path, diagnostics: &mut Diagnostics) -> bool {
    let problem = if pattern.trim().is_empty() {
        Diagnostic::error(INVALID_OPTION, "a path must not be empty")
            .help("write a path or a pattern, as in `in/*.jsonl`")
    } else if let Err(error) = Pattern::new(pattern, std::path::Path::new("")) {
        Diagnostic::error(INVALID_OPTION, format!("`{pattern}` is not a pattern: {}", error.kind()))
    } else {
        return true;
    };
    diagnostics.push(problem.at(place, ""));
    false
}

/// The source `file`: bounded, one reader, whose position is the file, the byte (after decompression) and the number of
/// the record. Files that come later and sort after the last one are read by the next start.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSource;

#[async_trait]
impl Source for FileSource {
    type Options = FileOptions;
    const KIND: &'static str = "file";

    fn check(&self, options: &FileOptions, _node: NodeContext<'_>) -> Checked<SourceFacts> {
        let mut diagnostics = Diagnostics::new();
        let meaning = options.meaning(&mut diagnostics);
        Checked::new(SourceFacts { at_rest: true, ..meaning.facts(true) }, diagnostics)
    }

    async fn open(
        &self,
        options: FileOptions,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let meaning = options.meaning(&mut Diagnostics::new());
        let paths = options.path.values();
        let directory = context.directory.clone();
        let files = context.host.blocking(move || expand(&paths, &directory)).await?;
        Ok(vec![Box::new(reader::Reader::new(files, meaning, options.compression, context)?)])
    }
}

fn expand(patterns: &[String], directory: &std::path::Path) -> Result<Vec<std::path::PathBuf>, ConnectorError> {
    let mut files = BTreeSet::new();
    for pattern in patterns {
        let mut found = BTreeSet::new();
        Pattern::new(pattern, directory)
            .map_err(|error| ConnectorError::new(ErrorKind::Invalid, error.to_string()))?
            .expand(&mut found)
            .map_err(|error| ConnectorError::io(format_args!("look for `{pattern}`"), error))?;
        if found.is_empty() {
            let message = format!("no file matches `{pattern}` in {}", directory.display());
            return Err(ConnectorError::new(ErrorKind::NotFound, message));
        }
        if let Some(folder) = found.iter().find(|path| path.is_dir()) {
            let message = format!("`{}` is a folder: write `{pattern}/*` for the files in it", folder.display());
            return Err(ConnectorError::new(ErrorKind::Invalid, message));
        }
        files.append(&mut found);
    }
    Ok(files.into_iter().collect())
}

#[cfg(test)]
mod tests;
