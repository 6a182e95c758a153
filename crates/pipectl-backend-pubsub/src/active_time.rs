//! A clock that goes on while records come and hardly while none do: by it, what is kept because a record may come again
//! outlasts an outage, in which nothing can come again and acknowledgements get lost.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use pipectl_data::Micros;

/// The longest silence that counts whole: streams that are read have one only when there is nothing to read.
const SILENCE: Micros = 60_000_000;

/// The clock.
pub(crate) struct ActiveTime {
    came: AtomicI64,
    now: AtomicI64,
}

impl ActiveTime {
    /// Begins at this moment.
    pub(crate) fn since(now: Micros) -> Self {
        Self { came: AtomicI64::new(now), now: AtomicI64::new(now) }
    }

    /// A record came.
    pub(crate) fn note(&self, now: Micros) {
        let silence = now.saturating_sub(self.came.swap(now, SeqCst)).clamp(0, SILENCE);
        self.now.fetch_add(silence, SeqCst);
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Micros {
        self.now.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_hardly_counts() {
        let clock = ActiveTime::since(0);
        for second in 1..=120 {
            clock.note(second * 1_000_000);
        }
        assert_eq!(clock.now(), 120_000_000, "while records come it goes as every clock");
        // Half an hour in which nothing comes, and the first records after it.
        clock.note(1_920_000_000);
        clock.note(1_920_000_001);
        assert_eq!(clock.now(), 180_000_001);
    }
}
