//! Where shards begin that have no row in the lease table. Rows are written one by one, by workers that may fall in
//! between, so each row reports where and with which shards the group began. A shard without a row was there by then and
//! begins where the group did, whoever adds it and when; or it came later, and all that it holds is the group's.

use std::{collections::BTreeMap, sync::Arc};

use pipectl_contract::{ConnectorError, StartAt};
use pipectl_host::Micros;

use super::group::first_marks;
use crate::{
    leases::Row,
    position::{At, Beginning, Mark},
    shards::Shard,
};

impl Beginning {
    /// A group that begins now.
    pub(super) fn new(shards: &BTreeMap<u32, Arc<Shard>>, start: &StartAt, now: Micros) -> Self {
        let at = match start {
            StartAt::Earliest => Some(At::Start),
            StartAt::Latest => Some(At::Time(now)),
            StartAt::Time(time) => Some(At::Time(*time)),
            StartAt::Positions(_) => None,
        };
        Self { at, newest: shards.last_key_value().map_or(0, |(newest, _)| *newest) }
    }

    /// What the rows say; of rows that do not say it, that shards come in the order of their numbers.
    pub(super) fn of(rows: &BTreeMap<u32, Row>) -> Option<Self> {
        let newest = *rows.last_key_value()?.0;
        let reported = rows.values().find_map(|row| row.beginning.clone());
        Some(reported.unwrap_or(Self { at: None, newest }))
    }

    /// Where these shards begin, of which there are no rows though there are some of others.
    pub(super) fn marks(
        &self,
        shards: &BTreeMap<u32, Arc<Shard>>,
        start: &StartAt,
        now: Micros,
        node: &str,
    ) -> Result<BTreeMap<u32, Mark>, ConnectorError> {
        let mut marks = first_marks(shards, start, now, node)?;
        for (shard, mark) in &mut marks {
            if *shard > self.newest {
                mark.at = At::Start;
            } else if let Some(at) = &self.at {
                // One that was closed by then has nothing after that moment, so that the same is true of it.
                mark.at = at.clone();
            }
        }
        Ok(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Range;

    fn shards(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Arc<Shard>> {
        let range = Range { from: 0, to: u128::MAX };
        let shard = |number| Shard {
            number,
            id: format!("shardId-{number:012}"),
            parents: vec![],
            open: true,
            range,
            starts: "1".into(),
        };
        numbers.into_iter().map(|number| (number, Arc::new(shard(number)))).collect()
    }

    fn row(shard: u32, beginning: Option<Beginning>) -> (u32, Row) {
        let id = format!("shardId-{shard:012}");
        (shard, Row { shard, id, owner: None, fence: 0, beat: 0, at: At::End, count: 0, claim: None, beginning })
    }

    fn ats(beginning: &Beginning, numbers: impl IntoIterator<Item = u32>, start: &StartAt) -> Vec<At> {
        beginning.marks(&shards(numbers), start, 900, "s").unwrap().into_values().map(|mark| mark.at).collect()
    }

    #[test]
    fn the_first_row_tells_where_all_shards_of_that_time_begin() {
        let began = Beginning::new(&shards(2..6), &StartAt::Latest, 100);
        let rows = BTreeMap::from([row(2, Some(began.clone()))]);
        let known = Beginning::of(&rows).unwrap();
        assert_eq!(known, began);
        assert_eq!(ats(&known, 3..6, &StartAt::Latest), vec![At::Time(100); 3]);
        // What the Environment says later is for groups that begin later.
        assert_eq!(ats(&known, 3..6, &StartAt::Earliest), vec![At::Time(100); 3]);
        assert_eq!(ats(&known, 6..8, &StartAt::Latest), [At::Start, At::Start], "they came after the group");
        assert_eq!(Beginning::of(&BTreeMap::new()), None);
    }

    #[test]
    fn rows_that_do_not_tell_it_are_read_by_their_numbers() {
        let rows = BTreeMap::from([row(0, None), row(3, None)]);
        let known = Beginning::of(&rows).unwrap();
        assert_eq!(ats(&known, [1, 2, 4], &StartAt::Latest), [At::Time(900), At::Time(900), At::Start]);
    }

    #[test]
    fn positions_are_asked_for_again() {
        let start = StartAt::Positions(BTreeMap::from([(1, "55:2".to_owned())]));
        let began = Beginning::new(&shards(0..2), &start, 100);
        let on = At::On { sequence: "55".into(), sub: 2 };
        assert_eq!(ats(&began, 1..3, &start), [on, At::Start]);
    }
}
