//! Output of earlier runs: a run that starts without a checkpoint must not mix its output with it, nor remove it unasked.
//!
//! What was found and decided is noted beside the checkpoints before anything is opened: a run that crashes before its first
//! checkpoint has output of its own there, which the next one may overwrite, and what is to be replaced is removed even if
//! a crash comes in between.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use pipectl_contract::{Earlier, EarlierOutput, OutputContext, output_folder};
use pipectl_host::Host;
use pipectl_ir::physical::{PhysicalPlan, SinkPlan, Workers};
use serde::{Deserialize, Serialize};

use crate::{RunOptions, changes, checkpoint::Checkpoints, connectors::Connectors, error::RunError};

/// How many pieces of output of a sink are listed by name.
const LISTED: usize = 3;

/// What to do where output of earlier runs is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputPolicy {
    /// The run does not start.
    #[default]
    Refuse,
    /// It stays, and new output comes beside it or after it.
    Keep,
    /// New output takes its place with the first checkpoint.
    Replace,
}

/// What was decided when a run started without a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    earlier: Earlier,
    /// What is to be removed, by sink.
    replaced: Vec<(String, Vec<EarlierOutput>)>,
    /// The plan that the checkpoints are states of, without the parts that may change freely.
    #[serde(default)]
    plan: serde_json::Value,
}

impl Note {
    fn encode(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(|error| RunError::failed(error.to_string()))
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>;

/// What remains to be done once the first checkpoint is durable.
pub(crate) struct Removal {
    /// In a lock only so that who holds it can be shared between threads.
    work: Mutex<Work>,
    /// What is noted when it is done.
    then: Vec<u8>,
}

impl Removal {
    /// Removes what was replaced, and notes that it is done.
    pub(crate) async fn carry_out(self, store: Option<&dyn Checkpoints>) -> Result<(), RunError> {
        self.work.into_inner().unwrap_or_else(PoisonError::into_inner).await?;
        match store {
            Some(store) => store.note_begun(self.then).await,
            None => Ok(()),
        }
    }
}

/// How the sinks of a run begin.
#[derive(Default)]
pub(crate) struct Beginning {
    pub(crate) earlier: Earlier,
    pub(crate) removal: Option<Removal>,
}

/// Where a sink looks for its output.
pub(crate) fn output_context(plan: &PhysicalPlan, sink: &SinkPlan, host: &Host, options: &RunOptions) -> OutputContext {
    OutputContext {
        host: host.clone(),
        pipeline: plan.pipeline.clone(),
        output: output_folder(&plan.pipeline, &plan.environment),
        node: sink.name.clone(),
        directory: options.directory.clone(),
        schema: sink.schema.clone(),
        wanted: match options.output {
            OutputPolicy::Refuse => Earlier::None,
            OutputPolicy::Keep => Earlier::Keep,
            OutputPolicy::Replace => Earlier::Replace,
        },
    }
}

/// Reports all output of earlier runs that stands in the way of these regions, before any of them starts.
pub(crate) async fn refuse(
    regions: impl Iterator<Item = (&PhysicalPlan, &RunOptions)>,
    connectors: &dyn Connectors,
    host: &Host,
) -> Result<(), RunError> {
    let mut found = Vec::new();
    for (plan, options) in regions {
        let Some(store) = options.store.as_deref().filter(|_| plan.workers != Workers::Any) else { continue };
        if options.output == OutputPolicy::Refuse && starts_anew(store).await? && note(store).await?.is_none() {
            found.extend(all_earlier(plan, connectors, host, options).await?);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(exists(&found)) }
}

/// Reports what forbids a run to start over, whether or not there are checkpoints: for a run that is about to forget them.
/// Who is refused here can still go on from the checkpoint.
///
/// # Errors
/// If there is output of earlier runs of which nobody has said what becomes of it, if it is to be kept and a sink cannot
/// add to it, or if a sink cannot be asked.
pub async fn refuse_output(
    plans: &[PhysicalPlan],
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
) -> Result<(), RunError> {
    let mut found = Vec::new();
    for plan in plans.iter().filter(|plan| plan.workers != Workers::Any) {
        found.extend(all_earlier(plan, connectors, host, options).await?);
    }
    if options.output == OutputPolicy::Keep {
        return Ok(());
    }
    if found.is_empty() { Ok(()) } else { Err(exists(&found)) }
}

fn exists(found: &[(String, Vec<EarlierOutput>)]) -> RunError {
    let error = RunError {
        kind: crate::RunErrorKind::OutputExists,
        message: format!("output of an earlier run exists, and this run would start over:{}", list(found)),
        help: Vec::new(),
    };
    error.help("`--replace-output` removes it once the first checkpoint of the new run is durable").help(
        "`--keep-output` keeps it and writes next to it or appends to it; records that are read again are duplicated",
    )
}

/// Decides how the sinks of a region begin, and notes it.
pub(crate) async fn begin(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
    resumes: bool,
    canonical: serde_json::Value,
) -> Result<Beginning, RunError> {
    let Some(store) = options.store.as_deref().filter(|_| plan.workers != Workers::Any) else {
        return Ok(Beginning::default());
    };
    let note = match note(store).await? {
        Some(note) => note,
        None if resumes => return Ok(Beginning::default()),
        None => {
            let replaced = all_earlier(plan, connectors, host, options).await?;
            let earlier = match options.output {
                _ if replaced.is_empty() => Earlier::None,
                OutputPolicy::Keep => Earlier::Keep,
                OutputPolicy::Replace => Earlier::Replace,
                OutputPolicy::Refuse => return Err(exists(&replaced)),
            };
            if earlier == Earlier::Replace {
                tracing::info!(
                    pipeline = plan.pipeline,
                    "once the first checkpoint is durable, this is removed:{}",
                    list(&replaced)
                );
            }
            let note = Note { earlier, replaced, plan: canonical };
            store.note_begun(note.encode()?).await?;
            note
        }
    };
    let replaces = note.earlier == Earlier::Replace && !note.replaced.is_empty();
    let removal = if replaces {
        let then = Note { plan: note.plan, ..Note::default() }.encode()?;
        Some(Removal { work: Mutex::new(removal(plan, connectors, host, options, note.replaced)), then })
    } else {
        None
    };
    Ok(Beginning { earlier: note.earlier, removal })
}

/// What has changed in a plan since its checkpoints were begun, a line each; nothing if that was not noted.
pub(crate) async fn changes(store: &dyn Checkpoints, canonical: &serde_json::Value) -> Result<Vec<String>, RunError> {
    let plan = note(store).await?.map(|note| note.plan).filter(|plan| !plan.is_null());
    Ok(plan.map(|plan| changes::describe(&plan, canonical)).unwrap_or_default())
}

async fn starts_anew(store: &dyn Checkpoints) -> Result<bool, RunError> {
    Ok(store.latest().await?.is_none())
}

async fn note(store: &dyn Checkpoints) -> Result<Option<Note>, RunError> {
    let Some(bytes) = store.begun().await? else { return Ok(None) };
    let broken = |error: serde_json::Error| {
        RunError::failed(format!("the notes from the start of the pipeline cannot be read: {error}"))
            .help("restore the state folder from a backup, or start over with `--fresh`")
    };
    serde_json::from_slice(&bytes).map(Some).map_err(broken)
}

/// What earlier runs have left, by sink.
async fn all_earlier(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
) -> Result<Vec<(String, Vec<EarlierOutput>)>, RunError> {
    let mut all = Vec::new();
    for sink in plan.stages.iter().filter_map(|stage| stage.sink.as_ref()) {
        let found = connectors.earlier_output(sink, output_context(plan, sink, host, options)).await;
        let found = found.map_err(|error| RunError::connector(&sink.name, &error))?;
        if !found.is_empty() {
            all.push((sink.name.clone(), found));
        }
    }
    Ok(all)
}

/// Removes what was replaced. It does nothing the second time.
fn removal(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
    replaced: Vec<(String, Vec<EarlierOutput>)>,
) -> Work {
    let sinks = plan.stages.iter().filter_map(|stage| stage.sink.as_ref());
    let removals: Vec<_> = replaced
        .into_iter()
        .filter_map(|(name, found)| {
            let sink = sinks.clone().find(|sink| sink.name == name)?;
            let removal = connectors.remove_output(sink, output_context(plan, sink, host, options), found);
            Some((name, removal))
        })
        .collect();
    Box::pin(async move {
        for (name, removal) in removals {
            removal.await.map_err(|error| RunError::connector(&name, &error))?;
        }
        Ok(())
    })
}

/// The first names of each sink, and how many more there are: no sink hides another one.
fn list(found: &[(String, Vec<EarlierOutput>)]) -> String {
    let of_sink = |(sink, outputs): &(String, Vec<EarlierOutput>)| {
        let names: Vec<&str> = outputs.iter().take(LISTED).map(|output| output.name.as_str()).collect();
        let more = match outputs.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("\n  {sink}: {}{more}", names.join(", "))
    };
    found.iter().map(of_sink).collect()
}
