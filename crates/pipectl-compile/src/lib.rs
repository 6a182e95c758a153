//! Spec to Dag: names resolved, schemas carried along every edge, all problems reported at once.
//!
//! The passes go over a pipeline in this order: names (who is who), links (who feeds whom, no circles), nodes (options,
//! schemas, queries, each after those that feed it) and reach (does every record come from somewhere and go somewhere).
//! A pass goes on after a problem; what depends on something broken is left alone, so that one slip gives one error.

mod circles;
mod claims;
mod environment;
mod links;
mod names;
mod nodes;
mod reach;
mod sinks;
mod time;

use pipectl_contract::Registry;
use pipectl_diag::{Diagnostic, Diagnostics, codes};
use pipectl_ir::{
    Dag, Node,
    dag::{Edge, NodeId, Settings},
};
use pipectl_spec::{Loaded, model::Pipeline};

pub use claims::RealPath;

use claims::Claims;
use environment::Bindings;

/// A pipeline that may run.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Its graph.
    pub dag: Dag,
}

/// Compiles every pipeline for one Environment: the one of this name, or the only one there is, or the built-in local
/// default where there is none.
///
/// `real_path` makes a path absolute and follows links: one file may have several names.
pub fn compile(
    loaded: &Loaded,
    registry: &Registry,
    environment: Option<&str>,
    real_path: RealPath<'_>,
) -> (Vec<Compiled>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let chosen = environment::choose(loaded, environment, &mut diagnostics);
    let bindings = Bindings::new(chosen);
    let mut compiled = Vec::new();
    let mut claimed: Vec<Claims> = Vec::new();
    for pipeline in &loaded.pipelines {
        let mut found = Diagnostics::new();
        let mut claims = Claims::default();
        let dag = compile_pipeline(pipeline, registry, &bindings, real_path, &mut claims, &mut found);
        claims.check(&mut found);
        for earlier in &claimed {
            claims.check_with(earlier, &mut found);
        }
        claimed.push(claims);
        match dag {
            Some(dag) if !found.has_errors() => compiled.push(Compiled { dag }),
            // What could not be read has reported so itself; a pipeline that is silently not there would pass for one that ran.
            None if !found.has_errors() && pipeline.broken.is_empty() => found.push(
                Diagnostic::error(
                    codes::graph::NO_PIPELINE,
                    format!("pipeline `{}` cannot be compiled", pipeline.name),
                )
                .at_key(&pipeline.path.key("metadata").key("name"), "")
                .note("this is a bug in pipectl, not an error in the file: please report it with the file"),
            ),
            _ => {}
        }
        diagnostics.extend(found);
    }
    circles::check(compiled.iter().map(|compiled: &Compiled| &compiled.dag), &mut diagnostics);
    if !loaded.pipelines.is_empty() {
        bindings.unused(&loaded.pipelines, &mut diagnostics);
    }
    (compiled, diagnostics)
}

fn compile_pipeline(
    pipeline: &Pipeline,
    registry: &Registry,
    bindings: &Bindings<'_>,
    real_path: RealPath<'_>,
    claims: &mut Claims,
    diagnostics: &mut Diagnostics,
) -> Option<Dag> {
    let names = names::Names::of(pipeline, diagnostics);
    let links = links::Links::of(pipeline, &names, diagnostics);
    let order = links.order(&names, diagnostics)?;
    let nodes = nodes::check(pipeline, &names, &links, &order, registry, bindings, diagnostics);
    reach::check(&names, &links, &nodes, diagnostics);
    bindings.pins(pipeline, registry, diagnostics);
    let dead_letters = sinks::dead_letters(pipeline, registry, bindings, diagnostics);
    let (dead_letters, places) = dead_letters.unzip();
    let named = names.iter().map(|(index, entry)| (entry.name.as_str(), &nodes[index]));
    *claims = Claims::of(&pipeline.name, named, places.unwrap_or_default(), real_path);
    let settings = Settings {
        pipeline: pipeline.name.clone(),
        environment: bindings.name().to_owned(),
        checkpoint_every: i64::try_from(pipeline.checkpoint.every.0.as_micros()).unwrap_or(i64::MAX),
        memory: pipeline.memory.0,
        dead_letters: dead_letters?,
    };
    let complete: Vec<Node> = nodes.into_iter().map(|checked| checked.node).collect::<Option<_>>()?;
    let edges = links
        .all()
        .iter()
        .map(|(from, to)| Edge { from: *from, to: *to, kind: links::edge_kind(&complete[to.0]) })
        .collect();
    // Names and circles are already excluded.
    Dag::new(settings, complete, edges).ok()
}

/// The number of the node that stands at this place in the order of declaration.
pub(crate) fn node_id(index: usize) -> NodeId {
    NodeId(index)
}
