//! Expressions, one kind after the other.

use pipectl_data::DataType;
use pipectl_diag::codes::sql as codes;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind, Literal};

use super::{
    Checker, Scope,
    convert::{common_type, type_of},
    inside, is_null,
    operator::{Advice, comparable_form},
    type_name,
};
use crate::parse::ast::{Kind, Node};

impl<'a> Checker<'a> {
    /// The typed expression; `None` if a problem was found in it.
    pub(super) fn expr(&mut self, node: &'a Node, scope: Scope) -> Option<Expr> {
        // In a query with groups an unqualified window_start is the window's own, even beside a key of that name.
        let bound = matches!(super::column_name(node), Some("window_start" | "window_end"))
            && matches!(node.kind, Kind::Column { qualifier: None, .. });
        if scope == Scope::Group
            && !bound
            && let Some(index) = self.keys.iter().position(|(key, _)| key.same(node))
        {
            let key = &self.keys[index].1.expr;
            let (data_type, nullable) = (key.data_type.clone(), key.nullable);
            return Some(Expr { kind: ExprKind::GroupKey(index), data_type, nullable, place: node.place.clone() });
        }
        let literal = |literal, data_type| {
            Some(Expr { kind: ExprKind::Literal(literal), data_type, nullable: false, place: node.place.clone() })
        };
        match &node.kind {
            Kind::Column { qualifier, name } => self.column(node, qualifier.as_ref(), name, scope),
            Kind::Number(text) => self.number(node, text, false),
            Kind::Text(text) => literal(Literal::String(text.clone()), DataType::String),
            Kind::Bool(value) => literal(Literal::Bool(*value), DataType::Bool),
            Kind::Null => Some(Expr { nullable: true, ..literal(Literal::Null, DataType::String)? }),
            Kind::Interval(text) => {
                let micros = self.interval(text, &node.place)?;
                literal(Literal::Interval(micros), DataType::Interval)
            }
            Kind::Typed { type_name, text } => {
                let data_type = type_of(&type_name.text).ok()?;
                let value = self.constant(text, &data_type, &node.place)?;
                literal(value, data_type)
            }
            Kind::Not(inner) => {
                let inner = self.expr(inner, scope)?;
                let inner = self.truth(inner, "NOT")?;
                Some(Expr {
                    nullable: inner.nullable,
                    kind: ExprKind::Not(Box::new(inner)),
                    data_type: DataType::Bool,
                    place: node.place.clone(),
                })
            }
            Kind::Negate(inner) => self.negate(node, inner, scope),
            Kind::Binary { op, op_place, left, right } => {
                if let Some(sum) = self.with_months(node, *op, left, right, scope) {
                    return sum;
                }
                let (left, right) = (self.expr(left, scope), self.expr(right, scope));
                self.binary(*op, op_place, left?, right?, &node.place)
            }
            Kind::IsNull { expr, negated } => {
                let mut expr = self.expr(expr, scope)?;
                if is_null(&expr) {
                    expr.data_type = DataType::Bool;
                }
                let kind = ExprKind::IsNull { expr: Box::new(expr), negated: *negated };
                Some(Expr { kind, data_type: DataType::Bool, nullable: false, place: node.place.clone() })
            }
            Kind::IsBool { expr, value, negated } => {
                let expr = self.expr(expr, scope)?;
                let left = Box::new(self.truth(expr, "IS TRUE or IS FALSE")?);
                let right = Box::new(literal(Literal::Bool(*value), DataType::Bool)?);
                let op = if *negated { BinaryOp::IsDistinctFrom } else { BinaryOp::IsNotDistinctFrom };
                let kind = ExprKind::Binary { op, left, right };
                Some(Expr { kind, data_type: DataType::Bool, nullable: false, place: node.place.clone() })
            }
            Kind::InList { expr, list, negated } => self.in_list(node, expr, list, *negated, scope),
            Kind::Between { expr, low, high, negated } => self.between(node, [expr, low, high], *negated, scope),
            Kind::Like { expr, pattern, negated, case_insensitive, escape } => {
                let (expr, pattern) = (self.expr(expr, scope), self.expr(pattern, scope));
                let (expr, pattern) = (self.text(expr?, "LIKE"), self.text(pattern?, "LIKE"));
                let (expr, pattern) = (Box::new(expr?), Box::new(pattern?));
                let escape = self.escape(escape.as_deref(), &pattern)?;
                Some(Expr {
                    nullable: expr.nullable || pattern.nullable,
                    kind: ExprKind::Like {
                        expr,
                        pattern,
                        negated: *negated,
                        case_insensitive: *case_insensitive,
                        escape,
                    },
                    data_type: DataType::Bool,
                    place: node.place.clone(),
                })
            }
            Kind::Case { operand, branches, otherwise } => {
                self.case(node, operand.as_deref(), branches, otherwise.as_deref(), scope)
            }
            Kind::Cast { expr, type_name, try_cast } => self.cast(node, expr, type_name, *try_cast, scope),
            Kind::Call(call) => self.call(node, call, scope),
            Kind::Field { expr, name, unless } => self.field(node, expr, name, unless, scope),
            Kind::Element { expr, index, unless } => self.element(node, expr, index, unless, scope),
        }
    }

    fn number(&mut self, node: &Node, text: &str, negative: bool) -> Option<Expr> {
        let signed = if negative { format!("-{text}") } else { text.to_owned() };
        let whole = !text.contains(['.', 'e', 'E']);
        let literal = if whole { signed.parse().ok().map(Literal::Int) } else { None };
        let literal = literal.or_else(|| {
            let value: f64 = signed.parse().ok()?;
            (!whole && value.is_finite()).then_some(Literal::Float(value))
        });
        let Some(literal) = literal else {
            let help = if whole {
                "write it with a decimal point to make it a float64: 1e20, 123.0"
            } else {
                "the maximum of float64 is 1.8e308"
            };
            self.problem(codes::BAD_LITERAL, format!("{signed} is out of range"), &node.place, "", |p| p.help(help));
            return None;
        };
        let data_type = if whole { DataType::Int64 } else { DataType::Float64 };
        Some(Expr { kind: ExprKind::Literal(literal), data_type, nullable: false, place: node.place.clone() })
    }

    fn negate(&mut self, node: &'a Node, inner: &'a Node, scope: Scope) -> Option<Expr> {
        if let Kind::Number(text) = &inner.kind {
            return self.number(node, text, true);
        }
        let inner = self.expr(inner, scope)?;
        if let ExprKind::Literal(Literal::Interval(micros)) = inner.kind {
            let kind = ExprKind::Literal(Literal::Interval(micros.saturating_neg()));
            return Some(Expr { kind, place: node.place.clone(), ..inner });
        }
        if !(inner.data_type.is_number() || inner.data_type == DataType::Interval) || is_null(&inner) {
            let title = format!("`-` cannot be applied to {}", type_name(&inner));
            self.problem(codes::WRONG_TYPES, title, &inner.place, format!("this is {}", type_name(&inner)), |p| p);
            return None;
        }
        Some(Expr {
            nullable: inner.nullable,
            data_type: inner.data_type.clone(),
            kind: ExprKind::Negate(Box::new(inner)),
            place: node.place.clone(),
        })
    }

    fn in_list(
        &mut self,
        node: &'a Node,
        expr: &'a Node,
        list: &'a [Node],
        negated: bool,
        scope: Scope,
    ) -> Option<Expr> {
        let expr = self.expr(expr, scope);
        let list: Vec<_> = list.iter().map(|item| self.expr(item, scope)).collect();
        let (expr, list) = (expr?, list.into_iter().collect::<Option<Vec<_>>>()?);
        let all: Vec<&Expr> = std::iter::once(&expr).chain(&list).collect();
        let target = self.one_type(&all, "IN")?;
        self.comparable(&target, &expr, "IN")?;
        let expr = Box::new(self.coerce(expr, &target)?);
        let list = list.into_iter().map(|item| self.coerce(item, &target)).collect::<Option<Vec<_>>>()?;
        Some(Expr {
            nullable: expr.nullable || list.iter().any(|item| item.nullable),
            kind: ExprKind::InList { expr, list, negated },
            data_type: DataType::Bool,
            place: node.place.clone(),
        })
    }

    fn between(&mut self, node: &'a Node, parts: [&'a Node; 3], negated: bool, scope: Scope) -> Option<Expr> {
        let [expr, low, high] = parts.map(|part| self.expr(part, scope));
        let (expr, low, high) = (expr?, low?, high?);
        let target = self.one_type(&[&expr, &low, &high], "BETWEEN")?;
        self.comparable(&target, &expr, "BETWEEN")?;
        let [expr, low, high] = [expr, low, high].map(|part| self.coerce(part, &target).map(Box::new));
        let (expr, low, high) = (expr?, low?, high?);
        Some(Expr {
            nullable: expr.nullable || low.nullable || high.nullable,
            kind: ExprKind::Between { expr, low, high, negated },
            data_type: DataType::Bool,
            place: node.place.clone(),
        })
    }

    fn case(
        &mut self,
        node: &'a Node,
        operand: Option<&'a Node>,
        branches: &'a [(Node, Node)],
        otherwise: Option<&'a Node>,
        scope: Scope,
    ) -> Option<Expr> {
        let operand = match operand {
            Some(operand) => Some(self.expr(operand, scope)?),
            None => None,
        };
        let mut whens = Vec::new();
        let mut thens = Vec::new();
        for (when, then) in branches {
            let when = self.expr(when, scope);
            let when = match &operand {
                Some(_) => when,
                None => when.and_then(|when| self.truth(when, "WHEN")),
            };
            whens.push(when);
            thens.push(self.expr(then, scope));
        }
        let otherwise = match otherwise {
            Some(otherwise) => Some(self.expr(otherwise, scope)?),
            None => None,
        };
        let mut whens = whens.into_iter().collect::<Option<Vec<_>>>()?;
        let thens = thens.into_iter().collect::<Option<Vec<_>>>()?;
        let operand = match operand {
            Some(operand) => {
                let all: Vec<&Expr> = std::iter::once(&operand).chain(&whens).collect();
                let target = self.one_type(&all, "CASE")?;
                self.comparable(&target, &operand, "CASE")?;
                whens = whens.into_iter().map(|when| self.coerce(when, &target)).collect::<Option<Vec<_>>>()?;
                Some(Box::new(self.coerce(operand, &target)?))
            }
            None => None,
        };
        let all: Vec<&Expr> = thens.iter().chain(&otherwise).collect();
        let target = self.one_type(&all, "CASE")?;
        let nullable = otherwise.is_none() || all.iter().any(|result| result.nullable);
        let thens = thens.into_iter().map(|then| self.coerce(then, &target)).collect::<Option<Vec<_>>>()?;
        let otherwise = match otherwise {
            Some(otherwise) => Some(Box::new(self.coerce(otherwise, &target)?)),
            None => None,
        };
        let branches = whens.into_iter().zip(thens).collect();
        Some(Expr {
            kind: ExprKind::Case { operand, branches, otherwise },
            data_type: target,
            nullable,
            place: node.place.clone(),
        })
    }

    /// How two values that stand for each other get one type.
    fn one_form(&self, one: &Expr, other: &Expr) -> Option<Advice> {
        let written = |expr: &Expr| self.sql.get(expr.place.clone()).unwrap_or("x").to_owned();
        let form = comparable_form(other, &one.data_type, &written(other))
            .or_else(|| comparable_form(one, &other.data_type, &written(one)));
        form.or_else(|| {
            // Everything but an interval has a text form, but not every text is a value of another type.
            let odd = match (&one.data_type, &other.data_type) {
                (DataType::String, DataType::Interval) | (DataType::Interval, DataType::String) => return None,
                (DataType::String, _) => other,
                (_, DataType::String) => one,
                _ => return None,
            };
            Some((format!("convert one of them: CAST({} AS string)", written(odd)), None))
        })
    }

    /// The one type that all of them can have; a problem names the first two that do not fit.
    pub(super) fn one_type(&mut self, all: &[&Expr], what: &str) -> Option<DataType> {
        let mut one = (*all.first()?).clone();
        for expr in all.get(1..).unwrap_or_default() {
            let Some(common) = common_type(&one, expr) else {
                let (a, b) = (type_name(&one), type_name(expr));
                let first = one.place.clone();
                let advice = self.one_form(&one, expr);
                self.problem(
                    codes::WRONG_TYPES,
                    format!("{what} combines {a} and {b}"),
                    &expr.place,
                    format!("this is {b}"),
                    |p| {
                        let p = p.related(inside(&first), format!("this is {a}"));
                        match advice {
                            Some((help, Some((place, fix)))) => p.help(help).fix(inside(&place), fix),
                            Some((help, None)) => p.help(help),
                            None => p.help(format!("convert one of them, such as CAST(… AS {a})")),
                        }
                    },
                );
                return None;
            };
            // Text constants keep bending to what comes later, all else stays what it is.
            if common != one.data_type || is_null(&one) {
                one = Expr { data_type: common, ..(*expr).clone() };
            }
        }
        Some(one.data_type)
    }
}
