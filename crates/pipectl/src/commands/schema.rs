//! `pipectl schema`: the JSON Schema of specs.

use crate::{exit::Exit, generated::schema_text, view};

pub(super) fn run() -> Exit {
    view::print(&schema_text())
}
