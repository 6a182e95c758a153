//! Reads the files of a command and takes them through load and compile.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use pipectl_compile::Compiled;
use pipectl_contract::Registry;
use pipectl_diag::{Diagnostic, Diagnostics, SourceMap, codes};
use pipectl_host::Host;
use pipectl_ir::dag::{NodeKind, ProcessorNode, ProcessorStep};
use pipectl_plan::{MeetAgain, lower_regions};
use pipectl_spec::{Input, Loaded, Resolver, model::Pipeline};

use crate::{real_path::real_path, registry::kinds};

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Source {
    /// Texts and places.
    pub map: SourceMap,
    /// The documents, as far as they are right.
    pub loaded: Loaded,
    /// The Environment that was asked for by name.
    pub environment: Option<String>,
    /// What was found so far.
    pub diagnostics: Diagnostics,
}

/// Reads specs and the Environment. Problems are in the answer, not an error.
pub fn load_files(files: &[PathBuf], env: Option<&str>, registry: &Registry) -> Source {
    load(files, env, None, registry)
}

/// Reads specs, with an Environment that is built in.
pub(crate) fn load_with(files: &[PathBuf], environment: Input, registry: &Registry) -> Source {
    load(files, None, Some(environment), registry)
}

fn load(files: &[PathBuf], env: Option<&str>, given: Option<Input>, registry: &Registry) -> Source {
    let mut source = Source::default();
    let mut inputs = Vec::new();
    let given_name = given.as_ref().map(|given| given.name.clone());
    inputs.extend(given);
    for file in files {
        read(file, &mut inputs, &mut source.diagnostics);
    }
    let mut env_file = given_name.as_deref();
    if let Some(env) = env {
        let path = Path::new(env);
        let named = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if named || path.is_file() {
            env_file = Some(env);
            if !files.iter().any(|file| file == path) {
                read(path, &mut inputs, &mut source.diagnostics);
            }
        } else {
            source.environment = Some(env.to_owned());
        }
    }
    let host = Host::real();
    let variable = |name: &str| host.variable(name);
    let secret = |name: &str| secret(&host, name);
    let resolver = Resolver { variable: &variable, secret: &secret };
    let (loaded, found) = pipectl_spec::load(&inputs, &kinds(registry), &resolver, &mut source.map);
    source.loaded = loaded;
    source.diagnostics.extend(found);
    if let Some(file) = env_file {
        // The Environment of that file, also where the specs hold others.
        let of_file = |environment: &&pipectl_spec::model::Environment| {
            source.map.node(&environment.path).is_some_and(|(id, _)| source.map.file(id).name == file)
        };
        let found = source.loaded.environments.iter().find(of_file).map(|environment| environment.name.clone());
        if found.is_none() && !source.diagnostics.has_errors() {
            let title = format!("`{file}` contains no Environment");
            source.diagnostics.push(
                Diagnostic::error(codes::environment::UNKNOWN_ENVIRONMENT, title)
                    .help("pass a file with a document of `kind: Environment` to `--env`"),
            );
        }
        source.environment = found;
    }
    source
}

/// Reads specs and compiles every pipeline in them.
pub fn compile_files(files: &[PathBuf], env: Option<&str>, registry: &Registry) -> (Source, Vec<Compiled>) {
    let mut source = load_files(files, env, registry);
    let compiled = compile(&mut source, registry);
    (source, compiled)
}

/// Compiles what was loaded.
pub(crate) fn compile(source: &mut Source, registry: &Registry) -> Vec<Compiled> {
    let environment = source.environment.as_deref();
    let (compiled, reported) = pipectl_compile::compile(&source.loaded, registry, environment, &real_path);
    source.diagnostics.extend(reported);
    let mut found = Vec::new();
    for compiled in compiled.iter().filter(|_| !source.diagnostics.has_errors()) {
        if let Err(MeetAgain { stream }) = lower_regions(&compiled.dag) {
            let title = format!("nodes before and nodes after `{stream}` write to the same memory stream");
            let problem = Diagnostic::error(codes::graph::MEET_AGAIN, title);
            let problem = match compiled.dag.find(&stream) {
                Some((_, node)) => problem.at_key(&node.path, "carried by a backend"),
                None => problem,
            };
            found.push(problem.help("let a backend carry this memory stream too"));
        }
    }
    source.diagnostics.extend(found);
    if source.loaded.pipelines.is_empty() && !source.diagnostics.has_errors() {
        source.diagnostics.push(
            Diagnostic::error(codes::graph::NO_PIPELINE, "the files contain no Pipeline")
                .help("create one with `pipectl init`, or pass the file that contains it"),
        );
    }
    // Only where nothing else is wrong: what could not be read may be all that there is.
    if !source.diagnostics.has_errors() {
        let empty: Vec<Diagnostic> =
            source.loaded.pipelines.iter().filter(|pipeline| is_empty(pipeline)).map(nothing).collect();
        source.diagnostics.extend(empty);
    }
    compiled
}

/// Reports what sources and processors need and is not there, before anything runs.
pub(crate) fn look_for_inputs(source: &mut Source, compiled: &[Compiled], registry: &Registry) {
    for (_, node) in compiled.iter().flat_map(|compiled| compiled.dag.nodes()) {
        let here = Path::new("");
        let (kind, missing) = match &node.kind {
            NodeKind::Source(of) => {
                let Some(kind) = registry.find_source(&of.kind) else { continue };
                (&of.kind, kind.missing(&of.options, here))
            }
            NodeKind::Processor(ProcessorNode { step: ProcessorStep::Other { kind, options }, .. }) => {
                let Some(found) = registry.find_processor(kind) else { continue };
                (kind, found.missing(options, here))
            }
            _ => continue,
        };
        source.diagnostics.extend(missing.under(&node.path.key(kind.as_str())));
    }
}

fn is_empty(pipeline: &Pipeline) -> bool {
    pipeline.sources.is_empty()
        && pipeline.streams.is_empty()
        && pipeline.processors.is_empty()
        && pipeline.sinks.is_empty()
}

fn nothing(pipeline: &Pipeline) -> Diagnostic {
    let title = format!("pipeline `{}` has no source, so there is nothing to run", pipeline.name);
    Diagnostic::error(codes::graph::NO_SOURCE, title)
        .at(&pipeline.path.key("metadata").key("name"), "an empty pipeline")
        .help("add `sources` and `sinks`; `pipectl init` creates a pipeline from a template")
}

/// The texts of files and folders.
pub(crate) fn texts(files: &[PathBuf], diagnostics: &mut Diagnostics) -> Vec<Input> {
    let mut inputs = Vec::new();
    for file in files {
        read(file, &mut inputs, diagnostics);
    }
    inputs
}

fn read(path: &Path, inputs: &mut Vec<Input>, diagnostics: &mut Diagnostics) {
    let name = path.display().to_string();
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        match std::io::stdin().read_to_end(&mut bytes) {
            Ok(_) => inputs.push(Input { name: "<stdin>".to_owned(), bytes }),
            Err(error) => diagnostics.push(cannot_read(&name, &error.to_string())),
        }
        return;
    }
    if !path.is_dir() {
        match std::fs::read(path) {
            Ok(bytes) => inputs.push(Input { name, bytes }),
            Err(error) => diagnostics.push(cannot_read(&name, &error.to_string())),
        }
        return;
    }
    match specs_of(path) {
        Err(error) => diagnostics.push(cannot_read(&name, &error.to_string())),
        Ok(files) if files.is_empty() => diagnostics.push(cannot_read(&name, "it contains no .yaml or .yml file")),
        Ok(files) => {
            for file in files {
                read(&file, inputs, diagnostics);
            }
        }
    }
}

/// The specs of a folder, by name; folders in it are not entered.
fn specs_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_spec = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_spec && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn cannot_read(name: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(codes::command::CANNOT_READ, format!("cannot read `{name}`: {reason}"))
}

/// `${secret:NAME}`: the variable `PIPECTL_SECRET_NAME`, or the file NAME in `PIPECTL_SECRETS_DIR` without its last
/// line break.
fn secret(host: &Host, name: &str) -> Option<String> {
    if let Some(value) = host.variable(&format!("PIPECTL_SECRET_{name}")) {
        return Some(value);
    }
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !name.starts_with('.');
    let file =
        plain.then(|| host.variable("PIPECTL_SECRETS_DIR")).flatten().map(|folder| Path::new(&folder).join(name))?;
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned())
}

#[cfg(test)]
mod tests {
    use pipectl_ir::NodeKind;

    use super::compile_files;

    #[test]
    fn a_sink_writes_where_its_environment_pins_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = folder.path().join("spec.yaml");
        let text = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: lab }\nspec:\n  \
            sources: { sensors: { simulate: { model: sensors } } }\n  sinks:\n    \
            raw: { from: sensors, object_store: {} }\n    other: { from: sensors, object_store: {} }\n---\n\
            apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: prod }\nspec:\n  \
            object_store: { directory: { path: /srv/shared } }\n  sinks: { raw: { directory: { path: /srv/lake } } }\n";
        std::fs::write(&spec, text).expect("a spec");
        let (source, compiled) = compile_files(&[spec], None, &crate::registry());
        assert!(source.diagnostics.is_empty(), "{:?}", source.diagnostics);
        let place = |name: &str| {
            let (_, node) = compiled[0].dag.nodes().find(|(_, node)| node.name == name).expect("the sink");
            match &node.kind {
                NodeKind::Sink(sink) => sink.place.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert!(place("raw").contains("/srv/lake"), "{}", place("raw"));
        assert!(place("other").contains("/srv/shared"), "{}", place("other"));
    }
}
