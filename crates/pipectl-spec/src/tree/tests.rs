use std::ops::Range;

use pipectl_diag::{Diagnostics, Part, Path, Place, SourceMap};

use super::*;

fn tree(text: &str) -> (Node, SourceMap) {
    let mut map = SourceMap::default();
    let mut problems = Diagnostics::new();
    let file = parse("t", text.as_bytes(), &mut map, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let [document] = file.documents.as_slice() else { panic!("one document") };
    document.record(&Path::document(0), None, file.id, &mut map);
    (document.clone(), map)
}

fn at<'t>(text: &'t str, map: &SourceMap, keys: &[&str], part: Part) -> &'t str {
    let path = keys.iter().fold(Path::document(0), |path, key| match key.parse() {
        Ok(index) => path.index(index),
        Err(_) => path.key(*key),
    });
    let span = map.locate(&Place::Node(path, part)).unwrap();
    &text[span.start..span.end]
}

fn inside<'t>(text: &'t str, map: &SourceMap, keys: &[&str], node: &Node, word: &str) -> &'t str {
    let Kind::Str(value) = &keys.iter().fold(node, |node, key| node.get(key).unwrap()).kind else { panic!("a string") };
    let start = value.find(word).unwrap();
    let range: Range<usize> = start..start + word.len();
    at(text, map, keys, Part::Inside(range))
}

#[test]
fn keys_and_values_are_exact_in_flow_and_block() {
    let text = "a: \"x y\"\nb: {c: [1, 'två'], d: }\ne:\n  - f\n  - g: h   # comment\n\ni: |\n  one\n  two\n\nj:\n";
    let (_, map) = tree(text);
    assert_eq!(at(text, &map, &["a"], Part::Value), "\"x y\"");
    assert_eq!(at(text, &map, &["b"], Part::Value), "{c: [1, 'två'], d: }");
    assert_eq!(at(text, &map, &["b", "c"], Part::Key), "c");
    assert_eq!(at(text, &map, &["b", "c"], Part::Value), "[1, 'två']");
    assert_eq!(at(text, &map, &["b", "c", "1"], Part::Value), "'två'");
    assert_eq!(at(text, &map, &["b", "d"], Part::Value), "d");
    assert_eq!(at(text, &map, &["e"], Part::Value), "- f\n  - g: h");
    assert_eq!(at(text, &map, &["e", "1", "g"], Part::Value), "h");
    assert_eq!(at(text, &map, &["i"], Part::Value), "one\n  two");
    assert_eq!(at(text, &map, &["j"], Part::Value), "j");
}

#[test]
fn words_inside_scalars_are_exact() {
    let text = concat!(
        "literal: |\n    SELECT a,\n      b\n\n    FROM \"s\"\n",
        "folded: >-\n  one two\n  three\n\n  four\n    five\n",
        "double: \"tab\\there \\u00e4 \\\"quoted\\\" and \\\n   joined\n   folded\"\n",
        "single: 'it''s here'\n",
        "plain: some words\n  on two lines\n",
        "indent: |2-\n   x\n  y\n",
        "crlf: |\r\n  alpha\r\n  beta\r\n",
    );
    let (node, map) = tree(text);
    let words = [
        ("literal", &["SELECT", "b", "FROM", "\"s\""][..]),
        ("folded", &["one", "two", "three", "four", "five"]),
        ("double", &["here", "quoted", "and", "joined", "folded"]),
        ("single", &["here"]),
        ("plain", &["some", "words", "on", "two", "lines"]),
        ("indent", &["x", "y"]),
        ("crlf", &["alpha", "beta"]),
    ];
    for (key, words) in words {
        for word in words {
            assert_eq!(inside(text, &map, &[key], &node, word), *word, "{key}");
        }
    }
    let start = text.find("\\u00e4").unwrap();
    let Kind::Str(value) = &node.get("double").unwrap().kind else { panic!("a string") };
    let place =
        Place::Node(Path::document(0).key("double"), Part::Inside(value.find('ä').map(|at| at..at + 1).unwrap()));
    assert_eq!(map.locate(&place).unwrap().start, start);
}

#[test]
fn aliases_and_merges_keep_both_places() {
    let text = "base: &base { every: 60s, size: 1MiB }\nq: &q |\n  SELECT x\nuse: *base\nmerged:\n  <<: *base\n  size: 2MiB\nsql: *q\nlist: {<<: [*base, {more: 1}], end: 2}\n";
    let (node, map) = tree(text);
    assert_eq!(at(text, &map, &["use"], Part::Value), "*base");
    assert_eq!(&text[node.get("use").unwrap().defined.clone().unwrap()], "{ every: 60s, size: 1MiB }");
    assert_eq!(at(text, &map, &["use", "every"], Part::Value), "60s");
    assert_eq!(at(text, &map, &["merged", "every"], Part::Value), "60s");
    assert_eq!(at(text, &map, &["merged", "size"], Part::Value), "2MiB");
    assert_eq!(inside(text, &map, &["sql"], &node, "x"), "x");
    assert_eq!(at(text, &map, &["sql"], Part::Value), "*q");
    let keys = |key: &str| node.get(key).unwrap().entries().iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>();
    assert_eq!(keys("merged"), ["every", "size"]);
    assert_eq!(keys("list"), ["every", "size", "more", "end"]);
    let merged = node.get("merged").unwrap().entries()[0].merged.clone().unwrap();
    assert_eq!(&text[merged], "*base");
}

#[test]
fn documents_are_distinguished() {
    let mut map = SourceMap::default();
    let mut problems = Diagnostics::new();
    let text = "\u{feff}# head\n---\na: 1\n...\n---\n# nothing\n---\nb: '\n---\nc: 3\n--- {d: 4}\n";
    let file = parse("t", text.as_bytes(), &mut map, &mut problems);
    let keys: Vec<_> = file.documents.iter().map(|node| node.entries()[0].key.as_str()).collect();
    assert_eq!(keys, ["a", "c", "d"]);
    assert_eq!(problems.len(), 1);
}
