//! How much is tested: everything, or what every change must pass.

use std::thread;

use crate::{Azurite, Dynamo, EventHubs, Fault, Kafka, Kind, Kinesis, PubSub, peer::LaunchSite};

/// The variable that, with the value `full`, has everything tested.
pub const TESTS: &str = "PIPECTL_TESTS";

/// Whether everything is tested.
pub fn is_full() -> bool {
    std::env::var(TESTS).is_ok_and(|value| value == "full")
}

/// Leaves a test out unless everything is tested, and says so.
#[macro_export]
macro_rules! full_only {
    () => {
        if !$crate::is_full() {
            let why = format!("skipped: only tested with {}=full", $crate::TESTS);
            println!("{why}");
            eprintln!("{why}");
            return;
        }
    };
}

/// Installs all servers side by side and starts none; answers what became of each.
pub fn install_all() -> Vec<(&'static str, Result<(), String>)> {
    thread::scope(|scope| {
        let installs = [
            scope.spawn(install::<Kafka>),
            scope.spawn(install::<Kinesis>),
            scope.spawn(install::<Dynamo>),
            scope.spawn(install::<PubSub>),
            scope.spawn(install::<EventHubs>),
            scope.spawn(install::<Azurite>),
        ];
        installs.into_iter().filter_map(|install| install.join().ok()).collect()
    })
}

fn install<K: Kind>() -> (&'static str, Result<(), String>) {
    let prepared = tempfile::tempdir().map_err(|error| error.to_string()).and_then(|folder| {
        let mut place = LaunchSite::new(folder.path().to_path_buf());
        K::prepare(&mut place).map(drop).map_err(|fault: Fault| fault.to_string())
    });
    (K::NAME, prepared)
}
