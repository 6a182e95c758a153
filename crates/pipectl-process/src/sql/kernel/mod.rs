//! Functions and conversions of the dialect, over columns.
//!
//! They are our own and not a library's, because their meaning is part of what a spec promises: which argument is null
//! when, what is a fault of the row, how much memory one call may take. Operators, CASE, IN and LIKE come from
//! DataFusion, which has them in the same meaning.

mod access;
pub(super) mod aggregate;
pub(super) mod arithmetic;
pub(super) mod cast;
mod choose;
pub(super) mod decimal;
mod digest;
mod json;
pub(super) mod like;
mod math;
pub(super) mod nested;
mod regex;
mod text;
pub(super) mod time;
mod words;

use std::sync::Arc;

use arrow_array::ArrayRef;
use datafusion_common::DataFusionError;
use datafusion_expr::ColumnarValue;
use pipectl_data::DataType;
use pipectl_ir::query::{Expr, ExprKind, Literal};

/// What goes wrong inside a kernel: the words for one row, or a bug.
pub(super) type Fault = DataFusionError;

/// Columns or constants in, a column of so many rows out.
pub(super) type Kernel = Arc<dyn Fn(&[ColumnarValue], usize) -> Result<ArrayRef, Fault> + Send + Sync>;

/// A fault of the row at hand, reported in the user's words.
pub(super) fn fault(words: impl Into<String>) -> Fault {
    DataFusionError::Execution(words.into())
}

/// A bug: the type checker let something through.
pub(super) fn bug(words: impl std::fmt::Display) -> Fault {
    DataFusionError::Internal(words.to_string())
}

/// The kernel of `BETWEEN`.
pub(super) fn between(negated: bool) -> Kernel {
    choose::between(negated)
}

/// The kernel of a function by its canonical name. Constant arguments (patterns, paths, formats) are prepared here once.
pub(super) fn function(name: &str, args: &[Expr], result: &DataType) -> Result<Kernel, Fault> {
    let kernel = text::kernel(name)
        .or_else(|| decimal::function(name, args, result))
        .or_else(|| nested::function(name, args))
        .or_else(|| words::kernel(name))
        .or_else(|| math::kernel(name, args))
        .or_else(|| choose::kernel(name))
        .or_else(|| digest::kernel(name, args));
    match kernel {
        Some(kernel) => Ok(kernel),
        None => match regex::kernel(name, args)? {
            Some(kernel) => Ok(kernel),
            None => match time::kernel(name, args)? {
                Some(kernel) => Ok(kernel),
                None => json::kernel(name, args)?.ok_or_else(|| bug(format!("`{name}` has no kernel"))),
            },
        },
    }
}

/// The constant text at this position of the arguments.
fn constant(args: &[Expr], position: usize) -> Result<&str, Fault> {
    match args.get(position).map(|arg| &arg.kind) {
        Some(ExprKind::Literal(Literal::String(text))) => Ok(text),
        _ => Err(bug(format!("argument {} is no constant text", position + 1))),
    }
}

/// The constant number at this position of the arguments.
fn constant_int(args: &[Expr], position: usize) -> Option<i64> {
    match args.get(position).map(|arg| &arg.kind) {
        Some(ExprKind::Literal(Literal::Int(value))) => Some(*value),
        _ => None,
    }
}
