//! What a person sees while a pipeline runs: a line for each node on a terminal, plain log lines elsewhere.

use std::{fmt::Write as _, io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipectl_data::timestamp;
use pipectl_host::Micros;
use pipectl_ir::{metrics::RegionMetrics, report::NodeReport};

use crate::logging;

/// Rates are taken over this long, so that they can be read.
const RATE_OVER: Micros = 1_000_000;

/// What stands beside the time that a run has taken.
const RUNNING: &str = "running (Ctrl-C stops, the next apply continues)";
const STOPPING: &str = "stopping: writing what is in flight";

/// What there is to show at one time: the numbers that `--metrics` exposes.
pub(crate) struct Moment {
    pub(crate) nodes: Vec<NodeReport>,
    pub(crate) regions: Vec<RegionMetrics>,
    pub(crate) watermark: Option<Micros>,
    pub(crate) now: Micros,
}

/// The view.
pub(crate) enum Live {
    /// Lines that change in place.
    Terminal(Terminal),
    /// A log line now and then.
    Log,
}

/// The lines on a terminal.
pub(crate) struct Terminal {
    all: MultiProgress,
    above: ProgressBar,
    head: ProgressBar,
    /// How far event time has come.
    time: ProgressBar,
    /// Checkpoints, state and queues.
    inside: ProgressBar,
    lines: Vec<Line>,
    started: Micros,
    stopping: bool,
}

struct Line {
    bar: ProgressBar,
    /// When a rate was last taken, at which count, and what it was (records a second).
    rated: (Micros, u64),
    rate: Option<u64>,
}

impl Live {
    /// For the nodes of a run that starts now.
    pub(crate) fn new(nodes: &[NodeReport], now: Micros) -> Self {
        // Rows and lines that change in place would write over each other.
        let rows = std::io::stdout().is_terminal() && nodes.iter().any(|node| node.kind == "stdout");
        if rows || !std::io::stderr().is_terminal() {
            return Self::Log;
        }
        let all = MultiProgress::new();
        let width = nodes.iter().map(|node| node.name.len()).max().unwrap_or(0);
        let style =
            |template| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        // A blank line first: a terminal that shows `^C` moves down a line, and then the first line is what stays behind.
        let above = all.add(ProgressBar::new_spinner().with_style(style(" ")));
        let head = all.add(ProgressBar::new_spinner().with_style(style("{msg}")));
        let time = all.add(ProgressBar::new_spinner().with_style(style("{msg}")));
        let inside = all.add(ProgressBar::new_spinner().with_style(style("{msg}")));
        let lines = nodes
            .iter()
            .map(|node| {
                let bar = all.add(ProgressBar::new_spinner().with_style(style("{prefix}  {msg}")));
                bar.set_prefix(format!("{:width$}", node.name));
                Line { bar, rated: (now, node.counts.input), rate: None }
            })
            .collect();
        logging::beside(Some(all.clone()));
        Self::Terminal(Terminal { all, above, head, time, inside, lines, started: now, stopping: false })
    }

    /// How often to call [`Live::show`].
    pub(crate) fn every(&self) -> Duration {
        match self {
            Self::Terminal(_) => Duration::from_millis(250),
            Self::Log => Duration::from_secs(10),
        }
    }

    /// Shows the counts as they stand.
    pub(crate) fn show(&mut self, moment: &Moment) {
        match self {
            Self::Terminal(terminal) => terminal.show(moment),
            Self::Log => {
                let now = moment.now;
                if let Some(watermark) = moment.watermark {
                    tracing::info!(watermark = timestamp::format(watermark), lag = lag(watermark, now), "event time");
                }
                let inside = Inside::of(moment);
                tracing::info!(
                    checkpoint_age = inside.checkpoint.map(|(since, _)| lag(since, now)),
                    checkpoint_duration = inside.checkpoint.and_then(|(_, took)| took).map(milliseconds),
                    state_bytes = inside.state,
                    queues = format!("{}%", inside.queue_percent),
                    "inside"
                );
                for node in &moment.nodes {
                    tracing::info!(
                        node = node.name,
                        r#in = node.counts.input,
                        out = node.counts.output,
                        filtered = node.counts.filtered,
                        dead_lettered = node.counts.dead_lettered,
                        "counts"
                    );
                }
            }
        }
    }

    /// The run was asked to stop and drains.
    pub(crate) fn stopping(&mut self) {
        if let Self::Terminal(terminal) = self {
            terminal.stopping = true;
        }
    }

    /// Takes the lines away, for the summary.
    pub(crate) fn end(&self) {
        if let Self::Terminal(terminal) = self {
            drop(terminal.all.clear());
            // What is shown after this, by the end of a bar too, would stay on the screen.
            terminal.all.set_draw_target(ProgressDrawTarget::hidden());
            logging::beside(None);
        }
    }
}

impl Terminal {
    fn show(&mut self, moment: &Moment) {
        let Moment { nodes, watermark, now, .. } = moment;
        let now = *now;
        let what = if self.stopping { STOPPING } else { RUNNING };
        let seconds = (now - self.started).max(0) / 1_000_000;
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        self.head.set_message(format!("{:02}:{minutes:02}:{seconds:02}  {what}", minutes / 60, minutes = minutes % 60));
        self.above.tick();
        self.head.tick();
        if let Some(watermark) = *watermark {
            // Whole seconds: the line is read by a person.
            let shown = timestamp::format(watermark.div_euclid(1_000_000) * 1_000_000);
            self.time.set_message(format!("watermark {shown}, lag {}", lag(watermark, now)));
            self.time.tick();
        }
        self.inside.set_message(Inside::of(moment).text(now));
        self.inside.tick();
        for (line, node) in self.lines.iter_mut().zip(nodes) {
            line.take_rate(node.counts.input, now);
            line.bar.set_message(text(node, line.rate));
            line.bar.tick();
        }
    }
}

/// What the run holds inside.
struct Inside {
    /// Since when the oldest of the regions' last checkpoints is durable, and how long the longest of them took.
    checkpoint: Option<(Micros, Option<Micros>)>,
    /// Bytes of operator state.
    state: u64,
    /// How full the fullest queue is.
    queue_percent: u32,
}

impl Inside {
    fn of(moment: &Moment) -> Self {
        let open = moment.regions.iter().filter(|region| !region.ended);
        let kept = open.filter_map(|region| region.checkpoints.as_ref());
        let checkpoint = kept
            .map(|checkpoints| (checkpoints.since_us, checkpoints.last_duration_us))
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let fullest = moment.nodes.iter().filter_map(|node| node.metrics.queues).map(|queues| queues.fullest_ppm).max();
        Self {
            checkpoint,
            state: moment.nodes.iter().map(|node| node.metrics.state_bytes).sum(),
            queue_percent: fullest.unwrap_or(0) / 10_000,
        }
    }

    fn text(&self, now: Micros) -> String {
        let mut parts = Vec::new();
        if let Some((since, took)) = self.checkpoint {
            let took = took.map(|took| format!(", took {}", milliseconds(took))).unwrap_or_default();
            parts.push(format!("checkpoint {} ago{took}", lag(since, now)));
        }
        parts.push(format!("state {}B", short(self.state)));
        parts.push(format!("queues {}%", self.queue_percent));
        parts.join("; ")
    }
}

/// A short duration for people.
fn milliseconds(micros: Micros) -> String {
    match micros {
        ..10_000_000 => format!("{} ms", micros.max(0) / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

/// How far the watermark is behind the clock, in the largest unit that fits.
fn lag(watermark: Micros, now: Micros) -> String {
    let seconds = now.saturating_sub(watermark).max(0) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

impl Line {
    fn take_rate(&mut self, input: u64, now: Micros) {
        let (since, before) = self.rated;
        let took = now - since;
        if took >= RATE_OVER {
            self.rate = Some((input.saturating_sub(before) as f64 * 1e6 / took as f64).round() as u64);
            self.rated = (now, input);
        }
    }
}

fn text(node: &NodeReport, rate: Option<u64>) -> String {
    let counts = &node.counts;
    let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", short(rate)));
    let mut line = format!("in {:>5} {rate:>7}  out {:>5}", short(counts.input), short(counts.output));
    // What needs attention comes first, for a narrow terminal cuts a line off.
    let dead = counts.all_dead_lettered();
    for (word, number) in
        [("dead", dead), ("late", counts.late), ("held", counts.held()), ("filtered", counts.filtered)]
    {
        if number > 0 {
            write!(line, "  {word} {}", short(number)).unwrap_or_default();
        }
    }
    line
}

/// A number in five characters: `9999`, `12.3k`, `456k`, `7.89M`.
fn short(number: u64) -> String {
    if number < 10_000 {
        return number.to_string();
    }
    let (mut value, mut unit) = (number as f64, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    match value {
        small if small < 9.995 => format!("{small:.2}{unit}"),
        middle if middle < 99.95 => format!("{middle:.1}{unit}"),
        large => format!("{large:.0}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipectl_ir::{metrics::CheckpointMetrics, report::Counts};

    #[test]
    fn lag_is_in_a_unit_that_fits() {
        let lags =
            [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800, 86_400 * 400].map(|seconds| lag(0, seconds * 1_000_000));
        assert_eq!(lags, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d", "400d"]);
    }

    #[test]
    fn what_is_inside_fits_sixty_columns_and_shows_the_worst_of_all_regions() {
        let region = |since_us, took, ended| RegionMetrics {
            ended,
            checkpoints: Some(CheckpointMetrics { since_us, last_duration_us: took, ..CheckpointMetrics::default() }),
            ..RegionMetrics::default()
        };
        let regions = vec![region(5_000_000, Some(9_999_000), false), region(9_000_000, None, false)];
        let ended = region(0, Some(10_000_000), true);
        let moment = Moment {
            nodes: Vec::new(),
            regions: regions.into_iter().chain([ended]).collect(),
            watermark: None,
            now: 0,
        };
        let mut inside = Inside::of(&moment);
        (inside.state, inside.queue_percent) = (u64::MAX, 100);
        let text = inside.text(124_000_000);
        assert_eq!(text, "checkpoint 119s ago, took 9999 ms; state 18.4EB; queues 100%");
        assert!(text.len() <= 60);
        inside.checkpoint = None;
        assert_eq!(inside.text(0), "state 18.4EB; queues 100%");
    }

    #[test]
    fn a_line_fits_sixty_columns() {
        assert!([RUNNING, STOPPING].iter().all(|text| "00:00:00  ".len() + text.len() <= 60));
        let shown = [0, 9_999, 10_000, 12_345, 999_499, 999_500, 7_891_234, u64::MAX].map(short);
        assert_eq!(shown, ["0", "9999", "10.0k", "12.3k", "999k", "1.00M", "7.89M", "18.4E"]);
        let counts = Counts {
            input: 123_456_789,
            output: 23_456_789,
            dead_lettered: 12_345,
            late: 12_345,
            absorbed: 100_000_000,
            ..Counts::default()
        };
        let node = NodeReport {
            name: "per_minute".to_owned(),
            role: "processor".to_owned(),
            kind: "sql".to_owned(),
            place: None,
            stateful: true,
            counts,
            before: Counts::default(),
            reasons: std::collections::BTreeMap::new(),
            reasons_before: std::collections::BTreeMap::new(),
            metrics: pipectl_ir::metrics::NodeMetrics::default(),
        };
        let line = format!("{}  {}", node.name, text(&node, Some(1_234_567)));
        let visible: String = line.chars().take(60).collect();
        assert!(visible.contains("in  123M 1.23M/s  out 23.5M  dead 12.3k  late"), "{line}");
    }
}
