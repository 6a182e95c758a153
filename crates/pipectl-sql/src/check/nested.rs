//! Values inside of structs and lists: `customer.city`, `items[1].sku`.

use std::ops::Range;

use pipectl_data::DataType;
use pipectl_diag::{codes::sql as codes, nearest};
use pipectl_ir::query::{Expr, ExprKind, Literal};

use super::{Checker, Scope, inside, type_name};
use crate::{
    Input,
    parse::{
        Fault,
        ast::{Item, Kind, Name, Node, Select},
    },
};

/// Makes a field of every `a.b` whose `a` is a struct column, or a list that has no fields, and no name of the input.
/// Afterwards a qualifier can only be the input's.
pub(super) fn resolve(select: &mut Select, input: &Input) {
    let inputs: Vec<String> =
        [Some(&select.input), select.alias.as_ref()].into_iter().flatten().map(|name| name.text.clone()).collect();
    let is_nested = |name: &str| {
        !inputs.iter().any(|input| input == name)
            && input.schema.find(name).is_some_and(|(_, field)| field.data_type.is_nested())
    };
    let items = select.items.iter_mut().filter_map(|item| match item {
        Item::Value { node, .. } => Some(node),
        Item::All { .. } => None,
    });
    let others = select.filter.iter_mut().chain(&mut select.group_by).chain(&mut select.having);
    for node in items.chain(others) {
        resolve_in(node, &is_nested);
    }
}

fn resolve_in(node: &mut Node, is_nested: &impl Fn(&str) -> bool) {
    if let Kind::Column { qualifier, name } = &mut node.kind
        && let Some(outer) = qualifier.take_if(|qualifier| is_nested(&qualifier.text))
    {
        let place = outer.place.clone();
        let base = Node { kind: Kind::Column { qualifier: None, name: outer }, place, depth: 1 };
        let unless = Box::new(Fault::no_struct(name.place.clone()));
        let name = Name { text: std::mem::take(&mut name.text), place: name.place.clone() };
        node.kind = Kind::Field { expr: Box::new(base), name, unless };
        node.depth = 2;
        return;
    }
    for child in node.children_mut() {
        resolve_in(child, is_nested);
    }
}

impl<'a> Checker<'a> {
    /// `struct.name`.
    pub(super) fn field(
        &mut self,
        node: &'a Node,
        base: &'a Node,
        name: &'a Name,
        unless: &Fault,
        scope: Scope,
    ) -> Option<Expr> {
        let base = self.base(base, unless, scope)?;
        let DataType::Struct(fields) = &base.data_type else {
            if base.data_type == DataType::Json {
                self.problems.push(unless.clone().diagnostic());
                return None;
            }
            let kind = type_name(&base);
            let title = format!("{kind} has no fields");
            let written = self.sql.get(base.place.clone()).unwrap_or("x");
            let element = match &base.data_type {
                DataType::List(element) => Some(match &**element {
                    DataType::Struct(fields) if fields.find(&name.text).is_some() => {
                        format!("that of the first value is {written}[1].{}", name.text)
                    }
                    _ => format!("the first value is {written}[1]"),
                }),
                _ => None,
            };
            self.problem(codes::WRONG_TYPES, title, &name.place, "", |p| {
                let p = p.related(inside(&base.place), format!("this is {kind}"));
                match element {
                    Some(help) => p.help(help),
                    None => p,
                }
            });
            return None;
        };
        let Some((_, field)) = fields.find(&name.text) else {
            let near = nearest(&name.text, fields.names()).map(str::to_owned);
            let all = format!("its fields are {}", fields.names().collect::<Vec<_>>().join(", "));
            let title = format!("the struct has no field `{}`", name.text);
            let place = base.place.clone();
            self.problem(codes::UNKNOWN_COLUMN, title, &name.place, "", |p| {
                let p = p.related(inside(&place), "this is a struct").note(all);
                match near {
                    Some(near) => p.help(format!("did you mean `{near}`?")),
                    None => p,
                }
            });
            return None;
        };
        let (data_type, nullable) = (field.data_type.logical(), base.nullable || field.nullable);
        let kind = ExprKind::Field { name: name.text.clone(), expr: Box::new(base) };
        Some(Expr { kind, data_type, nullable, place: node.place.clone() })
    }

    /// `list[number]`.
    pub(super) fn element(
        &mut self,
        node: &'a Node,
        base: &'a Node,
        index: &'a Node,
        unless: &Fault,
        scope: Scope,
    ) -> Option<Expr> {
        let base = self.base(base, unless, scope)?;
        let DataType::List(element) = &base.data_type else {
            if let DataType::Struct(fields) = &base.data_type {
                let written = self.sql.get(base.place.clone()).unwrap_or("x");
                let help = fields.names().next().map(|name| format!("write {written}.{name}"));
                self.problem(
                    codes::WRONG_TYPES,
                    "a struct has names and no numbers",
                    &index.place,
                    "",
                    |p| match help {
                        Some(help) => p.related(inside(&base.place), "this is a struct").help(help),
                        None => p,
                    },
                );
                return None;
            }
            self.problems.push(unless.clone().diagnostic());
            return None;
        };
        let data_type = element.logical();
        let index = self.expr(index, scope)?;
        if index.data_type != DataType::Int64 {
            let kind = type_name(&index);
            let title = format!("a value of a list is chosen by a whole number, not {kind}");
            self.problem(codes::WRONG_TYPES, title, &index.place, format!("this is {kind}"), |p| {
                p.help("the first value is x[1]")
            });
            return None;
        }
        if matches!(index.kind, ExprKind::Literal(Literal::Int(number)) if number < 1) {
            self.counted_from_one(&index.place);
            return None;
        }
        let kind = ExprKind::Element { expr: Box::new(base), index: Box::new(index) };
        Some(Expr { kind, data_type, nullable: true, place: node.place.clone() })
    }

    fn counted_from_one(&mut self, place: &Range<usize>) {
        self.problem(codes::BAD_LITERAL, "the values of a list are counted from 1", place, "", |p| {
            p.help("the first value is x[1], the last one x[cardinality(x)]")
        });
    }

    /// What something is taken out of. If there is no such column or function, `unless` knows better what was meant.
    fn base(&mut self, base: &'a Node, unless: &Fault, scope: Scope) -> Option<Expr> {
        let before = self.problems.len();
        let typed = self.expr(base, scope);
        if typed.is_none() {
            let unknown = [codes::UNKNOWN_COLUMN, codes::UNKNOWN_FUNCTION];
            let found = self.problems.get(before..).unwrap_or_default();
            if found.iter().all(|problem| unknown.contains(&problem.code)) {
                self.problems.truncate(before);
                self.problems.push(unless.clone().diagnostic());
            }
        }
        typed
    }
}
