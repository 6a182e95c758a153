//! Source `tail`: follows files while others write and rotate them.

use std::collections::VecDeque;

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Read, Source, SourceContext, SourceFacts, SourceReader,
};
use pipectl_data::{
    Batch, Micros, PayloadFormat,
    units::{Duration, Size},
};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION};
use pipectl_host::Host;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    blocks::Block,
    file::check_pattern,
    follow::{Follow, Pass, Problem, ResumePoint},
    glob::Pattern,
    input::{Format, Layout, Meaning, OnError, OneOrMany, Oversize, Shape},
    worker::Worker,
};

/// Where to begin with the files that are there at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StartFrom {
    /// From the beginning of the existing content.
    #[default]
    Start,
    /// From the current end: only new content is read.
    End,
}

/// Follows files that other programs append to, such as logs. Handles rotation, truncation and restarts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TailOptions {
    /// The files to follow: one path or several. A path may contain the glob patterns `*`, `?`, `[…]`, `{…}` and `**`.
    /// The files need not exist yet. Compressed files are ignored. If logs are rotated by copying and truncating, the
    /// pattern must not match the copies, because they would be read as new files.
    #[schemars(example = &"/var/log/nginx/access.log", extend("x-former-name" = "paths"))]
    pub path: Option<OneOrMany>,

    /// Where reading begins at the first start. Files that appear later are read from their beginning.
    #[serde(default)]
    pub from: StartFrom,

    /// The format of the records. Default: `text`. CSV must have no header: its columns are those of the schema, in its
    /// order.
    pub format: Option<Format>,

    /// The character between the fields of CSV. Default: a comma.
    #[schemars(example = &";")]
    pub delimiter: Option<String>,

    /// How often to check for new lines and new files. Default: `500ms`.
    #[serde(default = "default_poll")]
    pub poll: Duration,

    /// Ends the run when everything is read and no new data arrives for this long. Without it, the source follows the
    /// files until you stop the run.
    #[schemars(example = &"3s")]
    pub until_idle: Option<Duration>,

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

    /// How to handle a file or folder that cannot be read. `skip` (the default) logs a warning, follows the other
    /// files, and retries every few seconds. `dead_letter` does the same and writes a dead letter with the name and the
    /// reason. `fail` ends the run with an error.
    pub on_error: Option<OnError>,
}

fn default_poll() -> Duration {
    Duration::from_millis(500)
}

impl TailOptions {
    fn meaning(&self, diagnostics: &mut Diagnostics) -> Meaning {
        let given = self.path.as_ref();
        let place = given.map_or_else(Path::here, |_| Path::keys(["path"]));
        let entries = given.map(|given| given.entries(&place)).unwrap_or_default();
        if entries.is_empty() {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`path` names no file")
                    .at(&place, "")
                    .help("write a path or a pattern, as in `path: /var/log/app/*.log`"),
            );
        }
        for (path, place) in entries {
            check_pattern(path, &place, diagnostics);
        }
        if !(10_000..=3_600_000_000).contains(&self.poll.micros()) {
            diagnostics.push(
                Diagnostic::error(INVALID_OPTION, "`poll` must be between 10ms and 1h")
                    .at(&Path::keys(["poll"]), "")
                    .help("write `poll: 500ms`, or leave it out"),
            );
        }
        let shape = Shape {
            format: Some(self.format.unwrap_or(Format::Text)),
            delimiter: self.delimiter.as_deref(),
            header: None,
            max_record: self.max_record,
            on_oversize: self.on_oversize,
            encoding: self.encoding.as_deref(),
            layout: Layout::Lines,
            null: self.null.as_ref(),
        };
        Meaning { header: false, ..shape.meaning(None, diagnostics) }
    }
}

/// The source `tail`: one reader. Its position names each followed file by device, inode and the fingerprint of its
/// first bytes, so that a restart finds a file again that was renamed meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub struct TailSource;

#[async_trait]
impl Source for TailSource {
    type Options = TailOptions;
    const KIND: &'static str = "tail";

    fn check(&self, options: &TailOptions, _node: NodeContext<'_>) -> Checked<SourceFacts> {
        let mut diagnostics = Diagnostics::new();
        let meaning = options.meaning(&mut diagnostics);
        let reads = options.path.as_ref().map(|given| given.files(&Path::keys(["path"]))).unwrap_or_default();
        Checked::new(meaning.facts(options.until_idle.is_some(), reads), diagnostics)
    }

    async fn open(
        &self,
        options: TailOptions,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        Ok(vec![Box::new(Reader::new(&options, context)?)])
    }
}

/// Where reading goes on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Position {
    /// Records delivered.
    record: i64,
    /// The followed files.
    files: Vec<ResumePoint>,
}

struct Reader {
    host: Host,
    node: String,
    on_error: OnError,
    payload: PayloadFormat,
    worker: Worker<Follow, Result<Pass, ConnectorError>>,
    delivered: Position,
    poll: Micros,
    until_idle: Option<Micros>,
    /// When to look for files again.
    next_scan: Micros,
    /// Since when nothing has come.
    idle_since: Option<Micros>,
    /// Whether a poll was waited for since the last answer.
    waited: bool,
    /// What is to become dead letters.
    rejected: VecDeque<Problem>,
}

impl Reader {
    fn new(options: &TailOptions, context: SourceContext) -> Result<Self, ConnectorError> {
        let meaning = options.meaning(&mut Diagnostics::new());
        let patterns = options.path.as_ref().map(OneOrMany::values).unwrap_or_default();
        let patterns = patterns.iter().map(|pattern| Pattern::new(pattern, &context.directory));
        let patterns = patterns
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ConnectorError::new(ErrorKind::Invalid, error.to_string()))?;
        let restored: Option<Position> =
            context.positions.into_iter().next().map(serde_json::from_value).transpose().map_err(|error| {
                ConnectorError::new(
                    ErrorKind::Invalid,
                    format!("the checkpoint's position in the files cannot be read: {error}"),
                )
            })?;
        let from_end = restored.is_none() && options.from == StartFrom::End;
        let delivered = restored.unwrap_or_default();
        let follow = Follow::new(patterns, meaning.cut.clone(), from_end, delivered.files.clone(), &context.node);
        Ok(Self {
            payload: meaning.payload(),
            worker: Worker::new(context.host.clone(), follow),
            next_scan: context.host.now(),
            host: context.host,
            node: context.node,
            on_error: options.on_error.unwrap_or(OnError::Skip),
            delivered,
            poll: options.poll.micros(),
            until_idle: options.until_idle.map(Duration::micros),
            idle_since: None,
            waited: false,
            rejected: VecDeque::new(),
        })
    }

    /// A file that cannot be read as a dead letter.
    fn reject(&mut self, problem: Problem) -> Result<Batch, ConnectorError> {
        let first = self.delivered.record;
        self.delivered.record += 1;
        let name = problem.path.to_string_lossy().into_owned();
        Block::rejected(&name, problem.message).into_batch(first, self.host.now(), self.payload, None)
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        loop {
            if let Some(problem) = self.rejected.pop_front() {
                return Ok(Read::Records(self.reject(problem)?));
            }
            let now = self.host.now();
            let scan = now >= self.next_scan;
            if scan {
                self.next_scan = now + self.poll;
            }
            let idle = self.idle_since.map_or(0, |since| now - since);
            let finish = self.until_idle.is_some_and(|limit| idle >= limit);
            let pass = self.worker.run(move |follow| follow.pass(now, scan, finish)).await??;
            if let Some(files) = pass.places {
                self.delivered.files = files;
            }
            for problem in pass.problems {
                match self.on_error {
                    OnError::Fail => return Err(problem.into_error()),
                    OnError::DeadLetter => self.rejected.push_back(problem),
                    OnError::Skip => {
                        tracing::warn!(node = %self.node, "{}; the other files are read, and this one is retried", problem.message);
                    }
                }
            }
            if let Some(block) = pass.block {
                self.idle_since = None;
                self.waited = false;
                let first = self.delivered.record;
                self.delivered.record += block.records.len() as i64;
                return Ok(Read::Records(block.into_batch(first, self.host.now(), self.payload, None)?));
            }
            if let Some(problem) = self.rejected.pop_front() {
                return Ok(Read::Records(self.reject(problem)?));
            }
            if pass.finished {
                for problem in pass.unreadable {
                    tracing::warn!(node = %self.node, "ended without a file: {}", problem.message);
                }
                return Ok(Read::End);
            }
            self.idle_since.get_or_insert(now);
            if std::mem::take(&mut self.waited) {
                return Ok(Read::Quiet);
            }
            self.host.sleep_until(self.next_scan).await;
            self.waited = true;
        }
    }

    fn position(&self) -> Value {
        serde_json::to_value(&self.delivered).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
