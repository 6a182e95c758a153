//! Why a row has no value: the innermost expression that fails, as the user wrote it, and what it was given.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use datafusion_physical_expr::PhysicalExpr;
use pipectl_ir::query::{Expr, ExprKind};

use super::{frame::Slot, lower::Layout};
use crate::Reason;

/// The reason for the fault of a frame of one row.
pub(super) fn reason<'a>(
    layout: &Layout,
    sql: &str,
    exprs: impl IntoIterator<Item = &'a (Expr, Arc<dyn PhysicalExpr>)>,
    row: &RecordBatch,
    error: &DataFusionError,
) -> Reason {
    let failing = exprs.into_iter().find_map(|(expr, physical)| {
        physical.evaluate(row).and_then(|value| value.into_array(1)).err().map(|error| (expr, error))
    });
    let Some((mut expr, mut error)) = failing.as_ref().map(|(expr, error)| (*expr, words(error))) else {
        return Reason { code: "evaluate", message: words(error) };
    };
    while let Some((inner, why)) =
        expr.children().into_iter().find_map(|child| Some((child, fails(layout, child, row)?)))
    {
        (expr, error) = (inner, why);
    }
    let code = if matches!(expr.kind, ExprKind::Cast { .. }) { "cast" } else { "evaluate" };
    let text = sql.get(expr.place.clone()).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let given = given(layout, expr, row);
    let given = if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) };
    Reason { code, message: format!("`{}`: {error}{given}", shortened(&text)) }
}

fn fails(layout: &Layout, expr: &Expr, row: &RecordBatch) -> Option<String> {
    let physical = layout.lower(expr).ok()?;
    physical.evaluate(row).and_then(|value| value.into_array(1)).err().map(|error| words(&error))
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
