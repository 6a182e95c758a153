//! What came out, as a Markdown table.

use std::fmt::Write as _;

/// A backend's runs: pairs of a plain client and pipectl, in records a second.
#[derive(Debug)]
pub(super) struct Rates {
    backend: String,
    peer: &'static str,
    records: u64,
    plain: Vec<f64>,
    ours: Vec<f64>,
}

impl Rates {
    /// Without runs yet.
    pub(super) fn new(backend: &str, peer: &'static str, records: u64) -> Self {
        Self { backend: backend.to_owned(), peer, records, plain: Vec::new(), ours: Vec::new() }
    }

    /// Takes a pair of runs in.
    pub(super) fn push(&mut self, plain: f64, ours: f64) {
        self.plain.push(plain);
        self.ours.push(ours);
    }
}

/// A row for each backend. Ratios are taken within each pair, so that what else the machine does hits both sides.
pub(super) fn markdown(rows: &[Rates]) -> String {
    let mut out = "| backend | peer | records | plain client, records / s | pipectl, records / s | pipectl : plain | \
                   least to most | pairs |\n|---|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for Rates { backend, peer, records, plain, ours } in rows {
        let ratios: Vec<f64> = ours.iter().zip(plain).map(|(ours, plain)| ours / plain).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        let line = format!(
            "| {backend} | {peer} | {records} | {:.0} | {:.0} | {:.2} | {least:.2} to {most:.2} | {} |",
            median(plain),
            median(ours),
            median(&ratios),
            ratios.len(),
        );
        // A string takes every write.
        writeln!(out, "{line}").ok();
    }
    out
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_both_sides_and_of_the_pairs() {
        let mut rates = Rates::new("kafka", "a broker", 1000);
        for (plain, ours) in [(100.0, 90.0), (200.0, 100.0), (300.0, 330.0)] {
            rates.push(plain, ours);
        }
        let table = markdown(&[rates]);
        assert!(table.contains("| kafka | a broker | 1000 | 200 | 100 | 0.90 | 0.50 to 1.10 | 3 |"), "{table}");
    }
}
