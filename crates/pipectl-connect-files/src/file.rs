//! Source `file`: reads files once, from the first to the last.

mod files;
mod ledger;
mod listing;
mod reader;
mod resume;

use std::collections::BTreeSet;

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Source, SourceContext, SourceFacts, SourceReader,
};
use pipectl_data::units::Size;
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::{command::FILE_NOT_THERE, options::INVALID_OPTION},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    glob::{Found, Pattern},
    input::{Format, Layout, Meaning, OnError, OneOrMany, Oversize, Shape, SourceCompression},
    paths::{absolute, folder_of},
};

/// Reads files from beginning to end: JSON lines, CSV or lines of text, plain or compressed. The run ends when all
/// files are read. The next run reads only new data: new files, whatever their names, and lines appended to files that
/// earlier runs read. A renamed file, such as a rotated log, is not read again. A file whose old content was replaced
/// counts as a new file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    /// The files to read: one path or several. A path may contain the glob patterns `*`, `?`, `[…]`, `{…}` and `**`.
    /// Files are read one after another, in the order of their names.
    #[schemars(example = &"in/*.jsonl.gz")]
    pub path: OneOrMany,

    /// The format of the records. Default: by the extension of the files (`.jsonl`, `.csv`, `.tsv`, `.log`, `.txt`).
    pub format: Option<Format>,

    /// How JSON documents follow each other: `lines` (the default) for one on each line, `array` for the elements of an
    /// array, `concatenated` for documents one after another. With `array` and `concatenated`, a document may span
    /// several lines, and an array may have any size.
    #[serde(default)]
    pub layout: Layout,

    /// The character between the fields of CSV. Default: a comma, or a tab for `.tsv`.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// Whether each CSV file starts with a header of column names (the default). Without a header, the columns are
    /// those of the schema, in its order.
    pub header: Option<bool>,

    /// How the files are compressed.
    #[serde(default)]
    pub compression: SourceCompression,

    /// The encoding of the text, if it is not UTF-8: `latin1`, `windows-1252`, `utf-16`, `shift_jis`, or any other
    /// label of the WHATWG Encoding Standard. A UTF-8 or UTF-16 byte order mark overrides this setting.
    #[schemars(example = &"latin1")]
    pub encoding: Option<String>,

    /// The longest record. Default: 16MiB. `on_oversize` sets how a longer one is handled.
    pub max_record: Option<Size>,

    /// How to handle a record that is longer than `max_record`. `dead_letter` (the default) keeps its first bytes in a
    /// dead letter; `truncate` uses its first `max_record` bytes as the record, in text; elsewhere the
    /// dead letter keeps them. `fail` ends the run.
    #[serde(default)]
    pub on_oversize: Oversize,

    /// Values in CSV that mean null: one or several, as in `null: ["", NA]`. A value in quotes is never null. If not
    /// given, an empty value is null unless its column is a string.
    #[schemars(example = &"NA")]
    pub null: Option<OneOrMany>,

    /// How to handle a file that cannot be read or is damaged. `fail` (the default) reads the other files first and
    /// then ends the run with an error that names the file. `skip` logs a warning and continues without the file. In
    /// both cases, the next run retries the file and continues after the records that were already read from it.
    /// `dead_letter` writes a dead letter with the name of the file and the reason, and reads the file again only when
    /// it has changed.
    pub on_error: Option<OnError>,
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
                        format!("the name `{path}` does not show the format of the file"),
                    )
                    .at(&place, "no known extension")
                    .help("add `format: json`, `format: csv` or `format: text`"),
                ),
                (found, None) => detected = found,
                (found, before) if found != before => diagnostics.push(
                    Diagnostic::error(INVALID_OPTION, "all files of a source must have the same format")
                        .at(&place, "differs from the first format")
                        .help("write a source for each format, or set `format:`"),
                ),
                _ => {}
            }
        }
        let shape = Shape {
            format: self.format,
            delimiter: self.delimiter.as_deref(),
            header: self.header,
            max_record: self.max_record,
            on_oversize: self.on_oversize,
            encoding: self.encoding.as_deref(),
            layout: self.layout,
            null: self.null.as_ref(),
        };
        shape.meaning(detected, diagnostics)
    }
}

/// Whether a pattern can be used; says why not.
pub(crate) fn check_pattern(pattern: &str, place: &Path, diagnostics: &mut Diagnostics) -> bool {
    let wild = |step: &str| step.contains(['*', '?', '[', '{']);
    let mut after_wild = pattern.split('/').skip_while(|step| !wild(step));
    let problem = if pattern.trim().is_empty() {
        Diagnostic::error(INVALID_OPTION, "a path must not be empty")
            .help("write a path or a pattern, as in `in/*.jsonl`")
    } else if pattern.ends_with('/') {
        Diagnostic::error(INVALID_OPTION, format!("`{pattern}` names a folder"))
            .help(format!("write `{pattern}*` for the files in it"))
    } else if let Err(error) = Pattern::new(pattern, std::path::Path::new("")) {
        Diagnostic::error(INVALID_OPTION, format!("`{pattern}` is not a pattern: {}", error.kind()))
    } else if after_wild.any(|step| step == "..") {
        Diagnostic::error(INVALID_OPTION, format!("`{pattern}` has `..` after a wildcard, which matches no file"))
            .help("begin the pattern with `..`, as in `../logs/*.log`")
    } else {
        return true;
    };
    diagnostics.push(problem.at(place, ""));
    false
}

/// The source `file`: bounded, one reader, whose position is the files that were read and how far. The next run reads new
/// files, whatever their names, and what was appended to old ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSource;

#[async_trait]
impl Source for FileSource {
    type Options = FileOptions;
    const KIND: &'static str = "file";

    fn check(&self, options: &FileOptions, _node: NodeContext<'_>) -> Checked<SourceFacts> {
        let mut diagnostics = Diagnostics::new();
        let meaning = options.meaning(&mut diagnostics);
        let files = options.path.files(&Path::keys(["path"]));
        Checked::new(SourceFacts { at_rest: true, ..meaning.facts(true, files) }, diagnostics)
    }

    fn missing(&self, options: &FileOptions, directory: &std::path::Path) -> Diagnostics {
        let mut diagnostics = Diagnostics::new();
        for (text, place) in options.path.entries(&Path::keys(["path"])) {
            let Some(pattern) = Pattern::new(text, directory).ok().filter(Pattern::is_name) else { continue };
            if pattern.base().is_dir() {
                diagnostics.push(
                    Diagnostic::error(FILE_NOT_THERE, format!("`{text}` is a folder"))
                        .at(&place, "not a file")
                        .help(format!("write `{text}/*` for the files in it", text = text.trim_end_matches('/'))),
                );
            } else if matches!(pattern.base().try_exists(), Ok(false)) {
                let folder = absolute(folder_of(pattern.base()));
                diagnostics.push(
                    Diagnostic::error(FILE_NOT_THERE, format!("no file `{text}` in {}", folder.display()))
                        .at(&place, "not there")
                        .help("a path is relative to the working directory of pipectl; a pattern, such as `in/*.jsonl`, may match no file yet"),
                );
            }
        }
        diagnostics
    }

    async fn open(
        &self,
        options: FileOptions,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let meaning = options.meaning(&mut Diagnostics::new());
        let on_error = options.on_error.unwrap_or(OnError::Fail);
        let paths = options.path.values();
        let directory = context.directory.clone();
        let files = context.host.blocking(move || expand(&paths, &directory, on_error)).await?;
        Ok(vec![Box::new(reader::Reader::new(files, meaning, options.compression, on_error, context)?)])
    }
}

/// The files to read, in the order of their names. A pattern that matches nothing is worth a warning, since a folder may
/// be empty for now; a name that stands for nothing is an error.
fn expand(
    patterns: &[String],
    directory: &std::path::Path,
    on_error: OnError,
) -> Result<Vec<std::path::PathBuf>, ConnectorError> {
    let mut files = BTreeSet::new();
    for text in patterns {
        let pattern = Pattern::new(text, directory)
            .map_err(|error| ConnectorError::new(ErrorKind::Invalid, error.to_string()))?;
        let mut found = Found::default();
        pattern.expand(&mut found);
        // They are reported like files that cannot be read, when their turn comes.
        found.files.extend(found.broken.into_iter().map(|(path, _)| path));
        for (path, error) in found.unreadable {
            let failed = ConnectorError::io(format_args!("look for `{text}` in {}", absolute(&path).display()), error);
            match on_error {
                OnError::Fail => return Err(failed),
                OnError::Skip | OnError::DeadLetter => tracing::warn!("{failed}; the other folders are read"),
            }
        }
        if found.files.is_empty() {
            let folder = if pattern.is_name() { folder_of(pattern.base()) } else { pattern.base() };
            let folder = absolute(folder);
            if pattern.is_name() {
                let message = format!("no file `{text}` in {}", folder.display());
                return Err(ConnectorError::new(ErrorKind::NotFound, message));
            }
            if let Some(literal) = pattern.literal() {
                tracing::warn!(pattern = %text, folder = %folder.display(), "no file matches the pattern; to read the file with exactly this name, write `{literal}`");
            } else {
                tracing::warn!(pattern = %text, folder = %folder.display(), "no file matches the pattern");
            }
        }
        if let Some(folder) = found.files.iter().find(|path| path.is_dir()) {
            let message = format!("`{}` is a folder: write `{text}/*` for the files in it", folder.display());
            return Err(ConnectorError::new(ErrorKind::Invalid, message));
        }
        files.append(&mut found.files);
    }
    Ok(files.into_iter().collect())
}

#[cfg(test)]
mod tests;
