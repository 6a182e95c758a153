//! Where a comparison runs, and what is refused before anything is made there.

use std::{collections::BTreeSet, path::PathBuf};

use pipectl_compare::Origin;
use pipectl_contract::Registry;
use pipectl_diag::{Diagnostic, codes, nearest};
use pipectl_ir::{PhysicalPlan, physical::SinkPlan};
use pipectl_plan::lower_regions;

use crate::{
    cli::CompareArguments,
    environments,
    given::{endless, interactive, replace_source, unfed},
    input::{Source, compile, load_files, load_with, look_for_inputs},
    record::DEAD_LETTERS,
};

/// Where to run.
pub(super) enum RunTarget {
    /// An Environment of a file, or by its name.
    Environment(String),
    /// A backend with its defaults.
    Backend(String),
}

/// A pipeline as it runs in a place.
pub(super) struct Compiled {
    /// Its regions.
    pub(super) plans: Vec<PhysicalPlan>,
    /// Of which records of the input the rows of each sink are made.
    pub(super) origins: Vec<(String, Origin)>,
}

impl RunTarget {
    /// As it was given.
    pub(super) fn given(&self) -> &str {
        match self {
            Self::Environment(name) | Self::Backend(name) => name,
        }
    }

    /// What reports whether two are the same place, however they are written.
    fn identity(&self) -> PathBuf {
        std::fs::canonicalize(self.given()).unwrap_or_else(|_| PathBuf::from(self.given()))
    }
}

/// The places in the order in which they were given; the first is the reference.
pub(super) fn places(arguments: &CompareArguments) -> Result<Vec<RunTarget>, Diagnostic> {
    let backends = arguments.backends.iter().cloned().map(RunTarget::Backend);
    let places: Vec<RunTarget> = backends.chain(arguments.envs.iter().cloned().map(RunTarget::Environment)).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = places.iter().find(|place| !seen.insert(place.identity())) {
        return Err(wrong(format!("`{}` is named twice: it would be compared with itself", twice.given()))
            .help("name two different ones"));
    }
    if places.len() < 2 {
        return Err(wrong("there is nothing to compare with".to_owned())
            .help("name two or more with --envs a.yaml,b.yaml or --backends memory,kafka"));
    }
    Ok(places)
}

/// How the places are called in tables: as their Environments are, and by file where two are called the same.
pub(super) fn names(places: &[RunTarget], environments: &[Option<String>]) -> Vec<String> {
    let called = |index: usize| match &places[index] {
        RunTarget::Backend(kind) => kind.as_str(),
        RunTarget::Environment(given) => environments.get(index).and_then(Option::as_deref).unwrap_or(given),
    };
    let all: Vec<&str> = (0..places.len()).map(called).collect();
    let name = |(index, name): (usize, &&str)| {
        let alone = all.iter().filter(|other| *other == name).count() == 1;
        if alone { (*name).to_owned() } else { places[index].given().to_owned() }
    };
    all.iter().enumerate().map(name).collect()
}

/// Compiles all pipelines for a place; `None` beside what is wrong.
pub(super) fn compile_for(
    place: &RunTarget,
    arguments: &CompareArguments,
    registry: &Registry,
) -> (Source, Option<Vec<Compiled>>) {
    let mut source = match place {
        RunTarget::Environment(env) => load_files(&arguments.files, Some(env), registry),
        RunTarget::Backend(kind) => {
            let Some(environment) = environments::of(kind) else {
                let mut source = Source::default();
                let known: Vec<_> = environments::kinds().collect();
                let problem = wrong(format!("there is no backend `{kind}`"));
                source.diagnostics.push(problem.help(format!("available: {}", known.join(", "))));
                return (source, None);
            };
            load_with(&arguments.files, environment, registry)
        }
    };
    for input in &arguments.input {
        if let Err(problem) = replace_source(input, &mut source, registry) {
            source.diagnostics.push(problem);
        }
    }
    let compiled = compile(&mut source, registry);
    look_for_inputs(&mut source, &compiled, registry);
    let mut all = Vec::new();
    for compiled in &compiled {
        let dag = &compiled.dag;
        source.diagnostics.extend(interactive(dag, "a comparison"));
        source.diagnostics.extend(unfed(dag, "a comparison"));
        if arguments.records.is_none() && arguments.until.is_none() {
            source.diagnostics.extend(endless(dag, "a comparison"));
        }
        match lower_regions(dag) {
            Ok(plans) => all.push(Compiled { plans, origins: Origin::of_sinks(dag) }),
            Err(problem) => source.diagnostics.push(Diagnostic::error(codes::graph::MEET_AGAIN, problem.to_string())),
        }
    }
    if let Some(column) = arguments.key.as_deref().filter(|_| !source.diagnostics.has_errors()) {
        source.diagnostics.extend(unknown_key(column, &all));
    }
    (source, Some(all))
}

/// `--key` must be a column of some sink: one that none has would judge nothing, and find everything in order.
fn unknown_key(column: &str, all: &[Compiled]) -> Option<Diagnostic> {
    let sinks = all.iter().flat_map(|one| &one.plans).flat_map(|plan| &plan.stages).filter_map(|s| s.sink.as_ref());
    let mut sinks = sinks.filter(|sink: &&SinkPlan| !sink.name.starts_with(DEAD_LETTERS)).peekable();
    sinks.peek()?;
    let mut columns = BTreeSet::new();
    for sink in sinks {
        if sink.schema.fields().is_empty() {
            // Its records have a schema that nobody has reported.
            return None;
        }
        columns.extend(sink.schema.names());
    }
    if columns.contains(column) {
        return None;
    }
    let problem = wrong(format!("`--key {column}`: no sink has a column `{column}`"));
    let there_are = format!("available: {}", columns.iter().copied().collect::<Vec<_>>().join(", "));
    Some(match nearest(column, columns.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `--key {near}`? {there_are}")),
        None => problem.help(there_are),
    })
}

fn wrong(title: String) -> Diagnostic {
    Diagnostic::error(codes::command::BAD_ARGUMENT, title)
}
