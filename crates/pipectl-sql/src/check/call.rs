//! Calls: which signature is meant, and where aggregates may stand.

use pipectl_data::DataType;
use pipectl_diag::codes::sql as codes;
use pipectl_ir::{
    functions::{self, Function, Nulls, Param, Returns, Signature},
    query::{AggregateCall, Expr, ExprKind, Literal},
};

use super::{
    Checker, Scope,
    convert::{common_type, conversion, fits},
    decimal,
    elsewhere::is_elsewhere,
    type_name,
};
use crate::parse::ast::{Call, Node};

impl<'a> Checker<'a> {
    pub(super) fn call(&mut self, node: &'a Node, call: &'a Call, scope: Scope) -> Option<Expr> {
        let name = call.name.text.to_lowercase();
        if self.window_call(node).is_some() {
            self.problem(codes::BAD_WINDOW, format!("`{name}` is outside GROUP BY"), &node.place, "", |p| {
                p.help("write the window in GROUP BY and its bounds, window_start and window_end, here")
            });
            return None;
        }
        let Some(function) = functions::find(&name) else {
            let before = self.problems.len();
            let elsewhere = is_elsewhere(&name);
            // A unit without quotes, as in dateadd(day, 1, ts), is a word of the function and no column.
            let args: Vec<_> = call
                .args
                .iter()
                .map(|arg| if elsewhere && self.is_unit(arg) { None } else { self.expr(arg, scope) })
                .collect();
            let found = self.problems.split_off(before);
            let misspelt = self.unknown_function(call, &name, &args);
            // If it is none of ours, it may well be an aggregate elsewhere, and its arguments are right as they are.
            self.problems.extend(found.into_iter().filter(|problem| misspelt || problem.code != codes::NOT_GROUPED));
            return None;
        };
        if function.is_aggregate() {
            return self.aggregate(node, call, function, scope);
        }
        if call.star || call.distinct || call.filter.is_some() {
            let what = if call.star {
                "`*`"
            } else if call.distinct {
                "DISTINCT"
            } else {
                "FILTER"
            };
            self.problem(
                codes::WRONG_ARGUMENTS,
                format!("{what} is for aggregates only, and `{name}` is not an aggregate"),
                &node.place,
                "",
                |p| p.help(usages(function)),
            );
            return None;
        }
        let envelope = match function.name {
            "event_time" => Some(ExprKind::EventTime),
            "arrival_time" => Some(ExprKind::ArrivalTime),
            _ => None,
        };
        if envelope.is_some() && scope == Scope::Group {
            self.problem(
                codes::NOT_GROUPED,
                format!("`{name}()` is neither grouped by nor aggregated"),
                &node.place,
                "has many values in a group",
                |p| p.help(format!("choose a value: max({name}()), or use window_start and window_end")),
            );
            return None;
        }
        if self.unquoted(call, function) {
            return None;
        }
        let args: Vec<_> = call.args.iter().map(|arg| self.expr(arg, scope)).collect();
        let args = args.into_iter().collect::<Option<Vec<_>>>()?;
        let (args, data_type) = self.arguments(node, function, args)?;
        if function.name == "regexp_replace" {
            self.replacement(&args)?;
        }
        let nullable = match function.nulls {
            Nulls::Propagate => args.iter().any(|arg| arg.nullable),
            Nulls::IfAll => args.iter().all(|arg| arg.nullable),
            Nulls::IfFirst => args.first().is_some_and(|arg| arg.nullable),
            Nulls::Always => true,
            Nulls::Never => false,
        };
        let kind = envelope.unwrap_or_else(|| ExprKind::Call { function: function.name.to_owned(), args });
        Some(Expr { kind, data_type, nullable, place: node.place.clone() })
    }

    fn aggregate(&mut self, node: &'a Node, call: &'a Call, function: &'static Function, scope: Scope) -> Option<Expr> {
        match scope {
            Scope::Group => {}
            Scope::Row(clause) => {
                self.problem(
                    codes::MISPLACED_AGGREGATE,
                    format!("an aggregate is not allowed in {clause}"),
                    &node.place,
                    "rows are evaluated one by one here",
                    |p| {
                        if clause == "WHERE" {
                            p.help("write conditions on aggregates in HAVING, after GROUP BY")
                        } else {
                            p.help("group by columns, and write aggregates in SELECT")
                        }
                    },
                );
                return None;
            }
            Scope::Argument => {
                self.problem(
                    codes::MISPLACED_AGGREGATE,
                    "an aggregate is not allowed inside another",
                    &node.place,
                    "",
                    |p| {
                        p.help("compute the inner aggregate in one processor, and aggregate its result in a second one")
                    },
                );
                return None;
            }
        }
        if let Some(index) = self.aggregates.iter().position(|(known, _)| known.same(node)) {
            let known = &self.aggregates[index].1;
            let (data_type, nullable) = (known.data_type.clone(), known.nullable);
            return Some(Expr { kind: ExprKind::Aggregate(index), data_type, nullable, place: node.place.clone() });
        }
        let args: Vec<_> = call.args.iter().map(|arg| self.expr(arg, Scope::Argument)).collect();
        let filter = call.filter.as_ref().map(|filter| self.condition(filter, Scope::Argument));
        let args = args.into_iter().collect::<Option<Vec<_>>>()?;
        if call.star != (function.name == "count" && args.is_empty()) || (call.star && call.distinct) {
            self.problem(
                codes::WRONG_ARGUMENTS,
                format!("wrong arguments for `{}`", function.name),
                &node.place,
                "",
                |p| p.help(usages(function)),
            );
            return None;
        }
        let (args, data_type) = self.arguments(node, function, args)?;
        let filter = match filter {
            Some(filter) => Some(filter?),
            None => None,
        };
        let nullable = function.nulls != Nulls::Never;
        let index = self.aggregates.len();
        let typed = AggregateCall {
            function: function.name.to_owned(),
            args,
            distinct: call.distinct,
            filter,
            data_type: data_type.clone(),
            nullable,
            place: node.place.clone(),
        };
        self.aggregates.push((node, typed));
        Some(Expr { kind: ExprKind::Aggregate(index), data_type, nullable, place: node.place.clone() })
    }

    /// The arguments as the best signature wants them, and the type of the result.
    fn arguments(
        &mut self,
        node: &Node,
        function: &'static Function,
        args: Vec<Expr>,
    ) -> Option<(Vec<Expr>, DataType)> {
        let by_count: Vec<&Signature> =
            function.signatures.iter().filter(|signature| signature.takes(args.len())).collect();
        if by_count.is_empty() {
            let mut counts: Vec<_> =
                function.signatures.iter().map(|signature| signature.params.len().to_string()).collect();
            counts.dedup();
            let more =
                if function.signatures.iter().any(|signature| signature.rest.is_some()) { " or more" } else { "" };
            let plural = if counts.len() == 1 && counts[0] == "1" && more.is_empty() { "" } else { "s" };
            let title =
                format!("`{}` takes {}{more} argument{plural}, not {}", function.name, counts.join(" or "), args.len());
            self.problem(codes::WRONG_ARGUMENTS, title, &node.place, "", |p| p.help(usages(function)));
            return None;
        }
        let fitting = by_count
            .iter()
            .filter(|signature| mismatch(signature, &args).is_none())
            .min_by_key(|signature| conversions(signature, &args));
        let Some(signature) = fitting else {
            let first = by_count.first().and_then(|signature| mismatch(signature, &args)).unwrap_or(0);
            let arg = args.get(first)?;
            let kind = type_name(arg);
            let title = format!("`{}` cannot take {kind} as argument {}", function.name, first + 1);
            let written = self.sql.get(arg.place.clone()).unwrap_or("value").to_owned();
            self.problem(codes::WRONG_ARGUMENTS, title, &arg.place, format!("this is {kind}"), |p| {
                if arg.data_type == DataType::Json {
                    return p.help(format!(
                        "extract a value: json_float({written}, '$.path'), or json_int, json_text or json_bool by its type"
                    ));
                }
                let wanted = by_count.first().and_then(|signature| signature.param(first));
                let advice = match wanted {
                    // A number has no text form that would be a time.
                    _ if function.name == "to_timestamp" => conversion(arg, &DataType::Timestamp, &written),
                    Some(Param::Is(wanted)) => conversion(arg, wanted, &written),
                    Some(Param::Number) => conversion(arg, &DataType::Float64, &written),
                    _ => None,
                };
                let p = p.help(usages(function));
                match advice {
                    Some(advice) => p.help(advice),
                    None => p,
                }
            });
            return None;
        };
        let shared = shared_type(signature, &args).unwrap_or(DataType::Int64);
        // A constant number of digits comes after the number, and so must be known before.
        let digits = args.get(1).and_then(|arg| match arg.kind {
            ExprKind::Literal(Literal::Int(digits)) => Some(digits),
            _ => None,
        });
        let mut typed: Vec<Option<Expr>> = Vec::with_capacity(args.len());
        for (position, arg) in args.into_iter().enumerate() {
            typed.push(match signature.param(position)? {
                Param::Is(DataType::Json) | Param::Any | Param::List => Some(arg),
                Param::Is(wanted) => self.coerce(arg, wanted),
                Param::Number | Param::Decimal | Param::Same => self.coerce(arg, &shared),
                Param::ValueOfList => match typed.last().and_then(Option::as_ref).map(|list| &list.data_type) {
                    Some(DataType::List(element)) => self.coerce(arg, &element.logical()),
                    _ => None,
                },
                Param::Literal(kind) => self.constant_argument(function, *kind, arg, typed.last()),
            });
        }
        let typed = typed.into_iter().collect::<Option<Vec<_>>>()?;
        let data_type = match (&signature.returns, shared) {
            (Returns::Is(data_type), _) => data_type.clone(),
            (Returns::Same, DataType::Decimal(of)) => {
                DataType::Decimal(decimal::of_function(function.name, of, digits))
            }
            (Returns::Same, shared) => shared,
            (Returns::First, _) => typed.first()?.data_type.clone(),
        };
        Some((typed, data_type))
    }
}

pub(super) fn usages(function: &Function) -> String {
    format!("write {}", function.usages().join(" or "))
}

/// The first argument that does not go with the signature.
pub(super) fn mismatch(signature: &Signature, args: &[Expr]) -> Option<usize> {
    let mut shared: Option<Expr> = None;
    args.iter().enumerate().find_map(|(position, arg)| {
        let sound = match signature.param(position)? {
            Param::Is(DataType::Json) => {
                matches!(arg.data_type, DataType::Json | DataType::String)
            }
            Param::Is(wanted) => fits(arg, wanted),
            Param::Literal(_) => true,
            Param::Any => !(matches!(arg.data_type, DataType::Json | DataType::Interval) || arg.data_type.is_nested()),
            Param::List => matches!(arg.data_type, DataType::List(_)),
            Param::ValueOfList => {
                match position.checked_sub(1).and_then(|list| args.get(list)).map(|list| &list.data_type) {
                    Some(DataType::List(element)) => is_of_list(arg, element),
                    _ => true,
                }
            }
            param @ (Param::Number | Param::Decimal | Param::Same) => {
                let allowed = match param {
                    Param::Number => fits(arg, &DataType::Float64),
                    Param::Decimal => matches!(arg.data_type, DataType::Decimal(_)),
                    _ => !(matches!(arg.data_type, DataType::Json | DataType::Interval) || arg.data_type.is_nested()),
                };
                let common = match &shared {
                    None => Some(arg.data_type.clone()),
                    Some(before) => common_type(before, arg),
                };
                let found = common.is_some();
                if let Some(common) = common {
                    let untyped =
                        shared.as_ref().is_none_or(|before| super::is_null(before) || before.data_type != common);
                    if untyped {
                        shared = Some(Expr { data_type: common, ..arg.clone() });
                    }
                }
                allowed && found
            }
        };
        (!sound).then_some(position)
    })
}

/// Whether a list of this type could hold the value, and values of the type can be compared.
fn is_of_list(arg: &Expr, element: &DataType) -> bool {
    let decimal = decimal::of(arg).zip(element.as_decimal()).is_some_and(|(value, element)| value.fits_into(element));
    (fits(arg, &element.logical()) || decimal) && !(element.is_nested() || *element == DataType::Json)
}

/// The type that `Number` and `Same` arguments get.
fn shared_type(signature: &Signature, args: &[Expr]) -> Option<DataType> {
    let mut shared: Option<Expr> = None;
    let mut number = false;
    for (position, arg) in args.iter().enumerate() {
        let param = signature.param(position)?;
        if !matches!(param, Param::Number | Param::Decimal | Param::Same) {
            continue;
        }
        number |= *param == Param::Number;
        shared = Some(match shared {
            None => arg.clone(),
            Some(before) => {
                let common = common_type(&before, arg)?;
                let keep = before.data_type == common && !super::is_null(&before);
                if keep { before } else { Expr { data_type: common, ..arg.clone() } }
            }
        });
    }
    let shared = shared?;
    Some(if number && super::is_null(&shared) { DataType::Float64 } else { shared.data_type })
}

/// How many arguments a signature would have to convert.
fn conversions(signature: &Signature, args: &[Expr]) -> usize {
    let differs = |(position, arg): (usize, &Expr)| match signature.param(position) {
        Some(Param::Is(wanted)) => arg.data_type != *wanted,
        _ => false,
    };
    args.iter().enumerate().filter(|pair| differs(*pair)).count()
}
