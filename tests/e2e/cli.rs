//! The commands as a person or a script meets them: exit codes, what goes to which stream, formats, help.

use crate::support::{Lab, edit, example, lab::repository, run::Run};

const COMMANDS: [&str; 11] =
    ["init", "validate", "fmt", "graph", "schema", "infer", "explain", "dry-run", "apply", "completions", "version"];

/// One reading and one that is no JSON, from standard input to standard output.
const PIPE: &str = "
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: pipe }
spec:
  sources:
    input: { stdin: {}, to: readings }
  streams:
    readings:
      schema: { sensor: string, value: float64 }
  processors:
    high:
      sql: SELECT sensor, value * 2 AS twice FROM readings WHERE value > 1
  sinks:
    output: { from: high, stdout: {} }
";

fn broken() -> String {
    edit(&example("sensor-lab"), &[("devices: 10", "devces: 10"), ("avg(humidity)    AS", "avg(humidty)    AS")])
}

#[test]
fn a_wrong_spec_ends_with_1_and_says_where() {
    let lab = Lab::new();
    lab.write("broken.yaml", broken());
    for command in ["validate", "graph", "dry-run", "apply"] {
        let ran = lab.run(&[command, "broken.yaml"]).code(1);
        assert_eq!(ran.stdout, "", "{command}");
        // All at once, each at its place, with what to write instead.
        for part in ["devces", "devices", "humidty", "humidity", "broken.yaml:16:", "broken.yaml:41:"] {
            assert!(ran.stderr.contains(part), "{command} does not say {part}:\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains('\x1b'), "{command}: colors without a terminal");
    }
    assert!(!lab.path("out").exists() && !lab.path(".pipectl").exists(), "a wrong spec wrote something");
}

#[test]
fn a_file_that_is_not_there_ends_with_1() {
    let lab = Lab::new();
    for arguments in
        [&["validate", "none.yaml"][..], &["apply", "none.yaml"], &["infer", "none.jsonl"], &["validate", "."]]
    {
        let ran = lab.run(arguments).code(1);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("PC0801"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn wrong_arguments_end_with_1() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    for arguments in [
        &["aply"][..],
        &["apply"],
        &["apply", "spec.yaml", "--wrong"],
        &["dry-run", "spec.yaml", "--until", "soon"],
        &["graph", "spec.yaml", "--format", "jpeg"],
        &["explain", "PC9999"],
        &["init", "--template", "sensorlab"],
        &["dry-run", "spec.yaml", "--input", "sensors"],
        &["validate", "spec.yaml", "--env", "nowhere"],
    ] {
        let ran = lab.run(arguments).code(1);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(lab.run(&["aply"]).stderr.contains("apply"), "the nearest command is named");
}

#[test]
fn examples_are_fine_in_every_format() {
    let lab = Lab::new();
    let folder = repository().join("pipelines");
    let folder = folder.to_str().expect("a path in UTF-8");
    let ran = lab.run(&["validate", folder]).code(0);
    assert_eq!(ran.stdout.lines().filter(|line| line.ends_with(": fine")).count(), 3, "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    let sarif = lab.run(&["validate", folder, "--format", "sarif"]).code(0).json();
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(0));
    lab.run(&["validate", folder, "--format", "json"]).code(0).json();
    assert_eq!(lab.run(&["validate", folder, "--format", "github"]).code(0).stdout, "");
}

#[test]
fn problems_are_reported_in_every_format() {
    let lab = Lab::new();
    lab.write("broken.yaml", broken());
    let json = lab.run(&["validate", "broken.yaml", "--format", "json"]).code(1);
    assert_eq!(json.stderr, "", "the result is on standard output alone");
    assert!(json.json().to_string().contains("broken.yaml"));

    let sarif = lab.run(&["validate", "broken.yaml", "--format", "sarif"]).code(1).json();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 2, "{sarif}");
    let lines: Vec<u64> = results
        .iter()
        .map(|result| result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().expect("a line"))
        .collect();
    assert_eq!(lines, [16, 41]);

    let github = lab.run(&["validate", "broken.yaml", "--format", "github"]).code(1);
    let annotations: Vec<&str> = github.stdout.lines().collect();
    assert_eq!(annotations.len(), 2, "{}", github.stdout);
    assert!(annotations.iter().all(|line| line.starts_with("::error file=broken.yaml,line=")), "{}", github.stdout);
}

#[test]
fn input_takes_the_place_of_a_source() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    let reading = |second: u32, value: f64| {
        format!(
            "{{\"sensor_id\":\"s\",\"timestamp\":\"2026-05-01T00:00:{second:02}Z\",\"temperature\":{value},\"humidity\":1,\"pressure\":2}}\n"
        )
    };
    lab.write("samples.jsonl", reading(1, 10.0) + &reading(2, 20.0) + "{\"sensor_id\":7\n");
    let ran = lab.run(&["dry-run", "spec.yaml", "--input", "sensors=samples.jsonl", "--format", "json"]).code(0).json();
    let row = &ran["sinks"]["per_minute_files"]["rows"][0];
    assert_eq!((&row["avg_temperature"], &row["readings"]), (&15.0.into(), &2.into()), "{ran}");
    assert_eq!(ran["sinks"]["dead-letters"]["total"], 1, "{ran}");

    let near = lab.run(&["dry-run", "spec.yaml", "--input", "sensor=samples.jsonl"]).code(1);
    assert!(near.stderr.contains("--input sensors=samples.jsonl"), "{}", near.stderr);
    let ten = lab.run(&["dry-run", "spec.yaml", "--records", "10", "--format", "json"]).code(0).json();
    assert_eq!(ten["report"]["nodes"][0]["counts"]["in"], 10);
}

#[test]
fn explain_knows_every_code_and_the_nearest_name() {
    let lab = Lab::new();
    let all = lab.run(&["explain"]).code(0).stdout;
    assert!(all.lines().count() > 60, "{all}");
    for line in all.lines() {
        let mut words = line.split_whitespace();
        let (code, name) = (words.next().expect("a code"), words.next().expect("a name"));
        let [by_code, by_name] = [code, name].map(|wanted| lab.run(&["explain", wanted]).code(0).stdout);
        assert_eq!(by_code, by_name);
        assert!(by_code.contains(code) && by_code.lines().count() > 3, "{by_code}");
    }
    let near = lab.run(&["explain", "unknown-colum"]).code(1);
    assert!(near.stderr.contains("did you mean `unknown-column`?"), "{}", near.stderr);
}

#[test]
fn infer_prints_a_schema_that_a_spec_takes() {
    let lab = Lab::new();
    lab.write("samples.jsonl", "{\"sensor\":\"a\",\"value\":1,\"at\":\"2026-05-01T00:00:00Z\"}\n{\"sensor\":\"b\",\"value\":2.5,\"extra\":[1]}\n");
    let schema = lab.run(&["infer", "samples.jsonl"]).code(0).stdout;
    assert_eq!(
        lab.run_with_input(&["infer", "-"], &std::fs::read_to_string(lab.path("samples.jsonl")).expect("samples"))
            .code(0)
            .stdout,
        schema
    );
    let indented: Vec<String> = schema.lines().map(|line| format!("      {line}\n")).collect();
    let spec = edit(PIPE, &[("      schema: { sensor: string, value: float64 }\n", &indented.concat())]);
    lab.write("spec.yaml", &spec);
    lab.run(&["validate", "spec.yaml"]).code(0);
    let ran = lab.run(&["dry-run", "spec.yaml", "--input", "input=samples.jsonl", "--format", "json"]).code(0).json();
    assert_eq!(ran["sinks"]["output"]["rows"][0]["twice"], 5.0, "{ran}\n{spec}");
}

/// A file as a spreadsheet writes it: a byte order mark, CRLF, line ends inside of quotes, numbers with leading zeros.
#[test]
fn infer_reads_csv() {
    let lab = Lab::new();
    let rows = "\u{feff}id;zip;note;at;value\r\n1;01067;\"two\nlines; \"\"quoted\"\"\";2026-05-01 10:00:00;1.5\r\n2;10115;;2026-05-02 10:00:00;\r\n";
    lab.write("readings.csv", rows);
    let schema = lab.run(&["infer", "readings.csv", "--delimiter", ";"]).code(0).stdout;
    assert_eq!(schema, "schema:\n  id: int64!\n  zip: string!\n  note: string\n  at: timestamp!\n  value: float64\n");
    let piped = lab.run_with_input(&["infer", "-", "--format", "csv", "--delimiter", ";"], rows).code(0).stdout;
    assert_eq!(piped, schema);
    let indented = schema.lines().fold(String::new(), |text, line| format!("{text}      {line}\n"));
    lab.write(
        "spec.yaml",
        format!(
            "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: lab }}\nspec:\n  sources:\n    readings:\n      file: {{ path: ./readings.csv, delimiter: \";\" }}\n{indented}  sinks:\n    shown: {{ from: readings, stdout: {{}} }}\n"
        ),
    );
    let ran = lab.run(&["dry-run", "spec.yaml", "--format", "json"]).code(0).json();
    let rows = &ran["sinks"]["shown"]["rows"];
    assert_eq!((&rows[0]["zip"], &rows[0]["note"]), (&"01067".into(), &"two\nlines; \"quoted\"".into()), "{ran}");
    for arguments in
        [&["infer", "readings.csv", "--delimiter", "ab"][..], &["infer", "readings.csv", "--format", "json"]]
    {
        lab.run(arguments).code(1);
    }
}

#[test]
fn every_template_validates_and_runs_dry() {
    let lab = Lab::new();
    let list = lab.run(&["init", "--list"]).code(0).stdout;
    let templates: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(templates.len(), 3, "{list}");
    for template in templates {
        let (name, file) = (format!("my-{template}"), format!("my-{template}.yaml"));
        lab.run(&["init", &name, "--template", template]).code(0);
        let refused = lab.run(&["init", &name, "--template", template]).code(1);
        assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
        lab.run(&["init", &name, "--template", template, "--force"]).code(0);
        let verdict = lab.run(&["validate", &file]).code(0).stdout;
        assert!(verdict.starts_with(&format!("{name}: ")), "{verdict}");
        let dry = lab.run(&["dry-run", &file, "--until", "10s"]).code(0).stdout;
        assert!(dry.starts_with(&format!("{name}: dry run")), "{dry}");
    }
    lab.run(&["init"]).code(0);
    lab.run(&["validate", "sensor-lab.yaml"]).code(0);
}

#[test]
fn graph_draws_in_every_format() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    let draw = |format: &str| lab.run(&["graph", "spec.yaml", "--format", format]).code(0);
    for format in ["text", "mermaid", "dot", "svg"] {
        let ran = draw(format);
        for node in ["sensors", "sensor_data", "per_minute", "raw", "per_minute_files", "sensor_minutes"] {
            assert!(ran.stdout.contains(node), "{format} shows no {node}:\n{}", ran.stdout);
        }
        assert_eq!(ran.stderr, "");
    }
    assert_eq!(lab.run(&["graph", "spec.yaml"]).code(0).stdout, draw("text").stdout);
    assert!(draw("mermaid").stdout.contains("-->"));
    assert!(draw("dot").stdout.starts_with("digraph"));
    assert!(draw("svg").stdout.trim_end().ends_with("</svg>"));
    assert!(draw("json").json().to_string().contains("sensor_minutes"));
}

#[test]
fn a_pipe_gets_records_and_nothing_else() {
    let lab = Lab::new();
    lab.write("pipe.yaml", PIPE);
    let input =
        "{\"sensor\":\"a\",\"value\":2}\nnot json\n{\"sensor\":\"b\",\"value\":1}\n{\"sensor\":\"c\",\"value\":1.5}\n";
    let ran = lab.run_with_input(&["apply", "pipe.yaml"], input).code(0);
    let rows: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect();
    assert_eq!(
        rows,
        [serde_json::json!({"sensor": "a", "twice": 4.0}), serde_json::json!({"sensor": "c", "twice": 3.0})]
    );
    assert!(ran.stderr.contains("finished"), "{}", ran.stderr);
    let dead = std::fs::read_to_string(lab.path("out/pipe/dead-letters.jsonl")).expect("dead letters");
    assert!(dead.lines().count() == 1 && dead.contains("not json"), "{dead}");

    // A spec may come from standard input too, and a reader that goes away early is no fault of a printed result.
    let ran = lab.run_with_input(&["validate", "-"], PIPE).code(0);
    assert!(ran.stdout.starts_with("pipe: "), "{}", ran.stdout);
}

#[test]
fn colors_come_when_asked_for_only() {
    let lab = Lab::new();
    lab.write("broken.yaml", broken());
    let with = |arguments: &[&str], variables: &[(&str, &str)]| lab.start(arguments, variables).finish().code(1).stderr;
    assert!(!with(&["validate", "broken.yaml"], &[]).contains('\x1b'));
    assert!(!with(&["validate", "broken.yaml"], &[("NO_COLOR", "1")]).contains('\x1b'));
    assert!(with(&["validate", "broken.yaml", "--color", "always"], &[]).contains('\x1b'));
    assert!(!with(&["validate", "broken.yaml", "--color", "never"], &[]).contains('\x1b'));
}

#[test]
fn every_command_helps_with_an_example() {
    let lab = Lab::new();
    let help = lab.run(&["--help"]).code(0).stdout;
    for command in COMMANDS {
        assert!(help.contains(command), "{help}");
        let ran = lab.run(&[command, "--help"]).code(0);
        assert!(ran.stderr.is_empty() && ran.stdout.contains("Usage: pipectl"), "{}", ran.stdout);
        let example = ran
            .stdout
            .lines()
            .any(|line| line.trim_start().contains(&format!("pipectl {command}")) && !line.starts_with("Usage"));
        assert!(example || command == "version", "no example for {command}:\n{}", ran.stdout);
    }
    assert!(help.contains("Exit codes") && help.contains("PIPECTL_LOG"), "{help}");
    assert_eq!(lab.run(&["version"]).code(0).stdout, lab.run(&["--version"]).code(0).stdout);
}

#[test]
fn completions_are_scripts_that_the_shell_reads() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = lab.run(&["completions", shell]).code(0).stdout;
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
        if shell == "bash" {
            lab.write("completions.bash", script);
            let mut check = lab.command("bash");
            check.args(["-n", "completions.bash"]);
            Run::start(check).finish().code(0);
        }
    }
}

#[test]
fn logs_are_json_when_asked_for_and_a_wrong_filter_is_no_failure() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    let ran = lab
        .start(&["apply", "spec.yaml", "--log-format", "json", "--format", "json"], &[("PIPECTL_LOG", "debug")])
        .finish()
        .code(0);
    assert_eq!(ran.json()["outcome"], "finished");
    assert!(ran.stderr.lines().count() > 3, "{}", ran.stderr);
    for line in ran.stderr.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert!(value["level"].is_string() && value["message"].is_string(), "{line}");
    }
    let ran = lab.start(&["validate", "spec.yaml"], &[("PIPECTL_LOG", "pipectl=[wrong")]).finish().code(0);
    assert!(ran.stderr.contains("PIPECTL_LOG"), "{}", ran.stderr);
}

#[test]
fn a_pipeline_that_has_read_everything_says_so_and_changes_nothing() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let before = crate::support::output::files(&lab.path("out"));
    let again = lab.run(&["apply", "spec.yaml"]).code(0);
    assert!(again.stderr.contains("nothing new to read"), "{}", again.stderr);
    assert!(crate::support::output::files(&lab.path("out")) == before);
}
