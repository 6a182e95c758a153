//! `pipectl stream put`: lines of standard input become records.

use std::io::BufRead as _;

use arrow_array::{Int64Array, builder::BinaryViewBuilder};
use pipectl_contract::{ConnectorError, ProducerContext, SinkWriter};
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::Host;

use crate::{
    cli::{Global, PutArguments},
    exit::Exit,
    patience::Patience,
    reach::{Reach, failed},
    stop::Signals,
    view,
};

/// Records that are sent together.
const BATCH: usize = 1000;
/// Bytes that are sent together at most.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes that may be unconfirmed.
const MEMORY: u64 = 16 << 20;

pub(super) async fn run(reach: &Reach, arguments: &PutArguments, global: &Global, signals: &mut Signals) -> Exit {
    let headers: Result<Vec<(String, String)>, Diagnostic> = arguments.header.iter().map(|text| header(text)).collect();
    let headers = match headers {
        Ok(headers) => headers,
        Err(problem) => {
            view::problem(problem, global);
            return Exit::Wrong;
        }
    };
    let mut sending = match signals.race(open(reach, arguments, global)).await {
        Ok(Ok(sending)) => sending,
        Ok(Err(exit)) => return exit,
        Err(signal) => {
            view::note(&format!("{signal}: ended before anything was written"));
            return Exit::Interrupted;
        }
    };
    let done = signals.race(sending.all(arguments, &headers)).await;
    let (sent, target) = (view::counted(sending.sent as u64, "record"), &sending.target);
    match done {
        Ok(Ok(None)) => {
            view::note(&format!("{sent} written to `{target}`"));
            if sending.refused > 0 { Exit::Failed } else { Exit::Fine }
        }
        Ok(Ok(Some(problem))) => {
            view::problem(problem, global);
            view::note(&format!("{sent} written to `{target}`: those before that line"));
            Exit::Wrong
        }
        Ok(Err(error)) => failed(&error),
        Err(signal) => {
            let known = if sending.sent == 0 {
                "nothing is known to be written".to_owned()
            } else {
                format!("{sent} sent to `{target}`, the last of which may not have arrived")
            };
            view::note(&format!("{signal}: ended; {known}"));
            // Its client would wait for what is not yet confirmed.
            std::mem::forget(sending);
            Exit::Interrupted
        }
    }
}

/// Opens the producer of a stream that is there.
async fn open(reach: &Reach, arguments: &PutArguments, global: &Global) -> Result<Sending, Exit> {
    let host = Host::real();
    // Before anything is asked, and so before anything is written.
    if !arguments.header.is_empty() && !reach.capabilities(&arguments.stream, global)?.headers {
        let title = format!("the backend of stream `{}` does not support headers", arguments.stream);
        let problem = Diagnostic::error(codes::command::BAD_ARGUMENT, title);
        view::problem(problem.help("remove `--header`, and write its value into the records"), global);
        return Err(Exit::Wrong);
    }
    let line = reach.connect(Some(&arguments.stream), &host, global).await?;
    let target = reach.target(&arguments.stream);
    reach.find(&line, &target, None).await?;
    let context = ProducerContext::new(&arguments.stream, MEMORY);
    let producer = line.patience.answer("opening a producer", line.connection.producer(&target, context)).await;
    let producer = producer.map_err(|error| failed(&error))?;
    Ok(Sending { producer, patience: line.patience, host, target: target.name, sent: 0, refused: 0 })
}

struct Sending {
    producer: Box<dyn SinkWriter>,
    patience: Patience,
    host: Host,
    target: String,
    sent: usize,
    refused: usize,
}

/// A line of the input that is a record, with its number.
struct Line {
    number: usize,
    bytes: Vec<u8>,
}

/// What is read at a time.
#[derive(Default)]
struct Block {
    lines: Vec<Line>,
    /// The number of the last line, blank ones counted.
    read: usize,
    is_last: bool,
}

/// Reads lines until there is enough to send; blank ones are none.
fn read(after: usize) -> std::io::Result<Block> {
    let mut input = std::io::stdin().lock();
    let mut block = Block { read: after, ..Block::default() };
    let mut bytes = 0;
    while block.lines.len() < BATCH && bytes < BATCH_BYTES {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            block.is_last = true;
            break;
        }
        block.read += 1;
        while line.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            line.pop();
        }
        if !line.is_empty() {
            bytes += line.len();
            block.lines.push(Line { number: block.read, bytes: line });
        }
    }
    Ok(block)
}

impl Sending {
    /// Sends all lines; ends before the first one without the key that was asked for, and answers what is wrong with it.
    async fn all(
        &mut self,
        arguments: &PutArguments,
        headers: &[(String, String)],
    ) -> Result<Option<Diagnostic>, ConnectorError> {
        let mut block = Block::default();
        let mut problem = None;
        while !block.is_last && problem.is_none() {
            let after = block.read;
            // On a thread of its own: a terminal is read for as long as its person thinks, and a signal must be heard.
            let read = self.host.blocking(move || read(after)).await;
            block = read.map_err(|error| ConnectorError::io("read the input", error))?;
            let mut keys = Vec::with_capacity(block.lines.len());
            for line in &block.lines {
                match key(&line.bytes, arguments) {
                    Ok(key) => keys.push(key),
                    Err(why) => {
                        problem = Some(keyless(line.number, &why));
                        break;
                    }
                }
            }
            block.lines.truncate(keys.len());
            if !block.lines.is_empty() {
                self.batch(&block.lines, &keys, headers).await?;
            }
        }
        let patience = self.patience.clone();
        patience.answer("waiting for confirmation", self.producer.finish()).await?;
        self.late_refusals();
        Ok(problem)
    }

    async fn batch(
        &mut self,
        lines: &[Line],
        all_keys: &[Option<Vec<u8>>],
        headers: &[(String, String)],
    ) -> Result<(), ConnectorError> {
        let (mut payloads, mut keys, mut all) =
            (BinaryViewBuilder::new(), BinaryViewBuilder::new(), HeadersBuilder::default());
        for (line, key) in lines.iter().zip(all_keys) {
            payloads.append_value(&line.bytes);
            keys.append_option(key.as_ref());
            for (name, value) in headers {
                all.header(name, Some(value.as_bytes()));
            }
            all.end_record();
        }
        // The offset of a record is the number of its line, by which a late refusal names it.
        let offsets: Int64Array = lines.iter().map(|line| line.number as i64).collect();
        let arrival = Int64Array::from(vec![self.host.now(); lines.len()]);
        let mut batch = Batch::raw(0, offsets, arrival, payloads.finish(), PayloadFormat::Json);
        batch.keys = Some(keys.finish());
        batch.headers = all.finish();
        let patience = self.patience.clone();
        let rejected = patience.answer("writing", self.producer.write(&batch)).await?;
        self.sent += lines.len() - rejected.len();
        self.refused += rejected.len();
        for rejection in rejected {
            let number = lines.get(rejection.row).map(|line| line.number).unwrap_or_default();
            view::note(&format!("refused: line {number}: {}", rejection.reason));
        }
        self.late_refusals();
        Ok(())
    }

    fn late_refusals(&mut self) {
        for refused in self.producer.refused() {
            self.sent -= refused.batch.len();
            self.refused += refused.batch.len();
            let numbers: Vec<String> = refused.batch.offsets.values().iter().map(i64::to_string).collect();
            let word = if numbers.len() == 1 { "line" } else { "lines" };
            view::note(&format!("refused: {word} {}: {}", numbers.join(", "), refused.reason));
        }
    }
}

fn keyless(number: usize, why: &str) -> Diagnostic {
    let title = format!("line {number} of the input {why}; neither this line nor any later line is written");
    Diagnostic::error(codes::command::BAD_ARGUMENT, title)
        .help("fix the line, or add `--allow-missing-key` to write such records without a key")
}

/// The record's key: the one for all, or what stands in a field of the record; otherwise why there is none.
fn key(line: &[u8], arguments: &PutArguments) -> Result<Option<Vec<u8>>, String> {
    if let Some(key) = &arguments.key {
        return Ok(Some(key.clone().into_bytes()));
    }
    let Some(field) = &arguments.key_field else { return Ok(None) };
    let found = match serde_json::from_slice::<serde_json::Value>(line) {
        Err(error) => Err(format!("is not JSON, so it has no `{field}` ({error})")),
        Ok(record) => match record.get(field) {
            None => Err(format!("has no field `{field}`")),
            Some(serde_json::Value::Null) => Err(format!("has `{field}: null`")),
            Some(serde_json::Value::String(text)) => Ok(text.clone().into_bytes()),
            Some(other) => Ok(other.to_string().into_bytes()),
        },
    };
    match found {
        Err(_) if arguments.allow_missing_key => Ok(None),
        found => found.map(Some),
    }
}

fn header(text: &str) -> Result<(String, String), Diagnostic> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Diagnostic::error(codes::command::BAD_ARGUMENT, format!("`--header {text}` has no name and value"))
            .help("write `--header name=value`")),
    }
}
