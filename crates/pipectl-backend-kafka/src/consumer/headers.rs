//! Headers of records in spite of names that are no text: Kafka takes any bytes for a name, the client library panics at
//! those that are not UTF-8, and one such record must not end a pipeline that reads what others write.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use rdkafka::message::{BorrowedHeaders, Header, Headers as _};

/// What stands for a name that is not UTF-8. The library shows neither its bytes nor the value that goes with it.
const UNREADABLE: &str = "\u{fffd}";

thread_local! {
    /// Whether a panic on this thread is one that is caught below.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics that are caught here from being printed for every such record; all others go on as before.
pub(super) fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                usual(panic);
            }
        }));
    });
}

/// Hands each header of a record to `take`; answers whether all of them could be read.
pub(super) fn each(headers: &BorrowedHeaders, mut take: impl FnMut(&str, Option<&[u8]>)) -> bool {
    let mut all = true;
    for index in 0..headers.count() {
        CAUGHT.set(true);
        // Nothing of ours is half done when it panics: it only looks.
        let found = catch_unwind(AssertUnwindSafe(|| headers.try_get(index)));
        CAUGHT.set(false);
        match found {
            Ok(Some(Header { key, value })) => take(key, value),
            Ok(None) => {}
            Err(_panic) => {
                all = false;
                take(UNREADABLE, None);
            }
        }
    }
    all
}
