//! Where reading goes on, as it stands in checkpoints: `{"partitions": {"0": 17}}`, the number of the next record.

use std::collections::BTreeMap;

use pipectl_contract::{ConnectorError, ErrorKind};
use serde_json::{Value, json};

/// As a checkpoint holds it.
pub(crate) fn write(partitions: impl IntoIterator<Item = (u32, i64)>) -> Value {
    let partitions: serde_json::Map<String, Value> =
        partitions.into_iter().map(|(number, next)| (number.to_string(), Value::from(next))).collect();
    json!({ "partitions": partitions })
}

/// From a checkpoint.
pub(crate) fn read(position: &Value) -> Result<BTreeMap<u32, i64>, ConnectorError> {
    let parse = || {
        let mut found = BTreeMap::new();
        for (number, next) in position.get("partitions")?.as_object()? {
            found.insert(number.parse().ok()?, next.as_i64()?);
        }
        Some(found)
    };
    parse().ok_or_else(|| {
        ConnectorError::new(
            ErrorKind::Invalid,
            format!(
                "the position `{position}` in the checkpoint is not a position of Kafka: was the stream on another backend?"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_and_another_backends_does_not() {
        let position = write([(0, 17), (12, 0)]);
        assert_eq!(position.to_string(), r#"{"partitions":{"0":17,"12":0}}"#);
        assert_eq!(read(&position).unwrap(), BTreeMap::from([(0, 17), (12, 0)]));
        for other in [json!({}), json!({ "partitions": { "shardId-1": "49" } }), json!({ "partitions": { "0": "x" } })]
        {
            assert_eq!(read(&other).unwrap_err().kind, ErrorKind::Invalid, "{other}");
        }
    }
}
