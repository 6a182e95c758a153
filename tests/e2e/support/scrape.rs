//! Reads the metrics of a running pipectl as Prometheus does: over HTTP, as text.
#![allow(clippy::float_cmp, reason = "counts are whole numbers, which floats hold exactly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{run::Run, wait};

/// An answer of a server.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A page of metrics.
pub(crate) struct Page {
    pub(crate) text: String,
    /// Values by name and labels, as `name{label="value"}` with the labels in order.
    values: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// The address that a run says it serves metrics on.
pub(crate) fn address(run: &mut Run) -> SocketAddr {
    wait::until("the address of the metrics", Duration::from_secs(20), || {
        assert!(run.ended().is_none(), "it ended: {}", run.stderr());
        let said = run.stderr();
        let address = said.lines().find_map(|line| line.strip_prefix("metrics: http://")?.strip_suffix("/metrics"));
        address.map(|address| address.parse().expect("an address"))
    })
}

/// Sends a request and reads the answer to its end; `None` if nobody listens.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

impl Page {
    /// Scrapes.
    pub(crate) fn get(address: SocketAddr) -> Self {
        let answer = request(address, "GET", "/metrics").expect("the metrics are served");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self::read(answer.body)
    }

    fn read(text: String) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let values = samples.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect();
        Self { text, values }
    }

    /// The value of a series, if it is there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.values.get(&(name.to_owned(), labels)).copied()
    }

    /// The value of a node's series; 0 if there is none.
    pub(crate) fn node(&self, name: &str, pipeline: &str, node: &str) -> f64 {
        self.value(name, &[("pipeline", pipeline), ("node", node)]).unwrap_or(0.0)
    }

    /// The sum of all series of a name that have this label value.
    pub(crate) fn sum(&self, name: &str, label: &str, value: &str) -> f64 {
        let of = |labels: &BTreeMap<String, String>| labels.get(label).is_some_and(|found| found == value);
        self.values.iter().filter(|((found, labels), _)| found == name && of(labels)).map(|(_, value)| value).sum()
    }

    /// The names of all nodes, with whether they have state.
    pub(crate) fn nodes(&self) -> Vec<(String, bool)> {
        let named = |name: &str| -> BTreeSet<String> {
            let found = self.values.keys().filter(|(found, _)| found == name);
            found.filter_map(|(_, labels)| labels.get("node").cloned()).collect()
        };
        let stateful = named("pipectl_node_state_bytes");
        named("pipectl_node_info").into_iter().map(|node| (node.clone(), stateful.contains(&node))).collect()
    }

    /// The types that the page declares, by name.
    pub(crate) fn types(&self) -> BTreeMap<String, String> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
    }

    /// The names of all labels of a metric; those of a histogram without its bounds.
    pub(crate) fn labels(&self, metric: &str) -> BTreeSet<String> {
        let of = |name: &str| {
            let rest = name.strip_prefix(metric);
            rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        };
        let found = self.values.keys().filter(|(name, _)| of(name));
        found.flat_map(|(_, labels)| labels.keys().cloned()).filter(|label| label != "le").collect()
    }

    /// Series of counters, of the sums and counts of histograms too, that are smaller than in a page before this one.
    pub(crate) fn fallen(&self, before: &Self) -> Vec<String> {
        let types = before.types();
        let grows = |name: &str| {
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let kind = types.get(name).or_else(|| types.get(histogram?));
            kind.is_some_and(|kind| kind == "counter" || kind == "histogram")
        };
        let counters = before.values.iter().filter(|((name, _), _)| grows(name));
        let fell = counters.filter(|(series, was)| self.values.get(*series).is_none_or(|is| is < *was));
        fell.map(|((name, labels), was)| format!("{name}{labels:?}: was {was}")).collect()
    }

    /// Holds that each node's records add up, and answers how many are in flight in all.
    pub(crate) fn assert_balanced(&self, pipeline: &str) -> f64 {
        let mut in_flight = 0.0;
        for (node, stateful) in self.nodes() {
            let at = |name: &str| self.node(&format!("pipectl_node_{name}"), pipeline, &node);
            let kept = if stateful {
                at("records_aggregated_total")
            } else {
                at("records_out_total") - at("records_refused_total")
            };
            let dead = self.sum("pipectl_node_dead_letters_total", "node", &node) - at("dead_results_total");
            let flying = at("records_in_flight");
            let gone = at("records_filtered_total") + dead + at("records_dropped_late_total") + flying;
            assert_eq!(at("records_in_total"), kept + gone, "{node}:\n{}", self.text);
            in_flight += flying;
        }
        in_flight
    }
}

/// The name of a series, its labels and its value.
type Sample = ((String, BTreeMap<String, String>), f64);

/// `name{label="value",…} 1.5`, with the escapes of the format.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            loop {
                match characters.next()? {
                    (at, '"') => {
                        rest = &after[at + 1..];
                        break;
                    }
                    (_, '\\') => match characters.next()?.1 {
                        'n' => value.push('\n'),
                        escaped => value.push(escaped),
                    },
                    (_, character) => value.push(character),
                }
            }
            labels.insert(label.to_owned(), value);
        }
        rest = &rest[1..];
    }
    Some(((name.to_owned(), labels), rest.trim().parse().ok()?))
}
