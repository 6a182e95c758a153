//! Circles that lead through a broker: one pipeline writes what another reads, and the other way round.
//!
//! Within a pipeline, names show who feeds whom. Streams of a broker have names there too, which several pipelines may read
//! and write, or even two streams of one.

use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};
use pipectl_ir::{
    Dag, NodeKind,
    dag::{NodeId, find_cycle},
};

use crate::node_id;

/// A stream of a broker is read, and another one is written with what comes of it.
#[derive(Debug)]
struct Link {
    pipeline: String,
    /// Backend and name there.
    from: (String, String),
    to: (String, String),
    /// The stream that is written, as the pipeline declares it.
    path: Path,
}

/// Reports a circle of streams among pipelines that run together.
pub(crate) fn check<'a>(dags: impl Iterator<Item = &'a Dag>, diagnostics: &mut Diagnostics) {
    let links: Vec<Link> = dags.flat_map(links).collect();
    diagnostics.extend(circle(&links));
}

fn links(dag: &Dag) -> Vec<Link> {
    let carried = |id: NodeId| match &dag.node(id).kind {
        NodeKind::Stream(stream) => {
            stream.carrier.as_ref().map(|carrier| (carrier.backend.clone(), carrier.target.clone()))
        }
        _ => None,
    };
    let mut links = Vec::new();
    for (start, _) in dag.nodes() {
        let Some(from) = carried(start) else { continue };
        let mut open = vec![start];
        let mut seen = Vec::new();
        while let Some(id) = open.pop() {
            for (next, _) in dag.consumers(id) {
                if seen.contains(&next) {
                    continue;
                }
                seen.push(next);
                match carried(next) {
                    Some(to) => links.push(Link {
                        pipeline: dag.settings().pipeline.clone(),
                        from: from.clone(),
                        to,
                        path: dag.node(next).path.clone(),
                    }),
                    None => open.push(next),
                }
            }
        }
    }
    links
}

fn circle(links: &[Link]) -> Option<Diagnostic> {
    let mut streams: Vec<&(String, String)> = links.iter().flat_map(|link| [&link.from, &link.to]).collect();
    streams.sort();
    streams.dedup();
    let number = |stream: &(String, String)| node_id(streams.binary_search(&stream).unwrap_or_default());
    let pairs: Vec<_> = links.iter().map(|link| (number(&link.from), number(&link.to))).collect();
    let circle = find_cycle(streams.len(), &pairs)?;
    let name = |id: &NodeId| streams.get(id.0).map_or("", |(_, name)| name.as_str());
    let path: Vec<&str> = circle.iter().chain(circle.first()).map(name).collect();
    let mut problem = Diagnostic::error(codes::graph::CYCLE, format!("streams form a cycle: {}", path.join(" → ")));
    for (step, from) in circle.iter().enumerate() {
        let to = circle[(step + 1) % circle.len()];
        if let Some((link, _)) = links.iter().zip(&pairs).find(|(_, pair)| **pair == (*from, to)) {
            let text =
                format!("pipeline `{}` writes `{}` with what it reads from `{}`", link.pipeline, name(&to), name(from));
            problem = problem.label(Place::Node(link.path.clone(), Part::Key), text, step == 0);
        }
    }
    Some(problem.help("let one of the pipelines write to another stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(pipeline: &str, from: &str, to: &str) -> Link {
        let key = |name: &str| ("default".to_owned(), name.to_owned());
        Link { pipeline: pipeline.to_owned(), from: key(from), to: key(to), path: Path::keys(["spec", "streams", to]) }
    }

    #[test]
    fn circles_of_several_pipelines_are_found() {
        assert!(circle(&[]).is_none());
        assert!(circle(&[link("a", "x", "y"), link("b", "y", "z"), link("b", "x", "z")]).is_none());
        let problem = circle(&[link("a", "x", "y"), link("b", "y", "x")]).expect("a circle");
        assert_eq!(problem.title, "streams form a cycle: x → y → x");
        assert_eq!(problem.labels.len(), 2);
        assert!(circle(&[link("a", "x", "x")]).is_some(), "two streams of one name at the broker");
        let other = Link { to: ("other".to_owned(), "x".to_owned()), ..link("b", "y", "x") };
        assert!(circle(&[link("a", "x", "y"), other]).is_none(), "the same name on another broker");
    }
}
