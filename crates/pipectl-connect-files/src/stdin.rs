//! Source `stdin`: what another program writes into a pipe.

use std::io;

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Read, Source, SourceContext, SourceFacts, SourceReader,
};
use pipectl_data::{PayloadFormat, Schema, units::Size};
use pipectl_diag::Diagnostics;
use pipectl_host::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    blocks::{Block, BlockError, Blocks},
    columns::Columns,
    encoding::Utf8,
    input::{Format, Layout, Meaning, OneOrMany, Oversize, Shape},
    last_checkpoint::LastCheckpoint,
    mark::Ends,
    worker::Worker,
};

/// Reads records from standard input until it ends. Standard input cannot be read again: after a restart, the source
/// continues with the input that arrives then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinOptions {
    /// The format of the records. Default: `json`.
    pub format: Option<Format>,

    /// How JSON documents follow each other: `lines` (the default) for one on each line, `array` for the elements of an
    /// array, `concatenated` for documents one after another. With `array` and `concatenated`, a document may span
    /// several lines, and an array may have any size.
    #[serde(default)]
    pub layout: Layout,

    /// The character between the fields of CSV. Default: a comma.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// Whether CSV starts with a header of column names (the default). Without a header, the columns are those of the
    /// schema, in its order.
    pub header: Option<bool>,

    /// The encoding of the text, if it is not UTF-8: `latin1`, `windows-1252`, `utf-16`, `shift_jis`, or any other
    /// label of the WHATWG Encoding Standard. A UTF-8 or UTF-16 byte order mark overrides this setting.
    #[schemars(example = &"latin1")]
    pub encoding: Option<String>,

    /// The longest record. Default: 16MiB. `on_oversize` sets how a longer one is handled.
    pub max_record: Option<Size>,

    /// How to handle a record that is longer than `max_record`. `dead_letter` (the default) keeps its first bytes in a
    /// dead letter; `truncate` uses its first `max_record` bytes as the record, in text; elsewhere the
    /// dead letter keeps them. `fail` ends the run.
    #[serde(default)]
    pub on_oversize: Oversize,

    /// Values in CSV that mean null: one or several, as in `null: ["", NA]`. A value in quotes is never null. If not
    /// given, an empty value is null unless its column is a string.
    #[schemars(example = &"NA")]
    pub null: Option<OneOrMany>,
}

impl StdinOptions {
    fn meaning(&self, diagnostics: &mut Diagnostics) -> Meaning {
        let shape = Shape {
            format: self.format,
            delimiter: self.delimiter.as_deref(),
            header: self.header,
            max_record: self.max_record,
            on_oversize: self.on_oversize,
            encoding: self.encoding.as_deref(),
            layout: self.layout,
            null: self.null.as_ref(),
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
        Checked::new(meaning.facts(true, Vec::new()), diagnostics)
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

/// Records, and the names of the values in them where the input says them.
type Named = (Block, Option<Vec<String>>);

struct Reader {
    host: Host,
    payload: PayloadFormat,
    worker: Worker<Input, Result<Option<Named>, ConnectorError>>,
    /// Records delivered, of earlier runs too.
    record: i64,
    /// The error that ends the run once a checkpoint holds what was read before: it cannot be read again.
    failed: Option<(ConnectorError, LastCheckpoint)>,
}

impl Reader {
    fn new(input: Box<dyn io::Read + Send>, meaning: Meaning, context: SourceContext) -> Self {
        let position = context.positions.first().and_then(|position| position.get("record")).and_then(Value::as_i64);
        let payload = meaning.payload();
        let input = Utf8::new(input, meaning.cut.encoding);
        let input = Input {
            blocks: Blocks::new(Box::new(input), meaning.cut.clone(), Ends::default(), true),
            meaning,
            schema: context.schema,
            columns: None,
        };
        Self {
            payload,
            worker: Worker::new(context.host.clone(), input),
            host: context.host,
            record: position.unwrap_or(0),
            failed: None,
        }
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if let Some((_, last)) = &self.failed
            && let Some(quiet) = last.wait(&self.host).await
        {
            return Ok(quiet);
        }
        if let Some((error, _)) = self.failed.take() {
            return Err(error);
        }
        // A pipe that gives nothing is read to its end for now.
        let next = tokio::select! {
            biased;
            next = self.worker.run(Input::next_block) => next,
            () = self.host.sleep(QUIET_AFTER) => return Ok(Read::Quiet),
        };
        let (block, fields) = match next? {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(Read::End),
            Err(error) => {
                self.failed = Some((error, LastCheckpoint::new(&self.host)));
                return Ok(Read::Quiet);
            }
        };
        let first = self.record;
        self.record += block.records.len() as i64;
        Ok(Read::Records(block.into_batch(first, self.host.now(), self.payload, fields.as_deref())?))
    }

    fn position(&self) -> Value {
        json!({ "record": self.record })
    }

    fn wants_checkpoint(&self) -> bool {
        self.failed.as_ref().is_some_and(|(_, last)| last.is_wanted())
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        if *position == self.position() {
            self.failed.iter_mut().for_each(|(_, last)| last.committed());
        }
        Ok(())
    }
}

/// After how long without input the pipe counts as quiet.
const QUIET_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

struct Input {
    blocks: Blocks,
    meaning: Meaning,
    schema: Schema,
    columns: Option<Columns>,
}

impl Input {
    fn next_block(&mut self) -> Result<Option<Named>, ConnectorError> {
        loop {
            let Some(mut block) = self.blocks.next().map_err(describe)? else { return Ok(None) };
            if self.meaning.header && self.columns.is_none() {
                let delimiter = self.meaning.cut.delimiter;
                let columns = Columns::of_header(block.take_header(), delimiter, &self.schema, "standard input")?;
                self.columns = Some(columns);
            }
            if block.records.is_empty() {
                continue;
            }
            return Ok(Some((block, self.columns.as_ref().map(|columns| columns.names().to_vec()))));
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
