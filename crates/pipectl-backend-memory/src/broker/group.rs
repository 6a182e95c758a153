//! A consumer group: how far it has come in each partition, and which member reads which.
//!
//! A partition changes hands in two steps: the group wants it elsewhere, its owner stops reading and commits, and only
//! then it is the other's. What a member that has died owned goes to the others when its session has run out. Each time
//! a partition gets an owner its epoch rises, and a commit with an older epoch counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use pipectl_data::Micros;

/// Who reads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) member: u64,
    pub(crate) epoch: u64,
    /// Whether the group wants it elsewhere.
    pub(crate) leaving: bool,
}

#[derive(Debug, Default)]
struct Member {
    /// It takes no more partitions.
    leaving: bool,
    /// When its session runs out, if it was lost without a word.
    dead_at: Option<Micros>,
}

/// A consumer group of a stream.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The next offset to read of each partition.
    pub(crate) committed: BTreeMap<u32, i64>,
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<u32, Owner>,
    last_member: u64,
    last_epoch: u64,
}

impl Group {
    /// Adds a member and answers its number.
    pub(crate) fn join(&mut self) -> u64 {
        self.last_member += 1;
        self.members.insert(self.last_member, Member::default());
        self.last_member
    }

    /// Whether somebody reads for it.
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// The member takes no more partitions and is going to give back those it has.
    pub(crate) fn leave(&mut self, member: u64) {
        if let Some(member) = self.members.get_mut(&member) {
            member.leaving = true;
        }
    }

    /// Nobody speaks for the member any more: at once if it has left in order, otherwise after its session.
    pub(crate) fn gone(&mut self, member: u64, session_ends: Micros) {
        let owns = self.owners.values().any(|owner| owner.member == member);
        match self.members.get_mut(&member) {
            Some(state) if owns || !state.leaving => state.dead_at = Some(session_ends),
            _ => drop(self.members.remove(&member)),
        }
    }

    /// Who owns a partition.
    pub(crate) fn owner(&self, partition: u32) -> Option<Owner> {
        self.owners.get(&partition).copied()
    }

    /// Whether a live member owns a partition.
    pub(crate) fn is_tended(&self, partition: u32) -> bool {
        let owner = self.owners.get(&partition).and_then(|owner| self.members.get(&owner.member));
        owner.is_some_and(|member| member.dead_at.is_none())
    }

    /// Sees to it that each of `partitions` is, or is soon going to be, with the member that should read it.
    pub(crate) fn settle(&mut self, partitions: &BTreeSet<u32>, now: Micros) {
        self.members.retain(|_, member| member.dead_at.is_none_or(|dead_at| dead_at > now));
        self.owners
            .retain(|partition, owner| partitions.contains(partition) && self.members.contains_key(&owner.member));
        let wanted = self.wanted(partitions);
        for partition in partitions {
            let member = wanted.get(partition).copied();
            match self.owners.get_mut(partition) {
                // With nobody else there, whoever has it keeps it, unless it is going itself.
                Some(owner) => {
                    let goes = self.members.get(&owner.member).is_some_and(|member| member.leaving);
                    owner.leaving = member != Some(owner.member) && (member.is_some() || goes);
                }
                None => {
                    if let Some(member) = member {
                        self.last_epoch += 1;
                        let owner = Owner { member, epoch: self.last_epoch, leaving: false };
                        self.owners.insert(*partition, owner);
                    }
                }
            }
        }
    }

    /// Which member should read which partition: as many each, and as few moves as that allows.
    fn wanted(&self, partitions: &BTreeSet<u32>) -> BTreeMap<u32, u64> {
        let takes = |member: &Member| !member.leaving && member.dead_at.is_none();
        let mut loads: BTreeMap<u64, Vec<u32>> =
            self.members.iter().filter(|(_, member)| takes(member)).map(|(number, _)| (*number, Vec::new())).collect();
        if loads.is_empty() {
            return BTreeMap::new();
        }
        let mut free = Vec::new();
        for partition in partitions {
            match self.owners.get(partition) {
                Some(owner) => match loads.get_mut(&owner.member) {
                    Some(load) => load.push(*partition),
                    // Its session has not run out yet, or it is leaving: a member that goes may hand over now, one that
                    // is silent may not lose its partitions before its time.
                    None if self.members.get(&owner.member).is_some_and(|member| member.dead_at.is_some()) => {}
                    None => free.push(*partition),
                },
                None => free.push(*partition),
            }
        }
        let total = free.len() + loads.values().map(Vec::len).sum::<usize>();
        let (each, more) = (total / loads.len(), total % loads.len());
        let mut by_load: Vec<u64> = loads.keys().copied().collect();
        by_load.sort_by_key(|member| std::cmp::Reverse(loads[member].len()));
        let mut wanted = BTreeMap::new();
        let mut room = Vec::new();
        for (place, member) in by_load.iter().enumerate() {
            let quota = each + usize::from(place < more);
            let load = &loads[member];
            wanted.extend(load.iter().take(quota).map(|partition| (*partition, *member)));
            free.extend(load.iter().skip(quota));
            room.extend(std::iter::repeat_n(*member, quota.saturating_sub(load.len())));
        }
        free.sort_unstable();
        wanted.extend(free.into_iter().zip(room));
        wanted
    }

    /// Notes how far a member has come. A commit of someone who no longer owns the partition is not taken, and none goes
    /// back.
    pub(crate) fn commit(&mut self, partition: u32, member: u64, epoch: u64, next: i64) -> bool {
        let owns = self.owner(partition).is_some_and(|owner| (owner.member, owner.epoch) == (member, epoch));
        if owns {
            let committed = self.committed.entry(partition).or_insert(next);
            *committed = next.max(*committed);
        }
        owns
    }

    /// A member gives a partition back.
    pub(crate) fn release(&mut self, partition: u32, member: u64, epoch: u64) {
        if self.owner(partition).is_some_and(|owner| (owner.member, owner.epoch) == (member, epoch)) {
            self.owners.remove(&partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(group: &Group, member: u64) -> Vec<u32> {
        group.owners.iter().filter(|(_, owner)| owner.member == member).map(|(partition, _)| *partition).collect()
    }

    #[test]
    fn a_partition_moves_only_when_its_owner_lets_go() {
        let partitions: BTreeSet<u32> = (0..4).collect();
        let mut group = Group::default();
        let first = group.join();
        group.settle(&partitions, 0);
        assert_eq!(owned(&group, first), [0, 1, 2, 3]);
        let second = group.join();
        group.settle(&partitions, 0);
        assert_eq!(owned(&group, second), [0_u32; 0], "nothing is taken away from a member that reads");
        let leaving: Vec<u32> =
            partitions.iter().copied().filter(|partition| group.owner(*partition).unwrap().leaving).collect();
        assert_eq!(leaving, [2, 3]);
        let epoch = group.owner(2).unwrap().epoch;
        assert!(group.commit(2, first, epoch, 7));
        group.release(2, first, epoch);
        group.settle(&partitions, 0);
        assert_eq!(owned(&group, second), [2]);
        assert!(!group.commit(2, first, epoch, 9), "the former owner is fenced");
        assert_eq!(group.committed[&2], 7);
        group.settle(&partitions, 0);
        assert_eq!(owned(&group, first), [0, 1, 3], "what is settled stays");
    }

    #[test]
    fn a_dead_member_keeps_its_partitions_until_its_session_ends() {
        let partitions: BTreeSet<u32> = (0..3).collect();
        let mut group = Group::default();
        let (first, second) = (group.join(), group.join());
        group.settle(&partitions, 0);
        assert_eq!((owned(&group, first).len(), owned(&group, second).len()), (2, 1));
        group.gone(first, 100);
        group.settle(&partitions, 99);
        assert_eq!(owned(&group, second).len(), 1);
        assert!(!group.is_tended(owned(&group, first)[0]));
        group.settle(&partitions, 100);
        assert_eq!(owned(&group, second), [0, 1, 2]);
    }

    #[test]
    fn a_commit_does_not_go_back() {
        let mut group = Group::default();
        let member = group.join();
        group.settle(&BTreeSet::from([0]), 0);
        let epoch = group.owner(0).unwrap().epoch;
        assert!(group.commit(0, member, epoch, 10));
        assert!(group.commit(0, member, epoch, 4));
        assert_eq!(group.committed[&0], 10);
    }
}
