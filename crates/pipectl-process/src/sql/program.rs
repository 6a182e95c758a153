//! Conditions, then values, over whole batches; a fault costs only the rows that it is about.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_select::{
    concat::concat,
    filter::{filter, filter_record_batch, prep_null_mask_filter},
};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind};

use super::{
    budget,
    explain::reason,
    fallible::is_fallible,
    lower::Layout,
    shield::{Operand, on_rows},
};
use crate::{OperatorError, Reason};

type Physical = Arc<dyn PhysicalExpr>;

/// A lowered part of a query: rows for which all conditions hold, and values of those rows.
pub(crate) struct Program {
    layout: Layout,
    sql: String,
    /// The conditions that `AND` joins, one by one: a row that fails an early one never meets the later ones, so that
    /// `x <> 0 AND 10 / x > 1` has no fault, whatever else is in the batch.
    conditions: Vec<(Expr, Physical)>,
    values: Vec<Value>,
    /// How many rows are computed at once: all, until they make too much text.
    at_once: usize,
}

/// The way of a frame through a program, stretch by stretch.
pub(crate) struct Course<'a> {
    frame: &'a RecordBatch,
    /// The first row that is not done.
    next: usize,
    /// Whether a stretch was too much at once.
    too_much: bool,
}

impl<'a> Course<'a> {
    pub(crate) fn new(frame: &'a RecordBatch) -> Self {
        Self { frame, next: 0, too_much: false }
    }

    /// The next rows, at most so many.
    fn stretch(&self, most: usize) -> RecordBatch {
        self.frame.slice(self.next, most.min(self.frame.num_rows() - self.next))
    }
}

/// A value to be computed of each row.
pub(super) struct Value {
    pub(super) expr: Expr,
    pub(super) operand: Operand,
    /// The value before it that must be true, else this one is not needed and what stands in its place means nothing.
    pub(super) only_if: Option<usize>,
}

/// What a program made of a stretch of a frame.
pub(crate) struct Outcome {
    /// The rows of the frame that were kept, ascending; `None` if all of the frame were.
    pub(crate) kept: Option<UInt32Array>,
    /// How many were kept.
    pub(crate) rows: usize,
    /// The values of the kept rows.
    pub(crate) values: Vec<ArrayRef>,
    /// The rows that no value could be made of, ascending, and why.
    pub(crate) dead: Vec<(u32, Reason)>,
    /// How many rows the conditions left out.
    pub(crate) filtered: u64,
}

impl Program {
    /// A program over frames of this layout; `sql` is quoted in reasons.
    pub(crate) fn new(layout: Layout, sql: &str, condition: Option<&Expr>) -> Result<Self, OperatorError> {
        let mut parts = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut parts);
        }
        let conditions = parts
            .into_iter()
            .map(|part| Ok((part.clone(), layout.lower(part)?)))
            .collect::<Result<Vec<_>, OperatorError>>()?;
        Ok(Self { layout, sql: sql.to_owned(), conditions, values: Vec::new(), at_once: usize::MAX })
    }

    /// Adds a value.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<(), OperatorError> {
        let physical = self.layout.lower(expr)?;
        self.push(expr, physical, None);
        Ok(())
    }

    /// Adds a value that is compared or grouped by.
    pub(crate) fn key(&mut self, expr: &Expr) -> Result<(), OperatorError> {
        let physical = self.layout.lower_key(expr)?;
        self.push(expr, physical, None);
        Ok(())
    }

    /// Adds a value that only counts where the value at position `only_if`, a truth value, is true; `compared` says
    /// that it is compared.
    pub(crate) fn value_if(
        &mut self,
        expr: &Expr,
        compared: bool,
        only_if: Option<usize>,
    ) -> Result<(), OperatorError> {
        let physical = if compared { self.layout.lower_key(expr)? } else { self.layout.lower(expr)? };
        self.push(expr, physical, only_if);
        Ok(())
    }

    fn push(&mut self, expr: &Expr, physical: Physical, only_if: Option<usize>) {
        let operand = Operand { expr: physical, fallible: is_fallible(expr) };
        self.values.push(Value { expr: expr.clone(), operand, only_if });
    }

    /// Runs over the next stretch of a frame, nearly always the whole; `None` at its end.
    pub(crate) fn next(&mut self, course: &mut Course<'_>) -> Result<Option<Outcome>, OperatorError> {
        while course.next < course.frame.num_rows() {
            let part = course.stretch(self.at_once);
            match self.attempt(&part) {
                Ok((mask, rows, values)) => {
                    let whole = part.num_rows() == course.frame.num_rows();
                    let kept = (!whole || mask.is_some()).then(|| kept(mask.as_ref(), course.next, part.num_rows()));
                    let filtered = (part.num_rows() - rows) as u64;
                    self.advance(course, course.next + part.num_rows());
                    return Ok(Some(Outcome { kept: kept.map(Into::into), rows, values, dead: Vec::new(), filtered }));
                }
                Err(error) if budget::is_too_much(&error) && part.num_rows() > 1 => {
                    self.at_once = part.num_rows() / 2;
                    course.too_much = true;
                }
                Err(_) => return self.run_in_parts(course, part.num_rows()).map(Some),
            }
        }
        Ok(None)
    }

    /// Rows before `next` are done. After a frame that went well, more rows are tried again.
    fn advance(&mut self, course: &mut Course<'_>, next: usize) {
        course.next = next;
        if next == course.frame.num_rows() && !course.too_much {
            self.at_once = self.at_once.saturating_mul(2);
        }
    }

    /// The rows that all conditions keep (`None`: all), their number, and the values.
    fn attempt(&self, frame: &RecordBatch) -> Result<(Option<BooleanArray>, usize, Vec<ArrayRef>), DataFusionError> {
        budget::restart();
        let mut kept: Option<BooleanArray> = None;
        let mut frame = std::borrow::Cow::Borrowed(frame);
        for (_, condition) in &self.conditions {
            // Nothing may be computed for no row: a constant expression may have a fault that no row meets.
            if frame.num_rows() == 0 {
                break;
            }
            let holds = condition.evaluate(&frame)?.into_array(frame.num_rows())?;
            let holds = only_true(&holds)?;
            if holds.true_count() == frame.num_rows() {
                continue;
            }
            frame = std::borrow::Cow::Owned(filter_record_batch(&frame, &holds)?);
            kept = Some(match kept {
                None => holds,
                Some(kept) => within(&kept, &holds),
            });
        }
        let rows = frame.num_rows();
        let mut values: Vec<ArrayRef> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            values.push(if rows == 0 {
                arrow_array::new_empty_array(&value.operand.expr.data_type(self.layout.schema())?)
            } else if let Some(condition) = value.only_if.and_then(|index| values.get(index)) {
                on_rows(&value.operand, &frame, &only_true(condition)?)?
            } else {
                column(value.operand.expr.evaluate(&frame)?, rows)?
            });
        }
        Ok((kept, rows, values))
    }

    /// Halves the next rows until those with faults stand alone; stops early when there is much text.
    fn run_in_parts(&mut self, course: &mut Course<'_>, rows: usize) -> Result<Outcome, OperatorError> {
        let first = course.next;
        let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
        let mut kept_rows: Vec<u32> = Vec::new();
        let mut dead = Vec::new();
        let mut made = 0;
        let mut next = first;
        let mut waiting = vec![(first, rows)];
        while made <= budget::MOST
            && let Some((start, length)) = waiting.pop()
        {
            let part = course.frame.slice(start, length);
            match self.attempt(&part) {
                Ok((mask, rows, values)) => {
                    made += budget::made();
                    next = start + length;
                    kept_rows.extend(kept(mask.as_ref(), start, length));
                    if rows > 0 {
                        parts.push(values);
                    }
                }
                Err(error) if length <= 1 => {
                    next = start + length;
                    let reason = reason(&self.layout, &self.sql, &self.conditions, &self.values, &part, &error);
                    dead.push((start as u32, reason));
                }
                Err(_) => {
                    let half = length / 2;
                    waiting.push((start + half, length - half));
                    waiting.push((start, half));
                }
            }
        }
        let values = self.joined(&parts)?;
        self.advance(course, next);
        let rows = kept_rows.len();
        let filtered = (next - first - rows - dead.len()) as u64;
        Ok(Outcome { kept: Some(kept_rows.into()), rows, values, dead, filtered })
    }

    /// The values of several parts, one behind the other.
    fn joined(&self, parts: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>, OperatorError> {
        let mut values = Vec::with_capacity(self.values.len());
        for (index, value) in self.values.iter().enumerate() {
            let columns: Vec<&dyn Array> = parts.iter().filter_map(|part| part.get(index).map(AsRef::as_ref)).collect();
            let column = if columns.is_empty() {
                value.operand.expr.data_type(self.layout.schema()).map(|kind| arrow_array::new_empty_array(&kind))
            } else {
                concat(&columns).map_err(DataFusionError::from)
            };
            values.push(column.map_err(|error| OperatorError(format!("results do not fit together: {error}")))?);
        }
        Ok(values)
    }
}

/// The rows of a frame that a stretch of it keeps, which begins at `start`.
fn kept(mask: Option<&BooleanArray>, start: usize, rows: usize) -> Vec<u32> {
    match mask {
        Some(mask) => mask.values().set_indices().map(|row| (start + row) as u32).collect(),
        None => (start..start + rows).map(|row| row as u32).collect(),
    }
}

/// A result as a column. A text that is the same for all rows counts in each, as it is written in each.
fn column(value: ColumnarValue, rows: usize) -> Result<ArrayRef, DataFusionError> {
    if let ColumnarValue::Scalar(ScalarValue::Utf8View(Some(text))) = &value {
        budget::Meter::new(rows).add(text.len().saturating_mul(rows))?;
    }
    value.into_array(rows)
}

/// A condition's values, null as false.
fn only_true(holds: &ArrayRef) -> Result<BooleanArray, DataFusionError> {
    let holds = holds
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| DataFusionError::Internal("a condition is no truth value".to_owned()))?;
    Ok(if holds.null_count() > 0 { prep_null_mask_filter(holds) } else { holds.clone() })
}

/// `inner` speaks about the rows that `outer` keeps; the result about all.
fn within(outer: &BooleanArray, inner: &BooleanArray) -> BooleanArray {
    let mut inner = inner.iter();
    outer.iter().map(|kept| Some(kept == Some(true) && inner.next().flatten() == Some(true))).collect()
}

fn conjuncts<'a>(expr: &'a Expr, parts: &mut Vec<&'a Expr>) {
    if let ExprKind::Binary { op: BinaryOp::And, left, right } = &expr.kind {
        conjuncts(left, parts);
        conjuncts(right, parts);
    } else {
        parts.push(expr);
    }
}

impl Outcome {
    /// A column of the input reduced to the kept rows.
    pub(crate) fn take<A: Array + Clone + 'static>(&self, column: &A) -> Result<A, OperatorError> {
        let Some(kept) = &self.kept else { return Ok(column.clone()) };
        let taken = arrow_select::take::take(column, kept, None).map_err(|error| OperatorError(error.to_string()))?;
        taken.as_any().downcast_ref::<A>().cloned().ok_or_else(|| OperatorError("a column changed its type".to_owned()))
    }

    /// Leaves only the rows for which `mask` is true.
    pub(crate) fn keep_only(&mut self, mask: &BooleanArray) -> Result<(), OperatorError> {
        let broken = |error: arrow_schema::ArrowError| OperatorError(error.to_string());
        let kept: Vec<u32> = mask
            .values()
            .set_indices()
            .map(|index| self.kept.as_ref().map_or(index as u32, |kept| kept.value(index)))
            .collect();
        for value in &mut self.values {
            *value = filter(value, mask).map_err(broken)?;
        }
        self.rows = kept.len();
        self.kept = Some(kept.into());
        Ok(())
    }
}
