//! Names of columns.

use pipectl_data::DataType;
use pipectl_diag::{codes::sql as codes, nearest};
use pipectl_ir::query::{Expr, ExprKind};

use super::{Checker, Scope, elsewhere::one_slip, inside};
use crate::parse::ast::{Item, Name, Node};

impl Checker<'_> {
    /// A reference to a column in a scope of rows or groups. In a query with groups, an unqualified `window_start` is
    /// the window's, whatever the input has.
    pub(super) fn column(&mut self, node: &Node, qualifier: Option<&Name>, name: &Name, scope: Scope) -> Option<Expr> {
        if let Some(qualifier) = qualifier {
            if self.is_json_access(qualifier, name) {
                return None;
            }
            self.qualifier(qualifier)?;
        }
        let bound = match (qualifier, name.text.as_str()) {
            (None, "window_start") => Some(ExprKind::WindowStart),
            (None, "window_end") => Some(ExprKind::WindowEnd),
            _ => None,
        };
        if let (Some(kind), Scope::Group, false) = (&bound, scope, self.is_whole) {
            let kind = kind.clone();
            return Some(Expr { kind, data_type: DataType::Timestamp, nullable: false, place: node.place.clone() });
        }
        let Some((_, field)) = self.input.schema.find(&name.text) else {
            if bound.is_some() {
                let title = format!("`{}` needs a window", name.text);
                let label = if scope == Scope::Argument || matches!(scope, Scope::Row(clause) if clause != "SELECT") {
                    "rows are evaluated before they are assigned to windows"
                } else {
                    "this query has no window"
                };
                self.problem(codes::BAD_WINDOW, title, &node.place, label, |p| {
                    p.help(
                        "group by one, GROUP BY tumble(INTERVAL '1 minute'), and use its bounds in SELECT and HAVING",
                    )
                });
            } else if let Some(expression) = self.named_by_select(name).map(str::to_owned) {
                let clause = match scope {
                    Scope::Group => "HAVING",
                    Scope::Row(clause) => clause,
                    Scope::Argument => "an aggregate",
                };
                self.problem(
                    codes::UNKNOWN_COLUMN,
                    format!("{clause} cannot use `{}`, a name that SELECT defines", name.text),
                    &name.place,
                    "the name is not known here yet",
                    |p| p.help(format!("write the expression: {expression}")),
                );
            } else {
                let quoted = name.place.len() == name.text.len() + 2;
                self.unknown_column(name, quoted);
            }
            return None;
        };
        if scope == Scope::Group {
            let title = format!("`{}` is neither grouped by nor aggregated", name.text);
            let text = name.text.clone();
            let hint = match field.data_type.logical() {
                DataType::Int64 | DataType::Float64 | DataType::Decimal(_) => format!("avg({text})"),
                DataType::List(_) => format!("max({text}[1])"),
                DataType::Struct(fields) => format!("max({text}.{})", fields.names().next().unwrap_or("field")),
                _ => format!("max({text})"),
            };
            self.problem(codes::NOT_GROUPED, title, &node.place, "has many values in a group", |p| {
                p.help(format!("add it to GROUP BY, or choose a value: {hint}"))
            });
            return None;
        }
        Some(Expr {
            kind: ExprKind::Column(field.name.clone()),
            data_type: field.data_type.logical(),
            nullable: field.nullable,
            place: node.place.clone(),
        })
    }

    /// Reports `a.b` where `a` is a JSON column: what was meant is a value inside of it.
    fn is_json_access(&mut self, qualifier: &Name, name: &Name) -> bool {
        let known = self.select.alias.as_ref().unwrap_or(&self.select.input);
        let json = self.input.schema.find(&qualifier.text).is_some_and(|(_, field)| field.data_type == DataType::Json);
        if !json || qualifier.text == known.text || qualifier.text == self.select.input.text {
            return false;
        }
        let (column, path) = (written(&qualifier.text), name.text.replace('\'', "''"));
        self.problem(
            codes::UNKNOWN_COLUMN,
            format!("`{}` is a JSON column: its values have no names in SQL", qualifier.text),
            &qualifier.place,
            "this is json",
            |p| {
                p.help(format!(
                    "write json_text({column}, '$.{path}'), or json_int, json_float, json_bool or json_get for a value of another type"
                ))
            },
        );
        true
    }

    /// The expression that SELECT gives this name.
    fn named_by_select(&self, name: &Name) -> Option<&'_ str> {
        self.select.items.iter().find_map(|item| match item {
            Item::Value { node, alias: Some(alias) } if alias.text == name.text => self.sql.get(node.place.clone()),
            Item::Value { .. } | Item::All { .. } => None,
        })
    }

    /// Checks that a qualifier is the input's name or alias.
    pub(super) fn qualifier(&mut self, qualifier: &Name) -> Option<()> {
        let alias = self.select.alias.as_ref();
        let known = alias.unwrap_or(&self.select.input);
        if qualifier.text == known.text || qualifier.text == self.select.input.text {
            return Some(());
        }
        let (known, place) = (known.text.clone(), known.place.clone());
        self.problem(
            codes::UNKNOWN_COLUMN,
            format!("`{}` is not an input of this query", qualifier.text),
            &qualifier.place,
            "",
            |p| p.related(inside(&place), "the query reads this").help(format!("write `{known}`, or leave it out")),
        );
        None
    }

    /// Says that the input has no such column.
    pub(super) fn unknown_column(&mut self, name: &Name, quoted: bool) {
        let schema = &self.input.schema;
        let near = nearest(&name.text, schema.names()).map(str::to_owned);
        let names: Vec<_> = schema.names().take(12).collect();
        let more = if schema.fields().len() > 12 { ", …" } else { "" };
        let all = format!("`{}` has {}{more}", self.select.input.text, names.join(", "));
        self.problem(
            codes::UNKNOWN_COLUMN,
            format!("unknown column `{}`", name.text),
            &name.place,
            format!("not a column of `{}`", self.select.input.text),
            |p| {
                let p = if quoted { p.help(format!("write a text in single quotes: '{}'", name.text)) } else { p };
                match near {
                    // Whatever is changed without asking must be the same word: max_temp for min_temp is another query.
                    Some(near) if one_slip(&name.text, &near) => {
                        p.help(format!("did you mean `{near}`?")).fix(inside(&name.place), written(&near))
                    }
                    Some(near) => p.help(format!("did you mean `{near}`?")).note(all),
                    None => p.note(all),
                }
            },
        );
    }
}

/// A name as SQL must write it.
fn written(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
