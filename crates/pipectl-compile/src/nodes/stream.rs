//! Streams: their columns, key, event time and what carries them.

use pipectl_contract::StreamNeeds;
use pipectl_data::{DataType, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};
use pipectl_ir::{
    Node, NodeKind,
    dag::{Carrier, EventTime, NodeId, StreamNode, StreamStart},
};
use pipectl_spec::model::{Name, Ordering, Start, TimeSpec};

use super::{CheckedNode, Context, field, micros, open_to_the_end, row_key, take};
use crate::{
    names::{Role, list},
    time,
};

/// How long a partition of a durable stream may be silent before it no longer holds back the watermark, in microseconds.
pub(super) const IDLE_AFTER: i64 = 10_000_000;

impl Context<'_> {
    /// The event time that a source or a processor says itself. Where it fills a stream, the stream says it: a broker carries
    /// no event times.
    pub(super) fn own_time(
        spec: Option<&TimeSpec>,
        to: Option<&Name>,
        node: &Path,
        schema: &Schema,
        (at_rest, of_windows): (bool, bool),
        diagnostics: &mut Diagnostics,
    ) -> Option<EventTime> {
        let spec = spec?;
        if let Some(to) = to {
            let name = node.last_key().unwrap_or_default();
            let field = &spec.field.text;
            diagnostics.push(
                Diagnostic::error(
                    codes::schema::TIME_BELONGS_TO_STREAM,
                    format!("`{name}` writes to stream `{}`, which defines the event time of its records", to.text),
                )
                .at_key(&spec.path, "not here")
                .related(Place::Node(to.path.clone(), Part::Value), "the stream")
                .help(format!("move it: `streams: {{ {}: {{ time: {{ field: {field} }} }} }}`", to.text)),
            );
            return None;
        }
        fits_time(&spec.field, schema, node, diagnostics).then(|| time::event_time(spec, at_rest, of_windows))
    }

    pub(super) fn stream(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
        let stream = &self.pipeline.streams[at];
        let producers: Vec<NodeId> = self.links.producers(id).collect();
        let known: Option<Vec<&Schema>> =
            producers.iter().map(|producer| self.nodes[producer.0].schema.as_ref()).collect();
        let declared = stream.schema.as_ref().map(|spec| &spec.schema);
        if let (Some(spec), Some(known)) = (&stream.schema, &known) {
            for (producer, schema) in producers.iter().zip(known) {
                self.compare(*producer, schema, spec, diagnostics);
            }
        }
        // Without a declaration, the writer's columns; nothing is known if the writer is broken.
        let written = known.as_ref().and_then(|known| known.first().copied());
        let schema = match (declared, written) {
            (Some(declared), _) => Some(declared.clone()),
            (None, Some(written)) => Some(written.clone()),
            (None, None) if producers.is_empty() && !self.links.any_broken() => Some(Schema::new([])),
            (None, None) => None,
        };
        let before = diagnostics.len();
        // A stream that is there already may hold what others write.
        let existing = self.bindings.stream(&stream.name).is_some_and(|binding| binding.existing);
        let at_rest =
            !existing && !producers.is_empty() && producers.iter().all(|producer| self.nodes[producer.0].at_rest);
        let bounded =
            !existing && !producers.is_empty() && producers.iter().all(|producer| self.nodes[producer.0].bounded);
        let kept = producers.iter().find_map(|producer| self.nodes[producer.0].kept.clone());
        let of_windows = producers.iter().any(|producer| self.nodes[producer.0].of_windows);
        let mut keys = Vec::new();
        let mut time: Option<EventTime> = None;
        if let Some(schema) = &schema {
            for key in &stream.key {
                keys.extend(fits_key(key, schema, &stream.path, diagnostics).then(|| key.text.clone()));
            }
            if let Some(spec) = &stream.time
                && fits_time(&spec.field, schema, &stream.path, diagnostics)
            {
                time = Some(time::event_time(spec, at_rest, of_windows));
            }
        }
        if stream.ordering == Some(Ordering::Key) && stream.key.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    codes::schema::ORDER_WITHOUT_KEY,
                    format!("stream `{}` has `ordering: key` but no key", stream.name),
                )
                .at(&stream.path.key("ordering"), "by which key?")
                .help("add `key: FIELD`, or write `ordering: none`"),
            );
        }
        let backend = self.bindings.backend(&stream.name, diagnostics);
        let binding = self.bindings.stream(&stream.name);
        let stream_options = backend.as_ref().and_then(|backend| {
            let options = binding?.options.iter();
            let (fitting, others): (Vec<_>, Vec<_>) = options.partition(|options| options.name == backend.kind);
            for other in others {
                let title = format!("stream `{}` is carried by {}, not by {}", stream.name, backend.kind, other.name);
                diagnostics.push(
                    Diagnostic::error(codes::environment::BINDING_NOT_FOR_BACKEND, title)
                        .at_key(&other.path, "not for this stream")
                        .help(format!("remove it, or bind the stream to a backend of kind {}", other.name)),
                );
            }
            fitting.first().map(|options| &options.options)
        });
        let facts = backend.as_ref().and_then(|used| {
            let backend = self.registry.find_backend(&used.kind)?;
            let needs = StreamNeeds {
                name: &stream.name,
                target: self.bindings.target(&stream.name),
                existing: self.bindings.stream(&stream.name).is_some_and(|binding| binding.existing),
                partitions: stream.partitions,
                retention: stream.retention.map(|retention| retention.0),
                keys: &keys,
                ordered: stream.ordering != Some(Ordering::None) && !keys.is_empty(),
                schema: schema.as_ref(),
                checkpoint_every: self.pipeline.checkpoint.every.0,
            };
            take(backend.check(used.options, stream_options, needs), &stream.path, diagnostics)
        });
        if let (Some(binding), Some(facts)) = (binding, &facts)
            && !facts.durable
            && (binding.existing || binding.name.is_some())
        {
            let key = if binding.existing { "existing" } else { "name" };
            diagnostics.push(
                Diagnostic::error(
                    codes::environment::BINDING_NOT_FOR_BACKEND,
                    format!("stream `{}` is carried by memory, which has no `{key}`", stream.name),
                )
                .at_key(&binding.path.key(key), "not for a memory stream")
                .help(format!("remove `{key}`, or bind the stream to a backend with a broker")),
            );
        }
        // Brokers carry no event times: a stream has one only where it names the field, in every Environment.
        let timed = stream.time.is_some();
        let event_time = time.as_ref().map(|time| time.field.clone());
        let open_to_the_end = open_to_the_end(time.as_ref(), &stream.name);
        let broken = diagnostics.iter().skip(before).any(|found| found.severity == pipectl_diag::Severity::Error);
        let node = match (&schema, facts, backend) {
            (Some(schema), Some(facts), Some(used)) if !broken => Some(Node {
                name: stream.name.clone(),
                path: stream.path.clone(),
                kind: NodeKind::Stream(StreamNode {
                    backend: used.kind.clone(),
                    partitions: facts.partitions,
                    carrier: facts.durable.then(|| Carrier {
                        sharing: self
                            .registry
                            .find_backend(&used.kind)
                            .is_some_and(|backend| backend.capabilities(used.options).sharing),
                        backend: used.name,
                        kind: used.kind,
                        options: used.options.cloned(),
                        private: self.bindings.private(),
                        transactional: facts.transactional,
                        target: self.bindings.target(&stream.name).to_owned(),
                        existing: binding.is_some_and(|binding| binding.existing),
                        start: match binding.map_or(Start::Earliest, |binding| binding.start) {
                            Start::Earliest => StreamStart::Earliest,
                            Start::Latest => StreamStart::Latest,
                            Start::At(moment) => StreamStart::At(moment),
                        },
                        partitions: stream.partitions,
                        retention: stream.retention.map(|retention| micros(retention.0)),
                        ordered: stream.ordering != Some(Ordering::None) && !keys.is_empty(),
                        stream_options: stream_options.cloned(),
                    }),
                    keys: keys.clone(),
                    time,
                    idle_after: stream.idle_after.map_or(IDLE_AFTER, |idle| micros(idle.0)),
                }),
                schema: schema.clone(),
            }),
            _ => None,
        };
        let producers: Vec<_> = self.links.producers(id).collect();
        let row_key = match (producers.as_slice(), &schema) {
            // Rows of several queries may have the same key.
            ([only], Some(schema)) => row_key::after_columns(schema, self.nodes[only.0].row_key.as_ref()),
            _ => None,
        };
        CheckedNode {
            node,
            schema,
            event_time,
            timed,
            at_rest,
            bounded,
            of_windows,
            kept,
            open_to_the_end,
            keys,
            row_key,
            ..CheckedNode::default()
        }
    }

    /// Whether what is written to a stream fits the schema that it declares.
    fn compare(
        &self,
        producer: NodeId,
        written: &Schema,
        spec: &pipectl_spec::model::SchemaSpec,
        diagnostics: &mut Diagnostics,
    ) {
        let entry = self.names.entry(producer.0);
        // An undecoded source has whatever fields the stream looks for.
        if written.fields().is_empty() && matches!(entry.role, Role::Source(_)) {
            return;
        }
        for field in spec.schema.fields() {
            let place = spec.path.key(field.name.as_str());
            let found = written.find(&field.name);
            let title = match found {
                Some((_, found)) if found.data_type.logical() == field.data_type.logical() => continue,
                Some((_, found)) => format!(
                    "`{}` writes column `{}` as {}, the schema says {}",
                    entry.name, field.name, found.data_type, field.data_type
                ),
                None => format!("`{}` writes no column `{}`", entry.name, field.name),
            };
            let mut problem = Diagnostic::error(codes::schema::SCHEMA_MISMATCH, title).at_key(&place, "declared here");
            problem = match found {
                Some((_, found)) => problem
                    .related(self.column_place(producer, &field.name), "written here")
                    .help(format!("declare it as `{}`, or cast it in the query", found.data_type)),
                None => problem
                    .related(Place::Node(entry.path.clone(), Part::Key), "the writer")
                    .help(format!("the writer's columns are {}", list(written.names()))),
            };
            diagnostics.push(problem);
        }
    }
}

/// Whether a column exists and can be a key.
fn fits_key(key: &Name, schema: &Schema, path: &Path, diagnostics: &mut Diagnostics) -> bool {
    let Some(field) = field(&key.text, &key.path, "the key", schema, path, diagnostics) else { return false };
    let plain = !(field.data_type.is_nested()
        || matches!(field.data_type, DataType::Float64 | DataType::Json | DataType::Interval));
    if !plain {
        diagnostics.push(
            Diagnostic::error(
                codes::schema::BAD_KEY,
                format!("`{}` is of type {} and cannot be a key", key.text, field.data_type),
            )
            .at(&key.path, format!("a {}", field.data_type))
            .help("a key is a string, int64, decimal, bool, bytes, timestamp or date"),
        );
    }
    plain
}

/// Whether a column exists and can be the event time.
fn fits_time(name: &Name, schema: &Schema, path: &Path, diagnostics: &mut Diagnostics) -> bool {
    let Some(field) = field(&name.text, &name.path, "the event time", schema, path, diagnostics) else { return false };
    let fits = field.data_type.logical() == DataType::Timestamp;
    if !fits {
        diagnostics.push(
            Diagnostic::error(
                codes::schema::BAD_EVENT_TIME,
                format!("`{}` is of type {} and cannot be the event time", name.text, field.data_type),
            )
            .at(&name.path, format!("a {}", field.data_type))
            .help("the event time is a timestamp, epoch_ms or epoch_s"),
        );
    }
    fits
}
