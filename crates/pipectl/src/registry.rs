//! The kinds that this build knows: one line each, in the order in which help texts list them.

use pipectl_backend_memory::Memory;
use pipectl_connect_files::{FileSink, FileSource, StdinSource, StdoutSink, TailSource};
use pipectl_connect_object_store::ObjectStore;
use pipectl_connect_simulate::Simulate;
use pipectl_connect_table::Table;
use pipectl_contract::{Checked, ColumnNeed, NodeContext, Processor, ProcessorFacts, Registry};
use pipectl_process::parse::{self, ParseOptions};
use pipectl_spec::{Kind, Kinds};

use crate::absent;

/// All kinds.
pub fn registry() -> Registry {
    let registry = Registry::new()
        .source(Simulate)
        .source(FileSource)
        .source(TailSource)
        .source(StdinSource)
        .processor(Parse)
        .sink(ObjectStore)
        .sink(Table)
        .sink(FileSink)
        .sink(StdoutSink)
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

/// The compiler's view of the `parse` processor, whose operator lives in pipectl-process.
struct Parse;

impl Processor for Parse {
    type Options = ParseOptions;
    const KIND: &'static str = "parse";

    fn check(&self, options: &ParseOptions, node: NodeContext<'_>) -> Checked<ProcessorFacts> {
        match parse::check(options, node.input) {
            Ok(facts) => {
                let need = |(name, path)| ColumnNeed::new(name, path);
                let needs = facts.needs.into_iter().map(need).collect();
                Checked::ok(ProcessorFacts { needs, output: facts.output })
            }
            Err(diagnostics) => Checked { facts: None, diagnostics },
        }
    }
}
