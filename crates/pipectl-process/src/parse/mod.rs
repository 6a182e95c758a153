//! The `parse` processor: takes a column of text apart into typed columns.
//!
//! A line that does not have the form asked for, or a field of it that does not have its type, is a dead letter; every
//! other line is one row. The forms are access logs (scanned by hand, since this runs for each line of a busy server),
//! regular expressions, grok, CSV and JSON.

mod access_log;
mod check;
mod grok;
mod operator;
mod options;
mod pattern;
mod plan;
mod time;

use pipectl_contract::{Checked, NodeContext, OpenContext, Operator, OperatorError, Processor, ProcessorFacts};

pub use operator::ParseOperator;
pub use options::{CsvOptions, JsonOptions, LogFormat, ParseOptions};

/// The kind `parse`.
#[derive(Debug)]
pub struct Parse;

impl Processor for Parse {
    type Options = ParseOptions;
    const KIND: &'static str = "parse";

    fn check(&self, options: &ParseOptions, node: NodeContext<'_>) -> Checked<ProcessorFacts> {
        match check::check(options, node.input) {
            Ok(facts) => Checked::ok(facts),
            Err(diagnostics) => Checked { facts: None, diagnostics },
        }
    }

    fn open(&self, options: ParseOptions, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError> {
        let operator = ParseOperator::new(&options, &context.input).map_err(|problems| {
            OperatorError(problems.iter().map(|problem| problem.title.as_str()).collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(operator))
    }
}
