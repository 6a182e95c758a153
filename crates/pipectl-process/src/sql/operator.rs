//! Filter and project, one row for each row.

use arrow_array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::SchemaRef;
use pipectl_data::{Batch, Schema};
use pipectl_ir::query::{Query, Shape};

use super::{
    frame::Frame,
    program::{Course, Program},
};
use crate::{DeadLetters, Operator, OperatorError, Output, Reason};

/// A query without windows. Rows keep their envelope and their payload; rows with a fault become dead letters.
pub struct SqlOperator {
    frame: Frame,
    program: Program,
    schema: SchemaRef,
}

impl SqlOperator {
    /// The operator of `query` over batches whose columns have at least those of `input` that the query uses.
    ///
    /// # Errors
    /// If the query is one over windows, or does not go with `input`.
    pub fn new(query: &Query, input: &Schema) -> Result<Self, OperatorError> {
        let Shape::Project { columns } = &query.shape else {
            return Err(OperatorError("a query over windows needs a window operator".to_owned()));
        };
        let frame = Frame::new(query, input)?;
        let mut program = Program::new(frame.layout().clone(), &query.sql, query.filter.as_ref())?;
        for column in columns {
            program.value(&column.expr)?;
        }
        Ok(Self { frame, program, schema: query.output_schema().arrow() })
    }
}

impl Operator for SqlOperator {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        if batch.is_empty() {
            return Ok(());
        }
        let frame = self.frame.of(&batch)?;
        // The old columns would be filtered for nothing.
        let bare = Batch { columns: None, ..batch.clone() };
        let mut course = Course::new(&frame);
        while let Some(outcome) = self.program.next(&mut course)? {
            out.filtered += outcome.filtered;
            dead_letter(&batch, outcome.dead, out)?;
            if outcome.rows == 0 {
                continue;
            }
            let options = RecordBatchOptions::new().with_row_count(Some(outcome.rows));
            let columns = RecordBatch::try_new_with_options(self.schema.clone(), outcome.values, &options)
                .map_err(|error| OperatorError(format!("the result does not have the query's schema: {error}")))?;
            let rows = match &outcome.kept {
                None => bare.clone(),
                Some(kept) => bare.take(kept).map_err(|error| OperatorError(error.to_string()))?,
            };
            out.batches.push(rows.with_columns(columns));
        }
        Ok(())
    }
}

/// Sends rows to the dead letters.
pub(crate) fn dead_letter(batch: &Batch, dead: Vec<(u32, Reason)>, out: &mut Output) -> Result<(), OperatorError> {
    if dead.is_empty() {
        return Ok(());
    }
    let (rows, reasons): (Vec<u32>, Vec<Reason>) = dead.into_iter().unzip();
    let batch = batch.take(&UInt32Array::from(rows)).map_err(|error| OperatorError(error.to_string()))?;
    out.dead.push(DeadLetters { batch, reasons });
    Ok(())
}
