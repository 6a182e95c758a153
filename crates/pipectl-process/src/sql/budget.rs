//! How many bytes of text one evaluation may make.
//!
//! A function bounds what it makes of a row, but a batch has thousands of rows. All texts that are made since
//! [`restart`] count, whether they are still needed or not; beyond [`MOST`] the next one is refused, and the program
//! tries fewer rows. A single row is never refused.

use std::cell::Cell;

use datafusion_common::DataFusionError;

/// Bytes of text that an evaluation of several rows may make.
pub(super) const MOST: usize = 32 << 20;

thread_local! {
    /// An evaluation stays on its thread from start to end.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Begins an evaluation.
pub(super) fn restart() {
    MADE.set(0);
}

/// Bytes made since the evaluation began.
pub(super) fn made() -> usize {
    MADE.get()
}

/// Whether an evaluation was refused because it would make too much at once.
pub(super) fn is_too_much(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// Counts the texts of a column under way.
pub(super) struct Meter {
    rows: usize,
    made: usize,
}

impl Meter {
    /// For a column of so many rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, made: made() }
    }

    #[inline]
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), DataFusionError> {
        self.made = self.made.saturating_add(bytes);
        if self.made > MOST && self.rows > 1 {
            return Err(DataFusionError::ResourcesExhausted("too much text for one evaluation".to_owned()));
        }
        Ok(())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        MADE.set(self.made);
    }
}
