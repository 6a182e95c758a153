//! A real Prometheus on a free port of this machine, with a folder of its own.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use super::{
    lab::{Lab, repository},
    run::Run,
    scrape::request,
    wait,
};

/// A server that scrapes one address.
pub(crate) struct Prometheus {
    process: Run,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it with the configuration that docs/monitoring.md gives, twice a second instead of every 15.
    pub(crate) fn start(lab: &Lab, program: &Path, target: SocketAddr) -> Self {
        let page = monitoring();
        let configuration = block(&page, "yaml").replace("127.0.0.1:9464", &target.to_string());
        assert!(
            configuration.contains("scrape_interval: 15s") && configuration.contains(&target.to_string()),
            "{page}"
        );
        let configuration = configuration.replace("scrape_interval: 15s", "scrape_interval: 500ms");
        let configuration = lab.write("prometheus.yml", configuration);
        // A port that is free now may be taken a moment later, by another test: then the next one.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let address = free.expect("a free port");
            let mut command = lab.command(program);
            command.arg(format!("--config.file={}", configuration.display()));
            command.arg(format!("--storage.tsdb.path={}", lab.path("prometheus").display()));
            command.arg(format!("--web.listen-address={address}"));
            let mut process = Run::start(command);
            let up = wait::until("Prometheus to be ready or to give up", Duration::from_mins(1), || {
                let up = request(address, "GET", "/-/ready").is_some_and(|answer| answer.status == 200);
                (up || process.ended().is_some()).then_some(up)
            });
            if up && process.ended().is_none() {
                return Self { process, address };
            }
            println!("{}", process.stderr());
        }
        panic!("Prometheus does not start");
    }

    /// The value of an instant query that has one result; `None` if it has none.
    pub(crate) fn query(&self, query: &str) -> Option<f64> {
        let results = self.results(query);
        assert!(results.len() <= 1, "{query} has several results: {results:?}");
        results.first()?["value"][1].as_str()?.parse().ok()
    }

    /// All results of an instant query.
    pub(crate) fn results(&self, query: &str) -> Vec<serde_json::Value> {
        let encoded = query.bytes().fold(String::new(), |mut encoded, byte| {
            write!(encoded, "%{byte:02X}").expect("a text takes all");
            encoded
        });
        let answer = request(self.address, "GET", &format!("/api/v1/query?query={encoded}")).expect("an answer");
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        // The server may send its answer in chunks; the document is what is between the outer braces.
        let document = answer.body.find('{').zip(answer.body.rfind('}')).map(|(from, to)| &answer.body[from..=to]);
        let answer: serde_json::Value = serde_json::from_str(document.expect("a document")).expect("JSON");
        answer["data"]["result"].as_array().expect("results").clone()
    }

    /// Ends it by its process id.
    pub(crate) fn stop(self) {
        self.process.signal("TERM");
        self.process.finish_within(Duration::from_secs(30)).code(0);
    }
}

/// Holds that `promtool check metrics` has nothing to say about a page.
pub(crate) fn check(lab: &Lab, promtool: &Path, page: &str) {
    let page = lab.write("page.txt", page);
    let mut command = lab.command(promtool);
    command.args(["check", "metrics"]).stdin(fs::File::open(page).expect("the page"));
    let ran = Run::start(command).finish().code(0);
    assert_eq!(ran.stderr.trim(), "", "promtool complains");
}

/// The alerts that docs/monitoring.md recommends: what each is about, and its expression.
pub(crate) fn alerts() -> Vec<(String, String)> {
    let page = monitoring();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix("` |"));
    let alerts: Vec<_> = rows.filter_map(|row| row.split_once(" | `")).collect();
    assert_eq!(alerts.len(), 5, "{page}");
    alerts.into_iter().map(|(name, expression)| (name.to_owned(), expression.to_owned())).collect()
}

fn monitoring() -> String {
    fs::read_to_string(repository().join("docs/monitoring.md")).expect("the page")
}

/// The first code block of a language.
fn block(page: &str, language: &str) -> String {
    let start = format!("```{language}\n");
    let rest = page.split_once(&start).expect("a code block").1;
    rest.split_once("```").expect("its end").0.to_owned()
}
