//! The columns that a query reads, gathered from a batch: those of the payload by name, the envelope's times beside.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow_schema::SchemaRef;
use pipectl_data::{Batch, DataType, Schema};
use pipectl_ir::query::Query;

use super::lower::Layout;
use crate::OperatorError;

/// What a column of a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A column of the input.
    Column(String),
    /// The event time of the envelope.
    EventTime,
    /// The arrival time of the envelope.
    ArrivalTime,
    /// A group key.
    Key(usize),
    /// The result of an aggregate.
    Aggregate(usize),
    /// The start of the window.
    WindowStart,
    /// The end of the window.
    WindowEnd,
}

/// Makes frames of batches.
pub(crate) struct Frame {
    layout: Layout,
    /// Where the columns were in the last batch; looked up again when a batch has another schema.
    found: Option<(SchemaRef, Vec<usize>)>,
}

impl Frame {
    /// The frame of what `query` reads from rows of `input`.
    pub(crate) fn new(query: &Query, input: &Schema) -> Result<Self, OperatorError> {
        let mut slots = Vec::new();
        for name in query.columns_used() {
            let Some((_, field)) = input.find(&name) else {
                return Err(OperatorError(format!("the query reads `{name}`, which `{}` does not have", query.input)));
            };
            slots.push((Slot::Column(name), field.data_type.arrow()));
        }
        if query.uses_event_time() {
            slots.push((Slot::EventTime, DataType::Timestamp.arrow()));
        }
        if query.uses_arrival_time() {
            slots.push((Slot::ArrivalTime, DataType::Timestamp.arrow()));
        }
        Ok(Self { layout: Layout::new(slots), found: None })
    }

    /// What stands where.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The frame of a batch; no values are copied.
    pub(crate) fn of(&mut self, batch: &Batch) -> Result<RecordBatch, OperatorError> {
        let indices = self.indices(batch)?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.layout.slots().len());
        let mut indices = indices.iter();
        for (slot, wanted) in self.layout.slots() {
            let array: ArrayRef = match slot {
                Slot::EventTime => match &batch.event_time {
                    Some(times) => timestamps(times),
                    None => Arc::new(TimestampMicrosecondArray::new_null(batch.len())),
                },
                Slot::ArrivalTime => timestamps(&batch.arrival),
                _ => {
                    let column = batch.columns.as_ref().zip(indices.next());
                    let Some((columns, index)) = column else { return Err(missing(slot)) };
                    Arc::clone(columns.column(*index))
                }
            };
            arrays.push(if array.data_type() == wanted {
                array
            } else {
                arrow_cast::cast(&array, wanted)
                    .map_err(|error| OperatorError(format!("{slot:?} does not have the type of the schema: {error}")))?
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        RecordBatch::try_new_with_options(Arc::clone(self.layout.schema()), arrays, &options)
            .map_err(|error| OperatorError(format!("the columns of a batch do not fit together: {error}")))
    }

    fn indices(&mut self, batch: &Batch) -> Result<Vec<usize>, OperatorError> {
        let Some(columns) = &batch.columns else {
            return match self.layout.slots().iter().find(|(slot, _)| matches!(slot, Slot::Column(_))) {
                Some((slot, _)) => Err(missing(slot)),
                None => Ok(Vec::new()),
            };
        };
        if let Some((schema, indices)) = &self.found
            && Arc::ptr_eq(schema, columns.schema_ref())
        {
            return Ok(indices.clone());
        }
        let mut indices = Vec::new();
        for (slot, _) in self.layout.slots() {
            if let Slot::Column(name) = slot {
                indices.push(columns.schema_ref().index_of(name).map_err(|_| missing(slot))?);
            }
        }
        self.found = Some((columns.schema(), indices.clone()));
        Ok(indices)
    }
}

fn timestamps(micros: &Int64Array) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::new(micros.values().clone(), micros.nulls().cloned()))
}

fn missing(slot: &Slot) -> OperatorError {
    OperatorError(format!("a batch comes without {slot:?}, which the query reads"))
}
