use std::collections::BTreeMap;

use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::Path;
use pipectl_ir::{
    Dag, ProcessorTraits,
    dag::{
        AtEnd, Edge, EdgeKind, EventTime, LatePolicy, Node, NodeId, NodeKind, ProcessorNode, ProcessorStep, Settings,
        SinkNode, SourceFormat, SourceNode, StreamNode,
    },
};
use serde_json::Value;

use super::{
    DrawFormat, draw,
    layout::{Layout, Placed, Ports, Size, Spacing, lay_out},
};

fn source(kind: &str) -> NodeKind {
    NodeKind::Source(SourceNode {
        kind: kind.to_owned(),
        options: Value::from("secret"),
        format: SourceFormat::Json,
        bounded: true,
        at_rest: true,
        time: None,
        idle_after: None,
    })
}

fn stream(partitions: u32, keys: &[&str]) -> NodeKind {
    NodeKind::Stream(StreamNode {
        backend: "memory".to_owned(),
        partitions,
        carrier: None,
        idle_after: 0,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        time: Some(EventTime::new("at", 5_000_000)),
    })
}

fn processor(kind: &str) -> NodeKind {
    let step = ProcessorStep::Other { kind: kind.to_owned(), options: Value::Null };
    NodeKind::Processor(ProcessorNode {
        step,
        traits: ProcessorTraits::default(),
        time: None,
        late: LatePolicy::default(),
        at_end: AtEnd::default(),
        fail_on_error: false,
    })
}

fn plain_sink(kind: &str) -> SinkNode {
    SinkNode {
        kind: kind.to_owned(),
        options: Value::Null,
        binding: None,
        needs: Vec::new(),
        takes_payload: true,
        per_partition: false,
        idempotent: true,
        shareable: false,
        place: "out/lab/".to_owned(),
    }
}

fn sink(kind: &str) -> NodeKind {
    NodeKind::Sink(plain_sink(kind))
}

fn dag(nodes: Vec<(&str, NodeKind)>, edges: Vec<(usize, usize, EdgeKind)>) -> Dag {
    let schema = Schema::new([Field::new("sensor_id", DataType::String), Field::required("t", DataType::Float64)]);
    let node = |(name, kind): (&str, NodeKind)| Node {
        name: name.to_owned(),
        path: Path::document(0).key("spec").key(name),
        kind,
        schema: schema.clone(),
    };
    let settings = Settings {
        pipeline: "lab <1>".to_owned(),
        environment: "default".to_owned(),
        checkpoint_every: 0,
        memory: 0,
        dead_letters: plain_sink("file"),
    };
    let edges = edges.into_iter().map(|(from, to, kind)| Edge { from: NodeId(from), to: NodeId(to), kind });
    Dag::new(settings, nodes.into_iter().map(node).collect(), edges.collect()).unwrap()
}

fn lab() -> Dag {
    let by = |field: &str| EdgeKind::ByKey(vec![field.to_owned()]);
    dag(
        vec![
            ("sensors", source("simulate")),
            ("sensor_data", stream(4, &["sensor_id"])),
            ("per_minute", processor("sql")),
            ("raw", sink("object_store")),
            ("end", sink("object_store")),
            ("board", sink("table")),
        ],
        vec![
            (0, 1, by("sensor_id")),
            (1, 2, by("room")),
            (1, 3, EdgeKind::Forward),
            (2, 4, EdgeKind::Forward),
            (2, 5, EdgeKind::Spread),
            (1, 5, EdgeKind::Forward),
        ],
    )
}

#[test]
fn text_draws_boxes_along_the_line() {
    insta::assert_snapshot!(draw(&lab(), DrawFormat::Text, false), @r#"
    lab <1> in environment default

    ┌─────────────────┐   ┌───────────────────────────┐     ┌───────────────────┐     ┌───────────────────┐
    │ sensors         ├──▶│ sensor_data               ├─┬──▶│ per_minute        ├─┬──▶│ end               │
    │ source simulate │   │ stream memory             │ │   │ processor sql     │ │   │ sink object_store │
    └─────────────────┘   │ 4 partitions by sensor_id │ │   │ by room           │ │   └───────────────────┘
                          └───────────────────────────┘ │   └───────────────────┘ │   ┌───────────────────┐
                                                        │   ┌───────────────────┐ └──▶│ board             │
                                                        ├──▶│ raw               │ ┌──▶│ sink table        │
                                                        │   │ sink object_store │ │   └───────────────────┘
                                                        │   └───────────────────┘ │
                                                        └─────────────────────────┘
    "#);
}

#[test]
fn text_turns_down_the_page_where_it_would_be_too_wide() {
    let nodes = vec![
        ("the_first_node_of_a_long_chain", source("file")),
        ("the_second_node_of_a_long_chain", stream(1, &[])),
        ("the_third_node_of_a_long_chain", processor("parse")),
        ("the_fourth_node_of_a_long_chain", processor("sql")),
        ("the_fifth_node_of_a_long_chain", sink("file")),
        ("another_end", sink("stdout")),
    ];
    let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (3, 5)].map(|(from, to)| (from, to, EdgeKind::Forward));
    insta::assert_snapshot!(draw(&dag(nodes, edges.into()), DrawFormat::Text, false), @r#"
    lab <1> in environment default

    ┌────────────────────────────────┐
    │ the_first_node_of_a_long_chain │
    │ source file                    │
    └────────────────┬───────────────┘
                     │
                     ▼
    ┌─────────────────────────────────┐
    │ the_second_node_of_a_long_chain │
    │ stream memory                   │
    └────────────────┬────────────────┘
                     │
                     ├──────────────────────────┐
                     ▼                          │
    ┌────────────────────────────────┐          │
    │ the_third_node_of_a_long_chain │          │
    │ processor parse                │          │
    └────────────────┬───────────────┘          │
                     │                          │
                     ▼                          │
    ┌─────────────────────────────────┐         │
    │ the_fourth_node_of_a_long_chain │         │
    │ processor sql                   │         │
    └────────────────┬────────────────┘         │
                     │                          │
                     ├────────────────────────┐ │
                     ▼                        ▼ ▼
    ┌────────────────────────────────┐  ┌─────────────┐
    │ the_fifth_node_of_a_long_chain │  │ another_end │
    │ sink file                      │  │ sink stdout │
    └────────────────────────────────┘  └─────────────┘
    "#);
}

#[test]
fn mermaid_and_dot_survive_odd_names() {
    insta::assert_snapshot!(draw(&lab(), DrawFormat::Mermaid, false), @r#"
    flowchart LR
      n0(["sensors<br/>source simulate"]):::source
      n1[("sensor_data<br/>stream memory<br/>4 partitions by sensor_id")]:::stream
      n2["per_minute<br/>processor sql<br/>by room"]:::processor
      n3[/"raw<br/>sink object_store"/]:::sink
      n4[/"end<br/>sink object_store"/]:::sink
      n5[/"board<br/>sink table"/]:::sink
      n0 -->|"by sensor_id"| n1
      n1 -->|"by room"| n2
      n1 --> n3
      n2 --> n4
      n2 --> n5
      n1 --> n5
      classDef source fill:#e6f4ea,stroke:#2f855a,color:#1a202c
      classDef stream fill:#e6f0fa,stroke:#2b6cb0,color:#1a202c
      classDef processor fill:#fdf3e1,stroke:#b7791f,color:#1a202c
      classDef sink fill:#f3e8fb,stroke:#805ad5,color:#1a202c
    "#);
    insta::assert_snapshot!(draw(&lab(), DrawFormat::Dot, false), @r##"
    digraph "lab <1>" {
      rankdir=LR;
      node [fontname="Helvetica", fontsize=11, shape=box, style="rounded,filled"];
      edge [fontname="Helvetica", fontsize=9, color="#4a5568"];
      "sensors" [label="sensors\nsource simulate", fillcolor="#e6f4ea", color="#2f855a"];
      "sensor_data" [label="sensor_data\nstream memory\n4 partitions by sensor_id", fillcolor="#e6f0fa", color="#2b6cb0"];
      "per_minute" [label="per_minute\nprocessor sql\nby room", fillcolor="#fdf3e1", color="#b7791f"];
      "raw" [label="raw\nsink object_store", fillcolor="#f3e8fb", color="#805ad5"];
      "end" [label="end\nsink object_store", fillcolor="#f3e8fb", color="#805ad5"];
      "board" [label="board\nsink table", fillcolor="#f3e8fb", color="#805ad5"];
      "sensors" -> "sensor_data" [label="by sensor_id"];
      "sensor_data" -> "per_minute" [label="by room"];
      "sensor_data" -> "raw";
      "per_minute" -> "end";
      "per_minute" -> "board";
      "sensor_data" -> "board";
    }
    "##);
}

#[test]
fn json_tells_columns_but_no_options() {
    let text = draw(&lab(), DrawFormat::Json, false);
    assert!(!text.contains("secret"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["nodes"][1]["partitions"], 4);
    assert_eq!(document["nodes"][1]["columns"][1]["type"], "float64");
    assert_eq!(document["nodes"][3]["output"], "out/lab/");
    assert_eq!(document["edges"][0]["kind"], "by_key");
    assert_eq!(document["edges"][0]["key"][0], "sensor_id");
    assert_eq!(document["edges"][4]["kind"], "spread");
}

#[test]
fn svg_is_closed_escaped_and_complete() {
    let text = draw(&lab(), DrawFormat::Svg, false);
    assert!(text.contains("lab &lt;1&gt;") && !text.contains("<1>"));
    assert_eq!(text.matches("class=\"card\"").count(), 6);
    assert_eq!(text.matches("class=\"wire\"").count(), 6);
    for element in ["svg", "g", "text", "title", "style", "defs", "marker"] {
        let opened = text.matches(&format!("<{element} ")).count() + text.matches(&format!("<{element}>")).count();
        assert_eq!(opened, text.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[test]
fn color_only_when_asked_for_and_closed_on_each_line() {
    assert!(!draw(&lab(), DrawFormat::Text, false).contains('\u{1b}'));
    let colored = draw(&lab(), DrawFormat::Text, true);
    let last = |line: &str| line.rsplit_once("\u{1b}[").is_none_or(|(_, last)| last.starts_with("0m"));
    assert!(colored.lines().all(last));
    let bare: String =
        ["32", "36", "33", "35", "0"].iter().fold(colored, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
    assert_eq!(bare, draw(&lab(), DrawFormat::Text, false));
}

#[test]
fn an_empty_graph_is_no_reason_to_fail() {
    let none = dag(Vec::new(), Vec::new());
    for format in [DrawFormat::Text, DrawFormat::Mermaid, DrawFormat::Dot, DrawFormat::Svg, DrawFormat::Json] {
        assert!(draw(&none, format, true).ends_with('\n'));
    }
}

const SPACINGS: [Spacing; 2] = [
    Spacing {
        boxes: 0,
        passing: 0,
        line: 1,
        entries: 1,
        corner: 1,
        lead: 1,
        tracks: 2,
        arrow: 2,
        ports: Ports::From(1),
    },
    Spacing {
        boxes: 2,
        passing: 2,
        line: 1,
        entries: 2,
        corner: 1,
        lead: 1,
        tracks: 1,
        arrow: 1,
        ports: Ports::Middle,
    },
];

/// What makes a drawing true: boxes are apart, no line runs through a box, and two nodes' lines only ever cross.
fn faults(layout: &Layout) -> Vec<String> {
    let mut faults = Vec::new();
    let inside = |placed: &Placed, along: i64, across: i64| {
        (placed.along..placed.along + placed.long).contains(&along)
            && (placed.across..placed.across + placed.broad).contains(&across)
    };
    for (number, one) in layout.boxes.iter().enumerate() {
        for other in &layout.boxes[number + 1..] {
            let apart = one.along + one.long <= other.along
                || other.along + other.long <= one.along
                || one.across + one.broad <= other.across
                || other.across + other.broad <= one.across;
            if !apart {
                faults.push(format!("boxes overlap: {one:?} {other:?}"));
            }
        }
    }
    let mut pieces = BTreeMap::new();
    for wire in &layout.wires {
        for pair in wire.points.windows(2) {
            let (mut at, end) = (pair[0], pair[1]);
            assert!(at.0 == end.0 || at.1 == end.1, "a slanted line");
            while at != end {
                let next = (at.0 + (end.0 - at.0).signum(), at.1 + (end.1 - at.1).signum());
                let piece = (at.min(next), at.max(next));
                if *pieces.entry(piece).or_insert(wire.from) != wire.from {
                    faults.push(format!("two lines share {piece:?}"));
                }
                if at.0 < next.0 && layout.boxes.iter().any(|placed| inside(placed, at.0, at.1)) {
                    faults.push(format!("a line runs through a box at {at:?}"));
                }
                at = next;
            }
        }
    }
    faults
}

#[test]
fn lines_of_two_nodes_are_never_mistaken_for_one() {
    let mut state = 7_u64;
    let mut random = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit.max(1)
    };
    for _ in 0..600 {
        let nodes = 2 + random(19);
        let mut edges = Vec::new();
        for _ in 0..random(2 * nodes) {
            let to = 1 + random(nodes - 1);
            let edge = (random(to), to);
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
        for spacing in &SPACINGS {
            let sizes: Vec<_> =
                (0..nodes).map(|_| Size { along: 4 + random(20) as i64, across: 4 + random(9) as i64 }).collect();
            let layout = lay_out(&sizes, &edges, spacing);
            assert_eq!(layout.wires.len(), edges.len());
            assert_eq!(faults(&layout), Vec::<String>::new(), "{edges:?}");
        }
    }
}
