//! Where: the Environment's answers to what a pipeline asks.

use std::borrow::Cow;

use pipectl_contract::{DEFAULT_ENVIRONMENT, Registry, output_folder};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Place, codes, nearest};
use pipectl_spec::{
    Loaded,
    model::{Environment, KindUse, Network, Pipeline, StreamBinding},
};
use serde_json::{Value, json};

use crate::{
    names::list,
    sinks::{DEAD_LETTERS, dead_letters_kind as dead_letters},
};

/// The backend that carries the streams which name none.
const DEFAULT: &str = "default";

/// A backend as an Environment declares it.
#[derive(Debug)]
pub(crate) struct BackendUse<'a> {
    /// What the Environment calls it.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: String,
    /// Its options; `None` is their default.
    pub(crate) options: Option<&'a Value>,
}

/// The Environment of a run; the built-in local default without one.
#[derive(Debug)]
pub(crate) struct Bindings<'a> {
    environment: Option<&'a Environment>,
}

/// Picks the Environment of this name, or the only one.
pub(crate) fn choose<'a>(
    loaded: &'a Loaded,
    name: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Environment> {
    let names = || loaded.environments.iter().map(|environment| environment.name.as_str());
    match (name, loaded.environments.as_slice()) {
        (None, []) => None,
        (None, [only]) => Some(only),
        (None, [first, ..]) => {
            let problem = Diagnostic::error(
                codes::environment::UNKNOWN_ENVIRONMENT,
                format!("the files contain {} Environments and none was chosen", loaded.environments.len()),
            );
            diagnostics.push(
                problem
                    .at(&first.path.key("metadata").key("name"), "one of them")
                    .help(format!("choose one with `--env NAME`: {}", list(names()))),
            );
            None
        }
        (Some(name), all) => {
            let found = all.iter().find(|environment| environment.name == name);
            if found.is_none() {
                let problem = Diagnostic::error(
                    codes::environment::UNKNOWN_ENVIRONMENT,
                    format!("no Environment is named `{name}`"),
                );
                diagnostics.push(match nearest(name, names()) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem.help(format!("available: {}", list(names()))),
                });
            }
            found
        }
    }
}

impl<'a> Bindings<'a> {
    /// The answers of this Environment.
    pub(crate) fn new(environment: Option<&'a Environment>) -> Self {
        Self { environment }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.environment.map_or(DEFAULT_ENVIRONMENT, |environment| &environment.name)
    }

    /// The folder of a pipeline's output, where a binding names no other.
    pub(crate) fn output(&self, pipeline: &str) -> String {
        output_folder(pipeline, self.name())
    }

    /// Whether its services must have private addresses.
    pub(crate) fn private(&self) -> bool {
        self.environment.is_some_and(|environment| environment.network == Network::Private)
    }

    /// How a stream is bound.
    pub(crate) fn stream(&self, name: &str) -> Option<&'a StreamBinding> {
        let streams = &self.environment?.streams;
        streams.iter().find(|(bound, _)| bound.text == name).map(|(_, binding)| binding)
    }

    /// What the backend is to call a stream.
    pub(crate) fn target<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        self.stream(name).and_then(|binding| binding.name.as_deref()).unwrap_or(name)
    }

    /// The backend of a stream: its kind and options. Reports a backend that is not declared.
    pub(crate) fn backend(&self, stream: &str, diagnostics: &mut Diagnostics) -> Option<BackendUse<'a>> {
        let use_of = |name: &str, backend: &'a KindUse| BackendUse {
            name: name.to_owned(),
            kind: backend.name.clone(),
            options: Some(&backend.options),
        };
        let builtin = || Some(BackendUse { name: DEFAULT.to_owned(), kind: "memory".to_owned(), options: None });
        let Some(environment) = self.environment else { return builtin() };
        let find = |name: &str| environment.backends.iter().find(|(declared, _)| declared == name);
        let Some(name) = self.stream(stream).and_then(|binding| binding.backend.as_ref()) else {
            return find(DEFAULT).map_or_else(builtin, |(name, backend)| Some(use_of(name, backend)));
        };
        if let Some((name, backend)) = find(&name.text) {
            return Some(use_of(name, backend));
        }
        let declared = || environment.backends.iter().map(|(name, _)| name.as_str());
        let title = format!("no backend is named `{}`", name.text);
        let problem = Diagnostic::error(codes::environment::UNKNOWN_BACKEND, title).at(&name.path, "unknown");
        diagnostics.push(match nearest(&name.text, declared()) {
            Some(near) => {
                problem.help(format!("did you mean `{near}`?")).fix(Place::Node(name.path.clone(), Part::Value), near)
            }
            None if environment.backends.is_empty() => {
                problem.help(format!("declare it under `backends`: `{}: {{ KIND: {{}} }}`", name.text))
            }
            None => problem.help(format!("declared under `backends` are {}", list(declared()))),
        });
        None
    }

    /// Where a sink of this kind writes: pinned for the sink, or for the capability, or the built-in default. Nothing is
    /// answered for a service that the kind does not have; [`Self::pins`] reports it.
    pub(crate) fn sink(&self, name: &str, kind: &str, registry: &Registry) -> Option<Cow<'a, Value>> {
        let environment = self.environment?;
        if let Some((_, pinned)) = environment.sinks.iter().find(|(bound, _)| bound.text == name) {
            let fits = services(kind, registry).contains(&pinned.name);
            return fits.then(|| Cow::Owned(json!({ pinned.name.as_str(): pinned.options })));
        }
        environment.bindings.iter().find(|binding| binding.name == kind).map(|binding| Cow::Borrowed(&binding.options))
    }

    /// Reports services that sinks of this pipeline cannot use. The place of dead letters is bound like a sink.
    pub(crate) fn pins(&self, pipeline: &Pipeline, registry: &Registry, diagnostics: &mut Diagnostics) {
        for (name, pinned) in self.environment.iter().flat_map(|environment| &environment.sinks) {
            let kind = match pipeline.sinks.iter().find(|sink| sink.name == name.text) {
                Some(sink) => sink.kind.name.as_str(),
                None if name.text == DEAD_LETTERS => dead_letters(pipeline),
                None => continue,
            };
            let services = services(kind, registry);
            if services.contains(&pinned.name) {
                continue;
            }
            let title =
                format!("`{}` is a sink of kind {kind}, which cannot use the service `{}`", name.text, pinned.name);
            let problem = Diagnostic::error(codes::environment::SERVICE_NOT_FOR_SINK, title).at_key(&pinned.path, "");
            diagnostics.push(match services.as_slice() {
                [] => problem.help(format!("remove it: the pipeline defines where a {kind} sink writes")),
                [only] => problem.help(format!("write `{only}: …`")),
                several => problem.help(format!("its services are {}", list(several.iter().map(String::as_str)))),
            });
        }
    }

    /// Warns of bindings for nodes that none of the pipelines has.
    pub(crate) fn unused(&self, pipelines: &[Pipeline], diagnostics: &mut Diagnostics) {
        let Some(environment) = self.environment else { return };
        let streams: Vec<&str> =
            pipelines.iter().flat_map(|pipeline| &pipeline.streams).map(|stream| stream.name.as_str()).collect();
        let sinks = pipelines.iter().flat_map(|pipeline| &pipeline.sinks).map(|sink| sink.name.as_str());
        let sinks: Vec<&str> = sinks.chain([DEAD_LETTERS]).collect();
        let bound = environment.streams.iter().map(|(name, _)| (name, "stream", &streams));
        for (name, word, known) in bound.chain(environment.sinks.iter().map(|(name, _)| (name, "sink", &sinks))) {
            if known.contains(&name.text.as_str()) {
                continue;
            }
            let title =
                format!("Environment `{}` binds {word} `{}`, which no pipeline has", environment.name, name.text);
            let problem = Diagnostic::warning(codes::environment::UNUSED_BINDING, title).label(
                Place::Node(name.path.clone(), Part::Key),
                "",
                true,
            );
            diagnostics.push(match nearest(&name.text, known.iter().copied()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
    }
}

/// The services that can stand behind a kind of sink: the keys of its binding's alternatives.
fn services(kind: &str, registry: &Registry) -> Vec<String> {
    fn collect(schema: &Value, root: &Value, into: &mut Vec<String>) {
        if let Some(target) = schema["$ref"].as_str().and_then(|target| root.pointer(target.trim_start_matches('#'))) {
            collect(target, root, into);
        }
        for word in ["oneOf", "anyOf"] {
            schema[word].as_array().into_iter().flatten().for_each(|alternative| collect(alternative, root, into));
        }
        into.extend(schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys().cloned()));
    }
    let mut services = Vec::new();
    if let Some(sink) = registry.find_sink(kind) {
        let schema = sink.binding_schema();
        collect(&schema, &schema, &mut services);
    }
    services
}
