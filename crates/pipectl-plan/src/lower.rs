//! Builds the stages.

use std::collections::BTreeMap;

use pipectl_data::{Field, Schema};
use pipectl_ir::{
    PlaceBy, StateSignature,
    dag::{
        Carrier, Dag, Node, NodeId, NodeKind, ProcessorNode, ProcessorStep, SinkNode, SourceNode, StreamNode,
        TO_STREAM, dead_letter_schema,
    },
    physical::{
        Operation, PhysicalPlan, PlanNode, Route, RouteBy, SinkPlan, SourcePlan, Stage, StageInput, Step, StreamPlan,
        Target, Tasks, Workers, beside,
    },
    query::Shape,
};
use serde_json::Value;

use crate::{
    columns::{Needs, stream_format},
    regions::{MeetAgain, Region},
};

/// Tasks of a stage that regroups records which come from no stream with partitions.
const DEFAULT_TASKS: u32 = 4;

/// Name of the dead letters' node and stage; no node of a spec can have it.
const DEAD_LETTERS: &str = "dead-letters";

/// Where a node's records can be picked up.
#[derive(Debug, Clone)]
struct Outlet {
    stage: usize,
    /// The step that makes them; `None` for a stage's input itself.
    step: Option<usize>,
    /// The columns whose equal values are all in one task, if any are.
    together: Option<Vec<String>>,
    /// The stream's key, for sinks.
    keys: Vec<String>,
}

/// A node that feeds another, and where its records can be picked up.
struct Input {
    from: NodeId,
    outlets: Vec<Outlet>,
}

struct Lower<'a> {
    dag: &'a Dag,
    needs: Needs,
    region: &'a Region,
    /// The region's name, if there are several.
    name: Option<String>,
    /// Numbers of the nodes in the plan.
    numbers: BTreeMap<NodeId, usize>,
    /// Several for a node that reads several inputs where they are.
    outlets: BTreeMap<NodeId, Vec<Outlet>>,
    stages: Vec<Stage>,
    routes: Vec<Route>,
}

/// Lowers a Dag to one plan in which every stream lives in memory, as a dry run wants it. The same Dag gives the same
/// plan, byte for byte.
pub fn lower(dag: &Dag) -> PhysicalPlan {
    region(dag, &Region::whole(dag), false, None)
}

/// Lowers a Dag to a plan for each of its regions; to one plan if no stream is durable.
///
/// # Errors
/// If a memory stream gets records from both sides of a durable one.
pub fn lower_regions(dag: &Dag) -> Result<Vec<PhysicalPlan>, MeetAgain> {
    let regions = Region::of(dag)?;
    let durable = regions.iter().any(|region| !region.reads.is_empty() || !region.writes.is_empty());
    if !durable {
        return Ok(vec![lower(dag)]);
    }
    Ok(regions.iter().map(|part| region(dag, part, true, Some(part.name(dag)))).collect())
}

fn region(dag: &Dag, region: &Region, cuts: bool, name: Option<String>) -> PhysicalPlan {
    let members = || dag.topological().filter(|(id, _)| region.nodes.contains(id));
    let numbers = members().enumerate().map(|(number, (id, _))| (id, number)).collect();
    let needs = Needs::of(dag, cuts);
    let (outlets, stages, routes) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut lower = Lower { dag, needs, region, name, numbers, outlets, stages, routes };
    for (id, node) in members() {
        lower.node(id, node);
    }
    lower.finish()
}

impl Lower<'_> {
    fn node(&mut self, id: NodeId, node: &Node) {
        match &node.kind {
            NodeKind::Source(source) => self.source(id, node, source),
            NodeKind::Stream(stream) => match &stream.carrier {
                Some(carrier) if self.region.reads.contains(&id) => self.stream_out(id, node, stream, carrier),
                Some(carrier) if self.region.writes.contains(&id) => self.stream_in(id, node, stream, carrier),
                _ => self.stream(id, node, stream),
            },
            NodeKind::Processor(processor) => self.processor(id, node, processor),
            NodeKind::Sink(sink) => self.sink(id, node, sink),
        }
    }

    fn source(&mut self, id: NodeId, node: &Node, source: &SourceNode) {
        let time = source.time.as_ref();
        let is_needed =
            |name: &String| self.needs.columns(id).contains(name) || time.is_some_and(|time| time.field == *name);
        let needed = node.schema.project(|field| is_needed(&field.name));
        let decodes = !needed.fields().is_empty();
        let stage = self.stage(
            &node.name,
            Tasks::Readers(self.stages.len()),
            StageInput::Source(SourcePlan {
                node: self.numbers[&id],
                name: node.name.clone(),
                kind: source.kind.clone(),
                options: source.options.clone(),
                schema: node.schema.clone(),
                idle_after: source.idle_after,
                leaves: !decodes,
            }),
        );
        let mut outlet = Outlet { stage, step: None, together: None, keys: Vec::new() };
        if decodes {
            let operation = Operation::Decode { needed, format: source.format.clone(), all: node.schema.clone() };
            self.step(&mut outlet, id, (false, time.is_none()), operation);
        }
        if let Some(time) = time {
            self.step(&mut outlet, id, (false, true), Operation::EventTime(time.clone()));
        }
        self.outlets.insert(id, vec![outlet]);
    }

    fn stream(&mut self, id: NodeId, node: &Node, stream: &StreamNode) {
        let stage = self.stage(&node.name, Tasks::Fixed(stream.partitions), StageInput::Routes);
        let keyed = !stream.keys.is_empty();
        let by = match () {
            () if stream.partitions == 1 => RouteBy::Gather,
            () if keyed => RouteBy::Key,
            () => RouteBy::Spread,
        };
        let inputs = self.inputs(id).into_iter();
        for (from, mut outlet) in
            inputs.flat_map(|Input { from, outlets }| outlets.into_iter().map(move |one| (from, one)))
        {
            let mut enters = true;
            if let Some(time) = &stream.time {
                self.step(&mut outlet, id, (enters, false), Operation::EventTime(time.clone()));
                enters = false;
            }
            if keyed {
                self.step(&mut outlet, id, (enters, false), Operation::Key(stream.keys.clone()));
            }
            // Last, since the key and the time need not be among them.
            self.choose_columns(&mut outlet, from, id, &self.columns_of(id));
            self.route(&outlet, stage, by.clone());
        }
        let enters = stream.time.is_none() && !keyed;
        let together = keyed.then(|| stream.keys.clone());
        let mut outlet = Outlet { stage, step: None, together, keys: stream.keys.clone() };
        self.step(&mut outlet, id, (enters, true), Operation::Partition);
        self.outlets.insert(id, vec![outlet]);
    }

    /// The side on which a durable stream is written. One task writes, so that the order in which records arrive here is
    /// the order in which they are sent.
    fn stream_in(&mut self, id: NodeId, node: &Node, stream: &StreamNode, carrier: &Carrier) {
        let stage = self.stage(&node.name, Tasks::Fixed(1), StageInput::Routes);
        self.stages[stage].writes = Some(self.stream_plan(id, node, stream, carrier));
        for Input { from, outlets } in self.inputs(id) {
            for mut outlet in outlets {
                if !stream.keys.is_empty() {
                    self.step(&mut outlet, id, (false, false), Operation::Key(stream.keys.clone()));
                }
                if !self.needs.passes_payload(self.dag, from, id) {
                    self.step(&mut outlet, id, (false, false), Operation::DropPayload);
                }
                self.route(&outlet, stage, RouteBy::Gather);
            }
        }
    }

    /// The side on which a durable stream is read.
    fn stream_out(&mut self, id: NodeId, node: &Node, stream: &StreamNode, carrier: &Carrier) {
        let time = stream.time.as_ref();
        let is_needed =
            |name: &String| self.needs.columns(id).contains(name) || time.is_some_and(|time| time.field == *name);
        let needed = node.schema.project(|field| is_needed(&field.name));
        let decodes = !needed.fields().is_empty();
        let plan = self.stream_plan(id, node, stream, carrier);
        let stage = self.stage(&node.name, Tasks::Fixed(stream.partitions), StageInput::Stream(plan));
        let mut outlet = Outlet { stage, step: None, together: None, keys: stream.keys.clone() };
        if decodes {
            let operation = Operation::Decode { needed, format: stream_format(self.dag, id), all: node.schema.clone() };
            self.step(&mut outlet, id, (false, time.is_none()), operation);
        }
        if let Some(time) = time {
            self.step(&mut outlet, id, (false, true), Operation::EventTime(time.clone()));
        }
        self.outlets.insert(id, vec![outlet]);
    }

    fn stream_plan(&self, id: NodeId, node: &Node, stream: &StreamNode, carrier: &Carrier) -> StreamPlan {
        StreamPlan {
            node: self.numbers[&id],
            name: node.name.clone(),
            carrier: carrier.clone(),
            subtasks: stream.partitions,
            keyed: !stream.keys.is_empty(),
            written: !self.dag.producers(id).is_empty(),
            leaves: stream.time.is_none() && self.needs.columns(id).is_empty(),
            idle_after: Some(stream.idle_after),
            schema: node.schema.clone(),
        }
    }

    /// What feeds a node in this region, and where its records can be picked up.
    fn inputs(&self, id: NodeId) -> Vec<Input> {
        let known = |(from, _): (NodeId, _)| Some(Input { from, outlets: self.outlets.get(&from)?.clone() });
        self.dag.producers(id).into_iter().filter_map(known).collect()
    }

    /// The columns of all inputs of a node: those of the first, which all have.
    fn input_columns(&self, inputs: &[Input]) -> Schema {
        let Some(first) = inputs.first() else { return Schema::new([]) };
        let nullable = |name: &str| {
            let found = inputs.iter().filter_map(|input| self.dag.node(input.from).schema.find(name));
            found.into_iter().any(|(_, field)| field.nullable)
        };
        let columns = self.columns_of(first.from);
        let fields = columns.fields().iter();
        Schema::new(fields.map(|field| Field { nullable: nullable(&field.name), ..field.clone() }))
    }

    fn processor(&mut self, id: NodeId, node: &Node, processor: &ProcessorNode) {
        let traits = &processor.traits;
        let inputs = self.inputs(id);
        let input = self.input_columns(&inputs);
        let outlets: Vec<Outlet> = inputs.into_iter().flat_map(|input| input.outlets).collect();
        let outlets = match &traits.place_by {
            PlaceBy::Anywhere if traits.calls => self.apart(outlets, node),
            PlaceBy::Anywhere => outlets,
            PlaceBy::Columns(keys) => self.regroup(outlets, node, Some(keys), traits.calls),
            PlaceBy::One => self.regroup(outlets, node, None, traits.calls),
        };
        let mut done = Vec::with_capacity(outlets.len());
        for mut outlet in outlets {
            let placed_by = outlet.together.take();
            let kept = |column: &String| traits.kept(column).map(str::to_owned);
            let together = placed_by.as_ref().filter(|_| !traits.is_stateful());
            outlet.together = together.and_then(|together| together.iter().map(kept).collect());
            outlet.keys = Vec::new();
            let time = processor.time.as_ref();
            let first = self.stages[outlet.stage].steps.len();
            self.step(&mut outlet, id, (true, time.is_none()), operation(processor, &input));
            if let Some(time) = time {
                self.step(&mut outlet, id, (false, true), Operation::EventTime(time.clone()));
            }
            for step in self.stages[outlet.stage].steps.iter_mut().skip(first) {
                step.fail_on_error = processor.fail_on_error;
            }
            if let Some(step) = self.stages[outlet.stage].steps.get_mut(first) {
                step.state.clone_from(&traits.state);
                step.placed_by = placed_by.filter(|_| traits.is_stateful());
            }
            done.push(outlet);
        }
        self.outlets.insert(id, done);
    }

    /// A stage of its own for what waits for others, so that what is before it goes on meanwhile. Records stay together as
    /// they are; several inputs of different widths meet in one task, which keeps their order.
    fn apart(&mut self, outlets: Vec<Outlet>, node: &Node) -> Vec<Outlet> {
        let Some(first) = outlets.first().cloned() else { return outlets };
        let tasks = self.stages[first.stage].tasks;
        let same = outlets.iter().all(|outlet| self.stages[outlet.stage].tasks == tasks);
        let (tasks, by) = if same { (tasks, RouteBy::Forward) } else { (Tasks::Fixed(1), RouteBy::Gather) };
        let stage = self.stage(&node.name, tasks, StageInput::Routes);
        for outlet in &outlets {
            self.route(outlet, stage, by.clone());
        }
        let together = if outlets.len() == 1 { first.together } else { None };
        vec![Outlet { stage, step: None, together, keys: Vec::new() }]
    }

    /// Brings records with equal values in these columns together, or all records, unless they already are. Several inputs
    /// meet in a stage of their own, where the slowest of them holds the watermark back.
    fn regroup(&mut self, outlets: Vec<Outlet>, node: &Node, keys: Option<&[String]>, calls: bool) -> Vec<Outlet> {
        let upstream: Vec<Tasks> = outlets.iter().map(|outlet| self.stages[outlet.stage].tasks).collect();
        if let ([outlet], [upstream]) = (outlets.as_slice(), upstream.as_slice()) {
            let already = match (&outlet.together, keys) {
                (Some(together), Some(keys)) => together.iter().all(|column| keys.contains(column)),
                _ => false,
            };
            if already || *upstream == Tasks::Fixed(1) {
                return if calls { self.apart(outlets, node) } else { outlets };
            }
        }
        let (tasks, by) = match keys {
            None => (Tasks::Fixed(1), RouteBy::Gather),
            Some(keys) => {
                let known = upstream.iter().map(|upstream| match upstream {
                    Tasks::Fixed(count) => *count,
                    Tasks::Readers(_) => DEFAULT_TASKS,
                });
                (Tasks::Fixed(known.max().unwrap_or(1)), RouteBy::Columns(keys.to_vec()))
            }
        };
        let stage = self.stage(&node.name, tasks, StageInput::Routes);
        for outlet in &outlets {
            self.route(outlet, stage, by.clone());
        }
        vec![Outlet { stage, step: None, together: keys.map(<[String]>::to_vec), keys: Vec::new() }]
    }

    fn sink(&mut self, id: NodeId, node: &Node, sink: &SinkNode) {
        let inputs = self.inputs(id);
        if sink.kind == TO_STREAM {
            let columns = self.columns_of(id);
            let mut passed = Vec::new();
            for Input { from, outlets } in inputs {
                for mut outlet in outlets {
                    self.choose_columns(&mut outlet, from, id, &columns);
                    self.step(&mut outlet, id, (true, true), Operation::Pass);
                    passed.push(outlet);
                }
            }
            self.outlets.insert(id, passed);
            return;
        }
        let payload = self.needs.takes_payload(self.dag, id, sink);
        let mut outlets = Vec::new();
        for Input { from, outlets: found } in inputs {
            for mut outlet in found {
                if !payload {
                    self.choose_columns(&mut outlet, from, id, &node.schema);
                }
                outlets.push(outlet);
            }
        }
        let Some((first, others)) = outlets.split_first() else { return };
        let tasks = self.stages[first.stage].tasks;
        let same = others.iter().all(|outlet| self.stages[outlet.stage].tasks == tasks);
        let (tasks, by) =
            if sink.per_partition && same { (tasks, RouteBy::Forward) } else { (Tasks::Fixed(1), RouteBy::Gather) };
        let keyed = others.iter().all(|outlet| outlet.keys == first.keys);
        let keys = if keyed { first.keys.clone() } else { Vec::new() };
        let stage = self.stage(&node.name, tasks, StageInput::Routes);
        let number = self.numbers[&id];
        self.stages[stage].sink = Some(sink_plan(number, &node.name, sink, node.schema.clone(), payload, keys));
        for outlet in &outlets {
            self.route(outlet, stage, by.clone());
        }
    }

    /// Gives records on their way from one node to another the columns of the other, where they do not have just these.
    fn choose_columns(&mut self, outlet: &mut Outlet, from: NodeId, to: NodeId, wanted: &Schema) {
        let made = self.columns_of(from);
        if !wanted.fields().is_empty() && !made.names().eq(wanted.names()) {
            let names = wanted.names().map(str::to_owned).collect();
            self.step(outlet, to, (false, false), Operation::Columns(names));
        }
    }

    /// The columns that a node's batches really have.
    fn columns_of(&self, id: NodeId) -> Schema {
        let node = self.dag.node(id);
        match node.kind {
            // Only what is needed is decoded.
            NodeKind::Stream(ref stream) if self.region.reads.contains(&id) => node.schema.project(|field| {
                self.needs.columns(id).contains(&field.name)
                    || stream.time.as_ref().is_some_and(|time| time.field == field.name)
            }),
            NodeKind::Source(ref source) => node.schema.project(|field| {
                self.needs.columns(id).contains(&field.name)
                    || source.time.as_ref().is_some_and(|time| time.field == field.name)
            }),
            NodeKind::Stream(_) | NodeKind::Sink(_) if self.decoded_late(id) => {
                node.schema.project(|field| self.needs.columns(id).contains(&field.name))
            }
            _ => node.schema.clone(),
        }
    }

    /// Whether a node's columns come straight from a decoder, which leaves out what nobody needs.
    fn decoded_late(&self, id: NodeId) -> bool {
        match self.dag.node(id).kind {
            NodeKind::Source(_) => true,
            NodeKind::Stream(_) if self.region.reads.contains(&id) => true,
            NodeKind::Stream(_) => self.dag.producers(id).iter().any(|(from, _)| self.decoded_late(*from)),
            NodeKind::Sink(_) => self.dag.producers(id).iter().any(|(from, _)| self.decoded_late(*from)),
            NodeKind::Processor(_) => false,
        }
    }

    fn stage(&mut self, name: &str, tasks: Tasks, input: StageInput) -> usize {
        self.stages.push(Stage {
            name: name.to_owned(),
            tasks,
            input,
            steps: Vec::new(),
            roots: Vec::new(),
            sink: None,
            writes: None,
        });
        self.stages.len() - 1
    }

    /// Adds a step behind an outlet, which then stands behind the step.
    fn step(&mut self, outlet: &mut Outlet, node: NodeId, (enters, leaves): (bool, bool), operation: Operation) {
        let stage = &mut self.stages[outlet.stage];
        let number = stage.steps.len();
        let node = self.numbers[&node];
        let state = match &operation {
            Operation::EventTime(time) => Some(StateSignature::fixed([("time.field", time.field.clone().into())])),
            Operation::Partition => Some(StateSignature::default()),
            _ => None,
        };
        let (fail_on_error, placed_by, next) = (false, None, Vec::new());
        stage.steps.push(Step { node, enters, leaves, fail_on_error, operation, state, placed_by, next });
        self.attach(outlet, Target::Step(number));
        outlet.step = Some(number);
    }

    fn route(&mut self, outlet: &Outlet, to: usize, by: RouteBy) {
        self.routes.push(Route { from: outlet.stage, to, by });
        self.attach(outlet, Target::Route(self.routes.len() - 1));
    }

    fn attach(&mut self, outlet: &Outlet, target: Target) {
        let stage = &mut self.stages[outlet.stage];
        match outlet.step {
            Some(step) => stage.steps[step].next.push(target),
            None => stage.roots.push(target),
        }
    }

    /// Where the region's dead letters go: each region has a file of its own, since each is checkpointed alone.
    fn dead_letters(&self, sink: &SinkNode) -> SinkNode {
        let mut sink = sink.clone();
        if let (Some(name), Some(Value::String(path))) = (&self.name, sink.options.get_mut("path")) {
            let old = std::mem::replace(path, beside(path, name));
            sink.place = sink.place.replace(&old, path);
        }
        sink
    }

    /// What in this region only one process may do at a time, if there is anything.
    fn one_because(&self) -> Option<String> {
        let mut members = self.dag.topological().filter(|(id, _)| self.region.nodes.contains(id));
        members.find_map(|(id, node)| {
            let name = &node.name;
            match &node.kind {
                NodeKind::Source(_) => Some(format!("source `{name}` can be read by one process only")),
                NodeKind::Stream(stream) if self.region.reads.contains(&id) => {
                    let carrier = stream.carrier.as_ref()?;
                    if ends(self.dag, id) {
                        // What comes after it must end too, and only one who reads all of it can report when.
                        return Some(format!("`{name}` has an end"));
                    }
                    (!carrier.sharing)
                        .then(|| format!("`{}` cannot share stream `{name}` with these settings", carrier.kind))
                }
                NodeKind::Stream(stream) if stream.carrier.as_ref().is_some_and(|carrier| carrier.transactional) => {
                    Some(format!("stream `{name}` is written in transactions"))
                }
                NodeKind::Processor(processor) => {
                    processor.traits.is_stateful().then(|| format!("`{name}` keeps state"))
                }
                NodeKind::Stream(_) => None,
                NodeKind::Sink(sink) => {
                    (!sink.shareable).then(|| format!("sink `{name}` can be written by one process only"))
                }
            }
        })
    }

    fn finish(mut self) -> PhysicalPlan {
        let settings = self.dag.settings();
        let dead_letters = &self.dead_letters(&settings.dead_letters);
        let mut nodes: Vec<PlanNode> = self
            .dag
            .topological()
            .filter(|(id, _)| self.region.nodes.contains(id))
            .map(|(_, node)| PlanNode {
                name: node.name.clone(),
                role: node.kind.role().to_owned(),
                kind: node.kind.kind().to_owned(),
                place: match &node.kind {
                    NodeKind::Sink(sink) => Some(sink.place.clone()),
                    _ => None,
                },
                stateful: matches!(&node.kind, NodeKind::Processor(processor) if processor.traits.is_stateful()),
            })
            .collect();
        nodes.push(PlanNode {
            name: DEAD_LETTERS.to_owned(),
            role: "sink".to_owned(),
            kind: dead_letters.kind.clone(),
            place: Some(dead_letters.place.clone()),
            stateful: false,
        });
        let stage = self.stage(DEAD_LETTERS, Tasks::Fixed(1), StageInput::Routes);
        let name = self.name.as_ref().map_or_else(|| DEAD_LETTERS.to_owned(), |name| format!("{DEAD_LETTERS}-{name}"));
        let sink = sink_plan(nodes.len() - 1, &name, dead_letters, dead_letter_schema(), false, Vec::new());
        self.stages[stage].sink = Some(sink);
        self.routes.extend((0..stage).map(|from| Route { from, to: stage, by: RouteBy::Gather }));
        PhysicalPlan {
            pipeline: settings.pipeline.clone(),
            region: self.name.clone(),
            environment: settings.environment.clone(),
            workers: self.one_because().map_or(Workers::Any, |because| Workers::One { because }),
            checkpoint_every: settings.checkpoint_every,
            memory: settings.memory,
            nodes,
            stages: self.stages,
            routes: self.routes,
        }
    }
}

/// What a processor does, with the columns that come in.
fn operation(processor: &ProcessorNode, input: &Schema) -> Operation {
    let input = input.clone();
    match &processor.step {
        ProcessorStep::Other { kind, options } => {
            let (late, at_end) = (processor.late, processor.at_end);
            Operation::Other { kind: kind.clone(), options: options.clone(), input, late, at_end }
        }
        ProcessorStep::Sql(query) => match &query.shape {
            Shape::Project { .. } => Operation::Sql(query.clone(), input),
            Shape::Window(_) => {
                Operation::Window { query: query.clone(), input, late: processor.late, at_end: processor.at_end }
            }
        },
    }
}

/// Whether a source that ends leads to this node.
fn ends(dag: &Dag, id: NodeId) -> bool {
    match &dag.node(id).kind {
        NodeKind::Source(source) => source.bounded,
        _ => dag.producers(id).into_iter().any(|(from, _)| ends(dag, from)),
    }
}

fn sink_plan(node: usize, name: &str, sink: &SinkNode, schema: Schema, payload: bool, keys: Vec<String>) -> SinkPlan {
    SinkPlan {
        node,
        name: name.to_owned(),
        kind: sink.kind.clone(),
        options: sink.options.clone(),
        binding: sink.binding.clone(),
        schema,
        payload,
        keys,
    }
}
