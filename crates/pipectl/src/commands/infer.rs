//! `pipectl infer`: the schema of sample records.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use pipectl_contract::StartAt;
use pipectl_data::{Schema, compress::Compression, decode::csv_values};
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::Host;

use crate::{
    cli::{Global, InferArguments, SampleFormat},
    commands::stream::take,
    exit::Exit,
    reach::{Reach, failed},
    registry::registry,
    stop::run_plain,
    view,
};

/// Bytes of one record at most; beyond that the file is hardly one record a line.
const LINE_LIMIT: u64 = 16 << 20;

/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes of a file that holds no lines, at most.
const SAMPLE_LIMIT: u64 = 64 << 20;

pub(super) fn run(arguments: &InferArguments, global: &Global) -> Exit {
    let (format, delimiter) = match sample_format(arguments) {
        Ok(format) => format,
        Err(problem) => {
            view::problem(*problem, global);
            return Exit::Wrong;
        }
    };
    let (name, sample) = match (&arguments.stream, &arguments.file) {
        (Some(stream), _) => match of_stream(stream, arguments, global) {
            Ok(lines) => (stream.clone(), Sample { lines, layout: None }),
            Err(exit) => return exit,
        },
        (None, Some(file)) => match of_file(file, format, arguments.records) {
            Ok(sample) => (file.display().to_string(), sample),
            Err(error) => {
                let title = format!("cannot read `{}`: {error}", file.display());
                view::problem(Diagnostic::error(codes::command::CANNOT_READ, title), global);
                return Exit::Wrong;
            }
        },
        (None, None) => return Exit::Wrong,
    };
    if let Some(layout) = sample.layout {
        view::note(&format!("`{name}` does not have one record per line: write `layout: {layout}` in its source"));
    }
    let lines = sample.lines;
    let schema = match format {
        SampleFormat::Json => pipectl_spec::infer(lines.iter().map(Vec::as_slice)).map_err(|error| error.to_string()),
        SampleFormat::Csv => of_csv(&lines, delimiter),
    };
    match schema {
        Ok(schema) => view::print(&pipectl_spec::schema_block(&schema)),
        Err(error) => {
            let problem = Diagnostic::error(
                codes::command::CANNOT_INFER,
                format!("cannot infer a schema from `{name}`: {error}"),
            )
            .help(match format {
                SampleFormat::Json => "pass JSON lines (one object per line), or add `--format csv`",
                SampleFormat::Csv => "pass CSV whose first row names the columns; `--delimiter` sets the delimiter",
            });
            view::problem(problem, global);
            Exit::Wrong
        }
    }
}

/// How the records are written, and what stands between two values of CSV.
fn sample_format(arguments: &InferArguments) -> Result<(SampleFormat, u8), Box<Diagnostic>> {
    let name = arguments.file.as_ref().map(|file| file.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let (detected, delimiter) = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("csv") => (SampleFormat::Csv, b','),
        Some("tsv") => (SampleFormat::Csv, b'\t'),
        _ if arguments.delimiter.is_some() => (SampleFormat::Csv, b','),
        _ => (SampleFormat::Json, b','),
    };
    let delimiter = match arguments.delimiter.as_deref().map(|given| if given == "\\t" { "\t" } else { given }) {
        None => delimiter,
        Some(given) => match *given.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
            _ => {
                let title = format!("`{}` cannot be the delimiter", given.escape_debug());
                let problem = Diagnostic::error(codes::command::CANNOT_INFER, title);
                return Err(Box::new(problem.help("write one ASCII character such as `;`, or `\\t` for a tab")));
            }
        },
    };
    Ok((arguments.format.unwrap_or(detected), delimiter))
}

/// The schema of rows with a header. Line ends inside quotes belong to a value.
fn of_csv(lines: &[Vec<u8>], delimiter: u8) -> Result<Schema, String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        row.extend_from_slice(line);
        let open = row.iter().fold(false, |open, byte| open ^ (*byte == b'"'));
        if open && number + 1 < lines.len() {
            continue;
        }
        let bytes = std::mem::take(&mut row);
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("row {} is not UTF-8", rows.len()))?;
        let text = text.strip_prefix('\u{feff}').filter(|_| rows.is_empty()).unwrap_or(text);
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match csv_values(text, delimiter) {
            Ok(values) => rows.push(values),
            // The sample may end inside of a value.
            Err(_) if open && rows.len() > 1 => break,
            Err(problem) => return Err(format!("row {}, {problem}", rows.len())),
        }
    }
    let mut rows = rows.into_iter();
    let header: Vec<String> = rows.next().unwrap_or_default().iter().map(|name| name.trim().to_owned()).collect();
    pipectl_spec::infer_rows(&header, rows).map_err(|error| error.to_string())
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

/// Whether a line is a JSON object by itself.
fn is_line(line: Option<&Vec<u8>>) -> bool {
    // Values are not read: a number that is too large is one all the same.
    type Object<'a> = std::collections::BTreeMap<String, &'a serde_json::value::RawValue>;
    line.is_none_or(|line| serde_json::from_slice::<Object<'_>>(line).is_ok())
}

/// Records of a sample.
struct Sample {
    lines: Vec<Vec<u8>>,
    /// The `layout` of a file that does not have one record per line.
    layout: Option<&'static str>,
}

/// The first records of a file or of standard input, which is read no further than it has to be: it may have no end.
fn of_file(file: &Path, format: SampleFormat, records: usize) -> std::io::Result<Sample> {
    let mut input = BufReader::new(open(file)?);
    let mut read = Vec::new();
    // A header counts for none.
    let found = lines(&mut input, records.saturating_add(1), &mut read);
    let looks_whole = read.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&read).trim_ascii_start().starts_with(b"[");
    let is_json = format == SampleFormat::Json;
    // A line that is too long is no error where the file is one array: it is looked at whole.
    if is_json && (looks_whole || found.as_ref().is_ok_and(|lines| !is_line(lines.first()))) {
        input.take(SAMPLE_LIMIT.saturating_sub(read.len() as u64)).read_to_end(&mut read)?;
        if let Some((layout, lines)) = documents(&read, records) {
            return Ok(Sample { lines, layout: Some(layout) });
        }
    }
    let mut lines = found?;
    // A mark in front of UTF-8 is no part of the first record.
    if let Some(first) = lines.first_mut().filter(|first| first.starts_with(BYTE_ORDER_MARK)) {
        first.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(Sample { lines, layout: None })
}

/// The first records of what holds one array, or documents over several lines, and its `layout`; nothing if it is none.
fn documents(bytes: &[u8], count: usize) -> Option<(&'static str, Vec<Vec<u8>>)> {
    use serde_json::value::RawValue;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    let raw = |value: &RawValue| value.get().as_bytes().to_vec();
    if text.starts_with(b"[") {
        let values: Vec<&RawValue> = serde_json::from_slice(text).ok()?;
        return Some(("array", values.into_iter().take(count).map(raw).collect()));
    }
    let values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let values: Vec<Vec<u8>> = values.take(count).map_while(|value| value.ok().map(raw)).collect();
    (!values.is_empty()).then_some(("concatenated", values))
}

/// The first lines that hold anything; all that was read of the input is added to `read`.
fn lines(input: &mut impl BufRead, count: usize, read: &mut Vec<u8>) -> std::io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let mut line = Vec::new();
        if input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        read.extend_from_slice(&line);
        if line.len() as u64 == LINE_LIMIT {
            return Err(std::io::Error::other(format!("line {} is longer than 16 MiB", lines.len() + 1)));
        }
        if !line.trim_ascii().is_empty() {
            lines.push(line);
        }
    }
    Ok(lines)
}
