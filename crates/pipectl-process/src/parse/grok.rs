//! Grok: regular expressions put together from named patterns.
//!
//! The `grok` crate compiles and matches. This file walks the pattern first, so that faults are found at their place,
//! a pattern that refers to itself or grows without bounds is refused, and columns keep their order and types.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use grok::{
    Grok, Pattern,
    parser::{GrokComponent, grok_split},
};
use pipectl_data::DataType;
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::options::{BAD_GROK, UNKNOWN_GROK_PATTERN},
};

/// How deep patterns may lie within each other, how many references there may be once all are resolved, and how long
/// the regular expression may be.
const DEEPEST: usize = 64;
const MOST_REFERENCES: usize = 10_000;
const LONGEST: usize = 256 * 1024;

/// A compiled pattern and its columns.
#[derive(Debug)]
pub(super) struct GrokPattern {
    pattern: Pattern,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    data_type: DataType,
    /// What the matcher calls the places of this name: alternatives may each have one.
    places: Vec<String>,
}

impl GrokPattern {
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, DataType)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.data_type.clone()))
    }

    /// Calls `set` with each column that took part in the match; false if there is no match.
    pub(super) fn find<'a>(&self, text: &'a str, mut set: impl FnMut(usize, &'a str)) -> bool {
        let Some(matches) = self.pattern.match_against(text) else { return false };
        for (field, column) in self.columns.iter().enumerate() {
            let value = column.places.iter().find_map(|place| matches.get(place));
            if let Some(value) = value.and_then(|value| within(text, value)) {
                set(field, value);
            }
        }
        true
    }
}

/// The same slice with the life of the whole text, which the matcher's answer does not have.
fn within<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    text.get(start..start + part.len())
}

/// Compiles a pattern; what is wrong is reported at its place in the text or in the definition of a pattern of the user's.
pub(super) fn compile(text: &str, own: &BTreeMap<String, String>, found: &mut Diagnostics) -> Option<GrokPattern> {
    let mut walk = Walk {
        standard: grok::patterns().iter().copied().collect(),
        own,
        open: Vec::new(),
        references: 0,
        length: 0,
        columns: Vec::new(),
        used: BTreeSet::new(),
        found: Diagnostics::new(),
    };
    walk.text(text, &Spot { path: Path::keys(["grok"]), range: None, title: "`grok`".to_owned() }, &BTreeMap::new());
    if walk.is_too_large() {
        let problem = Diagnostic::error(BAD_GROK, "`grok` becomes too large when its patterns are expanded");
        let help = format!("use at most {MOST_REFERENCES} patterns and {LONGEST} characters, all uses counted");
        found.push(problem.at(&Path::keys(["grok"]), "").help(help));
        return None;
    }
    let Walk { used, mut columns, found: problems, .. } = walk;
    let broken = problems.has_errors();
    found.extend(problems);
    if broken {
        return None;
    }

    let mut grok = Grok::with_default_patterns();
    for (name, definition) in own {
        grok.add_pattern(name.clone(), definition.clone());
    }
    // A fault in a definition is reported there, once, instead of at each of its uses.
    let mut faulty = false;
    for name in used {
        if let Some(Err(error)) = own.get(name).map(|definition| grok.compile(definition, true)) {
            found.push(refused(&format!("pattern `{name}`"), &Path::keys(["patterns", name]), &error));
            faulty = true;
        }
    }
    if faulty {
        return None;
    }
    let pattern = match grok.compile(text, true) {
        Ok(pattern) => pattern,
        Err(error) => {
            found.push(refused("`grok`", &Path::keys(["grok"]), &error));
            return None;
        }
    };
    // Named groups that are written as such are columns too.
    let plain = pattern
        .capture_names()
        .filter(|name| !columns.iter().any(|column| column.places.iter().any(|place| place == name)));
    let plain: Vec<_> = plain
        .map(|name| Column { name: name.to_owned(), data_type: DataType::String, places: vec![name.to_owned()] })
        .collect();
    columns.extend(plain);
    if columns.is_empty() {
        let problem = Diagnostic::error(BAD_GROK, "`grok` names no column").at(&Path::keys(["grok"]), "");
        found.push(problem.help("write `%{PATTERN:column}` for each column"));
        return None;
    }
    Some(GrokPattern { pattern, columns })
}

/// Where the walk is, for messages.
struct Spot {
    path: Path,
    /// The reference in the user's text that led here; `None` while still in the text itself.
    range: Option<Range<usize>>,
    title: String,
}

struct Walk<'a> {
    standard: BTreeMap<&'a str, &'a str>,
    own: &'a BTreeMap<String, String>,
    /// The names that are being resolved, outermost first.
    open: Vec<String>,
    references: usize,
    length: usize,
    columns: Vec<Column>,
    used: BTreeSet<&'a str>,
    found: Diagnostics,
}

impl Walk<'_> {
    fn is_too_large(&self) -> bool {
        self.references > MOST_REFERENCES || self.length > LONGEST
    }

    fn text(&mut self, text: &str, spot: &Spot, inherited: &BTreeMap<String, String>) {
        let mut inline = inherited.clone();
        let mut end = 0;
        for component in grok_split(text) {
            match component {
                GrokComponent::RegularExpression { string, range } => {
                    self.length += string.len();
                    end = range.end;
                }
                GrokComponent::GrokPattern { range, name, alias, extract, definition, .. } => {
                    let here = spot.range.clone().unwrap_or_else(|| range.clone());
                    end = range.end;
                    if !alias.is_empty() {
                        self.column(alias, extract, spot, &here);
                    }
                    if !definition.is_empty() {
                        inline.insert(name.to_owned(), definition.to_owned());
                    }
                    self.reference(name, &here, spot, &inline);
                }
                GrokComponent::PatternError(_) => {
                    let place = spot.range.clone().unwrap_or(end..text.len());
                    let title = format!("{} has a `%{{` that is not a complete reference", spot.title);
                    let problem = Diagnostic::error(BAD_GROK, title).at_inside(&spot.path, place, "");
                    self.found.push(problem.help("write `%{PATTERN}`, `%{PATTERN:column}` or `%{PATTERN:column:int}`"));
                }
            }
            if self.is_too_large() {
                return;
            }
        }
    }

    fn column(&mut self, alias: &str, extract: &str, spot: &Spot, here: &Range<usize>) {
        let data_type = match extract {
            "int" | "integer" | "long" => Some(DataType::Int64),
            "float" | "double" | "number" => Some(DataType::Float64),
            "boolean" => Some(DataType::Bool),
            "" | "text" | "keyword" => Some(DataType::String),
            name => name.parse().ok(),
        };
        if data_type.is_none() {
            let known = ["int", "float", "boolean"].into_iter().chain(DataType::NAMED.iter().map(DataType::word));
            let help = match pipectl_diag::nearest(extract, known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "write `int`, `float`, `bool`, `string` or `timestamp`".to_owned(),
            };
            let problem = Diagnostic::error(BAD_GROK, format!("`{extract}` is not a type that `{alias}` can have"));
            self.found.push(problem.at_inside(&spot.path, here.clone(), "").help(help));
        }
        match self.columns.iter_mut().find(|column| column.name == alias) {
            // The matcher numbers the further places of a name.
            Some(column) => column.places.push(format!("{alias}[{}]", column.places.len())),
            None => self.columns.push(Column {
                name: alias.to_owned(),
                data_type: data_type.unwrap_or(DataType::String),
                places: vec![alias.to_owned()],
            }),
        }
    }

    fn reference(&mut self, name: &str, here: &Range<usize>, spot: &Spot, inline: &BTreeMap<String, String>) {
        self.references += 1;
        if self.open.iter().any(|open| open == name) || self.open.len() > DEEPEST {
            let mut chain: Vec<_> = self.open.iter().map(String::as_str).collect();
            chain.push(name);
            let problem = Diagnostic::error(BAD_GROK, format!("pattern `{name}` refers to itself"));
            self.found.push(problem.at_inside(&spot.path, here.clone(), "").note(chain.join(" → ")));
            return;
        }
        let own = self.own;
        if let Some(definition) = inline.get(name) {
            let spot = Spot { path: spot.path.clone(), range: Some(here.clone()), title: spot.title.clone() };
            self.enter(name, definition, &spot, inline);
        } else if let Some((name, definition)) = own.get_key_value(name) {
            // The first use shows the faults of the definition itself.
            let path = Path::keys(["patterns", name]);
            let spot = Spot { path, range: None, title: format!("pattern `{name}`") };
            let first = self.used.insert(name);
            let before = std::mem::take(&mut self.found);
            self.enter(name, definition, &spot, &BTreeMap::new());
            let here = std::mem::replace(&mut self.found, before);
            if first {
                self.found.extend(here);
            }
        } else if let Some(definition) = self.standard.get(name).copied() {
            let spot = Spot { path: spot.path.clone(), range: Some(here.clone()), title: spot.title.clone() };
            self.enter(name, definition, &spot, &BTreeMap::new());
        } else {
            let names = self.standard.keys().copied().chain(self.own.keys().map(String::as_str));
            let help = match pipectl_diag::nearest(name, names) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("define it: `patterns: {{ {name}: \"…\" }}`"),
            };
            let problem = Diagnostic::error(UNKNOWN_GROK_PATTERN, format!("unknown grok pattern `{name}`"));
            self.found.push(problem.at_inside(&spot.path, here.clone(), "").help(help));
        }
    }

    fn enter(&mut self, name: &str, definition: &str, spot: &Spot, inline: &BTreeMap<String, String>) {
        self.open.push(name.to_owned());
        // A definition given in place is known to the text around it, not to itself.
        let inline = inline.iter().filter(|(other, _)| *other != name).map(|(k, v)| (k.clone(), v.clone())).collect();
        self.text(definition, spot, &inline);
        self.open.pop();
    }
}

/// The matcher refused a pattern whose references are all right: what is wrong is the regular expression around them.
fn refused(what: &str, path: &Path, error: &grok::Error) -> Diagnostic {
    let reason = match error {
        grok::Error::CompiledPatternIsEmpty(_) => "it is empty".to_owned(),
        grok::Error::RegexCompilationFailed(text) => reason(text),
        other => other.to_string(),
    };
    Diagnostic::error(BAD_GROK, format!("{what} is not a regular expression: {reason}")).at(path, "")
}

/// The matcher's message is the debug form of an error and then the whole expression: the words are in its quotes, or
/// else its name says it.
fn reason(text: &str) -> String {
    let text = text.strip_prefix("Regex compilation failed: ").unwrap_or(text);
    let text = text.lines().next().unwrap_or_default().trim_end_matches(':');
    if let Some((start, end)) = text.find('"').zip(text.rfind('"')).filter(|(start, end)| start < end) {
        return text.get(start + 1..end).unwrap_or_default().to_owned();
    }
    let name = text.rsplit(['(', ' ', ',']).find(|word| word.chars().any(char::is_alphabetic)).unwrap_or(text);
    let mut words = String::new();
    for letter in name.chars().filter(|letter| letter.is_alphanumeric()) {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
