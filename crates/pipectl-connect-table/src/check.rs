//! The pure check of the options.

use std::collections::BTreeMap;

use pipectl_contract::{Checked, ColumnNeed, FileSet, NodeContext, Parallelism, RowKey, SinkFacts};
use pipectl_data::Schema;
use pipectl_diag::{
    Diagnostic, Diagnostics, Part, Path, Place,
    codes::options::{TABLE_KEY, TABLE_NAME},
};

use crate::{
    options::{TableBinding, TableOptions},
    table::RESERVED,
};

pub(crate) fn check(options: &TableOptions, binding: &TableBinding, node: NodeContext<'_>) -> Checked<SinkFacts> {
    let mut diagnostics = Diagnostics::new();
    let name = options.name(node.node);
    let name_path = if options.name.is_some() { Path::keys(["name"]) } else { Path::here() };
    diagnostics.extend(table_name(name).map(|found| point(found, &name_path)));
    diagnostics.extend(key(options, node));

    let mut needs = Vec::new();
    let key_path = Path::keys(["key"]);
    for (index, column) in options.key(node.keys).iter().enumerate() {
        let path = if options.key.is_some() { key_path.index(index) } else { Path::here() };
        needs.push(ColumnNeed::new(column, path));
    }
    for (index, column) in options.columns.iter().flatten().enumerate() {
        needs.push(ColumnNeed::new(column, Path::keys(["columns"]).index(index)));
    }
    diagnostics.extend(column_names(options, node));

    let facts = SinkFacts {
        needs,
        needs_event_time: None,
        takes_payload: false,
        // SQLite does not distinguish upper from lower case in names.
        exclusive: vec![(
            format!("table `{}` in `{}`", name.to_lowercase(), binding.path(node.output)),
            name_path.clone(),
        )],
        writes: vec![(FileSet::file(&binding.path(node.output)), name_path)],
        parallelism: Parallelism::Single,
        idempotent: true,
        shareable: false,
    };
    Checked::new(facts, diagnostics)
}

/// Points at an option, or at the kind key where no option says so.
fn point(found: Diagnostic, path: &Path) -> Diagnostic {
    if path.segments().is_empty() { found.at_key(path, "") } else { found.at(path, "") }
}

fn table_name(name: &str) -> Option<Diagnostic> {
    let lower = name.to_lowercase();
    let why = if name.is_empty() {
        "is empty"
    } else if lower.starts_with("sqlite_") || lower.starts_with(RESERVED) {
        "begins with a reserved word"
    } else if name.contains(char::is_control) {
        "holds a control character"
    } else {
        return None;
    };
    let found = Diagnostic::error(TABLE_NAME, format!("the table's name `{}` {why}", name.escape_debug()));
    Some(found.help("write another `name`, such as `leaderboard`"))
}

/// What to write so that no row replaces one of another group or window; nothing for a single row.
fn row_key_help(row_key: &RowKey) -> Option<String> {
    let key: Vec<&str> = row_key.columns.iter().chain(&row_key.missing).map(String::as_str).collect();
    if key.is_empty() {
        return None;
    }
    let key = key.join(", ");
    if row_key.missing.is_empty() {
        return Some(format!("write the columns that identify a row of the query: `key: [{key}]`"));
    }
    let missing = row_key.missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    Some(format!(
        "a row of the query is identified by {missing} too: add {missing} to its SELECT list, then write `key: [{key}]`"
    ))
}

/// Whether a column reports which window a row is of.
fn is_window(name: &str) -> bool {
    matches!(name, "window_start" | "window_end")
}

fn key(options: &TableOptions, node: NodeContext<'_>) -> Vec<Diagnostic> {
    let key = options.key(node.keys);
    let path = Path::keys(["key"]);
    if key.is_empty() {
        if let Some(help) = node.row_key.and_then(row_key_help) {
            return vec![
                point(
                    Diagnostic::error(TABLE_KEY, format!("table sink `{}` has no key", node.node)),
                    &if options.key.is_some() { path } else { Path::here() },
                )
                .help(help),
            ];
        }
        let names = || node.input.into_iter().flat_map(Schema::names);
        let first = names().find(|name| !is_window(name)).or_else(|| names().next()).unwrap_or("id");
        // A row for each window: without its start in the key, each window would replace the one before.
        let window = names().find(|name| is_window(name)).filter(|window| *window != first);
        let example = window.map_or_else(|| first.to_owned(), |window| format!("{first}, {window}"));
        return vec![
            point(
                Diagnostic::error(TABLE_KEY, format!("table sink `{}` has no key", node.node)),
                &if options.key.is_some() { path } else { Path::here() },
            )
            .note("the input has no key to use by default")
            .help(format!("name the columns that identify a row: `key: [{example}]`")),
        ];
    }
    let mut found = Vec::new();
    for (index, column) in key.iter().enumerate() {
        let at = if options.key.is_some() { path.index(index) } else { Path::here() };
        if let Some(columns) = &options.columns
            && !columns.contains(column)
        {
            found.push(
                point(
                    Diagnostic::error(TABLE_KEY, format!("column `{column}` of the key is not among `columns`")),
                    &at,
                )
                .related(Place::Node(Path::keys(["columns"]), Part::Key), "the columns to store")
                .help(format!("add `{column}` to `columns`, or remove `columns` to store all")),
            );
        }
        if key.iter().take(index).any(|earlier| earlier == column) {
            found.push(
                point(Diagnostic::error(TABLE_KEY, format!("column `{column}` is in the key twice")), &at)
                    .help("name each column once"),
            );
        }
    }
    found
}

/// Names that SQLite does not distinguish, or that are ours.
fn column_names(options: &TableOptions, node: NodeContext<'_>) -> Vec<Diagnostic> {
    let path = Path::keys(["columns"]);
    let columns: Vec<(&str, Path)> = match (&options.columns, node.input) {
        (Some(columns), _) => columns.iter().enumerate().map(|(at, name)| (name.as_str(), path.index(at))).collect(),
        (None, Some(input)) => input.names().map(|name| (name, Path::here())).collect(),
        (None, None) => Vec::new(),
    };
    let (mut found, mut seen) = (Vec::new(), BTreeMap::new());
    for (name, at) in columns {
        let lower = name.to_lowercase();
        if lower.starts_with(RESERVED) {
            found.push(
                point(
                    Diagnostic::error(
                        TABLE_NAME,
                        format!("column `{name}` begins with `{RESERVED}`, which is reserved"),
                    ),
                    &at,
                )
                .help("rename the column in a processor before this sink, or remove it from `columns`"),
            );
        }
        if let Some(other) = seen.insert(lower, name) {
            let title = if other == name {
                format!("column `{name}` is stored twice")
            } else {
                format!("columns `{other}` and `{name}` differ only in upper and lower case")
            };
            found.push(
                point(Diagnostic::error(TABLE_NAME, title), &at)
                    .note("a database ignores case in names")
                    .help("remove one of them from `columns`, or rename it in a processor before this sink"),
            );
        }
    }
    found
}
