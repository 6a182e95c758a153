//! Writes an access log as a server does, line by line and with rotations, always the same lines.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use pipectl_host::Rng;

use super::{output::appender, wait};

/// How many lines there are, how many come at once, how long it is to the next, and after how many the log rotates.
const LINES: u64 = 60_000;
const AT_ONCE: u64 = 150;
const PAUSE: Duration = Duration::from_millis(6);
const ROTATE_AFTER: u64 = 9_000;
/// Lines in a second of the log's own time: ten minutes in all.
const LINES_A_SECOND: u64 = 100;

/// A log that grows.
pub(crate) struct Growing {
    writer: Option<JoinHandle<()>>,
    done: Arc<AtomicBool>,
}

impl Growing {
    /// Starts to write `access.log` in a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let log = folder.join("access.log");
        let done = Arc::new(AtomicBool::new(false));
        let writer = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                write(&log);
                done.store(true, Ordering::Release);
            }
        });
        Self { writer: Some(writer), done }
    }

    /// Whether all lines are written.
    pub(crate) fn done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Waits until all lines are written.
    pub(crate) fn finish(mut self) {
        self.writer.take().expect("one writer").join().expect("lines");
    }
}

fn write(log: &Path) {
    let mut lines = Lines::new();
    let mut file = appender(log);
    let mut next = 0;
    while next < LINES {
        let mut text = String::new();
        for _ in 0..AT_ONCE {
            text.push_str(&lines.line(next));
            next += 1;
        }
        // A line is often seen before it is whole.
        let (first, rest) = text.as_bytes().split_at(text.len() / 2 + 7);
        file.write_all(first).expect("a log");
        wait::pass(PAUSE / 4);
        file.write_all(rest).expect("a log");
        wait::pass(PAUSE / 4 * 3);
        if next % ROTATE_AFTER == 0 && next < LINES {
            rotate(log);
            file = appender(log);
        }
    }
}

/// As logrotate does: each file gets the next number, and a new one takes the name.
fn rotate(log: &Path) {
    let numbered = |number: u64| PathBuf::from(format!("{}.{number}", log.display()));
    for number in (1..=LINES / ROTATE_AFTER).rev() {
        if numbered(number).exists() {
            fs::rename(numbered(number), numbered(number + 1)).expect("an old log");
        }
    }
    fs::rename(log, numbered(1)).expect("the log");
}

/// All lines at once, in one file that never moves: what an undisturbed run reads.
pub(crate) fn write_whole(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let mut lines = Lines::new();
    let text: String = (0..LINES).map(|number| lines.line(number)).collect();
    fs::write(folder.join("access.log"), text).expect("a log");
}

struct Lines(Rng);

impl Lines {
    fn new() -> Self {
        Self(Rng::new(11, "access log"))
    }

    fn line(&mut self, number: u64) -> String {
        let Self(rng) = self;
        if number % 97 == 13 {
            return format!("no log line {number}\n");
        }
        let second = number / LINES_A_SECOND;
        let status = [200, 200, 200, 301, 404, 404, 500, 503][rng.below(8) as usize];
        format!(
            "10.0.0.{} - - [21/Nov/2026:05:{:02}:{:02} +0000] \"GET /page/{number}?n={} HTTP/1.1\" {status} {} \"-\" \"agent {}\"\n",
            rng.below(40),
            second / 60,
            second % 60,
            rng.below(1000),
            rng.below(100_000),
            rng.below(5),
        )
    }
}

/// How many lines there are.
pub(crate) fn total() -> u64 {
    LINES
}
