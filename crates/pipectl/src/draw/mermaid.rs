//! A Mermaid flowchart (<https://mermaid.js.org/syntax/flowchart.html>).

use pipectl_ir::Dag;

use super::card::{Role, by_key, cards};

/// Nodes have numbers for names, since a name such as `end` means something to Mermaid.
pub(super) fn draw(dag: &Dag) -> String {
    let mut lines = vec!["flowchart LR".to_owned()];
    for (number, card) in cards(dag).iter().enumerate() {
        let (open, close, class) = match card.role {
            Role::Source => ("([", "])", "source"),
            Role::Stream => ("[(", ")]", "stream"),
            Role::Processor => ("[", "]", "processor"),
            Role::Sink => ("[/", "/]", "sink"),
        };
        let text: Vec<_> = card.lines().map(escape).collect();
        lines.push(format!("  n{number}{open}\"{}\"{close}:::{class}", text.join("<br/>")));
    }
    for edge in dag.edges() {
        let label = by_key(&edge.kind).map_or(String::new(), |text| format!("|\"{}\"|", escape(&text)));
        lines.push(format!("  n{} -->{label} n{}", edge.from.0, edge.to.0));
    }
    for (class, fill, stroke) in [
        ("source", "#e6f4ea", "#2f855a"),
        ("stream", "#e6f0fa", "#2b6cb0"),
        ("processor", "#fdf3e1", "#b7791f"),
        ("sink", "#f3e8fb", "#805ad5"),
    ] {
        lines.push(format!("  classDef {class} fill:{fill},stroke:{stroke},color:#1a202c"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Mermaid's own form of entities.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;").replace('`', "#96;")
}
