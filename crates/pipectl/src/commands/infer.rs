//! `pipectl infer`: the schema of sample records.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use pipectl_data::compress::Compression;
use pipectl_diag::{Diagnostic, codes};

use crate::{
    cli::{Global, InferArguments},
    exit::Exit,
    view,
};

/// Bytes of one record at most; beyond that the file is hardly one record a line.
const LINE_LIMIT: u64 = 16 << 20;

pub(super) fn run(arguments: &InferArguments, global: &Global) -> Exit {
    let name = arguments.file.display().to_string();
    let lines = match open(&arguments.file).and_then(|input| lines(input, arguments.records)) {
        Ok(lines) => lines,
        Err(error) => {
            let problem = Diagnostic::error(codes::command::CANNOT_READ, format!("cannot read `{name}`: {error}"));
            view::problem(problem, global);
            return Exit::Wrong;
        }
    };
    match pipectl_spec::infer(lines.iter().map(Vec::as_slice)) {
        Ok(schema) => view::print(&pipectl_spec::schema_block(&schema)),
        Err(error) => {
            let problem = Diagnostic::error(
                codes::command::CANNOT_INFER,
                format!("cannot infer a schema from `{name}`: {error}"),
            )
            .help("give it JSON lines: one object a line");
            view::problem(problem, global);
            Exit::Wrong
        }
    }
}

fn open(path: &Path) -> std::io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    Ok(Compression::detect(path).reader(File::open(path)?))
}

fn lines(input: Box<dyn Read + Send>, count: usize) -> std::io::Result<Vec<Vec<u8>>> {
    let mut input = BufReader::new(input);
    let mut lines = Vec::new();
    while lines.len() < count {
        let mut line = Vec::new();
        if input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == LINE_LIMIT {
            return Err(std::io::Error::other(format!("line {} is longer than 16 MiB", lines.len() + 1)));
        }
        if !line.trim_ascii().is_empty() {
            lines.push(line);
        }
    }
    Ok(lines)
}
