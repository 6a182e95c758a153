//! `network: private`: what the internet can reach is refused before a record is sent there.

use pipectl_peers::Kafka;

use crate::testbed::Testbed;

/// A network that nobody has (RFC 5737): whoever tried to connect would wait for long.
const PUBLIC: &str = "203.0.113.9";

/// The repository's Environment of a backend, with `network: private`.
fn private(kind: &str) -> String {
    let usual = format!("{}/../../pipelines/environments/{kind}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(usual).expect("the Environment");
    assert!(text.contains("\nspec:\n"));
    text.replace("\nspec:\n", "\nspec:\n  network: private\n")
}

#[test]
fn public_addresses_are_refused_by_every_backend() {
    let place = Testbed::empty();
    let public = |scheme: &str| format!("{scheme}{PUBLIC}:443");
    let cases = [
        ("kafka", vec![("KAFKA_BROKERS", public(""))], "`brokers`"),
        ("kinesis", vec![("KINESIS_ENDPOINT", public("https://"))], "`private_endpoint`"),
        ("kinesis", vec![("DYNAMODB_ENDPOINT", public("https://"))], "`dynamodb_endpoint`"),
        ("pubsub", vec![("PUBSUB_ENDPOINT", public("https://"))], "Private Service Connect"),
        ("eventhubs", vec![("EVENTHUBS_ENDPOINT", public("amqps://"))], "private endpoint"),
    ];
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: lab }\nspec:\n  streams: { raw: { schema: { id: int64 } } }\n  sinks: { out: { from: raw, stdout: {} } }\n";
    place.write("spec.yaml", spec);
    for (kind, variables, help) in cases {
        place.write("env.yaml", &private(kind));
        for verb in [
            &["stream", "ls", "--env", "env.yaml"][..],
            &["doctor", "--env", "env.yaml"],
            &["apply", "spec.yaml", "--env", "env.yaml"],
        ] {
            let mut command = place.command(verb);
            let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().expect("pipectl");
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(4), "{kind} {verb:?}: {said}");
            assert!(said.contains(&format!("`{PUBLIC}` is a public address")), "{kind} {verb:?}: {said}");
            assert!(said.contains("network: private") && said.contains(help), "{kind} {verb:?}: {said}");
        }
    }
}

#[test]
fn private_addresses_are_let_through() {
    let place = Testbed::with_all();
    for (kind, _) in &place.backends {
        place.write("env.yaml", &private(kind));
        place.run(&["stream", "ls", "--env", "env.yaml"], "").code(0);
    }
}

#[test]
fn brokers_that_send_clients_to_public_addresses_are_refused() {
    let (broker, port) = pipectl_peers::need!(Kafka::start_advertising(PUBLIC));
    let place = Testbed::with_kafka(&format!("127.0.0.1:{port}"));
    place.write("env.yaml", &private("kafka"));
    let refused = place.run(&["stream", "ls", "--env", "env.yaml"], "").code(4);
    assert!(refused.stderr.contains(&format!("`{PUBLIC}` is a public address")), "{}", refused.stderr);
    assert!(refused.stderr.contains("must advertise private addresses"), "{}", refused.stderr);
    drop(broker);
}
