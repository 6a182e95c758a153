//! Where a reader stands in a shard, as it is written into checkpoints and lease tables.

use std::{collections::BTreeMap, fmt, str::FromStr};

use pipectl_data::Micros;
use serde::{Deserialize, Serialize};

/// A place in a shard. Its text is part of checkpoints and leases and never changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum At {
    /// Its oldest record.
    #[default]
    Start,
    /// The first record that came in at this moment or later.
    Time(Micros),
    /// This record.
    On { sequence: String, sub: u64 },
    /// What follows this record; with a sub-sequence number, what follows that part of an aggregated record.
    After { sequence: String, sub: Option<u64> },
    /// The shard is closed and read to its end.
    End,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Time(at) => write!(f, "time:{at}"),
            Self::On { sequence, sub } => write!(f, "on:{sequence}:{sub}"),
            Self::After { sequence, sub: None } => write!(f, "after:{sequence}"),
            Self::After { sequence, sub: Some(sub) } => write!(f, "after:{sequence}:{sub}"),
            Self::End => f.write_str("end"),
        }
    }
}

impl From<At> for String {
    fn from(at: At) -> Self {
        at.to_string()
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a position in a Kinesis shard");
        let parts: Vec<&str> = text.split(':').collect();
        let sub = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        Ok(match parts.as_slice() {
            ["start"] => Self::Start,
            ["end"] => Self::End,
            ["time", at] => Self::Time(at.parse().map_err(|_| wrong())?),
            ["on", sequence, number] => Self::On { sequence: checked(sequence).ok_or_else(wrong)?, sub: sub(number)? },
            ["after", sequence] => Self::After { sequence: checked(sequence).ok_or_else(wrong)?, sub: None },
            ["after", sequence, number] => {
                Self::After { sequence: checked(sequence).ok_or_else(wrong)?, sub: Some(sub(number)?) }
            }
            _ => return Err(wrong()),
        })
    }
}

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Sequence numbers are decimal numbers of any length.
fn checked(sequence: &str) -> Option<String> {
    (!sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit())).then(|| sequence.to_owned())
}

/// A record's own position, as batches tell it: the sequence number, and which part of an aggregated record it is.
pub(crate) fn of_record(sequence: &str, sub: u64) -> String {
    format!("{sequence}:{sub}")
}

/// Reads what a person or a batch says: `SEQUENCE` or `SEQUENCE:SUB`.
pub(crate) fn parse_record(text: &str) -> Option<At> {
    let (sequence, sub) = text.split_once(':').unwrap_or((text, "0"));
    Some(At::On { sequence: checked(sequence)?, sub: sub.parse().ok()? })
}

/// How far a shard is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub(crate) at: At,
    /// How many records were read of it, so that records keep their numbers across restarts.
    #[serde(default)]
    pub(crate) count: i64,
    /// The lease's fencing token, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fence: Option<u64>,
}

/// The position of a subtask: its shards by number, the closed ones included as long as the service lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubtaskPosition {
    pub(crate) shards: BTreeMap<u32, Mark>,
}

/// Where a group began: part of each of its rows in the lease table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// The place in all shards of that time; `None` if each had a place of its own.
    pub(crate) at: Option<At>,
    /// The newest shard of that time. The service numbers them in the order in which it makes them.
    pub(crate) newest: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_as_what_they_were() {
        let sequence = || "49590338271490256608559692538361571095921575989136588898".to_owned();
        let all = [
            At::Start,
            At::Time(-5),
            At::On { sequence: sequence(), sub: 3 },
            At::After { sequence: sequence(), sub: None },
            At::After { sequence: sequence(), sub: Some(0) },
            At::End,
        ];
        for at in all {
            assert_eq!(at.to_string().parse::<At>(), Ok(at.clone()), "{at}");
        }
        for wrong in ["", "after:", "after:x", "on:1", "time:x", "after:1:2:3", "START"] {
            assert!(wrong.parse::<At>().is_err(), "{wrong}");
        }
        assert_eq!(parse_record(&of_record("12", 3)), Some(At::On { sequence: "12".into(), sub: 3 }));
        assert_eq!(parse_record("12"), Some(At::On { sequence: "12".into(), sub: 0 }));
        assert_eq!(parse_record("shardId-1"), None);
    }

    #[test]
    fn a_subtask_keeps_closed_shards() {
        let mut subtask = SubtaskPosition::default();
        subtask.shards.insert(0, Mark { at: At::End, count: 7, fence: None });
        subtask.shards.insert(4, Mark { at: At::Start, count: 0, fence: Some(2) });
        let value = serde_json::to_value(&subtask).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"shards":{"0":{"at":"end","count":7},"4":{"at":"start","count":0,"fence":2}}}"#
        );
        assert_eq!(serde_json::from_value::<SubtaskPosition>(value).unwrap(), subtask);
    }
}
