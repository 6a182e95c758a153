//! What a good spec means, and that a broken part leaves the rest standing.

use pipectl_data::{DataType, Field};
use pipectl_diag::{Part, Path, Place};
use serde_json::json;

use super::{EXAMPLE, lines, read, read_one};
use crate::model::{Late, OnError, Ordering, Start};

#[test]
fn the_example_means_what_it_says() {
    let (loaded, problems, map) = read_one(EXAMPLE);
    assert_eq!(lines(&problems, &map), Vec::<String>::new());
    let [pipeline] = loaded.pipelines.as_slice() else { panic!("one pipeline") };
    assert_eq!(pipeline.name, "sensor-lab");
    assert_eq!((pipeline.checkpoint.every.0.as_secs(), pipeline.memory.0), (5, 64 << 20));
    let names: Vec<_> = pipeline.sources.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["sensors", "clicks"]);
    let [sensors, clicks] = pipeline.sources.as_slice() else { panic!("two sources") };
    assert_eq!(sensors.kind.name, "simulate");
    assert_eq!(sensors.kind.options, json!({ "model": "sensors", "devices": 10, "rate": "2/s", "seed": 7 }));
    assert_eq!(sensors.to.as_ref().map(|to| to.text.as_str()), Some("sensor_data"));
    assert_eq!(clicks.kind.options["path"], "data/clicks.jsonl");
    let fields = clicks.schema.as_ref().map(|spec| spec.schema.fields().to_vec()).unwrap_or_default();
    let expected = [
        Field::required("user_id", DataType::String),
        Field::new("page", DataType::String),
        Field::required("n", DataType::Int64),
    ];
    assert_eq!(fields, expected);
    let [stream] = pipeline.streams.as_slice() else { panic!("one stream") };
    assert_eq!(stream.key.first().map(|key| key.text.as_str()), Some("sensor_id"));
    assert_eq!((stream.partitions, stream.ordering), (Some(4), Some(Ordering::Key)));
    let [per_minute, parsed] = pipeline.processors.as_slice() else { panic!("two processors") };
    assert_eq!((per_minute.late, per_minute.on_error), (Late::Drop, OnError::DeadLetter));
    assert_eq!((parsed.late, parsed.on_error), (Late::DeadLetter, OnError::Fail));
    assert!(per_minute.kind.options.as_str().is_some_and(|sql| sql.starts_with("SELECT sensor_id")));
    assert_eq!(pipeline.sinks[0].kind.options["flush"], json!({ "every": "10s", "size": "1MiB" }));
    assert_eq!(pipeline.sinks[1].kind.options, json!("mirror"));
    let [environment] = loaded.environments.as_slice() else { panic!("one environment") };
    let backends: Vec<_> =
        environment.backends.iter().map(|(name, kind)| (name.as_str(), kind.name.as_str())).collect();
    assert_eq!(backends, [("default", "kinesis"), ("local", "memory")]);
    let (name, binding) = &environment.streams[0];
    assert_eq!((name.text.as_str(), binding.existing, binding.start), ("sensor_data", true, Start::Latest));
    let bindings: Vec<_> = environment.bindings.iter().map(|binding| binding.name.as_str()).collect();
    assert_eq!(bindings, ["object_store", "table"]);
    assert_eq!(environment.sinks[0].1.name, "redis");
}

#[test]
fn a_token_of_a_query_is_found_in_the_block_scalar() {
    let (loaded, _, map) = read_one(EXAMPLE);
    let query = &loaded.pipelines[0].processors[0].kind;
    let text = query.options.as_str().unwrap();
    for word in ["SELECT", "avg(temperature)", "GROUP", "minute"] {
        let at = text.find(word).unwrap();
        let place = Place::Node(query.path.clone(), Part::Inside(at..at + word.len()));
        let span = map.locate(&place).unwrap();
        assert_eq!(&EXAMPLE[span.start..span.end], word);
    }
}

#[test]
fn a_range_inside_is_found_behind_a_variable() {
    let text = EXAMPLE.replace("${INPUT}/clicks", "${INPUT}/${INPUT}/clicks");
    let (loaded, _, map) = read_one(&text);
    let path = loaded.pipelines[0].sources[1].kind.path.key("path");
    let value = "data/data/clicks.jsonl";
    let at = value.find("clicks").unwrap();
    let span = map.locate(&Place::Node(path.clone(), Part::Inside(at..at + 6))).unwrap();
    assert_eq!(&text[span.start..span.end], "clicks");
    let span = map.locate(&Place::Node(path, Part::Inside(0..2))).unwrap();
    assert!(text[span.start..].starts_with("${INPUT}/${INPUT}"));
}

#[test]
fn a_broken_node_leaves_the_others_standing() {
    let text = EXAMPLE.replace("devices: 10", "devices: ten").replace("partitions: 4", "shards: 4");
    let (loaded, problems, map) = read_one(&text);
    assert_eq!(
        lines(&problems, &map),
        [
            "error[PC0104] 12:44: `devices` takes a whole number, not a string",
            "error[PC0102] 23:7: unknown key `shards`"
        ]
    );
    let pipeline = &loaded.pipelines[0];
    assert_eq!(pipeline.broken, ["sensors", "sensor_data"]);
    assert_eq!(pipeline.sources.len(), 1);
    assert_eq!(pipeline.sinks.len(), 3);
}

/// So that what stands behind the node is checked in the same run.
#[test]
fn a_misspelt_key_is_reported_and_read_as_what_it_means_if_its_value_fits() {
    let (loaded, problems, map) = read_one(&EXAMPLE.replace("partitions: 4", "partitons: 4"));
    assert_eq!(lines(&problems, &map), ["error[PC0102] 23:7: unknown key `partitons`"]);
    let pipeline = &loaded.pipelines[0];
    assert!(pipeline.broken.is_empty(), "{:?}", pipeline.broken);
    assert_eq!(pipeline.streams[0].partitions, Some(4));

    let (loaded, problems, map) = read_one(&EXAMPLE.replace("partitions: 4", "partitons: four"));
    assert_eq!(lines(&problems, &map), ["error[PC0102] 23:7: unknown key `partitons`"]);
    assert_eq!(loaded.pipelines[0].broken, ["sensor_data"]);
}

#[test]
fn no_file_hides_the_problems_of_another() {
    let bad =
        b"apiVersion: pipectl/v1\nkind: [\n---\nkind: Pipelin\napiVersion: pipectl/v1\nmetadata: {name: a}\nspec: {}\n";
    let (_, problems, map) = read(&[("a.yaml", bad), ("b.yaml", b"\xff"), ("c.yaml", b""), ("d.yaml", b"- 1\n")]);
    assert_eq!(
        lines(&problems, &map),
        [
            "error[PC0007] 2:7: `[` is not closed",
            "error[PC0109] 4:7: unknown kind of document `Pipelin`",
            "error[PC0001] 1:1: the byte 0xFF is not valid UTF-8",
            "error[PC0002] 1:1: `c.yaml` holds no document",
            "error[PC0104] 1:1: a document is a mapping, not a list",
        ]
    );
}

/// With quotes and without, inside braces and outside: a number where one is asked for, a text where a text is.
#[test]
fn what_a_variable_holds_is_typed_by_its_place() {
    let devices = |written: &str| EXAMPLE.replace("devices: 10, rate", &format!("devices: {written}, rate"));
    let partitions = |written: &str| EXAMPLE.replace("partitions: 4", &format!("partitions: {written}"));
    for (written, expected) in [
        ("${DEVICES}", 12),
        ("\"${DEVICES}\"", 12),
        ("'${DEVICES}'", 12),
        ("${NOT_SET:-7}", 7),
        ("\"${NOT_SET:-7}\"", 7),
        ("${EMPTY:-7}", 7),
        ("${NOT_SET-7}", 7),
        ("${DEVICES:?how many}", 12),
    ] {
        let (loaded, problems, map) = read_one(&partitions(written));
        assert_eq!(lines(&problems, &map), Vec::<String>::new(), "{written}");
        assert_eq!(loaded.pipelines[0].streams[0].partitions, Some(expected), "{written}");
        let (loaded, problems, map) = read_one(&devices(written));
        assert_eq!(lines(&problems, &map), Vec::<String>::new(), "{written}");
        assert_eq!(loaded.pipelines[0].sources[0].kind.options["devices"], expected, "{written}");
        // A text that happens to look like a number stays a text where a text is asked for.
        let (loaded, problems, map) = read_one(&EXAMPLE.replace("key: sensor_id", &format!("key: {written}")));
        assert_eq!(lines(&problems, &map), Vec::<String>::new(), "{written}");
        assert_eq!(loaded.pipelines[0].streams[0].key[0].text, expected.to_string(), "{written}");
    }
    for (written, help) in [
        ("\"${LETTER}\"", "`${LETTER}` does not hold a whole number: set it to one"),
        ("${LETTER}", "`${LETTER}` does not hold a whole number: set it to one"),
        ("\"${EMPTY} \"", "`${EMPTY} ` does not hold a whole number: set it to one"),
    ] {
        let (_, problems, _) = read_one(&partitions(written));
        let helps: Vec<_> = problems.iter().flat_map(|problem| problem.help.clone()).collect();
        assert_eq!(helps, [help], "{written}");
    }
}

/// Defaults as in a shell: with the colon, an empty variable counts as none.
#[test]
fn defaults_follow_the_shell() {
    let key = |written: &str| {
        let (loaded, problems, _) = read_one(&EXAMPLE.replace("key: sensor_id", &format!("key: \"{written}\"")));
        match problems.iter().next() {
            None => loaded.pipelines[0].streams[0].key[0].text.clone(),
            Some(problem) => format!("{}: {}", problem.title, problem.help.join("; ")),
        }
    };
    for (written, expected) in [
        ("${LETTER:-y}", "x"),
        ("${EMPTY:-y}", "y"),
        ("${NOT_SET:-y}", "y"),
        ("${LETTER-y}", "x"),
        ("${NOT_SET-y}", "y"),
        ("a${EMPTY-y}b", "ab"),
        ("a${NOT_SET:-}b", "ab"),
        ("${NOT_SET:-a-b?c:-d}", "a-b?c:-d"),
        ("${LETTER:?missing}", "x"),
        ("${EMPTY:?say the key}", "the variable `EMPTY` is empty: say the key"),
        ("a${EMPTY?say the key}b", "ab"),
        ("${NOT_SET?say the key}", "the variable `NOT_SET` is not set: say the key"),
        ("${NOT_SET:?}", "the variable `NOT_SET` is not set: set it, or give a default: `${NOT_SET:-default}`"),
    ] {
        assert_eq!(key(written), expected, "{written}");
    }
}

#[test]
fn a_variable_cannot_change_the_shape() {
    let text = EXAMPLE.replace("key: sensor_id", "key: ${TRICK}");
    let (loaded, problems, _) = read_one(&text);
    assert!(problems.is_empty());
    assert_eq!(loaded.pipelines[0].streams[0].key[0].text, "a: {b: c}\n- d");
    let comment = format!("# ${{NOT_SET}} is only a comment\n{EXAMPLE}");
    assert!(read_one(&comment).1.is_empty());
    let escaped = EXAMPLE.replace("key: sensor_id", "key: $${NOT_SET}");
    assert_eq!(read_one(&escaped).0.pipelines[0].streams[0].key[0].text, "${NOT_SET}");
    let default = EXAMPLE.replace("partitions: 4", "partitions: ${NOT_SET:-8}");
    assert_eq!(read_one(&default).0.pipelines[0].streams[0].partitions, Some(8));
}

#[test]
fn what_an_alias_repeats_is_reported_once_with_its_use() {
    let text = EXAMPLE.replace("size: 1MiB }", "size: 1XB }");
    let (_, problems, map) = read_one(&text);
    assert_eq!(lines(&problems, &map), ["error[PC0111] 5:38: `size` takes a size such as `64MiB`"]);
    let problem = problems.iter().next().unwrap();
    let related: Vec<_> = problem.labels.iter().filter(|label| !label.primary).collect();
    let span = map.locate(&related[0].place).unwrap();
    assert_eq!((&text[span.start..span.end], related[0].text.as_str()), ("*flush", "used here"));
}

#[test]
fn missing_places_fall_back_to_the_parent() {
    let (_, _, map) = read_one(EXAMPLE);
    let path = Path::document(0).key("spec").key("sinks").key("raw").key("nothing");
    let span = map.locate(&Place::Node(path, Part::Value)).unwrap();
    assert_eq!(&EXAMPLE[span.start..span.end], "raw");
}
