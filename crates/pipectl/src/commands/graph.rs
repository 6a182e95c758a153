//! `pipectl graph`: draws what would run.

use pipectl_diag::{Diagnostic, codes};

use crate::{
    cli::{Global, GraphArguments, GraphFormat},
    draw::{DrawFormat, draw},
    exit::Exit,
    input::compile_files,
    registry::registry,
    view,
};

pub(super) fn run(arguments: &GraphArguments, global: &Global) -> Exit {
    let files = &arguments.files;
    let (source, compiled) = compile_files(&files.files, files.env.as_deref(), &registry());
    view::diagnostics(&source, global);
    if source.diagnostics.has_errors() {
        return Exit::Wrong;
    }
    let format = match arguments.format {
        GraphFormat::Text => DrawFormat::Text,
        GraphFormat::Mermaid => DrawFormat::Mermaid,
        GraphFormat::Dot => DrawFormat::Dot,
        GraphFormat::Svg => DrawFormat::Svg,
        GraphFormat::Json => DrawFormat::Json,
    };
    let color = global.color_on_stdout();
    let drawings: Vec<String> = compiled.iter().map(|compiled| draw(&compiled.dag, format, color)).collect();
    if drawings.len() > 1 && format == DrawFormat::Svg {
        let problem = Diagnostic::error(
            codes::command::BAD_ARGUMENT,
            "an SVG contains one drawing, but the files contain several pipelines",
        );
        view::problem(problem.help("draw one file at a time"), global);
        return Exit::Wrong;
    }
    match format {
        // One document, also for several pipelines.
        DrawFormat::Json if drawings.len() > 1 => view::print(&format!("[\n{}\n]\n", drawings.join(",\n"))),
        _ => view::print(&drawings.join("\n")),
    }
}
