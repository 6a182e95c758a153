//! Regular expressions whose named groups are columns.
//!
//! The `regex` crate matches in time linear in the text, so no line can hold up the pipeline.

use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::options::BAD_REGEX};
use regex::{CaptureLocations, Regex};

/// A compiled expression and its named groups in order.
pub(super) struct RegexPattern {
    regex: Regex,
    groups: Vec<(usize, String)>,
    found: CaptureLocations,
}

impl RegexPattern {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(_, name)| name.as_str())
    }

    /// Calls `set` with each named group that took part in the match; false if there is no match.
    pub(super) fn find<'a>(&mut self, text: &'a str, mut set: impl FnMut(usize, &'a str)) -> bool {
        if self.regex.captures_read(&mut self.found, text).is_none() {
            return false;
        }
        for (field, (group, _)) in self.groups.iter().enumerate() {
            if let Some(value) = self.found.get(*group).and_then(|(start, end)| text.get(start..end)) {
                set(field, value);
            }
        }
        true
    }
}

/// Compiles an expression; what is wrong is reported at its place in the text.
pub(super) fn compile(text: &str, found: &mut Diagnostics) -> Option<RegexPattern> {
    let path = Path::keys(["regex"]);
    if let Some((reason, range)) = fault(text) {
        let mut problem = Diagnostic::error(BAD_REGEX, format!("`regex` is not a regular expression: {reason}"))
            .at_inside(&path, range, "");
        if reason.contains("look-around") || reason.contains("backreference") {
            problem = problem.help(
                "these make matching slow on some texts; write the expression without them, or use `grok`, which supports them",
            );
        }
        found.push(problem);
        return None;
    }
    let regex = match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => {
            let reason = match error {
                regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes when compiled"),
                other => other.to_string(),
            };
            let problem = Diagnostic::error(BAD_REGEX, format!("`regex` cannot be used: {reason}")).at(&path, "");
            found.push(problem.help("make repetitions such as `{1000}` shorter"));
            return None;
        }
    };
    let groups: Vec<_> =
        regex.capture_names().enumerate().filter_map(|(group, name)| Some((group, name?.to_owned()))).collect();
    if groups.is_empty() {
        let problem = Diagnostic::error(BAD_REGEX, "`regex` has no named group, so it defines no column").at(&path, "");
        found.push(problem.help("name each column: `(?<client>\\S+)`"));
        return None;
    }
    let found = regex.capture_locations();
    Some(RegexPattern { regex, groups, found })
}

/// Why a text is no regular expression, and where.
fn fault(text: &str) -> Option<(String, std::ops::Range<usize>)> {
    let (reason, span) = match regex_syntax::parse(text).err()? {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
        other => return Some((other.to_string(), 0..text.len())),
    };
    Some((reason, span.start.offset..span.end.offset.max(span.start.offset)))
}
