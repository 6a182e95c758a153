//! One run of a program as a whole process: wall time, processor time, peak memory.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of processor time of the program and those it has waited for.
    pub(crate) cpu: f64,
    /// The most memory that was resident, in bytes.
    pub(crate) peak: u64,
}

/// How often the peak is looked at. The kernel keeps it, so only growth in the very last moment can be missed.
const LOOK: Duration = Duration::from_millis(4);
/// The kernel's unit of processor time in `/proc`, the same on every Linux for user programs.
const TICKS_A_SECOND: f64 = 100.0;

impl Sample {
    /// Runs a program to its end; one that fails is an error with its last words.
    pub(crate) fn of(command: &mut Command) -> Result<Self, String> {
        let log = std::env::temp_dir().join(format!("pipectl-bench-{}.log", std::process::id()));
        let words = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let both = words.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(words).stderr(both);
        let before = waited()?;
        let start = Instant::now();
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        let mut peak = 0;
        let status = loop {
            peak = peak.max(high_water(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        let wall = start.elapsed().as_secs_f64();
        let cpu = waited()? - before;
        let said = fs::read_to_string(&log).unwrap_or_default();
        fs::remove_file(&log).ok();
        if !status.success() {
            return Err(format!("{name} ended with {status}:\n{said}"));
        }
        Ok(Self { wall, cpu, peak })
    }
}

/// Processor time of all ended children of this process.
fn waited() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc is needed to measure: {error}"))?;
    // After the name in parentheses, which may hold anything, cutime and cstime are the 14th and 15th fields (proc(5)).
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let ticks = ticks(13).zip(ticks(14)).ok_or("/proc/self/stat has another form than expected")?;
    Ok((ticks.0 + ticks.1) / TICKS_A_SECOND)
}

/// The most memory that a running process has had resident.
fn high_water(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_costs_what_it_does() {
        let sample = Sample::of(Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]));
        let sample = sample.unwrap();
        assert!(sample.cpu > 0.0 && sample.wall > 0.0 && sample.peak > 100_000, "{sample:?}");
        let failed = Sample::of(Command::new("sh").args(["-c", "echo why; exit 3"]));
        assert!(failed.unwrap_err().contains("why"));
    }
}
