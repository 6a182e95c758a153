//! Sink `stdout`: records for the next program of a pipe, or for a person.

use std::io::{self, Write};

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Parallelism, Rejection, Sink, SinkContext, SinkFacts, SinkWriter,
};
use pipectl_data::Batch;
use pipectl_diag::Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{Formatter, SinkFormat};
use crate::{in_use::InUse, worker::Worker};

/// Prints each record on a line of standard output.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutOptions {
    /// The format of the records. Default: `json`.
    #[serde(default)]
    pub format: SinkFormat,
}

/// The sink `stdout`: at least once, since what was written cannot be taken back.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdoutSink;

#[async_trait]
impl Sink for StdoutSink {
    type Options = StdoutOptions;
    /// There is one standard output only.
    type Binding = ();
    const KIND: &'static str = "stdout";

    fn check(&self, options: &StdoutOptions, _binding: &(), _node: NodeContext<'_>) -> Checked<SinkFacts> {
        Checked::ok(SinkFacts {
            needs: Vec::new(),
            needs_event_time: None,
            takes_payload: options.format.is_json(),
            exclusive: vec![("standard output".to_owned(), Path::here())],
            writes: Vec::new(),
            parallelism: Parallelism::Single,
            idempotent: false,
            shareable: true,
        })
    }

    async fn open(
        &self,
        options: StdoutOptions,
        _binding: (),
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let in_use = redirected(&io::stdout(), &context.node)?;
        Ok(Box::new(Writer { _in_use: in_use, ..Writer::new(Box::new(io::stdout()), options.format, context) }))
    }

    fn describe(&self, _: &StdoutOptions, (): &(), _output: &str, _node: &str) -> String {
        "standard output".to_owned()
    }
}

/// Keeps sources from reading the file that standard output is redirected to, if it is.
#[cfg(unix)]
fn redirected(out: &impl std::os::fd::AsFd, node: &str) -> Result<Option<InUse>, ConnectorError> {
    let metadata = out.as_fd().try_clone_to_owned().and_then(|out| std::fs::File::from(out).metadata());
    // A closed one is for the first write to report.
    let Ok(metadata) = metadata else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    InUse::print(crate::file_id::of_metadata(std::path::Path::new(""), &metadata), node).map(Some)
}

/// Elsewhere a file has no number that would show that it is the same.
#[cfg(not(unix))]
fn redirected(_out: &io::Stdout, _node: &str) -> Result<Option<InUse>, ConnectorError> {
    Ok(None)
}

struct Writer {
    formatter: Formatter,
    out: Worker<Box<dyn Write + Send>, io::Result<()>>,
    /// Whether the header is still to come.
    fresh: bool,
    /// Keeps sources from reading what is written.
    _in_use: Option<InUse>,
}

impl Writer {
    fn new(out: Box<dyn Write + Send>, format: SinkFormat, context: SinkContext) -> Self {
        let formatter = Formatter::new(format, &context);
        Self { formatter, out: Worker::new(context.host, out), fresh: context.restored.is_none(), _in_use: None }
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.out.settle().await.transpose().map_err(failed)?;
        let mut bytes = Vec::new();
        if self.fresh {
            self.formatter.header(&mut bytes);
        }
        let rejections = self.formatter.write(batch, &mut bytes)?;
        let written = self.out.run(move |out| out.write_all(&bytes).and_then(|()| out.flush())).await?;
        written.map_err(failed)?;
        self.fresh = false;
        Ok(rejections)
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

fn failed(error: io::Error) -> ConnectorError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ConnectorError {
            kind: ErrorKind::ReaderGone,
            message: "standard output was closed by the program that read it".to_owned(),
            retry_after: None,
            source: Some(Box::new(error)),
        },
        // A part of a line may be there: writing it again would not do, unlike in a file that can be cut.
        io::ErrorKind::StorageFull => {
            ConnectorError { kind: ErrorKind::Internal, ..ConnectorError::io("write to standard output", error) }
        }
        _ => ConnectorError::io("write to standard output", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::file::tests::{context, rows};

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_a_clean_error() {
        pipectl_host::run(Some(1), async {
            let folder = tempfile::tempdir().expect("folder");
            let mut writer = Writer::new(Box::new(Closed), SinkFormat::Csv, context(folder.path(), None));
            let error = writer.write(&rows(0..3)).await.expect_err("closed");
            assert!(!error.is_retryable());
            assert!(error.message.contains("closed"), "{error}");
        })
        .expect("runs");
    }

    #[cfg(unix)]
    #[test]
    fn a_redirection_into_a_file_that_is_read_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("out.log");
        let file = std::fs::File::create(&path).expect("a file");
        let id = crate::file_id::of(&path).expect("a file");
        let reading = InUse::read(id, "out.log", "r").expect("free");
        let error = redirected(&file, "out").expect_err("read");
        assert!(error.message.contains("standard output, to which sink `out` writes"), "{error}");
        drop(reading);
        let writing = redirected(&file, "out").expect("free").expect("a file");
        assert!(InUse::read(id, "out.log", "r").is_err());
        drop(writing);
        InUse::read(id, "out.log", "r").expect("free");
        let (_reader, pipe) = io::pipe().expect("a pipe");
        assert!(redirected(&pipe, "out").expect("a pipe is no file").is_none());
    }
}
