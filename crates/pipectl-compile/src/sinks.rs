//! Sinks: their options, and what they need of their input.

use pipectl_contract::{NodeContext, Parallelism, SinkFacts};
use pipectl_data::Schema;
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};
use pipectl_ir::{
    Node, NodeKind,
    dag::{NodeId, SinkNode, TO_STREAM, dead_letter_schema},
};
use pipectl_spec::model::Pipeline;
use serde_json::{Value, json};

use crate::{
    claims::DeadLetterClaims,
    environment::Bindings,
    names::list,
    nodes::{CheckedNode, Context, take},
};

/// Checks a sink.
pub(crate) fn check(context: &Context<'_>, id: NodeId, at: usize, diagnostics: &mut Diagnostics) -> CheckedNode {
    let sink = &context.pipeline.sinks[at];
    if sink.kind.name == TO_STREAM {
        return to_stream(context, id, at);
    }
    let Some(kind) = context.registry.find_sink(&sink.kind.name) else { return CheckedNode::default() };
    let input = context.input(id);
    let columns = input.and_then(|input| input.schema.as_ref());
    let keys = input.map_or(&[][..], |input| &input.keys);
    let binding = context.bindings.sink(&sink.name, &sink.kind.name, context.registry);
    let output = context.bindings.output(&context.pipeline.name);
    let options = NodeContext {
        pipeline: &context.pipeline.name,
        output: &output,
        node: &sink.name,
        input: columns,
        keys,
        row_key: input.and_then(|input| input.row_key.as_ref()),
    };
    let value = binding.as_deref();
    let facts = take(kind.check(&sink.kind.options, value, options), &sink.kind.path, diagnostics);
    let (Some(facts), Some(input), Some(columns)) = (facts, input, columns) else { return CheckedNode::default() };
    let at = |path: &Path| path.under(&sink.kind.path);
    let exclusive = facts.exclusive.iter().map(|(place, path)| (place.clone(), at(path))).collect();
    let writes = facts.writes.iter().map(|(files, path)| (files.clone(), at(path))).collect();
    let mut complete = context.needs(id, &facts.needs, &sink.kind.path, columns, diagnostics);
    if let Some(path) = facts.needs_event_time.as_ref().filter(|_| !input.timed) {
        complete = false;
        let from = context.untimed(id);
        diagnostics.push(
            Diagnostic::error(
                codes::schema::NO_EVENT_TIME,
                format!("sink `{}` needs event times, which the records of {from} do not have", sink.name),
            )
            .at(&path.under(&sink.kind.path), "needs event times")
            .related(Place::Node(sink.path.key("from"), Part::Value), "read from here")
            .help("give the stream `time: { field: NAME, lateness: 5s }`, or use `{arrival:…}`"),
        );
    }
    if columns.fields().is_empty() && !facts.takes_payload {
        complete = false;
        diagnostics.push(
            Diagnostic::error(
                codes::schema::MISSING_SCHEMA,
                format!(
                    "sink `{}` writes columns, but {} has no schema",
                    sink.name,
                    list(sink.from.iter().map(|from| from.text.as_str()))
                ),
            )
            .at(&sink.path.key("from"), "which columns?")
            .help("give the stream a `schema`; `pipectl infer FILE` prints one from sample records"),
        );
    }
    if !complete {
        return CheckedNode { exclusive, writes, ..CheckedNode::default() };
    }
    let place = kind.describe(&sink.kind.options, value, &output, &sink.name);
    let node = Node {
        name: sink.name.clone(),
        path: sink.path.clone(),
        kind: NodeKind::Sink(sink_node(&sink.kind.name, &sink.kind.options, value, &facts, place)),
        schema: columns.clone(),
    };
    CheckedNode { node: Some(node), exclusive, writes, ..CheckedNode::default() }
}

/// A sink to another stream passes on what it gets.
fn to_stream(context: &Context<'_>, id: NodeId, at: usize) -> CheckedNode {
    let sink = &context.pipeline.sinks[at];
    let Some(input) = context.input(id) else { return CheckedNode::default() };
    let Some(schema) = input.schema.clone() else { return CheckedNode::default() };
    let facts = SinkFacts {
        needs: Vec::new(),
        needs_event_time: None,
        takes_payload: true,
        exclusive: Vec::new(),
        writes: Vec::new(),
        parallelism: Parallelism::PerPartition,
        idempotent: true,
        shareable: true,
    };
    let place = format!("stream {}", sink.kind.options.as_str().unwrap_or_default());
    let node = Node {
        name: sink.name.clone(),
        path: sink.path.clone(),
        kind: NodeKind::Sink(sink_node(TO_STREAM, &sink.kind.options, None, &facts, place)),
        schema: schema.clone(),
    };
    let (event_time, timed) = (input.event_time.clone(), input.timed);
    CheckedNode { node: Some(node), schema: Some(schema), event_time, timed, ..CheckedNode::default() }
}

fn sink_node(kind: &str, options: &Value, binding: Option<&Value>, facts: &SinkFacts, place: String) -> SinkNode {
    SinkNode {
        kind: kind.to_owned(),
        options: options.clone(),
        binding: binding.cloned(),
        needs: facts.needs.iter().map(|need| need.name.clone()).collect(),
        takes_payload: facts.takes_payload,
        per_partition: facts.parallelism == Parallelism::PerPartition,
        idempotent: facts.idempotent,
        shareable: facts.shareable,
        place,
    }
}

/// What dead letters are called where sinks are called by their names.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";

/// The kind of sink that takes dead letters.
pub(crate) fn dead_letters_kind(pipeline: &Pipeline) -> &str {
    pipeline.dead_letters.as_ref().map_or("file", |given| given.name.as_str())
}

/// Where dead letters go: what the spec says, or a file beside the output. What that sink must own alone comes with it.
pub(crate) fn dead_letters(
    pipeline: &Pipeline,
    registry: &pipectl_contract::Registry,
    bindings: &Bindings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(SinkNode, DeadLetterClaims)> {
    let output = bindings.output(&pipeline.name);
    let default = json!({ "path": format!("{output}/dead-letters.jsonl") });
    let kind = dead_letters_kind(pipeline);
    let (options, path) = match &pipeline.dead_letters {
        Some(given) => (&given.options, given.path.clone()),
        // Nobody wrote it; what is wrong with it is wrong with the pipeline as a whole.
        None => (&default, pipeline.path.clone()),
    };
    let sink = registry.find_sink(kind)?;
    let schema: Schema = dead_letter_schema();
    let context = NodeContext {
        pipeline: &pipeline.name,
        output: &output,
        node: DEAD_LETTERS,
        input: Some(&schema),
        keys: &[],
        row_key: None,
    };
    let binding = bindings.sink(DEAD_LETTERS, kind, registry);
    let binding = binding.as_deref();
    let facts = take(sink.check(options, binding, context), &path, diagnostics)?;
    let place = sink.describe(options, binding, &output, DEAD_LETTERS);
    let at = |at: &Path| match &pipeline.dead_letters {
        Some(_) => at.under(&path),
        None => path.key("metadata").key("name"),
    };
    let claims = DeadLetterClaims {
        exclusive: facts.exclusive.iter().map(|(place, path)| (place.clone(), at(path))).collect(),
        writes: facts.writes.iter().map(|(files, path)| (files.clone(), at(path))).collect(),
    };
    Some((sink_node(kind, options, binding, &facts, place), claims))
}
