//! The language of Graphviz (<https://graphviz.org/doc/info/lang.html>).

use pipectl_ir::Dag;

use super::card::{Role, by_key, cards};

pub(super) fn draw(dag: &Dag) -> String {
    let mut lines = vec![
        format!("digraph \"{}\" {{", escape(&dag.settings().pipeline)),
        "  rankdir=LR;".to_owned(),
        "  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\"];".to_owned(),
        "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#4a5568\"];".to_owned(),
    ];
    let cards = cards(dag);
    for card in &cards {
        let (fill, stroke) = match card.role {
            Role::Source => ("#e6f4ea", "#2f855a"),
            Role::Stream => ("#e6f0fa", "#2b6cb0"),
            Role::Processor => ("#fdf3e1", "#b7791f"),
            Role::Sink => ("#f3e8fb", "#805ad5"),
        };
        let text: Vec<_> = card.lines().map(escape).collect();
        lines.push(format!(
            "  \"{}\" [label=\"{}\", fillcolor=\"{fill}\", color=\"{stroke}\"];",
            escape(&card.name),
            text.join("\\n")
        ));
    }
    for edge in dag.edges() {
        let label = by_key(&edge.kind).map_or(String::new(), |text| format!(" [label=\"{}\"]", escape(&text)));
        let name = |number: usize| cards.get(number).map_or(String::new(), |card| escape(&card.name));
        lines.push(format!("  \"{}\" -> \"{}\"{label};", name(edge.from.0), name(edge.to.0)));
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
