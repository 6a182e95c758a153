//! Does every record come from somewhere and go somewhere?

use pipectl_diag::{Diagnostic, Diagnostics, codes};
use pipectl_ir::NodeKind;

use crate::{
    links::Links,
    names::{Names, Role},
    node_id,
    nodes::CheckedNode,
};

/// Reports nodes that no source leads to, and nodes whose records nobody takes. What a broker carries needs neither source
/// nor reader: others write to it and read from it as well.
pub(crate) fn check(names: &Names, links: &Links, nodes: &[CheckedNode], diagnostics: &mut Diagnostics) {
    // A link that could not be resolved, or leads to the wrong one of two, may be the missing one; its own error is
    // enough.
    if links.any_broken() || names.ambiguous() {
        return;
    }
    let is_shared = |index: usize| nodes.get(index).is_some_and(may_have_others);
    let mut fed = vec![false; names.len()];
    for (index, entry) in names.iter() {
        if matches!(entry.role, Role::Source(_)) || is_shared(index) {
            mark(index, links, &mut fed);
        }
    }
    let any_source = names.iter().any(|(_, entry)| matches!(entry.role, Role::Source(_)));
    for (index, entry) in names.iter() {
        let id = node_id(index);
        let (word, name) = (entry.role.word(), &entry.name);
        let starts = links.producers(id).next().is_none();
        if !fed[index] && starts {
            let problem = Diagnostic::error(codes::graph::NO_SOURCE, format!("no source leads to {word} `{name}`"))
                .at_key(&entry.path, "never gets a record");
            diagnostics.push(match entry.role {
                Role::Stream(_) => {
                    let writer =
                        if any_source { "let a source or processor write" } else { "add a source that writes" };
                    problem
                        .help(format!("{writer} `to: {name}`"))
                        .help("or, if other programs write to it, choose the Environment of their broker with `--env`")
                }
                _ => problem.help(format!("add a source that writes `to: {name}`")),
            });
        }
        if links.consumers(id).next().is_some() {
            continue;
        }
        match entry.role {
            // On a broker it may be for others; one that is not even written to has no use.
            Role::Stream(_) if is_shared(index) && !starts => {}
            Role::Stream(_) if fed[index] => {
                let problem =
                    Diagnostic::warning(codes::graph::UNREAD_STREAM, format!("no node reads from stream `{name}`"))
                        .at_key(&entry.path, if starts { "never used" } else { "written, never read" })
                        .help(format!("add a sink or processor with `from: {name}`, or remove the stream"));
                diagnostics.push(if is_shared(index) {
                    problem
                } else {
                    problem.help("or, if other programs read it, choose the Environment of their broker with `--env`")
                });
            }
            Role::Stream(_) | Role::Sink(_) => {}
            Role::Source(_) | Role::Processor(_) => diagnostics.push(
                Diagnostic::error(codes::graph::DANGLING_NODE, format!("no node reads the output of {word} `{name}`"))
                    .at_key(&entry.path, "its records would be lost")
                    .help(format!("add a sink with `from: {name}`, or let it write `to` a stream")),
            ),
        }
    }
}

/// Whether a node is a stream that others may write to or read from; also where too little is known of one: its own error
/// is enough.
fn may_have_others(checked: &CheckedNode) -> bool {
    checked.node.as_ref().is_none_or(|node| match &node.kind {
        NodeKind::Stream(stream) => stream.carrier.is_some(),
        _ => false,
    })
}

fn mark(index: usize, links: &Links, fed: &mut [bool]) {
    if std::mem::replace(&mut fed[index], true) {
        return;
    }
    for next in links.consumers(node_id(index)) {
        mark(next.0, links, fed);
    }
}
