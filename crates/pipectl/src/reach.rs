//! The backends of an Environment, for the verbs that go to them without a pipeline.

use std::sync::Arc;

use pipectl_contract::{
    Capabilities, ConnectContext, Connection, ConnectorError, DynBackend, ErrorKind, Registry, StreamNeeds,
    StreamState, StreamTarget,
};
use pipectl_data::units::Duration;
use pipectl_diag::{Diagnostic, codes, nearest};
use pipectl_host::Host;
use pipectl_spec::model::{Environment, KindUse, Network};

use crate::{
    cli::{Global, Where},
    environments,
    exit::Exit,
    input::{Source, load_files, load_with},
    patience::Patience,
    registry::impatient,
    view,
};

/// An Environment that was loaded and found to be right.
pub(crate) struct Reach {
    registry: Registry,
    environment: Environment,
    backend: Option<String>,
    timeout: Duration,
}

/// A way to the backend of a stream, and the patience with it.
pub(crate) struct Line {
    /// The connection.
    pub(crate) connection: Arc<dyn Connection>,
    /// How long to wait for what is asked over it.
    pub(crate) patience: Patience,
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
            view::problem(wrong("the file contains no Environment".to_owned()), global);
            return Err(Exit::Wrong);
        };
        // With `--env`, `--backend` is one of those that it declares.
        let backend = place.env.as_ref().and(place.backend.clone());
        Ok(Self { registry, environment, backend, timeout: place.timeout })
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
        // One that is not somebody else's is made by the first `apply`, and need not be there.
        let of = |name: &str, existing| StreamTarget { existing, ..self.target(name) };
        bound.map(|(name, binding)| of(&name.text, binding.existing)).collect()
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

    /// What the backend that a stream is on can do.
    pub(crate) fn capabilities(&self, stream: &str, global: &Global) -> Result<Capabilities, Exit> {
        let (_, backend) = self.backend_of(Some(stream)).map_err(|problem| refused(problem, global))?;
        let kind = self.kind(backend).map_err(|error| failed(&error))?;
        Ok(kind.capabilities(Some(&backend.options)))
    }

    /// Connects to the backend that a stream is on. What is wrong has been shown when this fails.
    pub(crate) async fn connect(&self, stream: Option<&str>, host: &Host, global: &Global) -> Result<Line, Exit> {
        let (name, backend) = self.backend_of(stream).map_err(|problem| refused(problem, global))?;
        if self.is_inside(backend) {
            let title = format!(
                "`{name}` is a `{}` backend: its streams exist only in the process that runs them",
                backend.name
            );
            let help = "no stream can be read or written from outside; name an Environment whose backend is a service";
            return Err(refused(wrong(title).help(help), global));
        }
        let patience = self.patience(name, backend, host);
        let connection = patience.answer("connecting", self.open(backend, host)).await;
        let connection = connection.map_err(|error| Self::failed(&backend.name, &error))?;
        Ok(Line { connection, patience })
    }

    /// What the backend says of a stream that must be there. What is wrong has been shown when this fails.
    pub(crate) async fn find(
        &self,
        line: &Line,
        target: &StreamTarget,
        group: Option<&str>,
    ) -> Result<StreamState, Exit> {
        let what = format!("describing `{}`", target.name);
        match line.patience.answer(&what, line.connection.describe(target, group)).await {
            Ok(Some(state)) => Ok(state),
            Ok(None) => {
                view::note(&format!("error: there is no stream `{}` in `{}`", target.name, self.name()));
                Err(Exit::Outside)
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// The patience with a backend.
    pub(crate) fn patience(&self, name: &str, backend: &KindUse, host: &Host) -> Patience {
        Patience::new(format!("{name} ({})", backend.name), self.timeout.0, host.clone())
    }

    /// Connects to a backend of the Environment. Of the person's patience it spends half on trying again, so that its own
    /// words for what is wrong come in time.
    pub(crate) async fn open(&self, backend: &KindUse, host: &Host) -> Result<Arc<dyn Connection>, ConnectorError> {
        let context = ConnectContext {
            private: self.environment.network == Network::Private,
            ..ConnectContext::new(host.clone(), "by-hand", &self.environment.name)
        };
        let options = impatient(&backend.name, &backend.options, Duration(self.timeout.0 / 2));
        self.kind(backend)?.connect(Some(&options), context).await
    }

    /// Whether a backend's streams live inside the pipeline that runs them, so that there is nothing to connect to.
    pub(crate) fn is_inside(&self, backend: &KindUse) -> bool {
        let any = StreamNeeds {
            name: "any",
            target: "any",
            existing: false,
            partitions: None,
            retention: None,
            keys: &[],
            ordered: false,
            schema: None,
            checkpoint_every: std::time::Duration::from_secs(10),
        };
        let facts = self.kind(backend).ok().and_then(|kind| kind.check(Some(&backend.options), None, any).facts);
        facts.is_some_and(|facts| !facts.durable)
    }

    fn kind(&self, backend: &KindUse) -> Result<&Arc<dyn DynBackend>, ConnectorError> {
        self.registry.find_backend(&backend.name).ok_or_else(|| {
            let message = format!("this build has no backend of kind `{}`", backend.name);
            ConnectorError::new(ErrorKind::Invalid, message)
        })
    }

    /// Reports that a backend cannot be reached, and what says more.
    fn failed(kind: &str, error: &ConnectorError) -> Exit {
        view::note(&format!("error: {kind}: {error}"));
        view::note("  = help: run `pipectl doctor` with the same arguments for details; `--timeout 1m` waits longer");
        Exit::Outside
    }
}

/// Reports an error of a backend.
pub(crate) fn failed(error: &ConnectorError) -> Exit {
    view::note(&format!("error: {error}"));
    match error.kind {
        ErrorKind::Invalid => Exit::Wrong,
        ErrorKind::Internal => Exit::Failed,
        _ => Exit::Outside,
    }
}

fn refused(problem: Diagnostic, global: &Global) -> Exit {
    view::problem(problem, global);
    Exit::Wrong
}

fn wrong(title: String) -> Diagnostic {
    Diagnostic::error(codes::command::BAD_ARGUMENT, title)
}
