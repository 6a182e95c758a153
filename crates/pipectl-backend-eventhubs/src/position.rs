//! Where a reader stands: for each partition the event that it has read last.

use std::collections::BTreeMap;

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The event that was read last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Its offset, which the service goes by; a checkpoint of another program may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<String>,
    /// Its sequence number.
    pub(crate) sequence: i64,
    /// When its hub was made: in another hub of the same name the numbers mean other events. Older positions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Micros>,
}

impl Mark {
    /// Whether `other` takes the place of this one: it is further, or of another hub.
    pub(crate) fn gives_way_to(&self, other: &Self) -> bool {
        self.created != other.created || self.sequence < other.sequence
    }
}

/// The partitions of a subtask: `{"partitions": {"0": {"offset": "4096", "sequence": 17, "created": 1767225600000000}}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    #[serde(default)]
    pub(crate) partitions: BTreeMap<u32, Mark>,
}

impl Position {
    pub(crate) fn parse(value: &Value, stream: &str) -> Result<Self, ConnectorError> {
        Self::deserialize(value).map_err(|error| {
            let text =
                format!("the position of stream `{stream}` in the checkpoint is not a position of Event Hubs: {error}");
            ConnectorError::new(ErrorKind::Invalid, text)
        })
    }

    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Mark, Position};

    #[test]
    fn positions_read_back_and_others_are_refused() {
        let value = json!({ "partitions": { "0": { "offset": "4096", "sequence": 17, "created": 5 }, "11": { "sequence": 3 } } });
        let position = Position::parse(&value, "s").unwrap();
        assert_eq!(position.partitions[&0], Mark { offset: Some("4096".into()), sequence: 17, created: Some(5) });
        assert_eq!(position.partitions[&11].created, None, "as older releases wrote it");
        assert_eq!(position.to_value(), value);
        let (here, later) = (position.partitions[&0].clone(), Mark { sequence: 18, ..position.partitions[&0].clone() });
        assert!(here.gives_way_to(&later) && !later.gives_way_to(&here) && !here.gives_way_to(&here));
        assert!(later.gives_way_to(&Mark { created: Some(6), ..here }), "another hub counts anew");
        let error = Position::parse(&json!({ "partitions": { "0": "x" } }), "orders").unwrap_err();
        assert!(error.message.contains("`orders`"), "{error}");
    }
}
