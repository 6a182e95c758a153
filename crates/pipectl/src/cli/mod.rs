//! The arguments, as clap reads them.

use std::{io::IsTerminal as _, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pipectl_data::units::Duration;
use pipectl_host::Host;

use crate::{dead_letter_limit::DeadLetterLimit, metrics_address, state::State};

const EXIT_CODES: &str = "\
Exit codes:
  0    success; also a run that you stopped and that drained in time
  1    the spec or the arguments are wrong, or output of earlier runs exists
  2    the results differ (compare), or a file is not formatted (fmt --check)
  3    the run failed, could not drain in time, or has too many dead letters
  4    an external system is unreachable or refuses, or another process runs the pipeline
  130  interrupted before the run could drain

Environment:
  PIPECTL_LOG            log level: error, warn, info, debug, trace, or a filter (pipectl_runtime=debug)
  PIPECTL_SECRET_NAME    value of ${secret:NAME}
  PIPECTL_SECRETS_DIR    a folder with a file NAME for each ${secret:NAME}
  NO_COLOR               no colors";

/// Validate, draw, simulate and run streaming pipelines from one YAML spec.
#[derive(Debug, Parser)]
#[command(name = "pipectl", version, about = "Validate, draw, simulate and run streaming pipelines from one YAML spec", after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// The format of log lines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Global {
    fn color(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && Host::real().variable("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// Whether standard output gets colors.
    pub(crate) fn color_on_stdout(&self) -> bool {
        self.color(std::io::stdout().is_terminal())
    }

    /// Whether standard error gets colors.
    pub(crate) fn color_on_stderr(&self) -> bool {
        self.color(std::io::stderr().is_terminal())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a pipeline from a template
    #[command(
        after_help = "Examples:\n  pipectl init\n  pipectl init server-logs --template server-logs\n  pipectl init --list"
    )]
    Init(InitArguments),
    /// Check specs, without network access and without data
    #[command(
        after_help = "Examples:\n  pipectl validate pipeline.yaml\n  pipectl validate pipelines/ --env prod.yaml\n  pipectl validate pipeline.yaml --format github     # annotations in a workflow"
    )]
    Validate(ValidateArguments),
    /// Format specs; comments and order do not change
    #[command(
        after_help = "Examples:\n  pipectl fmt pipeline.yaml\n  pipectl fmt --check pipelines/     # in CI: exits with 2 if a file would change\n  pipectl fmt - < pipeline.yaml"
    )]
    Fmt(FmtArguments),
    /// Draw the graph of a pipeline
    #[command(
        after_help = "Examples:\n  pipectl graph pipeline.yaml\n  pipectl graph pipeline.yaml --format svg > pipeline.svg"
    )]
    Graph(GraphArguments),
    /// Print the JSON Schema of specs, for editors
    #[command(
        after_help = "Example:\n  pipectl schema > pipeline.schema.json\n\nThen refer to it in the first line of a spec:\n  # yaml-language-server: $schema=pipeline.schema.json"
    )]
    Schema,
    /// Print the schema of sample records
    #[command(
        after_help = "Examples:\n  pipectl infer events.jsonl\n  pipectl infer readings.csv --delimiter ';'\n  zcat events.jsonl.gz | pipectl infer -\n  pipectl infer --stream orders --env prod.yaml"
    )]
    Infer(InferArguments),
    /// Explain an error code, kind, function or option
    #[command(after_help = "Examples:\n  pipectl explain PC0102\n  pipectl explain            # all codes")]
    Explain(ExplainArguments),
    /// Run on the in-memory backend in virtual time; writes nothing to external systems
    #[command(
        name = "dry-run",
        after_help = "Examples:\n  pipectl dry-run pipeline.yaml\n  pipectl dry-run pipeline.yaml --until 1d\n  pipectl dry-run pipeline.yaml --input sensors=samples.jsonl --records 1000"
    )]
    DryRun(DryRunArguments),
    /// Run a pipeline until its sources end or you stop it
    #[command(
        after_help = "Examples:\n  pipectl apply pipeline.yaml\n  pipectl apply pipeline.yaml --env prod.yaml\n  pipectl apply pipeline.yaml --fresh --replace-output     # start over\n\nCtrl-C or SIGTERM stops the run: sources stop reading, records in flight are written, a checkpoint is taken, and the next apply continues from there. A second Ctrl-C stops the run at once, also without data loss."
    )]
    Apply(ApplyArguments),
    /// Run the same input in several Environments and compare the results
    #[command(
        after_help = "Examples:\n  pipectl compare pipeline.yaml --backends memory,kafka\n  pipectl compare pipeline.yaml --envs staging.yaml,prod.yaml --records 10000\n  pipectl compare pipelines/ --backends memory,kafka,kinesis,pubsub,eventhubs --format markdown >> $GITHUB_STEP_SUMMARY\n\nThe first Environment or backend is the reference. Every run has its own streams, which are removed afterwards; nothing is written to the sinks. Windows stay open until the input ends, so that the order in which a backlog is read does not affect the result. With --lateness, late records are part of the result. Exits with 2 if a result differs."
    )]
    Compare(CompareArguments),
    /// List, describe, read and write streams on any backend
    #[command(
        subcommand,
        after_help = "Examples:\n  pipectl stream ls --env prod.yaml\n  pipectl stream describe orders --env prod.yaml\n  pipectl stream read orders --env prod.yaml --from 2026-01-31T12:00:00Z --limit 100\n  echo '{\"id\":1}' | pipectl stream put orders --env prod.yaml --key 1"
    )]
    Stream(StreamCommand),
    /// Check the external systems of an Environment and suggest fixes
    #[command(after_help = "Examples:\n  pipectl doctor --env prod.yaml\n  pipectl doctor --backend kafka")]
    Doctor(DoctorArguments),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  pipectl completions bash > /etc/bash_completion.d/pipectl")]
    Completions(CompletionsArguments),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Specs: files, folders (their .yaml and .yml files), or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The Environment: its file, or its name if the specs contain several
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Name of the pipeline, and of the file unless --output is given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The template (see --list)
    #[arg(long, default_value = "sensor-lab")]
    pub(crate) template: String,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) force: bool,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagnosticFormat {
    Text,
    Json,
    Sarif,
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The format of the problems
    #[arg(long, value_enum, default_value_t = DiagnosticFormat::Text)]
    pub(crate) format: DiagnosticFormat,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArguments {
    /// Specs: files, folders (their .yaml and .yml files), or - to read standard input and write to standard output
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; list the files that would change, and exit with 2 if there are any
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Text,
    Mermaid,
    Dot,
    Svg,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArguments {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The format of the graph
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub(crate) format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleFormat {
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct InferArguments {
    /// JSON, or CSV with a header (.csv, .tsv), plain or compressed (gz, zst), or - for JSON lines or CSV on standard
    /// input
    #[arg(required_unless_present = "stream")]
    pub(crate) file: Option<PathBuf>,
    /// The format of the records; by default from the file extension, otherwise JSON lines
    #[arg(long, value_enum, conflicts_with = "stream")]
    pub(crate) format: Option<SampleFormat>,
    /// The delimiter of CSV; by default a comma, or a tab for .tsv
    #[arg(long, conflicts_with = "stream", value_name = "CHARACTER")]
    pub(crate) delimiter: Option<String>,
    /// Read the oldest records of this stream instead of a file; needs --env or --backend
    #[arg(long, conflicts_with = "file", value_name = "NAME")]
    pub(crate) stream: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The number of records to read
    #[arg(long, default_value_t = 10_000, allow_negative_numbers = true)]
    pub(crate) records: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A code such as PC0102 or its name, or a function, kind or option such as `hop`, `object_store` or
    /// `object_store.prefix`; without it, list all codes
    pub(crate) code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DryRunArguments {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Read the records of a source, or of a stream that other programs write, from a file
    #[arg(long, value_name = "NODE=FILE")]
    pub(crate) input: Vec<String>,
    /// End each source after this number of records
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub(crate) records: Option<u64>,
    /// End after this much virtual time; by default 1m if a source never ends and --records is not given
    #[arg(long, value_name = "DURATION")]
    pub(crate) until: Option<Duration>,
    /// Exit with 3 if the run ends with more dead letters than this: a number, or a percentage of the records read
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_dead_letters: Option<DeadLetterLimit>,
    /// Seed of the random number generator
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The number of rows to show for each sink
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rows: usize,
    /// The format of the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Discard positions and state and start over: all records are read and written again
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Where a sink has nothing in a checkpoint to resume from: replace the output of earlier runs, which is listed first and
    /// removed with the first checkpoint
    #[arg(long, conflicts_with = "keep_output")]
    pub(crate) replace_output: bool,
    /// Where a sink has nothing in a checkpoint to resume from: keep the output of earlier runs and write next to it or append
    /// to it
    #[arg(long)]
    pub(crate) keep_output: bool,
    /// Forget the state of a node that is no longer in the spec, and keep the rest; can be repeated. With several pipelines,
    /// write PIPELINE/NODE
    #[arg(long, value_name = "NODE", conflicts_with = "fresh")]
    pub(crate) drop: Vec<String>,
    /// Empty the state of a node that no longer fits the spec, and keep the rest; can be repeated. With several pipelines,
    /// write PIPELINE/NODE
    #[arg(long, value_name = "NODE", conflicts_with = "fresh")]
    pub(crate) reset: Vec<String>,
    /// Update existing streams to match the specs (partitions, retention, encryption), except those marked `existing`
    #[arg(long)]
    pub(crate) update_streams: bool,
    /// Wait for the process that owns a region to end, then take over; regions that processes can share run at once
    #[arg(long, conflicts_with = "fresh")]
    pub(crate) standby: bool,
    /// Where to keep checkpoints: a folder, or s3://, az:// or gs:// with a bucket and a path
    #[arg(long, value_name = "DIR|URL", default_value = ".pipectl")]
    pub(crate) state: State,
    /// How long the run may take to drain after you stop it
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) drain_timeout: Duration,
    /// Exit with 3 if the run ends with more dead letters than this: a number, or a percentage of the records read
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_dead_letters: Option<DeadLetterLimit>,
    /// Serve metrics for Prometheus at `http://ADDR/metrics` while the run lasts; port 0 takes a free port
    #[arg(long, value_name = "ADDR", value_parser = metrics_address::address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// The number of threads; by default one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// The format of the summary; json goes to standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    Text,
    Json,
    Junit,
    Markdown,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Specs: files, folders (their .yaml and .yml files), or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Environments: files, or names if the specs contain several; the first is the reference
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',', conflicts_with = "backends")]
    pub(crate) envs: Vec<String>,
    /// Backends with their defaults instead of Environments: memory, kafka, kinesis, pubsub, eventhubs; the first is
    /// the reference
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) backends: Vec<String>,
    /// Read the records of a source, or of a stream that other programs write, from a file
    #[arg(long, value_name = "NODE=FILE")]
    pub(crate) input: Vec<String>,
    /// End each source after this number of records
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = one_or_more)]
    pub(crate) records: Option<u64>,
    /// End each source after this much time
    #[arg(long, value_name = "DURATION")]
    pub(crate) until: Option<Duration>,
    /// The maximum difference of floating-point numbers: absolute up to 1, relative above
    #[arg(long, default_value_t = 1e-9, value_name = "NUMBER", allow_negative_numbers = true, value_parser = tolerance)]
    pub(crate) tolerance: f64,
    /// Compare the order of records for each value of this column, even if no stream guarantees an order
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Close windows by the watermark, and compare late records too
    #[arg(long)]
    pub(crate) lateness: bool,
    /// The number of differing rows to show for each sink
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rows: usize,
    /// The format of the result
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub(crate) format: CompareFormat,
}

/// How many, none included.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it must be a whole number of 0 or more".to_owned())
}

/// How many, where none would be no work at all.
fn one_or_more(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be a whole number of 1 or more".to_owned())
}

/// A number that two values can be apart by.
fn tolerance(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it must be a number".to_owned())?;
    if number >= 0.0 && number.is_finite() { Ok(number) } else { Err("it must be 0 or more".to_owned()) }
}

/// Which Environment, and which of its backends.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The file of the Environment
    #[arg(long, value_name = "FILE")]
    pub(crate) env: Option<String>,
    /// The name of a backend of the Environment; without --env, a kind of backend with its defaults
    #[arg(long, value_name = "NAME|KIND")]
    pub(crate) backend: Option<String>,
    /// How long to wait for each response of a backend; after that, the exit code is 4
    #[arg(long, value_name = "DURATION", default_value = "20s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// List the streams of a backend
    Ls(Where),
    /// Show a stream: partitions, positions, settings
    #[command(
        after_help = "A pipeline reads a stream as the consumer group pipectl.PIPELINE.ENVIRONMENT.STREAM, which `apply` prints when it starts.\n\nExample:\n  pipectl stream describe orders --env prod.yaml --group pipectl.shop.prod.orders"
    )]
    Describe(DescribeArguments),
    /// Print records without changing any position
    Read(ReadArguments),
    /// Write the lines of standard input as records; skips blank lines
    Put(PutArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The name of the stream in the Environment or on the backend
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Show the lag of this consumer group; the group of a pipeline is pipectl.PIPELINE.ENVIRONMENT.STREAM
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// The format of the output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// Partition and position, arrival time, key, payload
    Text,
    /// One object per record, including headers
    Json,
    /// The payload only
    Payload,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    /// The name of the stream in the Environment or on the backend
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Where to begin: earliest, latest, a timestamp, or with --partition a position
    #[arg(long, default_value = "earliest")]
    pub(crate) from: String,
    /// Only this partition
    #[arg(long, value_name = "N")]
    pub(crate) partition: Option<u32>,
    /// The maximum number of records
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) limit: u64,
    /// Wait for new records at the end of the stream
    #[arg(long)]
    pub(crate) follow: bool,
    /// The format of the records
    #[arg(long, value_enum, default_value_t = RecordFormat::Text)]
    pub(crate) format: RecordFormat,
}

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// The name of the stream in the Environment or on the backend
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The key of all records, as UTF-8
    #[arg(long, conflicts_with = "key_field")]
    pub(crate) key: Option<String>,
    /// The field of each record that holds its key; the first line without it stops the command with exit code 1, and
    /// neither this line nor later ones are written
    #[arg(long, value_name = "FIELD")]
    pub(crate) key_field: Option<String>,
    /// Write lines without the --key-field too, as records without a key
    #[arg(long, requires = "key_field")]
    pub(crate) allow_missing_key: bool,
    /// A header of all records, where the backend carries headers
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) header: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) place: Where,
    /// Also check where checkpoints are kept; writes a small object or file there and removes it
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) state: Option<State>,
    /// The format of the findings
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
