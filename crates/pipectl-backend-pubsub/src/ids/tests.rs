//! Redeliveries at every moment of a record's life.

use super::*;

const KEEP: Micros = 600_000_000;

fn ids() -> Ids<&'static str> {
    Ids::new(KEEP, 2 * KEEP, 1)
}

fn restarted(before: &Ids<&'static str>, now: Micros) -> Ids<&'static str> {
    let text = serde_json::to_string(&before.position(None)).unwrap();
    let mut after = ids();
    after.restore(&serde_json::from_str(&text).unwrap(), now).unwrap();
    after
}

#[test]
fn a_record_that_comes_again_is_never_handed_on_twice() {
    let (mut ids, id) = (ids(), Id::new("7"));
    assert_eq!(ids.look(&id, 5, "first"), (Seen::New, Some("first")));
    assert_eq!(ids.take(id.clone(), 5, 10, "first"), 0);
    assert_eq!(ids.look(&id, 5, "second"), (Seen::Waiting, None));
    assert!(ids.commit(0, 100).is_empty(), "not in that checkpoint");
    assert_eq!(ids.commit(1, 100), [(id.clone(), vec!["first", "second"], 10)]);
    assert_eq!(ids.look(&id, 5, "third").0, Seen::Done, "between checkpoint and acknowledgement");
    ids.confirm(id.clone(), 100);
    assert_eq!(ids.look(&id, 5, "fourth").0, Seen::Done);
    assert!(!ids.expire(100 + KEEP - 1));
    assert_eq!(ids.look(&id, 5, "fifth").0, Seen::Done);
    assert!(!ids.expire(100 + KEEP));
    assert_eq!(ids.look(&id, 5, "sixth").0, Seen::New, "after the stated time");
}

#[test]
fn only_what_came_before_the_barrier_is_acknowledged() {
    let mut ids = ids();
    for number in 1..=5_u64 {
        ids.take(Id::Number(number), 1, 1, "h");
    }
    let durable: Vec<Id> = ids.commit(3, 0).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(durable, [1, 2, 3].map(Id::Number));
    let rest: Vec<Id> = ids.commit(9, 0).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(rest, [4, 5].map(Id::Number));
}

#[test]
fn a_restart_knows_what_was_taken_and_what_was_acknowledged() {
    let mut before = ids();
    for number in 1..=3_u64 {
        before.take(Id::Number(number), 50, 1, "h");
    }
    before.commit(1, 60);
    before.confirm(Id::Number(1), 60);
    let mut after = restarted(&before, 10_000_000_000);
    assert_eq!(after.next(), 3);
    for number in 1..=3_u64 {
        assert_eq!(after.look(&Id::Number(number), 50, "again").0, Seen::Done, "{number}");
    }
    assert_eq!(after.look(&Id::Number(4), 50, "new").0, Seen::New);
    // Times begin anew with the restart, and what was not acknowledged stays longer.
    after.expire(10_000_000_000 + KEEP);
    assert_eq!(after.look(&Id::Number(1), 50, "again").0, Seen::New);
    assert_eq!(after.look(&Id::Number(2), 50, "again").0, Seen::Done);
    // Another restart keeps it too.
    assert_eq!(restarted(&after, 0).look(&Id::Number(3), 50, "again").0, Seen::Done);
}

#[test]
fn a_server_that_counts_from_one_again_loses_nothing() {
    let mut before = ids();
    before.take(Id::Number(1), 50, 1, "h");
    let mut after = restarted(&before, 60);
    assert_eq!(after.look(&Id::Number(1), 70, "another").0, Seen::New);
    after.take(Id::Number(1), 70, 1, "another");
    assert_eq!(after.look(&Id::Number(1), 70, "again").0, Seen::Waiting);
}

#[test]
fn a_doubtful_acknowledgement_is_kept_longer_than_a_confirmed_one() {
    let mut ids = ids();
    ids.take(Id::Number(1), 1, 1, "h");
    ids.take(Id::Number(2), 1, 1, "h");
    ids.commit(2, 0);
    ids.confirm(Id::Number(1), 0);
    ids.doubt(Id::Number(2), 0);
    assert_eq!(ids.look(&Id::Number(1), 1, "again").0, Seen::Done);
    ids.expire(KEEP);
    assert_eq!(ids.look(&Id::Number(1), 1, "again").0, Seen::New);
    assert_eq!(ids.look(&Id::Number(2), 1, "again").0, Seen::Done);
    ids.expire(2 * KEEP);
    assert_eq!(ids.len(), 0);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut ids = ids();
    ids.most_done = 10;
    for number in 0..25_u64 {
        ids.take(Id::Number(number), 1, 1, "h");
    }
    for (id, ..) in ids.commit(25, 0) {
        ids.confirm(id, 0);
    }
    assert!(ids.expire(1), "ids left early");
    assert_eq!(ids.len(), 10);
    assert_eq!(ids.look(&Id::Number(24), 1, "again").0, Seen::Done, "the newest stay");
}
