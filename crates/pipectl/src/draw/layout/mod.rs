//! A layered layout: nodes in ranks, each edge from a rank to a later one, no two sources' lines on top of each other.
//!
//! The steps are those of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System
//! Structures" (<https://doi.org/10.1109/TSMC.1981.4308636>): ranks, order within a rank, coordinates, lines. Edges of
//! one node share a line until they part, since they carry the same records. All numbers are whole, in whatever unit the
//! caller draws; *along* is the direction of flow, *across* the other one.

mod place;
mod rank;
mod track;

use rank::Ranked;

/// The extent of a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) along: i64,
    pub(super) across: i64,
}

/// Where lines leave and enter a box.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ports {
    /// This far from the box's first edge, entries one after the other from there.
    From(i64),
    /// Around its middle.
    Middle,
}

/// Distances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    /// Between two boxes of a rank.
    pub(super) boxes: i64,
    /// Between a line that passes a rank and its neighbor.
    pub(super) passing: i64,
    /// Breadth that a passing line takes up.
    pub(super) line: i64,
    /// Between two entries of a box.
    pub(super) entries: i64,
    /// Between the last entry of a box and its edge, at least.
    pub(super) corner: i64,
    /// From a box to the first turn of its line.
    pub(super) lead: i64,
    /// Between two turns.
    pub(super) tracks: i64,
    /// From the last turn to the next rank.
    pub(super) arrow: i64,
    pub(super) ports: Ports,
}

/// A placed box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) along: i64,
    pub(super) across: i64,
    pub(super) long: i64,
    pub(super) broad: i64,
}

/// The line of one edge: from the end of one box to the beginning of another, in straight pieces.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) from: usize,
    pub(super) points: Vec<(i64, i64)>,
}

/// A picture without its paint.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// By number of node.
    pub(super) boxes: Vec<Placed>,
    pub(super) wires: Vec<Wire>,
    pub(super) along: i64,
    pub(super) across: i64,
}

/// How often boxes may be moved a little so that lines find a way; far more than any picture that can be read needs.
const NUDGES: usize = 500;

/// Places nodes of these sizes. Edges must not form a circle; a Dag's never do.
pub(super) fn lay_out(sizes: &[Size], edges: &[(usize, usize)], spacing: &Spacing) -> Layout {
    let ranked = Ranked::new(sizes.len(), edges);
    let broad: Vec<i64> = ranked
        .items
        .iter()
        .map(|item| match item.node.and_then(|node| sizes.get(node)) {
            Some(size) => size.across.max(needed(item.ins.len() as i64, spacing)),
            None => spacing.line,
        })
        .collect();
    let mut across = place::across(&ranked, &broad, spacing);
    let nets = |rank: &[usize], across: &[i64]| -> Vec<track::Net> {
        rank.iter().filter_map(|item| net(*item, &ranked, &broad, across, spacing)).collect()
    };
    for _ in 0..NUDGES {
        let Some(item) = ranked.ranks.iter().find_map(|rank| track::circle(&nets(rank, &across))) else { break };
        place::nudge(item, &mut across, &ranked);
    }
    let thick: Vec<i64> = ranked.ranks.iter().map(|rank| thickness(rank, &ranked, sizes)).collect();

    // From the first rank to the last: where each begins, and where the lines between two of them turn.
    let mut starts = vec![0; ranked.ranks.len()];
    let mut turns = vec![None; ranked.items.len()];
    let mut begin = 0;
    for (number, rank) in ranked.ranks.iter().enumerate() {
        starts[number] = begin;
        let end = begin + thick[number];
        let nets = nets(rank, &across);
        let (tracks, count) = track::assign(&nets);
        for (net, track) in nets.iter().zip(tracks) {
            turns[net.item] = track.map(|track| end + spacing.lead + track * spacing.tracks);
        }
        begin = end + spacing.lead + count * spacing.tracks + spacing.arrow;
    }

    let mut boxes = vec![Placed { along: 0, across: 0, long: 0, broad: 0 }; sizes.len()];
    let mut total = (0, 0);
    for (index, item) in ranked.items.iter().enumerate() {
        total.1 = total.1.max(across[index] + broad[index]);
        if let Some(node) = item.node {
            let (along, long) = (starts[item.rank], thick[item.rank]);
            boxes[node] = Placed { along, across: across[index], long, broad: broad[index] };
            total.0 = total.0.max(along + long);
        }
    }
    let geometry = Geometry {
        ranked: &ranked,
        across: &across,
        broad: &broad,
        starts: &starts,
        thick: &thick,
        turns: &turns,
        spacing,
    };
    Layout { boxes, wires: geometry.wires(), along: total.0, across: total.1 }
}

/// The breadth that so many entries need.
fn needed(entries: i64, spacing: &Spacing) -> i64 {
    let span = (entries - 1).max(0) * spacing.entries;
    match spacing.ports {
        Ports::From(first) => first + span + 1 + spacing.corner,
        Ports::Middle => span + 1 + 2 * spacing.corner,
    }
}

fn thickness(rank: &[usize], ranked: &Ranked, sizes: &[Size]) -> i64 {
    let nodes = rank.iter().filter_map(|item| ranked.items[*item].node);
    nodes.filter_map(|node| sizes.get(node)).map(|size| size.along).max().unwrap_or(0)
}

/// Where the line of an item leaves it, from the item's edge.
fn exit(item: usize, ranked: &Ranked, broad: &[i64], spacing: &Spacing) -> i64 {
    match (ranked.items[item].node, spacing.ports) {
        (None, _) => 0,
        (Some(_), Ports::From(first)) => first,
        (Some(_), Ports::Middle) => broad[item] / 2,
    }
}

/// Where the line from `source` enters an item, from the item's edge.
fn entry(item: usize, source: usize, ranked: &Ranked, broad: &[i64], spacing: &Spacing) -> i64 {
    let Some(_) = ranked.items[item].node else { return 0 };
    let ins = &ranked.items[item].ins;
    let number = ins.iter().position(|other| *other == source).unwrap_or(0) as i64;
    match spacing.ports {
        Ports::From(first) => first + number * spacing.entries,
        Ports::Middle => broad[item] / 2 - (ins.len() as i64 - 1) * spacing.entries / 2 + number * spacing.entries,
    }
}

/// The line that leaves an item, as the choice of tracks sees it.
fn net(item: usize, ranked: &Ranked, broad: &[i64], across: &[i64], spacing: &Spacing) -> Option<track::Net> {
    let outs = &ranked.items[item].outs;
    if outs.is_empty() {
        return None;
    }
    let targets = outs.iter().map(|out| (*out, across[*out] + entry(*out, item, ranked, broad, spacing))).collect();
    Some(track::Net { item, source: across[item] + exit(item, ranked, broad, spacing), targets })
}

/// All numbers that a line's course follows from.
struct Geometry<'a> {
    ranked: &'a Ranked,
    across: &'a [i64],
    broad: &'a [i64],
    starts: &'a [i64],
    thick: &'a [i64],
    turns: &'a [Option<i64>],
    spacing: &'a Spacing,
}

impl Geometry<'_> {
    fn wires(&self) -> Vec<Wire> {
        let mut wires = Vec::new();
        for (index, item) in self.ranked.items.iter().enumerate() {
            if let Some(node) = item.node {
                self.follow(index, node, &[], &mut wires);
            }
        }
        wires
    }

    /// Follows the line from an item to all boxes at its ends.
    fn follow(&self, index: usize, from: usize, so_far: &[(i64, i64)], wires: &mut Vec<Wire>) {
        let item = &self.ranked.items[index];
        let exit = self.across[index] + exit(index, self.ranked, self.broad, self.spacing);
        let end = self.starts[item.rank] + self.thick[item.rank];
        for out in &item.outs {
            let entry = self.across[*out] + entry(*out, index, self.ranked, self.broad, self.spacing);
            let mut points = so_far.to_vec();
            points.push((end, exit));
            if let Some(turn) = self.turns[index].filter(|_| entry != exit) {
                points.extend([(turn, exit), (turn, entry)]);
            }
            points.push((self.starts[self.ranked.items[*out].rank], entry));
            if self.ranked.items[*out].node.is_some() {
                wires.push(Wire { from, points });
            } else {
                self.follow(*out, from, &points, wires);
            }
        }
    }
}
