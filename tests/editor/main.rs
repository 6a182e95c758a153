//! What somebody sees who writes a spec in an editor, asked of the real yaml-language-server: it completes nodes and
//! options, explains keys, and calls the same specs good and bad as `pipectl validate`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a skipped test says so")]

mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use server::{Answer, Question};

const HEAD: &str = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: lab }\nspec:\n";

/// Faults of shape that JSON Schema cannot express, and why.
const BEYOND_JSON_SCHEMA: &[(&str, &str)] = &[
    (
        "variable-in-quotes.yaml",
        "a quoted `${…}` stays a text, only a bare one becomes a number; a schema sees no quotes",
    ),
    ("duplicate-name.yaml", "the names of two documents; a schema sees one document at a time"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn schema() -> PathBuf {
    root().join("schemas/pipeline.schema.json")
}

/// The server, installed at the first call; `None`, with a line that says why, where it cannot be had.
fn server() -> Option<&'static Path> {
    static SERVER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match SERVER.get_or_init(server::install) {
        Ok(path) => Some(path),
        Err(why) => {
            println!("skipped: {why}");
            eprintln!("skipped: {why}");
            None
        }
    }
}

/// A question about the place of the `█` in a spec.
fn at(number: usize, spec: &str) -> Question {
    let text = format!("{HEAD}{spec}");
    let (before, after) = text.split_once('█').expect("a place");
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap_or_default().chars().count();
    Question {
        uri: format!("file:///editor/{number}.yaml"),
        text: format!("{before}{after}"),
        line: Some(line),
        character: Some(character),
    }
}

/// The answers to questions about places, in their order; `None` without a server.
fn asked(specs: &[&str]) -> Option<Vec<Answer>> {
    let questions: Vec<_> = specs.iter().enumerate().map(|(number, spec)| at(number, spec)).collect();
    Some(server::ask(server()?, &schema(), &questions))
}

fn labels(answer: &Answer) -> Vec<&str> {
    answer.completions.iter().map(|completion| completion.label.as_str()).collect()
}

fn offers(answer: &Answer, wanted: &[&str]) {
    let labels = labels(answer);
    for word in wanted {
        let found = answer.completions.iter().find(|completion| completion.label == *word);
        let found = found.unwrap_or_else(|| panic!("`{word}` is not among {labels:?}"));
        assert!(!found.documentation.trim().is_empty(), "`{word}` is offered without a word about it");
    }
}

#[test]
fn nodes_options_and_words_are_completed() {
    let Some(answers) = asked(&[
        "  █",
        "  sources:\n    sensors:\n      █",
        "  processors:\n    counted:\n      █",
        "  sinks:\n    raw:\n      from: sensors\n      █",
        "  sources:\n    sensors:\n      simulate:\n        █",
        "  sources:\n    sensors:\n      simulate:\n        model: █",
        "  streams:\n    readings:\n      ordering: █",
        "  sinks:\n    raw:\n      from: s\n      object_store:\n        format: █",
        "  streams:\n    readings:\n      schema:\n        temperature: █",
    ]) else {
        return;
    };
    let [document, source, processor, sink, simulate, model, ordering, format, column] = answers.as_slice() else {
        panic!("{} answers", answers.len())
    };
    offers(document, &["sources", "streams", "processors", "sinks", "dead_letters", "checkpoint", "memory"]);
    offers(source, &["simulate", "file", "tail", "stdin", "to", "schema", "idle_after"]);
    offers(processor, &["sql", "parse", "from", "to", "late", "on_error"]);
    offers(sink, &["object_store", "table", "file", "stdout", "stream"]);
    assert!(!labels(sink).contains(&"from"), "a key that is there is not offered again");
    offers(simulate, &["model", "rate", "devices", "for", "pace", "seed", "partitions", "disorder", "late"]);
    offers(model, &["sensors", "clickstream", "server_logs", "orders"]);
    offers(ordering, &["key", "partition", "none"]);
    offers(format, &["jsonl", "csv", "parquet"]);
    for words in [ordering, format, column] {
        assert!(!labels(words).contains(&"null"), "{:?}", labels(words));
    }
    for name in ["string", "string!", "float64", "timestamp!", "json"] {
        assert!(labels(column).contains(&name), "{name}");
    }
    let chosen = source.completions.iter().find(|completion| completion.label == "simulate").expect("offered above");
    let written = &chosen.insert_text;
    assert!(written.starts_with("simulate:\n") && written.contains("model:"), "{written:?} lacks what it needs");
}

#[test]
fn keys_are_explained() {
    let Some(answers) = asked(&[
        "  sour█ces: {}",
        "  sources:\n    sensors:\n      simu█late: { model: sensors }",
        "  sources:\n    sensors:\n      simulate: { model: sensors, ra█te: 4/s }",
        "  sources:\n    sensors:\n      simulate: { mod█el: sensors }",
        "  streams:\n    readings:\n      time: { field: at, late█ness: 5s }",
        "  sinks:\n    raw:\n      from: s\n      object_store: { pre█fix: raw/ }",
        "  processors:\n    counted:\n      sq█l: SELECT 1",
    ]) else {
        return;
    };
    let expected: [&[&str]; 7] = [
        &["Sources of records"],
        &["Generates records of a model"],
        &["The rate of records of the whole source", "Default: `10/s`", "20/s"],
        &["The kind of records to generate", "* `orders`: Order lines"],
        &["before it is late", "Default: 5s"],
        // On one line, as Markdown and not escaped.
        &["`{arrival:%Y/%m/%d}` is the time at which a record arrived, `{event:%Y}` its event time"],
        &["A query over streams", "SELECT * FROM sensor_data"],
    ];
    for (answer, texts) in answers.iter().zip(expected) {
        for text in texts {
            assert!(answer.hover.contains(text), "{text:?} is not in {:?}", answer.hover);
        }
    }
}

#[test]
fn examples_name_their_schema_and_are_fine_by_it() {
    let folder = root().join("pipelines");
    let mut questions = Vec::new();
    for entry in fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("an example").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable example");
        assert_eq!(
            text.lines().next(),
            Some("# yaml-language-server: $schema=../schemas/pipeline.schema.json"),
            "{}",
            path.display()
        );
        questions.push(Question { uri: format!("file://{}", path.display()), text, line: None, character: None });
    }
    assert!(questions.len() >= 3, "{} examples", questions.len());
    let Some(server) = server() else { return };
    // Nothing is said about schemas here: the first line of each is what counts.
    let none = root().join("tests/editor/none.json");
    for (question, answer) in questions.iter().zip(server::ask(server, &none, &questions)) {
        assert_eq!(answer.errors(), Vec::<String>::new(), "{}", question.uri);
    }
    // And it does count: the same text with a slip is refused.
    let slips: Vec<_> = questions
        .iter()
        .map(|question| Question { text: question.text.replacen("\n  sinks:", "\n  sinkz:", 1), ..question.clone() })
        .collect();
    for (question, answer) in slips.iter().zip(server::ask(server, &none, &slips)) {
        assert!(!answer.errors().is_empty(), "{} is not read with its schema", question.uri);
    }
}

/// The families of the errors that a case of `tests/diagnostics` expects.
fn families(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
    lines.filter_map(|line| line.strip_prefix("error[")?.get(..4)).collect()
}

#[test]
fn the_editor_and_validate_agree() {
    let Some(server) = server() else { return };
    let mut cases = Vec::new();
    for entry in fs::read_dir(root().join("tests/diagnostics")).expect("the cases") {
        let path = entry.expect("a case").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What is no text is not for editors.
        if let Ok(text) = fs::read_to_string(&path)
            && path.extension().is_some_and(|extension| extension == "yaml")
            && !path.with_extension("expect").exists()
        {
            let families: Vec<String> = families(&text).into_iter().map(str::to_owned).collect();
            // YAML's own faults are the editor's parser's, and what variables hold it cannot know.
            if !families.is_empty() && !families.iter().any(|family| family == "PC00" || family == "PC02") {
                cases.push((name, families, text));
            }
        }
    }
    cases.sort();
    let questions: Vec<_> = cases
        .iter()
        .map(|(name, _, text)| Question {
            uri: format!("file:///cases/{name}"),
            text: text.clone(),
            line: None,
            character: None,
        })
        .collect();
    let answers = server::ask(server, &schema(), &questions);
    let mut wrong = Vec::new();
    let mut refused = 0;
    for ((name, families, _), answer) in cases.iter().zip(&answers) {
        let bad_shape = families.iter().any(|family| family == "PC01");
        let beyond = BEYOND_JSON_SCHEMA.iter().any(|(case, _)| case == name);
        let errors = answer.errors();
        refused += usize::from(!errors.is_empty());
        match (bad_shape && !beyond, errors.is_empty()) {
            (true, true) => wrong.push(format!("{name}: validate refuses its shape, the editor does not")),
            (false, false) => wrong.push(format!("{name}: its shape is right, but the editor says {errors:?}")),
            _ => {}
        }
    }
    for (case, _) in BEYOND_JSON_SCHEMA {
        assert!(cases.iter().any(|(name, ..)| name == case), "{case} is listed but does not exist");
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(refused >= 20 && cases.len() - refused >= 20, "{refused} of {} refused", cases.len());
}
