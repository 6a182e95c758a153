//! Installs every server that tests start, and starts none: `.ci/run` does it while cargo compiles.
#![allow(clippy::print_stdout, reason = "a tool of the terminal")]

fn main() {
    for (name, outcome) in pipectl_peers::install_all() {
        match outcome {
            Ok(()) => println!("{name}: installed"),
            // Tests that need it say so too; nothing depends on this program.
            Err(why) => println!("{name}: {why}"),
        }
    }
}
