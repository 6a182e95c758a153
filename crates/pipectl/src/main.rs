//! The `pipectl` command.
fn main() {}
