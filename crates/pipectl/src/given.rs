//! Input that a person hands to a run in place of a source.

use pipectl_data::units::Duration;
use pipectl_diag::{Diagnostic, Path, codes, nearest};
use pipectl_ir::{Dag, NodeKind, dag::TO_STREAM};
use pipectl_spec::model::{KindUse, Name, Pipeline, SchemaSpec, SourceNode, StreamNode};
use serde_json::json;

use crate::input::Source;

/// A source that waits for a person has no place in a run that must be repeatable; `verb` says which.
pub(crate) fn interactive(dag: &Dag, verb: &str) -> Vec<Diagnostic> {
    dag.nodes()
        .filter(|(_, node)| matches!(&node.kind, NodeKind::Source(source) if source.kind == "stdin"))
        .map(|(_, node)| {
            let title = format!("source `{}` reads standard input, which {verb} does not", node.name);
            Diagnostic::error(codes::command::BAD_ARGUMENT, title)
                .at_key(&node.path, "")
                .help(format!("give it records with `--input {}=FILE`", node.name))
        })
        .collect()
}

/// Silence for longer than this is no end that anybody waits for.
const NO_END: Duration = Duration(std::time::Duration::from_hours(1));

/// A source that never ends keeps a run that waits for its end waiting for ever; `verb` says which.
pub(crate) fn endless(dag: &Dag, verb: &str) -> Vec<Diagnostic> {
    let ends_late = |source: &pipectl_ir::dag::SourceNode| {
        let idle = source.options.get("until_idle").and_then(|idle| idle.as_str()?.parse::<Duration>().ok());
        idle.is_some_and(|idle| idle > NO_END)
    };
    dag.nodes()
        .filter(|(_, node)| matches!(&node.kind, NodeKind::Source(source) if !source.bounded || ends_late(source)))
        .map(|(_, node)| {
            let title = format!("source `{}` does not end by itself, and {verb} waits for its end", node.name);
            let own = match node.kind.kind() {
                "tail" => "; in the spec, `until_idle: 2s` ends it when no more data is appended",
                "simulate" => "; in the spec, `for` ends it",
                _ => "",
            };
            Diagnostic::error(codes::command::BAD_ARGUMENT, title).at_key(&node.path, "").help(format!(
                "end it with `--records N` or `--until DURATION`, or give it records with `--input {}=FILE`{own}",
                node.name
            ))
        })
        .collect()
}

/// A stream that only others write gets nothing in a run of which they know nothing; `verb` says which.
pub(crate) fn unfed(dag: &Dag, verb: &str) -> Vec<Diagnostic> {
    dag.nodes()
        .filter(|(id, node)| matches!(node.kind, NodeKind::Stream(_)) && dag.producers(*id).is_empty())
        .map(|(_, node)| {
            let title = format!("stream `{}` is written by other programs, which {verb} does not see", node.name);
            Diagnostic::error(codes::command::BAD_ARGUMENT, title)
                .at_key(&node.path, "")
                .help(format!("give it records with `--input {}=FILE`", node.name))
        })
        .collect()
}

/// `--input NODE=FILE`: a source becomes a file, and keeps the schema that its kind knows by itself; a stream that others
/// write is written by a file.
pub(crate) fn replace_source(
    input: &str,
    source: &mut Source,
    registry: &pipectl_contract::Registry,
) -> Result<(), Diagnostic> {
    let wrong = |title: String| Diagnostic::error(codes::command::BAD_ARGUMENT, title);
    let (name, file) = input
        .split_once('=')
        .ok_or_else(|| wrong(format!("`--input {input}` names no file")).help("write `--input NODE=FILE`"))?;
    // A pattern may match nothing yet; a plain name must be there before a run begins.
    if !file.contains(['*', '?', '[', '{']) && !std::path::Path::new(file).exists() {
        let title = format!("cannot read `{file}`, named by `--input {input}`: there is no such file");
        return Err(Diagnostic::error(codes::command::CANNOT_READ, title));
    }
    let pipelines = || source.loaded.pipelines.iter();
    let sources = pipelines().flat_map(|pipeline| &pipeline.sources).map(|node| node.name.clone());
    let known: Vec<String> = sources.chain(pipelines().flat_map(unwritten).map(|stream| stream.name.clone())).collect();
    let pipelines = source.loaded.pipelines.iter_mut();
    let mut found = false;
    for pipeline in pipelines {
        let pipeline_name = pipeline.name.clone();
        let stream = unwritten(pipeline).find(|stream| stream.name == name).cloned();
        if let Some(StreamNode { path, schema, .. }) = stream {
            found = true;
            let written = SourceNode {
                name: format!("{name}_input"),
                path: path.clone(),
                kind: file_kind(file, &path),
                to: Some(Name { text: name.to_owned(), path }),
                schema,
                time: None,
                idle_after: None,
            };
            pipeline.sources.push(written);
            continue;
        }
        for node in pipeline.sources.iter_mut().filter(|node| node.name == name) {
            found = true;
            let context = pipectl_contract::NodeContext {
                pipeline: &pipeline_name,
                output: "",
                node: name,
                input: None,
                keys: &[],
                row_key: None,
            };
            let facts =
                registry.find_source(&node.kind.name).and_then(|kind| kind.check(&node.kind.options, context).facts);
            if let (None, Some(schema)) = (&node.schema, facts.and_then(|facts| facts.schema)) {
                node.schema = Some(SchemaSpec { schema, path: node.path.clone() });
            }
            node.kind = file_kind(file, &node.path);
        }
    }
    if found {
        return Ok(());
    }
    let problem = wrong(format!("no source, and no stream that other programs write, is named `{name}`"));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `--input {near}={file}`?")),
        None => problem.help(format!("available: {}", known.join(", "))),
    })
}

/// The streams that nothing in the pipeline writes.
fn unwritten(pipeline: &Pipeline) -> impl Iterator<Item = &StreamNode> {
    let sources = pipeline.sources.iter().filter_map(|source| source.to.as_ref());
    let processors = pipeline.processors.iter().filter_map(|processor| processor.to.as_ref());
    let sinks = pipeline.sinks.iter().filter(|sink| sink.kind.name == TO_STREAM);
    let sinks = sinks.filter_map(|sink| sink.kind.options.as_str());
    let written: Vec<&str> = sources.chain(processors).map(|name| name.text.as_str()).chain(sinks).collect();
    pipeline.streams.iter().filter(move |stream| !written.contains(&stream.name.as_str()))
}

fn file_kind(file: &str, path: &Path) -> KindUse {
    KindUse { name: "file".to_owned(), options: json!({ "path": file }), path: path.clone(), secrets: Vec::new() }
}
