//! Whether two systems gave the same answer. Order does not count, nor how a timestamp is written.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use serde_json::{Map, Value};

/// How far two averages may lie apart: they are sums of floats in different orders.
const TOLERANCE: f64 = 1e-9;

/// The rows that a job gave.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// Too many rows to keep: their number and a sum of their hashes.
    Digest { rows: u64, sum: u64 },
    /// Values by sensor and window.
    Windows(BTreeMap<(String, String), Vec<f64>>),
}

const MEASURES: [&str; 4] = ["avg_temperature", "min_temperature", "max_temperature", "avg_humidity"];

impl Answer {
    /// Reads the rows of a job's output.
    pub(crate) fn read(job: &str, path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let lines = BufReader::with_capacity(1 << 20, File::open(path).map_err(|error| failed(&error))?).lines();
        let (mut rows, mut sum, mut windows) = (0, 0_u64, BTreeMap::new());
        for line in lines {
            let line = line.map_err(|error| failed(&error))?;
            let row: Map<String, Value> = serde_json::from_str(&line).map_err(|error| failed(&error))?;
            rows += 1;
            if job == "j1" {
                let text = format!("{} {} {}", text(&row, "sensor_id")?, instant(&row, "timestamp")?, {
                    number(&row, "temperature")?
                });
                sum = sum.wrapping_add(fnv(text.as_bytes()));
            } else {
                let key = (text(&row, "sensor_id")?, instant(&row, "window_start")?);
                let values = MEASURES.iter().map(|name| number(&row, name)).collect::<Result<_, _>>()?;
                if windows.insert(key, values).is_some() {
                    return Err(format!("{}: a window comes twice: {line}", path.display()));
                }
            }
        }
        Ok(if job == "j1" { Self::Digest { rows, sum } } else { Self::Windows(windows) })
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Digest { rows, .. } => *rows,
            Self::Windows(windows) => windows.len() as u64,
        }
    }

    /// Says where another answer differs.
    pub(crate) fn check(&self, other: &Self) -> Result<(), String> {
        if self.rows() != other.rows() {
            return Err(format!("{} and {} rows", self.rows(), other.rows()));
        }
        match (self, other) {
            (Self::Windows(mine), Self::Windows(theirs)) => {
                for (key, values) in mine {
                    let others = theirs.get(key).ok_or_else(|| format!("only one has {key:?}"))?;
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * a.abs().max(1.0);
                    if !values.iter().zip(others).all(near) {
                        return Err(format!("{key:?} is {values:?} and {others:?}"));
                    }
                }
                Ok(())
            }
            _ if self == other => Ok(()),
            _ => Err(format!("as many rows ({}), but not the same ones", self.rows())),
        }
    }
}

fn text(row: &Map<String, Value>, name: &str) -> Result<String, String> {
    let value = row.get(name).and_then(Value::as_str).ok_or_else(|| format!("a row has no text `{name}`: {row:?}"))?;
    Ok(value.to_owned())
}

fn number(row: &Map<String, Value>, name: &str) -> Result<f64, String> {
    row.get(name).and_then(Value::as_f64).ok_or_else(|| format!("a row has no number `{name}`: {row:?}"))
}

/// The digits of a timestamp in UTC down to the microsecond: `2026-01-01T00:00:00Z` and `2026-01-01 00:00:00.000` are one.
fn instant(row: &Map<String, Value>, name: &str) -> Result<String, String> {
    let digits: String = text(row, name)?.chars().filter(char::is_ascii_digit).collect();
    Ok(format!("{digits:0<20}"))
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(job: &str, name: &str, text: &str) -> Answer {
        let path = std::env::temp_dir().join(format!("pipectl-agree-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let answer = Answer::read(job, &path);
        std::fs::remove_file(&path).unwrap();
        answer.unwrap()
    }

    #[test]
    fn order_and_spelling_do_not_count_but_values_do() {
        let a = r#"{"sensor_id":"a","timestamp":"2026-01-01T00:00:00.5Z","temperature":26.0}"#;
        let a_elsewhere = r#"{"sensor_id":"a","timestamp":"2026-01-01 00:00:00.500","temperature":26}"#;
        let b = r#"{"sensor_id":"b","timestamp":"2026-01-01T00:00:00Z","temperature":25.5}"#;
        let mine = answer("j1", "1", &format!("{a}\n{b}\n"));
        assert_eq!(mine.check(&answer("j1", "2", &format!("{b}\n{a_elsewhere}\n"))), Ok(()));
        assert!(mine.check(&answer("j1", "3", &format!("{b}\n{b}\n"))).is_err());
        assert!(mine.check(&answer("j1", "4", a)).unwrap_err().contains("2 and 1 rows"));

        let row = |average: f64| {
            format!(
                r#"{{"sensor_id":"a","window_start":"2026-01-01T00:00:00Z","avg_temperature":{average},"min_temperature":1,"max_temperature":3,"avg_humidity":5}}"#
            )
        };
        let mine = answer("j2", "5", &row(2.0));
        assert_eq!(mine.check(&answer("j2", "6", &row(2.0 + 1e-12))), Ok(()));
        assert!(mine.check(&answer("j2", "7", &row(2.0 + 1e-6))).is_err());
    }
}
