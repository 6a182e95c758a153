//! Conversions: those written as casts, and those that constants and numbers need no cast for.

use std::ops::Range;

use pipectl_data::{BadType, DataType, DecimalType, json, timestamp};
use pipectl_diag::codes::sql as codes;
use pipectl_ir::query::{Expr, ExprKind, Literal};

use super::{Checker, Scope, decimal, elsewhere::from_number, inside, is_null};
use crate::{
    literal::parse_interval,
    parse::ast::{Name, Node},
};

/// The type in which two values can be put together, without a cast that could fail but for decimals of more than 38
/// digits.
pub(super) fn common_type(left: &Expr, right: &Expr) -> Option<DataType> {
    use DataType::{Date, Decimal, Float64, Int64, Timestamp};
    let (a, b) = (&left.data_type, &right.data_type);
    match (a, b) {
        _ if is_null(left) => Some(b.clone()),
        _ if is_null(right) || a == b => Some(a.clone()),
        (Int64, Float64) | (Float64, Int64) => Some(Float64),
        (Decimal(_), _) | (_, Decimal(_)) => decimal::common(left, right),
        (Date, Timestamp) | (Timestamp, Date) => Some(Timestamp),
        _ if is_text(left) && converts_text(b) => Some(b.clone()),
        _ if is_text(right) && converts_text(a) => Some(a.clone()),
        _ => None,
    }
}

/// Whether it is a text constant, which can also be a time, an interval or JSON.
pub(super) fn is_text(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Literal::String(_))) && expr.data_type == DataType::String
}

fn converts_text(target: &DataType) -> bool {
    matches!(target, DataType::Timestamp | DataType::Date | DataType::Interval | DataType::Json)
}

/// Whether a value can stand where `target` is wanted.
pub(super) fn fits(expr: &Expr, target: &DataType) -> bool {
    let wider = matches!(
        (&expr.data_type, target),
        (DataType::Int64 | DataType::Decimal(_), DataType::Float64) | (DataType::Date, DataType::Timestamp)
    );
    is_null(expr) || expr.data_type == *target || wider || (is_text(expr) && converts_text(target))
}

/// The type that a word in `CAST` names, also in other dialects; the error says what to write.
pub(super) fn type_of(name: &str) -> Result<DataType, Option<String>> {
    let (word, parameters) = match name.find('(') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let lower = word.trim().to_lowercase();
    let lower = lower.split(" with").next().unwrap_or_default();
    Ok(match lower {
        "bool" | "boolean" => DataType::Bool,
        "int64" | "int" | "integer" | "bigint" | "smallint" | "tinyint" | "int4" | "int8" | "long" => DataType::Int64,
        "float64" | "float" | "double" | "double precision" | "real" | "float4" | "float8" => DataType::Float64,
        "decimal" | "numeric" | "dec" => {
            return format!("decimal{parameters}").parse().map_err(|bad: BadType| Some(bad.reason));
        }
        _ if name.contains('<') => {
            let ours = name.to_lowercase().replace("array<", "list<").replace("row<", "struct<");
            let parsed = name.parse().or_else(|_| ours.parse());
            return parsed.map_err(|bad: BadType| {
                Some(format!("{}; write list<string> or struct<a:string, b:int64>", bad.reason))
            });
        }
        "string" | "text" | "varchar" | "char" | "utf8" => DataType::String,
        "bytes" | "bytea" | "binary" | "varbinary" | "blob" => DataType::Bytes,
        "timestamp" | "timestamptz" | "datetime" => DataType::Timestamp,
        "date" => DataType::Date,
        "json" | "jsonb" => DataType::Json,
        _ => return Err(None),
    })
}

impl<'a> Checker<'a> {
    /// The expression as `target`, which [`fits`] or [`common_type`] allowed.
    pub(super) fn coerce(&mut self, expr: Expr, target: &DataType) -> Option<Expr> {
        if expr.data_type == *target && !is_null(&expr) {
            return Some(expr);
        }
        let place = expr.place.clone();
        let literal = match (&expr.kind, target) {
            (ExprKind::Literal(Literal::Null), _) => Some(Literal::Null),
            (ExprKind::Literal(Literal::Int(value)), DataType::Float64) => Some(Literal::Float(*value as f64)),
            (ExprKind::Literal(Literal::Int(value)), DataType::Decimal(decimal)) => {
                decimal.parse(&value.to_string()).ok().map(Literal::Decimal)
            }
            (ExprKind::Literal(Literal::Float(value)), DataType::Decimal(decimal)) => {
                Some(self.exact(*value, *decimal, &place)?)
            }
            (ExprKind::Literal(Literal::String(text)), _) => {
                let text = text.clone();
                Some(self.constant(&text, target, &place)?)
            }
            (ExprKind::Literal(Literal::Date(day)), DataType::Timestamp) => {
                Some(Literal::Timestamp(i64::from(*day) * 86_400_000_000))
            }
            _ => None,
        };
        Some(match literal {
            Some(literal) => {
                let nullable = literal == Literal::Null;
                Expr { kind: ExprKind::Literal(literal), data_type: target.clone(), nullable, place }
            }
            None => Expr {
                nullable: expr.nullable,
                kind: ExprKind::Cast { expr: Box::new(expr), try_cast: false },
                data_type: target.clone(),
                place,
            },
        })
    }

    /// A constant with a point as a decimal: all digits that are written, though a float would have fewer.
    fn exact(&mut self, value: f64, target: DecimalType, place: &Range<usize>) -> Option<Literal> {
        let written: String = self.sql.get(place.clone()).unwrap_or_default().split_whitespace().collect();
        let number = if written.parse::<f64>() == Ok(value) { written } else { value.to_string() };
        if let Ok(value) = target.parse(&number) {
            return Some(Literal::Decimal(value));
        }
        let title = format!("{number} has more digits than a number in SQL keeps");
        self.problem(codes::BAD_LITERAL, title, place, "", |p| {
            p.help(format!("write it as a text: CAST('{number}' AS decimal(38, 20))"))
        });
        None
    }

    /// A text constant as a constant of another type.
    pub(super) fn constant(&mut self, text: &str, target: &DataType, place: &Range<usize>) -> Option<Literal> {
        let (literal, form) = match target {
            DataType::Timestamp => (
                timestamp::parse(text)
                    .or_else(|| Some(i64::from(timestamp::parse_date(text)?) * 86_400_000_000))
                    .map(Literal::Timestamp),
                "write it as '2026-01-31T10:20:30Z'; without a zone it means UTC",
            ),
            DataType::Date => (timestamp::parse_date(text).map(Literal::Date), "write it as '2026-01-31'"),
            DataType::Json => {
                (json::value(text).map(|value| Literal::String(value.to_owned())), "write a JSON value: '{\"a\": 1}'")
            }
            DataType::Interval => return self.interval(text, place).map(Literal::Interval),
            _ => (Some(Literal::String(text.to_owned())), ""),
        };
        if literal.is_none() {
            let title = format!("'{}' is not a {target}", shortened(text));
            self.problem(codes::BAD_LITERAL, title, place, format!("must be a {target}"), |p| p.help(form));
        }
        literal
    }

    /// The microseconds of an interval's text.
    pub(super) fn interval(&mut self, text: &str, place: &Range<usize>) -> Option<i64> {
        match parse_interval(text) {
            Ok(micros) => Some(micros),
            Err(why) => {
                let title = format!("'{}' is not an interval", shortened(text));
                self.problem(codes::BAD_LITERAL, title, place, "", |p| p.help(why));
                None
            }
        }
    }

    /// `CAST`, `TRY_CAST`, `::`.
    pub(super) fn cast(
        &mut self,
        node: &'a Node,
        inner: &'a Node,
        type_name: &Name,
        try_cast: bool,
        scope: Scope,
    ) -> Option<Expr> {
        let target = type_of(&type_name.text);
        if let Err(reason) = &target {
            let known: Vec<_> = DataType::NAMED
                .iter()
                .map(DataType::word)
                .filter(|name| !name.starts_with("epoch"))
                .chain(["decimal(p, s)"])
                .collect();
            let lower = type_name.text.to_lowercase();
            let help = match lower.as_str() {
                _ if let Some(reason) = reason => reason.clone(),
                "interval" => "write a constant: INTERVAL '1 minute'".to_owned(),
                "epoch_ms" | "epoch_s" => "from_epoch_ms(x) makes a timestamp, to_epoch_ms(x) a number".to_owned(),
                _ => format!("types are {}", known.join(", ")),
            };
            self.problem(
                codes::WRONG_TYPES,
                format!("`{}` is not a type", type_name.text),
                &type_name.place,
                "",
                |p| p.help(help),
            );
        }
        let expr = self.expr(inner, scope)?;
        let target = target.ok()?;
        if is_null(&expr) {
            // Keeps its cast, so that it is a NULL of a known type from here on.
            let null = Expr { data_type: target.clone(), nullable: true, ..expr };
            return Some(Expr {
                kind: ExprKind::Cast { expr: Box::new(null), try_cast },
                data_type: target,
                nullable: true,
                place: node.place.clone(),
            });
        }
        if let Some(help) = refused_cast(&expr.data_type, &target) {
            let title = format!("{} cannot be cast to {target}", expr.data_type);
            self.problem(codes::WRONG_TYPES, title, &node.place, "", |p| {
                p.related(inside(&expr.place), format!("this is {}", expr.data_type)).help(help)
            });
            return None;
        }
        if expr.data_type == target {
            return Some(Expr { place: node.place.clone(), ..expr });
        }
        Some(Expr {
            nullable: expr.nullable || try_cast,
            kind: ExprKind::Cast { expr: Box::new(expr), try_cast },
            data_type: target,
            place: node.place.clone(),
        })
    }
}

/// What to write instead of a cast that has no meaning; `None` for one that has.
fn refused_cast(from: &DataType, to: &DataType) -> Option<&'static str> {
    use DataType::{Bool, Bytes, Date, Decimal, Float64, Int64, Interval, Json, List, String, Struct, Timestamp};
    match (from, to) {
        _ if from == to => None,
        (Int64 | Float64 | Decimal(_) | Bool | Timestamp | Date | Json | Bytes | List(_) | Struct(_), String)
        | (List(_) | Struct(_), Json)
        | (Json | String, List(_) | Struct(_))
        | (Int64 | Float64 | Decimal(_) | String, Decimal(_))
        | (Int64 | Decimal(_), Float64)
        | (Float64 | Decimal(_) | Bool, Int64)
        | (Timestamp, Date)
        | (Date, Timestamp)
        | (String, Int64 | Float64 | Bool | Timestamp | Date | Json | Bytes) => None,
        (Int64 | Float64 | Decimal(_), Bool) => Some("compare it: x <> 0"),
        (Int64 | Float64 | Decimal(_), Timestamp | Date) => {
            Some("choose the unit: from_epoch_ms(x) or from_epoch_s(x)")
        }
        (Timestamp | Date, Int64 | Float64 | Decimal(_)) => Some("choose the unit: to_epoch_ms(x) or to_epoch_s(x)"),
        (Json, Decimal(_)) => Some("extract the number by its digits: CAST(json_text(x, '$') AS decimal(18, 2))"),
        (Json, _) => Some("extract the value: json_int(x, '$'), json_float, json_bool, json_text"),
        (Interval, _) => Some("write its length as a number: to_ms(x)"),
        (List(_) | Struct(_), _) => Some("take a value out of it: x[1] of a list, x.field of a struct"),
        _ => Some("cast to a string first: CAST(CAST(x AS string) AS …)"),
    }
}

/// How to make `wanted` of a value of another type, if there is a way; one that works for every row.
pub(super) fn conversion(expr: &Expr, wanted: &DataType, written: &str) -> Option<String> {
    use DataType::{Bool, Bytes, Date, Decimal, Float64, Int64, Interval, Json, List, String, Struct, Timestamp};
    let helped =
        |text: &str| Some(text.replace("(x)", &format!("({written})")).replace("(x,", &format!("({written},")));
    match (&expr.data_type, wanted) {
        (Int64 | Float64 | Decimal(_), Timestamp | Date) => Some(from_number(written, &expr.data_type)),
        (_, Interval) => Some("write an interval: INTERVAL '1 minute'".to_owned()),
        (from @ (Interval | Json | List(_) | Struct(_)), to) => refused_cast(from, to).and_then(helped),
        // A text need not hold such a value, so only a cast that gives NULL works for every row.
        (String, to @ (Int64 | Float64 | Decimal(_) | Bool | Timestamp | Date | Json | List(_) | Struct(_))) => {
            Some(format!(
                "convert it: TRY_CAST({written} AS {to}) gives NULL for a text that is no {to}, CAST({written} AS {to}) an error of the row"
            ))
        }
        (String, Bytes) => Some(format!("convert it: CAST({written} AS bytes)")),
        (from, to) => match refused_cast(from, to) {
            None if from != to => Some(format!("convert it: CAST({written} AS {to})")),
            Some(help) if matches!((from, to), (Timestamp | Date, Int64 | Float64)) => helped(help),
            _ => None,
        },
    }
}

pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}
