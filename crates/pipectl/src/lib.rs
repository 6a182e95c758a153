//! The pipectl command line: arguments, wiring and views.
//!
//! This is the only crate that names concrete backends and connectors: [`registry()`] is the list of all kinds that this
//! build knows. Everything else asks the registry.

mod absent;
mod cli;
mod commands;
mod dead_letter_limit;
mod draw;
mod environments;
mod exit;
mod generated;
mod given;
mod guarantee;
mod input;
mod logging;
mod lookup;
mod metrics_address;
mod patience;
mod preview;
mod reach;
mod real_path;
mod record;
mod reference;
mod registry;
mod state;
mod stop;
mod view;

pub use draw::{DrawFormat, draw};
pub use exit::Exit;
pub use generated::{GENERATED, Generated, cli_page, schema_text};
pub use input::{Source, compile_files, load_files};
pub use reference::kinds_page;
pub use registry::{kinds, registry};

use clap::Parser as _;

/// Runs the command line of this process.
pub fn main() -> std::process::ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here too; those are fine.
            let exit = if error.use_stderr() { Exit::Wrong } else { Exit::Fine };
            drop(error.print());
            return exit.into();
        }
    };
    logging::start(&arguments.global);
    commands::run(arguments).into()
}
