//! Secrets reach the options that take them, and nothing else.

use super::{CANARY, EXAMPLE, lines, read_one};

#[test]
fn a_secret_reaches_its_option_and_no_print() {
    let (loaded, problems, _) = read_one(EXAMPLE);
    assert!(problems.is_empty());
    let environment = &loaded.environments[0];
    assert_eq!(environment.bindings[0].options["s3"]["token"], CANARY);
    assert_eq!(environment.sinks[0].1.options["url"], format!("redis://:{CANARY}@h"));
    assert!(!format!("{loaded:?}").contains(CANARY));
    assert_eq!(environment.bindings[0].redacted()["s3"]["token"], "<secret>");
}

#[test]
fn a_secret_has_no_business_elsewhere() {
    let places = [
        ("prefix: \"raw/", "prefix: \"${secret:TOKEN}/"),
        ("model: sensors", "model: \"${secret:TOKEN}\""),
        ("rate: 2/s", "rate: \"${secret:TOKEN}\""),
        ("partitions: 4", "partitions: ${secret:TOKEN}"),
        ("name: sensor-lab", "name: \"${secret:TOKEN}\""),
        ("kind: Pipeline", "kind: ${secret:TOKEN}"),
        ("apiVersion: pipectl/v1", "apiVersion: ${secret:TOKEN}"),
        ("user_id: string!", "user_id: \"${secret:TOKEN}\""),
        ("key: sensor_id", "key: ${secret:TOKEN}"),
    ];
    for (from, to) in places {
        let (loaded, problems, map) = read_one(&EXAMPLE.replacen(from, to, 1));
        assert!(!problems.is_empty(), "{to}");
        assert!(problems.iter().all(|problem| problem.code.as_str() == "PC0204"), "{:?}", lines(&problems, &map));
        assert!(!format!("{problems:?}{:?}", loaded.pipelines).contains(CANARY), "{to}");
    }
}
