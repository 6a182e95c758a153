//! The `function` processor: user code in worker processes, one for each task.
//!
//! The runtime owns what the code keeps: a worker is a function of the records and the state of their keys, so a worker
//! that is lost costs nothing but time (docs/decisions/0018).

mod call;
mod frame;
mod kept;
mod language;
mod launch;
mod operator;
mod options;
mod plan;
mod rows;
mod sink;
mod worker;

use std::path::Path as File;

use pipectl_contract::{Checked, NodeContext, OpenContext, Operator, OperatorError, Processor, ProcessorFacts};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes};

pub use operator::FunctionOperator;
pub use options::{Data, FunctionOptions, FunctionSinkOptions, Shape, SinkShape};
pub use sink::FunctionSink;

/// The kind `function`.
#[derive(Debug)]
pub struct Function;

impl Processor for Function {
    type Options = FunctionOptions;
    const KIND: &'static str = "function";

    fn check(&self, options: &FunctionOptions, node: NodeContext<'_>) -> Checked<ProcessorFacts> {
        match plan::Plan::new(options, node.input, false) {
            Ok(plan) => Checked::ok(plan.facts(options, node.input)),
            Err(diagnostics) => Checked { facts: None, diagnostics },
        }
    }

    fn missing(&self, options: &FunctionOptions, directory: &File) -> Diagnostics {
        let mut found = Diagnostics::new();
        let file = directory.join(&options.file);
        if !file.is_file() {
            let name = &options.file;
            let title = if file.is_dir() { format!("`{name}` is a folder") } else { format!("no file `{name}`") };
            let problem =
                Diagnostic::error(codes::command::FILE_NOT_THERE, title).at(&Path::keys(["file"]), "not there");
            found.push(problem.help("a path is relative to the working directory of pipectl"));
        }
        found
    }

    fn open(&self, options: FunctionOptions, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(FunctionOperator::new(&options, context)?))
    }
}
