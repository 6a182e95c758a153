//! Functions that people know from other systems, and names that are only misspelt.
//!
//! A wrong proposal is worse than none: `min` for `sin` gives a query that runs and answers something else. So a name
//! that some other system has is never taken for a slip of the pen.

mod advice;
mod names;

use pipectl_diag::codes::sql as codes;
use pipectl_ir::{functions, query::Expr};

use super::{Checker, call::mismatch, inside};
use crate::parse::ast::Call;
use advice::Advice;
pub(super) use advice::{from_number, unit};
use names::{ABSENT, CLOCKS, INSTEAD, PARTS, RANDOM};

const NO_CLOCK: &str = "event_time() is the time of the event, arrival_time() the time at which the record arrived";
const NO_RANDOM: &str = "derive it from fields of the record: sha256(a || b)";
const NOWHERE: &str = "pipectl does not have it; docs/generated/functions.md lists all functions";

/// What to write instead of a function that only other systems have, by its name alone.
pub fn instead_of(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    if functions::find(&name).is_some() {
        return None;
    }
    if CLOCKS.contains(&name.as_str()) {
        return Some(format!("`{name}` would give different rows for the same input; {NO_CLOCK}"));
    }
    if RANDOM.contains(&name.as_str()) {
        return Some(format!("`{name}` would give different rows for the same input; {NO_RANDOM}"));
    }
    if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
        return Some(format!("write date_part('{part}', time)"));
    }
    known(&name).map(|instead| if instead.is_empty() { NOWHERE } else { instead }.to_owned())
}

/// Whether other systems have a function of this name.
pub(super) fn is_elsewhere(name: &str) -> bool {
    known(name).is_some() || CLOCKS.contains(&name) || PARTS.iter().any(|(known, _)| *known == name)
}

/// What to write instead of a function that other systems have; empty if there is nothing.
fn known(name: &str) -> Option<&'static str> {
    let instead = INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, instead)| *instead);
    instead.or_else(|| ABSENT.contains(&name).then_some(""))
}

/// Whether one word is the other with one slip: a letter too many, one missing, a wrong one, two in the wrong order.
/// Short words and digits carry too much meaning for that: `sin` is not `min`, `t1` not `t2`.
pub fn one_slip(given: &str, meant: &str) -> bool {
    let (given, meant): (Vec<char>, Vec<char>) =
        (given.to_lowercase().chars().collect(), meant.to_lowercase().chars().collect());
    if given == meant {
        return true;
    }
    let start = given.iter().zip(&meant).take_while(|(a, b)| a == b).count();
    let (here, there) = (&given[start..], &meant[start..]);
    let end = here.iter().rev().zip(there.iter().rev()).take_while(|(a, b)| a == b).count();
    let (here, there) = (&here[..here.len() - end], &there[..there.len() - end]);
    if here.iter().chain(there).any(char::is_ascii_digit) {
        return false;
    }
    match (here, there) {
        ([_, _], [second, first]) => here == [*first, *second],
        ([] | [_], [_]) | ([_], []) => given.len().max(meant.len()) >= 4,
        _ => false,
    }
}

impl Checker<'_> {
    /// Says that there is no such function, and what may be meant; `args` are its arguments as far as they are sound.
    /// Answers whether it is one of ours, misspelt.
    pub(super) fn unknown_function(&mut self, call: &Call, name: &str, args: &[Option<Expr>]) -> bool {
        let place = &call.name.place;
        let advice = Advice { call, args, sql: self.sql }.of(name);
        if advice.is_none() && (CLOCKS.contains(&name) || RANDOM.contains(&name)) {
            let title = format!("`{name}` would give different rows for the same input");
            let help = if CLOCKS.contains(&name) { NO_CLOCK } else { NO_RANDOM };
            self.problem(codes::WALL_CLOCK, title, place, "", |p| p.help(help));
            return false;
        }
        let bound = name.ends_with("_end") || name.ends_with("_start");
        let window = bound && ["tumble", "hop", "session", "cumulate"].iter().any(|kind| name.starts_with(kind));
        let meant = if advice.is_some() || is_elsewhere(name) { None } else { misspelt(name, args) };
        self.problem(codes::UNKNOWN_FUNCTION, format!("unknown function `{}`", call.name.text), place, "", |p| {
            if window {
                return p.help("the bounds of the window are the columns window_start and window_end");
            }
            match (advice.or_else(|| instead_of(name)), meant) {
                (Some(instead), _) => p.help(instead),
                (None, Some(meant)) => p.help(format!("did you mean `{meant}`?")).fix(inside(place), meant),
                (None, None) => p.help("docs/generated/functions.md lists the functions"),
            }
        });
        meant.is_some()
    }
}

/// The function of which this is a slip of the pen, and that can take the arguments.
fn misspelt(name: &str, args: &[Option<Expr>]) -> Option<&'static str> {
    let sound: Option<Vec<Expr>> = args.iter().cloned().collect();
    functions::names().chain(["tumble", "hop"]).find(|candidate| {
        one_slip(name, candidate)
            && functions::find(candidate).is_none_or(|function| {
                function.signatures.iter().any(|signature| {
                    signature.takes(args.len()) && sound.as_ref().is_none_or(|args| mismatch(signature, args).is_none())
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use pipectl_ir::functions;

    use super::{ABSENT, CLOCKS, INSTEAD, PARTS, RANDOM, instead_of, one_slip};

    #[test]
    fn slips() {
        for (given, meant) in [
            ("cuont", "count"),
            ("conut", "count"),
            ("lenght", "length"),
            ("avgg", "avg"),
            ("agv", "avg"),
            ("AVG", "avg"),
            ("uper", "upper"),
        ] {
            assert!(one_slip(given, meant), "{given}, {meant}");
        }
        for (given, meant) in [
            ("median", "mean"),
            ("sin", "min"),
            ("lag", "log2"),
            ("concat_ws", "concat"),
            ("log1", "log2"),
            ("temp_1", "temp_2"),
            ("min_temp", "max_temp"),
            ("mad", "max"),
            ("", "avg"),
            ("rank", "rpad"),
        ] {
            assert!(!one_slip(given, meant), "{given}, {meant}");
        }
    }

    #[test]
    fn what_is_here_is_not_from_elsewhere() {
        let parts = PARTS.iter().map(|(name, _)| name);
        let names = INSTEAD.iter().flat_map(|(names, _)| *names).chain(ABSENT).chain(CLOCKS).chain(RANDOM).chain(parts);
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            assert!(instead_of(name).is_some(), "{name} has no text");
            assert!(functions::find(name).is_none(), "{name} exists");
            assert!(seen.insert(name), "{name} stands twice");
        }
    }
}
