//! What a function gave as records, and what it failed at as dead letters.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, BinaryViewArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::{filter::filter_record_batch, take::take};
use pipectl_contract::{DeadLetters, OperatorError, Output, Reason};
use pipectl_data::{
    Batch,
    decode::{DecodeFormat, Decoder},
};

use crate::{call::Answer, plan::Plan, worker::Fault};

/// The code of a dead letter that a function failed at.
const FUNCTION: &str = "function";

/// Makes records of answers.
pub(crate) struct Rows {
    results: Decoder,
    keep: Vec<String>,
    output: SchemaRef,
    /// Whether records go into state, as the ledger says it.
    stateful: bool,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("output", &self.output).finish_non_exhaustive()
    }
}

/// The results that have the types that the node says, each with the number of its record.
struct Good {
    columns: RecordBatch,
    numbers: UInt32Array,
}

impl Rows {
    pub(crate) fn new(plan: &Plan, stateful: bool) -> Self {
        Self {
            results: Decoder::new(&plan.returns, DecodeFormat::Json),
            keep: plan.keep.clone(),
            output: plan.output.arrow(),
            stateful,
        }
    }

    /// Of the records of a batch.
    pub(crate) fn records(&mut self, batch: &Batch, answer: &Answer, out: &mut Output) -> Result<(), OperatorError> {
        let (good, dead) = self.sort(answer).map_err(broken)?;
        self.count(answer, &dead, &good, out);
        if !good.numbers.is_empty() {
            let columns = batch.columns.as_ref().ok_or_else(|| broken("a batch has no columns"))?;
            let envelope = Batch { columns: None, ..batch.clone() }.take(&good.numbers).map_err(broken)?;
            let kept = self.keep.iter().map(|name| {
                let index = columns.schema_ref().index_of(name)?;
                take(columns.column(index), &good.numbers, None)
            });
            let kept = kept.collect::<Result<Vec<ArrayRef>, _>>().map_err(broken)?;
            out.batches.push(envelope.with_columns(self.columns(kept, &good.columns).map_err(broken)?));
        }
        if !dead.is_empty() {
            let (numbers, reasons): (Vec<u32>, Vec<Reason>) = dead.into_iter().unzip();
            let batch = batch.take(&UInt32Array::from(numbers)).map_err(broken)?;
            out.dead.push(DeadLetters { batch, reasons });
        }
        Ok(())
    }

    fn columns(&self, kept: Vec<ArrayRef>, results: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let arrays = kept.into_iter().chain(results.columns().iter().cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(results.num_rows()));
        RecordBatch::try_new_with_options(self.output.clone(), arrays, &options)
    }

    /// Results by whether their types are right. A record that has a wrong one is a dead letter as a whole.
    fn sort(&mut self, answer: &Answer) -> Result<(Good, BTreeMap<u32, Reason>), ArrowError> {
        let lines = |(number, rows): &'_ (u32, Vec<u8>)| -> Vec<(u32, Vec<u8>)> {
            let rows = rows.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
            rows.map(|row| (*number, row.to_vec())).collect()
        };
        let (numbers, rows): (Vec<u32>, Vec<Vec<u8>>) = answer.done.iter().flat_map(lines).unzip();
        let decoded = self.results.decode(&BinaryViewArray::from_iter_values(&rows))?;
        let mut dead: BTreeMap<u32, Reason> =
            answer.failed.iter().map(|(number, fault)| (*number, reason(fault))).collect();
        let mut is_bad = vec![false; rows.len()];
        for bad in &decoded.bad {
            is_bad[bad.row] = true;
            let message = format!("the result does not fit `returns`: {}", bad.message);
            dead.entry(numbers[bad.row]).or_insert(Reason { code: FUNCTION, message });
        }
        let read = numbers.iter().zip(&is_bad).filter(|(_, is_bad)| !**is_bad).map(|(number, _)| *number);
        if dead.is_empty() {
            return Ok((Good { columns: decoded.columns, numbers: read.collect() }, dead));
        }
        let read: Vec<u32> = read.collect();
        let is_good: BooleanArray = read.iter().map(|number| Some(!dead.contains_key(number))).collect();
        let columns = filter_record_batch(&decoded.columns, &is_good)?;
        let numbers = read.into_iter().filter(|number| !dead.contains_key(number)).collect();
        Ok((Good { columns, numbers }, dead))
    }

    /// What becomes of the records that are done, for the ledger.
    fn count(&self, answer: &Answer, dead: &BTreeMap<u32, Reason>, good: &Good, out: &mut Output) {
        let done = answer.done.iter().filter(|(number, _)| !dead.contains_key(number));
        if self.stateful {
            let done = done.count() as u64;
            (out.absorbed, out.released) = (done, done);
            return;
        }
        let (mut without, mut with) = (0, 0);
        for (_, rows) in done {
            *(if rows.is_empty() { &mut without } else { &mut with }) += 1;
        }
        out.filtered = without;
        out.extra = (good.numbers.len() as u64).saturating_sub(with);
    }
}

fn reason(fault: &Fault) -> Reason {
    Reason { code: FUNCTION, message: fault.text() }
}

pub(crate) fn broken(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("function: {error}"))
}
