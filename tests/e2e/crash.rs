//! Killed at random moments: no file is ever half there under its final name, the next start goes on from the
//! checkpoint, and what is there at the end is what an undisturbed run leaves.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::support::{
    Lab,
    chance::Probability,
    edit, example,
    generator::{self, Growing},
    output::{assert_same_rows, files, rows, unfinished},
    run::Ran,
    sqlite, wait,
};

/// How often each pipeline is killed in the middle of its work.
const KILLS: u32 = 20;

#[test]
fn sensor_lab_survives_twenty_kills() {
    let mut chance = Probability::new("sensor_lab_survives_twenty_kills");
    let spec = edit(
        &example("sensor-lab"),
        &[("spec:\n  sources:", "spec:\n  checkpoint: { every: 40ms }\n  sources:"), ("for: 1h,", "for: 8h,")],
    );
    let reference = Lab::new();
    reference.write("spec.yaml", &spec);
    let started = Instant::now();
    reference.run(&["apply", "spec.yaml"]).code(0);
    let usual = started.elapsed();
    let expected = Outcome::of(&reference, "sensor-lab");
    let raw = expected.rows.iter().filter(|row| row.contains("pressure")).count();
    assert_eq!(raw, 8 * 72_000);

    let mut tally = Tally::default();
    while tally.kills < KILLS {
        let lab = Lab::new();
        lab.write("spec.yaml", &spec);
        // The first kill anywhere in the run, the others anywhere in about what is left of it.
        let mut left = usual;
        for _ in 0..3 {
            let after = chance.between(Duration::ZERO, left);
            left = left.saturating_sub(after);
            let before = lab.checkpoint("sensor-lab");
            let run = lab.start(&["apply", "spec.yaml"], &[]);
            wait::pass(after);
            let (said, hit) = run.kill();
            tally.count(hit);
            assert_resumes(&said, before.as_ref(), hit);
            assert_whole(&lab, "sensor-lab");
        }
        let before = lab.checkpoint("sensor-lab");
        let ran = lab.run(&["apply", "spec.yaml"]).code(0);
        tally.finished(before.is_some());
        assert_resumes(&ran.stderr, before.as_ref(), false);
        expected.assert_same(&Outcome::of(&lab, "sensor-lab"));
    }
    println!("an undisturbed run takes {usual:?}");
    tally.judge();
}

#[test]
fn server_logs_survives_twenty_kills() {
    let mut chance = Probability::new("server_logs_survives_twenty_kills");
    let spec = edit(
        &example("server-logs"),
        &[
            ("spec:\n  sources:", "spec:\n  checkpoint: { every: 40ms }\n  sources:"),
            ("from: start,", "from: start, poll: 10ms,"),
            // Many small files, so that kills hit their writing too.
            ("flush: { every: 60s, size: 1MiB }", "flush: { every: 100ms, size: 16KiB }"),
        ],
    );
    let ends = &[("LOG_FILES", "logs/access.log*"), ("UNTIL_IDLE", "500ms")];
    let endless = &[("LOG_FILES", "logs/access.log*")];
    let arguments = &["apply", "spec.yaml", "--format", "json"];
    let reference = Lab::new();
    reference.write("spec.yaml", &spec);
    generator::write_whole(&reference.path("logs"));
    assert_ledger(&reference.start(arguments, ends).finish().code(0));
    let expected = Outcome::of(&reference, "server-logs");
    assert_eq!(expected.table.len(), 3 * 10, "three statuses in ten minutes");

    let mut tally = Tally::default();
    while tally.kills < KILLS {
        let lab = Lab::new();
        lab.write("spec.yaml", &spec);
        let log = Growing::start(&lab.path("logs"));
        while !log.done() {
            let before = lab.checkpoint("server-logs");
            let run = lab.start(arguments, endless);
            wait::pass(chance.between(Duration::ZERO, Duration::from_millis(600)));
            let (said, running) = run.kill();
            // A kill counts while there is still something to read.
            tally.count(running && !log.done());
            assert_resumes(&said, before.as_ref(), true);
            assert_whole(&lab, "server-logs");
            // Lines that come while nobody follows.
            wait::pass(chance.between(Duration::ZERO, Duration::from_millis(100)));
        }
        log.finish();
        let before = lab.checkpoint("server-logs");
        let ran = lab.start(arguments, ends).finish().code(0);
        tally.finished(before.is_some());
        assert_resumes(&ran.stderr, before.as_ref(), false);
        assert_ledger(&ran);
        expected.assert_same(&Outcome::of(&lab, "server-logs"));
    }
    tally.judge();
}

/// How many kills hit, and how many starts went on from a checkpoint.
#[derive(Default)]
struct Tally {
    tries: u32,
    kills: u32,
    ends: u32,
    resumed: u32,
}

impl Tally {
    fn count(&mut self, hit: bool) {
        self.tries += 1;
        self.kills += u32::from(hit);
    }

    fn finished(&mut self, had_checkpoint: bool) {
        self.ends += 1;
        self.resumed += u32::from(had_checkpoint);
    }

    fn judge(&self) {
        let Self { tries, kills, ends, resumed } = self;
        println!("{kills} of {tries} kills hit a run under way; {resumed} of {ends} last starts resumed");
        assert!(kills * 2 >= *tries, "only {kills} of {tries} kills hit");
        assert!(resumed * 2 >= *ends, "only {resumed} of {ends} last starts had a checkpoint to resume from");
    }
}

/// What a start says about the checkpoint that was there before it. One that was killed may not have come to say it.
fn assert_resumes(said: &str, checkpoint: Option<&(u64, PathBuf)>, killed: bool) {
    let Some((id, _)) = checkpoint else { return };
    let resuming = said.lines().any(|line| line.contains("resuming") && line.ends_with(&format!("checkpoint={id}")));
    let finished = said.contains(&format!("had already finished (checkpoint {id})"));
    assert!(resuming || finished || (killed && said.is_empty()), "should go on from checkpoint {id}:\n{said}");
}

/// Files that are rewritten in place instead of appearing whole: SQLite's, and the one file of dead letters.
fn in_place(name: &str) -> bool {
    name.contains(".sqlite") || name == "dead-letters.jsonl"
}

/// Every file with its final name is whole.
fn assert_whole(lab: &Lab, pipeline: &str) {
    let folder = lab.path(format!("out/{pipeline}"));
    for (name, bytes) in files(&folder).into_iter().filter(|(name, _)| !in_place(name)) {
        if let Err(fault) = rows(&name, &bytes) {
            panic!("half a file after a kill: {fault}");
        }
    }
}

/// All lines are accounted for, over all starts together.
fn assert_ledger(ran: &Ran) {
    let report = ran.json();
    let nodes: BTreeMap<&str, &serde_json::Value> = report["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| (node["name"].as_str().expect("a name"), &node["counts"]))
        .collect();
    let count = |node: &str, what: &str| nodes[node][what].as_u64().expect("a count");
    let total = generator::total();
    assert_eq!(count("access_log", "in"), total);
    assert_eq!(count("failures_per_minute", "late"), 0, "late rows: files were read in the wrong order");
    assert_eq!(count("failure_files", "out") + count("failures", "filtered") + count("dead-letters", "out"), total);
}

/// What a run leaves behind.
struct Outcome {
    files: BTreeMap<String, Vec<u8>>,
    rows: Vec<String>,
    table: Vec<String>,
    dead: Vec<String>,
}

impl Outcome {
    fn of(lab: &Lab, pipeline: &str) -> Self {
        let folder = lab.path(format!("out/{pipeline}"));
        assert_eq!(unfinished(&folder), [""; 0], "files that a kill left unfinished and nobody finished");
        let files = files(&folder);
        let whole = files.iter().filter(|(name, _)| !in_place(name));
        let mut all: Vec<String> =
            whole.flat_map(|(name, bytes)| rows(name, bytes).unwrap_or_else(|fault| panic!("{fault}"))).collect();
        all.sort_unstable();
        Self { rows: all, table: sqlite::dump(&folder.join("tables.sqlite")), dead: dead_letters(&folder), files }
    }

    fn assert_same(&self, found: &Self) {
        let same_files = || {
            let plain = |files: &BTreeMap<String, Vec<u8>>| -> Vec<(String, Vec<u8>)> {
                files
                    .iter()
                    .filter(|(name, _)| !in_place(name))
                    .map(|(name, bytes)| (name.clone(), bytes.clone()))
                    .collect()
            };
            plain(&self.files) == plain(&found.files)
        };
        if !same_files() {
            assert_same_rows("rows of files", &found.rows, &self.rows);
        }
        assert_same_rows("rows of tables", &found.table, &self.table);
        assert_same_rows("dead letters", &found.dead, &self.dead);
    }
}

/// The dead letters without what depends on when they were read.
fn dead_letters(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("dead-letters.jsonl")).unwrap_or_default();
    let mut letters: Vec<String> = text
        .lines()
        .map(|line| {
            let letter: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
            ["node", "reason", "payload"].map(|name| letter[name].to_string()).join(" ")
        })
        .collect();
    letters.sort_unstable();
    letters
}
