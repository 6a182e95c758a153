//! The operator: rows that can be read go on, the others are dead letters.

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array, cast::AsArray,
};
use arrow_schema::{ArrowError, DataType as Arrow, SchemaRef};
use arrow_select::take::take;
use pipectl_data::{
    Batch, DataType, Schema,
    decode::{Decoder, RowBuilder},
};
use pipectl_diag::Diagnostics;

use super::{
    access_log::AccessLog,
    check,
    grok::GrokPattern,
    options::ParseOptions,
    pattern::RegexPattern,
    plan::{Form, excerpt},
    time::TimeFormat,
};
use crate::{DeadLetters, Operator, OperatorError, Output, Reason};

/// The running form of a `parse` processor. It has no state, so every batch stands alone.
pub struct ParseOperator {
    reader: Reader,
    /// The columns that parsing makes.
    parsed: Schema,
    /// Whether a column that parsing makes is a timestamp, by its number.
    instants: Vec<bool>,
    time: TimeFormat,
    field: String,
    keep: Vec<String>,
    output: SchemaRef,
}

enum Reader {
    AccessLog(AccessLog),
    Regex(RegexPattern),
    Grok(GrokPattern),
    Decode(Decoder),
}

impl std::fmt::Debug for ParseOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParseOperator")
            .field("field", &self.field)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// What became of the texts of a batch.
#[derive(Default)]
struct Sorted {
    good: Vec<u32>,
    bad: Vec<u32>,
    reasons: Vec<Reason>,
}

impl Sorted {
    fn reject(&mut self, row: usize, code: &'static str, message: String) {
        self.bad.push(row as u32);
        self.reasons.push(Reason { code, message });
    }
}

impl ParseOperator {
    /// An operator for an input of these columns.
    ///
    /// # Errors
    /// What `check` of the kind finds.
    pub fn new(options: &ParseOptions, input: &Schema) -> Result<Self, Diagnostics> {
        let compiled = check::compile(options, Some(input))?;
        let parsed = compiled.plan.columns;
        let reader = match compiled.plan.form {
            Form::AccessLog(format) => Reader::AccessLog(AccessLog::new(format)),
            Form::Regex(pattern) => Reader::Regex(pattern),
            Form::Grok(pattern) => Reader::Grok(pattern),
            Form::Decode(format) => Reader::Decode(Decoder::new(&parsed, format)),
        };
        Ok(Self {
            reader,
            instants: parsed.fields().iter().map(|field| field.data_type == DataType::Timestamp).collect(),
            parsed,
            time: compiled.time,
            field: compiled.field,
            keep: compiled.keep,
            output: compiled.output.arrow(),
        })
    }

    fn rows(&mut self, texts: &Texts, sorted: &mut Sorted) -> Result<RecordBatch, ArrowError> {
        if let Reader::Decode(decoder) = &mut self.reader {
            let decoded = decoder.decode(&texts.bytes())?;
            for bad in decoded.bad {
                let (code, message) = match texts.array().is_null(bad.row) {
                    true => ("parse", null(&self.field)),
                    false if bad.message.starts_with("field `") => ("cast", bad.message),
                    false => ("parse", bad.message),
                };
                sorted.reject(bad.row, code, message);
            }
            let mut bad = sorted.bad.iter().peekable();
            sorted.good = (0..texts.array().len() as u32).filter(|row| bad.next_if_eq(&row).is_none()).collect();
            return Ok(decoded.columns);
        }
        let mut builder = RowBuilder::new(&self.parsed, texts.array().len());
        for row in 0..texts.array().len() {
            let text = match texts.get(row) {
                Ok(Some(text)) => text,
                Ok(None) => {
                    sorted.reject(row, "parse", null(&self.field));
                    continue;
                }
                Err(message) => {
                    sorted.reject(row, "parse", format!("column `{}` is {message}", self.field));
                    continue;
                }
            };
            builder.begin();
            let read = match &mut self.reader {
                Reader::AccessLog(log) => log.line(text, &mut builder).map_err(|message| ("parse", message)),
                Reader::Regex(pattern) => {
                    let mut row = Row::new(&mut builder, &self.instants, &self.time, &self.parsed);
                    let matched = pattern.find(text, |field, value| row.set(field, value));
                    row.outcome(matched, "the regular expression", text)
                }
                Reader::Grok(pattern) => {
                    let mut row = Row::new(&mut builder, &self.instants, &self.time, &self.parsed);
                    let matched = pattern.find(text, |field, value| row.set(field, value));
                    row.outcome(matched, "the grok pattern", text)
                }
                Reader::Decode(_) => Ok(()),
            };
            match read.and_then(|()| builder.end().map_err(|message| ("cast", message))) {
                Ok(()) => sorted.good.push(row as u32),
                Err((code, message)) => sorted.reject(row, code, message),
            }
        }
        builder.finish()
    }

    fn split(&self, batch: &Batch, rows: &RecordBatch, sorted: Sorted, out: &mut Output) -> Result<(), ArrowError> {
        let Some(columns) = &batch.columns else { return Ok(()) };
        let good = UInt32Array::from(sorted.good);
        let all = sorted.bad.is_empty();
        if !good.is_empty() {
            let kept = self.keep.iter().map(|name| {
                let index = columns.schema_ref().index_of(name)?;
                let column = columns.column(index);
                if all { Ok(column.clone()) } else { take(column, &good, None) }
            });
            let arrays = kept.chain(rows.columns().iter().cloned().map(Ok)).collect::<Result<Vec<ArrayRef>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(good.len()));
            let made = RecordBatch::try_new_with_options(self.output.clone(), arrays, &options)?;
            let envelope = Batch { columns: None, ..batch.clone() };
            let envelope = if all { envelope } else { envelope.take(&good)? };
            out.batches.push(envelope.with_columns(made));
        }
        if !all {
            let batch = batch.take(&UInt32Array::from(sorted.bad))?;
            out.dead.push(DeadLetters { batch, reasons: sorted.reasons });
        }
        Ok(())
    }
}

impl Operator for ParseOperator {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        if batch.is_empty() {
            return Ok(());
        }
        let fault = |error: ArrowError| OperatorError(format!("parse: {error}"));
        let columns =
            batch.columns.as_ref().ok_or_else(|| OperatorError("parse: the batch has no columns".to_owned()))?;
        let index = columns.schema_ref().index_of(&self.field).map_err(fault)?;
        let texts = Texts::new(columns.column(index)).map_err(fault)?;
        let mut sorted = Sorted::default();
        let rows = self.rows(&texts, &mut sorted).map_err(fault)?;
        self.split(&batch, &rows, sorted, out).map_err(fault)
    }
}

fn null(field: &str) -> String {
    format!("column `{field}` is null")
}

/// The column to take apart.
enum Texts {
    Text(StringViewArray),
    Bytes(BinaryViewArray),
}

impl Texts {
    fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        match column.data_type() {
            Arrow::Utf8View => Ok(Self::Text(column.as_string_view().clone())),
            Arrow::BinaryView => Ok(Self::Bytes(column.as_binary_view().clone())),
            other => Err(ArrowError::CastError(format!("cannot parse a column of type {other}"))),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Text(array) => array,
            Self::Bytes(array) => array,
        }
    }

    fn get(&self, row: usize) -> Result<Option<&str>, &'static str> {
        match self {
            Self::Text(array) => Ok(array.is_valid(row).then(|| array.value(row))),
            Self::Bytes(array) if array.is_null(row) => Ok(None),
            Self::Bytes(array) => std::str::from_utf8(array.value(row)).map(Some).map_err(|_| "not valid UTF-8"),
        }
    }

    fn bytes(&self) -> BinaryViewArray {
        match self {
            Self::Text(array) => array.clone().to_binary_view(),
            Self::Bytes(array) => array.clone(),
        }
    }
}

/// Takes the captures of one match.
struct Row<'r, 'a> {
    builder: &'r mut RowBuilder<'a>,
    instants: &'r [bool],
    time: &'r TimeFormat,
    schema: &'r Schema,
    /// The first time that could not be read.
    problem: Option<String>,
}

impl<'r, 'a> Row<'r, 'a> {
    fn new(builder: &'r mut RowBuilder<'a>, instants: &'r [bool], time: &'r TimeFormat, schema: &'r Schema) -> Self {
        Self { builder, instants, time, schema, problem: None }
    }

    fn set(&mut self, field: usize, value: &'a str) {
        if !self.instants.get(field).copied().unwrap_or(false) || value.is_empty() {
            return self.builder.text(field, value);
        }
        match (self.time.parse(value), self.time) {
            (Some(micros), _) => self.builder.micros(field, micros),
            // The builder's own message says which forms there are.
            (None, TimeFormat::Usual) => self.builder.text(field, value),
            (None, TimeFormat::Letters(format)) => {
                let name = self.schema.fields().get(field).map_or("", |field| field.name.as_str());
                let problem =
                    format!("field `{name}`: found {}, expected a time written as `{format}`", excerpt(value));
                self.problem.get_or_insert(problem);
            }
        }
    }

    fn outcome(self, matched: bool, what: &str, text: &str) -> Result<(), (&'static str, String)> {
        match self.problem {
            _ if !matched => Err(("parse", format!("{what} does not match {}", excerpt(text)))),
            Some(problem) => Err(("cast", problem)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
