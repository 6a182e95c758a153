//! A process that runs a user's function: started, spoken to, watched, ended.
//!
//! All of it blocks, and runs where that holds nothing up. Three threads of its own keep the pipes going, so that neither
//! side waits for the other to read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    frame::{self, Frame},
    launch::{Launch, StartError},
};

/// How often a worker that says nothing is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a worker has to load the function, at least: libraries can be large.
pub(crate) const LOAD: Duration = Duration::from_mins(1);
/// How long a worker has to end by itself.
const LEAVE: Duration = Duration::from_millis(500);
/// How often a worker that has closed its pipe is looked at.
const AFTER_PIPE: Duration = Duration::from_millis(2);
/// A line of a log is cut after this many bytes.
const LONGEST_LINE: u64 = 8 * 1024;

/// Why a worker is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It ended.
    Exited(String),
    /// It took too long.
    TimedOut,
    /// It used too much memory.
    OutOfMemory,
}

/// What went wrong in a user's function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Fault {
    /// The exception in one line.
    pub(crate) error: String,
    /// Where it came from, in several lines; may be empty.
    pub(crate) trace: String,
}

impl Fault {
    /// One line, then where in the user's file it came from.
    pub(crate) fn text(&self) -> String {
        let Self { error, trace } = self;
        if trace.is_empty() { error.clone() } else { format!("{error}\n{}", trace.trim_end()) }
    }
}

/// The process group of a worker, for who must end it while it is called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leash(Arc<Mutex<Option<u32>>>);

impl Leash {
    fn set(&self, process: Option<u32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Ends the worker, with the processes that the function has started.
    pub(crate) fn kill(&self) {
        let process = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        #[cfg(unix)]
        if let Some(group) = process.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
            && let Err(error) = rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
        {
            tracing::debug!("the processes of a worker are gone already: {error}");
        }
    }
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    leash: Leash,
    child: Child,
    /// Bytes for the worker; the thread behind it ends with it.
    requests: Option<Sender<Vec<u8>>>,
    answers: Receiver<Frame>,
    timeout: Duration,
    memory: u64,
    /// Whether it and all that it started are gone.
    ended: bool,
}

impl Worker {
    /// Starts a worker and waits until it has loaded the function.
    pub(crate) fn start(launch: &Launch, leash: &Leash) -> Result<Self, StartError> {
        let length = launch.language.worker.len().to_string();
        let mut command = Command::new(&launch.program);
        let memory = (launch.memory >> 20).max(1).to_string();
        let arguments = launch.language.arguments.iter();
        command.args(arguments.map(|argument| argument.replace("{}", &length).replace("{memory}", &memory)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: an interrupt from the terminal is for the runtime, which ends its workers in good order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| StartError::Program(error.to_string()))?;
        let (requests, bytes) = mpsc::channel();
        let (frames, answers) = mpsc::channel();
        if let Some(stdin) = child.stdin.take() {
            thread::spawn(move || write(stdin, &bytes));
        }
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read(stdout, &frames));
        }
        if let Some(stderr) = child.stderr.take() {
            let node = launch.node.clone();
            thread::spawn(move || log(stderr, &node));
        }
        let (timeout, memory) = (launch.timeout.max(LOAD), launch.memory);
        leash.set(Some(child.id()));
        let leash = leash.clone();
        let mut worker = Self { leash, child, requests: Some(requests), answers, timeout, memory, ended: false };
        worker.send_bytes(launch.language.worker.as_bytes().to_vec());
        worker.send(frame::HELLO, &launch.hello);
        let answer = worker.next().map_err(StartError::NotReady)?;
        match answer.letter {
            frame::READY => {
                worker.timeout = launch.timeout;
                Ok(worker)
            }
            frame::UNLOADED => {
                let unclear = || Fault { error: "the function cannot be loaded".to_owned(), trace: String::new() };
                Err(StartError::Unloaded(serde_json::from_slice(&answer.body).unwrap_or_else(|_| unclear())))
            }
            other => {
                let text = format!("sent an unexpected message (`{}`)", other.escape_ascii());
                Err(StartError::NotReady(Lost::Exited(text)))
            }
        }
    }

    /// Sends a message. A worker that is gone is noticed at the next answer.
    pub(crate) fn send(&self, letter: u8, body: &[u8]) {
        self.send_bytes(Frame::encode(letter, body));
    }

    fn send_bytes(&self, bytes: Vec<u8>) {
        if let Some(requests) = &self.requests {
            drop(requests.send(bytes));
        }
    }

    /// The next answer.
    pub(crate) fn next(&mut self) -> Result<Frame, Lost> {
        let mut waited = Duration::ZERO;
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(frame) => {
                    if frame.letter == frame::COMMIT {
                        self.weigh()?;
                    }
                    return Ok(frame);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.weigh()?;
                    waited += LOOK;
                    if waited >= self.timeout {
                        self.kill();
                        return Err(Lost::TimedOut);
                    }
                    // A copy of it may hold the pipe open.
                    if let Ok(Some(status)) = self.child.try_wait() {
                        return self.answers.try_recv().map_err(|_| Lost::Exited(describe(status)));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // Without its pipe it is of no use.
                    let status = self.leave();
                    return Err(Lost::Exited(status.map_or_else(|| "closed its pipes".to_owned(), describe)));
                }
            }
        }
    }

    /// Ends it if it uses too much memory.
    fn weigh(&mut self) -> Result<(), Lost> {
        match resident(self.child.id()) {
            Some(bytes) if bytes > self.memory => {
                self.kill();
                Err(Lost::OutOfMemory)
            }
            _ => Ok(()),
        }
    }

    /// Waits a moment for its end; `None` if it goes on.
    fn leave(&mut self) -> Option<ExitStatus> {
        self.requests = None;
        let mut left = LEAVE;
        while !left.is_zero() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            // Its last answers are of no use any more. Its pipe is closed a little before it is gone.
            let wait = match self.answers.recv_timeout(LOOK) {
                Ok(_) => Duration::ZERO,
                Err(RecvTimeoutError::Timeout) => LOOK,
                Err(RecvTimeoutError::Disconnected) => {
                    thread::park_timeout(AFTER_PIPE);
                    AFTER_PIPE
                }
            };
            left = left.saturating_sub(wait);
        }
        None
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.requests = None;
        self.leash.kill();
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            self.leave();
            self.kill();
        }
    }
}

fn write(mut stdin: ChildStdin, bytes: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = bytes.recv() {
        if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read(stdout: impl Read, frames: &Sender<Frame>) {
    let mut stdout = BufReader::with_capacity(1 << 18, stdout);
    while let Ok(Some(frame)) = Frame::read(&mut stdout) {
        if frames.send(frame).is_err() {
            return;
        }
    }
}

/// What the function prints is a log.
fn log(stderr: impl Read, node: &str) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stderr.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(node, "{}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    status.code().map_or_else(|| "ended".to_owned(), |code| format!("exited with code {code}"))
}

/// Bytes of memory that a process really uses; `None` where the system does not say.
fn resident(process: u32) -> Option<u64> {
    // Linux, proc(5): the second number is the resident size in pages.
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
