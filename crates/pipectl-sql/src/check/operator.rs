//! Operators and the types that they go with.

use std::ops::Range;

use pipectl_data::{
    DataType::{
        self, Bool, Bytes, Date, Decimal, Float64, Int64, Interval, Json, List, String as Text, Struct, Timestamp,
    },
    timestamp,
};
use pipectl_diag::codes::sql as codes;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind, Literal};

use super::{Checker, Scope, convert::common_type, decimal, inside, is_null, type_name};
use crate::{
    literal::{Span, parse_span},
    parse::ast::{Kind, Node},
};

impl<'a> Checker<'a> {
    /// The typed operator between two typed values.
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        op_place: &Range<usize>,
        left: Expr,
        right: Expr,
        place: &Range<usize>,
    ) -> Option<Expr> {
        let (operands, data_type) = match op {
            BinaryOp::And | BinaryOp::Or => {
                let (left, right) = (self.truth(left, op.symbol()), self.truth(right, op.symbol()));
                ((left?, right?), Bool)
            }
            // The operator of programs for `or`: what is right of it makes no second problem.
            BinaryOp::Concat if left.data_type == Bool && !is_null(&left) => {
                self.text(left, "||")?;
                return None;
            }
            BinaryOp::Concat => {
                let (left, right) = (self.text(left, "||"), self.text(right, "||"));
                ((left?, right?), Text)
            }
            _ if op.is_comparison() => {
                let Some(target) = common_type(&left, &right) else {
                    self.mismatch(op, op_place, &left, &right);
                    return None;
                };
                self.comparable(&target, &left, op.symbol())?;
                let ordered = matches!(op, BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq);
                if target == Bytes && ordered {
                    self.mismatch(op, op_place, &left, &right);
                    return None;
                }
                let (left, right) = (self.coerce(left, &target), self.coerce(right, &target));
                ((left?, right?), Bool)
            }
            _ => {
                let Some((a, b, result)) = arithmetic(op, &left, &right) else {
                    self.mismatch(op, op_place, &left, &right);
                    return None;
                };
                let (left, right) = (self.coerce(left, &a), self.coerce(right, &b));
                ((left?, right?), result)
            }
        };
        let (left, right) = operands;
        let never_null = matches!(op, BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom);
        Some(Expr {
            nullable: !never_null && (left.nullable || right.nullable),
            kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) },
            data_type,
            place: place.clone(),
        })
    }

    /// `time + INTERVAL '1 month'`: months and years have no fixed length, so they are counted on the calendar, before
    /// the rest of the interval. `None` for any other sum, `Some(None)` for a problem.
    #[expect(clippy::option_option, reason = "another sum, or a problem, or the sum")]
    pub(super) fn with_months(
        &mut self,
        node: &'a Node,
        op: BinaryOp,
        left: &'a Node,
        right: &'a Node,
        scope: Scope,
    ) -> Option<Option<Expr>> {
        let (time, span, place, sign) = match (op, months(left), months(right)) {
            (BinaryOp::Add, Some(span), None) => (right, span, &left.place, 1),
            (BinaryOp::Add, None, Some(span)) => (left, span, &right.place, 1),
            (BinaryOp::Subtract, None, Some(span)) => (left, span, &right.place, -1),
            _ => return None,
        };
        let Some(time) = self.expr(time, scope) else { return Some(None) };
        if !matches!(time.data_type, Timestamp | Date) {
            // The interval's own words say what it can be added to.
            return None;
        }
        let Some(time) = self.coerce(time, &Timestamp) else { return Some(None) };
        let nullable = time.nullable;
        let number = |literal, data_type| Expr {
            kind: ExprKind::Literal(literal),
            data_type,
            nullable: false,
            place: place.clone(),
        };
        let months = number(Literal::Int(span.months * sign), Int64);
        let sum = ExprKind::Call { function: "add_months".to_owned(), args: vec![time, months] };
        let mut sum = Expr { kind: sum, data_type: Timestamp, nullable, place: node.place.clone() };
        if span.micros != 0 {
            let rest = number(Literal::Interval(span.micros), Interval);
            sum.kind = ExprKind::Binary { op, left: Box::new(sum.clone()), right: Box::new(rest) };
        }
        Some(Some(sum))
    }

    /// The expression if it is a truth value.
    pub(super) fn truth(&mut self, expr: Expr, what: &str) -> Option<Expr> {
        if is_null(&expr) || expr.data_type == Bool {
            return self.coerce(expr, &Bool);
        }
        let kind = expr.data_type.clone();
        self.problem(
            codes::WRONG_TYPES,
            format!("{what} needs a condition, not {kind}"),
            &expr.place,
            format!("this is {kind}"),
            |p| {
                p.help(match kind {
                    Int64 | Float64 | Decimal(_) => "compare it: x <> 0",
                    Text => "compare it: x = 'text'",
                    _ => "compare it, or write x IS NOT NULL",
                })
            },
        );
        None
    }

    /// The expression if it is a text.
    pub(super) fn text(&mut self, expr: Expr, what: &str) -> Option<Expr> {
        if is_null(&expr) || expr.data_type == Text {
            return self.coerce(expr, &Text);
        }
        let kind = expr.data_type.clone();
        self.problem(
            codes::WRONG_TYPES,
            format!("{what} needs a string, not {kind}"),
            &expr.place,
            format!("this is {kind}"),
            |p| {
                if kind == Json {
                    p.help("extract the text: json_text(x, '$.name')")
                } else if kind == Bool && what == "||" {
                    p.help("`||` joins texts: to combine conditions, write OR")
                } else {
                    p.help("convert it: CAST(x AS string)")
                }
            },
        );
        None
    }

    /// Refuses to compare what has no order and no sure equality.
    pub(super) fn comparable(&mut self, target: &DataType, expr: &Expr, what: &str) -> Option<()> {
        if matches!(target, List(_) | Struct(_)) {
            let title = format!("`{what}` cannot compare {target}");
            self.problem(codes::WRONG_TYPES, title, &expr.place, format!("this is {target}"), |p| {
                p.help("compare a value inside it: x[1] = 'a' of a list, x.field = 1 of a struct")
            });
            return None;
        }
        if *target != Json {
            return Some(());
        }
        self.problem(codes::WRONG_TYPES, format!("`{what}` cannot compare json"), &expr.place, "this is json", |p| {
            p.help("compare a value inside it: json_text(x, '$.name') = 'a', json_int(x, '$.n') = 1")
        });
        None
    }

    /// A constant that only has to be written in another way: with quotes, without, or as an interval.
    fn constant_beside(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Advice> {
        let (constant, other) = match (&left.kind, &right.kind) {
            (_, ExprKind::Literal(_)) => (right, left),
            (ExprKind::Literal(_), _) => (left, right),
            _ => return None,
        };
        let written = self.sql.get(constant.place.clone())?;
        if op.is_comparison() {
            return comparable_form(constant, &other.data_type, written);
        }
        let fix = |form: String| (format!("write {form}"), Some((constant.place.clone(), form)));
        let ExprKind::Literal(Literal::String(text)) = &constant.kind else { return None };
        match &other.data_type {
            Timestamp | Date if parse_span(text).is_ok() => Some(fix(format!("INTERVAL {written}"))),
            Timestamp | Date if op == BinaryOp::Subtract && is_time(text) => Some(fix(format!("TIMESTAMP {written}"))),
            Int64 | Float64 | Decimal(_) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Some(fix(text.trim().to_owned()))
            }
            _ => None,
        }
    }

    /// A text beside a value of another type, where no constant is to blame.
    fn text_beside(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Advice> {
        let (text, other) = match (&left.data_type, &right.data_type) {
            (Text, other) if *other != Text => (left, other),
            (other, Text) if *other != Text => (right, other),
            _ => return None,
        };
        let written = self.sql.get(text.place.clone()).unwrap_or("x");
        let help = match other {
            Timestamp | Date if !op.is_comparison() => {
                "add an interval: INTERVAL '1 hour', or a number times one: x * INTERVAL '1 second'".to_owned()
            }
            Int64 | Float64 | Decimal(_) | Bool | Timestamp | Date => {
                format!("convert the text: TRY_CAST({written} AS {other}) gives NULL for a text that is no {other}")
            }
            _ => return None,
        };
        Some((help, None))
    }

    fn mismatch(&mut self, op: BinaryOp, op_place: &Range<usize>, left: &Expr, right: &Expr) {
        let (a, b) = (type_name(left), type_name(right));
        let verb = if op.is_comparison() { "compare" } else { "combine" };
        let title = format!("`{}` cannot {verb} {a} with {b}", op.symbol());
        let help = match (&left.data_type, &right.data_type) {
            _ if op == BinaryOp::Add && left.data_type == Text && right.data_type == Text => {
                "join texts with `||`".to_owned()
            }
            (Timestamp | Date, Int64 | Float64 | Decimal(_)) | (Int64 | Float64 | Decimal(_), Timestamp | Date) => {
                "add an interval, such as INTERVAL '1 minute', or use to_epoch_ms(x) and from_epoch_ms(x)".to_owned()
            }
            (Json, _) | (_, Json) => {
                "extract the value from the json: json_float(x, '$.name'), json_text, json_int".to_owned()
            }
            (Interval, _) | (_, Interval) => {
                "an interval is added to a time, or multiplied by a whole number".to_owned()
            }
            _ => "convert one of them with CAST(x AS type)".to_owned(),
        };
        let advice = self.constant_beside(op, left, right).or_else(|| self.text_beside(op, left, right));
        self.problem(codes::WRONG_TYPES, title, op_place, "", |p| {
            let p = p
                .related(inside(&left.place), format!("this is {a}"))
                .related(inside(&right.place), format!("this is {b}"));
            match advice {
                Some((help, Some((place, fix)))) => p.help(help).fix(inside(&place), fix),
                Some((help, None)) => p.help(help),
                None => p.help(help),
            }
        });
    }
}

/// What to write, and what to put where if that is the same for sure.
pub(super) type Advice = (String, Option<(Range<usize>, String)>);

/// The constant as it can be compared with a value of this type.
pub(super) fn comparable_form(constant: &Expr, other: &DataType, written: &str) -> Option<Advice> {
    let ExprKind::Literal(literal) = &constant.kind else { return None };
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let bare = match (literal, other) {
        (Literal::Int(_) | Literal::Float(_) | Literal::Bool(_), Text) => {
            let form = format!("'{written}'");
            return Some((format!("compare with text: {form}"), Some((constant.place.clone(), form))));
        }
        (Literal::String(text), Int64) if text.trim().parse::<i64>().is_ok() => text.trim(),
        (Literal::String(text), Float64 | Decimal(_)) if is_number(text) => text.trim(),
        (Literal::String(text), Bool) if ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) => text,
        _ => return None,
    };
    Some((format!("write {bare} without quotes"), Some((constant.place.clone(), bare.to_owned()))))
}

/// Whether a text is an instant or a day.
fn is_time(text: &str) -> bool {
    timestamp::parse(text).is_some() || timestamp::parse_date(text).is_some()
}

/// The constant interval if it has months.
fn months(node: &Node) -> Option<Span> {
    let span = match &node.kind {
        Kind::Interval(text) => parse_span(text).ok()?,
        Kind::Negate(inner) => {
            let Kind::Interval(text) = &inner.kind else { return None };
            let span = parse_span(text).ok()?;
            Span { months: span.months.checked_neg()?, micros: span.micros.checked_neg()? }
        }
        _ => return None,
    };
    (span.months.checked_abs()? > 0).then_some(span)
}

/// The types that the operands must get, and the result's type.
fn arithmetic(op: BinaryOp, left: &Expr, right: &Expr) -> Option<(DataType, DataType, DataType)> {
    let (mut a, mut b) = (left.data_type.clone(), right.data_type.clone());
    if is_null(left) && is_null(right) {
        (a, b) = (Int64, Int64);
    } else if is_null(left) {
        a = null_partner(op, &b, true);
    } else if is_null(right) {
        b = null_partner(op, &a, false);
    }
    let typed = |expr: &Expr, data_type: &DataType| {
        // NULL has the other side's type; whatever else is said of a constant is said by its digits.
        if is_null(expr) {
            Expr { kind: ExprKind::EventTime, data_type: data_type.clone(), ..expr.clone() }
        } else {
            expr.clone()
        }
    };
    if matches!(a, Decimal(_)) || matches!(b, Decimal(_)) {
        return decimal::arithmetic(op, &typed(left, &a), &typed(right, &b));
    }
    match (op, &a, &b) {
        (_, Int64, Int64) => Some((Int64, Int64, Int64)),
        (_, Int64 | Float64, Int64 | Float64) => Some((Float64, Float64, Float64)),
        (BinaryOp::Add | BinaryOp::Subtract, Timestamp | Date, Interval) => Some((Timestamp, Interval, Timestamp)),
        (BinaryOp::Add, Interval, Timestamp | Date) => Some((Interval, Timestamp, Timestamp)),
        (BinaryOp::Add | BinaryOp::Subtract, Date, Int64) => Some((Date, Int64, Date)),
        (BinaryOp::Add, Int64, Date) => Some((Int64, Date, Date)),
        (BinaryOp::Subtract, Timestamp | Date, Timestamp | Date) => Some((Timestamp, Timestamp, Interval)),
        (BinaryOp::Add | BinaryOp::Subtract, Interval, Interval) => Some((Interval, Interval, Interval)),
        (BinaryOp::Multiply | BinaryOp::Divide, Interval, Int64) => Some((Interval, Int64, Interval)),
        (BinaryOp::Multiply, Int64, Interval) => Some((Int64, Interval, Interval)),
        _ => None,
    }
}

/// What NULL is taken for beside a value of this type.
fn null_partner(op: BinaryOp, other: &DataType, is_left: bool) -> DataType {
    match other {
        Timestamp | Date if !(is_left && op == BinaryOp::Subtract) => Interval,
        Interval if matches!(op, BinaryOp::Multiply | BinaryOp::Divide) => Int64,
        other => other.clone(),
    }
}
