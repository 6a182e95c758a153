//! Options, schemas and queries of each node, after those that feed it.

mod row_key;
mod stream;
mod union;

use std::collections::BTreeMap;

use pipectl_contract::{Checked, ColumnNeed, FileSet, NodeContext, Registry, RowKey};
use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes, nearest};
use pipectl_ir::{
    Node, NodeKind,
    dag::{
        AtEnd, EventTime, LatePolicy, Lateness, NodeId, ProcessorNode, ProcessorStep, SQL, SourceFormat, SourceNode,
    },
};
use pipectl_spec::model::{Late, OnError, Pipeline};
use pipectl_sql::Lookup;

use crate::{
    environment::Bindings,
    links::{self, Links},
    names::{Names, Role, list},
    sinks, time,
};

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
    /// Whether its records come to an end by themselves.
    pub(crate) bounded: bool,
    /// Whether it is made of the results of windows, whose times are ahead of the records that they come from.
    pub(crate) of_windows: bool,
    /// The processor before it that keeps its windows open when the input ends, so that nothing after it closes by that end.
    pub(crate) kept: Option<String>,
    /// The stream whose watermark closes no window before the input ends, if one leads here.
    pub(crate) open_to_the_end: Option<String>,
    /// The key of a stream.
    pub(crate) keys: Vec<String>,
    /// What identifies a row, where a query with groups made it.
    pub(crate) row_key: Option<RowKey>,
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
    /// What several nodes are together, by the node that reads them.
    unions: BTreeMap<NodeId, CheckedNode>,
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
    let mut context = Context { pipeline, names, links, registry, bindings, nodes, unions: BTreeMap::new() };
    for id in order {
        let reads = matches!(names.entry(id.0).role, Role::Processor(_) | Role::Sink(_));
        if reads && links.producers(*id).count() > 1 {
            let union = context.union(*id, diagnostics);
            context.unions.insert(*id, union);
        }
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
    /// The node that feeds this one, or all that feed it as one.
    pub(crate) fn input(&self, id: NodeId) -> Option<&CheckedNode> {
        let only = || self.links.producers(id).next().map(|producer| &self.nodes[producer.0]);
        self.unions.get(&id).or_else(only)
    }

    fn source(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
        let source = &self.pipeline.sources[at];
        let Some(kind) = self.registry.find_source(&source.kind.name) else { return CheckedNode::default() };
        let output = self.bindings.output(&self.pipeline.name);
        let context = NodeContext {
            pipeline: &self.pipeline.name,
            output: &output,
            node: &source.name,
            input: None,
            keys: &[],
            row_key: None,
        };
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
        if let Some(spec) = source.schema.as_ref().filter(|_| facts.format == SourceFormat::Text)
            && spec.schema.names().any(|column| column != pipectl_ir::dag::LINE)
        {
            diagnostics.push(
                Diagnostic::error(
                    codes::schema::SCHEMA_MISMATCH,
                    format!("`{}` reads lines of text, which have one column, `line`", source.name),
                )
                .at_key(&spec.path, "lines have no such columns")
                .help("for JSON or CSV, write `format: json` or `format: csv`")
                .help("for other text, remove `schema`, and parse `line` with a processor of kind `parse`"),
            );
        }
        let text = (facts.format == SourceFormat::Text)
            .then(|| Schema::new([Field::required(pipectl_ir::dag::LINE, DataType::String)]));
        let schema = declared.or(facts.schema).or(text).or(by_stream).unwrap_or_else(|| Schema::new([]));
        let at_rest = facts.at_rest;
        let time = Self::own_time(
            source.time.as_ref(),
            source.to.as_ref(),
            &source.path,
            &schema,
            (at_rest, false),
            diagnostics,
        );
        let mut idle_after = source.idle_after.map(|after| micros(after.0));
        if time.is_some() {
            // As a stream does.
            idle_after = idle_after.or(Some(stream::IDLE_AFTER));
        }
        let node = Node {
            name: source.name.clone(),
            path: source.path.clone(),
            kind: NodeKind::Source(SourceNode {
                kind: source.kind.name.clone(),
                options: source.kind.options.clone(),
                format: facts.format,
                bounded: facts.bounded,
                at_rest,
                time: time.clone(),
                idle_after,
            }),
            schema: schema.clone(),
        };
        CheckedNode {
            node: Some(node),
            schema: Some(schema),
            timed: source.time.is_some(),
            open_to_the_end: open_to_the_end(time.as_ref(), &source.name),
            event_time: time.map(|time| time.field),
            at_rest,
            bounded: facts.bounded,
            reads,
            ..CheckedNode::default()
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
        let (step, traits, schema) = if processor.kind.name == SQL {
            let Some(query) = self.query(id, at, diagnostics) else { return CheckedNode::default() };
            let (traits, schema) = (query.traits(), query.output_schema());
            (ProcessorStep::Sql(Box::new(query)), traits, schema)
        } else {
            let Some(kind) = self.registry.find_processor(&processor.kind.name) else { return CheckedNode::default() };
            let Some(columns) = input.and_then(|input| input.schema.as_ref()) else { return CheckedNode::default() };
            let keys = input.map_or(&[][..], |input| &input.keys);
            let output = self.bindings.output(&self.pipeline.name);
            let (pipeline, node) = (&self.pipeline.name, &processor.name);
            let row_key = input.and_then(|input| input.row_key.as_ref());
            let context = NodeContext { pipeline, output: &output, node, input: Some(columns), keys, row_key };
            let facts = take(kind.check(&processor.kind.options, context), &processor.kind.path, diagnostics);
            let Some(facts) = facts else { return CheckedNode::default() };
            if facts.needs_event_time && !input.is_some_and(|input| input.timed) {
                let from = self.untimed(id);
                let title = format!("`{}` needs event times, which the records of {from} do not have", processor.name);
                let problem = Diagnostic::error(codes::schema::NO_EVENT_TIME, title);
                diagnostics.push(
                    problem
                        .at_key(&processor.kind.path, "needs event times")
                        .help("give the node or the stream that it reads `time: { field: NAME, lateness: 5s }`"),
                );
                return CheckedNode { schema: Some(facts.output), ..CheckedNode::default() };
            }
            if !self.needs(id, &facts.needs, &processor.kind.path, columns, diagnostics) {
                return CheckedNode { schema: Some(facts.output), ..CheckedNode::default() };
            }
            let (kind, options) = (processor.kind.name.clone(), processor.kind.options.clone());
            (ProcessorStep::Other { kind, options }, facts.traits, facts.output)
        };
        let window = match &step {
            ProcessorStep::Sql(query) => query.window(),
            ProcessorStep::Other { .. } => None,
        };
        if traits.is_stateful() {
            let open = input.and_then(|input| input.open_to_the_end.as_deref());
            let kept = input.and_then(|input| input.kept.as_deref());
            diagnostics.extend(time::at_end(processor, window, open, kept));
        }
        let is_windowed = window.is_some();
        let at_rest = input.is_some_and(|input| input.at_rest);
        let of_windows = is_windowed || input.is_some_and(|input| input.of_windows);
        let facts = (at_rest, of_windows);
        let time = Self::own_time(
            processor.time.as_ref(),
            processor.to.as_ref(),
            &processor.path,
            &schema,
            facts,
            diagnostics,
        );
        let (timed, event_time, open_to_the_end) = match &processor.time {
            Some(_) => {
                (true, time.as_ref().map(|time| time.field.clone()), open_to_the_end(time.as_ref(), &processor.name))
            }
            None => (
                input.is_some_and(|input| input.timed),
                input.and_then(|input| input.event_time.clone()).filter(|field| {
                    schema.find(field).is_some_and(|(_, field)| field.data_type.logical() == DataType::Timestamp)
                }),
                input.and_then(|input| input.open_to_the_end.clone()),
            ),
        };
        let before = input.and_then(|input| input.row_key.as_ref());
        let row_key = match &step {
            ProcessorStep::Sql(query) => row_key::after_query(query, before),
            ProcessorStep::Other { .. } => {
                before.map(|before| before.after(|name| traits.kept(name).map(str::to_owned)))
            }
        };
        let stateful = traits.is_stateful();
        let node = Node {
            name: processor.name.clone(),
            path: processor.path.clone(),
            kind: NodeKind::Processor(ProcessorNode {
                step,
                traits,
                time,
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
            row_key,
            schema: Some(schema),
            event_time,
            timed,
            at_rest,
            kept: (stateful && processor.at_end == pipectl_spec::model::AtEnd::Keep)
                .then(|| processor.name.clone())
                .or_else(|| input.and_then(|input| input.kept.clone())),
            bounded: input.is_some_and(|input| input.bounded),
            of_windows,
            open_to_the_end,
            ..CheckedNode::default()
        }
    }

    fn query(&self, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> Option<pipectl_ir::Query> {
        let processor = &self.pipeline.processors[at];
        let sql = processor.kind.options.as_str()?;
        let by_from = |name: &str| links::reads_from(processor, name);
        let hidden = pipectl_sql::input_name(sql).is_some_and(|(name, _)| {
            let unknown = || self.input(id).is_none_or(|input| input.schema.is_none());
            if by_from(&name) { unknown() } else { self.is_hidden(&name) }
        });
        let look_up = |name: &str| {
            let of_from = || self.input(id).map_or(Lookup::NoColumns, Self::as_input);
            if by_from(name) { of_from() } else { self.look_up(name) }
        };
        match pipectl_sql::compile(sql, &look_up) {
            Ok(query) => Some(query),
            Err(found) => {
                // What is wrong with the input is reported at the input.
                let of_input = [codes::sql::UNKNOWN_INPUT, codes::schema::MISSING_SCHEMA];
                let reported = |problem: &Diagnostic| !(hidden && of_input.contains(&problem.code));
                let found = found.under(&processor.kind.path).into_iter().filter(reported);
                diagnostics.extend(found.map(|problem| self.about_input(id, processor, problem)));
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

    fn look_up(&self, name: &str) -> Lookup {
        let found = self.names.find(name).filter(|index| !matches!(self.names.entry(*index).role, Role::Sink(_)));
        let Some(index) = found else {
            if self.names.is_broken(name) {
                return Lookup::NoColumns;
            }
            return Lookup::Unknown(self.names.readable().map(str::to_owned).collect());
        };
        Self::as_input(&self.nodes[index])
    }

    /// What a query sees of its input.
    fn as_input(node: &CheckedNode) -> Lookup {
        use pipectl_sql::{Input, Time};
        let Some(schema) = node.schema.as_ref().filter(|schema| !schema.fields().is_empty()) else {
            return Lookup::NoColumns;
        };
        let time = match &node.event_time {
            Some(field) => Time::Field(field.clone()),
            None if node.timed => Time::Carried,
            None => Time::None,
        };
        Lookup::Input(Input { schema: schema.clone(), time, bounded: node.bounded })
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
                problem = problem.related(self.output_place(producer), "its columns are defined here");
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
            Role::Processor(at) if self.pipeline.processors[at].kind.name == SQL => {
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

/// The node, if its windows see no watermark before the input ends.
fn open_to_the_end(time: Option<&EventTime>, node: &str) -> Option<String> {
    time.is_some_and(|time| time.lateness == Lateness::UntilTheEnd).then(|| node.to_owned())
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
