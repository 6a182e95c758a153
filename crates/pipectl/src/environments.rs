//! Environments for a backend alone, with its defaults: those of pipelines/environments, built in.

use pipectl_spec::Input;

const ALL: &[(&str, &str)] = &[
    ("memory", include_str!("../../../pipelines/environments/memory.yaml")),
    ("kafka", include_str!("../../../pipelines/environments/kafka.yaml")),
    ("kinesis", include_str!("../../../pipelines/environments/kinesis.yaml")),
    ("pubsub", include_str!("../../../pipelines/environments/pubsub.yaml")),
    ("eventhubs", include_str!("../../../pipelines/environments/eventhubs.yaml")),
];

/// The kinds of backend that there are.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(kind, _)| *kind)
}

/// The Environment of a backend of this kind, as a document to load; `None` for a kind that there is not.
pub(crate) fn of(kind: &str) -> Option<Input> {
    let (kind, text) = ALL.iter().find(|(known, _)| *known == kind)?;
    Some(Input { name: format!("<{kind}>"), bytes: text.as_bytes().to_vec() })
}
