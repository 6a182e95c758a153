//! Input that a person hands to a run in place of a source.

use pipectl_diag::{Diagnostic, codes, nearest};
use pipectl_ir::{Dag, NodeKind};
use pipectl_spec::model::{KindUse, SchemaSpec};
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

/// `--input SOURCE=FILE`: the source becomes a file; it keeps the schema that its kind knows by itself.
pub(crate) fn replace_source(
    input: &str,
    source: &mut Source,
    registry: &pipectl_contract::Registry,
) -> Result<(), Diagnostic> {
    let wrong = |title: String| Diagnostic::error(codes::command::BAD_ARGUMENT, title);
    let (name, file) = input
        .split_once('=')
        .ok_or_else(|| wrong(format!("`--input {input}` names no file")).help("write `--input SOURCE=FILE`"))?;
    let known: Vec<String> =
        source.loaded.pipelines.iter().flat_map(|pipeline| &pipeline.sources).map(|node| node.name.clone()).collect();
    let pipelines = source.loaded.pipelines.iter_mut();
    let mut found = false;
    for pipeline in pipelines {
        let pipeline_name = pipeline.name.clone();
        for node in pipeline.sources.iter_mut().filter(|node| node.name == name) {
            found = true;
            let context =
                pipectl_contract::NodeContext { pipeline: &pipeline_name, node: name, input: None, keys: &[] };
            let facts =
                registry.find_source(&node.kind.name).and_then(|kind| kind.check(&node.kind.options, context).facts);
            if let (None, Some(schema)) = (&node.schema, facts.and_then(|facts| facts.schema)) {
                node.schema = Some(SchemaSpec { schema, path: node.path.clone() });
            }
            node.kind = KindUse {
                name: "file".to_owned(),
                options: json!({ "path": file }),
                path: node.path.clone(),
                secrets: Vec::new(),
            };
        }
    }
    if found {
        return Ok(());
    }
    let problem = wrong(format!("no source is named `{name}`"));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `--input {near}={file}`?")),
        None => problem.help(format!("the sources are: {}", known.join(", "))),
    })
}
