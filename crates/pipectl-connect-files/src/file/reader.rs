//! Reads the files of one source one after another.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use arrow_array::Int64Array;
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceContext, SourceReader};
use pipectl_data::{Batch, PayloadFormat, Schema, compress::Compression};
use pipectl_host::Host;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    blocks::{Block, BlockError, Blocks},
    columns::Columns,
    glob::tidy,
    input::{Meaning, SourceCompression},
    mark::{self, Mark},
    worker::Worker,
};

/// Where reading goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The file, as its pattern found it, relative to the spec's folder where it is inside.
    file: Option<String>,
    /// Bytes of it that have been delivered, after decompression.
    byte: u64,
    /// Records delivered, of all files.
    record: i64,
    /// The fingerprint of those bytes' beginning.
    mark: Option<Mark>,
    /// The header of a CSV file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
}

pub(super) struct Reader {
    host: Host,
    payload: PayloadFormat,
    worker: Worker<Files, Result<Option<(Block, Position)>, ConnectorError>>,
    delivered: Position,
}

impl Reader {
    pub(super) fn new(
        files: Vec<PathBuf>,
        meaning: Meaning,
        compression: SourceCompression,
        context: SourceContext,
    ) -> Result<Self, ConnectorError> {
        let delivered: Position = match context.positions.into_iter().next() {
            None => Position::default(),
            Some(position) => serde_json::from_value(position).map_err(|error| {
                ConnectorError::new(
                    ErrorKind::Invalid,
                    format!("the checkpoint's position in the files cannot be read: {error}"),
                )
            })?,
        };
        let payload = meaning.payload();
        let directory = tidy(&context.directory);
        let mut files = Files {
            paths: files,
            directory,
            meaning,
            compression,
            schema: context.schema,
            next: 0,
            open: None,
            record: delivered.record,
            resume: None,
        };
        files.resume_at(&delivered)?;
        Ok(Self { worker: Worker::new(context.host.clone(), files), host: context.host, payload, delivered })
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let Some((block, position)) = self.worker.run(Files::next_block).await?? else { return Ok(Read::End) };
        // While these records are worked on, the next block is read.
        self.worker.ahead(Files::next_block);
        let first = self.delivered.record;
        let count = block.records.len();
        let payload = block.into_payload().map_err(|error| {
            ConnectorError::new(ErrorKind::Internal, format!("cannot view a block as records: {error}"))
        })?;
        let offsets = Int64Array::from_iter_values(first..position.record);
        let arrival = Int64Array::from(vec![self.host.now(); count]);
        self.delivered = position;
        Ok(Read::Records(Batch::raw(0, offsets, arrival, payload, self.payload)))
    }

    fn position(&self) -> Value {
        serde_json::to_value(&self.delivered).unwrap_or_default()
    }
}

struct Files {
    paths: Vec<PathBuf>,
    directory: PathBuf,
    meaning: Meaning,
    compression: SourceCompression,
    schema: Schema,
    /// The file to open next.
    next: usize,
    open: Option<Open>,
    /// Records delivered.
    record: i64,
    /// Where to go on in the next file to open.
    resume: Option<Position>,
}

/// The file being read.
struct Open {
    name: String,
    blocks: Blocks,
    /// Its first bytes, as far as they have been read.
    head: Head,
    columns: Option<Columns>,
}

impl Files {
    fn resume_at(&mut self, position: &Position) -> Result<(), ConnectorError> {
        let Some(file) = &position.file else { return Ok(()) };
        let Some(index) = self.paths.iter().position(|path| self.name(path) == *file) else {
            let message = format!(
                "`{file}`, which the last run was reading, is gone: put it back, or start anew without the checkpoint"
            );
            return Err(ConnectorError::new(ErrorKind::NotFound, message));
        };
        self.next = index;
        self.resume = Some(position.clone());
        Ok(())
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.directory).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The next records and the position after them; `None` at the end of the last file.
    fn next_block(&mut self) -> Result<Option<(Block, Position)>, ConnectorError> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.paths.get(self.next).cloned() else { return Ok(None) };
                self.open = Some(self.open_file(&path)?);
                self.resume = None;
                self.next += 1;
            }
            let Some(open) = &mut self.open else { continue };
            let Some(mut block) = open.blocks.next().map_err(|error| describe(&open.name, error))? else {
                self.open = None;
                continue;
            };
            if self.meaning.header && open.columns.is_none() {
                let first = block.records.remove(0);
                let header = block.bytes.get(first).unwrap_or_default();
                let delimiter = self.meaning.cut.delimiter;
                open.columns = Some(Columns::of_header(header, delimiter, &self.schema, &open.name)?);
            }
            if block.records.is_empty() {
                continue;
            }
            self.record += block.records.len() as i64;
            let position = Position {
                file: Some(open.name.clone()),
                byte: block.end,
                record: self.record,
                mark: Some(open.head.mark(block.end)),
                columns: open.columns.as_ref().map(|columns| columns.names().to_vec()),
            };
            if let Some(columns) = &open.columns {
                block = columns.arrange(block);
            }
            return Ok(Some((block, position)));
        }
    }

    fn open_file(&self, path: &Path) -> Result<Open, ConnectorError> {
        let name = self.name(path);
        let failed = |error| ConnectorError::io(format_args!("read `{name}`"), error);
        let compression = self.compression.of(path);
        let mut file = File::open(path).map_err(failed)?;
        let head = Head::default();
        let Some(position) = &self.resume else {
            let input = head.watch(compression.reader(file));
            return Ok(Open {
                blocks: Blocks::new(input, self.meaning.cut.clone(), 0, false),
                name,
                head,
                columns: None,
            });
        };
        let changed = |how: &str| {
            let message = format!(
                "`{name}` {how} since the last run read {} bytes of it: put the old file back, or start anew without the checkpoint",
                position.byte
            );
            ConnectorError::new(ErrorKind::Conflict, message)
        };
        let mark = position.mark.clone().unwrap_or_else(|| Mark::of(b""));
        let mut input: Box<dyn io::Read + Send>;
        if compression == Compression::None {
            let mut first = Vec::new();
            (&file).take(mark.length as u64).read_to_end(&mut first).map_err(failed)?;
            if file.metadata().map_err(failed)?.len() < position.byte {
                return Err(changed("has shrunk"));
            }
            if !mark.matches(&first) {
                return Err(changed("was replaced"));
            }
            head.set(first);
            file.seek(io::SeekFrom::Start(position.byte)).map_err(failed)?;
            // The head is complete, or the file goes on right after it.
            input = head.watch(Box::new(file));
        } else {
            input = head.watch(compression.reader(file));
            let skipped = io::copy(&mut input.by_ref().take(position.byte), &mut io::sink()).map_err(failed)?;
            if skipped < position.byte {
                return Err(changed("has shrunk"));
            }
            if !head.matches(&mark) {
                return Err(changed("was replaced"));
            }
        }
        let columns = position
            .columns
            .clone()
            .map(|names| Columns::new(names, self.meaning.cut.delimiter, &self.schema, &name))
            .transpose()?;
        Ok(Open { blocks: Blocks::new(input, self.meaning.cut.clone(), position.byte, false), name, head, columns })
    }
}

fn describe(name: &str, error: BlockError) -> ConnectorError {
    match error {
        BlockError::Io(error) => ConnectorError::io(format_args!("read `{name}`"), error),
        BlockError::TooLong(byte) => ConnectorError::new(
            ErrorKind::Invalid,
            format!(
                "the record at byte {byte} of `{name}` is longer than `max_record`: check `format`, or raise the limit"
            ),
        ),
    }
}

/// The first bytes that go through a reader.
#[derive(Debug, Clone, Default)]
struct Head(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Head {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn set(&self, bytes: Vec<u8>) {
        self.with(|head| *head = bytes);
    }

    fn matches(&self, mark: &Mark) -> bool {
        self.with(|head| mark.matches(head))
    }

    /// The fingerprint of the bytes before `end`.
    fn mark(&self, end: u64) -> Mark {
        self.with(|head| Mark::of(head.get(..end as usize).unwrap_or(head)))
    }

    fn watch(&self, input: Box<dyn io::Read + Send>) -> Box<dyn io::Read + Send> {
        Box::new(Watched { input, head: self.clone() })
    }
}

struct Watched {
    input: Box<dyn io::Read + Send>,
    head: Head,
}

impl io::Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.head.with(|head| {
            let missing = mark::LENGTH.saturating_sub(head.len());
            head.extend_from_slice(out.get(..read.min(missing)).unwrap_or_default());
        });
        Ok(read)
    }
}
