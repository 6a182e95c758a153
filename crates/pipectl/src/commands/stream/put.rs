//! `pipectl stream put`: lines of standard input become records.

use std::io::BufRead as _;

use arrow_array::{Int64Array, builder::BinaryViewBuilder};
use pipectl_contract::{ConnectorError, ProducerContext, SinkWriter};
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::Host;

use super::failed;
use crate::{
    cli::{Global, PutArguments},
    exit::Exit,
    reach::Reach,
    view,
};

/// Records that are sent together.
const BATCH: usize = 1000;
/// Bytes that are sent together at most.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes that may be unconfirmed.
const MEMORY: u64 = 16 << 20;

pub(super) async fn run(reach: &Reach, arguments: &PutArguments, global: &Global) -> Exit {
    let headers: Result<Vec<(String, String)>, Diagnostic> = arguments.header.iter().map(|text| header(text)).collect();
    let headers = match headers {
        Ok(headers) => headers,
        Err(problem) => {
            view::problem(problem, global);
            return Exit::Wrong;
        }
    };
    let host = Host::real();
    let connection = match reach.connect(Some(&arguments.stream), &host, global).await {
        Ok(connection) => connection,
        Err(exit) => return exit,
    };
    let target = reach.target(&arguments.stream);
    match connection.describe(&target, None).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            view::note(&format!("error: there is no stream `{}` in `{}`", target.name, reach.name()));
            return Exit::Outside;
        }
        Err(error) => return failed(&error),
    }
    let context = ProducerContext::new(&arguments.stream, MEMORY);
    let producer = match connection.producer(&target, context).await {
        Ok(producer) => producer,
        Err(error) => return failed(&error),
    };
    let mut sending = Sending { producer, host, sent: 0, refused: 0 };
    match sending.all(arguments, &headers).await {
        Ok(()) => {
            view::note(&format!("{} records written to `{}`", sending.sent, target.name));
            if sending.refused > 0 { Exit::Failed } else { Exit::Fine }
        }
        Err(error) => failed(&error),
    }
}

struct Sending {
    producer: Box<dyn SinkWriter>,
    host: Host,
    sent: usize,
    refused: usize,
}

impl Sending {
    async fn all(&mut self, arguments: &PutArguments, headers: &[(String, String)]) -> Result<(), ConnectorError> {
        let mut input = std::io::stdin().lock();
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let mut line = Vec::new();
            let read =
                input.read_until(b'\n', &mut line).map_err(|error| ConnectorError::io("read the input", error))?;
            while line.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
                line.pop();
            }
            if read > 0 && !line.is_empty() {
                bytes += line.len();
                lines.push(line);
            }
            if lines.len() == BATCH || bytes >= BATCH_BYTES || (read == 0 && !lines.is_empty()) {
                self.batch(&std::mem::take(&mut lines), arguments, headers).await?;
                bytes = 0;
            }
            if read == 0 {
                self.producer.finish().await?;
                self.late_refusals();
                return Ok(());
            }
        }
    }

    async fn batch(
        &mut self,
        lines: &[Vec<u8>],
        arguments: &PutArguments,
        headers: &[(String, String)],
    ) -> Result<(), ConnectorError> {
        let (mut payloads, mut keys, mut all) =
            (BinaryViewBuilder::new(), BinaryViewBuilder::new(), HeadersBuilder::default());
        for line in lines {
            payloads.append_value(line);
            keys.append_option(key(line, arguments));
            for (name, value) in headers {
                all.header(name, Some(value.as_bytes()));
            }
            all.end_record();
        }
        let offsets: Int64Array = (0..lines.len() as i64).collect();
        let arrival = Int64Array::from(vec![self.host.now(); lines.len()]);
        let mut batch = Batch::raw(0, offsets, arrival, payloads.finish(), PayloadFormat::Json);
        batch.keys = Some(keys.finish());
        batch.headers = all.finish();
        let rejected = self.producer.write(&batch).await?;
        self.sent += lines.len() - rejected.len();
        self.refused += rejected.len();
        for rejection in rejected {
            view::note(&format!("refused: {}", rejection.reason));
        }
        self.late_refusals();
        Ok(())
    }

    fn late_refusals(&mut self) {
        for refused in self.producer.refused() {
            self.sent -= refused.batch.len();
            self.refused += refused.batch.len();
            view::note(&format!("refused: {}", refused.reason));
        }
    }
}

/// The record's key: the one for all, or what stands in a field of the record.
fn key(line: &[u8], arguments: &PutArguments) -> Option<Vec<u8>> {
    if let Some(key) = &arguments.key {
        return Some(key.clone().into_bytes());
    }
    let field = arguments.key_field.as_ref()?;
    let record: serde_json::Value = serde_json::from_slice(line).ok()?;
    match record.get(field)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

fn header(text: &str) -> Result<(String, String), Diagnostic> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Diagnostic::error(codes::command::BAD_ARGUMENT, format!("`--header {text}` has no name and value"))
            .help("write `--header name=value`")),
    }
}
