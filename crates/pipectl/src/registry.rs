//! The kinds that this build knows: one line each, in the order in which help texts list them.

use pipectl_backend_memory::Memory;
use pipectl_connect_files::{FileSink, FileSource, StdinSource, StdoutSink, TailSource};
use pipectl_connect_function::{Function, FunctionSink};
use pipectl_connect_object_store::ObjectStore;
use pipectl_connect_simulate::Simulate;
use pipectl_connect_table::Table;
use pipectl_contract::Registry;
use pipectl_data::units::Duration;
use pipectl_process::{alert::AlertProcessor, parse::Parse};
use pipectl_spec::{Kind, Kinds};
use serde_json::{Value, json};

use crate::absent;

/// All kinds.
pub fn registry() -> Registry {
    let registry = Registry::new()
        .source(Simulate)
        .source(FileSource)
        .source(TailSource)
        .source(StdinSource)
        .processor(Parse)
        .processor(AlertProcessor)
        .processor(Function)
        .sink(ObjectStore)
        .sink(Table)
        .sink(FileSink)
        .sink(StdoutSink)
        .sink(FunctionSink)
        .backend(Memory);
    #[cfg(feature = "kafka")]
    let registry = registry.backend(pipectl_backend_kafka::Kafka);
    #[cfg(feature = "kinesis")]
    let registry = registry.backend(pipectl_backend_kinesis::Kinesis);
    #[cfg(feature = "pubsub")]
    let registry = registry.backend(pipectl_backend_pubsub::PubSub);
    #[cfg(feature = "eventhubs")]
    let registry = registry.backend(pipectl_backend_eventhubs::EventHubs);
    absent::fill(registry)
}

/// How a backend learns how long to go on asking, by its kind: the way to that option, and beside it.
const RETRIES: &[(&str, &[&str])] = &[
    ("kafka", &["retry_for"]),
    ("kinesis", &["retry_for"]),
    ("pubsub", &["retry_for"]),
    ("eventhubs", &["retry", "for"]),
];

/// The options of a backend for somebody who waits for the answer: what fails for now is tried again for this long only,
/// unless the Environment says how long.
pub(crate) fn impatient(kind: &str, options: &Value, retry_for: Duration) -> Value {
    let mut options = options.clone();
    let Some((_, [way @ .., last])) = RETRIES.iter().find(|(known, _)| *known == kind) else { return options };
    let mut place = Some(&mut options);
    for step in way {
        place = place.and_then(Value::as_object_mut).map(|object| object.entry(*step).or_insert_with(|| json!({})));
    }
    if let Some(object) = place.and_then(Value::as_object_mut) {
        object.entry(*last).or_insert_with(|| json!(retry_for.to_string()));
    }
    options
}

/// The kinds as the spec's walker and the JSON Schema want them.
pub fn kinds(registry: &Registry) -> Kinds {
    let kind = |name: &str, options| Kind { name: name.to_owned(), options };
    Kinds {
        sources: registry.sources().iter().map(|source| kind(source.kind(), source.options_schema())).collect(),
        processors: registry.processors().iter().map(|kinds| kind(kinds.kind(), kinds.options_schema())).collect(),
        sinks: registry.sinks().iter().map(|sink| kind(sink.kind(), sink.options_schema())).collect(),
        stream_options: registry
            .backends()
            .iter()
            .map(|backend| kind(backend.kind(), backend.stream_options_schema()))
            .filter(|options| {
                options.options["properties"].as_object().is_some_and(|properties| !properties.is_empty())
            })
            .collect(),
        backends: registry.backends().iter().map(|backend| kind(backend.kind(), backend.options_schema())).collect(),
        bindings: registry
            .sinks()
            .iter()
            .map(|sink| kind(sink.kind(), sink.binding_schema()))
            // A sink that can be in one place only is no capability: there is nothing to bind.
            .filter(|binding| binding.options.get("type").and_then(|kind| kind.as_str()) != Some("null"))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_answered_sooner_unless_the_environment_says_how_long() {
        let ten = Duration(std::time::Duration::from_secs(10));
        let given = json!({ "retry_for": "1m", "retry": { "for": "1m" } });
        for (kind, way) in RETRIES {
            let pointer = format!("/{}", way.join("/"));
            let of = |options: &Value| impatient(kind, options, ten).pointer(&pointer).cloned();
            assert_eq!(of(&json!({})), Some(json!("10s")), "{kind}");
            assert_eq!(of(&given), Some(json!("1m")), "{kind}");
        }
        assert_eq!(impatient("memory", &json!({}), ten), json!({}));
    }

    /// The ways lead to options that the backends of this build have.
    #[test]
    fn backends_take_the_options_of_who_waits() {
        let ten = Duration(std::time::Duration::from_secs(10));
        for backend in registry().backends() {
            let Some((kind, [first, ..])) = RETRIES.iter().find(|(kind, _)| *kind == backend.kind()) else { continue };
            let schema = backend.options_schema();
            if schema["properties"].is_null() {
                continue;
            }
            assert!(schema["properties"].get(*first).is_some(), "{kind} has no `{first}`: {schema}");
            assert!(impatient(kind, &json!({}), ten).get(*first).is_some());
        }
    }
}
