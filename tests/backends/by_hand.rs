//! `stream put|read|describe|ls`, `infer --stream` and `doctor` on every backend.

use crate::testbed::Testbed;

#[test]
fn records_put_by_hand_are_read_by_hand_and_their_schema_is_found() {
    let place = Testbed::with_all();
    for (kind, _) in &place.backends {
        // A pipeline makes the stream; by hand it is written and read.
        let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: hand }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 2, rate: 2/s, pace: fast, seed: 1, for: 2s }, to: by_hand }\n  streams:\n    by_hand: { key: sensor_id, partitions: 2 }\n  sinks:\n    out: { from: by_hand, file: { path: out.jsonl, mode: overwrite } }\n";
        place.write("hand.yaml", spec);
        let environment = format!("{}/../../pipelines/environments/{kind}.yaml", env!("CARGO_MANIFEST_DIR"));
        place.run(&["apply", "hand.yaml", "--env", &environment, "--fresh"], "").code(0);
        let on = ["--env", &environment];
        let run = |arguments: &[&str], input: &str| place.run(&[arguments, &on].concat(), input);

        let listed = run(&["stream", "ls"], "").code(0);
        assert!(listed.stdout.lines().any(|line| line == "by_hand"), "{kind}: {}", listed.stdout);
        let put = run(&["stream", "put", "by_hand", "--key", "k1"], "{\"n\":1}\n{\"n\":2}\n").code(0);
        assert!(put.stderr.contains("2 records written"), "{kind}: {}", put.stderr);
        // A subscription of Pub/Sub begins when it is made: what came before it is read where the topic keeps it.
        if *kind != "pubsub" {
            let read = run(&["stream", "read", "by_hand", "--format", "json", "--limit", "100"], "").code(0);
            let ours: Vec<serde_json::Value> = read
                .stdout
                .lines()
                .map(|line| serde_json::from_str(line).expect("a record"))
                .filter(|record: &serde_json::Value| record["key"] == "k1")
                .collect();
            assert_eq!(ours.len(), 2, "{kind}: {}", read.stdout);
            assert_eq!((&ours[0]["payload"], &ours[1]["payload"]), (&"{\"n\":1}".into(), &"{\"n\":2}".into()));
            let inferred = run(&["infer", "--stream", "by_hand"], "").code(0);
            assert!(inferred.stdout.contains("temperature: float64"), "{kind}: {}", inferred.stdout);
        }
        let described = run(&["stream", "describe", "by_hand"], "").code(0);
        assert!(described.stdout.starts_with("by_hand"), "{kind}: {}", described.stdout);
        let doctor = run(&["doctor"], "").code(0);
        assert!(doctor.stdout.contains("good") && !doctor.stdout.contains("BAD"), "{kind}: {}", doctor.stdout);
        let group = run(&["stream", "describe", "by_hand", "--group", "nobody"], "").code(0);
        // A number, or that it is not known, and why.
        assert!(group.stdout.contains("lag"), "{kind}: {}", group.stdout);
        assert!(!group.stdout.lines().any(|line| line.ends_with(" -")), "{kind}: {}", group.stdout);
        let (in_table, reported) =
            (group.stdout.contains(" unknown\n"), group.stdout.contains("lag unknown: group `nobody`"));
        assert!(reported || !in_table, "{kind}: {}", group.stdout);
        let json = run(&["stream", "describe", "by_hand", "--format", "json"], "").code(0).json();
        assert!(json["retention"].is_string() || json["retention"].is_null(), "{kind}: {json}");
        let one = run(&["stream", "put", "by_hand", "--key-field", "k"], "\n{\"k\":\"a\"}\n").code(0);
        assert!(one.stderr.contains("1 record written"), "{kind}: {}", one.stderr);
        for (line, says) in [("{\"n\":1}", "has no field `k`"), ("{\"k\":null}", "`k: null`"), ("no", "is not JSON")] {
            let input = format!("{{\"k\":\"a\"}}\n\n{line}\n{{\"k\":\"b\"}}\n");
            let refused = run(&["stream", "put", "by_hand", "--key-field", "k"], &input).code(1);
            assert!(refused.stderr.contains("line 3") && refused.stderr.contains(says), "{kind}: {}", refused.stderr);
            assert!(refused.stderr.contains("1 record written"), "{kind}: {}", refused.stderr);
        }
        let allowed = run(&["stream", "put", "by_hand", "--key-field", "k", "--allow-missing-key"], "no\n").code(0);
        assert!(allowed.stderr.contains("1 record written"), "{kind}: {}", allowed.stderr);
        let partition = run(&["stream", "read", "by_hand", "--partition", "77"], "").code(1);
        assert!(partition.stderr.contains("no partition 77"), "{kind}: {}", partition.stderr);
        let missing = run(&["stream", "read", "no_such_stream"], "").code(4);
        assert!(missing.stderr.contains("no stream `no_such_stream`"), "{kind}: {}", missing.stderr);
    }
}
