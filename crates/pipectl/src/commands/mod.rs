//! One module for each verb; each answers an exit code.

mod apply;
mod compare;
mod completions;
mod doctor;
mod dry_run;
mod explain;
mod fmt;
mod graph;
mod infer;
mod init;
mod schema;
mod stream;
mod validate;

use crate::{
    cli::{Arguments, Command},
    exit::Exit,
    view,
};

/// Carries out the command.
pub(crate) fn run(arguments: Arguments) -> Exit {
    let global = &arguments.global;
    match arguments.command {
        Command::Init(init) => init::run(&init, global),
        Command::Validate(validate) => validate::run(&validate, global),
        Command::Fmt(fmt) => fmt::run(&fmt, global),
        Command::Graph(graph) => graph::run(&graph, global),
        Command::Schema => schema::run(),
        Command::Infer(infer) => infer::run(&infer, global),
        Command::Explain(explain) => explain::run(&explain, global),
        Command::DryRun(dry_run) => dry_run::run(&dry_run, global),
        Command::Apply(apply) => apply::run(&apply, global),
        Command::Compare(compare) => compare::run(&compare, global),
        Command::Stream(command) => stream::run(&command, global),
        Command::Doctor(doctor) => doctor::run(&doctor, global),
        Command::Completions(completions) => completions::run(&completions),
        Command::Version => view::print(concat!("pipectl ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}
