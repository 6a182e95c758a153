//! The queue by a clock of the test's own: how long a record may wait, and what retries do to it.

use arrow_array::{BinaryViewArray, Int64Array};
use pipectl_data::PayloadFormat;

use super::*;
use crate::hash;

const BOUND: Micros = 100_000;

fn item(key: &str, queued: Micros) -> Item {
    let numbers = Int64Array::from(vec![0]);
    let payload = BinaryViewArray::from_iter_values(["{}"]);
    let batch = Arc::new(Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json));
    Item { batch, row: 0, key: key.into(), hash: hash::of(key), has_key: true, size: key.len() + 2, queued }
}

fn queue() -> Queue {
    Queue::new(BOUND)
}

/// The keys that go out at this moment.
fn goes(queue: &mut Queue, now: Micros) -> Vec<(String, Part)> {
    let entries = queue.take(now, None).unwrap_or_default();
    entries.into_iter().flat_map(|entry| entry.parts.into_iter().map(move |part| (entry.key.clone(), part))).collect()
}

fn keys(sent: &[(String, Part)]) -> Vec<&str> {
    sent.iter().map(|(key, _)| key.as_str()).collect()
}

/// No part of an entry is dropped unseen.
fn only(mut sent: Vec<(String, Part)>) -> Part {
    assert_eq!(sent.len(), 1);
    sent.remove(0).1
}

#[test]
fn a_lone_record_waits_for_its_bound_and_no_longer() {
    let mut queue = queue();
    assert_eq!(queue.due(7, ENOUGH), None);
    queue.push(item("a", 7), true);
    assert_eq!(queue.due(7, ENOUGH), Some(7 + BOUND));
    assert!(goes(&mut queue, 7 + BOUND - 1).is_empty());
    assert_eq!(keys(&goes(&mut queue, 7 + BOUND)), ["a"]);
    assert_eq!(queue.due(7 + BOUND, ENOUGH), None);
}

#[test]
fn what_is_ready_goes_along_with_what_is_due() {
    let mut queue = queue();
    queue.push(item("a", 0), true);
    queue.push(item("b", BOUND - 1), true);
    assert_eq!(keys(&goes(&mut queue, BOUND)), ["a", "b"]);
}

#[test]
fn a_queue_that_comes_back_behind_a_younger_one_is_not_late() {
    let mut queue = queue();
    queue.push(item("a", 0), true);
    queue.push(item("a", 10_000), true);
    let first = only(goes(&mut queue, BOUND));
    // The second record of `a` waits for the first; meanwhile one of `b` comes.
    queue.push(item("b", BOUND + 1_000), true);
    queue.confirm(&first);
    assert_eq!(queue.due(BOUND + 5_000, ENOUGH), Some(10_000 + BOUND), "its own time counts, not that of `b`");
    assert!(goes(&mut queue, 10_000 + BOUND - 1).is_empty());
    assert_eq!(keys(&goes(&mut queue, 10_000 + BOUND)), ["a", "b"]);
}

#[test]
fn a_queue_that_comes_back_late_goes_at_once() {
    let mut queue = queue();
    queue.push(item("a", 0), true);
    queue.push(item("a", 1_000), true);
    let first = only(goes(&mut queue, BOUND));
    queue.push(item("b", BOUND + 1_000), true);
    queue.confirm(&first);
    assert!(queue.due(3 * BOUND, ENOUGH).is_some_and(|due| due <= 3 * BOUND));
    assert_eq!(keys(&goes(&mut queue, 3 * BOUND)), ["a", "b"]);
}

#[test]
fn a_flush_and_a_full_request_wait_for_nothing() {
    let mut queue = queue();
    queue.push(item("a", 0), true);
    queue.flush();
    assert_eq!(keys(&goes(&mut queue, 1)), ["a"]);

    let mut queue = Queue::new(BOUND);
    for key in 0..limits::REQUEST_RECORDS {
        assert_eq!(goes(&mut queue, 0).len(), 0);
        queue.push(item(&format!("k{key}"), 0), true);
    }
    assert_eq!(goes(&mut queue, 0).len(), limits::REQUEST_RECORDS);
}

#[test]
fn what_is_sent_again_goes_after_its_pause_and_before_the_rest_of_its_key() {
    let mut queue = queue();
    for queued in [0, 1] {
        queue.push(item("a", queued), true);
    }
    let first = only(goes(&mut queue, BOUND));
    queue.retry(first, BOUND, |failures| Duration::from_micros(500 + failures as u64));
    assert_eq!(queue.due(BOUND, ENOUGH), Some(BOUND + 500));
    assert!(goes(&mut queue, BOUND + 499).is_empty());
    let again = only(goes(&mut queue, BOUND + 500));
    assert_eq!(again.items[0].queued, 0);
    queue.confirm(&again);
    let last = only(goes(&mut queue, BOUND + 600));
    assert_eq!(last.items[0].queued, 1);
    queue.confirm(&last);
    assert_eq!(queue.unconfirmed_bytes(), 0);
}
