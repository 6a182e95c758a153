//! A picture in one file: cards from left to right, a color for each role, columns as tooltips.

use pipectl_ir::{Dag, dag::Node};

use super::{
    card::{Card, Role, cards, edges},
    layout::{Layout, Placed, Ports, Size, Spacing, Wire, lay_out},
};

/// Room around the picture.
const MARGIN: i64 = 24;
/// Room above the cards for the title.
const HEAD: i64 = 36;
/// Room inside a card.
const INSET: i64 = 14;
/// Line height of a card.
const LINE: i64 = 17;
/// Radius of a line's turns.
const ROUND: i64 = 8;
/// Pixels that a character takes at most in the two sizes of text: no font is embedded, so this is on the safe side.
const NAME_CHARACTER: i64 = 9;
const SMALL_CHARACTER: i64 = 7;

const STYLE: &str = "\
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
.title { font-size: 15px; font-weight: 600; fill: #1a202c; }
.name { font-size: 13px; font-weight: 600; fill: #1a202c; }
.kind { font-size: 11px; fill: #5a6678; }
.card { fill: #ffffff; stroke: #cbd5e0; }
.wire { fill: none; stroke: #8492a6; stroke-width: 1.5; }
.halo { fill: none; stroke: #f7f9fb; stroke-width: 6; }
";

pub(super) fn draw(dag: &Dag) -> String {
    let cards = cards(dag);
    let tallest = cards.iter().map(|card| card.lines().count()).max().unwrap_or(0) as i64;
    let sizes: Vec<_> =
        cards.iter().map(|card| Size { along: width(card), across: tallest * LINE + 2 * INSET - 4 }).collect();
    let spacing = Spacing {
        boxes: 22,
        passing: 18,
        line: 1,
        entries: 14,
        corner: 12,
        lead: 22,
        tracks: 14,
        arrow: 22,
        ports: Ports::Middle,
    };
    let layout = lay_out(&sizes, &edges(dag), &spacing);
    let settings = dag.settings();
    let title = format!("{} in environment {}", settings.pipeline, settings.environment);
    let width = (layout.along + 2 * MARGIN).max(title.chars().count() as i64 * 9 + 2 * MARGIN);
    let height = layout.across + 2 * MARGIN + HEAD;

    let mut out = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escape(&title)
        ),
        format!("<style>\n{STYLE}</style>"),
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0.5 L7.5 4 L0 7.5 Z\" fill=\"#8492a6\"/></marker></defs>"
            .to_owned(),
        format!("<rect width=\"{width}\" height=\"{height}\" rx=\"12\" fill=\"#f7f9fb\"/>"),
        format!("<text class=\"title\" x=\"{MARGIN}\" y=\"{}\">{}</text>", MARGIN + 12, escape(&title)),
        format!("<g transform=\"translate({MARGIN} {})\">", MARGIN + HEAD),
    ];
    out.extend(wires(&layout));
    for ((card, placed), (_, node)) in cards.iter().zip(&layout.boxes).zip(dag.nodes()) {
        out.push(draw_card(card, placed, node));
    }
    out.push("</g>\n</svg>\n".to_owned());
    out.join("\n")
}

fn width(card: &Card) -> i64 {
    let name = card.name.chars().count() as i64 * NAME_CHARACTER;
    let rest = card.lines().skip(1).map(|line| line.chars().count()).max().unwrap_or(0) as i64 * SMALL_CHARACTER;
    name.max(rest) + 2 * INSET + 4
}

/// Each line over a broader one in the color of the ground, so that where two cross one visibly passes over the other.
fn wires(layout: &Layout) -> Vec<String> {
    let mut out = Vec::new();
    let mut start = 0;
    while let Some(first) = layout.wires.get(start) {
        let same: Vec<&Wire> = layout.wires[start..].iter().take_while(|wire| wire.from == first.from).collect();
        start += same.len();
        let paths: Vec<String> = same.iter().map(|wire| path(&wire.points)).collect();
        out.extend(paths.iter().map(|path| format!("<path class=\"halo\" d=\"{path}\"/>")));
        out.extend(paths.iter().map(|path| format!("<path class=\"wire\" d=\"{path}\" marker-end=\"url(#arrow)\"/>")));
    }
    out
}

/// Straight pieces with rounded turns.
fn path(points: &[(i64, i64)]) -> String {
    let Some((first, rest)) = points.split_first() else { return String::new() };
    let mut pieces = vec![format!("M{} {}", first.0, first.1)];
    let mut before = first;
    for (number, corner) in rest.iter().enumerate() {
        let turn = rest.get(number + 1).filter(|after| (before.0 == corner.0) != (corner.0 == after.0));
        pieces.push(match turn {
            Some(after) => {
                let (from, to) = (toward(*corner, *before), toward(*corner, *after));
                format!("L{} {} Q{} {} {} {}", from.0, from.1, corner.0, corner.1, to.0, to.1)
            }
            None => format!("L{} {}", corner.0, corner.1),
        });
        before = corner;
    }
    pieces.join(" ")
}

/// The point on the way from a corner to the next point where the turn begins or ends.
fn toward(corner: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    let step = |from: i64, to: i64| from + (to - from).signum() * ((to - from).abs() / 2).min(ROUND);
    (step(corner.0, other.0), step(corner.1, other.1))
}

fn draw_card(card: &Card, placed: &Placed, node: &Node) -> String {
    let stripe = match card.role {
        Role::Source => "#38a169",
        Role::Stream => "#3182ce",
        Role::Processor => "#d69e2e",
        Role::Sink => "#805ad5",
    };
    let Placed { along: x, across: y, long, broad } = *placed;
    let columns: Vec<_> =
        node.schema.fields().iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
    let tooltip = if columns.is_empty() { card.kind.clone() } else { columns.join("\n") };
    let mut lines = vec![
        format!("<g><title>{}</title>", escape(&tooltip)),
        format!("<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{long}\" height=\"{broad}\" rx=\"8\"/>"),
        format!("<path d=\"M{} {y} a8 8 0 0 0 -8 8 v{} a8 8 0 0 0 8 8 z\" fill=\"{stripe}\"/>", x + 8, broad - 16),
    ];
    let text = card.lines().count() as i64 * LINE;
    let top = y + (broad - text) / 2 + 13;
    for (number, line) in (0..).zip(card.lines()) {
        let class = if number == 0 { "name" } else { "kind" };
        lines.push(format!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>",
            x + INSET + 4,
            top + number * LINE,
            escape(line)
        ));
    }
    lines.push("</g>".to_owned());
    lines.join("\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
