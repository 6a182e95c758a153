//! A folder to work in, the peers that can be had, and the binary run against them.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use crate::emulator::Way;
use pipectl_peers::{
    AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Dynamo, EventHubs, Kafka, Kinesis, PubSub, TESTS, is_full, make_container,
};

/// A folder that goes away, and where the peers are.
pub(crate) struct Testbed {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    /// The backends whose peers could be had, with their sizes: how many records the peer carries in a few seconds.
    pub(crate) backends: Vec<(&'static str, u32)>,
}

impl Testbed {
    /// With no peer at all.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, variables: Vec::new(), backends: Vec::new() }
    }

    /// With one broker of Kafka.
    pub(crate) fn with_kafka(endpoint: &str) -> Self {
        let mut place = Self::empty();
        place.add("kafka", 0, [("KAFKA_BROKERS", endpoint.to_owned())]);
        place
    }

    /// With every peer that can be had if everything is tested, else with Kafka only: for tests that take minutes with each.
    pub(crate) fn with_all_or_kafka() -> Self {
        if is_full() {
            return Self::with_all();
        }
        println!("skipped: all backends but kafka, which are only tested with {TESTS}=full");
        let mut place = Self::with_all();
        place.backends.retain(|(kind, _)| *kind == "kafka");
        place
    }

    /// With every peer that can be had; the others are reported.
    pub(crate) fn with_all() -> Self {
        let mut place = Self::empty();
        match Kafka::shared() {
            Ok(kafka) => place.add("kafka", 20_000, [("KAFKA_BROKERS", kafka.endpoint().to_owned())]),
            Err(why) => println!("{why}"),
        }
        match (Kinesis::shared(), Dynamo::shared()) {
            (Ok(kinesis), Ok(dynamo)) => {
                let variables = [
                    ("KINESIS_ENDPOINT", kinesis.endpoint().to_owned()),
                    ("DYNAMODB_ENDPOINT", dynamo.endpoint().to_owned()),
                ];
                place.add("kinesis", 1_000, variables);
            }
            (Err(why), _) | (_, Err(why)) => println!("{why}"),
        }
        match PubSub::shared() {
            Ok(pubsub) => place.add("pubsub", 1_000, [("PUBSUB_ENDPOINT", noticed(pubsub.endpoint()))]),
            Err(why) => println!("{why}"),
        }
        match EventHubs::shared() {
            Ok(hubs) => {
                let endpoint = format!("amqp://{}", hubs.endpoint());
                let variables = [("EVENTHUBS_ENDPOINT", endpoint), ("EVENTHUBS_MANAGEMENT", hubs.control.clone())];
                place.add("eventhubs", 3_000, variables);
            }
            Err(why) => println!("{why}"),
        }
        if let Ok(only) = std::env::var("PIPECTL_TEST_BACKENDS") {
            // For who fixes one of them.
            place.backends.retain(|(kind, _)| only.split(',').any(|wanted| wanted == *kind));
        }
        place
    }

    /// Sets a variable for what runs in the folder.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    fn add<const N: usize>(&mut self, kind: &'static str, records: u32, variables: [(&'static str, String); N]) {
        self.backends.push((kind, records));
        self.variables.extend(variables);
    }

    /// The Environment of a backend in which workers can share streams: that of the repository, and for Event Hubs with
    /// the storage that its workers need. `None` if that storage cannot be had.
    pub(crate) fn sharing(&self, kind: &str) -> Option<String> {
        let usual = format!("{}/../../pipelines/environments/{kind}.yaml", env!("CARGO_MANIFEST_DIR"));
        if kind != "eventhubs" {
            return Some(usual);
        }
        let blobs = match Azurite::shared() {
            Ok(blobs) => blobs,
            Err(why) => {
                println!("{why}");
                return None;
            }
        };
        make_container(blobs, "workers").expect("a container");
        let checkpoints = format!(
            "        checkpoints:\n          account: {AZURITE_ACCOUNT}\n          key: {AZURITE_KEY}\n          container: workers\n          endpoint: {}/{AZURITE_ACCOUNT}\n          lease: 6s\n",
            blobs.endpoint()
        );
        let text = std::fs::read_to_string(usual).expect("the Environment") + &checkpoints;
        Some(self.write("eventhubs.yaml", &text).display().to_string())
    }

    /// Where a file of the folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// A program that works in the folder and knows where the peers are.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts another pipeline that writes numbers to a stream: each with a key and a time.
    pub(crate) fn fill(
        &self,
        environment: &str,
        stream: &str,
        ids: std::ops::Range<u64>,
        event_time: impl Fn(u64) -> String,
    ) -> Worker {
        let mut lines = String::new();
        for id in ids {
            let _infallible = writeln!(lines, r#"{{"id":{id},"k":"k{}","at":"{}"}}"#, id % KEYS, event_time(id));
        }
        self.write("slice.jsonl", &lines);
        let spec = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: fill }
spec:
  sources:
    slice:
      file: { path: slice.jsonl }
      schema: { id: int64, k: string, at: timestamp }
      to: STREAM
  streams:
    STREAM: { key: k, partitions: 4 }
  sinks:
    none: { from: STREAM, file: { path: none.jsonl, mode: overwrite } }
";
        self.write("fill.yaml", &spec.replace("STREAM", stream));
        self.start("fill.log", &["apply", "fill.yaml", "--env", environment, "--fresh", "--state", "fill-state"])
    }

    /// What a process wrote to its log, or to standard output under its log's name and `.out`.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A run of pipectl in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_pipectl"));
        command.args(arguments);
        command
    }

    /// Starts pipectl in the folder and lets it run; what it says goes to a file of this name there, what it prints to one
    /// with `.out` behind it.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Worker {
        let log = self.path(name);
        let file = std::fs::File::create(&log).expect("a file");
        let printed = std::fs::File::create(self.path(&format!("{name}.out"))).expect("a file");
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::null()).stdout(printed).stderr(file).spawn().expect("pipectl starts");
        Worker { child, log }
    }

    /// Runs pipectl in the folder.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pipectl starts");
        if let Some(mut stdin) = child.stdin.take() {
            use std::io::Write as _;
            stdin.write_all(input.as_bytes()).expect("pipectl reads");
        }
        let Output { status, stdout, stderr } = child.wait_with_output().expect("pipectl ends");
        Ran {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

/// A process under way; killed with the value if it is not ended before.
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, text: &str) {
        for _ in 0..600 {
            if self.said().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("never said `{text}`:\n{}", self.said());
    }

    /// Waits for its end and answers its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop, waits, and answers its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success(), "it had ended by itself:\n{}", self.said());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Fails unless it ended with this code.
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// An example of the repository.
pub(crate) fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines").join(name);
    path.display().to_string()
}

/// A way to Google's emulator on which it notices that a client was killed, as the service does.
fn noticed(server: &str) -> String {
    let (found, endpoint) = std::sync::mpsc::channel();
    let server = server.to_owned();
    std::thread::spawn(move || {
        pipectl_host::run(Some(1), async {
            let way = Way::open(&pipectl_host::Host::real(), &server).await.expect("a free port");
            found.send(way.endpoint.clone()).expect("somebody waits");
            std::future::pending::<()>().await;
        })
    });
    endpoint.recv().expect("a way")
}

/// How many keys the numbers of [`Testbed::fill`] have.
pub(crate) const KEYS: u64 = 64;

/// The numbers in lines of JSON; the last line may still be on its way.
pub(crate) fn numbers(lines: &str) -> std::collections::BTreeSet<u64> {
    let rows = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    rows.filter_map(|row| row["id"].as_u64()).collect()
}
