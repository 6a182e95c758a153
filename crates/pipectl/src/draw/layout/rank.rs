//! Ranks, and an order within each that lets few lines cross.

/// A node, or a place where a line passes a rank.
#[derive(Debug)]
pub(super) struct Item {
    /// The node's number; `None` for a passing line.
    pub(super) node: Option<usize>,
    pub(super) rank: usize,
    /// Items of the rank before, in their order there.
    pub(super) ins: Vec<usize>,
    /// Items of the next rank, in their order there.
    pub(super) outs: Vec<usize>,
}

/// All items, and which stand in which rank in which order.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) items: Vec<Item>,
    pub(super) ranks: Vec<Vec<usize>>,
}

/// Sweeps over all ranks; orders of twenty nodes settle after a few.
const SWEEPS: usize = 16;

impl Ranked {
    pub(super) fn new(nodes: usize, edges: &[(usize, usize)]) -> Self {
        let ranks = ranks(nodes, edges);
        let mut items: Vec<Item> = ranks.iter().enumerate().map(|(node, rank)| item(Some(node), *rank)).collect();
        for node in 0..nodes {
            let targets: Vec<usize> = edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| *to).collect();
            let last = targets.iter().map(|target| ranks[*target]).max().unwrap_or(0);
            let mut from = node;
            for rank in ranks[node] + 1..=last {
                for target in targets.iter().filter(|target| ranks[**target] == rank) {
                    connect(&mut items, from, *target);
                }
                if rank < last {
                    items.push(item(None, rank));
                    let pass = items.len() - 1;
                    connect(&mut items, from, pass);
                    from = pass;
                }
            }
        }
        let count = ranks.iter().max().map_or(0, |last| last + 1);
        let mut ranked = Self { items, ranks: vec![Vec::new(); count] };
        ranked.first_order();
        ranked.untangle();
        ranked.sort_neighbors();
        ranked
    }

    /// Depth first from the first rank, so that what belongs together starts together.
    fn first_order(&mut self) {
        let mut seen = vec![false; self.items.len()];
        let mut roots: Vec<usize> = (0..self.items.len()).collect();
        roots.sort_by_key(|index| self.items[*index].rank);
        for root in roots {
            let mut stack = vec![root];
            while let Some(index) = stack.pop() {
                if !std::mem::replace(&mut seen[index], true) {
                    self.ranks[self.items[index].rank].push(index);
                    stack.extend(self.items[index].outs.iter().rev());
                }
            }
        }
    }

    /// Sorts each rank by the mean place of its neighbors, forth and back, and keeps the best order seen.
    fn untangle(&mut self) {
        let mut best = (self.crossings(), self.ranks.clone());
        for sweep in 0..SWEEPS {
            if best.0 == 0 {
                break;
            }
            let forth = sweep % 2 == 0;
            let mut numbers: Vec<usize> = (0..self.ranks.len()).collect();
            if !forth {
                numbers.reverse();
            }
            for number in numbers {
                let places = self.places();
                let mean = |index: usize| {
                    let item = &self.items[index];
                    let near = if forth { &item.ins } else { &item.outs };
                    let sum: usize = near.iter().map(|other| places[*other]).sum();
                    // Thousandths, so that whole numbers suffice and the order is the same everywhere.
                    (sum * 1000).checked_div(near.len()).unwrap_or(places[index] * 1000)
                };
                let mut order = self.ranks[number].clone();
                order.sort_by_key(|index| (mean(*index), places[*index]));
                self.ranks[number] = order;
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.ranks.clone());
            }
        }
        self.ranks = best.1;
    }

    /// The place of each item within its rank.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.items.len()];
        for rank in &self.ranks {
            for (place, index) in rank.iter().enumerate() {
                places[*index] = place;
            }
        }
        places
    }

    fn crossings(&self) -> usize {
        let places = self.places();
        let mut crossings = 0;
        for rank in &self.ranks {
            let lines: Vec<(usize, usize)> = rank
                .iter()
                .flat_map(|index| self.items[*index].outs.iter().map(|out| (places[*index], places[*out])))
                .collect();
            for (number, (from, to)) in lines.iter().enumerate() {
                let later = lines[number + 1..].iter();
                crossings +=
                    later.filter(|(other, end)| (from < other && to > end) || (from > other && to < end)).count();
            }
        }
        crossings
    }

    fn sort_neighbors(&mut self) {
        let places = self.places();
        for item in &mut self.items {
            item.ins.sort_by_key(|index| places[*index]);
            item.outs.sort_by_key(|index| places[*index]);
        }
    }
}

fn item(node: Option<usize>, rank: usize) -> Item {
    Item { node, rank, ins: Vec::new(), outs: Vec::new() }
}

fn connect(items: &mut [Item], from: usize, to: usize) {
    items[from].outs.push(to);
    items[to].ins.push(from);
}

/// Each node one rank after the last that feeds it; nodes that nobody feeds directly before the first that they feed.
fn ranks(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; nodes];
    for _ in 0..nodes {
        let mut changed = false;
        for (from, to) in edges {
            if ranks[*to] <= ranks[*from] {
                ranks[*to] = ranks[*from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for node in 0..nodes {
        if edges.iter().all(|(_, to)| *to != node) {
            let first = edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| ranks[*to]).min();
            ranks[node] = first.map_or(0, |first: usize| first.saturating_sub(1));
        }
    }
    ranks
}
