//! A walked document as typed nodes, in the order of the file. What is not sound is left out; it has been reported.

use pipectl_data::{Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes::shape};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    formats,
    keys::{
        self, EnvironmentKeys, Inputs, Key, Metadata, PipelineKeys, ProcessorKeys, SinkKeys, SourceKeys,
        StreamBindingKeys, StreamKeys, TimeKeys,
    },
    model::{
        Environment, KindUse, Name, Pipeline, ProcessorNode, SchemaSpec, SinkNode, SourceNode, StreamBinding,
        StreamNode, TimeSpec,
    },
    schema::Kinds,
    tree::Node,
    walk::Findings,
};

/// A document that was walked.
pub(crate) struct Document<'a> {
    pub(crate) path: &'a Path,
    /// The `spec` key's value, for the order of its entries, and what the walk made of it.
    pub(crate) tree: &'a Node,
    pub(crate) spec: &'a Value,
    pub(crate) metadata: &'a Value,
    pub(crate) findings: &'a Findings,
    pub(crate) problems: &'a mut Diagnostics,
}

/// A node that is sound.
struct Sound<'a> {
    name: &'a str,
    path: Path,
    tree: &'a Node,
    value: &'a Map<String, Value>,
}

impl Document<'_> {
    /// The document's name and description.
    pub(crate) fn metadata(&mut self) -> (String, Option<String>) {
        let path = self.path.key("metadata");
        let sound = self.metadata.is_object() && self.findings.sound(&path);
        let metadata = if sound { self.keys::<Metadata>(self.metadata.clone(), &path) } else { None };
        metadata.map_or_else(|| ("unnamed".to_owned(), None), |metadata| (metadata.name, metadata.description))
    }

    /// Reads what the walk has accepted. That the two disagree is a mistake of ours, but the user must learn of it.
    fn keys<T: DeserializeOwned>(&mut self, value: Value, path: &Path) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(keys) => Some(keys),
            Err(error) => {
                self.problems.push(Diagnostic::error(shape::WRONG_TYPE, error.to_string()).at(path, ""));
                None
            }
        }
    }

    /// The sound nodes of a section; the names of the others go to `broken`, and that of a section whose key is misspelt.
    fn section<'a>(&self, name: &str, spec: &'a Value, tree: &'a Node, broken: &mut Vec<String>) -> Vec<Sound<'a>> {
        let base = self.path.key("spec").key(name);
        let entries = tree.get(name).map(Node::entries).unwrap_or_default();
        if tree.get(name).is_none() && !self.findings.sound(&base) {
            broken.push(name.to_owned());
        }
        let mut sound = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            let path = base.key(&entry.key);
            let value = spec.get(name).and_then(|section| section.get(&entry.key)).and_then(Value::as_object);
            match value {
                // What a key with a reference would be called is not known.
                Some(value) if self.findings.sound(&path) && !entry.key.contains("${") => {
                    sound.push(Sound { name: &entry.key, path, tree: &entry.value, value });
                }
                _ => broken.push(entry.key.clone()),
            }
        }
        sound
    }

    /// The kind key of a node, and the node's other keys.
    fn kind<'k>(
        &self,
        value: &Map<String, Value>,
        path: &Path,
        kinds: impl IntoIterator<Item = &'k str>,
    ) -> Option<(KindUse, Value)> {
        let name = kinds.into_iter().find(|kind| value.contains_key(*kind))?;
        let mut common = value.clone();
        let options = common.remove(name)?;
        Some((self.kind_use(name, options, path.key(name)), Value::Object(common)))
    }

    fn kind_use(&self, name: &str, options: Value, path: Path) -> KindUse {
        let below = self.findings.secrets.range(path.clone()..);
        let below = below.take_while(|secret| secret.segments().starts_with(path.segments()));
        let secrets = below.map(|secret| pointer(secret.segments().get(path.segments().len()..).unwrap_or_default()));
        let secrets = secrets.collect();
        KindUse { name: name.to_owned(), options, path, secrets }
    }

    pub(crate) fn pipeline(mut self, kinds: &Kinds) -> Pipeline {
        let (name, description) = self.metadata();
        let (tree, spec) = (self.tree, self.spec);
        let mut broken = Vec::new();
        let mut pipeline = Pipeline {
            path: self.path.clone(),
            name,
            description,
            sources: Vec::new(),
            streams: Vec::new(),
            processors: Vec::new(),
            sinks: Vec::new(),
            dead_letters: None,
            checkpoint: keys::Checkpoint::default(),
            memory: keys::memory(),
            broken: Vec::new(),
        };
        let base = self.path.key("spec");
        for key in ["checkpoint", "memory"] {
            let path = base.key(key);
            if let Some(value) = spec.get(key).filter(|_| self.findings.sound(&path)) {
                let one = Value::Object([(key.to_owned(), value.clone())].into_iter().collect());
                if let Some(read) = self.keys::<PipelineKeys>(one, &path) {
                    if key == "memory" {
                        pipeline.memory = read.memory;
                    } else {
                        pipeline.checkpoint = read.checkpoint;
                    }
                }
            }
        }
        let names = |kinds: &'_ [crate::Kind]| kinds.iter().map(|kind| kind.name.clone()).collect::<Vec<_>>();
        let (source_kinds, processor_kinds, sink_kinds) =
            (names(&kinds.sources), names(&kinds.processors), names(&kinds.sinks));
        for node in self.section("sources", spec, tree, &mut broken) {
            pipeline.sources.extend(self.source(&node, &source_kinds));
        }
        for node in self.section("streams", spec, tree, &mut broken) {
            pipeline.streams.extend(self.stream(&node));
        }
        for node in self.section("processors", spec, tree, &mut broken) {
            match self.processor(&node, &processor_kinds) {
                Some(processor) => pipeline.processors.push(processor),
                None => broken.push(node.name.to_owned()),
            }
        }
        for node in self.section("sinks", spec, tree, &mut broken) {
            pipeline.sinks.extend(self.sink(&node, &sink_kinds));
        }
        let path = base.key("dead_letters");
        if let Some(value) = spec.get("dead_letters").and_then(Value::as_object).filter(|_| self.findings.sound(&path))
        {
            let kinds = sink_kinds.iter().map(String::as_str);
            pipeline.dead_letters = self.kind(value, &path, kinds).map(|(kind, _)| kind);
        }
        pipeline.broken = broken;
        pipeline
    }

    fn source(&mut self, node: &Sound<'_>, kinds: &[String]) -> Option<SourceNode> {
        let (kind, common) = self.kind(node.value, &node.path, kinds.iter().map(String::as_str))?;
        let keys: SourceKeys = self.keys(common, &node.path)?;
        Some(SourceNode {
            name: node.name.to_owned(),
            path: node.path.clone(),
            kind,
            to: reference(keys.to, &node.path, "to"),
            schema: keys.schema.and_then(|value| Self::schema(&value, node)),
            time: time(keys.time, &node.path),
            idle_after: keys.idle_after,
        })
    }

    fn stream(&mut self, node: &Sound<'_>) -> Option<StreamNode> {
        let keys: StreamKeys = self.keys(Value::Object(node.value.clone()), &node.path)?;
        let key_path = node.path.key("key");
        let key = match keys.key {
            None => Vec::new(),
            Some(Key::One(text)) => vec![Name { text, path: key_path }],
            Some(Key::Several(texts)) => {
                let name = |(index, text)| Name { text, path: key_path.index(index) };
                texts.into_iter().enumerate().map(name).collect()
            }
        };
        Some(StreamNode {
            name: node.name.to_owned(),
            path: node.path.clone(),
            key,
            time: time(keys.time, &node.path),
            schema: keys.schema.and_then(|value| Self::schema(&value, node)),
            partitions: keys.partitions,
            retention: keys.retention,
            idle_after: keys.idle_after,
            ordering: keys.ordering,
        })
    }

    fn processor(&mut self, node: &Sound<'_>, kinds: &[String]) -> Option<ProcessorNode> {
        let kinds = std::iter::once("sql").chain(kinds.iter().map(String::as_str));
        let (kind, common) = self.kind(node.value, &node.path, kinds)?;
        let keys: ProcessorKeys = self.keys(common, &node.path)?;
        if keys.from.is_none() && kind.name != "sql" {
            let title = format!("`{}` lacks the key `from`", node.name);
            let problem = Diagnostic::error(shape::MISSING_KEY, title).at_key(&node.path, "needs `from`");
            self.problems.push(problem.help("add `from: …`, the stream, source or processor that it reads"));
            return None;
        }
        Some(ProcessorNode {
            name: node.name.to_owned(),
            path: node.path.clone(),
            kind,
            from: keys.from.map(|from| names(from, &node.path.key("from"))).unwrap_or_default(),
            to: reference(keys.to, &node.path, "to"),
            time: time(keys.time, &node.path),
            late: keys.late,
            at_end: keys.at_end,
            on_error: keys.on_error,
        })
    }

    fn sink(&mut self, node: &Sound<'_>, kinds: &[String]) -> Option<SinkNode> {
        let kinds = kinds.iter().map(String::as_str).chain(["stream"]);
        let (kind, common) = self.kind(node.value, &node.path, kinds)?;
        let keys: SinkKeys = self.keys(common, &node.path)?;
        let from = names(keys.from, &node.path.key("from"));
        Some(SinkNode { name: node.name.to_owned(), path: node.path.clone(), from, kind })
    }

    /// The `schema` key of a node, in the order of the file.
    fn schema(value: &Value, node: &Sound<'_>) -> Option<SchemaSpec> {
        let path = node.path.key("schema");
        let mut fields: Vec<Field> = Vec::new();
        for entry in node.tree.get("schema").map(Node::entries).unwrap_or_default() {
            let Some(field) = value.get(&entry.key) else { continue };
            let (written, required) = match field {
                Value::String(written) => (written.as_str(), false),
                long => {
                    let required = long.get("required").and_then(Value::as_bool).unwrap_or(false);
                    (long.get("type").and_then(Value::as_str).unwrap_or_default(), required)
                }
            };
            let mut field = formats::column(&entry.key, written).ok()?;
            field.nullable &= !required;
            fields.push(field);
        }
        Some(SchemaSpec { schema: Schema::new(fields), path })
    }

    pub(crate) fn environment(mut self, kinds: &Kinds) -> Environment {
        let (name, _) = self.metadata();
        let (tree, spec) = (self.tree, self.spec);
        let base = self.path.key("spec");
        let mut broken = Vec::new();
        let mut environment = Environment {
            path: self.path.clone(),
            name,
            network: keys::Network::default(),
            backends: Vec::new(),
            streams: Vec::new(),
            bindings: Vec::new(),
            sinks: Vec::new(),
        };
        let path = base.key("network");
        if let Some(network) = spec.get("network").filter(|_| self.findings.sound(&path)) {
            let one = json!({ "network": network });
            environment.network = self.keys::<EnvironmentKeys>(one, &path).unwrap_or_default().network;
        }
        for node in self.section("backends", spec, tree, &mut broken) {
            let kinds = kinds.backends.iter().map(|kind| kind.name.as_str());
            let kind = self.kind(node.value, &node.path, kinds);
            environment.backends.extend(kind.map(|(kind, _)| (node.name.to_owned(), kind)));
        }
        for node in self.section("streams", spec, tree, &mut broken) {
            let mut common = node.value.clone();
            let mut options = Vec::new();
            for kind in &kinds.stream_options {
                if let Some(value) = common.remove(&kind.name) {
                    options.push(self.kind_use(&kind.name, value, node.path.key(&kind.name)));
                }
            }
            let keys = self.keys::<StreamBindingKeys>(Value::Object(common), &node.path);
            environment.streams.extend(keys.map(|keys| {
                let binding = StreamBinding {
                    name: keys.name,
                    existing: keys.existing,
                    start: keys.start,
                    backend: reference(keys.backend, &node.path, "backend"),
                    options,
                    path: node.path.clone(),
                };
                (Name { text: node.name.to_owned(), path: node.path.clone() }, binding)
            }));
        }
        for capability in &kinds.bindings {
            let path = base.key(&capability.name);
            if let Some(options) = spec.get(&capability.name).filter(|_| self.findings.sound(&path)) {
                environment.bindings.push(self.kind_use(&capability.name, options.clone(), path));
            }
        }
        for node in self.section("sinks", spec, tree, &mut broken) {
            let only = node.value.keys().next().map(String::as_str);
            if let Some((kind, _)) = self.kind(node.value, &node.path, only) {
                environment.sinks.push((Name { text: node.name.to_owned(), path: node.path.clone() }, kind));
            }
        }
        environment
    }
}

/// The `time` key of a node.
fn time(keys: Option<TimeKeys>, node: &Path) -> Option<TimeSpec> {
    let path = node.key("time");
    keys.map(|TimeKeys { field, lateness, max_ahead }| TimeSpec {
        field: Name { text: field, path: path.key("field") },
        lateness,
        max_ahead,
        path,
    })
}

fn reference(text: Option<String>, node: &Path, key: &str) -> Option<Name> {
    text.map(|text| Name { text, path: node.key(key) })
}

/// The names of nodes, with their places.
fn names(inputs: Inputs, path: &Path) -> Vec<Name> {
    match inputs {
        Inputs::One(text) => vec![Name { text, path: path.clone() }],
        Inputs::Several(texts) => {
            let name = |(index, text)| Name { text, path: path.index(index) };
            texts.into_iter().enumerate().map(name).collect()
        }
    }
}

/// A JSON pointer (RFC 6901).
fn pointer(segments: &[pipectl_diag::Segment]) -> String {
    let mut pointer = String::new();
    for segment in segments {
        pointer.push('/');
        match segment {
            pipectl_diag::Segment::Index(index) => pointer.push_str(&index.to_string()),
            pipectl_diag::Segment::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
        }
    }
    pointer
}
