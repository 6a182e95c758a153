//! `pipectl explain`: cause, example and fix of a code; what a function, a kind or an option does.

use std::fmt::Write as _;

use pipectl_diag::{Code, Diagnostic, codes, nearest};

use crate::{
    cli::{ExplainArguments, Global},
    exit::Exit,
    lookup, view,
};

pub(super) fn run(arguments: &ExplainArguments, global: &Global) -> Exit {
    let Some(wanted) = &arguments.code else {
        let mut list = String::new();
        for code in codes::all() {
            writeln!(list, "{}  {}", code, code.info().name).unwrap_or_default();
        }
        return view::print(&list);
    };
    if let Some(code) = Code::find(wanted) {
        return view::print(&pipectl_diag::explain(code));
    }
    if let Some(text) = lookup::find(wanted) {
        return view::print(&text);
    }
    let title = format!("there is no code, function, kind or option `{wanted}`");
    let problem = Diagnostic::error(codes::command::UNKNOWN_CODE, title);
    // Names of codes are long, so that a word of another kind easily looks like one.
    let known = codes::all().flat_map(|code| [code.info().code, code.info().name]);
    let near_code = || nearest(wanted, known.filter(|known| known.len().abs_diff(wanted.len()) <= 2));
    view::problem(
        match lookup::near(wanted).or_else(|| near_code().map(str::to_owned)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`pipectl explain` without a code lists all codes"),
        },
        global,
    );
    Exit::Wrong
}
