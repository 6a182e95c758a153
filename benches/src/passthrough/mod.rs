//! Passing records on from stream to stream: `pipectl apply` beside a plain client of the same SDK that does nothing but
//! consume and produce, in turn on the same peer.
//!
//! Both read the same stream and write to a stream of their own. What is measured is what an onlooker sees, the same one
//! for both: how fast records appear in the stream that is written, from the first of them to the last. So neither
//! start-up nor, on Kafka, joining a group counts.

mod eventhubs;
mod kafka;
mod kinesis;
mod load;
mod pubsub;
mod race;
mod rates;
mod worker;

use std::path::Path;

use pipectl_peers::Skip;
use serde_json::Value;

use self::{
    race::{Until, race},
    rates::Rates,
    worker::Worker,
};

/// How many partitions each stream has.
const PARTITIONS: u32 = 4;
/// The stream that all runs read, where it can be read again and again.
const INPUT: &str = "input";

/// What can be measured.
pub(crate) const BACKENDS: &[&str] = &["kafka", "kinesis", "pubsub", "eventhubs"];

/// A peer with the input in it, and a plain client of its SDK.
trait Lab: Sync {
    /// The server, as a table names it.
    fn peer(&self) -> &'static str;

    /// The options of the backend in an Environment.
    fn backend(&self) -> Value;

    /// The options of the stream that is read.
    fn input(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }

    /// Makes a stream.
    fn make(&self, stream: &str) -> Result<(), String>;

    /// Writes the records of [`load`] to a stream.
    fn fill(&self, stream: &str, records: u64) -> Result<(), String>;

    /// Whether what was filled in is hidden until it is shown; each run then has an input of its own.
    fn can_hide(&self) -> bool {
        false
    }

    /// Shows the input to whoever reads it in a run, once they are ready.
    fn show(&self, _run: &str, _until: &Until) -> Result<(), String> {
        Ok(())
    }

    /// The plain client: passes so many records from one stream on to another, with their keys, each once.
    fn copy(&self, from: &str, to: &str, records: u64, until: &Until) -> Result<(), String>;

    /// The onlooker: how many records a second appear in a stream, from the first that is seen to the last.
    fn look(&self, stream: &str, records: u64, until: &Until) -> Result<f64, String>;
}

/// How many records a backend's peer carries in a few seconds (Kafka) or in 10 to 20.
fn usual(backend: &str) -> u64 {
    match backend {
        "kafka" => 3_000_000,
        "eventhubs" => 400_000,
        _ => 20_000,
    }
}

fn open(backend: &str) -> Result<Box<dyn Lab>, Skip> {
    Ok(match backend {
        "kinesis" => Box::new(kinesis::Lab::open()?),
        "pubsub" => Box::new(pubsub::Lab::open()?),
        "eventhubs" => Box::new(eventhubs::Lab::open()?),
        _ => Box::new(kafka::Lab::open()?),
    })
}

/// Measures one backend after the other and prints a table. A peer that cannot be had is skipped, with a word.
pub(crate) fn run(
    binary: &Path,
    folder: &Path,
    backends: &[String],
    records: Option<u64>,
    runs: usize,
) -> Result<(), String> {
    let mut rows = Vec::new();
    for backend in backends {
        let lab = match open(backend) {
            Ok(lab) => lab,
            Err(skip) => {
                eprintln!("{backend}: {skip}");
                continue;
            }
        };
        let records = records.unwrap_or_else(|| usual(backend));
        rows.push(measure(lab.as_ref(), backend, binary, folder, records, runs)?);
    }
    if rows.is_empty() {
        return Err("no peer could be had, so nothing was measured".to_owned());
    }
    println!("{}", rates::markdown(&rows));
    println!("On Kafka at least 0.80 is asked for. The other peers are slower than any client: no target there.");
    Ok(())
}

fn measure(
    lab: &dyn Lab,
    backend: &str,
    binary: &Path,
    folder: &Path,
    records: u64,
    runs: usize,
) -> Result<Rates, String> {
    eprintln!("{backend}: {records} records, {}", lab.peer());
    if !lab.can_hide() {
        lab.make(INPUT)?;
        lab.fill(INPUT, records)?;
    }
    let mut rates = Rates::new(backend, lab.peer(), records);
    for run in 0..runs {
        let plain =
            pass_on(lab, &format!("plain-{run}"), records, |from, to, until| lab.copy(from, to, records, until))?;
        let ours = pass_on(lab, &format!("pipectl-{run}"), records, |from, to, until| {
            Worker::start(binary, folder, backend, lab, from, to)?.work(until)
        })?;
        eprintln!("{backend}, run {run}: plain client {plain:.0}/s, pipectl {ours:.0}/s");
        rates.push(plain, ours);
    }
    Ok(rates)
}

/// Lets somebody pass the input on to a stream with the name of the run, and answers how fast it was.
fn pass_on(
    lab: &dyn Lab,
    run: &str,
    records: u64,
    work: impl FnOnce(&str, &str, &Until) -> Result<(), String> + Send,
) -> Result<f64, String> {
    let own = format!("input-{run}");
    let from = if lab.can_hide() { own.as_str() } else { INPUT };
    if lab.can_hide() {
        lab.make(from)?;
        lab.fill(from, records)?;
    }
    lab.make(run)?;
    race(
        |until| work(from, run, until),
        |until| {
            lab.show(run, until)?;
            lab.look(run, records, until)
        },
    )
}

/// Runs the async part of a client on as many threads as pipectl has: one for each core.
fn wait_for<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    pipectl_host::run(None, work).map_err(|error| format!("cannot start threads: {error}"))?
}

/// Turns an error into words with its causes, which SDKs keep out of their first line.
fn cannot<E: std::error::Error>(what: &str) -> impl Fn(E) -> String + '_ {
    move |error| {
        let mut text = format!("cannot {what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
