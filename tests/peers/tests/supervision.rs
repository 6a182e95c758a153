//! A server goes away with the test that needed it, however that test ends.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use pipectl_peers::{Dynamo, need};

use crate::servers::eventually;

/// Set for the test program when it is run once more, to be killed.
const VICTIM: &str = "PIPECTL_PEERS_VICTIM";

fn is_gone(id: u32) -> bool {
    !Command::new("sh").args(["-c", "kill -0 \"$1\" 2>/dev/null", "sh", &id.to_string()]).status().unwrap().success()
}

/// Runs in the second process only: starts a server, says where it is, and waits for its end.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let dynamo = need!(Dynamo::shared());
    println!("\nvictim {} {}", dynamo.id().unwrap(), dynamo.folder().display());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_server_ends_when_its_test_is_killed() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervision::victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let reported = lines.map_while(Result::ok).find(|line| line.starts_with("victim ") || line.starts_with("skipped"));
    let reported = reported.expect("the second process says where its server is");
    if reported.starts_with("skipped") {
        test.wait().unwrap();
        return println!("{reported}");
    }
    let mut words = reported.splitn(3, ' ').skip(1);
    let id: u32 = words.next().unwrap().parse().unwrap();
    let folder = Path::new(words.next().unwrap()).to_owned();
    assert!(!is_gone(id) && folder.is_dir());
    // SIGKILL: nothing of the process itself can clean up.
    test.kill().unwrap();
    test.wait().unwrap();
    eventually("the server is gone", || is_gone(id));
    eventually("its folder is gone", || !folder.exists());
}

#[test]
fn a_dropped_peer_is_gone_with_its_folder() {
    let dynamo = need!(Dynamo::start());
    let (id, folder) = (dynamo.id().unwrap(), dynamo.folder().to_owned());
    drop(dynamo);
    assert!(is_gone(id) && !folder.exists());
    let dynamo = need!(Dynamo::start());
    let folder = dynamo.folder().to_owned();
    dynamo.stop();
    assert!(folder.is_dir(), "a stopped server can be resumed");
    drop(dynamo);
    assert!(!folder.exists());
}
