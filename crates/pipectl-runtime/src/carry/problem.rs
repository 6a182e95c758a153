//! State that does not fit a plan, in words.

use pipectl_ir::StateSignature;
use serde_json::Value;

use crate::{RunError, changes};

/// Differences of a node that are reported.
const REPORTED: usize = 3;

/// What a person finds in the text of the query quicker than in the differences of its parts.
const IN_SQL: [&str; 2] = ["WHERE", "group keys"];

/// Why state has no place in a plan.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) change: Change,
    pub(super) loss: Loss,
}

/// What has happened to the node.
#[derive(Debug)]
pub(super) enum Change {
    /// It is there, and its state means something else.
    Different(Vec<String>),
    /// It is of another kind.
    Kind { was: String, is: String },
    /// It keeps nothing that this state could be.
    Stateless,
    /// The sink writes elsewhere.
    Place { was: String, is: String },
    /// There is none of its name.
    Gone,
}

/// What would be lost.
#[derive(Debug)]
pub(super) enum Loss {
    /// State with this many records.
    Records(u64),
    /// Where a source or a stream was read.
    Position,
    /// What a sink has not published.
    Output,
}

impl Problem {
    /// What has changed, in a line.
    fn line(&self) -> String {
        let Self { name, role, .. } = self;
        match &self.change {
            Change::Different(differences) => {
                let more = if differences.len() > REPORTED { ", and more" } else { "" };
                let shown = differences.iter().take(REPORTED).map(String::as_str).collect::<Vec<_>>();
                format!("changed: {role} `{name}`: {}{more}", shown.join(", "))
            }
            Change::Kind { was, is } => format!("changed: {role} `{name}` was of kind `{was}` and is of kind `{is}`"),
            Change::Stateless => format!("changed: {role} `{name}` keeps no such state any more"),
            Change::Place { was, is } => format!("changed: {role} `{name}` wrote to {was} and writes to {is}"),
            Change::Gone => format!("changed: {role} `{name}` is gone"),
        }
    }

    /// What a person can do, and what that costs.
    fn help(&self) -> String {
        let name = &self.name;
        let flag = if matches!(self.change, Change::Gone) { "drop" } else { "reset" };
        let lost = match self.loss {
            Loss::Position => format!("and forgets how far `{name}` was read"),
            Loss::Output => format!("and loses the records that `{name}` has not published yet"),
            Loss::Records(0) => format!("and loses the state of `{name}`; all else is kept"),
            Loss::Records(1) => format!("and loses the state of `{name}`, which holds 1 record; all else is kept"),
            Loss::Records(held) => {
                format!("and loses the state of `{name}`, which holds {held} records; all else is kept")
            }
        };
        format!("`--{flag} {name}` continues, {lost}")
    }
}

/// The error that names all problems.
pub(super) fn refuse(checkpoint: u64, problems: &[Problem]) -> RunError {
    let mut error =
        RunError::failed(format!("the spec has changed since checkpoint {checkpoint}, and state in it does not fit"));
    for problem in problems {
        error = error.help(problem.line());
    }
    error = error.help("undo the change to continue from the checkpoint");
    for problem in problems {
        error = error.help(problem.help());
    }
    error.help("or start over with `--fresh`: everything is read and written again")
}

/// What differs between the state that there is and the state that is wanted.
pub(super) fn differences(known: &StateSignature, wanted: &StateSignature) -> Vec<String> {
    let mut found = Vec::new();
    let names = known.fixed.keys().chain(wanted.fixed.keys().filter(|name| !known.fixed.contains_key(*name)));
    for name in names {
        let null = &Value::Null;
        let (before, after) = (known.fixed.get(name).unwrap_or(null), wanted.fixed.get(name).unwrap_or(null));
        if before == after {
            continue;
        }
        match (before, after) {
            (Value::Object(_), Value::Object(_)) if !IN_SQL.contains(&name.as_str()) => {
                changes::leaves(name, before, after, &mut found);
            }
            (before, after) if !IN_SQL.contains(&name.as_str()) && is_plain(before) && is_plain(after) => {
                found.push(format!("`{name}` was {before} and is {after}"));
            }
            _ => found.push(format!("its {name} changed, or a type in it")),
        }
    }
    for part in &wanted.parts {
        if known.parts.iter().any(|known| known.meaning == part.meaning) {
            continue;
        }
        found.push(if known.parts.iter().any(|known| known.name == part.name) {
            format!("a type in `{}` changed", part.name)
        } else {
            format!("`{}` is new, and open windows have no value for it", part.name)
        });
    }
    found
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        value => !value.is_object(),
    }
}
