//! What goes wrong in the field: records out of order, far too late, or broken.

use pipectl_host::Micros;

use crate::{
    draw::{Draw, Key, Probability},
    options::SimulateOptions,
};

const MINUTE: i64 = 60_000_000;

/// The faults that a spec asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    key: Key,
    disorder: Micros,
    late: Probability,
    malformed: Probability,
}

impl Faults {
    pub(crate) fn new(options: &SimulateOptions) -> Self {
        Self {
            key: Key::new(options.seed, "simulate/faults"),
            disorder: options.disorder.map_or(0, |disorder| disorder.micros().min(Micros::MAX / 4)),
            late: Probability::new(options.late),
            malformed: Probability::new(options.malformed),
        }
    }

    /// When the record of this number, which comes at `stamp`, happened.
    pub(crate) fn event_time(&self, number: u64, stamp: Micros) -> Micros {
        if self.disorder == 0 && self.late.is_never() {
            return stamp;
        }
        let mut draw = self.key.at_pair(number, 0);
        let displaced = draw.below(self.disorder as u64 + 1) as Micros;
        let displaced = if draw.happens(self.late) {
            self.disorder.saturating_add(draw.between(5 * MINUTE, 60 * MINUTE))
        } else {
            displaced
        };
        stamp.saturating_sub(displaced)
    }

    /// Breaks the payload from `start` on if the record of this number is one of the unlucky ones.
    pub(crate) fn spoil(&self, number: u64, out: &mut Vec<u8>, start: usize) {
        if self.malformed.is_never() {
            return;
        }
        let mut draw = self.key.at_pair(number, 1);
        if draw.happens(self.malformed) {
            spoil(&mut draw, out, start);
        }
    }
}

fn spoil(draw: &mut Draw, out: &mut Vec<u8>, start: usize) {
    let length = out.len().saturating_sub(start);
    // The first bytes and the last quarter are left out, so that what remains of a cut is neither nothing nor enough.
    let middle = start + length / 4 + draw.below(length as u64 / 2 + 1) as usize;
    match draw.below(3) {
        0 => out.truncate(middle),
        1 => out.insert(middle.min(out.len()), 0xff),
        _ => {
            out.truncate(start);
            out.extend_from_slice(b"\x16\x03\x01 connection reset, 0 bytes follow");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoiled_payload_is_never_valid() {
        let whole = br#"{"sensor_id":"sensor-001","temperature":21.5}"#;
        let key = Key::new(1, "test");
        for number in 0..1000 {
            let mut out = b"before".to_vec();
            out.extend_from_slice(whole);
            spoil(&mut key.at(number), &mut out, 6);
            assert!(out.starts_with(b"before") && out.len() > 10);
            assert!(serde_json::from_slice::<serde_json::Value>(&out[6..]).is_err());
        }
    }
}
