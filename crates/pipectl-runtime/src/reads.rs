//! Sources and durable streams look the same to the task that reads them.

use pipectl_data::Micros;
use pipectl_ir::physical::StageInput;

/// What a reader reads: a source or a durable stream.
pub(crate) struct Reads<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Number of its node.
    pub(crate) node: usize,
    /// See `SourcePlan::leaves`.
    pub(crate) leaves: bool,
    /// See `SourcePlan::idle_after`.
    pub(crate) idle_after: Option<Micros>,
    /// Whether it is a durable stream.
    pub(crate) durable: bool,
}

impl<'a> Reads<'a> {
    /// What a stage reads; `None` if it has no readers.
    pub(crate) fn of(input: &'a StageInput) -> Option<Self> {
        match input {
            StageInput::Source(source) => Some(Self {
                name: &source.name,
                node: source.node,
                leaves: source.leaves,
                idle_after: source.idle_after,
                durable: false,
            }),
            StageInput::Stream(stream) => Some(Self {
                name: &stream.name,
                node: stream.node,
                leaves: stream.leaves,
                idle_after: stream.idle_after,
                durable: true,
            }),
            StageInput::Routes => None,
        }
    }
}
