//! The pure check of the options.

use pipectl_contract::{Checked, ColumnNeed, FileSet, NodeContext, Parallelism, SinkFacts};
use pipectl_data::{DataType, Schema};
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::options::{
        FLUSH_LIMIT, INVALID_OPTION, OPTION_NOT_FOR_THIS, PARTITION_COLUMN, PREFIX_FIELD_TYPE, PREFIX_PATH,
        PREFIX_PLACEHOLDER, PREFIX_TIME_FORMAT,
    },
};

use crate::{
    encoding::Encoding,
    options::{Flush, Format, ObjectStoreBinding, ObjectStoreOptions, PartitionColumns},
    template::{Part, Template, TemplateError},
};

/// The largest file before compression: it is in memory until it is finished.
const SIZE_LIMIT: u64 = 1 << 30;
/// How long the stem of a name may be, so that a number and an ending still fit.
const STEM_LIMIT: usize = 150;

pub(crate) fn check(
    options: &ObjectStoreOptions,
    binding: &ObjectStoreBinding,
    node: NodeContext<'_>,
) -> Checked<SinkFacts> {
    let mut diagnostics = Diagnostics::new();
    let prefix_path = Path::keys(["prefix"]);
    let template = match Template::parse(&options.prefix(node.node)) {
        Ok(template) => Some(template),
        Err(errors) => {
            diagnostics.extend(errors.into_iter().map(|error| prefix_error(error, &prefix_path)));
            None
        }
    };
    diagnostics.extend(template.as_ref().and_then(|template| bare_format(template, node.input)).map(|problem| {
        if options.prefix.is_some() { problem.at(&prefix_path, "") } else { problem.at_key(&Path::here(), "") }
    }));
    let mut needs = Vec::new();
    for (name, format, range) in template.iter().flat_map(Template::fields) {
        needs.push(ColumnNeed {
            name: name.to_owned(),
            path: prefix_path.clone(),
            inside: options.prefix.is_some().then(|| range.clone()),
        });
        let problem = match node.input.map(|input| input.find(name).map(|(_, field)| field.data_type.logical())) {
            Some(Some(data_type)) => field_type(name, &data_type, format.is_some()),
            // A missing column is reported by the compiler, which knows where it should come from; a slip is ours.
            Some(None) if format.is_some() => misspelt_time(name),
            Some(None) | None => None,
        };
        diagnostics.extend(problem.map(|problem| problem.at_inside(&prefix_path, range, "")));
    }
    if options.format == Format::Parquet
        && let (Some(template), Some(input)) = (&template, node.input)
    {
        let keeps = options.partition_columns == Some(PartitionColumns::Keep);
        diagnostics.extend(partition_columns(template, input, &prefix_path, options.prefix.is_some(), keeps));
    }
    if options.partition_columns.is_some() && options.format != Format::Parquet {
        diagnostics.push(
            Diagnostic::error(OPTION_NOT_FOR_THIS, "`partition_columns` has an effect on Parquet files only")
                .at_key(&Path::keys(["partition_columns"]), "")
                .help("remove it, or write `format: parquet`"),
        );
    }
    diagnostics.extend(flush(options.flush));
    diagnostics.extend(zone(options));
    diagnostics.extend(stem(options, node));
    let directory = binding.path(node.output);
    let owner = if options.file_name.is_some() { Path::keys(["file_name"]) } else { Path::here() };
    let stem = options.stem(node.pipeline, node.node);
    // A prefix that does not end with a folder is the beginning of the names.
    let prefix = options.prefix(node.node);
    let fixed = prefix.split(['{', '!']).next().unwrap_or_default();
    let folder = fixed.rfind('/').and_then(|end| fixed.get(..end)).unwrap_or_default();
    let encoding = Encoding { format: options.format(), compression: options.compression() };
    let names = format!("*{stem}-*.{}", encoding.extension());
    let below = format!("{directory}/{folder}");
    let facts = SinkFacts {
        needs,
        needs_event_time: template.as_ref().is_some_and(Template::needs_event_time).then_some(prefix_path),
        takes_payload: options.format() == Format::Json,
        exclusive: vec![(format!("files named `{stem}-…` in `{directory}`"), owner.clone())],
        writes: vec![(FileSet::below(&below, &names).named(&directory), owner)],
        parallelism: Parallelism::PerPartition,
        idempotent: true,
        shareable: false,
    };
    Checked::new(facts, diagnostics)
}

fn prefix_error(error: TemplateError, path: &Path) -> Diagnostic {
    Diagnostic::error(error.code, error.title).at_inside(path, error.range, error.label).help(error.help)
}

/// A time format outside of braces, where it is text: other systems take it for the time of the record.
fn bare_format(template: &Template, input: Option<&Schema>) -> Option<Diagnostic> {
    let strftime = |text: &str| {
        let letter = |at: usize| text.get(at + 1..).and_then(|rest| rest.chars().next());
        let at = text.match_indices('%').map(|(at, _)| at);
        let mut at = at.filter(|at| letter(*at).is_some_and(|letter| "YymdHMSjF".contains(letter)));
        at.next().and_then(|at| text.get(at..at + 2)).map(str::to_owned)
    };
    let java =
        |text: &str| text.split(['/', '=', '-', '_']).find(|step| matches!(*step, "yyyy" | "YYYY")).map(str::to_owned);
    let found = template.parts.iter().find_map(|part| match part {
        Part::Literal(text) => strftime(text).or_else(|| java(text)),
        _ => None,
    })?;
    let is_time = |field: &&pipectl_data::Field| field.data_type.logical() == DataType::Timestamp;
    let column = input.and_then(|input| input.fields().iter().find(is_time)).map_or("event", |field| &field.name);
    Some(
        Diagnostic::warning(PREFIX_TIME_FORMAT, format!("`{found}` is text here, not a part of the time"))
            .help(format!("write the time in braces: `{{arrival:%Y/%m/%d}}` or `{{{column}:%Y/%m/%d}}`")),
    )
}

/// Columns that have the name of a folder with other values: readers would find them twice.
fn partition_columns(
    template: &Template,
    input: &Schema,
    path: &Path,
    is_written: bool,
    keeps: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for partition in template.partitions().into_iter().filter(|partition| !partition.is_whole) {
        let Some(column) = input.names().find(|column| column.eq_ignore_ascii_case(&partition.name)) else { continue };
        let name = &partition.name;
        let title = if keeps {
            format!("readers of the files find `{name}` twice: in the path as `{name}=…`, and as a column")
        } else {
            format!("column `{column}` is not in the files: the path has `{name}=…`, which readers take for it")
        };
        let problem = Diagnostic::warning(PARTITION_COLUMN, title);
        let problem = match partition.range.filter(|_| is_written) {
            Some(range) => problem.at_inside(path, range, ""),
            None => problem.at(path, ""),
        };
        found.push(problem.help(format!(
            "rename the folder, for example to `{name}_part=…`, or rename the column: `{column} AS …` in a processor before"
        )));
    }
    found
}

fn field_type(name: &str, data_type: &DataType, has_format: bool) -> Option<Diagnostic> {
    let is_time = matches!(data_type, DataType::Timestamp | DataType::Date);
    if has_format && !is_time {
        return Some(
            Diagnostic::error(PREFIX_FIELD_TYPE, format!("column `{name}` is not a time and takes no time format"))
                .note(format!("`{name}` is of type {data_type}"))
                .help(format!("write `{{{name}}}`")),
        );
    }
    (data_type.is_nested() || matches!(data_type, DataType::Bytes | DataType::Json | DataType::Interval)).then(|| {
        Diagnostic::error(PREFIX_FIELD_TYPE, format!("column `{name}` of type {data_type} cannot be part of a prefix"))
            .help("name a column of type string, int64, float64, decimal, bool, timestamp or date, or compute one in a processor before")
    })
}

fn misspelt_time(name: &str) -> Option<Diagnostic> {
    let near = pipectl_diag::nearest(name, ["arrival", "event"])?;
    Some(
        Diagnostic::error(PREFIX_PLACEHOLDER, format!("unknown placeholder `{{{name}:…}}`"))
            .help(format!("write `{{{near}:…}}`")),
    )
}

fn flush(flush: Flush) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if flush.every.micros() < 1000 {
        found.push(
            Diagnostic::error(FLUSH_LIMIT, "`flush.every` is shorter than a millisecond")
                .at(&Path::keys(["flush", "every"]), "")
                .help("write how long a file may stay open, such as `60s`"),
        );
    }
    if flush.size.0 == 0 || flush.size.0 > SIZE_LIMIT {
        let title = match flush.size.0 {
            0 => "`flush.size` is zero",
            _ => "`flush.size` is larger than 1GiB, and an open file is kept in memory",
        };
        found.push(
            Diagnostic::error(FLUSH_LIMIT, title)
                .at(&Path::keys(["flush", "size"]), "")
                .help("write a size between `1B` and `1GiB`, such as `5MiB`"),
        );
    }
    found
}

fn zone(options: &ObjectStoreOptions) -> Option<Diagnostic> {
    let name = options.zone.as_deref()?;
    if jiff::tz::TimeZone::get(name).is_ok() {
        return None;
    }
    let mut known: Vec<String> = jiff::tz::db().available().map(|known| known.as_str().to_owned()).collect();
    known.sort();
    let found = Diagnostic::error(INVALID_OPTION, format!("unknown time zone `{name}`")).at(&Path::keys(["zone"]), "");
    Some(match pipectl_diag::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => found.help(format!("write `{near}`")),
        None => found.help("write an IANA name such as `Europe/Berlin`, or remove `zone` to use UTC"),
    })
}

fn stem(options: &ObjectStoreOptions, node: NodeContext<'_>) -> Option<Diagnostic> {
    let path = Path::keys(["file_name"]);
    let stem = options.stem(node.pipeline, node.node);
    if stem.len() > STEM_LIMIT {
        return Some(
            Diagnostic::error(PREFIX_PATH, format!("file names would begin with {} bytes", stem.len()))
                .at(&path, "")
                .help(format!("write a `file_name` of at most {STEM_LIMIT} bytes")),
        );
    }
    let given = options.file_name.as_deref()?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "._=-".contains(char);
    (given.is_empty() || given.starts_with('.') || !given.chars().all(plain)).then(|| {
        Diagnostic::error(PREFIX_PATH, format!("`file_name` `{}` is not usable", given.escape_debug()))
            .at(&path, "")
            .help("write letters, digits, `.`, `_`, `=` and `-`, not beginning with a dot; folders belong in `prefix`")
    })
}
