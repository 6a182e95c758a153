//! A server's process under a watch, so that it never outlives the test that needed it.
//!
//! Between the test and the server stands a small shell (`watch.sh`). It holds the reading end of a pipe whose only
//! writing end is in the test's process. However that process ends, also by `kill -9`, the system closes the pipe; the
//! shell sees its end, asks the server to go (TERM), ends it after ten seconds (KILL), and removes its folder. The same
//! pipe carries the orders to stop and to kill, so that no one ever signals a process id that might be someone else's.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const WATCH: &str = include_str!("watch.sh");

/// The shell gives a server ten seconds to end; this is longer.
const ENDING: Duration = Duration::from_secs(20);

/// A running server and its watch.
#[derive(Debug)]
pub(crate) struct Process {
    watch: Child,
    orders: Option<ChildStdin>,
    server: u32,
}

/// How a server is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Asked to, and its folder kept.
    Stop,
    /// At once, as a crash would, and its folder kept.
    Kill,
    /// Asked to, and its folder removed.
    Remove,
}

impl Process {
    /// Starts a server whose words go to `log`. `folder` is removed when this process ends without saying anything else.
    pub(crate) fn start(server: &Command, folder: &Path, log: &Path) -> Result<Self, String> {
        let mut shell = shell(server, WATCH, &[folder, log]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watch = shell.spawn().map_err(|error| format!("cannot start sh: {error}"))?;
        let orders = watch.stdin.take();
        let server = watch.stdout.take().and_then(|output| first_number(BufReader::new(output)));
        let Some(server) = server else {
            drop(orders);
            let status = watch.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(format!("the watch of a server does not work: {status}"));
        };
        Ok(Self { watch, orders, server })
    }

    /// The id of the server's process.
    pub(crate) fn id(&self) -> u32 {
        self.server
    }

    /// Whether the server has ended by itself.
    pub(crate) fn is_over(&mut self) -> bool {
        matches!(self.watch.try_wait(), Ok(Some(_)))
    }

    /// Ends the server and waits until it is gone.
    pub(crate) fn end(mut self, how: End) -> Result<(), String> {
        self.finish(how)
    }

    fn finish(&mut self, how: End) -> Result<(), String> {
        let Some(mut orders) = self.orders.take() else { return Ok(()) };
        let order = match how {
            End::Stop => "stop\n",
            End::Kill => "kill\n",
            End::Remove => "",
        };
        // If the server is gone already, so is the watch, and the order has no reader.
        drop(orders.write_all(order.as_bytes()));
        drop(orders);
        let end = Instant::now() + ENDING;
        while !self.is_over() {
            if Instant::now() > end {
                return Err(format!("the server with process id {} does not end", self.server));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(why) = self.finish(End::Remove) {
            eprintln!("{why}");
        }
    }
}

/// Starts a server that stays when this process ends, for use by hand; gives its process id.
pub(crate) fn detach(server: &Command, log: &Path) -> Result<u32, String> {
    let script = r#"log=$1; shift; trap '' HUP; "$@" </dev/null >>"$log" 2>&1 & echo "$!""#;
    let mut shell = shell(server, script, &[log]);
    let mut child = shell.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start sh: {error}"))?;
    let id = child.stdout.take().and_then(|output| first_number(BufReader::new(output)));
    child.wait().map_err(|error| error.to_string())?;
    id.ok_or_else(|| "the server's process id is not known".to_owned())
}

/// What tells a process from a later one with the same id: when it began, in the system's own words.
pub(crate) fn began(id: u32) -> Option<String> {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) {
        // Fields are counted after the name, which stands in parentheses: state is the third, the number of threads the
        // 20th, the start the 22nd (proc(5)). A zombie has ended, but only when its other threads have as well: until
        // then its ports are taken.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let has_ended = *fields.first()? == "Z" && fields.get(17)?.parse::<u32>().ok()? <= 1;
        return if has_ended { None } else { fields.get(19).map(|start| (*start).to_owned()) };
    }
    if Path::new("/proc/self").exists() {
        return None;
    }
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &id.to_string()]).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// Runs the server's command line as the last arguments of a shell script, away from the terminal's signals.
fn shell(server: &Command, script: &str, first: &[&Path]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "pipectl-peers"]).args(first);
    shell.arg(server.get_program()).args(server.get_args()).stdin(Stdio::null()).process_group(0);
    if let Some(folder) = server.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn first_number(mut output: impl BufRead) -> Option<u32> {
    let mut line = String::new();
    output.read_line(&mut line).ok()?;
    line.trim().parse().ok()
}
