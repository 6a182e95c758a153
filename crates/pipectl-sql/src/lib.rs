//! SQL text to the typed query of `pipectl-ir`, with places.
//!
//! [`compile`] finds all problems of a text at once. A diagnostic points into the text by byte ranges on the relative
//! path; the caller puts the path of the scalar that holds the text before it.

mod check;
mod literal;
mod parse;

pub use check::{instead_of, one_slip};
use pipectl_data::Schema;
use pipectl_diag::{
    Diagnostic, Diagnostics, Part, Path, Place,
    codes::{schema::MISSING_SCHEMA, sql as codes},
    nearest,
};
use pipectl_ir::query::{Expr, Query};

/// What a name after `FROM` is.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// Something with columns.
    Input(Input),
    /// It exists, but its columns are not known: a stream without a schema.
    NoColumns,
    /// There is no such thing; these names exist.
    Unknown(Vec<String>),
}

/// What a query can know about its input.
#[derive(Debug, Clone)]
pub struct Input {
    /// Whether it ends by itself: then it can be grouped without a window.
    pub bounded: bool,
    /// The columns.
    pub schema: Schema,
    /// How its event time is known.
    pub time: Time,
}

/// How the event time of an input is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    /// It has none; no windows then.
    None,
    /// This field has it.
    Field(String),
    /// The envelope carries it, no column does: the result of an earlier query.
    Carried,
}

/// Compiles one `SELECT`.
///
/// # Errors
/// All problems found, by place; every one is an error.
pub fn compile(sql: &str, lookup: &dyn Fn(&str) -> Lookup) -> Result<Query, Diagnostics> {
    let mut select = match parse::parse(sql) {
        Ok(select) => select,
        Err(faults) => return Err(sorted(faults.into_iter().map(parse::Fault::diagnostic).collect())),
    };
    let mut problems: Vec<Diagnostic> = select.refused.iter().cloned().map(parse::Fault::diagnostic).collect();
    let here = Path::here();
    let name = &select.input;
    let input = match lookup(&name.text) {
        Lookup::Input(input) => Some(input),
        Lookup::NoColumns => {
            problems.push(
                Diagnostic::error(MISSING_SCHEMA, format!("the columns of `{}` are not known", name.text))
                    .at_inside(&here, name.place.clone(), "has no schema")
                    .help("give the stream a `schema`; `pipectl infer FILE.jsonl` prints one"),
            );
            None
        }
        Lookup::Unknown(known) => {
            let mut problem = Diagnostic::error(codes::UNKNOWN_INPUT, format!("nothing is named `{}`", name.text))
                .at_inside(&here, name.place.clone(), "not a source, stream or processor of this pipeline");
            problem = match nearest(&name.text, known.iter().map(String::as_str)) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(Place::Node(here, Part::Inside(name.place.clone())), near),
                None => problem.help(format!("available: {}", known.join(", "))),
            };
            problems.push(problem);
            None
        }
    };
    let Some(input) = input else { return Err(sorted(problems)) };
    check::resolve(&mut select, &input);
    let (query, found) = check::check(sql, &select, &input);
    problems.extend(found);
    match query {
        Some(query) if problems.is_empty() => Ok(query),
        _ => Err(sorted(problems)),
    }
}

/// Types a condition over single rows of an input, as an option of a processor that is no query; messages call it
/// `place`.
///
/// # Errors
/// All problems found, by place; every one is an error.
pub fn condition(sql: &str, input: &Input, place: &'static str) -> Result<Expr, Diagnostics> {
    alone(sql, input, place, true)
}

/// Types an expression of any type over single rows of an input, in the same way.
///
/// # Errors
/// All problems found, by place; every one is an error.
pub fn expression(sql: &str, input: &Input, place: &'static str) -> Result<Expr, Diagnostics> {
    alone(sql, input, place, false)
}

fn alone(sql: &str, input: &Input, place: &'static str, is_condition: bool) -> Result<Expr, Diagnostics> {
    let node =
        parse::expression(sql).map_err(|faults| sorted(faults.into_iter().map(parse::Fault::diagnostic).collect()))?;
    let mut select = parse::ast::Select::of(node);
    check::resolve(&mut select, input);
    let (expr, problems) = check::expression(sql, &select, input, (place, is_condition));
    match expr {
        Some(expr) if problems.is_empty() => Ok(expr),
        _ => Err(sorted(problems)),
    }
}

/// The name after `FROM` and its place, as far as the text can be read: the compiler orders queries by it before it
/// types them.
pub fn input_name(sql: &str) -> Option<(String, std::ops::Range<usize>)> {
    let select = parse::parse(sql).ok()?;
    Some((select.input.text, select.input.place))
}

/// Where the list after `SELECT` stands, to point at the columns that a query makes.
pub fn select_list(sql: &str) -> Option<std::ops::Range<usize>> {
    let select = parse::parse(sql).ok()?;
    let place = |item: &parse::ast::Item| match item {
        parse::ast::Item::All { place, .. } => place.clone(),
        parse::ast::Item::Value { node, alias } => {
            node.place.start..alias.as_ref().map_or(node.place.end, |alias| alias.place.end)
        }
    };
    Some(place(select.items.first()?).start..place(select.items.last()?).end)
}

fn sorted(mut problems: Vec<Diagnostic>) -> Diagnostics {
    problems.sort_by_key(|problem| match problem.labels.first().map(|label| &label.place) {
        Some(Place::Node(_, Part::Inside(range))) => range.start,
        _ => 0,
    });
    let mut all = Diagnostics::new();
    all.extend(problems);
    all
}
