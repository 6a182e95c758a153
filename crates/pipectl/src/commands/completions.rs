//! `pipectl completions`: a script for the shell.

use clap::CommandFactory as _;

use crate::{
    cli::{Arguments, CompletionsArguments},
    exit::Exit,
    view,
};

pub(super) fn run(arguments: &CompletionsArguments) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "pipectl", &mut script);
    view::print(&String::from_utf8_lossy(&script))
}
