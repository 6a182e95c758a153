//! What `--metrics` exposes: the numbers of the run, under the names of the reference, as long as the run lasts.
#![allow(clippy::float_cmp, reason = "counts are whole numbers, which floats hold exactly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    time::Duration,
};

use pipectl_telemetry::{Kind, METRICS};

use crate::support::{
    Lab,
    output::appender,
    prometheus::{self, Prometheus},
    run::Run,
    scrape::{self, Page, request},
    tools::{self, need},
    wait,
};

const SOON: Duration = Duration::from_secs(30);

/// Follows a file; lines that are not JSON, late records and records that a condition leaves out are all there.
const FOLLOWING: &str = r#"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: "shop-2" }
spec:
  checkpoint: { every: 100ms }
  sources:
    file_of_orders: { tail: { path: [orders.jsonl], from: start, format: json }, to: orders }
  streams:
    orders:
      schema: { shop: string, amount: int64, at: timestamp }
      key: shop
      time: { field: at, lateness: 1s }
      partitions: 2
  processors:
    large:
      sql: SELECT shop, amount, at, 100 / (amount - 50) AS share FROM orders WHERE amount >= 10
    per_second:
      sql: SELECT shop, window_start, count(*) AS n FROM large GROUP BY shop, tumble(INTERVAL '1 second')
    per_second_kept:
      sql: SELECT shop, window_start, sum(amount) AS total FROM orders GROUP BY shop, tumble(INTERVAL '1 second')
      late: drop
  sinks:
    large_file: { from: large, file: { path: large.jsonl } }
    per_second_file: { from: per_second, file: { path: per_second.jsonl } }
    kept_file: { from: per_second_kept, file: { path: kept.jsonl } }
"#;

/// Lines of orders: one in ten is no JSON, one in ten cannot be divided, one in five is small.
fn orders(from: u32, count: u32) -> String {
    let line = |number: u32| match number % 10 {
        0 => format!("not JSON {number}\n"),
        last => {
            let amount = match last {
                1 => 50,
                2 | 3 => 5,
                _ => 20 + last,
            };
            let (minute, second) = (number / 60 % 60, number % 60);
            format!(r#"{{"shop":"s{}","amount":{amount},"at":"2026-01-01T10:{minute:02}:{second:02}Z"}}"#, number % 3)
                + "\n"
        }
    };
    (from..from + count).map(line).collect()
}

/// A record of long ago.
const LATE: &str = "{\"shop\":\"s1\",\"amount\":30,\"at\":\"2020-01-01T00:00:00Z\"}\n";

fn start(lab: &Lab, more: &[&str]) -> Run {
    lab.write("spec.yaml", FOLLOWING);
    let arguments = [&["apply", "spec.yaml", "--format", "json", "--metrics", "127.0.0.1:0"], more].concat();
    lab.start(&arguments, &[])
}

/// Waits until a node has taken this many records and nothing is in flight.
fn drained(address: std::net::SocketAddr, node: &str, records: u32) -> Page {
    wait::until("all records to be processed", SOON, || {
        let page = Page::get(address);
        let taken = page.node("pipectl_node_records_in_total", "shop-2", node);
        (taken == f64::from(records) && page.assert_balanced("shop-2") == 0.0).then_some(page)
    })
}

#[test]
fn a_run_exposes_what_is_declared_and_its_records_add_up() {
    let lab = Lab::new();
    lab.write("orders.jsonl", orders(0, 600));
    let mut run = start(&lab, &[]);
    let address = scrape::address(&mut run);
    let mut before = drained(address, "file_of_orders", 600);
    // Checkpoints go on while nothing is read.
    wait::until("a checkpoint", SOON, || {
        let page = Page::get(address);
        assert_eq!(page.fallen(&before), Vec::<String>::new());
        (page.sum("pipectl_checkpoint_duration_seconds_count", "pipeline", "shop-2") > 2.0).then_some(())
    });
    std::io::Write::write_all(&mut appender(&lab.path("orders.jsonl")), orders(600, 2_000).as_bytes()).expect("lines");
    std::io::Write::write_all(&mut appender(&lab.path("orders.jsonl")), LATE.as_bytes()).expect("a line");
    let mut pages = 0;
    let page = wait::until("the rest to be processed", SOON, || {
        let page = Page::get(address);
        assert_eq!(page.fallen(&before), Vec::<String>::new());
        pages += 1;
        let all = page.node("pipectl_node_records_in_total", "shop-2", "file_of_orders") == 2_601.0
            && page.node("pipectl_node_records_dropped_late_total", "shop-2", "per_second_kept") == 1.0
            && page.sum("pipectl_node_dead_letters_total", "reason", "late") == 1.0
            && page.assert_balanced("shop-2") == 0.0;
        before = page;
        all.then(|| Page::get(address))
    });
    println!("{pages} pages until all was processed");
    let at = |name: &str, node: &str| page.node(name, "shop-2", node);
    assert_eq!(at("pipectl_node_records_filtered_total", "large"), 520.0);
    assert_eq!(at("pipectl_node_records_in_total", "dead-letters"), 260.0 + 260.0 + 1.0);
    assert_eq!(at("pipectl_node_records_out_total", "large_file"), 2_601.0 - 260.0 - 260.0 - 520.0);
    assert_eq!(at("pipectl_node_bytes_in_total", "file_of_orders"), payload_bytes(&lab));
    let newest = at("pipectl_node_watermark_seconds", "orders");
    assert_eq!(newest, 1_767_261_600.0 + 2_599.0 - 1.0, "the newest event time less the lateness");
    assert!(at("pipectl_node_state_bytes", "per_second_kept") > 0.0);

    assert_declared(&page);
    run.signal("TERM");
    let report = run.finish().code(0).json();
    assert_same_numbers(&page, &report);
    assert!(request(address, "GET", "/metrics").is_none(), "the server ends with the run");
}

/// Bytes of the lines without their ends.
fn payload_bytes(lab: &Lab) -> f64 {
    let text = fs::read_to_string(lab.path("orders.jsonl")).expect("orders");
    text.lines().map(str::len).sum::<usize>() as f64
}

/// Everything is there that can be without a backend, with its kind and labels, and nothing else.
fn assert_declared(page: &Page) {
    let declared = METRICS.iter().filter(|metric| !metric.labels().contains(&"partition"));
    let declared: BTreeMap<String, String> = declared
        .map(|metric| {
            let kind = match metric.kind() {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            (metric.name.to_owned(), kind.to_owned())
        })
        .collect();
    assert_eq!(page.types(), declared);
    for metric in METRICS.iter().filter(|metric| declared.contains_key(metric.name)) {
        let labels: BTreeSet<String> = metric.labels().iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(page.labels(metric.name), labels, "{}", metric.name);
        let help = format!("# HELP {} {}\n", metric.name, metric.help);
        assert!(page.text.contains(&help), "{help}");
    }
}

/// The report has the numbers that were scraped when nothing was in flight any more.
fn assert_same_numbers(page: &Page, report: &serde_json::Value) {
    for node in report["nodes"].as_array().expect("nodes") {
        let name = node["name"].as_str().expect("a name");
        for (metric, number) in [
            ("pipectl_node_records_in_total", &node["counts"]["in"]),
            ("pipectl_node_records_out_total", &node["counts"]["out"]),
            ("pipectl_node_records_filtered_total", &node["counts"]["filtered"]),
            ("pipectl_node_bytes_out_total", &node["metrics"]["bytes_out"]),
        ] {
            let reported = number.as_f64().unwrap_or(0.0);
            assert_eq!(page.node(metric, "shop-2", name), reported, "{metric} of {name}: {report}");
        }
    }
    let checkpoints = &report["regions"][0]["checkpoints"];
    let shown = page.sum("pipectl_checkpoint_duration_seconds_count", "pipeline", "shop-2");
    let buckets = checkpoints["durations"]["buckets"].as_array().expect("buckets");
    assert!(buckets.iter().filter_map(serde_json::Value::as_f64).sum::<f64>() >= shown && shown > 0.0, "{report}");
}

#[test]
fn a_later_run_counts_from_zero() {
    let lab = Lab::new();
    lab.write("orders.jsonl", orders(0, 100));
    let mut run = start(&lab, &[]);
    drained(scrape::address(&mut run), "file_of_orders", 100);
    run.signal("TERM");
    run.finish().code(0);
    std::io::Write::write_all(&mut appender(&lab.path("orders.jsonl")), orders(100, 50).as_bytes()).expect("lines");
    let mut run = start(&lab, &[]);
    let page = drained(scrape::address(&mut run), "file_of_orders", 50);
    assert_eq!(page.sum("pipectl_node_dead_letters_total", "reason", "decode"), 5.0, "{}", page.text);
    run.signal("TERM");
    let report = run.finish().code(0).json();
    assert_eq!(report["nodes"][0]["counts"]["in"], 150, "the report goes on from the checkpoint");
}

#[test]
fn only_two_paths_answer() {
    let lab = Lab::new();
    lab.write("orders.jsonl", "");
    let mut run = start(&lab, &[]);
    let address = scrape::address(&mut run);
    let ask = |method: &str, path: &str| request(address, method, path).expect("an answer");
    // They answer before the pipeline has started, too.
    wait::until("the pipeline to start", SOON, || (!Page::get(address).nodes().is_empty()).then_some(()));
    let page = ask("GET", "/metrics");
    assert!(page.head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"), "{}", page.head);
    let health = ask("GET", "/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    for path in ["/", "/metrics/", "/../spec.yaml", "/orders.jsonl", "/debug", "//metrics"] {
        let answer = ask("GET", path);
        assert_eq!((answer.status, answer.body.contains("shop")), (404, false), "{path}: {}", answer.body);
    }
    assert_eq!(ask("POST", "/metrics").status, 405);
    run.signal("TERM");
    run.finish().code(0);
}

#[test]
fn an_address_that_cannot_be_used_stops_the_run_before_it_starts() {
    let lab = Lab::new();
    lab.write("spec.yaml", FOLLOWING);
    lab.write("orders.jsonl", orders(0, 10));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let run = lab.run(&["apply", "spec.yaml", "--metrics", &address]).code(4);
    assert!(
        run.stderr.contains(&format!("cannot serve metrics on {address}: the address is in use")),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("port 0"), "it says what to do: {}", run.stderr);
    // An address for documentation, which no machine has (RFC 5737).
    let run = lab.run(&["apply", "spec.yaml", "--metrics", "192.0.2.1:9464"]).code(1);
    assert!(run.stderr.contains("192.0.2.1:9464") && run.stderr.contains("127.0.0.1"), "{}", run.stderr);
    for wrong in ["9464", "localhost:9464", "127.0.0.1"] {
        let run = lab.run(&["apply", "spec.yaml", "--metrics", wrong]).code(1);
        assert!(run.stderr.contains("127.0.0.1:9464"), "{}", run.stderr);
    }
    assert!(!lab.path(".pipectl").exists() && !lab.path("large.jsonl").exists());
}

#[test]
fn a_standby_shows_that_it_waits_and_then_that_it_runs() {
    let lab = Lab::new();
    lab.write("orders.jsonl", orders(0, 100));
    let mut owner = start(&lab, &[]);
    drained(scrape::address(&mut owner), "file_of_orders", 100);
    let mut standby = start(&lab, &["--standby"]);
    let address = scrape::address(&mut standby);
    let shown = |page: &Page, name: &str| page.value(name, &[("pipeline", "shop-2")]);
    wait::until("the standby to wait", SOON, || {
        let page = Page::get(address);
        (shown(&page, "pipectl_pipeline_standby") == Some(1.0)).then(|| {
            assert_eq!(shown(&page, "pipectl_pipeline_running_regions"), Some(0.0), "{}", page.text);
        })
    });
    let (_, hit) = owner.kill();
    assert!(hit);
    wait::until("the standby to run", SOON, || {
        let page = Page::get(address);
        let (waits, regions) =
            (shown(&page, "pipectl_pipeline_standby"), shown(&page, "pipectl_pipeline_running_regions"));
        (waits == Some(0.0) && regions == Some(1.0)).then_some(())
    });
    standby.signal("TERM");
    standby.finish().code(0);
}

#[test]
fn prometheus_reads_a_running_pipeline() {
    let program = need!(tools::system("prometheus", "prometheus"));
    let promtool = need!(tools::system("promtool", "prometheus"));
    let lab = Lab::new();
    lab.write("orders.jsonl", orders(0, 600));
    let mut run = start(&lab, &[]);
    let address = scrape::address(&mut run);
    let page = drained(address, "file_of_orders", 600);
    prometheus::check(&lab, &promtool, &page.text);
    let prometheus = Prometheus::start(&lab, &program, address);
    let is = |query: &str, expected: f64| {
        wait::until(query, SOON, || (prometheus.query(query) == Some(expected)).then_some(()));
    };
    is(r#"up{job="pipectl"}"#, 1.0);
    is(r#"pipectl_node_records_in_total{node="file_of_orders"}"#, 600.0);
    is("sum by (pipeline) (pipectl_node_dead_letters_total)", 120.0);
    is(r#"sum(pipectl_node_records_in_flight{pipeline="shop-2"})"#, 0.0);
    std::io::Write::write_all(&mut appender(&lab.path("orders.jsonl")), orders(600, 300).as_bytes()).expect("lines");
    is(r#"pipectl_node_records_in_total{node="file_of_orders"}"#, 900.0);
    is("histogram_quantile(0.5, sum by (le) (pipectl_checkpoint_duration_seconds_bucket)) > bool 0", 1.0);
    // What is documented is what a real Prometheus evaluates. A fifth of the records are dead letters, so one alert fires.
    // Whether event time is old depends on how long the input has been quiet.
    for ((alert, expression), fires) in
        prometheus::alerts().into_iter().zip([Some(false), None, Some(true), Some(false), Some(false)])
    {
        wait::until(&expression, SOON, || {
            let results = prometheus.results(&expression).len();
            fires.is_none_or(|fires| fires == (results > 0)).then_some(())
        });
        println!("{alert}: evaluated");
    }
    run.signal("TERM");
    run.finish().code(0);
    is(r#"up{job="pipectl"}"#, 0.0);
    prometheus.stop();
}
