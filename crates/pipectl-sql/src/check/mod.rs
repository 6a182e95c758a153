//! Names and types: the tree becomes a typed query, or problems.

mod call;
mod column;
mod constant;
mod convert;
mod decimal;
mod distinct;
mod elsewhere;
mod expr;
mod nested;
mod operator;
mod output;
mod window;

pub use elsewhere::{instead_of, one_slip};
use std::ops::Range;

use pipectl_data::DataType;
use pipectl_diag::{Code, Diagnostic, Path, codes::sql as codes};
use pipectl_ir::{
    functions,
    query::{AggregateCall, Expr, GroupKey, Query, Shape, Window, WindowAggregate},
};

use crate::{
    Input,
    parse::ast::{Item, Kind, Node, Select},
};

/// What the expressions at a place can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Single rows of the input; the clause, for messages.
    Row(&'static str),
    /// Single rows, as argument or filter of an aggregate.
    Argument,
    /// Groups: keys, aggregates, the window.
    Group,
}

struct Checker<'a> {
    sql: &'a str,
    select: &'a Select,
    input: &'a Input,
    problems: Vec<Diagnostic>,
    /// The group keys, as written and as typed.
    keys: Vec<(&'a Node, GroupKey)>,
    aggregates: Vec<(&'a Node, AggregateCall)>,
    /// Whether the query groups without a window.
    is_whole: bool,
}

/// Resolves names inside of structs, which depends on the schema of the input.
pub(crate) fn resolve(select: &mut Select, input: &Input) {
    nested::resolve(select, input);
}

/// The typed query, if it has one, and all problems. Names must have been resolved.
pub(crate) fn check(sql: &str, select: &Select, input: &Input) -> (Option<Query>, Vec<Diagnostic>) {
    let mut checker =
        Checker { sql, select, input, problems: Vec::new(), keys: Vec::new(), aggregates: Vec::new(), is_whole: false };
    let query = checker.query(sql);
    (query, checker.problems)
}

/// The typed expression that is the first item of a selection, and all problems.
pub(crate) fn expression(
    sql: &str,
    select: &Select,
    input: &Input,
    (place, is_condition): (&'static str, bool),
) -> (Option<Expr>, Vec<Diagnostic>) {
    let mut checker =
        Checker { sql, select, input, problems: Vec::new(), keys: Vec::new(), aggregates: Vec::new(), is_whole: false };
    let Some(Item::Value { node, .. }) = select.items.first() else { return (None, checker.problems) };
    let scope = Scope::Row(place);
    let expr = if is_condition { checker.condition(node, scope) } else { checker.expr(node, scope) };
    (expr, checker.problems)
}

impl<'a> Checker<'a> {
    fn query(&mut self, sql: &str) -> Option<Query> {
        let select = self.select;
        let filter = select.filter.as_ref().map(|node| self.condition(node, Scope::Row("WHERE")));
        if self.having_without_groups() {
            return None;
        }
        let aggregates = select.items.iter().find_map(|item| match item {
            Item::Value { node, .. } => aggregate_in(node),
            Item::All { .. } => None,
        });
        let grouped =
            !select.group_by.is_empty() || select.having.is_some() || aggregates.is_some() || select.distinct.is_some();
        let shape = if grouped { self.grouped(aggregates) } else { self.projected() };
        Some(Query {
            sql: sql.to_owned(),
            input: select.input.text.clone(),
            input_place: select.input.place.clone(),
            filter: match filter {
                Some(filter) => Some(filter?),
                None => None,
            },
            shape: shape?,
        })
    }

    /// Reports a HAVING that filters single rows: nothing is grouped, so that all else would be said of groups that
    /// nobody meant.
    fn having_without_groups(&mut self) -> bool {
        let select = self.select;
        let Some(having) = select.having.as_ref().filter(|having| select.group_by.is_empty() && !of_groups(having))
        else {
            return false;
        };
        let aggregates = select.items.iter().any(|item| matches!(item, Item::Value { node, .. } if of_groups(node)));
        if aggregates {
            return false;
        }
        let condition = self.sql.get(having.place.clone()).unwrap_or("condition");
        let help = match &select.filter {
            None => format!("write WHERE {condition}"),
            Some(_) => format!("add it to WHERE: … AND ({condition})"),
        };
        let title = "HAVING filters groups, and this query has none";
        self.problem(codes::NOT_GROUPED, title, &having.place, "a condition on single rows", |p| p.help(help));
        true
    }

    fn projected(&mut self) -> Option<Shape> {
        Some(Shape::Project { columns: self.columns(Scope::Row("SELECT"))? })
    }

    fn grouped(&mut self, first_aggregate: Option<&Node>) -> Option<Shape> {
        let select = self.select;
        let mut window = None;
        let mut sound = true;
        for node in &select.group_by {
            let node = self.unalias(node);
            match self.window_call(node) {
                Some(call) => {
                    if let Some((_, first)) = &window {
                        let first: &Range<usize> = first;
                        let first = first.clone();
                        self.problem(
                            codes::BAD_WINDOW,
                            "a query has one window, this is a second one",
                            &node.place,
                            "",
                            |p| p.related(inside(&first), "the first one").help("write one processor for each window"),
                        );
                        sound = false;
                    } else {
                        let typed = self.window(call);
                        sound &= typed.is_some();
                        window = Some((typed, node.place.clone()));
                    }
                }
                None => sound &= self.group_key(node).is_some(),
            }
        }
        if window.is_none() {
            let (place, title) = self.grouping(first_aggregate);
            if self.input.bounded {
                window = Some((Some(Window::Whole), place));
                self.is_whole = true;
            } else {
                self.no_window(title, &place);
                // All else would be said of groups that nobody wrote.
                if select.distinct.is_some() {
                    return None;
                }
            }
        }
        if let (Some(place), true) = (&select.distinct, sound) {
            self.distinct(place)?;
        }
        let columns = self.columns(Scope::Group);
        let having = select.having.as_ref().map(|node| self.condition(node, Scope::Group));
        let (window, window_place) = window?;
        if !sound {
            return None;
        }
        Some(Shape::Window(Box::new(WindowAggregate {
            window: window?,
            window_place,
            columns: columns?,
            having: match having {
                Some(having) => Some(having?),
                None => None,
            },
            keys: self.keys.drain(..).map(|(_, key)| key).collect(),
            aggregates: self.aggregates.drain(..).map(|(_, call)| call).collect(),
        })))
    }

    /// `GROUP BY name` may name a column of the result, as in `SELECT upper(a) AS name`; the input's columns go first.
    fn unalias(&self, node: &'a Node) -> &'a Node {
        let Kind::Column { qualifier: None, name } = &node.kind else { return node };
        if self.input.schema.find(&name.text).is_some() {
            return node;
        }
        let aliased = self.select.items.iter().find_map(|item| match item {
            Item::Value { node, alias: Some(alias) } if alias.text == name.text => Some(node),
            _ => None,
        });
        aliased.unwrap_or(node)
    }

    fn group_key(&mut self, node: &'a Node) -> Option<()> {
        if matches!(node.kind, Kind::Number(_)) {
            self.problem(
                codes::UNSUPPORTED_SQL,
                "GROUP BY the number of a column is not supported",
                &node.place,
                "",
                |p| p.help("write the column's name"),
            );
            return None;
        }
        if let Kind::Column { qualifier: None, name } = &node.kind
            && (name.text == "window_start" || name.text == "window_end")
            && self.input.schema.find(&name.text).is_none()
        {
            self.problem(
                codes::BAD_WINDOW,
                format!("`{}` is a result of a window and does not define one", name.text),
                &node.place,
                "",
                |p| p.help("write the window in GROUP BY: tumble(INTERVAL '1 minute')"),
            );
            return None;
        }
        let expr = self.expr(node, Scope::Row("GROUP BY"))?;
        let no_key = expr.data_type.is_nested() || matches!(expr.data_type, DataType::Json | DataType::Interval);
        if no_key || is_null(&expr) {
            let what = type_name(&expr);
            self.problem(
                codes::WRONG_TYPES,
                format!("{what} cannot be grouped by"),
                &node.place,
                format!("this is {what}"),
                |p| match expr.data_type {
                    DataType::Json => p.help("group by a value inside it: json_text(column, '$.name')"),
                    DataType::Struct(_) => p.help("group by a field of it: column.name"),
                    DataType::List(_) => p.help("group by a value of it: column[1], or array_join(column, ',')"),
                    _ => p,
                },
            );
            return None;
        }
        let name = match &node.kind {
            Kind::Column { name, .. } => name.text.clone(),
            _ => format!("key_{}", self.keys.len() + 1),
        };
        self.keys.push((node, GroupKey { name, expr }));
        Some(())
    }

    /// Where a query without a window groups, and what an endless input makes of that.
    fn grouping(&self, first_aggregate: Option<&Node>) -> (Range<usize>, &'static str) {
        let select = self.select;
        if let (Some(distinct), true, None) = (&select.distinct, select.group_by.is_empty(), first_aggregate) {
            let title = "SELECT DISTINCT needs a window: without one it would have to keep every row";
            return (distinct.clone(), title);
        }
        match (select.group_by.first(), select.group_by.last(), first_aggregate) {
            (Some(first), Some(last), _) => (
                first.place.start..last.place.end,
                "GROUP BY needs a window: without one its state grows without limit",
            ),
            (_, _, Some(node)) => (node.place.clone(), "an aggregate needs a window: an unbounded stream has no total"),
            _ => (
                select.having.as_ref().map_or(0..0, |node| node.place.clone()),
                "HAVING needs a GROUP BY with a window",
            ),
        }
    }

    fn no_window(&mut self, title: &str, place: &Range<usize>) {
        let select = self.select;
        let keys: Vec<_> =
            select.group_by.iter().filter_map(column_name).chain(["tumble(INTERVAL '1 minute')"]).collect();
        let help = if select.distinct.is_some() {
            self.distinct_in_windows()
        } else {
            format!("write GROUP BY {}", keys.join(", "))
        };
        self.problem(codes::NO_WINDOW, title, place, "no window here", |p| p.help(help));
    }

    /// An expression that must be a truth value.
    fn condition(&mut self, node: &'a Node, scope: Scope) -> Option<Expr> {
        let expr = self.expr(node, scope)?;
        let clause = match scope {
            Scope::Row(clause) => clause,
            Scope::Argument => "FILTER",
            Scope::Group => "HAVING",
        };
        self.truth(expr, clause)
    }

    fn problem(
        &mut self,
        code: Code,
        title: impl Into<String>,
        place: &Range<usize>,
        label: impl Into<String>,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let problem = Diagnostic::error(code, title).at_inside(&Path::here(), place.clone(), label);
        self.problems.push(more(problem));
    }
}

fn inside(place: &Range<usize>) -> pipectl_diag::Place {
    pipectl_diag::Place::Node(Path::here(), pipectl_diag::Part::Inside(place.clone()))
}

/// Whether it is `NULL`, which has no type until it meets a value that has one.
fn is_null(expr: &Expr) -> bool {
    matches!(expr.kind, pipectl_ir::query::ExprKind::Literal(pipectl_ir::query::Literal::Null))
}

/// The type's name for messages.
fn type_name(expr: &Expr) -> String {
    if is_null(expr) { "NULL".to_owned() } else { expr.data_type.to_string() }
}

fn column_name(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Column { name, .. } => Some(&name.text),
        _ => None,
    }
}

/// Whether an expression speaks of groups: it has an aggregate or a bound of a window.
fn of_groups(node: &Node) -> bool {
    matches!(column_name(node), Some("window_start" | "window_end"))
        || aggregate_in(node).is_some()
        || node.children().into_iter().any(of_groups)
}

/// The first call of an aggregate in an expression.
fn aggregate_in(node: &Node) -> Option<&Node> {
    if let Kind::Call(call) = &node.kind
        && functions::find(&call.name.text).is_some_and(functions::Function::is_aggregate)
    {
        return Some(node);
    }
    node.children().into_iter().find_map(aggregate_in)
}
