//! The backends of an Environment, for the verbs that go to them without a pipeline.

use std::sync::Arc;

use pipectl_contract::{ConnectContext, Connection, Registry, StreamTarget};
use pipectl_diag::{Diagnostic, codes, nearest};
use pipectl_host::Host;
use pipectl_spec::model::{Environment, KindUse, Network};

use crate::{
    cli::{Global, Where},
    environments,
    exit::Exit,
    input::{Source, load_files, load_with},
    view,
};

/// An Environment that was loaded and found to be right.
pub(crate) struct Reach {
    registry: Registry,
    environment: Environment,
    backend: Option<String>,
}

impl Reach {
    /// Loads the Environment that the arguments name. What is wrong has been shown when this fails.
    pub(crate) fn load(place: &Where, registry: Registry, global: &Global) -> Result<Self, Exit> {
        let source = match (&place.env, &place.backend) {
            (Some(env), _) => load_files(&[], Some(env), &registry),
            (None, Some(kind)) => {
                let Some(environment) = environments::of(kind) else {
                    let known: Vec<_> = environments::kinds().collect();
                    let problem = wrong(format!("there is no backend `{kind}`"))
                        .help(format!("there are {}; or name an Environment with `--env FILE`", known.join(", ")));
                    view::problem(problem, global);
                    return Err(Exit::Wrong);
                };
                load_with(&[], environment, &registry)
            }
            (None, None) => {
                let problem = wrong("no Environment is named".to_owned());
                view::problem(problem.help("give `--env FILE`, or `--backend KIND` for its defaults"), global);
                return Err(Exit::Wrong);
            }
        };
        view::diagnostics(&source, global);
        if source.diagnostics.has_errors() {
            return Err(Exit::Wrong);
        }
        let Source { loaded, environment, .. } = source;
        let named = |found: &Environment| environment.as_ref().is_none_or(|name| *name == found.name);
        let Some(environment) = loaded.environments.into_iter().find(named) else {
            view::problem(wrong("the file holds no Environment".to_owned()), global);
            return Err(Exit::Wrong);
        };
        // With `--env`, `--backend` is one of those that it declares.
        let backend = place.env.as_ref().and(place.backend.clone());
        Ok(Self { registry, environment, backend })
    }

    /// The Environment's name.
    pub(crate) fn name(&self) -> &str {
        &self.environment.name
    }

    /// All backends that the Environment declares, by name.
    pub(crate) fn backends(&self) -> &[(String, KindUse)] {
        &self.environment.backends
    }

    /// The streams that the Environment binds to a backend, as that backend knows them.
    pub(crate) fn streams_of(&self, backend: &str) -> Vec<StreamTarget> {
        let bound = self.environment.streams.iter().filter(|(_, binding)| {
            binding.backend.as_ref().map_or("default", |backend| backend.text.as_str()) == backend
        });
        bound.map(|(name, _)| self.target(&name.text)).collect()
    }

    /// The backend that a stream is on: pinned by the Environment, named by the arguments, or the default.
    fn backend_of(&self, stream: Option<&str>) -> Result<&(String, KindUse), Diagnostic> {
        let bound = self.environment.streams.iter().find(|(name, _)| Some(name.text.as_str()) == stream);
        let pinned = bound.and_then(|(_, binding)| binding.backend.as_ref()).map(|backend| backend.text.clone());
        let name = self.backend.clone().or(pinned).unwrap_or_else(|| "default".to_owned());
        let names = || self.environment.backends.iter().map(|(name, _)| name.as_str());
        self.environment.backends.iter().find(|(declared, _)| *declared == name).ok_or_else(|| {
            let problem = wrong(format!("Environment `{}` declares no backend `{name}`", self.environment.name));
            match nearest(&name, names()) {
                Some(near) => problem.help(format!("did you mean `--backend {near}`?")),
                None => problem.help(format!("it declares: {}", names().collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// A stream by its name in a pipeline or at its backend.
    pub(crate) fn target(&self, stream: &str) -> StreamTarget {
        let bound = self.environment.streams.iter().find(|(name, _)| name.text == stream);
        let Some((_, binding)) = bound else { return StreamTarget::existing(stream) };
        let options = self.backend_of(Some(stream)).ok().and_then(|(_, backend)| {
            binding.options.iter().find(|options| options.name == backend.name).map(|options| options.options.clone())
        });
        StreamTarget { options, ..StreamTarget::existing(binding.name.as_deref().unwrap_or(stream)) }
    }

    /// Connects to the backend that a stream is on.
    pub(crate) async fn connect(
        &self,
        stream: Option<&str>,
        host: &Host,
        global: &Global,
    ) -> Result<Arc<dyn Connection>, Exit> {
        let (_, backend) = self.backend_of(stream).map_err(|problem| {
            view::problem(problem, global);
            Exit::Wrong
        })?;
        self.open(backend, host).await.map_err(|error| {
            view::note(&format!("error: {}: {error}", backend.name));
            Exit::Outside
        })
    }

    /// Connects to a backend of the Environment.
    pub(crate) async fn open(
        &self,
        backend: &KindUse,
        host: &Host,
    ) -> Result<Arc<dyn Connection>, pipectl_contract::ConnectorError> {
        let context = ConnectContext {
            private: self.environment.network == Network::Private,
            ..ConnectContext::new(host.clone(), "by-hand", &self.environment.name)
        };
        let kind = self.registry.find_backend(&backend.name).ok_or_else(|| {
            let message = format!("this build has no backend of kind `{}`", backend.name);
            pipectl_contract::ConnectorError::new(pipectl_contract::ErrorKind::Invalid, message)
        })?;
        kind.connect(Some(&backend.options), context).await
    }
}

fn wrong(title: String) -> Diagnostic {
    Diagnostic::error(codes::command::BAD_ARGUMENT, title)
}
