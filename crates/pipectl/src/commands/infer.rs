//! `pipectl infer`: the schema of sample records.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use pipectl_contract::StartAt;
use pipectl_data::compress::Compression;
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::Host;

use crate::{
    cli::{Global, InferArguments},
    commands::stream::take,
    exit::Exit,
    reach::{Reach, failed},
    registry::registry,
    stop::run_plain,
    view,
};

/// Bytes of one record at most; beyond that the file is hardly one record a line.
const LINE_LIMIT: u64 = 16 << 20;

pub(super) fn run(arguments: &InferArguments, global: &Global) -> Exit {
    let (name, lines) = match (&arguments.stream, &arguments.file) {
        (Some(stream), _) => match of_stream(stream, arguments, global) {
            Ok(lines) => (stream.clone(), lines),
            Err(exit) => return exit,
        },
        (None, Some(file)) => match open(file).and_then(|input| lines(input, arguments.records)) {
            Ok(lines) => (file.display().to_string(), lines),
            Err(error) => {
                let title = format!("cannot read `{}`: {error}", file.display());
                view::problem(Diagnostic::error(codes::command::CANNOT_READ, title), global);
                return Exit::Wrong;
            }
        },
        (None, None) => return Exit::Wrong,
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

/// The payloads of a stream's oldest records.
fn of_stream(stream: &str, arguments: &InferArguments, global: &Global) -> Result<Vec<Vec<u8>>, Exit> {
    let reach = Reach::load(&arguments.place, registry(), global)?;
    let mut lines = Vec::new();
    let exit = run_plain(async {
        let line = match reach.connect(Some(stream), &Host::real(), global).await {
            Ok(line) => line,
            Err(exit) => return exit,
        };
        let target = reach.target(stream);
        if let Err(exit) = reach.find(&line, &target, None).await {
            return exit;
        }
        let taken = take(&line, &target, StartAt::Earliest, true, |batch| {
            let room = arguments.records - lines.len();
            let payloads = batch.payload.iter().flat_map(|payload| payload.iter()).flatten();
            lines.extend(payloads.take(room).map(<[u8]>::to_vec));
            lines.len() < arguments.records
        });
        match taken.await {
            Ok(()) => Exit::Fine,
            Err(error) => failed(&error),
        }
    });
    if exit == Exit::Fine { Ok(lines) } else { Err(exit) }
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
