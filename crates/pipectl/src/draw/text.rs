//! Boxes and arrows for a terminal: along the lines where that fits, down the page otherwise.

use pipectl_ir::Dag;

use super::{
    card::{Card, Role, cards, edges},
    layout::{Layout, Ports, Size, Spacing, lay_out},
};

/// A picture wider than this many columns is turned to flow down the page, if that makes it narrower.
const WIDE: i64 = 120;

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;
/// The character for each set of sides.
const LINES: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];

pub(super) fn draw(dag: &Dag, color: bool) -> String {
    let cards = cards(dag);
    let edges = edges(dag);
    let settings = dag.settings();
    let mut text = format!("{} in environment {}\n\n", settings.pipeline, settings.environment);
    let across = sideways(&cards, &edges);
    let down = downwards(&cards, &edges);
    let canvas = if across.along <= WIDE || across.along <= down.across {
        paint(&cards, &across, true)
    } else {
        paint(&cards, &down, false)
    };
    text.push_str(&canvas.text(color));
    text
}

fn width(card: &Card) -> i64 {
    card.lines().map(|line| line.chars().count()).max().unwrap_or(0) as i64 + 4
}

fn height(card: &Card) -> i64 {
    card.lines().count() as i64 + 2
}

fn sideways(cards: &[Card], edges: &[(usize, usize)]) -> Layout {
    let sizes: Vec<_> = cards.iter().map(|card| Size { along: width(card), across: height(card) }).collect();
    let spacing = Spacing {
        boxes: 0,
        passing: 0,
        line: 1,
        entries: 1,
        corner: 1,
        lead: 1,
        tracks: 2,
        arrow: 2,
        ports: Ports::From(1),
    };
    lay_out(&sizes, edges, &spacing)
}

fn downwards(cards: &[Card], edges: &[(usize, usize)]) -> Layout {
    let sizes: Vec<_> = cards.iter().map(|card| Size { along: height(card), across: width(card) }).collect();
    let spacing = Spacing {
        boxes: 2,
        passing: 2,
        line: 1,
        entries: 2,
        corner: 1,
        lead: 1,
        tracks: 1,
        arrow: 1,
        ports: Ports::Middle,
    };
    lay_out(&sizes, edges, &spacing)
}

/// One character of the picture.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Which of its sides lines touch.
    sides: u8,
    /// The node whose line runs left and right here, and the one whose line runs up and down.
    level: Option<usize>,
    upright: Option<usize>,
    text: Option<char>,
    role: Option<Role>,
}

struct Canvas {
    width: usize,
    cells: Vec<Cell>,
}

impl Canvas {
    fn new(width: i64, height: i64) -> Self {
        let (width, height) = (usize::try_from(width).unwrap_or(0), usize::try_from(height).unwrap_or(0));
        Self { width, cells: vec![Cell::default(); width * height] }
    }

    fn with(&mut self, x: i64, y: i64, change: impl FnOnce(&mut Cell)) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width
            && let Some(cell) = self.cells.get_mut(y * self.width + x)
        {
            change(cell);
        }
    }

    /// A straight line; `net` is the node whose records it carries, `None` for the side of a box.
    fn line(&mut self, from: (i64, i64), to: (i64, i64), net: Option<usize>, role: Option<Role>) {
        let level = from.1 == to.1;
        let (start, end) = if from <= to { (from, to) } else { (to, from) };
        let length = (end.0 - start.0) + (end.1 - start.1);
        for step in 0..=length {
            let (x, y) = if level { (start.0 + step, start.1) } else { (start.0, start.1 + step) };
            let (back, forth) = if level { (LEFT, RIGHT) } else { (UP, DOWN) };
            self.with(x, y, |cell| {
                cell.sides |= if step > 0 { back } else { 0 } | if step < length { forth } else { 0 };
                *(if level { &mut cell.level } else { &mut cell.upright }) = net;
                cell.role = cell.role.or(role);
            });
        }
    }

    fn frame(&mut self, x: i64, y: i64, width: i64, height: i64, role: Role) {
        let (right, bottom) = (x + width - 1, y + height - 1);
        for (from, to) in
            [((x, y), (right, y)), ((x, bottom), (right, bottom)), ((x, y), (x, bottom)), ((right, y), (right, bottom))]
        {
            self.line(from, to, None, Some(role));
        }
    }

    fn write(&mut self, x: i64, y: i64, text: &str, role: Role) {
        for (column, character) in (x..).zip(text.chars()) {
            self.with(column, y, |cell| {
                cell.text = Some(character);
                cell.role = Some(role);
            });
        }
    }

    fn text(&self, color: bool) -> String {
        let mut out = String::new();
        for row in self.cells.chunks(self.width.max(1)) {
            let used = row.iter().rposition(|cell| cell.character() != ' ').map_or(0, |last| last + 1);
            let mut current = None;
            for cell in row.iter().take(used) {
                if color && cell.role != current {
                    out.push_str(style(cell.role));
                    current = cell.role;
                }
                out.push(cell.character());
            }
            if current.is_some() {
                out.push_str(style(None));
            }
            out.push('\n');
        }
        out
    }
}

impl Cell {
    fn character(&self) -> char {
        if let Some(character) = self.text {
            return character;
        }
        let crossing = self.level.is_some() && self.upright.is_some() && self.level != self.upright;
        if crossing && self.sides == UP | DOWN | LEFT | RIGHT {
            // One passes under the other: only lines of one node are joined.
            return '─';
        }
        LINES.get(usize::from(self.sides)).copied().unwrap_or(' ')
    }
}

/// The ANSI color of a role: the sixteen colors that every terminal has.
fn style(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Source) => "\u{1b}[32m",
        Some(Role::Stream) => "\u{1b}[36m",
        Some(Role::Processor) => "\u{1b}[33m",
        Some(Role::Sink) => "\u{1b}[35m",
        None => "\u{1b}[0m",
    }
}

fn paint(cards: &[Card], layout: &Layout, sideways: bool) -> Canvas {
    let turn = |(along, across): (i64, i64)| if sideways { (along, across) } else { (across, along) };
    let (width, height) = turn((layout.along, layout.across));
    let mut canvas = Canvas::new(width, height);
    for (card, placed) in cards.iter().zip(&layout.boxes) {
        let (x, y) = turn((placed.along, placed.across));
        let (width, height) = turn((placed.long, placed.broad));
        canvas.frame(x, y, width, height, card.role);
        for (row, line) in (y + 1..).zip(card.lines()) {
            canvas.write(x + 2, row, line, card.role);
        }
    }
    for wire in &layout.wires {
        let mut points = wire.points.clone();
        // Out of the side of one box, up to the cell before the next one.
        if let Some(first) = points.first_mut() {
            first.0 -= 1;
        }
        if let Some(last) = points.last_mut() {
            last.0 -= 1;
        }
        for pair in points.windows(2) {
            if let [from, to] = pair {
                canvas.line(turn(*from), turn(*to), Some(wire.from), None);
            }
        }
        if let Some(last) = points.last() {
            let (x, y) = turn(*last);
            canvas.with(x, y, |cell| cell.text = Some(if sideways { '▶' } else { '▼' }));
        }
    }
    canvas
}
