//! Medians as a Markdown table.

use std::fmt::Write as _;

use crate::measure::Sample;

/// A system and its runs.
#[derive(Debug)]
pub(crate) struct Row {
    system: String,
    pub(crate) samples: Vec<Sample>,
}

impl Row {
    /// A system without runs yet.
    pub(crate) fn new(system: &str) -> Self {
        Self { system: system.to_owned(), samples: Vec::new() }
    }

    fn median(&self, measure: impl Fn(&Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.samples.iter().map(measure).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        }
    }
}

/// The table of one job.
pub(crate) fn markdown(job: &str, records: u64, rows: &[Row]) -> String {
    let mut out = format!(
        "| {job} | records / CPU-s | records / s | CPU s | wall s | wall, fastest to slowest | peak MB |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for row in rows {
        let (cpu, wall) = (row.median(|sample| sample.cpu), row.median(|sample| sample.wall));
        let walls = || row.samples.iter().map(|sample| sample.wall);
        let line = format!(
            "| {} | {} | {} | {cpu:.2} | {wall:.2} | {:.2}–{:.2} | {:.0} |",
            row.system,
            millions(records as f64 / cpu),
            millions(records as f64 / wall),
            walls().fold(f64::INFINITY, f64::min),
            walls().fold(0.0, f64::max),
            row.median(|sample| sample.peak as f64) / 1e6,
        );
        // A string takes every write.
        writeln!(out, "{line}").ok();
    }
    out
}

fn millions(rate: f64) -> String {
    if rate >= 1e6 { format!("{:.2} M", rate / 1e6) } else { format!("{:.0} k", rate / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let mut row = Row::new("x");
        for wall in [4.0, 1.0, 2.0, 9.0] {
            row.samples.push(Sample { wall, cpu: wall / 2.0, peak: 2_000_000 });
        }
        let table = markdown("j1", 3_000_000, &[row]);
        assert!(table.contains("| x | 2.00 M | 1.00 M | 1.50 | 3.00 | 1.00–9.00 | 2 |"), "{table}");
    }
}
