//! What a step of a chain does: an operator, or the event time that the chain itself looks after.

use std::{path::Path, sync::Arc};

use pipectl_contract::{OpenContext, Operator, OperatorError};
use pipectl_host::Host;
use pipectl_ir::physical::Operation;
use pipectl_process::{sql::SqlOperator, window::WindowOperator};

use crate::{
    connectors::Connectors,
    steps::{Columns, Decode, DropPayload, EventTimeStep, Key, Partition, Pass, Together},
};

/// What a step does.
pub(crate) enum Work {
    /// Anything that takes batches and watermarks.
    Operator(Box<dyn Operator>),
    /// Makes watermarks.
    EventTime(EventTimeStep),
}

impl Work {
    /// That of a node's step in the subtask of this number; `per_partition` says whether its input is the reader of a
    /// durable stream, which announces its partitions.
    pub(crate) fn new(
        operation: &Operation,
        node: &str,
        (subtask, per_partition): (u32, bool),
        connectors: &dyn Connectors,
        (host, directory): (&Host, &Path),
        together: Option<Arc<Together>>,
    ) -> Result<Self, OperatorError> {
        Ok(Self::Operator(match operation {
            Operation::EventTime(time) => {
                return Ok(Self::EventTime(EventTimeStep::new(time, per_partition).together(together)));
            }
            Operation::Decode { needed, format, all } => Box::new(Decode::new(needed, format, all)),
            Operation::Key(fields) => Box::new(Key::new(fields)),
            Operation::Partition => Box::new(Partition::new(subtask)),
            Operation::Pass => Box::new(Pass),
            Operation::DropPayload => Box::new(DropPayload),
            Operation::Columns(names) => Box::new(Columns::new(names)),
            Operation::Sql(query, input) => Box::new(SqlOperator::new(query, input)?),
            Operation::Window { query, input, late, at_end } => {
                Box::new(WindowOperator::new(query, input, subtask, *late)?.at_end(*at_end))
            }
            Operation::Other { kind, options, input, late, at_end } => {
                let processor = connectors.registry().find_processor(kind);
                let unknown = || OperatorError(format!("this build has no processor of kind `{kind}`"));
                let (node, input) = (node.to_owned(), input.clone());
                let (host, directory) = (host.clone(), directory.to_owned());
                let (late, at_end) = (*late, *at_end);
                let context = OpenContext { node, input, subtask, late, at_end, host, directory };
                processor.ok_or_else(unknown)?.open(options, context)?
            }
        }))
    }
}
