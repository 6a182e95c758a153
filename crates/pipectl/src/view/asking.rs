//! What a person sees while a backend is asked something: that it is asked, and for how long already.

use std::{cell::Cell, io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;

/// A question under way. On a terminal a line that goes away with the answer; elsewhere a line once it takes long.
pub(crate) struct Asking {
    line: Option<ProgressBar>,
    text: String,
    reported: Cell<bool>,
}

impl Asking {
    /// Shows it.
    pub(crate) fn begin(who: &str, what: &str) -> Self {
        let text = format!("{who}: {what}");
        let line = std::io::stderr().is_terminal().then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                line.set_style(style);
            }
            line.set_message(text.clone());
            line.enable_steady_tick(Duration::from_millis(250));
            line
        });
        Self { line, text, reported: Cell::new(false) }
    }

    /// Says that there is no answer yet.
    pub(crate) fn still(&self) {
        if self.line.is_none() && !self.reported.replace(true) {
            note(&format!("{}, no response yet", self.text));
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
