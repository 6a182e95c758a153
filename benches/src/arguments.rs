//! What the person at the terminal wants.

use std::path::PathBuf;

use crate::passthrough::BACKENDS;

pub(crate) const HELP: &str = "\
cargo run --release -p pipectl-bench -- [run] [OPTIONS]    measure, check the results, print Markdown tables
cargo run --release -p pipectl-bench -- passthrough [OPTIONS]
                                                           stream to stream beside plain clients of the same SDKs
cargo run --release -p pipectl-bench -- generate [OPTIONS] only make the input, print its path

  --jobs j1,j2,raw           which jobs (default: all)
  --backends kafka,kinesis,pubsub,eventhubs
                             which backends pass records on (default: all)
  --records N                size of the input (default: 5000000, 599 MB; passing on: what each peer carries in seconds)
  --runs N                   runs of each system (default: 5)
  --peers duckdb,datafusion  batch engines to run beside (default: both; `none` for none)
  --binary FILE              a pipectl to measure instead of building this one
  --cache DIR                where inputs and outputs go (default: ~/.cache/pipectl/bench)
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Help,
    Generate,
    Run,
    Passthrough,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) verb: Verb,
    pub(crate) jobs: Vec<String>,
    pub(crate) backends: Vec<String>,
    /// Where the default is not to be used.
    pub(crate) records: Option<u64>,
    pub(crate) runs: usize,
    pub(crate) peers: Vec<String>,
    pub(crate) binary: Option<PathBuf>,
    /// Inputs and outputs.
    pub(crate) cache: PathBuf,
    /// Programs from package registries.
    pub(crate) tools: PathBuf,
}

const JOBS: &[&str] = &["j1", "j2", "raw"];
const PEERS: &[&str] = &["duckdb", "datafusion"];

impl Arguments {
    /// Reads the arguments after the program's name.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("pipectl");
        let mut arguments = Self {
            verb: Verb::Run,
            jobs: JOBS.iter().map(ToString::to_string).collect(),
            backends: BACKENDS.iter().map(ToString::to_string).collect(),
            records: None,
            runs: 5,
            peers: PEERS.iter().map(ToString::to_string).collect(),
            binary: None,
            cache: cache.join("bench"),
            tools: cache.join("tools"),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "run" => arguments.verb = Verb::Run,
                "passthrough" => arguments.verb = Verb::Passthrough,
                "generate" => arguments.verb = Verb::Generate,
                "help" | "--help" | "-h" => arguments.verb = Verb::Help,
                "--jobs" => arguments.jobs = several(&value()?, JOBS)?,
                "--backends" => arguments.backends = several(&value()?, BACKENDS)?,
                "--records" => arguments.records = Some(number(&value()?)?),
                "--runs" => arguments.runs = number(&value()?)? as usize,
                "--peers" => arguments.peers = several(&value()?, PEERS)?,
                "--binary" => arguments.binary = Some(PathBuf::from(value()?)),
                "--cache" => arguments.cache = PathBuf::from(value()?),
                _ => return Err(format!("`{word}` is not known; try --help")),
            }
        }
        Ok(arguments)
    }

    /// How many lines the input of the jobs has.
    pub(crate) fn lines(&self) -> u64 {
        self.records.unwrap_or(5_000_000)
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("`{word}` is not a number above 0"))
}

fn several(words: &str, known: &[&str]) -> Result<Vec<String>, String> {
    if words == "none" {
        return Ok(Vec::new());
    }
    match words.split(',').find(|word| !known.contains(word)) {
        Some(word) => Err(format!("`{word}` is not known; there are {}", known.join(", "))),
        None => Ok(words.split(',').map(str::to_owned).collect()),
    }
}
