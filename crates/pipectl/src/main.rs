//! The `pipectl` command. Everything is in the library beside it, so that tests and xtask can use it too.

fn main() -> std::process::ExitCode {
    pipectl::main()
}
