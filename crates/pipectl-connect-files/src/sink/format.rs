//! How sinks write records, shared by all of them here.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use pipectl_contract::{ConnectorError, ErrorKind, Rejection, SinkContext};
use pipectl_data::{
    Batch, PayloadFormat, Schema,
    encode::{self, csv, jsonl},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SinkFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// Deprecated name of `json`.
    Jsonl,
}

impl SinkFormat {
    /// Whether it is JSON, by either name.
    pub(crate) fn is_json(self) -> bool {
        self != Self::Csv
    }
}

/// What output of this format starts with.
pub(crate) fn header(format: SinkFormat, schema: &Schema, out: &mut Vec<u8>) {
    if format == SinkFormat::Csv {
        csv::header(schema, out);
    }
}

/// Turns batches into bytes.
#[derive(Debug)]
pub(crate) struct Formatter {
    format: SinkFormat,
    schema: Schema,
    /// Records may be written as they came.
    raw: bool,
    ends: Vec<usize>,
}

impl Formatter {
    pub(crate) fn new(format: SinkFormat, context: &SinkContext) -> Self {
        Self {
            format,
            schema: context.schema.clone(),
            raw: format.is_json() && context.payload == Some(PayloadFormat::Json),
            ends: Vec::new(),
        }
    }

    /// What the output starts with.
    pub(crate) fn header(&self, out: &mut Vec<u8>) {
        header(self.format, &self.schema, out);
    }

    /// Appends the records; on an error nothing is appended.
    pub(crate) fn write(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<Vec<Rejection>, ConnectorError> {
        if let Some(payload) = batch.payload.as_ref().filter(|_| self.raw) {
            let mut rejections = Vec::new();
            out.reserve(payload.lengths().map(|length| length as usize + 1).sum());
            for (row, record) in payload.iter().enumerate() {
                match record {
                    Some(record) => write_line(record, out),
                    None => rejections.push(Rejection {
                        row,
                        reason: "the record is a tombstone: it has a key but no value to write".to_owned(),
                    }),
                }
            }
            return Ok(rejections);
        }
        let Some(columns) = &batch.columns else {
            return Err(ConnectorError::new(
                ErrorKind::Internal,
                "a batch without columns reached a sink that needs them",
            ));
        };
        let refused = encode::refused(columns);
        if refused.is_empty() {
            self.write_columns(columns, out)?;
            return Ok(Vec::new());
        }
        let keep: BooleanArray = (0..batch.len()).map(|row| Some(!refused.contains_key(&row))).collect();
        if let Some(columns) = batch.filter(&keep).map_err(|error| internal(&error))?.columns {
            self.write_columns(&columns, out)?;
        }
        Ok(refused.into_iter().map(|(row, reason)| Rejection { row, reason }).collect())
    }

    fn write_columns(&mut self, columns: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        self.ends.clear();
        let before = out.len();
        let written = match self.format {
            SinkFormat::Json | SinkFormat::Jsonl => jsonl::write_rows(columns, &self.schema, out, &mut self.ends),
            SinkFormat::Csv => csv::write_rows(columns, &self.schema, out, &mut self.ends),
        };
        written.map_err(|error| {
            out.truncate(before);
            internal(&error)
        })
    }
}

fn internal(error: &ArrowError) -> ConnectorError {
    ConnectorError::new(ErrorKind::Internal, format!("cannot write records as text: {error}"))
}

/// A JSON text on one line: a line end in it can only be white space, since strings escape theirs.
fn write_line(record: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr2(b'\n', b'\r', record).is_none() {
        out.extend_from_slice(record);
    } else {
        out.extend(record.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    }
    out.push(b'\n');
}
