//! Who should read which partition: a pure decision that every worker takes for itself from what all can see.

use std::collections::{BTreeMap, BTreeSet};

/// The partitions to claim now.
///
/// `owners` are the live owners of partitions; a partition without one is free. Each worker takes its share (all
/// partitions over all workers, the first ones one more), free partitions first, then from whoever has most above the
/// share. `order` spreads the choice of workers that decide at the same time.
pub(crate) fn claims(partitions: u32, me: &str, owners: &BTreeMap<u32, String>, order: u64) -> Vec<u32> {
    let mut held: BTreeMap<&str, Vec<u32>> = BTreeMap::from([(me, Vec::new())]);
    for (partition, owner) in owners {
        held.entry(owner).or_default().push(*partition);
    }
    let workers = held.len() as u32;
    let (share, rest) = (partitions / workers, (partitions % workers) as usize);
    let mine = held.get(me).map_or(0, Vec::len) as u32;
    // Only so many workers may have one more than the share.
    let above = held.iter().filter(|(owner, held)| **owner != me && held.len() as u32 > share).count();
    let wanted = if above < rest { share + 1 } else { share };
    let mut missing = wanted.saturating_sub(mine) as usize;
    let mut claims = Vec::new();
    let free: Vec<u32> = (0..partitions).filter(|partition| !owners.contains_key(partition)).collect();
    let begin = order.checked_rem(free.len() as u64).unwrap_or_default() as usize;
    let turned = free[begin..].iter().chain(&free[..begin]);
    for partition in turned.take(missing) {
        claims.push(*partition);
    }
    missing -= claims.len();
    if !free.is_empty() {
        // Others may be about to take the rest; stealing waits until nothing is free.
        return claims;
    }
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    while missing > 0 {
        let left = |held: &Vec<u32>| held.iter().filter(|partition| !taken.contains(partition)).count() as u32;
        let richest = held.iter().filter(|(owner, _)| **owner != me).max_by_key(|(_, held)| left(held));
        let Some((_, theirs)) = richest else { break };
        let have = mine + taken.len() as u32;
        // Taking one must make the two more equal.
        if left(theirs) <= have + 1 {
            break;
        }
        let candidates: Vec<u32> = theirs.iter().filter(|partition| !taken.contains(partition)).copied().collect();
        let pick = order.checked_rem(candidates.len() as u64).unwrap_or_default() as usize;
        let Some(partition) = candidates.get(pick) else { break };
        taken.insert(*partition);
        missing -= 1;
    }
    claims.extend(taken);
    claims
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::claims;

    fn owned(groups: &[(&str, &[u32])]) -> BTreeMap<u32, String> {
        groups.iter().flat_map(|(owner, held)| held.iter().map(|one| (*one, (*owner).to_owned()))).collect()
    }

    #[test]
    fn the_first_worker_takes_all() {
        assert_eq!(claims(4, "a", &BTreeMap::new(), 0), [0, 1, 2, 3]);
        assert_eq!(claims(4, "a", &BTreeMap::new(), 2), [2, 3, 0, 1]);
    }

    #[test]
    fn a_second_one_takes_half_and_no_more() {
        let mut owners = owned(&[("a", &[0, 1, 2, 3, 4])]);
        let taken = claims(5, "b", &owners, 3);
        assert_eq!(taken.len(), 2);
        for one in taken {
            owners.insert(one, "b".into());
        }
        assert!(claims(5, "b", &owners, 3).is_empty());
        assert!(claims(5, "a", &owners, 3).is_empty());
    }

    #[test]
    fn what_a_dead_one_had_is_taken_before_anything_is_stolen() {
        let owners = owned(&[("a", &[0, 1]), ("b", &[2, 3])]);
        assert_eq!(claims(8, "a", &owners, 0), [4, 5]);
        assert_eq!(claims(8, "b", &owners, 0).len(), 2);
    }

    #[test]
    fn any_number_of_workers_comes_to_rest_with_fair_shares() {
        for workers in 1..9_u32 {
            for partitions in 1..17 {
                let mut owners = BTreeMap::new();
                for round in 0..40 {
                    let before = owners.clone();
                    for worker in 0..workers {
                        let name = format!("w{worker}");
                        for one in claims(partitions, &name, &owners, u64::from(worker * 7 + round)) {
                            owners.insert(one, name.clone());
                        }
                    }
                    if before == owners {
                        break;
                    }
                    assert!(round < 39, "{workers} workers never rest over {partitions} partitions");
                }
                let count = |name: String| owners.values().filter(|owner| **owner == name).count();
                let counts: Vec<usize> = (0..workers).map(|worker| count(format!("w{worker}"))).collect();
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(most - least <= 1, "{counts:?}");
                assert_eq!(counts.iter().sum::<usize>(), partitions as usize);
            }
        }
    }
}
