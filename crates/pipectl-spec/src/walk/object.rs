//! Mappings: known keys, required keys, names, and the one kind key of a node.

use pipectl_diag::{Diagnostic, Part, Path, Place, Segment, codes::shape, nearest};
use serde_json::{Map, Value};

use super::{
    Walker, quoted,
    scalar::{bad_name, flow},
};
use crate::{
    formats,
    schema::RENAMED,
    tree::{Entry, Kind, Node, Origin},
};

impl Walker<'_> {
    /// Checks a mapping against a schema of type object.
    pub(super) fn object(&mut self, node: &Node, schema: &Value, path: &Path) -> Value {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let additional = schema.get("additionalProperties");
        let closed = additional == Some(&Value::Bool(false));
        let names = schema.get("propertyNames");
        let kinds: Vec<_> =
            schema.get("x-kinds").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        let mut unknown = Vec::new();
        // What comes beside the name of a service are that service's options: one message says where all of it belongs.
        let service = node.entries().iter().find(|entry| !is_known(schema, &entry.key) && names_backend(entry, &kinds));
        for entry in node.entries() {
            let inner = path.key(&entry.key);
            if let Some(schema) = properties.get(&entry.key) {
                let value = self.entry(entry, schema, &inner);
                let name = self.present_name(entry, node, schema, &inner).unwrap_or(&entry.key);
                object.insert(name.to_owned(), value);
            } else if entry.key.starts_with("x-") && (closed || names.is_some()) {
                // Free for the user.
            } else if closed {
                unknown.push(entry.key.as_str());
                if service.is_some_and(|service| service.key != entry.key) {
                    self.findings.broken.insert(inner);
                    continue;
                }
                let keys = Self::candidates(node, properties, &kinds);
                let problem = Self::unknown_key(entry, node, &keys, &kinds, schema, &inner);
                let meant = self.meant(entry, &keys, properties, &inner).filter(|(key, _)| !kinds.contains(key));
                if let Some((key, value)) = meant {
                    self.notice(problem);
                    object.entry(key).or_insert(value);
                } else {
                    self.report(problem, &inner);
                    // What it would have said is not known, so that nothing may be concluded from its absence.
                    if let Some(key) = near_key(&entry.key, &keys) {
                        self.findings.broken.insert(path.key(key));
                    }
                }
            } else {
                // A reference in a key has been reported already.
                if names.is_some_and(|names| names.get("x-name").is_some())
                    && !entry.key.contains("${")
                    && let Some(reason) = formats::identifier(&entry.key)
                {
                    let shown = format!("`{}`", entry.key);
                    let problem = bad_name(&shown, reason).at_key(&inner, "");
                    let fixed: String =
                        entry.key.chars().map(|next| if next.is_ascii_alphanumeric() { next } else { '_' }).collect();
                    let problem = if formats::identifier(&fixed).is_none() {
                        problem.help(format!("write `{fixed}`"))
                    } else {
                        problem
                    };
                    self.report(problem, &inner);
                }
                let value = self.entry(entry, additional.unwrap_or(&Value::Bool(true)), &inner);
                object.insert(entry.key.clone(), value);
            }
        }
        self.required(node, schema, properties, &unknown, path);
        if !kinds.is_empty() {
            self.one_kind(node, schema, &kinds, !unknown.is_empty(), path);
        }
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        if (object.len() as u64) < least {
            let title = format!("{} is empty", quoted(path));
            self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at_key(path, "").help("add an entry"), path);
        }
        Value::Object(object)
    }

    /// The name that a key has now, where it is written by its former one, which is reported.
    fn present_name<'s>(&mut self, entry: &Entry, node: &Node, schema: &'s Value, path: &Path) -> Option<&'s str> {
        let name = schema.get(RENAMED)?.as_str()?;
        let former = &entry.key;
        if node.get(name).is_some() {
            let title = format!("`{former}` is the former name of `{name}`, which is set too");
            let problem = Diagnostic::error(shape::RENAMED_KEY, title).at_key(path, "");
            self.report(problem.help(format!("remove `{former}`")), path);
        } else {
            let problem = Diagnostic::warning(shape::RENAMED_KEY, format!("`{former}` is now named `{name}`"))
                .at_key(path, "the former name will be removed")
                .fix(Place::Node(path.clone(), Part::Key), name);
            self.notice(problem);
        }
        Some(name)
    }

    fn entry(&mut self, entry: &Entry, schema: &Value, path: &Path) -> Value {
        let Some(merged) = &entry.merged else { return self.value(&entry.value, schema, path) };
        self.through.push(merged.clone());
        let value = self.value(&entry.value, schema, path);
        self.through.pop();
        value
    }

    /// The keys that could still be meant: not those that are there, and no kind where there is one.
    fn candidates<'s>(node: &Node, properties: &'s Map<String, Value>, kinds: &[&str]) -> Vec<&'s str> {
        let has_kind = kinds.iter().any(|kind| node.get(kind).is_some());
        properties
            .iter()
            .filter(|(_, schema)| schema.get(RENAMED).is_none())
            .map(|(key, _)| key.as_str())
            .filter(|key| node.get(key).is_none() && !(has_kind && kinds.contains(key)))
            .collect()
    }

    /// The key that a misspelt one most likely means, and its value there. With it the node can still be relied on, and
    /// what else is wrong with it and behind it is found in the same run. Only a plain value that fits is taken over: where
    /// that does not hold, the guess may be a wrong one.
    fn meant<'k>(
        &mut self,
        entry: &Entry,
        known: &[&'k str],
        properties: &Map<String, Value>,
        path: &Path,
    ) -> Option<(&'k str, Value)> {
        if matches!(entry.value.kind, Kind::Map(_) | Kind::Seq(_) | Kind::Null | Kind::Broken) {
            return None;
        }
        let near = near_key(&entry.key, known)?;
        let key = *known.iter().find(|key| **key == near)?;
        let found = std::mem::take(self.problems);
        let value = self.entry(entry, properties.get(key)?, path);
        let fits = std::mem::replace(self.problems, found).is_empty();
        fits.then_some((key, value))
    }

    fn unknown_key(
        entry: &Entry,
        node: &Node,
        known: &[&str],
        kinds: &[&str],
        schema: &Value,
        path: &Path,
    ) -> Diagnostic {
        let key = entry.key.as_str();
        let problem = Diagnostic::error(shape::UNKNOWN_KEY, format!("unknown key `{key}`"));
        let near = near_key(key, known);
        let problem = match near {
            // Its input stands in the query already.
            Some("from") if node.get("sql").is_some() => {
                return problem.at_key(path, "").help(
                    "remove it: a query names its input after FROM; to read several nodes, write `from: [a, b]` and `FROM input`",
                );
            }
            Some(near) => {
                problem.at_key(path, format!("did you mean `{near}`?")).fix(Place::Node(path.clone(), Part::Key), near)
            }
            None => problem.at_key(path, ""),
        };
        if let Some(help) = elsewhere(entry, kinds, schema, path) {
            return problem.help(help);
        }
        let problem = match &entry.value.kind {
            // Other systems write `type: file`.
            Kind::Str(kind) if kinds.contains(&kind.as_str()) && entry.value.origin == Origin::File => {
                problem.help(format!("the kind is a key with its options below: `{kind}: …`"))
            }
            _ => problem,
        };
        if known.is_empty() {
            problem.help("remove it; keys that begin with `x-` are free")
        } else if let ([only], None) = (known, node.entries().iter().find(|entry| is_known(schema, &entry.key))) {
            problem.help(format!("the only key here is `{only}`"))
        } else if let [only] = known {
            problem.help(format!("the only key that can be added here is `{only}`"))
        } else {
            problem.help(format!("the keys here are {}", formats::list(known.iter().copied()).replace(" or ", " and ")))
        }
    }

    fn required(
        &mut self,
        node: &Node,
        schema: &Value,
        properties: &Map<String, Value>,
        unknown: &[&str],
        path: &Path,
    ) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| node.get(key).is_none()) {
            // A misspelt key has been reported already.
            if unknown.iter().any(|unknown| near_key(unknown, &[key]).is_some()) {
                continue;
            }
            // Where one key is all there is, a wrong one stands in its place.
            if properties.len() == 1 && !unknown.is_empty() {
                continue;
            }
            self.missing_key(key, properties.get(key), node, path);
        }
    }

    fn missing_key(&mut self, key: &str, schema: Option<&Value>, node: &Node, path: &Path) {
        let problem = Diagnostic::error(shape::MISSING_KEY, format!("{} lacks the key `{key}`", quoted(path)));
        let problem = problem.at_key(&heading(node, path), format!("needs `{key}`"));
        let text = schema.and_then(|schema| schema.get("description")).and_then(Value::as_str);
        let example = schema.and_then(|schema| schema.get("examples")?.as_array()?.first());
        let mut problem = match example {
            Some(example) => problem.help(format!("add, for example, `{key}: {}`", flow(example))),
            None => problem.help(format!("add `{key}: …`")),
        };
        if let Some(text) = text {
            let sentence = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
            problem = problem.note(format!("`{key}`: {sentence}"));
        }
        self.report(problem, path);
    }

    fn one_kind(&mut self, node: &Node, schema: &Value, kinds: &[&str], unknown: bool, path: &Path) {
        let noun = schema.get("x-noun").and_then(Value::as_str).unwrap_or("node");
        let present: Vec<_> = kinds.iter().filter(|kind| node.get(kind).is_some()).collect();
        match present.as_slice() {
            [_] => {}
            [] => {
                // A misspelt kind has been reported already.
                if !unknown {
                    let title = format!("the {noun} {} has no kind", quoted(path));
                    let problem = Diagnostic::error(shape::MISSING_KIND, title).at_key(path, "");
                    let list = formats::list(kinds.iter().copied());
                    self.report(problem.help(format!("add one of the keys {list}, with its options")), path);
                }
            }
            [first, second, ..] => {
                let title = format!("the {noun} {} has two kinds, `{first}` and `{second}`", quoted(path));
                let problem = Diagnostic::error(shape::TWO_KINDS, title)
                    .at_key(&path.key(**second), "one kind")
                    .related(Place::Node(path.key(**first), Part::Key), "another kind");
                self.report(problem.help("remove one of them, or write two nodes"), path);
            }
        }
    }
}

/// Whether an object declares this key.
fn is_known(schema: &Value, key: &str) -> bool {
    schema.get("properties").and_then(|properties| properties.get(key)).is_some()
}

/// The key that a misspelt one most likely means.
fn near_key<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    nearest(key, known.iter().copied()).or_else(|| meant_by_others(key, known))
}

/// The key of ours for one that other systems use in its place.
fn meant_by_others<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let ours: &[&str] = match key {
        "inputs" | "input" | "source" | "sources" | "upstream" | "reads" => &["from", "sources"],
        "outputs" | "output" | "target" | "sink" | "destinations" => &["to", "sinks"],
        "sinks" => &["to"],
        "transforms" | "transform" | "operators" | "steps" | "queries" => &["processors"],
        "topics" | "channels" | "queues" => &["streams"],
        "query" | "statement" => &["sql"],
        "columns" | "fields" => &["schema"],
        "include" | "filename" => &["path"],
        "console" | "print" => &["stdout"],
        _ => return None,
    };
    known.iter().copied().find(|known| ours.contains(known))
}

/// The backend that an entry names, as other systems do: `type: kafka`, `kafka: { … }`.
fn backend_named(entry: &Entry) -> Option<&'static str> {
    let backend =
        |word: &str| ["kafka", "kinesis", "pubsub", "eventhubs", "memory"].into_iter().find(|one| *one == word);
    match &entry.value.kind {
        Kind::Str(text) if entry.key == "type" || entry.key == "kind" => backend(text),
        _ => backend(&entry.key),
    }
}

fn names_backend(entry: &Entry, kinds: &[&str]) -> bool {
    !kinds.is_empty() && backend_named(entry).is_some()
}

/// What to write for a key that has its place elsewhere.
fn elsewhere(entry: &Entry, kinds: &[&str], schema: &Value, path: &Path) -> Option<String> {
    let section = path.segments().iter().rev().find_map(|segment| match segment {
        Segment::Key(key) if ["sources", "streams", "processors", "sinks"].contains(&key.as_str()) => {
            Some(key.as_str())
        }
        _ => None,
    })?;
    if let Some(backend) = backend_named(entry).filter(|_| !kinds.is_empty()) {
        let how = match section {
            "sources" => "Remove the source, declare the stream under `streams` and read `from` it",
            _ => "Declare the stream under `streams` and write `to` it",
        };
        return Some(format!(
            "a Pipeline does not define which service carries a stream. {how}; define the service in a separate file: `kind: Environment`, `spec: {{ backends: {{ default: {{ {backend}: {{}} }} }} }}`, given with `--env`"
        ));
    }
    if let Some(time) =
        ["event_time", "timestamp", "time_field", "watermark", "lateness"].into_iter().find(|key| entry.key == *key)
        && is_known(schema, "time")
    {
        let field = match &entry.value.kind {
            Kind::Str(field) if !matches!(time, "watermark" | "lateness") => field,
            _ => "NAME",
        };
        return Some(format!("write `time: {{ field: {field}, lateness: 5s }}`"));
    }
    let capability = match entry.key.as_str() {
        "s3" | "gcs" | "blob" | "adls" | "minio" | "parquet" => "object_store",
        "postgres" | "postgresql" | "mysql" | "sqlite" | "dynamodb" | "redis" | "mongodb" => "table",
        _ => "",
    };
    if kinds.contains(&capability) {
        return Some(format!("a Pipeline names what it needs, an Environment the service: write `{capability}: …`"));
    }
    // The node's own keys, written among the options of its kind.
    let outside = match section {
        "sources" => ["schema", "to", "time", "idle_after"].as_slice(),
        "streams" => &[],
        "processors" => ["from", "to", "time", "late", "at_end", "on_error"].as_slice(),
        _ => ["from"].as_slice(),
    };
    let [.., Segment::Key(kind), Segment::Key(_)] = path.segments() else { return None };
    let inside = kinds.is_empty() && !is_known(schema, &entry.key) && outside.contains(&entry.key.as_str());
    inside.then(|| format!("write `{}` next to `{kind}`, not inside it", entry.key))
}

/// The node whose key shows best where the mapping at `path` is: itself, or in a document, which has no key, its first.
pub(crate) fn heading(node: &Node, path: &Path) -> Path {
    match (path.segments(), node.entries()) {
        ([_], [first, ..]) => path.key(&first.key),
        _ => path.clone(),
    }
}
