//! Where: the Environment's answers to what a pipeline asks.

use pipectl_diag::{Diagnostic, Diagnostics, Part, Place, codes, nearest};
use pipectl_spec::{
    Loaded,
    model::{Environment, KindUse, Pipeline, StreamBinding},
};
use serde_json::Value;

use crate::names::list;

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
                format!("the files hold {} Environments and none was chosen", loaded.environments.len()),
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
                    None => problem.help(format!("there are: {}", list(names()))),
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
        self.environment.map_or("default", |environment| &environment.name)
    }

    /// How a stream is bound.
    pub(crate) fn stream(&self, name: &str) -> Option<&'a StreamBinding> {
        let streams = &self.environment?.streams;
        streams.iter().find(|(bound, _)| bound.text == name).map(|(_, binding)| binding)
    }

    /// The backend of a stream: its kind and options. Reports a backend that is not declared.
    pub(crate) fn backend(&self, stream: &str, diagnostics: &mut Diagnostics) -> Option<(String, Option<&'a Value>)> {
        let builtin = || Some(("memory".to_owned(), None));
        let Some(environment) = self.environment else { return builtin() };
        let find = |name: &str| environment.backends.iter().find(|(declared, _)| declared == name);
        let Some(name) = self.stream(stream).and_then(|binding| binding.backend.as_ref()) else {
            return find("default")
                .map_or_else(builtin, |(_, backend)| Some((backend.name.clone(), Some(&backend.options))));
        };
        if let Some((_, backend)) = find(&name.text) {
            return Some((backend.name.clone(), Some(&backend.options)));
        }
        let declared = environment.backends.iter().map(|(name, _)| name.as_str());
        diagnostics.push(
            Diagnostic::error(codes::environment::UNKNOWN_BACKEND, format!("no backend is named `{}`", name.text))
                .at(&name.path, "unknown")
                .help(format!("declared under `backends`: {}", list(declared))),
        );
        None
    }

    /// Where a sink of this kind writes: pinned for the sink, or for the capability, or the built-in default.
    pub(crate) fn sink(&self, name: &str, kind: &str) -> Option<&'a KindUse> {
        let environment = self.environment?;
        let pinned = environment.sinks.iter().find(|(bound, _)| bound.text == name).map(|(_, binding)| binding);
        pinned.or_else(|| environment.bindings.iter().find(|binding| binding.name == kind))
    }

    /// Warns of bindings for nodes that none of the pipelines has.
    pub(crate) fn unused(&self, pipelines: &[Pipeline], diagnostics: &mut Diagnostics) {
        let Some(environment) = self.environment else { return };
        let streams: Vec<&str> =
            pipelines.iter().flat_map(|pipeline| &pipeline.streams).map(|stream| stream.name.as_str()).collect();
        let sinks: Vec<&str> =
            pipelines.iter().flat_map(|pipeline| &pipeline.sinks).map(|sink| sink.name.as_str()).collect();
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
