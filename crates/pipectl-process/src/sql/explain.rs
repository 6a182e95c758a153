//! Why a row has no value: the innermost expression that fails, as the user wrote it, and what it was given.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use datafusion_physical_expr::PhysicalExpr;
use pipectl_data::DataType;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind};

use super::{frame::Slot, lower::Layout, program::Value};
use crate::Reason;

/// The reason for the fault of a frame of one row, which meets conditions and values in the order in which they are
/// computed.
pub(super) fn reason(
    layout: &Layout,
    sql: &str,
    conditions: &[(Expr, Arc<dyn PhysicalExpr>)],
    values: &[Value],
    row: &RecordBatch,
    error: &DataFusionError,
) -> Reason {
    let needed = |value: &&Value| {
        value.only_if.and_then(|index| values.get(index)).is_none_or(|condition| is_true(&condition.operand.expr, row))
    };
    let exprs = conditions.iter().map(|(expr, _)| expr);
    let failing = exprs.chain(values.iter().filter(needed).map(|value| &value.expr));
    let Some((expr, error)) = failing.into_iter().find_map(|expr| innermost(layout, expr, row)) else {
        return Reason { code: "evaluate", message: words(error) };
    };
    let code = if matches!(expr.kind, ExprKind::Cast { .. }) { "cast" } else { "evaluate" };
    let text = sql.get(expr.place.clone()).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let given = given(layout, expr, row);
    let given = if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) };
    Reason { code, message: format!("`{}`: {error}{given}", shortened(&text)) }
}

/// The first expression that fails for the row, in the order in which they are computed, and why.
fn innermost<'a>(layout: &Layout, expr: &'a Expr, row: &RecordBatch) -> Option<(&'a Expr, String)> {
    let physical = layout.lower(expr).ok()?;
    let error = physical.evaluate(row).and_then(|value| value.into_array(1)).err()?;
    let inner = match &expr.kind {
        ExprKind::Case { operand, branches, otherwise } => {
            in_case(layout, operand.as_deref(), branches, otherwise.as_deref(), row)
        }
        // An operand that is not needed stands behind one that decided, so one that fails is never behind it.
        _ => expr.children().into_iter().find_map(|child| innermost(layout, child, row)),
    };
    Some(inner.unwrap_or_else(|| (expr, words(&error))))
}

/// Results of branches that are not taken have no say.
fn in_case<'a>(
    layout: &Layout,
    operand: Option<&'a Expr>,
    branches: &'a [(Expr, Expr)],
    otherwise: Option<&'a Expr>,
    row: &RecordBatch,
) -> Option<(&'a Expr, String)> {
    if let Some(found) = operand.and_then(|operand| innermost(layout, operand, row)) {
        return Some(found);
    }
    for (when, then) in branches {
        if let Some(found) = innermost(layout, when, row) {
            return Some(found);
        }
        let condition = match operand {
            None => when.clone(),
            Some(operand) => Expr {
                kind: ExprKind::Binary {
                    op: BinaryOp::Eq,
                    left: Box::new(operand.clone()),
                    right: Box::new(when.clone()),
                },
                data_type: DataType::Bool,
                ..when.clone()
            },
        };
        if layout.lower(&condition).is_ok_and(|condition| is_true(&condition, row)) {
            return innermost(layout, then, row);
        }
    }
    otherwise.and_then(|otherwise| innermost(layout, otherwise, row))
}

fn is_true(condition: &Arc<dyn PhysicalExpr>, row: &RecordBatch) -> bool {
    let value = condition.evaluate(row).and_then(|value| value.into_array(1));
    value.is_ok_and(|value| {
        value.as_any().downcast_ref::<BooleanArray>().is_some_and(|value| value.is_valid(0) && value.value(0))
    })
}

/// `x = 0` for the columns that the expression reads.
fn given(layout: &Layout, expr: &Expr, row: &RecordBatch) -> Vec<String> {
    let mut given: Vec<String> = Vec::new();
    expr.walk(&mut |part| {
        let ExprKind::Column(name) = &part.kind else { return };
        let index = layout.slots().iter().position(|(slot, _)| *slot == Slot::Column(name.clone()));
        let Some(column) = index.and_then(|index| row.columns().get(index)) else { return };
        let value = if column.is_null(0) {
            "null".to_owned()
        } else {
            arrow_cast::display::array_value_to_string(column, 0).unwrap_or_default()
        };
        let shown = format!("{name} = {}", shortened(&value));
        if given.len() < 4 && !given.contains(&shown) {
            given.push(shown);
        }
    });
    given
}

fn words(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::Execution(words) => words.clone(),
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::DivideByZero => "division by zero".to_owned(),
            ArrowError::ArithmeticOverflow(_) => "the result does not fit int64".to_owned(),
            other => other.to_string(),
        },
        other => other.strip_backtrace(),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}
