//! Chores of the project, run as `cargo xtask <chore>`. Nothing here is part of the product.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the terminal")]

mod budget;
mod check_layers;
mod generated;
mod ladder;
mod layers;
#[cfg(test)]
mod one_build;
mod peers;
mod shards;
mod words;
mod workflow;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const PEERS_HELP: &str = "\
cargo xtask peers up [NAME…]      start servers to try pipelines against, and print how to lead pipectl to them
cargo xtask peers down [NAME…]    stop those that were started so
cargo xtask peers status [NAME…]  list which of them run; fails if one has died

All of them where none is named: kafka kinesis dynamo pubsub eventhubs azurite
";

const HELP: &str = "\
cargo xtask layers            fail if a crate depends on one that it must not know (xtask/src/layers.rs)
cargo xtask files             fail if a source file is over its budget or does not say why it exists
cargo xtask words             fail if what users read has a retired word (xtask/src/words.rs)
cargo xtask schemas [--check] write schemas/, or fail if a file there is stale
cargo xtask docs [--check]    write docs/generated/, or fail if a file there is stale
cargo xtask ladder [--check] FOLDER
                              write docs/backends.md from the reports that the suite of the backends left there
                              (PIPECTL_CONFORMANCE_REPORTS=FOLDER cargo test), or fail if it is stale
cargo xtask shard N           print what `cargo test` takes for the integration tests of a shard of .ci/full
cargo xtask workflow FILE PIPELINE
                              run a workflow of docs/ci/ on a pipeline, as a runner of GitHub Actions would
cargo xtask peers up|down|status [kafka kinesis dynamo pubsub eventhubs azurite]
                              real servers to try pipelines against; all of them if none is named
";

/// What a chore found: nothing, or lines that say what is wrong.
type Findings = Result<Vec<String>, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let findings = match arguments.as_slice() {
        ["layers"] => check_layers::run(),
        ["files"] => budget::run(&root()),
        ["words"] => words::run(&root()),
        [folder @ ("schemas" | "docs")] => generated::write(&root(), folder),
        [folder @ ("schemas" | "docs"), "--check"] => Ok(generated::check(&root(), folder)),
        ["ladder", folder] => ladder::write(&root(), folder),
        ["ladder", "--check", folder] => ladder::check(&root(), folder),
        ["workflow", file, pipeline] => workflow::run(&root(), file, pipeline),
        ["shard", number] => match shards::arguments(number) {
            Ok(arguments) => return helped(&arguments),
            Err(error) => Err(error),
        },
        ["peers"] | ["peers", "help", ..] => return helped(PEERS_HELP),
        ["peers", rest @ ..] if rest.iter().any(|word| ["--help", "-h"].contains(word)) => return helped(PEERS_HELP),
        ["peers", chore, names @ ..] => peers::run(chore, names),
        ["help" | "--help" | "-h"] => return helped(HELP),
        _ => Err(format!("no such chore; there are:\n{HELP}")),
    };
    match findings {
        Ok(lines) if lines.is_empty() => ExitCode::SUCCESS,
        Ok(lines) => {
            for line in &lines {
                eprintln!("{line}");
            }
            eprintln!("{} found", lines.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn helped(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
