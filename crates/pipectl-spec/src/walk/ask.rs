//! What a schema asks for, read from the schema.

use serde_json::Value;

use super::Walker;
use crate::{
    formats,
    tree::{Kind, Node, Origin},
};

/// One alternative of a schema, references followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch<'s> {
    pub(super) schema: &'s Value,
    /// Whether it takes secrets.
    pub(super) secret: bool,
}

impl<'a> Walker<'a> {
    /// The alternatives of a schema; empty if it takes anything.
    pub(super) fn branches<'s>(&self, schema: &'s Value) -> Vec<Branch<'s>>
    where
        'a: 's,
    {
        let mut branches = Vec::new();
        self.collect(schema, false, 0, &mut branches);
        branches
    }

    fn collect<'s>(&self, schema: &'s Value, secret: bool, depth: usize, into: &mut Vec<Branch<'s>>)
    where
        'a: 's,
    {
        let secret = secret || schema.get("x-secret") == Some(&Value::Bool(true));
        // A reference that leads to itself describes nothing.
        if depth > 32 {
            return;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let root: &'s Value = self.root;
            let target = target.strip_prefix("#/$defs/").and_then(|name| root.get("$defs")?.get(name));
            if let Some(target) = target {
                self.collect(target, secret, depth + 1, into);
            }
        } else if let (Some([only]), None) =
            (schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice), schema.get("properties"))
        {
            self.collect(only, secret, depth + 1, into);
        } else if let (Some(alternatives), None) =
            (schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array), schema.get("x-kinds"))
        {
            for alternative in alternatives {
                self.collect(alternative, secret, depth + 1, into);
            }
        } else if schema.as_object().is_some_and(|object| !object.is_empty()) {
            into.push(Branch { schema, secret });
        }
    }
}

/// The JSON types that a schema takes; empty if it takes any.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => return vec![one],
        Some(Value::Array(several)) => return several.iter().filter_map(Value::as_str).collect(),
        _ => {}
    }
    let mut types: Vec<_> = words(schema).iter().map(|value| type_of(value)).collect();
    types.dedup();
    if types.is_empty() && schema.get("properties").is_some() {
        types.push("object");
    }
    types
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The only values that a schema takes; empty if it does not list them.
pub(super) fn words(schema: &Value) -> Vec<&Value> {
    match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(only), _) => vec![only],
        (None, Some(several)) => several.iter().collect(),
        (None, None) => Vec::new(),
    }
}

/// Whether a value can be of this JSON type.
pub(super) fn fits(node: &Node, json_type: &str) -> bool {
    match (&node.kind, json_type) {
        (Kind::Null, "null")
        | (Kind::Bool(_), "boolean")
        | (Kind::Int(_), "integer" | "number")
        | (Kind::Float(_), "number")
        | (Kind::Str(_), "string")
        | (Kind::Seq(_), "array")
        | (Kind::Map(_), "object") => true,
        // What a variable holds is a text first; it becomes a number only where one is asked for.
        (Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_), "string") => {
            matches!(node.origin, Origin::Variable { .. })
        }
        _ => false,
    }
}

/// What the schemas ask for together, in words: `a whole number or a list`.
pub(super) fn expected(schemas: &[&Value]) -> String {
    let mut nouns: Vec<String> = Vec::new();
    for schema in schemas {
        let words: Vec<_> = words(schema).into_iter().filter_map(Value::as_str).collect();
        let format = schema.get("format").and_then(Value::as_str).and_then(formats::noun);
        for json_type in types(schema) {
            let noun = match json_type {
                "null" => continue,
                "boolean" => "`true` or `false`".to_owned(),
                "integer" => "a whole number".to_owned(),
                "number" => "a number".to_owned(),
                "array" => "a list".to_owned(),
                "object" => "a mapping".to_owned(),
                _ => match (format, words.as_slice()) {
                    (Some(format), _) => format.to_owned(),
                    (None, []) => "a string".to_owned(),
                    (None, words) => formats::list(words.iter().copied()),
                },
            };
            if !nouns.contains(&noun) {
                nouns.push(noun);
            }
        }
    }
    nouns.join(" or ")
}
