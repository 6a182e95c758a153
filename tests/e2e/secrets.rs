//! A secret's value never leaves the process that it was given to: not in errors, drawings, logs or checkpoints.

use crate::support::{Lab, edit, example, output::files};

const CANARY: &str = "canary-7f3a9c51";

const FORMATS: [&[&str]; 9] = [
    &["validate", "spec.yaml"],
    &["validate", "spec.yaml", "--format", "json"],
    &["validate", "spec.yaml", "--format", "sarif"],
    &["validate", "spec.yaml", "--format", "github"],
    &["validate", "spec.yaml", "--color", "always"],
    &["graph", "spec.yaml", "--format", "json"],
    &["graph", "spec.yaml"],
    &["dry-run", "spec.yaml", "--until", "10s"],
    &["apply", "spec.yaml", "--log-format", "json"],
];

#[test]
fn a_secret_in_the_wrong_place_is_never_shown() {
    // Places in a pipeline's head, a source, a stream, SQL, a path, a time pattern, a table and an Environment.
    let places = [
        ("name: sensor-lab", "name: \"lab-${secret:TOKEN}\""),
        ("devices: 10", "devices: \"${secret:TOKEN}\""),
        ("model: sensors", "model: \"${secret:TOKEN}\""),
        ("lateness: 5s", "lateness: \"${secret:TOKEN}\""),
        ("key: sensor_id", "key: \"${secret:TOKEN}\""),
        ("avg(humidity)    AS avg_humidity,", "avg(humidity) AS avg_humidity, '${secret:TOKEN}' AS token,"),
        ("prefix: \"raw-stream/", "prefix: \"${secret:TOKEN}/"),
        (
            "flush: { every: 60s, size: 1MiB }\n        format: json",
            "flush: { every: \"${secret:TOKEN}\" }\n        format: json",
        ),
        (
            "table: { key: [sensor_id, window_start] }",
            "table: { name: \"${secret:TOKEN}\", key: [sensor_id, window_start] }",
        ),
    ];
    for (from, to) in places {
        let lab = Lab::new();
        lab.write("spec.yaml", edit(&example("sensor-lab"), &[(from, to)]));
        for arguments in FORMATS {
            let ran =
                lab.start(arguments, &[("PIPECTL_SECRET_TOKEN", CANARY), ("PIPECTL_LOG", "trace")]).finish().code(1);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains(CANARY), "{to}: {arguments:?} shows the secret:\n{said}");
            assert!(said.contains("PC0204"), "{to}: {arguments:?} does not say why:\n{said}");
        }
        assert!(!lab.path("out").exists() && !lab.path(".pipectl").exists());
    }
}

/// From a file as from a variable; and one that is not there is named, not guessed.
#[test]
fn a_secret_of_a_folder_is_never_shown_either() {
    let lab = Lab::new();
    lab.write("secrets/TOKEN", format!("{CANARY}\n"));
    let spec = edit(&example("sensor-lab"), &[("seed: 7", "seed: \"${secret:TOKEN}\"")]);
    lab.write("spec.yaml", &spec);
    let variables = [("PIPECTL_SECRETS_DIR", "secrets"), ("PIPECTL_LOG", "trace")];
    let ran = lab.start(&["validate", "spec.yaml"], &variables).finish().code(1);
    assert!(!ran.stderr.contains(CANARY) && ran.stderr.contains("PC0204"), "{}", ran.stderr);
    let missing = lab.run(&["validate", "spec.yaml"]).code(1);
    assert!(missing.stderr.contains("TOKEN"), "{}", missing.stderr);
}

/// Everything that a run with the most talkative log says and writes, next to secrets that it was given.
#[test]
fn a_run_does_not_leak_its_environment() {
    let lab = Lab::new();
    lab.write("spec.yaml", example("sensor-lab"));
    let variables = [("PIPECTL_SECRET_TOKEN", CANARY), ("PIPECTL_LOG", "trace")];
    let ran = lab.start(&["apply", "spec.yaml", "--format", "json"], &variables).finish().code(0);
    assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY));
    for folder in ["out", ".pipectl"] {
        for (name, bytes) in files(&lab.path(folder)) {
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{folder}/{name} holds the secret");
        }
    }
}
