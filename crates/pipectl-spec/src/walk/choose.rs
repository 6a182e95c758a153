//! Which of several alternatives a value means.

use pipectl_diag::{Diagnostic, Part, Path, Place, codes::shape, nearest};
use serde_json::Value;

use super::{
    Walker,
    ask::{Branch, fits, types, words},
    quoted,
};
use crate::{
    formats,
    tree::{Kind, Node, Style},
};

impl Walker<'_> {
    /// Picks by the type of the value; among words by the word, among mappings by the key that distinguishes them.
    pub(super) fn choose(&mut self, node: &Node, branches: &[Branch<'_>], path: &Path) -> Value {
        let schemas: Vec<_> = branches.iter().map(|branch| branch.schema).collect();
        if let Some(problem) = self.wrong_type(node, &schemas, path) {
            self.report(problem, path);
            return Value::Null;
        }
        let mut of_type: Vec<_> = schemas
            .into_iter()
            .filter(|schema| {
                let types = types(schema);
                types.is_empty() || types.iter().any(|json_type| fits(node, json_type))
            })
            .collect();
        // In quotes, what a variable holds is a text wherever a text can stand.
        let is_text = |schema: &&Value| types(schema).contains(&"string");
        if node.style == Style::Quoted && !matches!(node.kind, Kind::Str(_)) && of_type.iter().any(is_text) {
            of_type.retain(is_text);
        }
        match (&node.kind, of_type.as_slice()) {
            (_, [only]) => self.single(node, only, path),
            (Kind::Map(_), _) => self.choose_mapping(node, &of_type, path),
            (Kind::Str(text), _) => self.choose_text(node, text, &of_type, path),
            (_, [first, ..]) => self.single(node, first, path),
            (_, []) => Value::Null,
        }
    }

    fn choose_text(&mut self, node: &Node, text: &str, schemas: &[&Value], path: &Path) -> Value {
        let listed: Vec<_> = schemas.iter().flat_map(|schema| words(schema)).collect();
        if listed.iter().any(|word| word.as_str() == Some(text)) {
            return Value::String(text.to_owned());
        }
        let open = |schema: &&&Value| words(schema).is_empty() || is_column(schema);
        let format_fits = |schema: &&&Value| {
            let format = schema.get("format").and_then(Value::as_str);
            !matches!(format.and_then(|format| formats::check(format, text)), Some(Err(_)))
        };
        let fitting = schemas.iter().filter(open).find(format_fits).or_else(|| schemas.iter().find(open));
        if let Some(schema) = fitting {
            return self.single(node, schema, path);
        }
        self.unknown_word(node, &listed, path);
        Value::Null
    }

    fn choose_mapping(&mut self, node: &Node, schemas: &[&Value], path: &Path) -> Value {
        let tags: Vec<_> = schemas.iter().filter_map(|schema| Some((tag(schema)?, *schema))).collect();
        if tags.len() == schemas.len() {
            return self.choose_tag(node, &tags, path);
        }
        // Told apart by a key with a fixed value, or only by the keys they have.
        let score = |schema: &&&Value| {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return 0 };
            let mut score = 0_i64;
            for entry in node.entries() {
                if let Some(property) = properties.get(&entry.key) {
                    let fixed = property.get("const").and_then(Value::as_str);
                    let given = match &entry.value.kind {
                        Kind::Str(text) => Some(text.as_str()),
                        _ => None,
                    };
                    score += match fixed {
                        None => 1,
                        Some(_) if fixed == given => 1_000,
                        Some(_) => -1_000,
                    };
                }
            }
            score
        };
        match schemas.iter().max_by_key(score) {
            Some(schema) => self.single(node, schema, path),
            None => Value::Null,
        }
    }

    /// Mappings of exactly one key, which names the alternative.
    fn choose_tag(&mut self, node: &Node, tags: &[(&str, &Value)], path: &Path) -> Value {
        let names = || tags.iter().map(|(tag, _)| *tag);
        let present: Vec<_> = tags.iter().filter(|(tag, _)| node.get(tag).is_some()).collect();
        match present.as_slice() {
            [(_, schema)] => self.single(node, schema, path),
            [(first, _), (second, _), ..] => {
                let title = format!("{} has two kinds, `{first}` and `{second}`", quoted(path));
                let problem = Diagnostic::error(shape::TWO_KINDS, title)
                    .at_key(&path.key(*second), "one kind")
                    .related(Place::Node(path.key(*first), Part::Key), "another kind");
                self.report(problem.help("remove one of them"), path);
                Value::Null
            }
            [] => {
                let strange = node.entries().iter().find(|entry| !entry.key.starts_with("x-"));
                let help = format!("write one of the keys {}, with its options", formats::list(names()));
                let problem = match strange {
                    None => {
                        let title = format!("{} has no kind", quoted(path));
                        Diagnostic::error(shape::MISSING_KIND, title).at_key(path, "")
                    }
                    Some(entry) => {
                        let problem = Diagnostic::error(shape::UNKNOWN_KEY, format!("unknown key `{}`", entry.key));
                        let path = path.key(&entry.key);
                        match nearest(&entry.key, names()) {
                            Some(near) => problem
                                .at_key(&path, format!("did you mean `{near}`?"))
                                .fix(Place::Node(path.clone(), Part::Key), near),
                            None => problem.at_key(&path, ""),
                        }
                    }
                };
                self.report(problem.help(help), path);
                Value::Null
            }
        }
    }
}

fn is_column(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("column_type")
}

/// The key that names this alternative, if it is a mapping of exactly that key.
fn tag(schema: &Value) -> Option<&str> {
    let properties = schema.get("properties")?.as_object()?;
    let [only] = schema.get("required")?.as_array()?.as_slice() else { return None };
    let only = only.as_str()?;
    (properties.len() == 1 && properties.contains_key(only)).then_some(only)
}
