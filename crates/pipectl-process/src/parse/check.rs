//! What is wrong with the options of `parse`, all of it at once, and what the right ones mean.

use pipectl_contract::{ColumnNeed, ProcessorFacts, ProcessorTraits};
use pipectl_data::{DataType, Schema};
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::options::{PARSE_FIELD, TIME_FORMAT},
};

use super::{
    options::ParseOptions,
    plan::{self, Plan},
    time::TimeFormat,
};

/// Options, checked and compiled for an input.
pub(super) struct Compiled {
    pub(super) plan: Plan,
    /// The column to take apart.
    pub(super) field: String,
    /// The columns that stay.
    pub(super) keep: Vec<String>,
    pub(super) time: TimeFormat,
    /// The columns that go out: those that stay, in their order, then those that parsing makes.
    pub(super) output: Schema,
}

/// Checks the options without any I/O; without an input (an earlier error hides it) as far as possible. A column that
/// the input lacks is not reported here: it is among the needs.
///
/// # Errors
/// Everything that is wrong, with paths relative to the options.
pub(super) fn check(options: &ParseOptions, input: Option<&Schema>) -> Result<ProcessorFacts, Diagnostics> {
    let compiled = compile(options, input)?;
    let field = if options.field.is_some() { Path::keys(["field"]) } else { Path::here() };
    let mut needs = vec![ColumnNeed::new(compiled.field, field)];
    let kept = options.keep.iter().flatten().enumerate();
    needs.extend(kept.map(|(index, name)| ColumnNeed::new(name.clone(), Path::keys(["keep"]).index(index))));
    let keeps = compiled.keep.into_iter().map(|name| (name.clone(), name)).collect();
    let traits = ProcessorTraits { keeps, ..ProcessorTraits::default() };
    Ok(ProcessorFacts { needs, output: compiled.output, traits, needs_event_time: false })
}

pub(super) fn compile(options: &ParseOptions, input: Option<&Schema>) -> Result<Compiled, Diagnostics> {
    let mut found = Diagnostics::new();
    let field = field(options, input, &mut found);
    let plan = plan::compile(options, &mut found);
    let time = options.time_format.as_deref().map_or(Ok(TimeFormat::Usual), TimeFormat::letters);
    let time = time.unwrap_or_else(|reason| {
        let problem = Diagnostic::error(TIME_FORMAT, format!("`time_format` cannot be used: {reason}"));
        let help = "write strftime directives, such as `%d.%m.%Y %H:%M:%S`";
        found.push(problem.at(&Path::keys(["time_format"]), "").help(help));
        TimeFormat::Usual
    });
    match (plan, field) {
        (Some(plan), Some(field)) if !found.has_errors() => {
            let stays = |name: &str| {
                let wanted = if name == field {
                    options.keep_field
                } else {
                    options.keep.as_ref().is_none_or(|keep| keep.iter().any(|kept| kept == name))
                };
                wanted && plan.columns.find(name).is_none()
            };
            let kept = input.map(|input| input.project(|field| stays(&field.name)));
            let kept = kept.map_or_else(Vec::new, |kept| kept.fields().to_vec());
            let output = Schema::new(kept.iter().chain(plan.columns.fields()).cloned());
            let keep = kept.into_iter().map(|field| field.name).collect();
            Ok(Compiled { plan, field, keep, time, output })
        }
        _ => Err(found),
    }
}

/// Whether a column of this type can be taken apart.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::String | DataType::Json | DataType::Bytes)
}

fn field(options: &ParseOptions, input: Option<&Schema>, found: &mut Diagnostics) -> Option<String> {
    if let Some(name) = &options.field {
        let data_type = input.and_then(|input| input.find(name)).map(|(_, field)| &field.data_type);
        if let Some(data_type) = data_type.filter(|data_type| !is_text(data_type)) {
            let title = format!("column `{name}` is of type {data_type}; only text can be parsed");
            let problem = Diagnostic::error(PARSE_FIELD, title).at(&Path::keys(["field"]), "");
            found.push(problem.help("name a column of type string"));
            return None;
        }
        return Some(name.clone());
    }
    let Some(input) = input else { return Some("line".to_owned()) };
    if input.find("line").is_some_and(|(_, field)| is_text(&field.data_type)) {
        return Some("line".to_owned());
    }
    let texts: Vec<_> = input.fields().iter().filter(|field| field.data_type == DataType::String).collect();
    match texts.as_slice() {
        [only] => Some(only.name.clone()),
        [] => {
            let problem = Diagnostic::error(PARSE_FIELD, "there is no column of type string that could be parsed");
            found.push(
                problem.at_key(&Path::here(), "").help("give the source a column of type string, such as `line`"),
            );
            None
        }
        several => {
            let names: Vec<_> = several.iter().map(|field| format!("`{}`", field.name)).collect();
            let problem = Diagnostic::error(PARSE_FIELD, "it is not clear which column to parse");
            let help = format!("write `field: …` with one of {}", names.join(", "));
            found.push(problem.at_key(&Path::here(), "").help(help));
            None
        }
    }
}
