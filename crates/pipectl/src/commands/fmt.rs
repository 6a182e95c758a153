//! `pipectl fmt`: specs in one layout.

use std::{io::Write as _, path::Path};

use pipectl_diag::{Diagnostic, codes};
use pipectl_spec::Formatted;

use crate::{
    cli::{FmtArguments, Global},
    exit::Exit,
    input::{Source, texts},
    view,
};

pub(super) fn run(arguments: &FmtArguments, global: &Global) -> Exit {
    let mut source = Source::default();
    let inputs = texts(&arguments.files, &mut source.diagnostics);
    let mut changed = Vec::new();
    for input in inputs {
        let formatted = pipectl_spec::format(&input, &mut source.map).map(|formatted| match formatted {
            Formatted::Text(text) => text,
            Formatted::Unchanged(why) => {
                source.diagnostics.push(why);
                String::from_utf8_lossy(&input.bytes).into_owned()
            }
        });
        match formatted {
            Ok(text) if input.name == "<stdin>" && !arguments.check => {
                if view::print(&text) != Exit::Fine {
                    return Exit::Outside;
                }
            }
            Ok(text) if text.as_bytes() == input.bytes => {}
            Ok(text) => {
                if !arguments.check
                    && let Err(error) = replace(Path::new(&input.name), text.as_bytes())
                {
                    let title = format!("cannot write `{}`: {error}", input.name);
                    source.diagnostics.push(Diagnostic::error(codes::command::CANNOT_WRITE, title));
                    continue;
                }
                changed.push(input.name);
            }
            Err(problems) => source.diagnostics.extend(problems),
        }
    }
    view::diagnostics(&source, global);
    let printed = if changed.is_empty() { Exit::Fine } else { view::print(&(changed.join("\n") + "\n")) };
    match printed {
        _ if source.diagnostics.has_errors() => Exit::Wrong,
        Exit::Fine if arguments.check && !changed.is_empty() => Exit::Different,
        printed => printed,
    }
}

/// Writes a file whole or not at all: beside it first, with its permissions, and then in its place. A link stays a link:
/// a file of several names is written in place, while the whole text is beside it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.pipectl-{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        file.set_permissions(std::fs::metadata(&path)?.permissions())?;
        file.sync_all()?;
        if names(&path)? > 1 {
            std::fs::write(&path, bytes)?;
            std::fs::remove_file(&beside)
        } else {
            std::fs::rename(&beside, &path)
        }
    })();
    if written.is_err() {
        // The error reports what matters; what is left beside the file is harmless.
        drop(std::fs::remove_file(&beside));
    }
    written
}

/// How many names a file has.
#[cfg(unix)]
fn names(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata(path)?.nlink())
}

#[cfg(not(unix))]
fn names(_: &Path) -> std::io::Result<u64> {
    Ok(1)
}
