//! Coordinates across the flow: packed from one side, and straight where that is possible.

use super::{Spacing, entry, exit, rank::Ranked};

/// Passes over all ranks; each moves boxes one way only, so it comes to rest.
const PASSES: usize = 4;

/// The first coordinate of each item.
pub(super) fn across(ranked: &Ranked, broad: &[i64], spacing: &Spacing) -> Vec<i64> {
    let mut across = vec![0; ranked.items.len()];
    for rank in &ranked.ranks {
        let mut free = 0;
        let mut before = None;
        for index in rank {
            free += before.map_or(0, |before| gap(before, *index, ranked, spacing));
            let wanted = wanted(*index, &across, ranked, broad, spacing, true).unwrap_or(free);
            across[*index] = wanted.max(free);
            free = across[*index] + broad[*index];
            before = Some(*index);
        }
    }
    for pass in 0..PASSES {
        let forth = pass % 2 == 1;
        for rank in &ranked.ranks {
            straighten(rank, forth, &mut across, ranked, broad, spacing);
        }
        if !forth {
            for rank in ranked.ranks.iter().rev() {
                straighten(rank, forth, &mut across, ranked, broad, spacing);
            }
        }
    }
    across
}

/// Moves an item, and all after it, on by one.
pub(super) fn nudge(item: usize, across: &mut [i64], ranked: &Ranked) {
    let rank = ranked.ranks.iter().find(|rank| rank.contains(&item));
    for index in rank.into_iter().flatten().skip_while(|index| **index != item) {
        across[*index] += 1;
    }
}

/// Moves items on towards what they are connected to, as far as the next item leaves room.
fn straighten(rank: &[usize], forth: bool, across: &mut [i64], ranked: &Ranked, broad: &[i64], spacing: &Spacing) {
    let mut limit = i64::MAX;
    let mut after = None;
    for index in rank.iter().rev() {
        if let Some(after) = after {
            limit = across[after] - gap(*index, after, ranked, spacing) - broad[*index];
        }
        if let Some(wanted) = wanted(*index, across, ranked, broad, spacing, forth) {
            across[*index] = across[*index].max(wanted.min(limit));
        }
        after = Some(*index);
    }
}

/// Where an item would stand so that its first line is straight.
fn wanted(index: usize, across: &[i64], ranked: &Ranked, broad: &[i64], spacing: &Spacing, forth: bool) -> Option<i64> {
    let item = &ranked.items[index];
    if forth {
        let source = *item.ins.first()?;
        Some(across[source] + exit(source, ranked, broad, spacing) - entry(index, source, ranked, broad, spacing))
    } else {
        let target = *item.outs.first()?;
        Some(across[target] + entry(target, index, ranked, broad, spacing) - exit(index, ranked, broad, spacing))
    }
}

fn gap(first: usize, second: usize, ranked: &Ranked, spacing: &Spacing) -> i64 {
    let both = ranked.items[first].node.is_some() && ranked.items[second].node.is_some();
    if both { spacing.boxes } else { spacing.passing }
}
