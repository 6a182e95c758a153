//! Options, checked and compiled: what the operator runs.

use pipectl_data::{DataType, Schema, decode::DecodeFormat};
use pipectl_diag::{
    Diagnostic, Diagnostics, Part, Path, Place,
    codes::options::{OPTION_NOT_FOR_THIS, PARSE_COLUMNS, PARSE_KIND},
};

use super::{
    access_log,
    grok::{self, GrokPattern},
    options::{CsvOptions, LogFormat, ParseOptions},
    pattern::{self, RegexPattern},
};

/// What the text looks like.
pub(super) enum Form {
    AccessLog(LogFormat),
    Regex(RegexPattern),
    Grok(GrokPattern),
    Decode(DecodeFormat),
}

/// A form and the columns that it makes.
pub(super) struct Plan {
    pub(super) form: Form,
    pub(super) columns: Schema,
}

/// The kind keys that are given.
fn kinds(options: &ParseOptions) -> Vec<&'static str> {
    [
        ("format", options.format.is_some()),
        ("regex", options.regex.is_some()),
        ("grok", options.grok.is_some()),
        ("csv", options.csv.is_some()),
        ("json", options.json.is_some()),
    ]
    .into_iter()
    .filter_map(|(kind, given)| given.then_some(kind))
    .collect()
}

/// Compiles the form; `None` if what was found forbids it.
pub(super) fn compile(options: &ParseOptions, found: &mut Diagnostics) -> Option<Plan> {
    match kinds(options).as_slice() {
        [kind] => strangers(options, kind, found),
        [] => {
            let problem = Diagnostic::error(PARSE_KIND, "`parse` has no format");
            let help = "add one of `format: combined`, `regex: …`, `grok: …`, `csv: { columns: […] }` and `json: {}`";
            found.push(problem.at_key(&Path::here(), "").help(help));
            return None;
        }
        [others @ .., last] => {
            let names: Vec<_> = others.iter().map(|kind| format!("`{kind}`")).collect();
            let title = format!("`parse` takes one format, but {} and `{last}` are given", names.join(", "));
            let problem = Diagnostic::error(PARSE_KIND, title).help("remove all but one");
            // The last one is where the problem is; the others are what it clashes with.
            let problem = problem.at_key(&Path::keys([*last]), "");
            found.push(others.iter().fold(problem, |problem, kind| {
                problem.related(Place::Node(Path::keys([*kind]), Part::Key), "another format is given here")
            }));
            return None;
        }
    }
    if let Some(format) = options.format {
        return Some(Plan { form: Form::AccessLog(format), columns: access_log::schema(format) });
    }
    if let Some(text) = &options.regex {
        let pattern = pattern::compile(text, found)?;
        let columns = typed(pattern.names().map(|name| (name, None)), options, found);
        return Some(Plan { form: Form::Regex(pattern), columns });
    }
    if let Some(text) = &options.grok {
        let pattern = grok::compile(text, &options.patterns, found)?;
        let columns = typed(pattern.columns().map(|(name, data_type)| (name, Some(data_type))), options, found);
        return Some(Plan { form: Form::Grok(pattern), columns });
    }
    if let Some(csv) = &options.csv {
        return csv_plan(csv, options, found);
    }
    if options.schema.is_empty() {
        let problem = Diagnostic::error(PARSE_COLUMNS, "`json` needs a `schema` that lists the fields to read");
        found.push(
            problem
                .at_key(&Path::keys(["json"]), "")
                .help("write for example `schema: { id: string, amount: float64 }`"),
        );
        return None;
    }
    let columns = Schema::new(options.schema.iter().map(|(name, field)| field.field(name)));
    Some(Plan { form: Form::Decode(DecodeFormat::Json), columns })
}

/// Options that have no effect on this kind.
fn strangers(options: &ParseOptions, kind: &str, found: &mut Diagnostics) {
    let given = [
        ("patterns", !options.patterns.is_empty(), ["grok"].as_slice(), "it is for `grok`"),
        (
            "schema",
            !options.schema.is_empty(),
            &["regex", "grok", "csv", "json"],
            "the columns of an access log have their types",
        ),
        (
            "time_format",
            options.time_format.is_some(),
            &["regex", "grok"],
            "read the column as a string, and turn it into a timestamp with SQL: `to_timestamp(column, format)`",
        ),
    ];
    for (key, given, kinds, help) in given {
        if given && !kinds.contains(&kind) {
            let title = format!("`{key}` has no effect together with `{kind}`");
            found.push(Diagnostic::error(OPTION_NOT_FOR_THIS, title).at_key(&Path::keys([key]), "").help(help));
        }
    }
}

/// Columns in the order in which the pattern has them, with the types that `schema` gives, or else the pattern, or
/// else string.
fn typed<'a>(
    names: impl Iterator<Item = (&'a str, Option<DataType>)>,
    options: &ParseOptions,
    found: &mut Diagnostics,
) -> Schema {
    let fields: Vec<_> = names
        .map(|(name, own)| match options.schema.get(name) {
            Some(given) => given.field(name),
            None => pipectl_data::Field::new(name, own.unwrap_or(DataType::String)),
        })
        .collect();
    for name in options.schema.keys() {
        if !fields.iter().any(|field| field.name == *name) {
            let nearest = pipectl_diag::nearest(name, fields.iter().map(|field| field.name.as_str()));
            let names = || fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
            let help =
                nearest.map_or_else(|| format!("the text gives {}", names()), |near| format!("did you mean `{near}`?"));
            let problem = Diagnostic::error(
                PARSE_COLUMNS,
                format!("`schema` has a type for `{name}`, which the text does not have"),
            );
            found.push(problem.at_key(&Path::keys(["schema", name]), "").help(help));
        }
    }
    Schema::new(fields)
}

fn csv_plan(csv: &CsvOptions, options: &ParseOptions, found: &mut Diagnostics) -> Option<Plan> {
    let path = Path::keys(["csv", "columns"]);
    let delimiter = match csv.delimiter.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
        _ => {
            let title = format!("`{}` cannot be the delimiter", csv.delimiter.escape_debug());
            let problem = Diagnostic::error(pipectl_diag::codes::options::INVALID_OPTION, title);
            let help = "write one ASCII character such as `;` or `\"\\t\"`";
            found.push(problem.at(&Path::keys(["csv", "delimiter"]), "").help(help));
            None
        }
    };
    let wanted = |name: &&String| *name != "_";
    for (index, name) in csv.columns.iter().enumerate() {
        let before = csv.columns.iter().take(index).position(|other| other == name && name != "_");
        if let Some(before) = before {
            let problem =
                Diagnostic::error(PARSE_COLUMNS, format!("`columns` names `{name}` twice")).at(&path.index(index), "");
            let place = Place::Node(path.index(before), Part::Value);
            found.push(problem.related(place, "it is named here first").help("write `_` to skip a value"));
        }
    }
    if csv.columns.iter().filter(wanted).count() == 0 {
        let problem = Diagnostic::error(PARSE_COLUMNS, "`columns` names no column");
        found.push(problem.at(&path, "").help("name the values of a row in order: `columns: [id, amount]`"));
        return None;
    }
    let names = csv.columns.iter().filter(wanted).map(|name| (name.as_str(), None));
    let columns = typed(names, options, found);
    let format = DecodeFormat::Csv { delimiter: delimiter?, columns: csv.columns.clone(), nulls: Vec::new() };
    Some(Plan { form: Form::Decode(format), columns })
}

/// A short, quoted piece of data for a message.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
