//! Source `stdin`: what another program writes into a pipe.

use std::io;

use arrow_array::Int64Array;
use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Read, Source, SourceContext, SourceFacts, SourceReader,
};
use pipectl_data::{Batch, PayloadFormat, Schema, units::Size};
use pipectl_diag::Diagnostics;
use pipectl_host::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    blocks::{Block, BlockError, Blocks},
    columns::Columns,
    input::{Format, Meaning, Shape},
    worker::Worker,
};

/// Reads records from standard input until it ends. What was read cannot be read again, so a restart goes on with what
/// comes then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinOptions {
    /// How records are written; `json` if not given.
    pub format: Option<Format>,

    /// The character between the fields of CSV; a comma if not given.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// Whether CSV starts with the names of its columns (the default). Without a header, the columns are the schema's,
    /// in its order.
    pub header: Option<bool>,

    /// The longest record; a longer one stops the run. 16MiB if not given.
    pub max_record: Option<Size>,
}

impl StdinOptions {
    fn meaning(&self, diagnostics: &mut Diagnostics) -> Meaning {
        let shape = Shape {
            format: self.format,
            delimiter: self.delimiter.as_deref(),
            header: self.header,
            max_record: self.max_record,
        };
        shape.meaning(None, diagnostics)
    }
}

/// The source `stdin`: bounded by the end of the input, one reader. Its position is only a count, since standard input
/// cannot be read twice: what was read but not yet part of a checkpoint is lost by a crash.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdinSource;

#[async_trait]
impl Source for StdinSource {
    type Options = StdinOptions;
    const KIND: &'static str = "stdin";

    fn check(&self, options: &StdinOptions, _node: NodeContext<'_>) -> Checked<SourceFacts> {
        let mut diagnostics = Diagnostics::new();
        let meaning = options.meaning(&mut diagnostics);
        Checked::new(meaning.facts(true), diagnostics)
    }

    async fn open(
        &self,
        options: StdinOptions,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let meaning = options.meaning(&mut Diagnostics::new());
        Ok(vec![Box::new(Reader::new(Box::new(io::stdin()), meaning, context))])
    }
}

struct Reader {
    host: Host,
    payload: PayloadFormat,
    worker: Worker<Input, Result<Option<Block>, ConnectorError>>,
    /// Records delivered, of earlier runs too.
    record: i64,
}

impl Reader {
    fn new(input: Box<dyn io::Read + Send>, meaning: Meaning, context: SourceContext) -> Self {
        let position = context.positions.first().and_then(|position| position.get("record")).and_then(Value::as_i64);
        let payload = meaning.payload();
        let input = Input {
            blocks: Blocks::new(input, meaning.cut.clone(), 0, true),
            meaning,
            schema: context.schema,
            columns: None,
        };
        Self {
            payload,
            worker: Worker::new(context.host.clone(), input),
            host: context.host,
            record: position.unwrap_or(0),
        }
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let Some(block) = self.worker.run(Input::next_block).await?? else { return Ok(Read::End) };
        let count = block.records.len();
        let payload = block.into_payload().map_err(|error| {
            ConnectorError::new(ErrorKind::Internal, format!("cannot view a block as records: {error}"))
        })?;
        let end = self.record + count as i64;
        let offsets = Int64Array::from_iter_values(self.record..end);
        let arrival = Int64Array::from(vec![self.host.now(); count]);
        self.record = end;
        Ok(Read::Records(Batch::raw(0, offsets, arrival, payload, self.payload)))
    }

    fn position(&self) -> Value {
        json!({ "record": self.record })
    }
}

struct Input {
    blocks: Blocks,
    meaning: Meaning,
    schema: Schema,
    columns: Option<Columns>,
}

impl Input {
    fn next_block(&mut self) -> Result<Option<Block>, ConnectorError> {
        loop {
            let Some(mut block) = self.blocks.next().map_err(describe)? else { return Ok(None) };
            if self.meaning.header && self.columns.is_none() {
                let first = block.records.remove(0);
                let header = block.bytes.get(first).unwrap_or_default();
                let columns = Columns::of_header(header, self.meaning.cut.delimiter, &self.schema, "standard input")?;
                self.columns = Some(columns);
            }
            if block.records.is_empty() {
                continue;
            }
            return Ok(Some(match &self.columns {
                Some(columns) => columns.arrange(block),
                None => block,
            }));
        }
    }
}

fn describe(error: BlockError) -> ConnectorError {
    match error {
        BlockError::Io(error) => ConnectorError::io("read standard input", error),
        BlockError::TooLong(byte) => ConnectorError::new(
            ErrorKind::Invalid,
            format!(
                "the record at byte {byte} of standard input is longer than `max_record`: check `format`, or raise the limit"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time and then the end.
    struct Dribble(io::Cursor<&'static [u8]>);
    impl io::Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            io::Read::read(&mut self.0, &mut out[..1])
        }
    }

    #[test]
    fn counts_go_on_and_nothing_is_lost_by_cancelling() {
        pipectl_host::run(Some(1), async {
            let context = SourceContext {
                host: Host::real(),
                pipeline: "p".to_owned(),
                node: "n".to_owned(),
                directory: ".".into(),
                schema: Schema::new([]),
                positions: vec![json!({ "record": 5 })],
            };
            let meaning = StdinOptions::default().meaning(&mut Diagnostics::new());
            let input = Dribble(io::Cursor::new(b"{\"a\":1}\n{\"a\":2}\n\n{\"a\":3}"));
            let mut reader = Reader::new(Box::new(input), meaning, context);
            let mut offsets = Vec::new();
            loop {
                // Half of the calls are dropped before they are done.
                let call = tokio::time::timeout(std::time::Duration::ZERO, reader.next());
                let read = match call.await {
                    Ok(read) => read,
                    Err(_) => reader.next().await,
                };
                match read.expect("reads") {
                    Read::Records(batch) => offsets.extend(batch.offsets.values().to_vec()),
                    Read::Quiet => {}
                    Read::End => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(offsets, [5, 6, 7]);
            assert_eq!(reader.position(), json!({ "record": 8 }));
        })
        .expect("runs");
    }
}
