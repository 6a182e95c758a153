//! Where the state of pipelines is kept, and the right to run what only one process may.

use std::{fmt, path::PathBuf, str::FromStr};

use pipectl_host::Host;
use pipectl_ir::{PhysicalPlan, physical::Workers};
use pipectl_runtime::{
    RunError,
    checkpoint::{self, Checkpoints, Lease, Store},
};
#[cfg(feature = "object-checkpoints")]
use {
    pipectl_host::{JoinHandle, Micros},
    pipectl_runtime::checkpoint::objects::{Claim, LEASE, Objects, Seen, Sought},
    std::{sync::Arc, time::Duration},
};

/// A folder, or an object store.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Folder(PathBuf),
    #[cfg(feature = "object-checkpoints")]
    Objects(Objects),
}

/// The folder in which workers keep what is only theirs, where the state is in an object store.
#[cfg(feature = "object-checkpoints")]
const OWN: &str = ".pipectl";

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        #[cfg(feature = "object-checkpoints")]
        return Objects::open(text).map(Self::Objects).map_err(|error| error.message);
        #[cfg(not(feature = "object-checkpoints"))]
        Err("this build keeps state in folders only; build it with `--features object-checkpoints`, or use a release"
            .to_owned())
    }
}

/// The right to run what only one process may; it ends with the process.
pub(crate) enum Right {
    Lock(Lease),
    #[cfg(feature = "object-checkpoints")]
    Claim(Arc<Claim>, JoinHandle<()>),
}

/// What came of asking for it.
pub(crate) enum Asked {
    Ours(Right),
    Held(String),
}

/// Somebody who asks for the right again and again.
#[derive(Default)]
pub(crate) struct Asking {
    #[cfg(feature = "object-checkpoints")]
    seen: Seen,
    #[cfg(feature = "object-checkpoints")]
    next: Micros,
    #[cfg(feature = "object-checkpoints")]
    holder: String,
}

impl Asked {
    /// The right, or the error that names its holder.
    pub(crate) fn or_refuse(self, state: &State) -> Result<Right, RunError> {
        match self {
            Self::Ours(right) => Ok(right),
            Self::Held(holder) => Err(checkpoint::held(&holder, &state.to_string())),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            #[cfg(feature = "object-checkpoints")]
            Self::Objects(objects) => f.write_str(objects.address()),
        }
    }
}

/// The file that stands for the right to run what only one process may.
const LOCK: &str = "lease";

/// What a pipeline's state is called: no two share it by accident.
fn name(plan: &PhysicalPlan) -> String {
    format!("{}@{}", plan.pipeline, plan.environment)
}

impl State {
    /// Tries to write there what checkpoints need, and leaves nothing behind; answers what was found.
    pub(crate) async fn probe(&self, host: &Host) -> Result<&'static str, RunError> {
        match self {
            Self::Folder(folder) if !folder.exists() => Ok("it does not exist yet; `apply` creates it"),
            Self::Folder(folder) => {
                let file = folder.join(format!(".doctor-{}", host.id("probe of a state")));
                let tried = std::fs::write(&file, "").and_then(|()| std::fs::remove_file(&file));
                tried.map(|()| "it can be written").map_err(|error| {
                    RunError::failed(format!("`{}` cannot be written: {error}", folder.display()))
                        .help("give this user write permission, or choose another location with `--state`")
                })
            }
            #[cfg(feature = "object-checkpoints")]
            Self::Objects(objects) => {
                objects.probe(host).await.map(|()| "objects can be written, and a stale change is refused")
            }
        }
    }

    /// Asks for the right to a pipeline, once.
    pub(crate) async fn ask(&self, plan: &PhysicalPlan, host: &Host, asking: &mut Asking) -> Result<Asked, RunError> {
        match self {
            Self::Folder(folder) => {
                let _ = (host, asking);
                Ok(match Lease::ask(&folder.join(name(plan)), LOCK)? {
                    checkpoint::Asked::Ours(lease) => Asked::Ours(Right::Lock(lease)),
                    checkpoint::Asked::Held(holder) => Asked::Held(holder),
                })
            }
            #[cfg(feature = "object-checkpoints")]
            Self::Objects(objects) => {
                if host.now() < asking.next {
                    return Ok(Asked::Held(asking.holder.clone()));
                }
                asking.next = host.now() + ASK_EVERY.as_micros() as Micros;
                Ok(match objects.ask(&name(plan), host, &mut asking.seen).await? {
                    Sought::Ours(claim) => {
                        let kept = claim.keep();
                        Asked::Ours(Right::Claim(claim, kept))
                    }
                    Sought::Held(holder) => {
                        asking.holder.clone_from(&holder);
                        Asked::Held(holder)
                    }
                })
            }
        }
    }

    /// Asks for as long as it takes to know whether a holder still lives.
    pub(crate) async fn ask_patiently(
        &self,
        plan: &PhysicalPlan,
        host: &Host,
        report: impl Fn(&str),
    ) -> Result<Asked, RunError> {
        let mut asking = Asking::default();
        let first = self.ask(plan, host, &mut asking).await?;
        #[cfg(feature = "object-checkpoints")]
        if let (Self::Objects(_), Asked::Held(holder)) = (self, &first) {
            report(&format!(
                "{holder} runs pipeline `{}`, or has died: waiting up to {LEASE:?} to find out",
                plan.pipeline
            ));
            let until = host.now() + (LEASE + ASK_EVERY).as_micros() as Micros;
            let started = asking.seen.changes();
            while host.now() < until && asking.seen.changes() == started {
                host.sleep(ASK_EVERY).await;
                if let Asked::Ours(right) = self.ask(plan, host, &mut asking).await? {
                    return Ok(Asked::Ours(right));
                }
            }
        }
        #[cfg(not(feature = "object-checkpoints"))]
        let _ = report;
        Ok(first)
    }

    /// Where a region's checkpoints go: under the right where only one process may run it, and otherwise in a folder of a
    /// worker, whose number is answered.
    pub(crate) fn checkpoints(
        &self,
        plan: &PhysicalPlan,
        right: Option<&Right>,
        host: &Host,
        fresh: bool,
    ) -> Result<(Box<dyn Checkpoints>, u32), RunError> {
        let folder = match self {
            Self::Folder(folder) => folder.clone(),
            #[cfg(feature = "object-checkpoints")]
            Self::Objects(_) => PathBuf::from(OWN),
        };
        #[cfg(feature = "object-checkpoints")]
        if let (Some(Right::Claim(claim, _)), true) = (right, plan.workers != Workers::Any) {
            return Ok((claim.region(plan.region.as_deref().unwrap_or("pipeline")), 0));
        }
        let _ = right;
        let mut folder = folder.join(name(plan));
        folder.extend(&plan.region);
        let (store, number) = match plan.workers {
            Workers::Any => Store::open_worker(folder)?,
            Workers::One { .. } => (Store::open(folder)?, 0),
        };
        if fresh {
            store.clear()?;
        }
        Ok((store.on(host), number))
    }
}

/// How often an object store is asked whether an owner lives.
#[cfg(feature = "object-checkpoints")]
const ASK_EVERY: Duration = Duration::from_secs(2);

impl Right {
    /// Forgets what earlier runs have left, where that is not done region by region.
    pub(crate) async fn clear(&self) -> Result<(), RunError> {
        match self {
            Self::Lock(_) => Ok(()),
            #[cfg(feature = "object-checkpoints")]
            Self::Claim(claim, _) => claim.clear().await,
        }
    }

    /// Gives it up, so that who waits need not find out.
    pub(crate) async fn release(self) {
        match self {
            Self::Lock(lease) => drop(lease),
            #[cfg(feature = "object-checkpoints")]
            Self::Claim(claim, kept) => {
                kept.abort();
                if let Err(error) = claim.release().await {
                    tracing::warn!("{error}");
                }
            }
        }
    }
}
