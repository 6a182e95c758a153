//! Output of earlier runs: a run that starts without a checkpoint must not mix its output with it, nor remove it unasked.
//!
//! What was found and decided is noted beside the checkpoints before anything is opened: a run that crashes before its first
//! checkpoint has output of its own there, which the next one may overwrite, and what is to be replaced is removed even if
//! a crash comes in between.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use pipectl_contract::{Earlier, EarlierOutput, OutputContext, output_folder};
use pipectl_host::Host;
use pipectl_ir::physical::{PhysicalPlan, SinkPlan, Workers};
use serde::{Deserialize, Serialize};

use crate::{
    RunOptions,
    carry::{self, StateEdits, new_sinks},
    changes,
    checkpoint::{Checkpoint, Checkpoints, StateOf},
    connectors::Connectors,
    error::RunError,
    layout,
};

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
    /// The plan that the checkpoints are states of, without the parts that may change freely. Checkpoints of format 1 say
    /// less than it.
    #[serde(default)]
    plan: serde_json::Value,
    /// Where the sinks wrote for which it was decided; unknown in notes of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<String, String>,
    /// What was decided for sinks that have come into the spec since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    added: BTreeMap<String, Added>,
}

/// What was decided for a sink that came into the spec later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Added {
    /// The number of the checkpoint before: with a newer one, the sink either has state of its own, or is new again.
    after: u64,
    /// Where it writes.
    place: String,
    earlier: Earlier,
}

impl Note {
    fn encode(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(|error| RunError::failed(error.to_string()))
    }

    /// What is to be removed now: only where a sink still writes to the place for which that was decided.
    fn still_replaced(&self, places: &BTreeMap<String, String>) -> Vec<(String, Vec<EarlierOutput>)> {
        let decided = |sink: &str| match self.added.get(sink) {
            Some(added) => (added.earlier == Earlier::Replace).then_some(Some(&added.place)),
            None => (self.earlier == Earlier::Replace).then_some(self.places.get(sink)),
        };
        let is_valid = |(sink, _): &&(String, Vec<EarlierOutput>)| {
            decided(sink).is_some_and(|place| place.is_none_or(|place| places.get(sink) == Some(place)))
        };
        self.replaced.iter().filter(is_valid).cloned().collect()
    }

    /// Whether it was decided how a sink begins that writes there, and of which this checkpoint holds nothing.
    fn has_begun(&self, sink: &str, place: &str, after: u64) -> bool {
        match self.added.get(sink) {
            Some(added) => added.after == after && added.place == place,
            None => after == 0 && (self.places.is_empty() || self.places.get(sink).is_some_and(|known| known == place)),
        }
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
    earlier: Earlier,
    /// The sinks that have come later.
    added: BTreeMap<String, Earlier>,
    pub(crate) removal: Option<Removal>,
}

impl Beginning {
    /// What a sink does about output of earlier runs, where it has no state.
    pub(crate) fn of(&self, sink: &str) -> Earlier {
        self.added.get(sink).copied().unwrap_or(self.earlier)
    }
}

/// The newest checkpoint, and the sinks that it holds nothing of.
#[derive(Debug, Clone)]
pub(crate) struct Resumed {
    pub(crate) checkpoint: u64,
    /// With the places that they write to.
    pub(crate) new_sinks: BTreeMap<String, String>,
}

impl Resumed {
    /// Without a checkpoint, all sinks are new, and the number is 0.
    pub(crate) fn of(checkpoint: Option<&Checkpoint>, plan: &PhysicalPlan, edits: &StateEdits) -> Self {
        let mut places = places(plan);
        match checkpoint.map(|checkpoint| &checkpoint.of) {
            None => {}
            Some(StateOf::Layout(layout)) => {
                let new = new_sinks(layout, plan, edits);
                places.retain(|sink, _| new.contains(sink));
            }
            // It fits the plan that wrote it, and no other.
            Some(StateOf::Digest(_)) => places.clear(),
        }
        Self { checkpoint: checkpoint.map_or(0, |checkpoint| checkpoint.id), new_sinks: places }
    }

    /// The new sinks of which nobody has decided how they begin.
    fn undecided(&self, note: Option<&Note>) -> BTreeMap<String, String> {
        let begun = |sink: &str, place: &str| note.is_some_and(|note| note.has_begun(sink, place, self.checkpoint));
        self.new_sinks.iter().filter(|(sink, place)| !begun(sink, place)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
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
    let (mut found, mut resumes) = (Vec::new(), false);
    for (plan, options) in regions {
        let Some(store) = options.store.as_deref().filter(|_| plan.workers != Workers::Any) else { continue };
        let (note, latest) = (note(store).await?, store.latest().await?);
        resumes |= latest.is_some();
        if let Some(latest) = &latest {
            // Before anybody is asked about output: what cannot resume at all.
            carry::check(latest, plan, &options.edits, store).await?;
        }
        if options.output != OutputPolicy::Refuse {
            continue;
        }
        let new = Resumed::of(latest.as_ref(), plan, &options.edits).undecided(note.as_ref());
        found.extend(earlier(plan, connectors, host, options, |sink| new.contains_key(sink)).await?);
    }
    if found.is_empty() { Ok(()) } else { Err(exists(&found, resumes)) }
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
        found.extend(earlier(plan, connectors, host, options, |_| true).await?);
    }
    if options.output == OutputPolicy::Keep {
        return Ok(());
    }
    if found.is_empty() { Ok(()) } else { Err(exists(&found, false)) }
}

/// `resumes` says that the run goes on from a checkpoint, which holds nothing of these sinks.
fn exists(found: &[(String, Vec<EarlierOutput>)], resumes: bool) -> RunError {
    let message = if resumes {
        format!("output exists where sinks of which the checkpoint holds nothing would write:{}", list(found))
    } else {
        format!("output of an earlier run exists, and this run would start over:{}", list(found))
    };
    let keep = if resumes {
        "`--keep-output` keeps it and writes next to it or appends to it"
    } else {
        "`--keep-output` keeps it and writes next to it or appends to it; records that are read again are duplicated"
    };
    RunError { kind: crate::RunErrorKind::OutputExists, message, help: Vec::new() }
        .help("`--replace-output` removes it once the first checkpoint of the new run is durable")
        .help(keep)
}

/// Decides how the sinks of a region begin, and notes it.
pub(crate) async fn begin(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
    resumed: &Resumed,
    canonical: serde_json::Value,
) -> Result<Beginning, RunError> {
    let Some(store) = options.store.as_deref().filter(|_| plan.workers != Workers::Any) else {
        return Ok(Beginning::default());
    };
    let note = match note(store).await? {
        Some(note) => begin_added(plan, connectors, host, options, resumed, note).await?,
        None if resumed.checkpoint > 0 => {
            begin_added(plan, connectors, host, options, resumed, Note::default()).await?
        }
        None => {
            let replaced = earlier(plan, connectors, host, options, |_| true).await?;
            let earlier = decide(plan, options.output, &replaced, false)?;
            let note = Note { earlier, replaced, plan: canonical, places: places(plan), added: BTreeMap::new() };
            store.note_begun(note.encode()?).await?;
            note
        }
    };
    let replaced = note.still_replaced(&places(plan));
    let removal = if replaced.is_empty() {
        None
    } else {
        let then =
            Note { plan: note.plan, places: note.places, added: note.added.clone(), ..Note::default() }.encode()?;
        Some(Removal { work: Mutex::new(removal(plan, connectors, host, options, replaced)), then })
    };
    let added = note.added.into_iter().map(|(sink, added)| (sink, added.earlier)).collect();
    Ok(Beginning { earlier: note.earlier, added, removal })
}

/// Decides how sinks begin that the checkpoint holds nothing of, and notes it.
async fn begin_added(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
    resumed: &Resumed,
    mut note: Note,
) -> Result<Note, RunError> {
    let new = resumed.undecided(Some(&note));
    if new.is_empty() {
        return Ok(note);
    }
    let found = earlier(plan, connectors, host, options, |sink| new.contains_key(sink)).await?;
    let earlier = decide(plan, options.output, &found, resumed.checkpoint > 0)?;
    // What was decided for another place does not count any more.
    note.replaced.retain(|(sink, _)| !new.contains_key(sink));
    for (sink, place) in new {
        let earlier = if found.iter().any(|(name, _)| *name == sink) { earlier } else { Earlier::None };
        note.added.insert(sink, Added { after: resumed.checkpoint, place, earlier });
    }
    if earlier == Earlier::Replace {
        note.replaced.extend(found);
    }
    if let Some(store) = &options.store {
        store.note_begun(note.encode()?).await?;
    }
    Ok(note)
}

/// Where each sink writes, by the name of its output.
fn places(plan: &PhysicalPlan) -> BTreeMap<String, String> {
    let sinks = plan.stages.iter().filter_map(|stage| stage.sink.as_ref());
    sinks.map(|sink| (sink.name.clone(), layout::place(plan, sink.node).unwrap_or_default())).collect()
}

/// What becomes of output that was found.
fn decide(
    plan: &PhysicalPlan,
    policy: OutputPolicy,
    found: &[(String, Vec<EarlierOutput>)],
    resumes: bool,
) -> Result<Earlier, RunError> {
    Ok(match policy {
        _ if found.is_empty() => Earlier::None,
        OutputPolicy::Keep => Earlier::Keep,
        OutputPolicy::Replace => {
            tracing::info!(
                pipeline = plan.pipeline,
                "once the first checkpoint is durable, this is removed:{}",
                list(found)
            );
            Earlier::Replace
        }
        OutputPolicy::Refuse => return Err(exists(found, resumes)),
    })
}

/// What has changed in a plan since its checkpoints were begun, a line each; nothing if that was not noted.
pub(crate) async fn changes(store: &dyn Checkpoints, canonical: &serde_json::Value) -> Result<Vec<String>, RunError> {
    let plan = note(store).await?.map(|note| note.plan).filter(|plan| !plan.is_null());
    Ok(plan.map(|plan| changes::describe(&plan, canonical)).unwrap_or_default())
}

async fn note(store: &dyn Checkpoints) -> Result<Option<Note>, RunError> {
    let Some(bytes) = store.begun().await? else { return Ok(None) };
    let broken = |error: serde_json::Error| {
        RunError::failed(format!("the notes from the start of the pipeline cannot be read: {error}"))
            .help("restore the state folder from a backup, or start over with `--fresh`")
    };
    serde_json::from_slice(&bytes).map(Some).map_err(broken)
}

/// What earlier runs have left, by sink, of those that are asked for.
async fn earlier(
    plan: &PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: &RunOptions,
    is_asked: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<EarlierOutput>)>, RunError> {
    let mut all = Vec::new();
    for sink in plan.stages.iter().filter_map(|stage| stage.sink.as_ref()).filter(|sink| is_asked(&sink.name)) {
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
