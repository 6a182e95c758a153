//! The arguments, as clap reads them.

use std::{io::IsTerminal as _, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pipectl_data::units::Duration;
use pipectl_host::Host;

use crate::{dead_letter_limit::DeadLetterLimit, state::State};

const EXIT_CODES: &str = "\
Exit codes:
  0    fine; also a run that was told to stop and drained
  1    the spec or the arguments are wrong
  2    the answer is \"different\"
  3    the run failed, or could not drain in time
  4    an outside system is unreachable or refuses
  130  interrupted before it could drain

Environment:
  PIPECTL_LOG            log level: error, warn, info, debug, trace, or a filter (pipectl_runtime=debug)
  PIPECTL_SECRET_NAME    value of ${secret:NAME}
  PIPECTL_SECRETS_DIR    a folder with a file NAME for each ${secret:NAME}
  NO_COLOR               no colours";

/// Streaming pipelines from one YAML spec: checked, drawn, simulated and run.
#[derive(Debug, Parser)]
#[command(name = "pipectl", version, about = "Streaming pipelines from one YAML spec: checked, drawn, simulated and run", after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// How log lines look
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

    /// Whether standard output gets colours.
    pub(crate) fn color_on_stdout(&self) -> bool {
        self.color(std::io::stdout().is_terminal())
    }

    /// Whether standard error gets colours.
    pub(crate) fn color_on_stderr(&self) -> bool {
        self.color(std::io::stderr().is_terminal())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a pipeline to start from
    #[command(
        after_help = "Examples:\n  pipectl init\n  pipectl init server-logs --template server-logs\n  pipectl init --list"
    )]
    Init(InitArguments),
    /// Check specs; touches no network and no data
    #[command(
        after_help = "Examples:\n  pipectl validate pipeline.yaml\n  pipectl validate pipelines/ --env prod.yaml\n  pipectl validate pipeline.yaml --format github     # annotations in a workflow"
    )]
    Validate(ValidateArguments),
    /// Draw the graph of a pipeline
    #[command(
        after_help = "Examples:\n  pipectl graph pipeline.yaml\n  pipectl graph pipeline.yaml --format svg > pipeline.svg"
    )]
    Graph(GraphArguments),
    /// Print the JSON Schema of specs, for editors
    #[command(
        after_help = "Example:\n  pipectl schema > pipeline.schema.json\n\nThen name it in a spec's first line:\n  # yaml-language-server: $schema=pipeline.schema.json"
    )]
    Schema,
    /// Print the schema of sample records
    #[command(
        after_help = "Examples:\n  pipectl infer events.jsonl\n  pipectl infer readings.csv --delimiter ';'\n  zcat events.jsonl.gz | pipectl infer -\n  pipectl infer --stream orders --env prod.yaml"
    )]
    Infer(InferArguments),
    /// Tell more about an error code
    #[command(after_help = "Examples:\n  pipectl explain PC0102\n  pipectl explain            # all codes")]
    Explain(ExplainArguments),
    /// Run on the in-memory backend in virtual time; writes nothing outside
    #[command(
        name = "dry-run",
        after_help = "Examples:\n  pipectl dry-run pipeline.yaml\n  pipectl dry-run pipeline.yaml --until 1d\n  pipectl dry-run pipeline.yaml --input sensors=samples.jsonl --records 1000"
    )]
    DryRun(DryRunArguments),
    /// Run a pipeline until its sources end or you stop it
    #[command(
        after_help = "Examples:\n  pipectl apply pipeline.yaml\n  pipectl apply pipeline.yaml --env prod.yaml\n  pipectl apply pipeline.yaml --fresh --replace-output     # start over\n\nCtrl-C or SIGTERM stops it: sources read no more, what is in flight is written, a checkpoint is taken, and the next apply goes on from there. A second Ctrl-C ends it at once; then too nothing is lost."
    )]
    Apply(ApplyArguments),
    /// Run the same input in several Environments and tell whether the results are the same
    #[command(
        after_help = "Examples:\n  pipectl compare pipeline.yaml --backends memory,kafka\n  pipectl compare pipeline.yaml --envs staging.yaml,prod.yaml --records 10000\n  pipectl compare pipelines/ --backends memory,kafka,kinesis,pubsub,eventhubs --format markdown >> $GITHUB_STEP_SUMMARY\n\nThe first is the reference. Every run has streams of its own, which are removed afterwards; nothing is written to the sinks. Windows stay open until the input ends, so that the order in which a backlog is read plays no part; --lateness judges with late records. Exits with 2 if a result differs."
    )]
    Compare(CompareArguments),
    /// Look at and write to streams by hand, on any backend
    #[command(
        subcommand,
        after_help = "Examples:\n  pipectl stream ls --env prod.yaml\n  pipectl stream describe orders --env prod.yaml\n  pipectl stream read orders --env prod.yaml --from 2026-01-31T12:00:00Z --limit 100\n  echo '{\"id\":1}' | pipectl stream put orders --env prod.yaml --key 1"
    )]
    Stream(StreamCommand),
    /// Reach every outside part of an Environment and say what to mend
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
    /// The Environment: a file that holds it, or its name where the specs hold several
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Name of the pipeline, and of the file unless --output is given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What to start from (see --list)
    #[arg(long, default_value = "sensor-lab")]
    pub(crate) template: String,
    /// Where to write
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
    /// How to show problems
    #[arg(long, value_enum, default_value_t = DiagnosticFormat::Text)]
    pub(crate) format: DiagnosticFormat,
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
    /// How to draw
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
    /// JSON lines, or CSV with a header (.csv, .tsv), whole or compressed (gz, zst), or - for standard input
    #[arg(required_unless_present = "stream")]
    pub(crate) file: Option<PathBuf>,
    /// How the records are written: by the file's ending if not given, otherwise JSON lines
    #[arg(long, value_enum, conflicts_with = "stream")]
    pub(crate) format: Option<SampleFormat>,
    /// The character between two values of CSV: a comma, or a tab for .tsv, if not given
    #[arg(long, conflicts_with = "stream", value_name = "CHARACTER")]
    pub(crate) delimiter: Option<String>,
    /// A stream instead, with --env or --backend: its oldest records
    #[arg(long, conflicts_with = "file", value_name = "NAME")]
    pub(crate) stream: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// How many records to look at
    #[arg(long, default_value_t = 10_000, allow_negative_numbers = true)]
    pub(crate) records: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A code such as PC0102, or its name; a function, a kind or an option: `hop`, `object_store`, `object_store.prefix`.
    /// All codes are listed without one
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
    /// Read the records of a source, or of a stream that others write, from a file
    #[arg(long, value_name = "NODE=FILE")]
    pub(crate) input: Vec<String>,
    /// End each source after so many records
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub(crate) records: Option<u64>,
    /// End after so much virtual time; 1m where a source has no end of its own and --records is not given
    #[arg(long, value_name = "DURATION")]
    pub(crate) until: Option<Duration>,
    /// Exit with 3 when the run ends with more dead letters than this: a number, or a share of the records read
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_dead_letters: Option<DeadLetterLimit>,
    /// Seed of the random number generator
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many rows of each sink to show
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rows: usize,
    /// How to show the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Forget positions and state and start over: everything is read and written again
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Where nothing is resumed from: let new output take the place of what earlier runs have left, which is listed first and removed with the first checkpoint
    #[arg(long, conflicts_with = "keep_output")]
    pub(crate) replace_output: bool,
    /// Where nothing is resumed from: leave what earlier runs have left and write beside it or after it
    #[arg(long)]
    pub(crate) keep_output: bool,
    /// Bring streams that are there to what the specs say (partitions, retention, encryption); `existing` ones stay as they are
    #[arg(long)]
    pub(crate) update_streams: bool,
    /// While another process runs what only one may, wait for its end and take over; share the rest with it at once
    #[arg(long, conflicts_with = "fresh")]
    pub(crate) standby: bool,
    /// Where checkpoints are kept: a folder, or s3://, az:// or gs:// with a bucket and a path
    #[arg(long, value_name = "DIR|URL", default_value = ".pipectl")]
    pub(crate) state: State,
    /// How long the run may take to drain after it was told to stop
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) drain_timeout: Duration,
    /// Exit with 3 when the run ends with more dead letters than this: a number, or a share of the records read
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_dead_letters: Option<DeadLetterLimit>,
    /// How many threads to use; one for each core by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to show the summary; json goes to standard output
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
    /// Environments: files, or names where the specs hold several; the first is the reference
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',', conflicts_with = "backends")]
    pub(crate) envs: Vec<String>,
    /// Instead, backends with their defaults: memory, kafka, kinesis, pubsub, eventhubs; the first is the reference
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) backends: Vec<String>,
    /// Read the records of a source, or of a stream that others write, from a file
    #[arg(long, value_name = "NODE=FILE")]
    pub(crate) input: Vec<String>,
    /// End each source after so many records
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = one_or_more)]
    pub(crate) records: Option<u64>,
    /// End each source after so much time
    #[arg(long, value_name = "DURATION")]
    pub(crate) until: Option<Duration>,
    /// How far numbers with a fraction may differ: absolutely up to 1, relatively above
    #[arg(long, default_value_t = 1e-9, value_name = "NUMBER", allow_negative_numbers = true, value_parser = tolerance)]
    pub(crate) tolerance: f64,
    /// Judge the order of records for each value of this column, also where no stream promises one
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Close windows as the watermark says, late records included in the judgement
    #[arg(long)]
    pub(crate) lateness: bool,
    /// How many differing rows of each sink to show
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rows: usize,
    /// How to show the result
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
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if number >= 0.0 && number.is_finite() { Ok(number) } else { Err("it must be 0 or more".to_owned()) }
}

/// Which Environment, and which of its backends.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The Environment: a file that holds it
    #[arg(long, value_name = "FILE")]
    pub(crate) env: Option<String>,
    /// One of the Environment's backends by name; without --env a kind of backend with its defaults
    #[arg(long, value_name = "NAME|KIND")]
    pub(crate) backend: Option<String>,
    /// How long to wait for each answer of a backend; then the exit code is 4
    #[arg(long, value_name = "DURATION", default_value = "20s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// List the streams of a backend
    Ls(Where),
    /// Show a stream: partitions, positions, settings
    #[command(
        after_help = "A pipeline reads a stream as the consumer group pipectl.PIPELINE.ENVIRONMENT.STREAM, which `apply` names when it starts.\n\nExample:\n  pipectl stream describe orders --env prod.yaml --group pipectl.shop.prod.orders"
    )]
    Describe(DescribeArguments),
    /// Print records; leaves no trace
    Read(ReadArguments),
    /// Write the lines of standard input as records; blank lines are skipped
    Put(PutArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The stream, as the Environment or the backend calls it
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Show how far this consumer group is behind: pipectl.PIPELINE.ENVIRONMENT.STREAM for a pipeline
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// Partition and position, arrival time, key, payload
    Text,
    /// One object a record, headers included
    Json,
    /// The payload alone
    Payload,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    /// The stream, as the Environment or the backend calls it
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Where to begin: earliest, latest, a timestamp, or with --partition a position
    #[arg(long, default_value = "earliest")]
    pub(crate) from: String,
    /// Only this partition
    #[arg(long, value_name = "N")]
    pub(crate) partition: Option<u32>,
    /// How many records at most
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) limit: u64,
    /// Wait for more when all is read
    #[arg(long)]
    pub(crate) follow: bool,
    /// How to show records
    #[arg(long, value_enum, default_value_t = RecordFormat::Text)]
    pub(crate) format: RecordFormat,
}

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// The stream, as the Environment or the backend calls it
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The key of all records, as UTF-8
    #[arg(long, conflicts_with = "key_field")]
    pub(crate) key: Option<String>,
    /// The field of each record that holds its key; a line without one ends it with 1, and nothing from that line on is written
    #[arg(long, value_name = "FIELD")]
    pub(crate) key_field: Option<String>,
    /// Write a line without the --key-field too, as a record without a key
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
    /// Where checkpoints are kept, to look at that too: a small object or file is written there and removed
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) state: Option<State>,
    /// How to show what was found
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
