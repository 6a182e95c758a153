//! The typed query's expressions as DataFusion's.
//!
//! The one place that knows both sides. The type checker has already put casts wherever types differ, so nothing is
//! coerced here, and DataFusion's own planner, which would fold, rewrite and coerce in its own way, is not used.

use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator as Op;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{
        BinaryExpr, Column, IsNotNullExpr, IsNullExpr, LikeExpr, Literal as Constant, NegativeExpr, NotExpr, case,
        in_list,
    },
};
use pipectl_data::DataType;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind, Literal};

use super::{
    fallible::is_fallible,
    frame::Slot,
    kernel::{self, Fault, arithmetic, cast, decimal, nested, time},
    native::Native,
    shield::{Form, Operand, Shield},
};
use crate::OperatorError;

type Physical = Arc<dyn PhysicalExpr>;

/// Which column of a frame holds what.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    slots: Vec<(Slot, Arrow)>,
    schema: SchemaRef,
}

impl Layout {
    pub(crate) fn new(slots: Vec<(Slot, Arrow)>) -> Self {
        let field = |(index, (_, kind)): (usize, &(Slot, Arrow))| Field::new(format!("c{index}"), kind.clone(), true);
        let schema = Arc::new(Schema::new(slots.iter().enumerate().map(field).collect::<Vec<_>>()));
        Self { slots, schema }
    }

    pub(crate) fn slots(&self) -> &[(Slot, Arrow)] {
        &self.slots
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The expression over frames of this layout.
    pub(crate) fn lower(&self, expr: &Expr) -> Result<Physical, OperatorError> {
        self.physical(expr).map_err(|error| OperatorError(format!("an expression cannot be run: {error}")))
    }

    fn physical(&self, expr: &Expr) -> Result<Physical, Fault> {
        let arrow = expr.data_type.arrow();
        let native =
            |name: String, kernel, args| -> Physical { Arc::new(Native::new(name, kernel, args, arrow.clone())) };
        Ok(match &expr.kind {
            ExprKind::Column(name) => self.slot(&Slot::Column(name.clone()))?,
            ExprKind::EventTime => self.slot(&Slot::EventTime)?,
            ExprKind::ArrivalTime => self.slot(&Slot::ArrivalTime)?,
            ExprKind::GroupKey(index) => self.slot(&Slot::Key(*index))?,
            ExprKind::WindowStart => {
                native("in_years".to_owned(), time::in_years(), vec![self.slot(&Slot::WindowStart)?])
            }
            ExprKind::WindowEnd => native("in_years".to_owned(), time::in_years(), vec![self.slot(&Slot::WindowEnd)?]),
            ExprKind::Aggregate(index) => {
                let column = self.slot(&Slot::Aggregate(*index))?;
                let result = column.data_type(&self.schema)?;
                match (&arrow, result == arrow) {
                    (_, false) => {
                        native(format!("of {result}"), kernel::aggregate::kernel(&result, &arrow)?, vec![column])
                    }
                    (Arrow::Float64, _) => native("in_range".to_owned(), arithmetic::in_range(), vec![column]),
                    _ => column,
                }
            }
            ExprKind::Literal(literal) => Arc::new(Constant::new(scalar(literal, &expr.data_type)?)),
            ExprKind::Not(inner) => Arc::new(NotExpr::new(self.physical(inner)?)),
            ExprKind::Negate(inner) => {
                let operand = self.physical(inner)?;
                match expr.data_type {
                    // 0 - x is checked, minus x is not.
                    DataType::Int64 => {
                        let zero = Arc::new(Constant::new(ScalarValue::Int64(Some(0))));
                        Arc::new(BinaryExpr::new(zero, Op::Minus, operand).with_fail_on_overflow(true))
                    }
                    DataType::Interval => native("-".to_owned(), arithmetic::negate(), vec![operand]),
                    _ => Arc::new(NegativeExpr::new(operand)),
                }
            }
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, &expr.data_type)?,
            ExprKind::IsNull { expr, negated: false } => Arc::new(IsNullExpr::new(self.physical(expr)?)),
            ExprKind::IsNull { expr, negated: true } => Arc::new(IsNotNullExpr::new(self.physical(expr)?)),
            // DataFusion's set is for constants alone: it finds out by itself what is one, by computing it for no row,
            // and takes a CASE without rows for a constant.
            ExprKind::InList { expr, list, negated }
                if list.iter().all(|item| matches!(item.kind, ExprKind::Literal(_))) =>
            {
                let list = list.iter().map(|item| self.comparable(item)).collect::<Result<Vec<_>, _>>()?;
                in_list(self.comparable(expr)?, list, negated, &self.schema)?
            }
            ExprKind::InList { expr, list, negated } => {
                let operands = std::iter::once(&**expr).chain(list);
                let operands = operands.map(|item| self.operand(item, true)).collect::<Result<Vec<_>, _>>()?;
                Arc::new(Shield::new(Form::In { negated: *negated }, operands, arrow))
            }
            ExprKind::Between { expr, low, high, negated } if is_fallible(high) => {
                let operands = [expr, low, high].map(|part| self.operand(part, true));
                let operands = operands.into_iter().collect::<Result<Vec<_>, _>>()?;
                Arc::new(Shield::new(Form::Between { negated: *negated }, operands, arrow))
            }
            ExprKind::Between { expr, low, high, negated } => {
                let args = vec![self.comparable(expr)?, self.comparable(low)?, self.comparable(high)?];
                let name = if *negated { "not between" } else { "between" };
                native(name.to_owned(), kernel::between(*negated), args)
            }
            ExprKind::Like { expr: text, pattern, negated, case_insensitive, escape } => {
                let mut pattern = self.physical(pattern)?;
                if let Some(escape) = escape {
                    let rewritten = kernel::like::with_backslashes(escape.chars().next());
                    pattern = Arc::new(Native::new(
                        format!("escaped by {escape:?}"),
                        rewritten,
                        vec![pattern],
                        DataType::String.arrow(),
                    ));
                }
                Arc::new(LikeExpr::new(*negated, *case_insensitive, self.physical(text)?, pattern))
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(expr, operand.as_deref(), branches, otherwise.as_deref())?
            }
            ExprKind::Cast { expr: inner, .. } if is_null(inner) => {
                Arc::new(Constant::new(ScalarValue::try_from(&arrow)?))
            }
            ExprKind::Cast { expr: inner, try_cast } => {
                let kernel = cast::kernel(&inner.data_type, &expr.data_type, *try_cast)?;
                let name = format!("{} AS {}", if *try_cast { "try_cast" } else { "cast" }, expr.data_type);
                native(name, kernel, vec![self.physical(inner)?])
            }
            ExprKind::Field { expr: inner, name } => {
                let position = match &inner.data_type {
                    DataType::Struct(fields) => fields.find(name).map(|(position, _)| position),
                    _ => None,
                };
                let position = position.ok_or_else(|| kernel::bug(format!("`{name}` of {}", inner.data_type)))?;
                native(format!("field {position}"), nested::field(position), vec![self.physical(inner)?])
            }
            ExprKind::Element { expr: inner, index } => {
                native("element".to_owned(), nested::element(), vec![self.physical(inner)?, self.physical(index)?])
            }
            ExprKind::Call { function, args } => self.call(function, args, &expr.data_type)?,
        })
    }

    fn case(
        &self,
        whole: &Expr,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Physical, Fault> {
        let compared = operand.is_some();
        let when = |expr: &Expr| if compared { self.comparable(expr) } else { self.physical(expr) };
        if !is_fallible(whole) {
            let branches = branches.iter().map(|(condition, then)| Ok((when(condition)?, self.physical(then)?)));
            let branches = branches.collect::<Result<Vec<_>, Fault>>()?;
            let otherwise = otherwise.map(|otherwise| self.physical(otherwise)).transpose()?;
            return case(operand.map(when).transpose()?, branches, otherwise);
        }
        let mut operands = Vec::new();
        if let Some(operand) = operand {
            operands.push(self.operand(operand, true)?);
        }
        for (condition, then) in branches {
            operands.push(self.operand(condition, compared)?);
            operands.push(self.operand(then, false)?);
        }
        if let Some(otherwise) = otherwise {
            operands.push(self.operand(otherwise, false)?);
        }
        let form = Form::Case { operand: compared };
        Ok(Arc::new(Shield::new(form, operands, whole.data_type.arrow())))
    }

    /// An operand of a form that shields.
    fn operand(&self, expr: &Expr, compared: bool) -> Result<Operand, Fault> {
        let physical = if compared { self.comparable(expr)? } else { self.physical(expr)? };
        Ok(Operand { expr: physical, fallible: is_fallible(expr) })
    }

    fn slot(&self, slot: &Slot) -> Result<Physical, Fault> {
        let index = self.slots.iter().position(|(known, _)| known == slot);
        let index = index.ok_or_else(|| kernel::bug(format!("{slot:?} stands in no column")))?;
        Ok(Arc::new(Column::new(&format!("c{index}"), index)))
    }

    fn call(&self, function: &str, args: &[Expr], result: &DataType) -> Result<Physical, Fault> {
        // Each argument is lowered once: twice would double with every level of nested calls.
        let operands = |compared: bool| args.iter().map(move |arg| self.operand(arg, compared));
        let shield = |form, operands| Arc::new(Shield::new(form, operands, result.arrow()));
        let native = |lowered: Vec<Physical>| -> Result<Physical, Fault> {
            Ok(Arc::new(Native::new(function, kernel::function(function, args, result)?, lowered, result.arrow())))
        };
        match (function, args) {
            ("mod", [left, right]) => self.binary(BinaryOp::Modulo, left, right, result),
            ("coalesce", _) => Ok(shield(Form::Coalesce, operands(false).collect::<Result<Vec<_>, _>>()?)),
            ("nullif", [_, other]) if is_fallible(other) => {
                Ok(shield(Form::Nullif, operands(true).collect::<Result<Vec<_>, _>>()?))
            }
            ("nullif" | "greatest" | "least", _) => {
                native(args.iter().map(|arg| self.comparable(arg)).collect::<Result<Vec<_>, _>>()?)
            }
            _ => native(args.iter().map(|arg| self.physical(arg)).collect::<Result<Vec<_>, _>>()?),
        }
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr, result: &DataType) -> Result<Physical, Fault> {
        if op.is_comparison() {
            // Against a constant that is not zero, minus zero makes no difference.
            let plain =
                [left, right].iter().any(|side| matches!(side.kind, ExprKind::Literal(Literal::Float(x)) if x != 0.0));
            let side = |expr: &Expr| if plain { self.physical(expr) } else { self.comparable(expr) };
            return Ok(Arc::new(BinaryExpr::new(side(left)?, operator(op)?, side(right)?)));
        }
        let form = match op {
            BinaryOp::And => Some(Form::And),
            BinaryOp::Or => Some(Form::Or),
            _ => None,
        };
        if let Some(form) = form.filter(|_| is_fallible(right)) {
            let operands = vec![self.operand(left, false)?, self.operand(right, false)?];
            return Ok(Arc::new(Shield::new(form, operands, result.arrow())));
        }
        let (a, b) = (self.physical(left)?, self.physical(right)?);
        let arrow = result.arrow();
        let native = |kernel| -> Physical {
            Arc::new(Native::new(op.symbol(), kernel, vec![Arc::clone(&a), Arc::clone(&b)], arrow))
        };
        Ok(match (op, result) {
            (BinaryOp::Concat, _) => native(kernel::function("concat", &[], result)?),
            (_, DataType::Decimal(of)) => native(decimal::arithmetic(op, left, right, *of)?),
            (_, DataType::Timestamp | DataType::Interval) => native(arithmetic::time(op, result)?),
            (_, DataType::Date) => native(arithmetic::date(op, left.data_type == DataType::Int64)?),
            (_, DataType::Float64) => native(arithmetic::float(op)?),
            (BinaryOp::Modulo, DataType::Int64) => native(arithmetic::remainder()),
            _ => Arc::new(BinaryExpr::new(a, operator(op)?, b).with_fail_on_overflow(*result == DataType::Int64)),
        })
    }

    /// A value to be compared or grouped by: floats without minus zero.
    pub(crate) fn comparable(&self, expr: &Expr) -> Result<Physical, Fault> {
        if let ExprKind::Literal(Literal::Float(value)) = expr.kind {
            return Ok(Arc::new(Constant::new(ScalarValue::Float64(Some(value + 0.0)))));
        }
        let physical = self.physical(expr)?;
        Ok(if expr.data_type == DataType::Float64 && !matches!(expr.kind, ExprKind::Literal(_)) {
            Arc::new(Native::new("+0", arithmetic::without_minus_zero(), vec![physical], Arrow::Float64))
        } else {
            physical
        })
    }

    /// [`Layout::comparable`] for a group key.
    pub(crate) fn lower_key(&self, expr: &Expr) -> Result<Physical, OperatorError> {
        self.comparable(expr).map_err(|error| OperatorError(format!("a group key cannot be run: {error}")))
    }
}

fn is_null(expr: &Expr) -> bool {
    expr.kind == ExprKind::Literal(Literal::Null)
}

fn scalar(literal: &Literal, data_type: &DataType) -> Result<ScalarValue, Fault> {
    Ok(match literal {
        Literal::Null => ScalarValue::try_from(&data_type.arrow())?,
        Literal::Decimal(value) => match data_type {
            DataType::Decimal(of) => decimal::scalar(*value, *of),
            other => return Err(kernel::bug(format!("a decimal of type {other}"))),
        },
        Literal::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Literal::Int(value) => ScalarValue::Int64(Some(*value)),
        Literal::Float(value) => ScalarValue::Float64(Some(*value)),
        Literal::String(value) => ScalarValue::Utf8View(Some(value.clone())),
        Literal::Timestamp(value) => ScalarValue::TimestampMicrosecond(Some(*value), None),
        Literal::Date(value) => ScalarValue::Date32(Some(*value)),
        Literal::Interval(value) => ScalarValue::DurationMicrosecond(Some(*value)),
    })
}

fn operator(op: BinaryOp) -> Result<Op, Fault> {
    Ok(match op {
        BinaryOp::And => Op::And,
        BinaryOp::Or => Op::Or,
        BinaryOp::Eq => Op::Eq,
        BinaryOp::NotEq => Op::NotEq,
        BinaryOp::Lt => Op::Lt,
        BinaryOp::LtEq => Op::LtEq,
        BinaryOp::Gt => Op::Gt,
        BinaryOp::GtEq => Op::GtEq,
        BinaryOp::IsDistinctFrom => Op::IsDistinctFrom,
        BinaryOp::IsNotDistinctFrom => Op::IsNotDistinctFrom,
        BinaryOp::Add => Op::Plus,
        BinaryOp::Subtract => Op::Minus,
        BinaryOp::Multiply => Op::Multiply,
        BinaryOp::Divide => Op::Divide,
        BinaryOp::Modulo => Op::Modulo,
        BinaryOp::Concat => return Err(kernel::bug("`||` is a kernel of ours")),
    })
}
