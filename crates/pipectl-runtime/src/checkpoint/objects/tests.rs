//! Owners that come, go, die and are only slow.

use std::{sync::Arc, time::Duration};

use pipectl_host::Host;

use super::{Claim, LEASE, Objects, Seen, Sought};
use crate::checkpoint::{Checkpoint, StateOf};

fn checkpoint(id: u64) -> Checkpoint {
    Checkpoint { id, of: StateOf::Digest("f".to_owned()), time: 0, finished: false, drained: false, tasks: Vec::new() }
}

fn in_simulation(test: impl AsyncFnOnce(Objects, Host)) {
    pipectl_host::simulate(async {
        test(Objects::in_memory(), Host::simulated(1, 0)).await;
    })
    .unwrap();
}

async fn ask(objects: &Objects, host: &Host, seen: &mut Seen) -> Result<Arc<Claim>, String> {
    match objects.ask("shop@prod", host, seen).await.unwrap() {
        Sought::Ours(claim) => Ok(claim),
        Sought::Held(owner) => Err(owner),
    }
}

#[test]
fn a_silent_owner_is_followed_and_can_do_no_harm_any_more() {
    in_simulation(async |objects, host| {
        let former = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        former.region("raw").write(checkpoint(1)).await.unwrap();
        let mut seen = Seen::default();
        let owner = ask(&objects, &host, &mut seen).await.unwrap_err();
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
        host.sleep(LEASE.saturating_sub(Duration::from_secs(1))).await;
        ask(&objects, &host, &mut seen).await.unwrap_err();
        host.sleep(Duration::from_secs(1)).await;
        let latter = ask(&objects, &host, &mut seen).await.unwrap();
        // It was only slow, and goes on as if nothing had been.
        let refused = former.region("raw").write(checkpoint(2)).await.unwrap_err();
        assert!(refused.message.contains("has taken over this pipeline"), "{refused}");
        assert!(former.region("raw").note_committed(1).await.is_err());
        assert!(former.release().await.is_err());
        assert_eq!(latter.region("raw").latest().await.unwrap(), Some(checkpoint(1)));
        let mut other = checkpoint(2);
        other.time = 7;
        latter.region("raw").write(other.clone()).await.unwrap();
        assert_eq!(latter.region("raw").latest().await.unwrap(), Some(other));
        assert_eq!(latter.region("raw").before_latest().await.unwrap(), Some(checkpoint(1)));
    });
}

#[test]
fn an_owner_that_renews_keeps_its_right_and_one_that_releases_is_followed_at_once() {
    in_simulation(async |objects, host| {
        let owner = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        let renewing = owner.keep();
        let mut seen = Seen::default();
        for _ in 0..20 {
            ask(&objects, &host, &mut seen).await.unwrap_err();
            host.sleep(LEASE / 3).await;
        }
        owner.release().await.unwrap();
        renewing.abort();
        let next = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        assert!(ask(&objects, &host, &mut Seen::default()).await.is_err());
        drop((owner, next));
    });
}

#[test]
fn of_two_that_ask_at_once_one_gets_it() {
    in_simulation(async |objects, host| {
        let (mut first, mut second) = (Seen::default(), Seen::default());
        let (one, other) = futures::join!(objects.ask("a", &host, &mut first), objects.ask("a", &host, &mut second));
        let ours = [one.unwrap(), other.unwrap()].iter().filter(|sought| matches!(sought, Sought::Ours(_))).count();
        assert_eq!(ours, 1);
    });
}

#[test]
fn two_checkpoints_stay_and_one_that_does_not_count_is_replaced() {
    in_simulation(async |objects, host| {
        let owner = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        let (raw, other) = (owner.region("raw"), owner.region("other"));
        assert_eq!(raw.latest().await.unwrap(), None);
        for id in 1..=4 {
            raw.write(checkpoint(id)).await.unwrap();
        }
        other.write(checkpoint(9)).await.unwrap();
        raw.note_committed(3).await.unwrap();
        assert!(raw.is_committed(3).await.unwrap() && !raw.is_committed(4).await.unwrap());
        assert!(!other.is_committed(3).await.unwrap());
        let objects_of = async || {
            use futures::TryStreamExt as _;
            let found: Vec<_> = objects.store.list(None).try_collect().await.unwrap();
            let mut names: Vec<String> = found.into_iter().map(|object| object.location.to_string()).collect();
            names.sort();
            names
        };
        let name = |region: &str, id: u64, epoch: u64| format!("shop@prod/{region}/checkpoint-{id:012}-{epoch:06}");
        let head = "shop@prod/head.json".to_owned();
        assert_eq!(objects_of().await, [head.clone(), name("other", 9, 1), name("raw", 3, 1), name("raw", 4, 1)]);
        owner.release().await.unwrap();
        // The fourth does not count: the next owner goes on from the third and writes its own fourth.
        let next = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        let raw = next.region("raw");
        assert_eq!(raw.latest().await.unwrap(), Some(checkpoint(4)));
        raw.write(Checkpoint { time: 5, ..checkpoint(4) }).await.unwrap();
        assert_eq!(raw.latest().await.unwrap().unwrap().time, 5);
        assert_eq!(raw.before_latest().await.unwrap(), Some(checkpoint(3)));
        assert_eq!(objects_of().await, [head.clone(), name("other", 9, 1), name("raw", 3, 1), name("raw", 4, 2)]);
        next.clear().await.unwrap();
        assert_eq!(objects_of().await, [head]);
        assert_eq!(next.region("raw").latest().await.unwrap(), None);
    });
}

#[test]
fn a_change_whose_answer_was_lost_is_not_taken_for_another_owner() {
    in_simulation(async |objects, host| {
        let owner = ask(&objects, &host, &mut Seen::default()).await.unwrap();
        let before = owner.held.lock().await.clone();
        owner.region("raw").note_committed(7).await.unwrap();
        // The client never learnt of it and sends the same again.
        *owner.held.lock().await = before;
        owner.region("raw").note_committed(7).await.unwrap();
        assert!(owner.region("raw").is_committed(7).await.unwrap());
        owner.region("raw").write(checkpoint(1)).await.unwrap();
    });
}

#[test]
fn addresses_that_are_no_object_store_are_refused() {
    for address in ["ftp://host/path", "http://host/path", "nonsense", "file:///tmp"] {
        let refused = Objects::open(address).unwrap_err();
        assert!(refused.message.contains(address), "{refused}");
        assert!(refused.help[0].contains("s3://BUCKET/PATH"), "{refused}");
    }
}

#[test]
fn a_probe_finds_a_store_good_and_leaves_nothing_in_it() {
    use futures::TryStreamExt as _;
    use object_store::ObjectStore as _;

    in_simulation(async |objects, host| {
        objects.probe(&host).await.unwrap();
        let left: Vec<_> = objects.store.list(None).try_collect().await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    });
}
