//! `pipectl validate`: parse, check, compile; no network, no data.

use pipectl_diag::Format;

use crate::{
    cli::{DiagnosticFormat, Global, ValidateArguments},
    exit::Exit,
    input::compile_files,
    registry::registry,
    view,
};

pub(super) fn run(arguments: &ValidateArguments, global: &Global) -> Exit {
    let files = &arguments.files;
    let (source, compiled) = compile_files(&files.files, files.env.as_deref(), &registry());
    let failed = source.diagnostics.has_errors();
    let exit = if failed { Exit::Wrong } else { Exit::Fine };
    let format = match arguments.format {
        DiagnosticFormat::Text => {
            // The verdict is the result; problems are shown beside it.
            view::diagnostics(&source, global);
            if failed {
                return exit;
            }
            let lines: String = compiled.iter().map(|compiled| view::verdict(&compiled.dag)).collect();
            return view::print(&lines);
        }
        DiagnosticFormat::Json => Format::Json,
        DiagnosticFormat::Sarif => Format::Sarif,
        DiagnosticFormat::Github => Format::Github,
    };
    match view::print(&view::render(&source, format, false)) {
        Exit::Fine => exit,
        other => other,
    }
}
