//! One problem as a value: made deep inside, located and shown at the edge.

use crate::{Code, Part, Path, Place, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command cannot go on.
    Error,
    /// The command goes on; the user should look.
    Warning,
}

/// A place with a few words about its part in the problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What to say there; may be empty for the primary label.
    pub text: String,
    /// Whether this is where the problem is, not only something related to it.
    pub primary: bool,
}

/// A replacement that would fix the problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What to replace.
    pub place: Place,
    /// What to write instead.
    pub replacement: String,
}

/// One problem.
///
/// Wording: the title is one line without a full stop, says what is wrong in the user's words and quotes names in
/// backticks; `help` says what to write instead; `notes` give facts. No value of a secret may stand in any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// Where; the first primary one is the diagnostic's place.
    pub labels: Vec<Label>,
    /// What to do, a line each.
    pub help: Vec<String>,
    /// Further facts, a line each.
    pub notes: Vec<String>,
    /// A machine-applicable fix, where there is exactly one.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, title: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title: title.into(),
            labels: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
            fix: None,
        }
    }

    /// A warning without a place.
    pub fn warning(code: Code, title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, title) }
    }

    /// Points at the value of the node at `path`.
    #[must_use]
    pub fn at(self, path: &Path, text: impl Into<String>) -> Self {
        self.label(Place::Node(path.clone(), Part::Value), text, true)
    }

    /// Points at the key of the node at `path`.
    #[must_use]
    pub fn at_key(self, path: &Path, text: impl Into<String>) -> Self {
        self.label(Place::Node(path.clone(), Part::Key), text, true)
    }

    /// Points at a range of bytes inside the scalar at `path`.
    #[must_use]
    pub fn at_inside(self, path: &Path, range: std::ops::Range<usize>, text: impl Into<String>) -> Self {
        self.label(Place::Node(path.clone(), Part::Inside(range)), text, true)
    }

    /// Points at a range of a file.
    #[must_use]
    pub fn at_span(self, span: Span, text: impl Into<String>) -> Self {
        self.label(Place::Span(span), text, true)
    }

    /// Adds a related place: the other definition, a step of a cycle.
    #[must_use]
    pub fn related(self, place: Place, text: impl Into<String>) -> Self {
        self.label(place, text, false)
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>, primary: bool) -> Self {
        self.labels.push(Label { place, text: text.into(), primary });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, line: impl Into<String>) -> Self {
        self.notes.push(line.into());
        self
    }

    /// Offers a replacement.
    #[must_use]
    pub fn fix(mut self, place: Place, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { place, replacement: replacement.into() });
        self
    }

    /// Turns the relative paths of a diagnostic into paths below `base`.
    #[must_use]
    pub fn under(mut self, base: &Path) -> Self {
        let places = self.labels.iter_mut().map(|label| &mut label.place);
        for place in places.chain(self.fix.as_mut().map(|fix| &mut fix.place)) {
            if let Place::Node(path, _) = place {
                *path = path.under(base);
            }
        }
        self
    }
}

/// Everything found so far; a stage goes on after the first problem and reports all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether one of them forbids going on.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// See [`Diagnostic::under`].
    #[must_use]
    pub fn under(self, base: &Path) -> Self {
        Self(self.0.into_iter().map(|diagnostic| diagnostic.under(base)).collect())
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        self.0.extend(iter);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}
