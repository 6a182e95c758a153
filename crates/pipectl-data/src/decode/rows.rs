//! Typed columns from fields that somebody else has found in a text, by the same rules as CSV and lines of text.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::ArrowError;

use super::{
    column::Column,
    slot::{Number, Slots},
    text,
};
use crate::{Micros, Schema};

/// Builds rows field by field. `'a` is the life of the texts that fields are cut from.
///
/// For each record: [`RowBuilder::begin`], any of the setters (what is not set is null), [`RowBuilder::end`].
#[derive(Debug)]
pub struct RowBuilder<'a> {
    schema: Schema,
    slots: Slots<'a>,
    columns: Vec<Column>,
    rows: usize,
}

impl<'a> RowBuilder<'a> {
    /// A builder of these fields, with room for `rows` rows.
    pub fn new(schema: &Schema, rows: usize) -> Self {
        Self {
            schema: schema.clone(),
            slots: Slots::new(schema),
            columns: schema.fields().iter().map(|field| Column::new(&field.data_type, rows)).collect(),
            rows: 0,
        }
    }

    /// Starts a row; forgets one that was not ended.
    pub fn begin(&mut self) {
        self.slots.clear();
    }

    /// Reads text as the field's type (see [`super::Decoder`]). What cannot be read is reported by [`RowBuilder::end`].
    #[inline]
    pub fn text(&mut self, field: usize, value: &'a str) {
        text::set(&mut self.slots, field, value);
    }

    /// A number for an `int64` field.
    #[inline]
    pub fn int(&mut self, field: usize, value: i64) {
        self.slots.set_number(field, Number::Int(value));
    }

    /// An instant for a field of one of the timestamp types.
    #[inline]
    pub fn micros(&mut self, field: usize, value: Micros) {
        self.slots.set_micros(field, value);
    }

    /// Adds the row.
    ///
    /// # Errors
    /// If a field cannot be what its type needs: which one, what was found and what is expected, in one line. Nothing
    /// is added then.
    pub fn end(&mut self) -> Result<(), String> {
        if let Some(problem) = self.slots.problem(&self.schema) {
            return Err(problem);
        }
        self.slots.append_to(&mut self.columns);
        self.rows += 1;
        Ok(())
    }

    /// The rows as columns.
    ///
    /// # Errors
    /// Only for faults of our own.
    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(self.schema.arrow(), arrays, &options)
    }
}
