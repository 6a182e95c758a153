//! Sink `file`: one file, each record in it exactly once.
//!
//! A checkpoint says how long the file was when everything before it had reached the disk; a restart cuts the file back
//! to that length and goes on. Compressed files are cut between members, so what is left stays readable.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, Earlier, EarlierOutput, ErrorKind, FileSet, NodeContext, OutputContext, Parallelism,
    Rejection, Sink, SinkContext, SinkFacts, SinkWriter, file_identity, remove_file,
};
use pipectl_data::{Batch, compress::Compression};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION};
use pipectl_host::Host;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod state;

use self::state::{State, Written, check_header, tail_of};
use super::format::{self, Formatter, SinkFormat};
use crate::{
    file_id::{self, FileId},
    in_use::InUse,
    input::Format,
    paths::{folder_of, usable},
};

/// How the file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SinkCompression {
    /// No compression.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How to handle an existing file when a run starts without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnExisting {
    /// Replaces its content.
    Overwrite,
    /// Appends new records to its content.
    Append,
}

/// Writes all records to one file, exactly once: after a crash, the file is truncated to the length in the last
/// checkpoint.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSinkOptions {
    /// The file to write. Missing parent folders are created.
    #[schemars(example = &"out/alerts.jsonl")]
    pub path: String,

    /// The format of the records. Default: by the name of the file: `csv` for `.csv` (also `.csv.gz`), otherwise
    /// `json`.
    pub format: Option<SinkFormat>,

    /// How the file is compressed. Default: by its extension (`.gz`, `.zst`).
    pub compression: Option<SinkCompression>,

    /// How to handle an existing file when a run starts without a checkpoint. If not given, such a run is refused
    /// unless you pass `--replace-output` or `--keep-output`. A restart from a checkpoint always continues at the
    /// position in the checkpoint; with `append`, after what others have appended since the run ended.
    pub mode: Option<OnExisting>,
}

impl FileSinkOptions {
    fn format(&self) -> SinkFormat {
        self.format.unwrap_or(match Format::detect(&self.path) {
            Some((Format::Csv, _)) => SinkFormat::Csv,
            _ => SinkFormat::Json,
        })
    }

    fn compression(&self) -> Compression {
        match self.compression {
            None => Compression::detect(std::path::Path::new(&self.path)),
            Some(SinkCompression::None) => Compression::None,
            Some(SinkCompression::Gzip) => Compression::Gzip,
            Some(SinkCompression::Zstd) => Compression::Zstd,
        }
    }

    fn problem(&self) -> Option<Diagnostic> {
        let error = |title: String| Diagnostic::error(INVALID_OPTION, title).at(&Path::keys(["path"]), "");
        let path = self.path.trim();
        if path.is_empty() || path.ends_with('/') {
            return Some(
                error(format!("`{path}` names no file"))
                    .help("write the name of a file, as in `path: out/alerts.jsonl`; for many files in a folder use `object_store:`"),
            );
        }
        if path.contains('*') {
            return Some(
                error("a sink writes one file, so its path has no `*`".to_owned()).help("write the name of one file"),
            );
        }
        if path.to_ascii_lowercase().ends_with(".parquet") && self.format.is_none() {
            return Some(
                error("the sink `file` does not write Parquet".to_owned())
                    .help("use `object_store:` with `format: parquet`"),
            );
        }
        (self.compression() == Compression::Snappy)
            .then(|| error("the sink `file` does not compress with Snappy".to_owned()).help("use `.zst` or `.gz`"))
    }
}

/// The sink `file`: one writer, exactly once.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSink;

#[async_trait]
impl Sink for FileSink {
    type Options = FileSinkOptions;
    /// A file is in one place only.
    type Binding = ();
    const KIND: &'static str = "file";

    fn check(&self, options: &FileSinkOptions, _binding: &(), _node: NodeContext<'_>) -> Checked<SinkFacts> {
        let file = usable(std::path::Path::new(""), &options.path);
        let facts = SinkFacts {
            needs: Vec::new(),
            needs_event_time: None,
            takes_payload: options.format().is_json(),
            exclusive: vec![(format!("file {}", file.display()), Path::keys(["path"]))],
            writes: vec![(FileSet::file(&options.path), Path::keys(["path"]))],
            parallelism: Parallelism::Single,
            idempotent: true,
            shareable: false,
        };
        Checked::new(facts, options.problem().map_or_else(Diagnostics::new, Diagnostics::from))
    }

    async fn open(
        &self,
        options: FileSinkOptions,
        _binding: (),
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(Writer::open(&options, context).await?))
    }

    fn describe(&self, options: &FileSinkOptions, (): &(), _output: &str, _node: &str) -> String {
        options.path.clone()
    }

    async fn earlier(
        &self,
        options: FileSinkOptions,
        (): (),
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        let path = usable(&context.directory, &options.path);
        if options.mode == Some(OnExisting::Append) && context.wanted == Earlier::Replace {
            tracing::warn!(sink = %context.node, file = %path.display(), "`mode: append` keeps the content of the file, even with `--replace-output`");
        }
        let is_kept = matches!((options.mode, context.wanted), (Some(OnExisting::Append), _) | (None, Earlier::Keep));
        let mut header = Vec::new();
        format::header(options.format(), &context.schema, &mut header);
        let (mode, compression) = (options.mode, options.compression());
        let look = move || {
            let found = earlier(&path)?;
            if is_kept && !found.is_empty() {
                check_header(&path, compression, &header)?;
            }
            // Where the spec says what becomes of the file, nobody need be asked.
            Ok(if mode.is_some() { Vec::new() } else { found })
        };
        context.host.blocking(look).await
    }

    async fn remove(
        &self,
        _options: FileSinkOptions,
        (): (),
        context: OutputContext,
        found: Vec<EarlierOutput>,
    ) -> Result<(), ConnectorError> {
        let remove = move || {
            found.iter().try_for_each(|output| {
                remove_file(std::path::Path::new(&output.name), &output.identity)
                    .map(|_| ())
                    .map_err(|error| ConnectorError::io(format_args!("remove `{}`", output.name), error))
            })
        };
        context.host.blocking(remove).await
    }
}

/// The file, if it is there and holds anything.
fn earlier(path: &std::path::Path) -> Result<Vec<EarlierOutput>, ConnectorError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
            Ok(vec![EarlierOutput { name: path.display().to_string(), identity: file_identity(&metadata) }])
        }
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ConnectorError::io(format_args!("look at `{}`", path.display()), error)),
    }
}

/// Bytes to gather before they are written.
const FLUSH: usize = 1 << 20;
/// Bytes held back before a checkpoint is asked for.
const MANY_HELD: usize = 8 << 20;

struct Writer {
    host: Host,
    path: PathBuf,
    formatter: Formatter,
    format: SinkFormat,
    compression: Compression,
    /// Open from the first write on, so that a run that fails earlier leaves the old file alone.
    file: Option<Arc<File>>,
    /// Keeps sources from reading it, as long as it is open.
    in_use: Option<InUse>,
    node: String,
    /// Where the next bytes go.
    length: u64,
    buffer: Vec<u8>,
    /// What [`SinkWriter::committed`] appends.
    held: Vec<u8>,
    /// Before the first checkpoint: nothing may reach the file until a checkpoint knows how long it was, or a crash would
    /// leave records that the next start writes again, or nothing of what is to be replaced.
    holding: bool,
    /// Whether a checkpoint has been taken, or restored, since `holding` began.
    asked: bool,
    header_due: bool,
    /// Whether nothing has been written since the last [`SinkWriter::finish`].
    closed: bool,
    /// Whether the checkpoint says that the file was finished, so that nothing may come after it before the next one.
    reopened: bool,
}

impl Writer {
    async fn open(options: &FileSinkOptions, context: SinkContext) -> Result<Self, ConnectorError> {
        let mut writer = Self {
            path: usable(&context.directory, &options.path),
            formatter: Formatter::new(options.format(), &context),
            format: options.format(),
            compression: options.compression(),
            host: context.host,
            file: None,
            in_use: None,
            node: context.node,
            length: 0,
            buffer: Vec::new(),
            held: Vec::new(),
            holding: true,
            asked: false,
            header_due: true,
            closed: false,
            reopened: false,
        };
        if let Some(state) = context.restored {
            writer.restore(&state, options.mode).await?;
        } else {
            match (options.mode, context.earlier) {
                (Some(OnExisting::Append), _) | (None, Earlier::Keep) => writer.append_to_existing()?,
                (Some(OnExisting::Overwrite), _) | (None, Earlier::Replace | Earlier::None) => {}
            }
        }
        Ok(writer)
    }

    fn failed(&self, error: io::Error) -> ConnectorError {
        ConnectorError::io(format_args!("write `{}`", self.path.display()), error)
    }

    async fn restore(&mut self, bytes: &[u8], mode: Option<OnExisting>) -> Result<(), ConnectorError> {
        let invalid = || {
            let message = format!("the checkpoint of `{}` cannot be read", self.path.display());
            ConnectorError::new(ErrorKind::Invalid, message)
        };
        let line = memchr::memchr(b'\n', bytes).ok_or_else(invalid)?;
        let (line, held) = bytes.split_at(line);
        let state: State = serde_json::from_slice(line).map_err(|_| invalid())?;
        let held = held.get(1..).unwrap_or_default();
        if state.version != 1 || held.len() != state.held {
            return Err(invalid());
        }
        self.length = state.length;
        self.held = held.to_vec();
        self.closed = state.closed;
        self.reopened = state.closed;
        self.check_continues(state.written)?;
        self.check_tail(state.tail)?;
        if self.closed && self.has_more()? {
            if mode == Some(OnExisting::Append) {
                return self.append_to_existing();
            }
            let message = format!(
                "`{}` holds more than this pipeline wrote: another program or pipeline appends to it. Write to another file, \
                 or set `mode: append` in the sink if several pipelines append to it in turn",
                self.path.display()
            );
            return Err(ConnectorError::new(ErrorKind::Conflict, message));
        }
        self.holding = self.reopened || !self.held.is_empty();
        self.asked = !self.held.is_empty();
        self.header_due = self.length == 0 && self.held.is_empty();
        let present = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if present < self.length {
            let message = format!(
                "`{}` has {present} bytes, but had {} at the checkpoint: restore it, or continue with an empty file \
                 with `--reset {}`",
                self.path.display(),
                self.length,
                self.node
            );
            return Err(ConnectorError::new(ErrorKind::Conflict, message));
        }
        self.ready().await.map(|_| ())
    }

    /// A file holds rows of one format, and CSV only rows of one header.
    fn check_continues(&self, before: Option<Written>) -> Result<(), ConnectorError> {
        if self.length == 0 && self.held.is_empty() {
            return Ok(());
        }
        let now = self.written();
        if let Some(before) = before.filter(|before| *before != now) {
            let text = |written: Written| serde_json::to_string(&written).unwrap_or_default();
            let message = format!(
                "`{}` was written as {}, and rows as {} cannot come after it: name another file",
                self.path.display(),
                text(before),
                text(now)
            );
            return Err(ConnectorError::new(ErrorKind::Conflict, message));
        }
        let mut wanted = Vec::new();
        self.formatter.header(&mut wanted);
        let present = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if present > 0 {
            check_header(&self.path, self.compression, &wanted)?;
        } else if self.length == 0 && !self.held.starts_with(&wanted) {
            let message = format!("rows with other columns wait for `{}`: name another file", self.path.display());
            return Err(ConnectorError::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }

    /// What is in the file must be what this pipeline wrote, not another file of that name.
    fn check_tail(&self, tail: Option<u64>) -> Result<(), ConnectorError> {
        let Some(expected) = tail else { return Ok(()) };
        match tail_of(&self.path, self.length) {
            Ok(found) if found == Some(expected) => Ok(()),
            // Too short a file is reported with its length.
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                let message = format!(
                    "`{}` holds something else than this pipeline wrote: it is another file, or it was edited. Start from the \
                     folder of the last run, or restore the file, or continue next to it with `--reset {} --keep-output`",
                    self.path.display(),
                    self.node
                );
                Err(ConnectorError::new(ErrorKind::Conflict, message))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn written(&self) -> Written {
        Written { format: self.format, compression: self.compression }
    }

    /// Whether there is more in the file than a run left that had finished. What waited for its last checkpoint is taken for
    /// written if it is there.
    fn has_more(&mut self) -> Result<bool, ConnectorError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        };
        let published = encoded(self.compression, &self.held);
        let mut found = Vec::new();
        file.seek(SeekFrom::Start(self.length))
            .and_then(|_| (&file).take(published.len() as u64 + 1).read_to_end(&mut found))
            .map_err(|error| self.failed(error))?;
        if let Some(more) = found.strip_prefix(published.as_slice()) {
            self.length += published.len() as u64;
            self.held.clear();
            return Ok(!more.is_empty());
        }
        // It broke off while it was published.
        Ok(!published.starts_with(&found))
    }

    fn append_to_existing(&mut self) -> Result<(), ConnectorError> {
        self.holding = true;
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed(error)),
        };
        self.length = file.seek(SeekFrom::End(0)).map_err(|error| self.failed(error))?;
        if self.length == 0 {
            return Ok(());
        }
        self.header_due = false;
        let mut wanted = Vec::new();
        self.formatter.header(&mut wanted);
        check_header(&self.path, self.compression, &wanted)?;
        if self.compression == Compression::None {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))
                .and_then(|_| file.read_exact(&mut last))
                .map_err(|error| self.failed(error))?;
            if last != *b"\n" {
                self.buffer.push(b'\n');
            }
        }
        Ok(())
    }

    /// The open file, cut to the length that counts.
    async fn ready(&mut self) -> Result<Arc<File>, ConnectorError> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let (path, length) = (self.path.clone(), self.length);
        let opened = self.host.blocking(move || open(&path)).await;
        let (file, id) = opened.map_err(|error| self.failed(error))?;
        let in_use = InUse::write(id, &self.path.display().to_string(), &self.node)?;
        let path = self.path.clone();
        let cut = self.host.blocking(move || cut(&file, &path, length).map(|()| file)).await;
        let file = Arc::new(cut.map_err(|error| self.failed(error))?);
        (self.file, self.in_use) = (Some(file.clone()), Some(in_use));
        Ok(file)
    }

    /// Writes bytes at the end, as one member if compressed; hands them back on an error, after which it can be tried
    /// again.
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), (ConnectorError, Vec<u8>)> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match self.ready().await {
            Ok(file) => file,
            Err(error) => return Err((error, bytes)),
        };
        let (compression, start) = (self.compression, self.length);
        let (bytes, written) = self
            .host
            .blocking(move || {
                let written = write_at(&file, start, compression, &bytes);
                (bytes, written)
            })
            .await;
        match written {
            Ok(length) => {
                self.length += length;
                Ok(())
            }
            Err(error) => Err((self.failed(error), bytes)),
        }
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        let bytes = std::mem::take(&mut self.buffer);
        self.append(bytes).await.map_err(|(error, bytes)| {
            self.buffer = bytes;
            error
        })
    }
}

/// Opens or makes a file, and changes nothing in it.
fn open(path: &std::path::Path) -> io::Result<(File, FileId)> {
    std::fs::create_dir_all(folder_of(path))?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let id = file_id::of_metadata(path, &file.metadata()?);
    Ok((file, id))
}

/// Cuts a file to the length that counts.
fn cut(file: &File, path: &std::path::Path, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.sync_all()?;
    // The entry in the folder must outlive a crash too; where folders cannot be synced, there is no more to do.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _unsupported = folder.sync_all();
    }
    Ok(())
}

/// Bytes as they stand in the file: one member if it is compressed.
fn encoded(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    if compression == Compression::None || bytes.is_empty() {
        return bytes.to_vec();
    }
    // What cannot be compressed has not been written either.
    compression.compress(bytes).unwrap_or_default()
}

fn write_at(mut file: &File, start: u64, compression: Compression, bytes: &[u8]) -> io::Result<u64> {
    file.seek(SeekFrom::Start(start))?;
    if compression == Compression::None {
        file.write_all(bytes)?;
        return Ok(bytes.len() as u64);
    }
    let member = compression.compress(bytes)?;
    file.write_all(&member)?;
    Ok(member.len() as u64)
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.closed = false;
        // First what is there already: an error now leaves this batch for the runtime to offer again.
        if self.buffer.len() >= FLUSH && !self.holding {
            self.flush().await?;
        }
        if std::mem::take(&mut self.header_due) {
            self.formatter.header(&mut self.buffer);
        }
        self.formatter.write(batch, &mut self.buffer)
    }

    fn wants_checkpoint(&self) -> bool {
        self.holding && self.buffer.len() >= MANY_HELD
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        if self.holding {
            self.held.append(&mut self.buffer);
            self.asked = true;
        } else {
            self.flush().await?;
            // An empty result is a file too.
            let file = self.ready().await?;
            let synced = self.host.blocking(move || file.sync_data()).await;
            synced.map_err(|error| self.failed(error))?;
        }
        let (path, length) = (self.path.clone(), self.length);
        let tail = self.host.blocking(move || tail_of(&path, length)).await;
        let tail = tail.map_err(|error| self.failed(error))?;
        let (held, closed) = (self.held.len(), self.closed);
        let state = State { version: 1, length, held, closed, written: Some(self.written()), tail };
        let mut bytes = serde_json::to_vec(&state)
            .map_err(|error| ConnectorError::new(ErrorKind::Internal, format!("cannot write the state: {error}")))?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.held);
        Ok(bytes)
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        if self.holding && self.asked {
            let held = std::mem::take(&mut self.held);
            self.append(held).await.map_err(|(error, bytes)| {
                self.held = bytes;
                error
            })?;
            // An empty result is a file too.
            self.ready().await?;
            // What was finished and is opened again waits for a checkpoint that knows so.
            self.holding = std::mem::take(&mut self.reopened);
            self.asked = false;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        if !self.holding {
            self.flush().await?;
        }
        self.closed = true;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
