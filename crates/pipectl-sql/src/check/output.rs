//! The columns of the result and their names.

use std::{collections::BTreeMap, ops::Range};

use pipectl_data::DataType;
use pipectl_diag::codes::sql as codes;
use pipectl_ir::query::{Expr, ExprKind, OutputColumn};

use super::{Checker, Scope, inside, is_null};
use crate::parse::ast::{Item, Kind, Name, Node};

impl<'a> Checker<'a> {
    /// The list after `SELECT`; `None` if one of them is wrong.
    pub(super) fn columns(&mut self, scope: Scope) -> Option<Vec<OutputColumn>> {
        let mut columns = Vec::new();
        let mut sound = true;
        for item in &self.select.items {
            match item {
                Item::All { place, qualifier, except } => {
                    sound &= self.all(place, qualifier.as_ref(), except, scope, &mut columns).is_some();
                }
                Item::Value { node, alias } => match self.value(node, alias.as_ref(), scope) {
                    Some(column) => columns.push(column),
                    None => sound = false,
                },
            }
        }
        sound &= self.unique(&columns);
        sound.then_some(columns)
    }

    fn all(
        &mut self,
        place: &Range<usize>,
        qualifier: Option<&Name>,
        except: &[Name],
        scope: Scope,
        columns: &mut Vec<OutputColumn>,
    ) -> Option<()> {
        if scope == Scope::Group {
            self.problem(codes::NOT_GROUPED, "`*` is not allowed in a query with groups", place, "", |p| {
                p.help("name the group keys and aggregates: SELECT sensor_id, window_start, count(*) AS rows")
            });
            return None;
        }
        if let Some(qualifier) = qualifier {
            self.qualifier(qualifier)?;
        }
        let mut sound = true;
        for name in except {
            if self.input.schema.find(&name.text).is_none() {
                self.unknown_column(name, false);
                sound = false;
            }
        }
        for field in self.input.schema.fields() {
            if except.iter().any(|name| name.text == field.name) {
                continue;
            }
            columns.push(OutputColumn {
                name: field.name.clone(),
                name_place: place.clone(),
                expr: Expr {
                    kind: ExprKind::Column(field.name.clone()),
                    data_type: field.data_type.logical(),
                    nullable: field.nullable,
                    place: place.clone(),
                },
            });
        }
        sound.then_some(())
    }

    fn value(&mut self, node: &'a Node, alias: Option<&Name>, scope: Scope) -> Option<OutputColumn> {
        let expr = self.expr(node, scope);
        let name = match (alias, &node.kind) {
            (Some(alias), _) => Some((alias.text.clone(), alias.place.clone())),
            (None, Kind::Column { name, .. } | Kind::Field { name, .. }) => {
                Some((name.text.clone(), name.place.clone()))
            }
            (None, _) => {
                let suggestion = suggested_name(node);
                let end = node.place.end..node.place.end;
                self.problem(codes::UNNAMED_OUTPUT, "this column has no name", &node.place, "needs a name", |p| {
                    p.help(format!("add `AS {suggestion}`")).fix(inside(&end), format!(" AS {suggestion}"))
                });
                None
            }
        };
        let expr = expr?;
        if is_null(&expr) {
            self.problem(codes::WRONG_TYPES, "the type of NULL is not known here", &node.place, "", |p| {
                p.help("cast it: CAST(NULL AS string)")
            });
            return None;
        }
        if expr.data_type == DataType::Interval {
            self.problem(
                codes::WRONG_TYPES,
                "a record cannot hold an interval",
                &node.place,
                "this is interval",
                |p| p.help("write its length as a number: to_ms(…)"),
            );
            return None;
        }
        let (name, name_place) = name?;
        Some(OutputColumn { name, name_place, expr })
    }

    fn unique(&mut self, columns: &[OutputColumn]) -> bool {
        let mut seen: BTreeMap<&str, &Range<usize>> = BTreeMap::new();
        let mut unique = true;
        for column in columns {
            if let Some(first) = seen.insert(&column.name, &column.name_place) {
                self.problem(
                    codes::DUPLICATE_OUTPUT,
                    format!("two columns of the result are named `{}`", column.name),
                    &column.name_place,
                    "the second one",
                    |p| p.related(inside(first), "the first one").help("rename one of them with AS"),
                );
                unique = false;
            }
        }
        unique
    }
}

/// `avg(temperature)` → `avg_temperature`.
fn suggested_name(node: &Node) -> String {
    match &node.kind {
        Kind::Column { name, .. } | Kind::Field { name, .. } => name.text.clone(),
        Kind::Call(call) => {
            let name = call.name.text.to_lowercase();
            match call.args.iter().find_map(|arg| super::column_name(arg)) {
                Some(column) => format!("{name}_{column}"),
                None => name,
            }
        }
        Kind::Cast { expr, .. } | Kind::Element { expr, .. } | Kind::Negate(expr) => suggested_name(expr),
        _ => "value".to_owned(),
    }
}
