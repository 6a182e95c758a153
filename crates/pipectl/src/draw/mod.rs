//! Draws a Dag: boxes for the terminal, Mermaid, Graphviz, an SVG that needs nothing else, and JSON.
//!
//! Text and SVG share a layered layout ([`layout`]); the other forms leave that to their readers.

mod card;
mod dot;
mod json;
mod layout;
mod mermaid;
mod svg;
mod text;

#[cfg(test)]
mod tests;

use pipectl_ir::Dag;

/// The form of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrawFormat {
    /// Boxes and arrows for a terminal.
    #[default]
    Text,
    /// A flowchart as Markdown renderers show it (<https://mermaid.js.org>).
    Mermaid,
    /// The language of Graphviz (<https://graphviz.org/doc/info/lang.html>).
    Dot,
    /// A picture in one file, without scripts, fonts or references to elsewhere.
    Svg,
    /// Nodes with their schemas, and edges, for programs.
    Json,
}

/// Draws the graph of a pipeline. The text ends with a newline; `color` concerns the terminal form only.
///
/// The same Dag gives the same drawing. Options of nodes do not appear: they may hold what should not be shown around.
pub fn draw(dag: &Dag, format: DrawFormat, color: bool) -> String {
    match format {
        DrawFormat::Text => text::draw(dag, color),
        DrawFormat::Mermaid => mermaid::draw(dag),
        DrawFormat::Dot => dot::draw(dag),
        DrawFormat::Svg => svg::draw(dag),
        DrawFormat::Json => json::draw(dag),
    }
}
