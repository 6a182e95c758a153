//! The JSON Schema of a spec: for editors, and for the walker that checks specs. One description for both.
//!
//! The shape of a node is open: the kinds are handed in. A node is an object with its common keys and every kind key as
//! properties, so that an editor completes and explains them, and the kinds stand once more in `x-kinds`, from which the
//! walker reports that exactly one is allowed; for editors the same is said by a `oneOf` over `required`.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::{
    editor,
    keys::{
        EnvironmentKeys, Metadata, PipelineKeys, ProcessorKeys, SinkKeys, SourceKeys, StreamBindingKeys, StreamKeys,
    },
};

/// The kinds that a build knows, in the order in which messages list them.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    /// Of sources.
    pub sources: Vec<Kind>,
    /// Of processors, `sql` not among them: it is built in.
    pub processors: Vec<Kind>,
    /// Of sinks, `stream` not among them: it is built in.
    pub sinks: Vec<Kind>,
    /// Of backends.
    pub backends: Vec<Kind>,
    /// The options of one stream, by the backend that carries it.
    pub stream_options: Vec<Kind>,
    /// Capabilities that an Environment binds, each with the schema of a binding: an object of one key, the service.
    pub bindings: Vec<Kind>,
}

/// A kind key and its options.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The key: `simulate`.
    pub name: String,
    /// JSON Schema (draft 2020-12) of its value; its `$defs` are its own.
    pub options: Value,
}

/// Where the walker finds the two documents.
pub(crate) const PIPELINE: &str = "PipelineSpec";
pub(crate) const ENVIRONMENT: &str = "EnvironmentSpec";
pub(crate) const METADATA: &str = "Metadata";

/// On a key under its former name: the name it has now.
pub(crate) const RENAMED: &str = "x-renamed-to";

/// The whole schema of a spec file, draft 2020-12, as editors and other validators should see it.
pub fn json_schema(kinds: &Kinds) -> Value {
    editor::adapt(spec_schema(kinds))
}

/// The schema that the walk checks a spec by, once what the spec refers to is filled in. The reference is made of it.
pub fn spec_schema(kinds: &Kinds) -> Value {
    let mut composer = Composer::default();
    let metadata = keys::<Metadata>();
    composer.define(METADATA, metadata);
    let pipeline = composer.pipeline(kinds);
    composer.define(PIPELINE, pipeline);
    let environment = composer.environment(kinds);
    composer.define(ENVIRONMENT, environment);
    let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let is_kind = |kind: &str| json!({ "properties": { "kind": { "const": kind } }, "required": ["kind"] });
    let spec = |name: &str| json!({ "properties": { "spec": reference(name) } });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipectl spec",
        "description": "A pipeline (the data flow) or an Environment (where it runs).",
        "type": "object",
        "properties": {
            "apiVersion": { "const": "pipectl/v1", "description": "The version of this format.", "default": "pipectl/v1" },
            "kind": {
                "enum": ["Pipeline", "Environment"],
                "description": "Pipeline: the data flow. Environment: where it runs.",
                "default": "Pipeline",
            },
            "metadata": reference(METADATA),
            "spec": { "type": "object", "description": "The content. Its keys depend on `kind`." },
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "patternProperties": { "^x-": { "description": "Free to use; pipectl ignores it." } },
        "allOf": [
            { "if": is_kind("Pipeline"), "then": spec(PIPELINE) },
            { "if": is_kind("Environment"), "then": spec(ENVIRONMENT) },
        ],
    });
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$defs".to_owned(), Value::Object(composer.definitions));
    }
    former_names(&mut schema);
    schema
}

/// Lets a key that says `x-former-name` be written by that name too, until the next minor version.
fn former_names(schema: &mut Value) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let renamed: Vec<_> = properties
            .iter()
            .filter_map(|(name, property)| {
                let former = property.get("x-former-name")?.as_str()?.to_owned();
                let mut property = property.clone();
                let object = property.as_object_mut()?;
                object.remove("x-former-name");
                object.remove("markdownDescription");
                object.insert("description".to_owned(), format!("Former name of `{name}`.").into());
                object.insert("deprecated".to_owned(), true.into());
                object.insert(RENAMED.to_owned(), name.as_str().into());
                Some((former, property))
            })
            .collect();
        let both: Vec<_> = renamed
            .iter()
            .map(|(former, property)| json!({ "not": { "required": [former, property[RENAMED]] } }))
            .collect();
        properties.extend(renamed);
        if let (false, Some(object)) = (both.is_empty(), schema.as_object_mut()) {
            let all = object.entry("allOf").or_insert_with(|| json!([]));
            all.as_array_mut().into_iter().for_each(|all| all.extend(both.iter().cloned()));
        }
    }
    inner(schema, &mut former_names);
}

#[derive(Default)]
struct Composer {
    definitions: Map<String, Value>,
}

impl Composer {
    fn define(&mut self, name: &str, schema: Value) {
        self.definitions.insert(name.to_owned(), schema);
    }

    /// Takes a kind's schema over under a name of its own; answers a reference to it.
    fn kind(&mut self, family: &str, kind: &Kind) -> Value {
        let name = format!("{family}.{}", kind.name);
        let mut options = kind.options.clone();
        close(&mut options);
        rename(&mut options, &name);
        if let Some(object) = options.as_object_mut() {
            object.remove("$schema");
            object.insert("title".to_owned(), json!(kind.name));
            if let Some(Value::Object(definitions)) = object.remove("$defs") {
                for (inner, schema) in definitions {
                    self.definitions.insert(format!("{name}.{inner}"), schema);
                }
            }
        }
        let description = options.get("description").cloned();
        self.define(&name, options);
        let mut reference = json!({ "$ref": format!("#/$defs/{name}") });
        // Beside the reference too: not every editor looks behind it for the text to show.
        if let (Some(reference), Some(description)) = (reference.as_object_mut(), description) {
            reference.insert("description".to_owned(), description);
        }
        reference
    }

    fn family(&mut self, family: &str, kinds: &[Kind]) -> Vec<(String, Value)> {
        kinds.iter().map(|kind| (kind.name.clone(), self.kind(family, kind))).collect()
    }

    fn pipeline(&mut self, kinds: &Kinds) -> Value {
        let sources = self.family("source", &kinds.sources);
        let sql = (
            "sql".to_owned(),
            json!({
                "type": "string",
                "minLength": 1,
                "description": "A query over streams, sources and processors by name. `tumble(INTERVAL '1 minute')` in GROUP BY defines event-time windows. Over an input that ends by itself, a query can group without a window.",
                "examples": ["SELECT * FROM sensor_data WHERE temperature > 25"],
            }),
        );
        let processors: Vec<_> = std::iter::once(sql).chain(self.family("processor", &kinds.processors)).collect();
        let stream = (
            "stream".to_owned(),
            json!({
                "type": "string",
                "minLength": 1,
                "description": "The name of another stream, which receives a copy of the records.",
                "examples": ["mirror"],
            }),
        );
        let places = self.family("sink", &kinds.sinks);
        let sinks: Vec<_> = places.iter().cloned().chain([stream]).collect();
        let mut spec = keys::<PipelineKeys>();
        let mut processor = node(keys::<ProcessorKeys>(), "processor", &processors);
        if let Some(processor) = processor.as_object_mut() {
            processor.insert("if".to_owned(), json!({ "not": { "required": ["sql"] } }));
            processor.insert("then".to_owned(), json!({ "required": ["from"] }));
        }
        add(
            &mut spec,
            "sources",
            named(&node(keys::<SourceKeys>(), "source", &sources), "Sources of records, by name."),
        );
        add(
            &mut spec,
            "streams",
            named(&node(keys::<StreamKeys>(), "stream", &[]), "Streams carry records from node to node, by name."),
        );
        add(&mut spec, "processors", named(&processor, "Processors transform records, by name."));
        add(&mut spec, "sinks", named(&node(keys::<SinkKeys>(), "sink", &sinks), "Destinations of records, by name."));
        let dead_letters = node(
            json!({ "type": "object", "additionalProperties": false, "description": "The destination of records that cannot be processed, with reason, node, position and original bytes. Default: a file next to the output." }),
            "dead-letter place",
            &places,
        );
        add(&mut spec, "dead_letters", dead_letters);
        spec
    }

    fn environment(&mut self, kinds: &Kinds) -> Value {
        let backends = self.family("backend", &kinds.backends);
        let mut spec = keys::<EnvironmentKeys>();
        if let Some(spec) = spec.as_object_mut() {
            let text = "Where a pipeline runs. Built-in defaults apply to everything that is not set here.";
            spec.insert("description".to_owned(), text.into());
        }
        let backend = node(json!({ "type": "object", "additionalProperties": false }), "backend", &backends);
        add(
            &mut spec,
            "backends",
            named(
                &backend,
                "Backends carry streams, by name. The backend named `default` carries the streams that name no backend.",
            ),
        );
        let mut stream = node(keys::<StreamBindingKeys>(), "stream", &[]);
        for (kind, options) in self.family("stream", &kinds.stream_options) {
            add(&mut stream, &kind, options);
        }
        add(&mut spec, "streams", named(&stream, "Settings of the Pipeline's streams in this Environment, by name."));
        let bindings = self.family("binding", &kinds.bindings);
        let mut services: Vec<(String, Value)> = Vec::new();
        for (_, binding) in &bindings {
            for (service, schema) in self.services(binding) {
                if services.iter().all(|(known, _)| *known != service) {
                    services.push((service, schema));
                }
            }
        }
        for (name, binding) in bindings {
            add(&mut spec, &name, binding);
        }
        let pinned = node(json!({ "type": "object", "additionalProperties": false }), "service", &services);
        add(&mut spec, "sinks", named(&pinned, "Sinks with their own service, by name."));
        spec
    }

    /// The services of a binding: the one-key objects among its alternatives.
    fn services(&self, schema: &Value) -> Vec<(String, Value)> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix("#/$defs/").and_then(|name| self.definitions.get(name));
            return target.map(|target| self.services(target)).unwrap_or_default();
        }
        let alternatives = ["oneOf", "anyOf"].iter().filter_map(|word| schema.get(word)?.as_array()).flatten();
        let mut services: Vec<_> = alternatives.flat_map(|alternative| self.services(alternative)).collect();
        if services.is_empty()
            && let Some(properties) = schema.get("properties").and_then(Value::as_object)
            && let [(name, service)] = properties.iter().collect::<Vec<_>>().as_slice()
        {
            let mut service = (*service).clone();
            if let (Some(text), Some(service)) = (schema.get("description"), service.as_object_mut()) {
                service.entry("description").or_insert_with(|| text.clone());
            }
            services.push(((*name).clone(), service));
        }
        services
    }
}

/// The schema of a type of ours, complete in itself.
fn keys<T: JsonSchema>() -> Value {
    let settings =
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    schema
}

fn add(schema: &mut Value, key: &str, property: Value) {
    if let Some(object) = schema.as_object_mut() {
        object.entry("patternProperties").or_insert_with(free);
        if let Some(properties) = object.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            properties.insert(key.to_owned(), property);
        }
    }
}

/// A map of nodes by name.
fn named(node: &Value, description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": node,
        "patternProperties": free(),
        "propertyNames": {
            "pattern": "^([A-Za-z_][A-Za-z0-9_]*|x-.*)$",
            "maxLength": 64,
            "x-name": "identifier",
        },
    })
}

fn free() -> Value {
    json!({ "^x-": { "description": "Free to use; pipectl ignores it." } })
}

/// A node: its common keys and exactly one of the kinds.
fn node(common: Value, noun: &str, kinds: &[(String, Value)]) -> Value {
    let mut node = common;
    for (name, schema) in kinds {
        add(&mut node, name, schema.clone());
    }
    if let Some(node) = node.as_object_mut() {
        node.insert("x-noun".to_owned(), json!(noun));
        // What editors call a whole node when they offer one.
        node.insert("title".to_owned(), json!(noun));
        if !kinds.is_empty() {
            let names: Vec<_> = kinds.iter().map(|(name, _)| name.as_str()).collect();
            node.insert("x-kinds".to_owned(), json!(names));
            let one: Vec<_> = names.iter().map(|name| json!({ "required": [name] })).collect();
            node.insert("oneOf".to_owned(), Value::Array(one));
        }
    }
    node
}

/// Calls `change` on every schema directly inside this one.
pub(crate) fn inner(schema: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    let Some(object) = schema.as_object_mut() else { return };
    for (word, value) in object {
        match (word.as_str(), value) {
            ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                schemas.values_mut().for_each(&mut *change);
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(&mut *change);
            }
            ("additionalProperties" | "items" | "not" | "if" | "then" | "else" | "propertyNames", value) => {
                change(value);
            }
            _ => {}
        }
    }
}

/// Refuses keys that are not declared, but for `x-…`, in every object that declares its keys.
fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        let composed =
            ["oneOf", "anyOf", "allOf", "unevaluatedProperties"].iter().any(|word| object.contains_key(*word));
        let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
        let open = object.contains_key("additionalProperties") && !closed;
        if closed || (object.contains_key("properties") && !open && !composed) {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
            object.entry("patternProperties").or_insert_with(free);
        }
    }
    inner(schema, &mut close);
}

/// Points references to `#/$defs/X` at `#/$defs/NAME.X`.
fn rename(schema: &mut Value, name: &str) {
    if let Some(Value::String(reference)) = schema.get_mut("$ref") {
        if let Some(target) = reference.strip_prefix("#/$defs/") {
            *reference = format!("#/$defs/{name}.{target}");
        } else if reference == "#" {
            *reference = format!("#/$defs/{name}");
        }
    }
    inner(schema, &mut |schema| rename(schema, name));
}
