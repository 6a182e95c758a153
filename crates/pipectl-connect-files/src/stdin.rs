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
    mark::Ends,
    worker::Worker,
};

/// Reads records from standard input until it ends. What was read cannot be read again, so a restart goes on with what
/// comes then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinOptions {
    /// How records are written; `json` if not given.
    pub format: Option<Format>,

    /// How JSON documents follow each other: `lines` (the default), `array` for the elements of an array, `concatenated` for
    /// documents one after another. The latter two may be written over several lines, and an array may be of any size.
    #[serde(default)]
    pub layout: Layout,

    /// The character between the fields of CSV; a comma if not given.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// Whether CSV starts with the names of its columns (the default). Without a header, the columns are the schema's,
    /// in its order.
    pub header: Option<bool>,

    /// How text is written, if it is not UTF-8: `latin1`, `windows-1252`, `utf-16`, `shift_jis`, and all other names that
    /// the web knows. A mark at the start that tells UTF-8 or UTF-16 is believed.
    #[schemars(example = &"latin1")]
    pub encoding: Option<String>,

    /// The longest record; 16MiB if not given. `on_oversize` says what becomes of a longer one.
    pub max_record: Option<Size>,

    /// What becomes of a record that is longer than `max_record`. `dead_letter` (the default) keeps its first bytes in a dead
    /// letter; `truncate` takes its first `max_record` bytes for the record; `fail` ends the run.
    #[serde(default)]
    pub on_oversize: Oversize,

    /// Texts in CSV that stand for null: one or several, as in `null: ["", NA]`. A text in quotes is never one of them. If not
    /// given, a value without any text is null unless its column is a string.
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
}

impl Reader {
    fn new(input: Box<dyn io::Read + Send>, meaning: Meaning, context: SourceContext) -> Self {
        let position = context.positions.first().and_then(|position| position.get("record")).and_then(Value::as_i64);
        let payload = meaning.payload();
        let input: Box<dyn io::Read + Send> = match meaning.cut.encoding {
            None => input,
            Some(encoding) => Box::new(Utf8::new(input, encoding)),
        };
        let input = Input {
            blocks: Blocks::new(input, meaning.cut.clone(), Ends::default(), true),
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
        // A pipe that gives nothing is read to its end for now.
        let next = tokio::select! {
            biased;
            next = self.worker.run(Input::next_block) => next,
            () = self.host.sleep(QUIET_AFTER) => return Ok(Read::Quiet),
        };
        let Some((block, fields)) = next?? else { return Ok(Read::End) };
        let first = self.record;
        self.record += block.records.len() as i64;
        Ok(Read::Records(block.into_batch(first, self.host.now(), self.payload, fields.as_deref())?))
    }

    fn position(&self) -> Value {
        json!({ "record": self.record })
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
                let first = block.records.remove(0);
                for (record, _) in &mut block.rejected {
                    *record = record.saturating_sub(1);
                }
                let header = block.bytes.get(first).unwrap_or_default();
                let columns = Columns::of_header(header, self.meaning.cut.delimiter, &self.schema, "standard input")?;
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
