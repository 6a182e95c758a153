//! Sensor readings as JSON lines, the same bytes for the same size on every machine.
//!
//! 1000 sensors report in random order over one hour of event time, so that there are 60 windows whatever the size.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

/// Raise it when what is generated changes, so that an old file is not taken for a new one.
const VERSION: u32 = 1;
const SENSORS: u64 = 1000;
const SPAN_MILLIS: u64 = 3_600_000;
const SEED: u64 = 42;

/// The name of the file for so many records.
pub(crate) fn name(records: u64) -> String {
    format!("readings-v{VERSION}-{records}.jsonl")
}

/// Writes the records; the file has its name only once it is whole.
pub(crate) fn write(path: &Path, records: u64) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
    lines(records, &mut out)?;
    out.into_inner()?.sync_all()?;
    std::fs::rename(&partial, path)
}

fn lines(records: u64, out: &mut impl io::Write) -> io::Result<()> {
    let mut random = SplitMix(SEED);
    for record in 0..records {
        let millis = record * SPAN_MILLIS / records;
        let (minute, second) = (millis / 60_000, millis / 1_000 % 60);
        let sensor = random.below(SENSORS);
        // Two decimals from 15 to 35, one from 30 to 80, one from 990 to 1030.
        let temperature = 1_500 + random.below(2_001);
        let humidity = 300 + random.below(500);
        let pressure = 9_900 + random.below(400);
        writeln!(
            out,
            "{{\"sensor_id\":\"sensor-{sensor:03}\",\"timestamp\":\"2026-01-01T00:{minute:02}:{second:02}.{:03}Z\",\
             \"temperature\":{}.{:02},\"humidity\":{}.{},\"pressure\":{}.{}}}",
            millis % 1_000,
            temperature / 100,
            temperature % 100,
            humidity / 10,
            humidity % 10,
            pressure / 10,
            pressure % 10,
        )?;
    }
    Ok(())
}

/// `SplitMix64` (Steele, Lea, Flood 2014, <https://doi.org/10.1145/2660193.2660195>).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_lines_for_ever() {
        let mut out = Vec::new();
        lines(3, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(
            first,
            "{\"sensor_id\":\"sensor-741\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"temperature\":18.19,\"humidity\":43.9,\"pressure\":1003.7}"
        );
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!((15.0..=35.0).contains(&record["temperature"].as_f64().unwrap()), "{line}");
        }
        assert!(text.lines().nth(2).unwrap().contains("T00:40:00.000Z"));
    }
}
