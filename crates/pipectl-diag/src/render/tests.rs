use super::*;
use crate::{Code, FileId, NodePlaces, Part, Path, Place, Span, codes};

const SPEC: &str = "\
sources:
  sensors:
    simulate: { model: sensors }
    to: sensor_data
streams:
  sensor_data:
    partitons: 4
sinks:
  raw:
    from: sensor_dta
";

fn code() -> Code {
    codes::graph::UNKNOWN_NODE
}

fn span(file: FileId, text: &str, part: &str) -> Span {
    let start = text.find(part).unwrap();
    Span { file, start, end: start + part.len() }
}

fn sample() -> (Diagnostics, SourceMap) {
    let mut map = SourceMap::default();
    let file = map.add_file("pipelines/lab.yaml", SPEC);
    let env_text = "spec:\n  streams: { sensor_data: {} }\n";
    let env = map.add_file("env, local.yaml", env_text);
    let place = |part| Place::Span(span(file, SPEC, part));
    let mut found = Diagnostics::new();
    found.push(Diagnostic::error(code(), "pipeline `lab` has no sink").help("add one").note("100% of it"));
    found.push(
        Diagnostic::error(code(), "no stream is named `sensor_dta`")
            .at_span(span(file, SPEC, "sensor_dta"), "not found")
            .related(Place::Span(span(file, SPEC, "sensor_data:")), "this one is near")
            .related(Place::Span(span(env, env_text, "sensor_data")), "bound here")
            .note("names are case-sensitive")
            .help("a stream with a similar name exists")
            .help("`pipectl graph` shows all of them")
            .fix(place("sensor_dta"), "sensor_data"),
    );
    found.push(
        Diagnostic::warning(codes::options::INVALID_OPTION, "unknown key `partitons`")
            .at_span(span(file, SPEC, "partitons"), ""),
    );
    (found, map)
}

fn shown(format: Format) -> String {
    let (found, map) = sample();
    render(&found, &map, format, RenderOptions { color: false, width: 100 })
}

#[test]
fn text_shows_places_relations_and_the_fix() {
    insta::assert_snapshot!(shown(Format::Text), @r#"
    warning[PC0601]: unknown key `partitons`
     --> pipelines/lab.yaml:7:5
      |
    7 |     partitons: 4
      |     ^^^^^^^^^

    error[PC0302]: no stream is named `sensor_dta`
      --> pipelines/lab.yaml:10:11
       |
     6 |   sensor_data:
       |   ------------ this one is near
    ...
    10 |     from: sensor_dta
       |           ^^^^^^^^^^ not found
       |
      ::: env, local.yaml:2:14
       |
     2 |   streams: { sensor_data: {} }
       |              ----------- bound here
       |
       = note: names are case-sensitive
       = help: `pipectl graph` shows all of them
    help: a stream with a similar name exists
       |
    10 |     from: sensor_data
       |                   +

    error[PC0302]: pipeline `lab` has no sink
     |
     = note: 100% of it
     = help: add one

    2 errors, 1 warning
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn json_has_stable_fields() {
    insta::assert_snapshot!(shown(Format::Json), @r#"
    {
      "version": 1,
      "errors": 2,
      "warnings": 1,
      "diagnostics": [
        {
          "code": "PC0601",
          "name": "invalid-option",
          "severity": "warning",
          "title": "unknown key `partitons`",
          "file": "pipelines/lab.yaml",
          "line": 7,
          "column": 5,
          "end_line": 7,
          "end_column": 14,
          "labels": [
            {
              "file": "pipelines/lab.yaml",
              "line": 7,
              "column": 5,
              "end_line": 7,
              "end_column": 14,
              "path": null,
              "text": "",
              "primary": true
            }
          ],
          "help": [],
          "notes": [],
          "fix": null
        },
        {
          "code": "PC0302",
          "name": "unknown-node",
          "severity": "error",
          "title": "no stream is named `sensor_dta`",
          "file": "pipelines/lab.yaml",
          "line": 10,
          "column": 11,
          "end_line": 10,
          "end_column": 21,
          "labels": [
            {
              "file": "pipelines/lab.yaml",
              "line": 10,
              "column": 11,
              "end_line": 10,
              "end_column": 21,
              "path": null,
              "text": "not found",
              "primary": true
            },
            {
              "file": "pipelines/lab.yaml",
              "line": 6,
              "column": 3,
              "end_line": 6,
              "end_column": 15,
              "path": null,
              "text": "this one is near",
              "primary": false
            },
            {
              "file": "env, local.yaml",
              "line": 2,
              "column": 14,
              "end_line": 2,
              "end_column": 25,
              "path": null,
              "text": "bound here",
              "primary": false
            }
          ],
          "help": [
            "a stream with a similar name exists",
            "`pipectl graph` shows all of them"
          ],
          "notes": [
            "names are case-sensitive"
          ],
          "fix": {
            "file": "pipelines/lab.yaml",
            "line": 10,
            "column": 11,
            "end_line": 10,
            "end_column": 21,
            "replacement": "sensor_data"
          }
        },
        {
          "code": "PC0302",
          "name": "unknown-node",
          "severity": "error",
          "title": "pipeline `lab` has no sink",
          "file": null,
          "line": null,
          "column": null,
          "end_line": null,
          "end_column": null,
          "labels": [],
          "help": [
            "add one"
          ],
          "notes": [
            "100% of it"
          ],
          "fix": null
        }
      ]
    }
    "#);
}

#[test]
fn github_escapes_properties_and_text() {
    insta::assert_snapshot!(shown(Format::Github), @r#"
    ::warning file=pipelines/lab.yaml,line=7,col=5,endColumn=14,title=PC0601 invalid-option::unknown key `partitons`
    ::error file=pipelines/lab.yaml,line=10,col=11,endColumn=21,title=PC0302 unknown-node::no stream is named `sensor_dta`%0Anot found%0Apipelines/lab.yaml:6:3: this one is near%0Aenv, local.yaml:2:14: bound here%0Anote: names are case-sensitive%0Ahelp: a stream with a similar name exists%0Ahelp: `pipectl graph` shows all of them
    ::error title=PC0302 unknown-node::pipeline `lab` has no sink%0Anote: 100%25 of it%0Ahelp: add one
    "#);
}

#[test]
fn color_only_when_asked_for() {
    let (found, map) = sample();
    assert!(!shown(Format::Text).contains('\u{1b}'));
    let colored = render(&found, &map, Format::Text, RenderOptions { color: true, width: 100 });
    assert!(colored.contains("\u{1b}["));
}

#[test]
fn nothing_found_says_nothing_in_text_and_an_empty_list_elsewhere() {
    let (none, map) = (Diagnostics::new(), SourceMap::default());
    let shown = |format| render(&none, &map, format, RenderOptions::default());
    assert_eq!(shown(Format::Text), "");
    assert_eq!(shown(Format::Github), "");
    let json: serde_json::Value = serde_json::from_str(&shown(Format::Json)).unwrap();
    assert_eq!(json["diagnostics"], serde_json::json!([]));
    let sarif: serde_json::Value = serde_json::from_str(&shown(Format::Sarif)).unwrap();
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
}

/// The properties that the schema of SARIF 2.1.0 requires, and the rules of its text that tools trip over.
#[test]
fn sarif_has_what_the_standard_requires() {
    let document: serde_json::Value = serde_json::from_str(&shown(Format::Sarif)).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "pipectl");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string()));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let location = |location: &serde_json::Value| {
        let physical = &location["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains([' ', ',', '<']), "{uri} is no URI");
        for field in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(physical["region"][field].as_u64().unwrap() >= 1);
        }
    };
    for result in results {
        assert!(result["message"]["text"].is_string());
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        for list in ["locations", "relatedLocations"] {
            result[list].as_array().into_iter().flatten().for_each(location);
        }
    }
    let fix = &results[1]["fixes"][0]["artifactChanges"][0];
    assert_eq!(fix["artifactLocation"]["uri"], "pipelines/lab.yaml");
    assert_eq!(fix["replacements"][0]["insertedContent"]["text"], "sensor_data");
    assert_eq!(fix["replacements"][0]["deletedRegion"]["startLine"], 10);
}

#[test]
fn a_node_without_a_place_is_reported_by_its_path() {
    let path = Path::document(0).key("spec").key("sinks");
    let found = Diagnostic::error(code(), "nothing goes out").at(&path, "empty").into();
    insta::assert_snapshot!(render(&found, &SourceMap::default(), Format::Text, RenderOptions::default()), @r#"
    error[PC0302]: nothing goes out
     |
     = note: at `spec.sinks`: empty

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn a_token_of_a_query_is_marked_inside_its_block_scalar() {
    let text = "processors:\n  hot:\n    sql: |\n      SELECT temprature\n      FROM sensor_data\n";
    let mut map = SourceMap::default();
    let file = map.add_file("q.yaml", text);
    let path = Path::document(0).key("processors").key("hot").key("sql");
    let first = text.find("SELECT").unwrap();
    let second = text.find("FROM").unwrap();
    let places = NodePlaces { key: None, value: first..text.len(), inside: vec![(0, first), (18, second)] };
    map.place_node(path.clone(), file, places);
    let found: Diagnostics = Diagnostic::error(code(), "no column is named `temprature`")
        .at_inside(&path, 7..17, "unknown")
        .related(Place::Node(path, Part::Inside(23..34)), "this stream has `temperature`")
        .into();
    insta::assert_snapshot!(render(&found, &map, Format::Text, RenderOptions::default()), @r#"
    error[PC0302]: no column is named `temprature`
     --> q.yaml:4:14
      |
    4 |       SELECT temprature
      |              ^^^^^^^^^^ unknown
    5 |       FROM sensor_data
      |            ----------- this stream has `temperature`

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let query = "SELECT a, ".repeat(1000);
    let text = format!("sql: {query}wrong{query}\n");
    let mut map = SourceMap::default();
    let file = map.add_file("long.yaml", text.as_str());
    let found: Diagnostics = Diagnostic::error(code(), "what is this")
        .at_span(span(file, &text, "wrong"), "here")
        .fix(Place::Span(span(file, &text, "wrong")), "right")
        .into();
    let shown = render(&found, &map, Format::Text, RenderOptions { color: false, width: 80 });
    assert!(shown.lines().all(|line| line.chars().count() <= 90), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    error[PC0302]: what is this
     --> long.yaml:1:10006
      |
    1 | ...SELECT a, SELECT a, SELECT a, wrongSELECT a, SELECT a, SELECT a, SELEC...
      |                                  ^^^^^ here
      |
      = help: at 1:10006 write `right`

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn a_huge_line_is_reported_rather_than_drawn() {
    let text = format!("{}wrong{}", "é".repeat(50_000), "x".repeat(50_000));
    let mut map = SourceMap::default();
    let file = map.add_file("huge.json", text.as_str());
    let found = Diagnostic::error(code(), "what is this").at_span(span(file, &text, "wrong"), "odd").into();
    insta::assert_snapshot!(render(&found, &map, Format::Text, RenderOptions::default()), @r#"
    error[PC0302]: what is this
    --> huge.json:1:50001
     = note: odd: here `éééééééééééééééééééééééééééééé` ⟶ `wrongxxxxxxxxxxxxxxxxxxxxxxxxx`

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn the_end_of_a_file_is_shown_behind_its_last_word() {
    let mut map = SourceMap::default();
    let file = map.add_file("cut.yaml", "a:\r\n  b: [1,\r\n\r\n");
    let found = Diagnostic::error(code(), "the list is not closed")
        .at_span(Span { file, start: 99, end: 200 }, "ends here")
        .into();
    insta::assert_snapshot!(render(&found, &map, Format::Text, RenderOptions::default()), @r#"
    error[PC0302]: the list is not closed
     --> cut.yaml:2:9
      |
    2 |   b: [1,
      |         ^ ends here

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn an_empty_file_has_a_first_line() {
    let mut map = SourceMap::default();
    let file = map.add_file("empty.yaml", "");
    let found = Diagnostic::error(code(), "the file is empty").at_span(Span { file, start: 0, end: 0 }, "").into();
    insta::assert_snapshot!(render(&found, &map, Format::Text, RenderOptions::default()), @r#"
    error[PC0302]: the file is empty
     --> empty.yaml:1:1
      |
    1 |
      | ^

    1 error
    for details, run `pipectl explain PC0302`
    "#);
}

#[test]
fn no_span_and_no_text_makes_any_form_fail() {
    let pieces = [
        "a",
        "é",
        "日本",
        "👩‍👩‍👧",
        "\t",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\u{0}",
        "\u{202e}",
        "key: value",
        "\u{1b}[31m",
        "e\u{301}",
    ];
    let mut state = 1_u64;
    let mut random = move |limit: usize| {
        // A linear congruential generator (Knuth, MMIX) is enough to pick spans.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit.max(1)
    };
    for _ in 0..4000 {
        let mut map = SourceMap::default();
        for name in ["one.yaml", "zwei\n.yaml"] {
            let text: String = (0..random(40)).map(|_| pieces[random(pieces.len())]).collect();
            map.add_file(name, text);
        }
        let mut found = Diagnostics::new();
        for _ in 0..3 {
            let mut place = || {
                let start = random(90);
                Place::Span(Span {
                    file: FileId(random(3)),
                    start,
                    end: (start + random(30)).saturating_sub(random(3)),
                })
            };
            let mut diagnostic = Diagnostic::error(code(), "title\nof two");
            for primary in [true, false, false] {
                diagnostic = diagnostic.label(place(), if primary { "" } else { "a\tlabel" }, primary);
            }
            let place = place();
            found.push(diagnostic.help("one\ntwo").fix(place, pieces[random(pieces.len())].repeat(random(3))));
        }
        for format in [Format::Text, Format::Json, Format::Sarif, Format::Github] {
            let shown = render(&found, &map, format, RenderOptions { color: false, width: random(100) });
            assert!(shown.ends_with('\n'));
            assert!(!shown.contains('\u{1b}'), "an escape sequence of the input reached the terminal");
        }
    }
}

#[test]
fn explain_and_the_page_show_every_code() {
    let page = codes_page();
    for code in codes::all() {
        assert!(page.contains(&format!("### {code} {}", code.info().name)));
    }
    insta::assert_snapshot!(explain(codes::options::INVALID_OPTION), @r#"
    PC0601 invalid-option

    An option has the right type but a value that its source, processor or sink cannot use.

    Example of the error:

        sinks:
          raw:
            from: sensor_data
            object_store: { prefix: "raw/", format: parquet, compression: bzip2 }

    Fix: Write one of the values that the message lists. `pipectl schema` and the hover text of the editor list them too.
    "#);
}
