//! Real input: nginx serves requests, the example follows its access log through a rotation, and awk counts the same
//! log files on its own.

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    Lab, example,
    output::{appender, assert_same_rows, files, rows},
    run::Run,
    sqlite,
    tools::{self, need},
    traffic::{Nginx, ab},
    wait,
};

/// Lines that no web server writes, and one that is a log line without a request.
const BY_HAND: &[&[u8]] = &[
    b"this is no log line\n",
    b"\n",
    b"127.0.0.1 - - [21/Nov/2026:05:00:00 +0000] \"GET /cut\n",
    b"127.0.0.1 - - [99/Nov/2026:05:00:00 +0000] \"GET /ok HTTP/1.1\" 200 4 \"-\" \"-\"\n",
    b"127.0.0.1 - - [21/Nov/2026:05:00:00 +0000] \"GET /ok HTTP/1.1\" abc 4 \"-\" \"-\"\n",
    b"\xff\xfe\x00 bytes that are no text\n",
    b"{\"json\": \"in the wrong place\"}\n",
];

/// What `awk` makes of a log: one line for each of its lines, `bad`, `fine` or the fields of a failed request.
const AWK: &str = r#"
function two(text) { return sprintf("%02d", text) }
BEGIN { split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " "); for (i in names) month[names[i]] = two(i) }
!/^[^ ]+ [^ ]+ [^ ]+ \[[0-3][0-9]\/[A-Z][a-z][a-z]\/[0-9][0-9][0-9][0-9]:[0-9][0-9]:[0-9][0-9]:[0-9][0-9] \+0000\] ".*" [0-9][0-9][0-9] [0-9]+ "[^"]*" "[^"]*"$/ { print "bad"; next }
{
    split($0, quoted, "\""); request = quoted[2]; agent = quoted[6]
    split(quoted[3], numbers, " "); status = numbers[1]; bytes = numbers[2]
    if (status < 400) { print "fine"; next }
    split(substr($4, 2), at, /[\/:]/)
    time = at[3] "-" month[at[2]] "-" at[1] "T" at[4] ":" at[5] ":" at[6] "Z"
    method = "null"; path = "null"
    if (request ~ /^[A-Z]+ [^ ]/) {
        space = index(request, " "); method = substr(request, 1, space - 1); path = substr(request, space + 1)
        sub(/ HTTP\/[^ ]*$/, "", path)
    }
    if (agent == "-" || agent == "") agent = "null"
    print "failed|" $1 "|" time "|" method "|" path "|" status "|" bytes "|" agent
}
"#;

#[test]
fn every_line_of_a_real_web_server_is_accounted_for() {
    let nginx = need!(tools::system("nginx", "nginx"));
    let load = need!(tools::system("ab", "apache2-utils"));
    let awk = need!(tools::system("awk", "mawk"));
    let lab = Lab::new();
    lab.write("server-logs.yaml", example("server-logs"));
    let nginx = Nginx::start(&lab, &nginx);
    let run = lab.start(
        &["apply", "server-logs.yaml", "--format", "json"],
        &[("LOG_FILES", "logs/access.log*"), ("UNTIL_IDLE", "5s")],
    );
    serve(&lab, &load, &nginx);
    let ran = run.finish().code(0);
    nginx.stop();

    let lines = fs::read(lab.path("logs/access.log.1")).expect("the rotated log");
    assert!(!lines.is_empty(), "the rotation came before the first line");
    let judged = judge(&lab, &awk);
    let of = |what: &str| judged.iter().filter(|line| line.starts_with(what)).count() as u64;
    let total = ["access.log", "access.log.1"].map(|name| newlines(&lab.path("logs").join(name))).iter().sum::<u64>();
    let (bad, fine, failed) = (of("bad"), of("fine"), of("failed"));
    println!("awk: {total} lines: {failed} failed, {fine} fine, {bad} bad");
    assert_eq!(bad + fine + failed, total);
    // ab's requests and those by hand, at least: the heartbeat's number is known only to the log.
    assert!(failed >= 1_200 + 300 + 200 && fine >= 2_000 + 300 && bad >= BY_HAND.len() as u64, "{judged:?}");

    let report = ran.json();
    let count = |node: &str, what: &str| count(&report, node, what);
    assert_eq!(count("access_log", "in"), total);
    // One line is no text at all, which shows before anybody parses it.
    assert_eq!(count("access_log", "dead_lettered"), 1);
    assert_eq!(count("requests", "dead_lettered"), bad - 1);
    assert_eq!(count("failures", "filtered"), fine);
    assert_eq!(count("failures", "out"), failed);
    assert_eq!(count("failure_files", "out"), failed);
    assert_eq!(count("failures_per_minute", "late"), 0);
    assert_eq!(count("failure_files", "out") + count("failures", "filtered") + count("dead-letters", "out"), total);
    assert_files(&lab, &judged);
    assert_dead_letters(&lab, bad);
    assert_table(&lab, &judged);
}

/// Requests before, during and after a rotation, none of them far from the next: what ends the run is that they end.
fn serve(lab: &Lab, load: &Path, nginx: &Nginx) {
    let serving = AtomicBool::new(true);
    thread::scope(|scope| {
        // So that a slow machine does not take a pause between two parts for the end.
        scope.spawn(|| {
            while serving.load(Ordering::Relaxed) {
                nginx.send(b"GET /ok/heartbeat HTTP/1.0\r\n\r\n");
                wait::pass(Duration::from_millis(100));
            }
        });
        ab(lab, load, nginx, "127.0.0.1", 1_000, "/ok");
        ab(lab, load, nginx, "127.0.0.2", 600, "/missing/page?of=1&more=a%20b");
        let busy = scope.spawn(|| ab(lab, load, nginx, "127.0.0.3", 1_000, "/ok/while/rotating"));
        let failing = scope.spawn(|| ab(lab, load, nginx, "127.0.0.4", 600, "/gone/while/rotating"));
        nginx.rotate();
        busy.join().expect("requests");
        failing.join().expect("requests");
        ab(lab, load, nginx, "127.0.0.1", 300, "/private/door");
        ab(lab, load, nginx, "127.0.0.5", 300, "/old");
        ab(lab, load, nginx, "127.0.0.1", 200, "/broken");
        odd_requests(nginx);
        let mut log = appender(&lab.path("logs/access.log"));
        for line in BY_HAND {
            log.write_all(line).expect("a log");
        }
        serving.store(false, Ordering::Relaxed);
    });
}

/// What scanners and broken clients send.
fn odd_requests(nginx: &Nginx) {
    nginx.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    nginx.send(b"GET /no-version\r\n\r\n");
    nginx.send(b"GET / HTTP/9.9\r\n\r\n");
    nginx.send(b"complete nonsense\r\n\r\n");
    nginx.send(b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n");
    nginx.send(b"GET /two words HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    nginx.send(b"GET /missing HTTP/1.1\r\nHost: x\r\nUser-Agent: \r\nConnection: close\r\n\r\n");
    nginx
        .send(b"GET /missing HTTP/1.1\r\nHost: x\r\nUser-Agent: spaces and / slashes (x)\r\nConnection: close\r\n\r\n");
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "long/".repeat(4_000));
    nginx.send(long.as_bytes());
}

fn judge(lab: &Lab, awk: &Path) -> Vec<String> {
    let mut command = lab.command(awk);
    command.env("LC_ALL", "C").arg(AWK).args(["logs/access.log.1", "logs/access.log"]);
    let ran = Run::start(command).finish().code(0);
    ran.stdout.lines().map(str::to_owned).collect()
}

fn newlines(path: &Path) -> u64 {
    fs::read(path).expect("a log").split(|byte| *byte == b'\n').count() as u64 - 1
}

fn count(report: &serde_json::Value, node: &str, what: &str) -> u64 {
    let nodes = report["nodes"].as_array().expect("nodes");
    let node = nodes.iter().find(|found| found["name"] == node).unwrap_or_else(|| panic!("no node {node}"));
    node["counts"][what].as_u64().unwrap_or_else(|| panic!("no count {what}: {node}"))
}

/// The delivered rows are the requests that awk says failed.
fn assert_files(lab: &Lab, judged: &[String]) {
    let mut expected: Vec<String> = judged.iter().filter(|line| line.starts_with("failed")).cloned().collect();
    expected.sort_unstable();
    let delivered = files(&lab.path("out/server-logs/failures"));
    let mut found: Vec<String> = delivered
        .iter()
        .flat_map(|(name, bytes)| rows(name, bytes).expect(name))
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
            let text = |name: &str| match &row[name] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let fields = ["client", "time", "method", "path", "status", "bytes", "user_agent"];
            format!("failed|{}", fields.map(text).join("|"))
        })
        .collect();
    found.sort_unstable();
    assert_same_rows("delivered failures", &found, &expected);
}

/// Every dead letter says why and holds the line as it was.
fn assert_dead_letters(lab: &Lab, bad: u64) {
    let text = fs::read_to_string(lab.path("out/server-logs/dead-letters.jsonl")).expect("dead letters");
    let letters: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len() as u64, bad);
    for letter in &letters {
        let reason = if letter["payload"].is_string() { ("requests", "parse") } else { ("access_log", "decode") };
        assert_eq!((&letter["node"], &letter["reason"]), (&reason.0.into(), &reason.1.into()), "{letter}");
        assert!(letter["position"].is_i64() && letter["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    for line in BY_HAND {
        let line = &line[..line.len() - 1];
        let kept = |letter: &&serde_json::Value| match std::str::from_utf8(line) {
            Ok(text) => letter["payload"] == text,
            Err(_) => letter["payload_base64"] == "//4AIGJ5dGVzIHRoYXQgYXJlIG5vIHRleHQ=",
        };
        assert_eq!(letters.iter().filter(kept).count(), 1, "{}", String::from_utf8_lossy(line));
    }
}

/// The table's rows are the counts that awk's lines give per status and minute.
fn assert_table(lab: &Lab, judged: &[String]) {
    let mut minutes = std::collections::BTreeMap::<(String, String), (u64, std::collections::BTreeSet<&str>)>::new();
    for line in judged.iter().filter(|line| line.starts_with("failed")) {
        let fields: Vec<&str> = line.split('|').collect();
        let minute = format!("{}:00Z", &fields[2][..16]);
        // From the end: a path may hold anything.
        let status = fields[fields.len() - 3].to_owned();
        let entry = minutes.entry((status, minute)).or_default();
        entry.0 += 1;
        entry.1.insert(fields[1]);
    }
    let mut expected: Vec<String> = minutes
        .iter()
        .map(|((status, minute), (failures, clients))| format!("{status}|{minute}|{failures}|{}", clients.len()))
        .collect();
    expected.sort_unstable();
    let database = lab.path("out/server-logs/tables.sqlite");
    let found = sqlite::query(&database, "SELECT status, window_start, failures, clients FROM failure_counts");
    assert_same_rows("failures per minute", &found, &expected);
}
