//! `pipectl init`: a pipeline to start from. The templates are the examples of the repository themselves.

use std::{fmt::Write as _, fs, path::PathBuf};

use pipectl_diag::{Diagnostic, codes, nearest};

use crate::{
    cli::{Global, InitArguments},
    exit::Exit,
    view,
};

/// Name, what it is, text.
const TEMPLATES: &[(&str, &str, &str)] = &[
    (
        "sensor-lab",
        "simulated sensors: raw delivery, and averages per minute",
        include_str!("../../../../pipelines/sensor-lab.yaml"),
    ),
    (
        "clickstream",
        "simulated clicks: filter and enrich by expression",
        include_str!("../../../../pipelines/clickstream.yaml"),
    ),
    (
        "server-logs",
        "follow a web server's log: parse, keep the errors, deliver",
        include_str!("../../../../pipelines/server-logs.yaml"),
    ),
];

pub(super) fn run(arguments: &InitArguments, global: &Global) -> Exit {
    if arguments.list {
        let mut list = String::new();
        for (name, about, _) in TEMPLATES {
            writeln!(list, "{name:<14}{about}").unwrap_or_default();
        }
        return view::print(&list);
    }
    let wrong = |problem: Diagnostic| {
        view::problem(problem, global);
        Exit::Wrong
    };
    let Some((template, _, text)) = TEMPLATES.iter().find(|(name, _, _)| *name == arguments.template) else {
        let title = format!("there is no template `{}`", arguments.template);
        let problem = Diagnostic::error(codes::command::BAD_ARGUMENT, title);
        return wrong(match nearest(&arguments.template, TEMPLATES.iter().map(|(name, _, _)| *name)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`pipectl init --list` shows them"),
        });
    };
    let name = arguments.name.as_deref().unwrap_or(template);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        let title = format!("`{name}` cannot be the name of a pipeline");
        return wrong(Diagnostic::error(codes::command::BAD_ARGUMENT, title).help("use a-z, 0-9 and -"));
    }
    let path = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    if path.exists() && !arguments.force {
        let title = format!("`{}` already exists", path.display());
        return wrong(
            Diagnostic::error(codes::command::FILE_EXISTS, title)
                .help("overwrite it with --force, or name another file with --output"),
        );
    }
    // The editor finds the schema beside the file in a repository of pipectl; elsewhere `pipectl schema` prints it.
    let lines = text.lines().map(|line| {
        let names_schema = line.starts_with("# yaml-language-server:");
        if names_schema { "# yaml-language-server: $schema=pipeline.schema.json" } else { line }
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let text = text
        .replacen(&format!("name: {template}"), &format!("name: {name}"), 1)
        .replace(&format!("pipelines/{template}.yaml"), &path.display().to_string());
    if let Err(error) = fs::write(&path, text) {
        return wrong(Diagnostic::error(
            codes::command::CANNOT_WRITE,
            format!("cannot write `{}`: {error}", path.display()),
        ));
    }
    view::print(&format!(
        "wrote {path}\n\ncheck it:    pipectl validate {path}\ntry it:      pipectl dry-run {path}\nrun it:      pipectl apply {path}\nfor editors: pipectl schema > pipeline.schema.json\n",
        path = path.display()
    ))
}
