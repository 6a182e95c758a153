//! Forms that shield their operands: AND, OR, CASE, coalesce, nullif, IN and BETWEEN compute an operand only for the
//! rows that need it.
//!
//! An operand that cannot fail may be computed for every row, since nobody can see the difference. One that can fail is computed for
//! exactly the rows that reach it, whatever else is in the batch, and never for no row at all.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow_ord::cmp;
use arrow_schema::{DataType, Schema};
use arrow_select::{filter::filter_record_batch, nullif::nullif, take::take, zip::zip};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::kernel::bug;

type Physical = Arc<dyn PhysicalExpr>;

/// What shields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// Two operands; the second one where the first is not false.
    And,
    /// Two operands; the second one where the first is not true.
    Or,
    /// Each operand where all before are null.
    Coalesce,
    /// Two operands; the second one where the first is not null.
    Nullif,
    /// A value, then what it is compared with, each where nothing before was equal.
    In { negated: bool },
    /// A value, the least, and the greatest where the value is not below the least.
    Between { negated: bool },
    /// Perhaps a value, then conditions and results in turn, perhaps a result for the rest.
    Case { operand: bool },
}

/// An operand.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) expr: Physical,
    /// Whether it has rows for which it has no value but a fault.
    pub(super) fallible: bool,
}

impl PartialEq for Operand {
    fn eq(&self, other: &Self) -> bool {
        *self.expr == *other.expr && self.fallible == other.fallible
    }
}

impl Eq for Operand {}

impl Hash for Operand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
    }
}

/// A form and its operands.
#[derive(Debug, Clone)]
pub(super) struct Shield {
    form: Form,
    operands: Vec<Operand>,
    result: DataType,
}

impl Shield {
    pub(super) fn new(form: Form, operands: Vec<Operand>, result: DataType) -> Self {
        Self { form, operands, result }
    }

    fn always(&self, position: usize, batch: &RecordBatch) -> Result<ArrayRef> {
        let operand = self.operands.get(position).ok_or_else(|| bug("a form lacks an operand"))?;
        operand.expr.evaluate(batch)?.into_array(batch.num_rows())
    }

    fn where_needed(&self, position: usize, batch: &RecordBatch, needed: &BooleanArray) -> Result<ArrayRef> {
        let operand = self.operands.get(position).ok_or_else(|| bug("a form lacks an operand"))?;
        on_rows(operand, batch, needed)
    }

    fn both(&self, batch: &RecordBatch, stops: bool) -> Result<ArrayRef> {
        let left = self.always(0, batch)?;
        let left = truths(&left)?;
        let right = self.where_needed(1, batch, &unless(left, stops))?;
        let right = truths(&right)?;
        Ok(Arc::new(if stops {
            arrow_arith::boolean::or_kleene(left, right)?
        } else {
            arrow_arith::boolean::and_kleene(left, right)?
        }))
    }

    fn coalesce(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let mut found = self.always(0, batch)?;
        for position in 1..self.operands.len() {
            if found.null_count() == 0 {
                break;
            }
            let missing = arrow_arith::boolean::is_null(&found)?;
            let next = self.where_needed(position, batch, &missing)?;
            found = zip(&missing, &next, &found)?;
        }
        Ok(found)
    }

    fn nullif(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let value = self.always(0, batch)?;
        let other = self.where_needed(1, batch, &arrow_arith::boolean::is_not_null(&value)?)?;
        Ok(nullif(&value, &cmp::eq(&value, &other)?)?)
    }

    fn is_in(&self, batch: &RecordBatch, negated: bool) -> Result<ArrayRef> {
        let value = self.always(0, batch)?;
        let mut found = BooleanArray::from(vec![false; batch.num_rows()]);
        for position in 1..self.operands.len() {
            let open = unless(&found, true);
            if !open.has_true() {
                break;
            }
            let item = self.where_needed(position, batch, &open)?;
            found = arrow_arith::boolean::or_kleene(&found, &cmp::eq(&value, &item)?)?;
        }
        Ok(Arc::new(if negated { arrow_arith::boolean::not(&found)? } else { found }))
    }

    fn between(&self, batch: &RecordBatch, negated: bool) -> Result<ArrayRef> {
        let value = self.always(0, batch)?;
        let above = cmp::gt_eq(&value, &self.always(1, batch)?)?;
        let high = self.where_needed(2, batch, &unless(&above, false))?;
        let within = arrow_arith::boolean::and_kleene(&above, &cmp::lt_eq(&value, &high)?)?;
        Ok(Arc::new(if negated { arrow_arith::boolean::not(&within)? } else { within }))
    }

    fn case(&self, batch: &RecordBatch, operand: bool) -> Result<ArrayRef> {
        let value = if operand { Some(self.always(0, batch)?) } else { None };
        let mut open = BooleanArray::from(vec![true; batch.num_rows()]);
        let mut result = new_null_array(&self.result, batch.num_rows());
        let mut next = usize::from(operand);
        while next < self.operands.len() && open.has_true() {
            if next + 1 == self.operands.len() {
                let rest = self.where_needed(next, batch, &open)?;
                return Ok(zip(&open, &rest, &result)?);
            }
            let when = self.where_needed(next, batch, &open)?;
            let holds = match &value {
                Some(value) => cmp::eq(value, &when)?,
                None => truths(&when)?.clone(),
            };
            let hit = arrow_arith::boolean::and(&open, &known(&holds))?;
            let then = self.where_needed(next + 1, batch, &hit)?;
            result = zip(&hit, &then, &result)?;
            open = arrow_arith::boolean::and_not(&open, &hit)?;
            next += 2;
        }
        Ok(result)
    }
}

/// The rows for which `found` is not `stops`: those that are decided need no more.
fn unless(found: &BooleanArray, stops: bool) -> BooleanArray {
    let values = if stops { !found.values() } else { found.values().clone() };
    match found.nulls() {
        None => BooleanArray::new(values, None),
        Some(nulls) => BooleanArray::new(&values | &!nulls.inner(), None),
    }
}

/// Null as false.
fn known(truths: &BooleanArray) -> BooleanArray {
    match truths.nulls() {
        None => truths.clone(),
        Some(nulls) => BooleanArray::new(truths.values() & nulls.inner(), None),
    }
}

fn truths(array: &ArrayRef) -> Result<&BooleanArray> {
    array.as_any().downcast_ref().ok_or_else(|| bug("a condition is no truth value"))
}

/// The operand's values for these rows; what stands in the others means nothing.
pub(super) fn on_rows(operand: &Operand, batch: &RecordBatch, needed: &BooleanArray) -> Result<ArrayRef> {
    let (rows, wanted) = (batch.num_rows(), needed.true_count());
    // Filtering and putting back costs about as much as computing a plain operand for a few rows in vain.
    let eager = wanted == rows || (!operand.fallible && wanted.saturating_mul(4) > rows);
    if eager && rows > 0 {
        return operand.expr.evaluate(batch)?.into_array(rows);
    }
    if wanted == 0 {
        return Ok(new_null_array(&operand.expr.data_type(batch.schema_ref())?, rows));
    }
    let values = operand.expr.evaluate(&filter_record_batch(batch, needed)?)?.into_array(wanted)?;
    let mut next = 0;
    let places: UInt32Array = needed
        .values()
        .iter()
        .map(|needed| {
            let place = needed.then_some(next);
            next += u32::from(needed);
            place
        })
        .collect();
    Ok(take(&values, &places, None)?)
}

impl PhysicalExpr for Shield {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if batch.num_rows() == 0 {
            return Ok(ColumnarValue::Array(new_null_array(&self.result, 0)));
        }
        let values = match self.form {
            Form::And => self.both(batch, false),
            Form::Or => self.both(batch, true),
            Form::Coalesce => self.coalesce(batch),
            Form::Nullif => self.nullif(batch),
            Form::In { negated } => self.is_in(batch, negated),
            Form::Between { negated } => self.between(batch, negated),
            Form::Case { operand } => self.case(batch, operand),
        };
        values.map(ColumnarValue::Array)
    }

    fn children(&self) -> Vec<&Physical> {
        self.operands.iter().map(|operand| &operand.expr).collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Physical>) -> Result<Physical> {
        let operands = self.operands.iter().zip(children);
        let operands = operands.map(|(old, expr)| Operand { expr, fallible: old.fallible }).collect();
        Ok(Arc::new(Self::new(self.form, operands, self.result.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Shield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(", self.form)?;
        for (position, operand) in self.operands.iter().enumerate() {
            write!(f, "{}{}", if position == 0 { "" } else { ", " }, operand.expr)?;
        }
        f.write_str(")")
    }
}

impl PartialEq for Shield {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.operands == other.operands && self.result == other.result
    }
}

impl Eq for Shield {}

impl Hash for Shield {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.form.hash(state);
        self.operands.hash(state);
    }
}
