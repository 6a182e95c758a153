//! The memory broker passes the suite that every backend must pass, in virtual time and in real time.

mod common;

use std::sync::Arc;

use pipectl_conformance::{Level, conclude, prove, suite};
use pipectl_host::Host;

use self::common::MemoryHarness;

fn harness(host: Host) -> Arc<MemoryHarness> {
    Arc::new(MemoryHarness::new(host, "s3cr3t-of-the-memory-broker", Box::new(|connection, _| connection)))
}

#[test]
fn in_virtual_time() {
    let (report, host) = pipectl_host::simulate(async {
        let host = Host::simulated(7, 1_800_000_000_000_000);
        (suite(harness(host.clone())).await, host)
    })
    .unwrap();
    conclude(&report, &host);
    assert_eq!(report.ladder.level, Some(Level::Stable));
    assert!(report.ladder.unproven.is_empty(), "{}", report.ladder);
}

#[test]
fn in_real_time() {
    let report = prove(harness(Host::real()));
    assert_eq!(report.ladder.level, Some(Level::Stable));
}
