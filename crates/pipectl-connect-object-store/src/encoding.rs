//! How rows become the content of a file, in a form that can be cut between any two rows.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch, StringViewArray};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Batch, Schema, compress::Compression, encode};
use serde::{Deserialize, Serialize};

use crate::{options::Format, writer::internal};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encoding {
    /// The format of its records.
    pub(crate) format: Format,
    /// Its compression.
    pub(crate) compression: Compression,
}

impl Encoding {
    /// The end of its name, without the first dot.
    pub(crate) fn extension(self) -> String {
        match self.format {
            Format::Json | Format::Jsonl => format!("jsonl{}", self.compression.extension()),
            Format::Csv => format!("csv{}", self.compression.extension()),
            // Parquet compresses its pages, not the file.
            Format::Parquet => "parquet".to_owned(),
        }
    }
}

/// Rows of one batch, encoded.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Text, and where each row ends in it.
    Lines { bytes: Vec<u8>, ends: Vec<usize> },
    /// Columns, and how many bytes they take in memory.
    Columns { rows: RecordBatch, bytes: usize },
}

impl Chunk {
    /// Encodes a batch: its payloads as they are where `payloads` says so and it has them, its columns otherwise.
    pub(crate) fn encode(
        format: Format,
        batch: &Batch,
        schema: &Schema,
        payloads: bool,
    ) -> Result<Self, ConnectorError> {
        if let (true, Some(payload)) = (payloads, &batch.payload) {
            return Ok(payload_lines(payload));
        }
        let columns = batch.columns.as_ref().ok_or_else(|| {
            ConnectorError::new(ErrorKind::Internal, "the object store got records that were not decoded")
        })?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(columns.num_rows()));
        match format {
            Format::Json | Format::Jsonl => {
                encode::jsonl::write_rows(columns, schema, &mut bytes, &mut ends).map_err(internal)?;
            }
            Format::Csv => encode::csv::write_rows(columns, schema, &mut bytes, &mut ends).map_err(internal)?,
            Format::Parquet => {
                let rows = compact(&chosen(columns, schema)?)?;
                return Ok(Self::Columns { bytes: memory(&rows), rows });
            }
        }
        Ok(Self::Lines { bytes, ends })
    }

    /// The end of the shortest run of rows from `from` on that takes at least `room` bytes, or of all rows.
    pub(crate) fn end_of(&self, from: usize, room: usize) -> usize {
        match self {
            Self::Lines { ends, .. } => {
                let wanted = start_of(ends, from).saturating_add(room);
                (ends.partition_point(|end| *end < wanted) + 1).max(from + 1).min(ends.len())
            }
            Self::Columns { rows, bytes } => {
                let each = bytes.div_ceil(rows.num_rows().max(1)).max(1);
                from.saturating_add(room.div_ceil(each)).max(from + 1).min(rows.num_rows())
            }
        }
    }
}

/// Lines of payloads. A line break inside of a JSON text is white space, since a string cannot hold one; as a space it
/// means the same and keeps one record on one line.
fn payload_lines(payload: &BinaryViewArray) -> Chunk {
    let total: usize = payload.lengths().map(|length| length as usize + 1).sum();
    let (mut bytes, mut ends) = (Vec::with_capacity(total), Vec::with_capacity(payload.len()));
    for row in 0..payload.len() {
        let start = bytes.len();
        bytes.extend_from_slice(payload.value(row));
        if let Some(line) = bytes.get_mut(start..)
            && memchr::memchr2(b'\n', b'\r', line).is_some()
        {
            for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
        }
        bytes.push(b'\n');
        ends.push(bytes.len());
    }
    Chunk::Lines { bytes, ends }
}

/// The rows of an open file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Text as it will be in the file before compression.
    Lines(Vec<u8>),
    /// Columns, and how many bytes they take in memory.
    Columns { batches: Vec<RecordBatch>, bytes: usize },
}

impl Content {
    /// A file without rows.
    pub(crate) fn new(format: Format, schema: &Schema) -> Self {
        match format {
            Format::Json | Format::Jsonl => Self::Lines(Vec::new()),
            Format::Csv => {
                let mut bytes = Vec::new();
                encode::csv::header(schema, &mut bytes);
                Self::Lines(bytes)
            }
            Format::Parquet => Self::Columns { batches: Vec::new(), bytes: 0 },
        }
    }

    /// How many bytes it has before compression; for columns, what they take in memory.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Lines(bytes) => bytes.len(),
            Self::Columns { bytes, .. } => *bytes,
        }
    }

    /// Adds rows of a chunk of the same format.
    pub(crate) fn push(&mut self, chunk: &Chunk, rows: Range<usize>) {
        match (self, chunk) {
            (Self::Lines(content), Chunk::Lines { bytes, ends }) => {
                let range = start_of(ends, rows.start)..start_of(ends, rows.end);
                content.extend_from_slice(bytes.get(range).unwrap_or_default());
            }
            (Self::Columns { batches, bytes }, Chunk::Columns { rows: columns, bytes: all }) => {
                *bytes += (all * rows.len()).div_ceil(columns.num_rows().max(1));
                batches.push(columns.slice(rows.start, rows.len()));
            }
            _ => {}
        }
    }

    /// The bytes of the finished file.
    pub(crate) fn finish(self, encoding: Encoding, schema: &Schema) -> Result<Vec<u8>, ConnectorError> {
        match self {
            Self::Lines(bytes) => encoding.compression.compress(&bytes).map_err(internal),
            Self::Columns { batches, .. } => {
                encode::parquet::write_file(schema, &batches, encoding.compression).map_err(internal)
            }
        }
    }

    /// Appends what a checkpoint keeps of it: text as it is, columns as an Arrow IPC stream.
    pub(crate) fn save(&self, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        match self {
            Self::Lines(bytes) => out.extend_from_slice(bytes),
            Self::Columns { batches, .. } => {
                let Some(first) = batches.first() else { return Ok(()) };
                let mut writer =
                    arrow_ipc::writer::StreamWriter::try_new(&mut *out, first.schema_ref()).map_err(internal)?;
                for batch in batches {
                    // A slice still has the buffers of all rows; the checkpoint needs only its own.
                    writer.write(&compact(batch)?).map_err(internal)?;
                }
                writer.finish().map_err(internal)?;
            }
        }
        Ok(())
    }

    /// Reads what [`Content::save`] wrote.
    pub(crate) fn load(format: Format, saved: &[u8]) -> Result<Self, ConnectorError> {
        if format != Format::Parquet {
            return Ok(Self::Lines(saved.to_vec()));
        }
        if saved.is_empty() {
            return Ok(Self::Columns { batches: Vec::new(), bytes: 0 });
        }
        let reader = arrow_ipc::reader::StreamReader::try_new(saved, None).map_err(internal)?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(internal)?;
        let bytes = batches.iter().map(memory).sum();
        Ok(Self::Columns { batches, bytes })
    }
}

/// Where a row starts in lines that end there.
fn start_of(ends: &[usize], row: usize) -> usize {
    row.checked_sub(1).and_then(|before| ends.get(before).copied()).unwrap_or(0)
}

/// The columns that a file has.
fn chosen(columns: &RecordBatch, schema: &Schema) -> Result<RecordBatch, ConnectorError> {
    if columns.num_columns() == schema.fields().len() {
        return Ok(columns.clone());
    }
    let wanted = schema.names().map(|name| columns.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>();
    columns.project(&wanted.map_err(internal)?).map_err(internal)
}

/// Lets go of buffers that are shared with rows that are not in the batch.
fn compact(batch: &RecordBatch) -> Result<RecordBatch, ConnectorError> {
    let column = |column: &ArrayRef| -> ArrayRef {
        if let Some(text) = column.as_any().downcast_ref::<StringViewArray>() {
            std::sync::Arc::new(text.gc())
        } else if let Some(bytes) = column.as_any().downcast_ref::<BinaryViewArray>() {
            std::sync::Arc::new(bytes.gc())
        } else {
            column.clone()
        }
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(column).collect()).map_err(internal)
}

fn memory(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}
