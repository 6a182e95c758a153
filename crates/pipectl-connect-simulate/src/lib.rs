//! The `simulate` source: sensors, clickstream, server logs and orders that nobody had to record.
//!
//! Record `i` of a partition follows from the seed, the options and `i` alone, with integer arithmetic throughout, so
//! that the same spec gives the same bytes on every machine and a restart goes on as if nothing had happened.

mod check;
mod draw;
mod fault;
mod model;
mod options;
mod reader;
mod schedule;
mod text;

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Source, SourceContext, SourceFacts, SourceReader,
};

pub use options::{Model, Pace, SimulateOptions};

/// The `simulate` kind of source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulate;

#[async_trait]
impl Source for Simulate {
    type Options = SimulateOptions;
    const KIND: &'static str = "simulate";

    fn check(&self, options: &SimulateOptions, _node: NodeContext<'_>) -> Checked<SourceFacts> {
        let facts = SourceFacts {
            schema: Some(options.model.schema()),
            format: options.model.format(),
            bounded: options.records.is_some() || options.span.is_some(),
            at_rest: options.pace == Pace::Fast,
            reads: Vec::new(),
        };
        Checked::new(facts, check::problems(options))
    }

    async fn open(
        &self,
        options: SimulateOptions,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        if let Some(problem) = check::problems(&options).into_iter().next() {
            return Err(ConnectorError::new(ErrorKind::Invalid, problem.title));
        }
        reader::open(&options, &context.host, &context.node, &context.positions)
    }
}
