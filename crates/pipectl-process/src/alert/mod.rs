//! The `alert` processor: one message when a condition becomes true for a key, and none until it has been resolved.
//!
//! Records wait for the watermark and are then taken in the order of their event times, so that the same records give the
//! same messages, whatever order they come in. All durations are lengths of event time.

mod machine;
mod operator;
mod options;
mod snapshot;
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

use pipectl_contract::{
    Checked, ColumnNeed, NodeContext, OpenContext, Operator, OperatorError, PlaceBy, Processor, ProcessorFacts,
    ProcessorTraits, StateSignature,
};
use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};
use pipectl_ir::query::Query;
use pipectl_sql::{Input, Lookup, Time};
use serde_json::{Value, json};

pub use operator::AlertOperator;
pub use options::AlertOptions;

/// The columns that come before those of the record.
const COLUMNS: [&str; 4] = ["alert_id", "alert_state", "alert_at", "alert_message"];

/// The kind `alert`.
#[derive(Debug)]
pub struct AlertProcessor;

impl Processor for AlertProcessor {
    type Options = AlertOptions;
    const KIND: &'static str = "alert";

    fn check(&self, options: &AlertOptions, node: NodeContext<'_>) -> Checked<ProcessorFacts> {
        let mut found = Diagnostics::new();
        let input = node.input.cloned().unwrap_or_else(|| Schema::new([]));
        if !input.fields().is_empty() {
            check_expressions(options, &input, &mut found);
        }
        let taken = COLUMNS.iter().find(|name| input.find(name).is_some());
        if let Some(name) = taken {
            let title = format!("the input has a column `{name}`, which the message would have too");
            found.push(
                Diagnostic::error(codes::schema::SCHEMA_MISMATCH, title)
                    .at_key(&Path::here(), "")
                    .help(format!("read a query that names it otherwise: `SELECT {name} AS former_{name}, …`")),
            );
        }
        for (index, name) in options.key.iter().enumerate() {
            if let Some((_, field)) = input.find(name).filter(|(_, field)| field.data_type.is_nested()) {
                let title = format!("column `{name}` is of type {}, which cannot be a key", field.data_type);
                let problem = Diagnostic::error(codes::schema::BAD_KEY, title);
                let help = "name a column of a plain type; a query can take one out of it";
                found.push(problem.at(&Path::keys(["key"]).index(index), "").help(help));
            }
        }
        let needs = options.key.iter().enumerate();
        let needs = needs.map(|(index, name)| ColumnNeed::new(name.clone(), Path::keys(["key"]).index(index)));
        let facts = ProcessorFacts {
            needs: needs.collect(),
            output: output_schema(&input),
            traits: ProcessorTraits {
                place_by: if options.key.is_empty() { PlaceBy::One } else { PlaceBy::Columns(options.key.clone()) },
                state: Some(state_signature(options, &input)),
                ..ProcessorTraits::default()
            },
            needs_event_time: true,
        };
        let sound = !found.has_errors();
        Checked { facts: sound.then_some(facts), diagnostics: found }
    }

    fn open(&self, options: AlertOptions, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(AlertOperator::new(&options, context)?))
    }
}

/// What the state of an alert depends on. Its records wait with all their columns.
fn state_signature(options: &AlertOptions, input: &Schema) -> StateSignature {
    let columns = input.fields().iter().map(|field| (field.name.clone(), json!(field.data_type.to_string())));
    StateSignature::fixed([
        ("key", json!(options.key)),
        ("fire", json!(one_line(&options.fire))),
        ("resolve", json!(options.resolve.as_deref().map(one_line))),
        ("for", json!(options.hold.map(|hold| hold.to_string()))),
        ("columns of the input", Value::Object(columns.collect())),
    ])
}

/// A condition without its layout, unless spaces can mean something in it.
fn one_line(sql: &str) -> String {
    let is_plain = !sql.contains(['\'', '"', '-', '/']);
    if is_plain { sql.split_whitespace().collect::<Vec<_>>().join(" ") } else { sql.to_owned() }
}

/// Those of the message, then those of the record that it is about.
fn output_schema(input: &Schema) -> Schema {
    let [id, state, at, message] = COLUMNS;
    let own = [
        Field::required(id, DataType::String),
        Field::required(state, DataType::String),
        Field::required(at, DataType::Timestamp),
        Field::required(message, DataType::String),
    ];
    let input = input.fields().iter().map(|field| Field { data_type: field.data_type.logical(), ..field.clone() });
    Schema::new(own.into_iter().chain(input))
}

/// The input as expressions see it.
fn sql_input(schema: &Schema) -> Input {
    Input { schema: schema.clone(), time: Time::Carried, bounded: false }
}

/// A query over the input.
fn compile(sql: &str, input: &Schema) -> Result<Query, OperatorError> {
    let input = sql_input(input);
    pipectl_sql::compile(sql, &|_| Lookup::Input(input.clone())).map_err(|found| {
        let titles: Vec<_> = found.iter().map(|problem| problem.title.as_str()).collect();
        OperatorError(titles.join("; "))
    })
}

/// Reports what is wrong with the conditions and the message.
fn check_expressions(options: &AlertOptions, input: &Schema, found: &mut Diagnostics) {
    let input = sql_input(input);
    let conditions = [("fire", "`fire`", Some(&options.fire)), ("resolve", "`resolve`", options.resolve.as_ref())];
    for (name, place, condition) in conditions {
        let Some(condition) = condition else { continue };
        if let Err(problems) = pipectl_sql::condition(condition, &input, place) {
            found.extend(problems.under(&Path::keys([name])));
        }
    }
    let at = Path::keys(["message"]);
    match template::parse(&options.message) {
        Ok(parts) => {
            for part in parts {
                let template::Part::Value(range) = part else { continue };
                if let Err(problems) = pipectl_sql::expression(&options.message[range.clone()], &input, "`message`") {
                    found.extend(problems.under(&at).into_iter().map(|problem| moved(problem, &at, range.start)));
                }
            }
        }
        Err(fault) => found.push(
            Diagnostic::error(codes::sql::SQL_SYNTAX, format!("`message` is no template: {}", fault.title))
                .at_inside(&at, fault.place, "")
                .help(fault.help),
        ),
    }
}

/// The problem of an expression as one of the text that it begins in at `start`.
fn moved(mut problem: Diagnostic, at: &Path, start: usize) -> Diagnostic {
    let shift = |place: &mut Place| {
        if let Place::Node(path, Part::Inside(Range { start: from, end })) = place
            && path == at
        {
            *from += start;
            *end += start;
        }
    };
    problem.labels.iter_mut().for_each(|label| shift(&mut label.place));
    problem.fix.iter_mut().for_each(|fix| shift(&mut fix.place));
    problem
}
