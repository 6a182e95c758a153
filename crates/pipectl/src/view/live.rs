//! What a person sees while a pipeline runs: a line for each node on a terminal, plain log lines elsewhere.

use std::{fmt::Write as _, io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pipectl_ir::report::NodeReport;

/// The view.
pub(crate) enum Live {
    /// Lines that change in place.
    Terminal(Vec<ProgressBar>, MultiProgress),
    /// A log line now and then.
    Log,
}

impl Live {
    /// For the nodes of a run.
    pub(crate) fn new(nodes: &[NodeReport]) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Log;
        }
        let multi = MultiProgress::new();
        let width = nodes.iter().map(|node| node.name.len()).max().unwrap_or(0);
        let style =
            ProgressStyle::with_template("{prefix}  {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bars = nodes
            .iter()
            .map(|node| {
                let bar = multi.add(ProgressBar::new_spinner().with_style(style.clone()));
                bar.set_prefix(format!("{:width$}", node.name));
                bar
            })
            .collect();
        Self::Terminal(bars, multi)
    }

    /// How often to call [`Live::show`].
    pub(crate) fn every(&self) -> Duration {
        match self {
            Self::Terminal(..) => Duration::from_millis(250),
            Self::Log => Duration::from_secs(10),
        }
    }

    /// Shows the counts as they stand.
    pub(crate) fn show(&self, nodes: &[NodeReport]) {
        match self {
            Self::Terminal(bars, _) => {
                for (bar, node) in bars.iter().zip(nodes) {
                    bar.set_message(line(node));
                    bar.tick();
                }
            }
            Self::Log => {
                for node in nodes {
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

    /// Takes the lines away, for the summary.
    pub(crate) fn end(&self) {
        if let Self::Terminal(_, multi) = self {
            drop(multi.clear());
        }
    }
}

fn line(node: &NodeReport) -> String {
    let counts = &node.counts;
    let mut line = format!("in {:>12}  out {:>12}", counts.input, counts.output);
    for (word, number) in
        [("filtered", counts.filtered), ("dead-lettered", counts.dead_lettered), ("late", counts.late)]
    {
        if number > 0 {
            write!(line, "  {word} {number}").unwrap_or_default();
        }
    }
    line
}
