//! What pipectl's own crates warn of, so that a test can report what is passed over in silence.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing::{Event, Level, Metadata, Subscriber, field::Field, span};

/// Keeps the warnings of a thread, if it is `tracing`'s subscriber there, or of the process.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Those of all threads, from the first call on.
    ///
    /// # Panics
    ///
    /// If something else listens already.
    pub fn of_process() -> Self {
        static ALL: OnceLock<Warnings> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let all = Self::default();
            let set = tracing::subscriber::set_global_default(all.clone());
            set.unwrap_or_else(|error| panic!("warnings of the process: {error}"));
            all
        });
        all.clone()
    }

    /// Those that speak of `what`: their fields, as `name=value`.
    pub fn about(&self, what: &str) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|line| line.contains(what)).cloned().collect()
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("pipectl")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            // Writing to a text cannot fail.
            let _infallible = write!(line, "{field}={value:?} ");
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
