//! Weather-like readings: a daily wave, a slow drift and some noise around a level that each sensor has.

use pipectl_host::Micros;

use super::{Generator, Slot, digits};
use crate::{
    draw::{Draw, Key, Probability},
    options::SimulateOptions,
    schedule::Share,
    text,
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// How long a drift takes from one level to the next.
const DRIFT: i64 = 900 * SECOND;

pub(super) struct Sensors {
    share: Share,
    width: usize,
    readings: Key,
    levels: Key,
    drifts: Key,
    anomalies: Probability,
}

/// The values of a reading, in hundredths.
struct Reading {
    temperature: i64,
    humidity: i64,
    pressure: i64,
}

impl Sensors {
    pub(super) fn new(options: &SimulateOptions, share: Share) -> Self {
        Self {
            share,
            width: digits(share.keys, 3),
            readings: Key::new(options.seed, "simulate/sensors/readings"),
            levels: Key::new(options.seed, "simulate/sensors/levels"),
            drifts: Key::new(options.seed, "simulate/sensors/drifts"),
            anomalies: Probability::new(options.anomalies.unwrap_or(0.001)),
        }
    }

    fn reading(&self, sensor: u64, slot: Slot) -> Reading {
        let mut draw = self.readings.at(slot.number);
        let mut level = self.levels.at(sensor);
        // Warmest at three in the afternoon, when the air is driest.
        let warmth = wave(slot.time - DAY * 9 / 24, DAY);
        let drift = self.drift(sensor, slot.time);
        let temperature = 2400 + level.between(-150, 150) + 600 * warmth / UNIT + drift + draw.bell(25);
        let humidity = 5500 + level.between(-400, 400) - 1200 * warmth / UNIT - 3 * drift + draw.bell(90);
        // Highs and lows pass in some days, over all sensors alike.
        let pressure = 101_200 + level.between(-150, 150) + 900 * wave(slot.time, 5 * DAY) / UNIT + draw.bell(15);
        let mut reading = Reading {
            temperature: temperature.clamp(1500, 3500),
            humidity: humidity.clamp(3000, 8000),
            pressure: pressure.clamp(99_000, 103_000),
        };
        if draw.happens(self.anomalies) {
            spike(&mut draw, &mut reading);
        }
        reading
    }

    /// A level that wanders: random points a quarter of an hour apart, joined by straight lines.
    fn drift(&self, sensor: u64, time: Micros) -> i64 {
        let (step, into) = (time.div_euclid(DRIFT), time.rem_euclid(DRIFT) / SECOND);
        let level = |step: i64| self.drifts.at_pair(sensor, step as u64).between(-80, 80);
        let (from, to) = (level(step), level(step + 1));
        from + (to - from) * into / (DRIFT / SECOND)
    }
}

/// One value leaves its range, as a loose wire or a hand on the sensor would make it.
fn spike(draw: &mut Draw, reading: &mut Reading) {
    match draw.below(3) {
        0 => reading.temperature += draw.between(2000, 4000),
        1 => reading.humidity = draw.between(0, 800),
        _ => reading.pressure -= draw.between(6000, 9000),
    }
}

const UNIT: i64 = 10_000;

/// A sine wave from -`UNIT` to `UNIT`, by the rational approximation of Bhaskara I
/// (<https://www.jstor.org/stable/10.4169/college.math.j.42.2.098>), which is within 0.2 % and needs integers only.
fn wave(time: Micros, period: Micros) -> i64 {
    let half = period / SECOND / 2;
    let seconds = time.rem_euclid(period) / SECOND;
    let (sign, seconds) = if seconds < half { (1, seconds) } else { (-1, seconds - half) };
    let arc = seconds * (half - seconds);
    sign * 16 * arc * UNIT / (5 * half * half - 4 * arc)
}

impl Generator for Sensors {
    fn write(&mut self, slot: Slot, out: &mut Vec<u8>) {
        let sensor = self.share.key(slot.index % self.share.len());
        let reading = self.reading(sensor, slot);
        out.extend_from_slice(b"{\"sensor_id\":\"sensor-");
        text::padded(out, sensor + 1, self.width);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        text::rfc3339(out, slot.time);
        out.extend_from_slice(b"\",\"temperature\":");
        text::hundredths(out, reading.temperature);
        out.extend_from_slice(b",\"humidity\":");
        text::hundredths(out, reading.humidity);
        out.extend_from_slice(b",\"pressure\":");
        text::hundredths(out, reading.pressure);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_is_a_sine() {
        for minute in 0..1440 {
            let exact = (std::f64::consts::TAU * minute as f64 / 1440.0).sin() * UNIT as f64;
            let ours = wave(minute * 60 * SECOND, DAY) as f64;
            assert!((exact - ours).abs() < 25.0, "{minute}: {exact} {ours}");
        }
    }
}
