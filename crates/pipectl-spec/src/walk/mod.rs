//! Checks a tree against a schema, finds every problem, and makes the value that the schema describes.
//!
//! A validator for JSON Schema can only say that "no alternative matches". This one picks the alternative as a reader
//! would (by the kind key, else by the type of the value) and complains about what is wrong there. It reads the part of
//! JSON Schema that schemars writes, and a few `x-` words of ours: `x-kinds`, `x-noun`, `x-name`, `x-secret`, `x-former-name`.

mod ask;
mod choose;
mod object;
mod scalar;

use ask::{Branch, types};
pub(crate) use object::heading;
pub(crate) use scalar::shown;

use std::{collections::BTreeSet, ops::Range};

use pipectl_diag::{Diagnostic, Diagnostics, FileId, Path, Place, Segment, Span, codes::interpolation, codes::shape};
use serde_json::Value;

use crate::tree::{Kind, Node, Origin};

/// What a walk found out beside problems.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Where something is wrong; what stands above such a path cannot be relied on.
    pub(crate) broken: BTreeSet<Path>,
    /// Where the value of a secret is.
    pub(crate) secrets: BTreeSet<Path>,
}

impl Findings {
    /// Whether the node at `path` can be relied on.
    pub(crate) fn sound(&self, path: &Path) -> bool {
        self.broken.range(path.clone()..).next().is_none_or(|broken| !broken.segments().starts_with(path.segments()))
    }
}

/// Walks one document.
pub(crate) struct Walker<'a> {
    pub(crate) root: &'a Value,
    pub(crate) file: FileId,
    pub(crate) problems: &'a mut Diagnostics,
    pub(crate) findings: &'a mut Findings,
    /// The aliases and merges that led here, outermost first.
    pub(crate) through: Vec<Range<usize>>,
}

impl Walker<'_> {
    /// Checks `node` and makes its value; `Null` where it is broken.
    pub(crate) fn value(&mut self, node: &Node, schema: &Value, path: &Path) -> Value {
        if node.kind == Kind::Broken && !matches!(node.origin, Origin::Secret { .. }) {
            self.findings.broken.insert(path.clone());
            return Value::Null;
        }
        let through = node.defined.is_some();
        if through {
            self.through.push(node.span.clone());
        }
        let value = self.check(node, schema, path);
        if through {
            self.through.pop();
        }
        value
    }

    fn check(&mut self, node: &Node, schema: &Value, path: &Path) -> Value {
        let branches = self.branches(schema);
        if let Origin::Secret { written } = &node.origin {
            if !branches.iter().any(|branch| branch.secret) {
                let title = format!("{} does not take a secret", quoted(path));
                let problem = Diagnostic::error(interpolation::SECRET_NOT_ALLOWED, title)
                    .at(path, format!("`{written}` would be shown"))
                    .help("use `${NAME}` for a value that may appear in plans and logs");
                self.report(problem, path);
                return Value::Null;
            }
            self.findings.secrets.insert(path.clone());
            if let Kind::Str(text) = &node.kind {
                return Value::String(text.clone());
            }
            self.findings.broken.insert(path.clone());
            return Value::Null;
        }
        if let Origin::Variable { written, text } = &node.origin
            && node.kind == Kind::Null
            && !branches.is_empty()
        {
            return self.without_value(node, &branches, (written, text), path);
        }
        match branches.as_slice() {
            [] => self.raw(node, path),
            [branch] => self.single(node, branch.schema, path),
            _ => self.choose(node, &branches, path),
        }
    }

    /// A variable that is set but empty is an empty string; elsewhere it is no value, and not a key that is not written.
    fn without_value(
        &mut self,
        node: &Node,
        branches: &[Branch<'_>],
        (written, text): (&str, &str),
        path: &Path,
    ) -> Value {
        let string = branches.iter().find(|branch| {
            let types = types(branch.schema);
            types.is_empty() || types.contains(&"string")
        });
        if let Some(branch) = string {
            let node = Node { kind: Kind::Str(text.to_owned()), ..node.clone() };
            return self.scalar(&node, branch.schema, path);
        }
        let name = quoted(path);
        let what = if text.is_empty() { "is empty" } else { "holds no value" };
        let title = format!("{name} has no value: `{written}` {what}");
        let help = format!("set the variable, or remove {name}; `${{NAME:-10}}` gives a default");
        self.report(Diagnostic::error(interpolation::UNSET_VARIABLE, title).at(path, "").help(help), path);
        Value::Null
    }

    /// Checks against one alternative.
    fn single(&mut self, node: &Node, schema: &Value, path: &Path) -> Value {
        if let Some(problem) = self.wrong_type(node, &[schema], path) {
            self.report(problem, path);
            return Value::Null;
        }
        match &node.kind {
            Kind::Map(_) => self.object(node, schema, path),
            Kind::Seq(items) => self.list(items, schema, path),
            _ => self.scalar(node, schema, path),
        }
    }

    fn list(&mut self, items: &[Node], schema: &Value, path: &Path) -> Value {
        let bound = |word: &str| schema.get(word).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
        let entries = |count: usize| if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
        if let Some(least) = bound("minItems").filter(|least| items.len() < *least) {
            let title = format!("{} needs at least {}", quoted(path), entries(least));
            self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "").help("add an entry"), path);
        }
        if let Some(most) = bound("maxItems").filter(|most| items.len() > *most) {
            let title = format!("{} takes at most {}", quoted(path), entries(most));
            self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "").help("remove some"), path);
        }
        let fixed = schema.get("prefixItems").and_then(Value::as_array);
        let rest = schema.get("items").unwrap_or(&Value::Bool(true));
        let value = |(index, item): (usize, &Node)| {
            let schema = fixed.and_then(|fixed| fixed.get(index)).unwrap_or(rest);
            self.value(item, schema, &path.index(index))
        };
        Value::Array(items.iter().enumerate().map(value).collect())
    }

    /// A value that no schema describes.
    fn raw(&mut self, node: &Node, path: &Path) -> Value {
        match &node.kind {
            Kind::Seq(items) => self.list(items, &Value::Bool(true), path),
            Kind::Map(entries) => {
                let values = entries.iter().map(|entry| {
                    let path = path.key(&entry.key);
                    (entry.key.clone(), self.value(&entry.value, &Value::Bool(true), &path))
                });
                Value::Object(values.collect())
            }
            _ => self.scalar(node, &Value::Bool(true), path),
        }
    }

    /// Takes a problem of the node at `path`, and adds through which aliases the node came here.
    fn report(&mut self, problem: Diagnostic, path: &Path) {
        self.findings.broken.insert(path.clone());
        self.notice(problem);
    }

    /// Takes a problem that leaves the node such that it can still be relied on.
    fn notice(&mut self, problem: Diagnostic) {
        let place = |span: &Range<usize>| Place::Span(Span { file: self.file, start: span.start, end: span.end });
        let problem =
            self.through.iter().rev().take(3).fold(problem, |problem, span| problem.related(place(span), "used here"));
        self.problems.push(problem);
    }
}

/// What to call the node at a path: its key, or its place in the list of that key.
fn quoted(path: &Path) -> String {
    match path.segments() {
        [.., Segment::Key(key)] => format!("`{key}`"),
        [.., Segment::Key(key), Segment::Index(index)] => format!("`{key}[{index}]`"),
        _ => "the document".to_owned(),
    }
}
