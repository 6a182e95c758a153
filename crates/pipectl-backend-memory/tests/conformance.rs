//! The memory broker passes the suite that every backend must pass, in virtual time and in real time.

mod common;

use std::sync::Arc;

use pipectl_conformance::{Level, conclude, prove};
use pipectl_host::Host;

#[test]
fn in_virtual_time() {
    let (report, host) = common::report(|connection| connection);
    conclude(&report, &host);
    assert_eq!(report.ladder.level, Some(Level::Stable));
    assert!(report.ladder.unproven.is_empty(), "{}", report.ladder);
}

#[test]
fn in_real_time() {
    let report = prove(Arc::new(common::MemoryHarness::new(Host::real(), |connection| connection)));
    assert_eq!(report.ladder.level, Some(Level::Stable));
}
