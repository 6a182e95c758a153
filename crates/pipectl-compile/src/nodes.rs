//! Options, schemas and queries of each node, after those that feed it.

use pipectl_contract::{Checked, ColumnNeed, FileSet, NodeContext, Registry, StreamNeeds};
use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes, nearest};
use pipectl_ir::{
    Node, NodeKind,
    dag::{
        AtEnd, Carrier, EventTime, LatePolicy, Lateness, NodeId, ProcessorNode, ProcessorStep, SourceFormat,
        SourceNode, StreamNode, StreamStart,
    },
};
use pipectl_spec::model::{Late, Name, OnError, Ordering, Pipeline, Start};

use crate::{
    environment::Bindings,
    links::Links,
    names::{Names, Role, list},
    sinks, time,
};

/// How long a partition of a durable stream may be silent before it no longer holds back the watermark, in microseconds.
const IDLE_AFTER: i64 = 10_000_000;

/// A node as far as it could be checked.
#[derive(Debug, Default)]
pub(crate) struct CheckedNode {
    /// The whole node; `None` if something is wrong with it.
    pub(crate) node: Option<Node>,
    /// Its columns, where they are known although something else is wrong.
    pub(crate) schema: Option<Schema>,
    /// The field that holds its event time, if its records have one.
    pub(crate) event_time: Option<String>,
    /// Whether its records have an event time at all (a window's rows have one without a field).
    pub(crate) timed: bool,
    /// Whether all its records come from sources whose records are there before the run.
    pub(crate) at_rest: bool,
    /// The stream whose watermark closes no window before the input ends, if one leads here.
    pub(crate) open_to_the_end: Option<String>,
    /// The key of a stream.
    pub(crate) keys: Vec<String>,
    /// The places that a sink must own alone.
    pub(crate) exclusive: Vec<(String, Path)>,
    /// The files that a source reads.
    pub(crate) reads: Vec<(FileSet, Path)>,
    /// The files that a sink writes.
    pub(crate) writes: Vec<(FileSet, Path)>,
}

/// What the checks share.
pub(crate) struct Context<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) names: &'a Names,
    pub(crate) links: &'a Links,
    pub(crate) registry: &'a Registry,
    pub(crate) bindings: &'a Bindings<'a>,
    pub(crate) nodes: Vec<CheckedNode>,
}

/// Checks all nodes.
pub(crate) fn check(
    pipeline: &Pipeline,
    names: &Names,
    links: &Links,
    order: &[NodeId],
    registry: &Registry,
    bindings: &Bindings<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<CheckedNode> {
    let nodes = (0..names.len()).map(|_| CheckedNode::default()).collect();
    let mut context = Context { pipeline, names, links, registry, bindings, nodes };
    for id in order {
        let checked = match names.entry(id.0).role {
            Role::Source(at) => context.source(*id, at, diagnostics),
            Role::Stream(at) => context.stream(*id, at, diagnostics),
            Role::Processor(at) => context.processor(*id, at, diagnostics),
            Role::Sink(at) => sinks::check(&context, *id, at, diagnostics),
        };
        context.nodes[id.0] = checked;
    }
    context.nodes
}

impl Context<'_> {
    /// The node that feeds this one, where there is exactly one.
    pub(crate) fn input(&self, id: NodeId) -> Option<&CheckedNode> {
        self.links.producers(id).next().map(|producer| &self.nodes[producer.0])
    }

    fn source(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
        let source = &self.pipeline.sources[at];
        let Some(kind) = self.registry.find_source(&source.kind.name) else { return CheckedNode::default() };
        let output = self.bindings.output(&self.pipeline.name);
        let context =
            NodeContext { pipeline: &self.pipeline.name, output: &output, node: &source.name, input: None, keys: &[] };
        let Some(facts) = take(kind.check(&source.kind.options, context), &source.kind.path, diagnostics) else {
            return CheckedNode::default();
        };
        let reads = facts.reads.iter().map(|(files, path)| (files.clone(), path.under(&source.kind.path))).collect();
        // What the source itself says, what is written beside it, or what its stream declares.
        let declared = source.schema.as_ref().map(|spec| spec.schema.clone());
        let by_stream = self.links.consumers(id).find_map(|stream| match self.names.entry(stream.0).role {
            Role::Stream(at) => self.pipeline.streams[at].schema.as_ref().map(|spec| spec.schema.clone()),
            _ => None,
        });
        let text = (facts.format == SourceFormat::Text)
            .then(|| Schema::new([Field::required(pipectl_ir::dag::LINE, DataType::String)]));
        let schema = declared.or(facts.schema).or(text).or(by_stream).unwrap_or_else(|| Schema::new([]));
        let node = Node {
            name: source.name.clone(),
            path: source.path.clone(),
            kind: NodeKind::Source(SourceNode {
                kind: source.kind.name.clone(),
                options: source.kind.options.clone(),
                format: facts.format,
                bounded: facts.bounded,
                at_rest: facts.at_rest,
                idle_after: source.idle_after.map(|after| micros(after.0)),
            }),
            schema: schema.clone(),
        };
        let at_rest = facts.at_rest;
        CheckedNode { node: Some(node), schema: Some(schema), at_rest, reads, ..CheckedNode::default() }
    }

    fn stream(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
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
        let mut keys = Vec::new();
        let mut time: Option<EventTime> = None;
        if let Some(schema) = &schema {
            for key in &stream.key {
                keys.extend(fits_key(key, schema, &stream.path, diagnostics).then(|| key.text.clone()));
            }
            if let Some(spec) = &stream.time
                && fits_time(&spec.field, schema, &stream.path, diagnostics)
            {
                time = Some(time::event_time(spec, at_rest));
            }
        }
        if stream.ordering == Some(Ordering::Key) && stream.key.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    codes::schema::ORDER_WITHOUT_KEY,
                    format!("stream `{}` asks for order by key but has no key", stream.name),
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
        // Brokers carry no event times: a stream has one only where it says which field tells it, in every Environment.
        let timed = stream.time.is_some();
        let event_time = time.as_ref().map(|time| time.field.clone());
        let open_to_the_end =
            time.as_ref().is_some_and(|time| time.lateness == Lateness::UntilTheEnd).then(|| stream.name.clone());
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
        CheckedNode { node, schema, event_time, timed, at_rest, open_to_the_end, keys, ..CheckedNode::default() }
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

    /// Where a column of a node is made: in its query, or else the node itself.
    pub(crate) fn column_place(&self, id: NodeId, column: &str) -> Place {
        let entry = self.names.entry(id.0);
        let query = self.nodes[id.0].node.as_ref().and_then(|node| match &node.kind {
            NodeKind::Processor(ProcessorNode { step: ProcessorStep::Sql(query), .. }) => query.output_place(column),
            _ => None,
        });
        match (query, entry.role) {
            (Some(range), Role::Processor(at)) => {
                Place::Node(self.pipeline.processors[at].kind.path.clone(), Part::Inside(range))
            }
            _ => Place::Node(entry.path.clone(), Part::Key),
        }
    }

    fn processor(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
        let processor = &self.pipeline.processors[at];
        let input = self.input(id);
        let (step, schema) = if processor.kind.name == "sql" {
            let Some(query) = self.query(at, diagnostics) else { return CheckedNode::default() };
            if query.is_windowed() {
                let stream = input.and_then(|input| input.open_to_the_end.as_deref());
                diagnostics.extend(time::kept_windows(processor, stream));
            }
            let schema = query.output_schema();
            (ProcessorStep::Sql(Box::new(query)), schema)
        } else {
            let Some(kind) = self.registry.find_processor(&processor.kind.name) else { return CheckedNode::default() };
            let Some(columns) = input.and_then(|input| input.schema.as_ref()) else { return CheckedNode::default() };
            let keys = input.map_or(&[][..], |input| &input.keys);
            let output = self.bindings.output(&self.pipeline.name);
            let (pipeline, node) = (&self.pipeline.name, &processor.name);
            let context = NodeContext { pipeline, output: &output, node, input: Some(columns), keys };
            let facts = take(kind.check(&processor.kind.options, context), &processor.kind.path, diagnostics);
            let Some(facts) = facts else { return CheckedNode::default() };
            if !self.needs(id, &facts.needs, &processor.kind.path, columns, diagnostics) {
                return CheckedNode { schema: Some(facts.output), ..CheckedNode::default() };
            }
            let (kind, options) = (processor.kind.name.clone(), processor.kind.options.clone());
            (ProcessorStep::Other { kind, options }, facts.output)
        };
        let timed = input.is_some_and(|input| input.timed);
        let event_time = input.and_then(|input| input.event_time.clone()).filter(|field| {
            schema.find(field).is_some_and(|(_, field)| field.data_type.logical() == DataType::Timestamp)
        });
        let node = Node {
            name: processor.name.clone(),
            path: processor.path.clone(),
            kind: NodeKind::Processor(ProcessorNode {
                step,
                late: match processor.late {
                    Late::DeadLetter => LatePolicy::DeadLetter,
                    Late::Drop => LatePolicy::Drop,
                },
                at_end: match processor.at_end {
                    pipectl_spec::model::AtEnd::Close => AtEnd::Close,
                    pipectl_spec::model::AtEnd::Keep => AtEnd::Keep,
                },
                fail_on_error: processor.on_error == OnError::Fail,
            }),
            schema: schema.clone(),
        };
        CheckedNode {
            node: Some(node),
            schema: Some(schema),
            event_time,
            timed,
            at_rest: input.is_some_and(|input| input.at_rest),
            open_to_the_end: input.and_then(|input| input.open_to_the_end.clone()),
            ..CheckedNode::default()
        }
    }

    fn query(&self, at: usize, diagnostics: &mut Diagnostics) -> Option<pipectl_ir::Query> {
        let processor = &self.pipeline.processors[at];
        let sql = processor.kind.options.as_str()?;
        let hidden = pipectl_sql::input_name(sql).is_some_and(|(name, _)| self.is_hidden(&name));
        match pipectl_sql::compile(sql, &|name: &str| self.look_up(name)) {
            Ok(query) => Some(query),
            Err(found) => {
                // What is wrong with the input is told at the input.
                let of_input = [codes::sql::UNKNOWN_INPUT, codes::schema::MISSING_SCHEMA];
                let told = |problem: &Diagnostic| !(hidden && of_input.contains(&problem.code));
                diagnostics.extend(found.under(&processor.kind.path).into_iter().filter(told));
                None
            }
        }
    }

    /// Whether a node exists whose columns are unknown because something is wrong with it.
    fn is_hidden(&self, name: &str) -> bool {
        let unknown =
            |index: usize| matches!(self.names.entry(index).role, Role::Sink(_)) || self.nodes[index].schema.is_none();
        self.names.is_broken(name) || self.names.find(name).is_some_and(unknown)
    }

    fn look_up(&self, name: &str) -> pipectl_sql::Lookup {
        use pipectl_sql::{Input, Lookup, Time};
        let found = self.names.find(name).filter(|index| !matches!(self.names.entry(*index).role, Role::Sink(_)));
        let Some(index) = found else {
            if self.names.is_broken(name) {
                return Lookup::NoColumns;
            }
            return Lookup::Unknown(self.names.readable().map(str::to_owned).collect());
        };
        let node = &self.nodes[index];
        let Some(schema) = node.schema.as_ref().filter(|schema| !schema.fields().is_empty()) else {
            return Lookup::NoColumns;
        };
        let time = match &node.event_time {
            Some(field) => Time::Field(field.clone()),
            None if node.timed => Time::Carried,
            None => Time::None,
        };
        Lookup::Input(Input { schema: schema.clone(), time })
    }

    /// Reports columns that a node needs and does not get, at the node and at the query that should have made them.
    pub(crate) fn needs(
        &self,
        id: NodeId,
        needs: &[ColumnNeed],
        path: &Path,
        columns: &Schema,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let mut complete = true;
        let producer = self.links.producers(id).next();
        for need in needs {
            if columns.find(&need.name).is_some() {
                continue;
            }
            complete = false;
            let at = need.path.under(path);
            let from = producer.map_or("", |producer| self.names.entry(producer.0).name.as_str());
            let title =
                format!("`{}` needs column `{}`, which `{from}` does not have", self.names.entry(id.0).name, need.name);
            let part = need.inside.clone().map_or(Part::Value, Part::Inside);
            let mut problem = Diagnostic::error(codes::schema::UNKNOWN_FIELD, title).label(
                Place::Node(at.clone(), part),
                "needed here",
                true,
            );
            if let Some(producer) = producer {
                problem = problem.related(self.output_place(producer), "its columns are made here");
            }
            problem = match nearest(&need.name, columns.names()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None if columns.fields().is_empty() => {
                    problem.help(format!("give `{from}` a `schema`; `pipectl infer` prints one from samples"))
                }
                None => problem.help(format!("`{from}` has {}", list(columns.names()))),
            };
            diagnostics.push(problem);
        }
        complete
    }

    /// Where a node says which columns it makes.
    fn output_place(&self, id: NodeId) -> Place {
        let entry = self.names.entry(id.0);
        match entry.role {
            Role::Processor(at) if self.pipeline.processors[at].kind.name == "sql" => {
                let kind = &self.pipeline.processors[at].kind;
                let list = kind.options.as_str().and_then(pipectl_sql::select_list);
                Place::Node(kind.path.clone(), list.map_or(Part::Key, Part::Inside))
            }
            Role::Stream(at) if self.pipeline.streams[at].schema.is_some() => {
                Place::Node(entry.path.key("schema"), Part::Key)
            }
            _ => Place::Node(entry.path.clone(), Part::Key),
        }
    }
}

/// Whether a column exists and can be a key.
fn fits_key(key: &Name, schema: &Schema, path: &Path, diagnostics: &mut Diagnostics) -> bool {
    let Some(field) = field(&key.text, &key.path, "the key", schema, path, diagnostics) else { return false };
    let plain = !matches!(field.data_type, DataType::Float64 | DataType::Json | DataType::Interval);
    if !plain {
        diagnostics.push(
            Diagnostic::error(
                codes::schema::BAD_KEY,
                format!("`{}` is of type {} and cannot be a key", key.text, field.data_type),
            )
            .at(&key.path, format!("a {}", field.data_type))
            .help("a key is a string, int64, bool, bytes, timestamp or date"),
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

/// The field of this name; reports one that does not exist.
fn field<'a>(
    name: &str,
    at: &Path,
    what: &str,
    schema: &'a Schema,
    node: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Field> {
    if let Some((_, field)) = schema.find(name) {
        return Some(field);
    }
    let stream = node.last_key().unwrap_or_default();
    if schema.fields().is_empty() {
        diagnostics.push(
            Diagnostic::error(
                codes::schema::MISSING_SCHEMA,
                format!("`{stream}` has no schema, so {what} `{name}` is unknown"),
            )
            .at(at, "which column is this?")
            .help(format!("add `schema: {{ {name}: TYPE, … }}`; `pipectl infer FILE` prints one from sample records")),
        );
        return None;
    }
    let problem =
        Diagnostic::error(codes::schema::UNKNOWN_FIELD, format!("`{stream}` has no column `{name}` for {what}"))
            .at(at, "unknown")
            .related(Place::Node(node.key("schema"), Part::Key), "its columns");
    diagnostics.push(match nearest(name, schema.names()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")).fix(Place::Node(at.clone(), Part::Value), near),
        None => problem.help(format!("there are {}", list(schema.names()))),
    });
    None
}

/// The facts of a check, its diagnostics put under the node's options.
pub(crate) fn take<F>(checked: Checked<F>, path: &Path, diagnostics: &mut Diagnostics) -> Option<F> {
    diagnostics.extend(checked.diagnostics.under(path));
    checked.facts
}

pub(crate) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
