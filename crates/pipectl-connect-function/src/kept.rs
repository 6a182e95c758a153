//! What a function keeps for each key, in the runtime's own hands.
//!
//! In a checkpoint: `PCFN`, the hash of what follows (u64, little endian), then JSON.

use std::collections::BTreeMap;

use pipectl_contract::OperatorError;
use pipectl_data::{Schema, Share, key_hash};
use serde::{Deserialize, Serialize};

use crate::call::Kept;

const MAGIC: &[u8; 4] = b"PCFN";
const FORMAT: u32 = 1;
/// A state that needs not be kept.
const EMPTY: &str = "{}";

/// The state of each key as JSON. A key is the JSON of its columns.
#[derive(Debug, Default)]
pub(crate) struct KeyedState {
    states: BTreeMap<String, String>,
    bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    format: u32,
    states: BTreeMap<String, String>,
}

impl KeyedState {
    /// What the function keeps for these keys.
    pub(crate) fn of<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Kept {
        let mut kept = Kept::default();
        for key in keys {
            if let Some(state) = self.states.get(key).filter(|_| !kept.states.contains_key(key)) {
                kept.states.insert(key.to_owned(), state.clone());
            }
        }
        kept
    }

    /// Takes over what a call has changed.
    pub(crate) fn change(&mut self, changed: Kept) {
        for (key, state) in changed.states {
            self.put(key, state);
        }
    }

    fn put(&mut self, key: String, state: String) {
        if let Some(before) = self.states.remove(&key) {
            self.bytes -= bytes(&key, &before);
        }
        if state != EMPTY {
            self.bytes += bytes(&key, &state);
            self.states.insert(key, state);
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, OperatorError> {
        if self.states.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = Snapshot { format: FORMAT, states: self.states.clone() };
        let json = serde_json::to_vec(&snapshot).map_err(|error| OperatorError(error.to_string()))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&key_hash::hash(&json).to_le_bytes());
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// Goes on from a checkpoint; from a part of it, if this is what the task has of it.
    pub(crate) fn read(&mut self, snapshot: &[u8], part: Option<(&Schema, &Share)>) -> Result<(), OperatorError> {
        let damaged = || OperatorError("the checkpoint of a function cannot be read: it is damaged".to_owned());
        let (hash, json) =
            snapshot.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<8>()).ok_or_else(damaged)?;
        if key_hash::hash(json) != u64::from_le_bytes(*hash) {
            return Err(damaged());
        }
        let snapshot: Snapshot = serde_json::from_slice(json).map_err(|_| damaged())?;
        if snapshot.format != FORMAT {
            let text =
                format!("the checkpoint of a function has format {}; this build reads {FORMAT}", snapshot.format);
            return Err(OperatorError(text));
        }
        let owned = part.map(|(key, share)| share.owns_keys(key, snapshot.states.keys().map(String::as_str)));
        let owned = owned.transpose().map_err(|error| OperatorError(error.to_string()))?;
        for (row, (key, state)) in snapshot.states.into_iter().enumerate() {
            if owned.as_ref().is_none_or(|owned| owned.value(row)) {
                self.put(key, state);
            }
        }
        Ok(())
    }
}

/// What an entry takes in memory, about: two texts, their headers and their place in the tree.
fn bytes(key: &str, state: &str) -> usize {
    key.len() + state.len() + 2 * size_of::<String>() + 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_holds_it_all_and_bytes_follow_a_count() {
        let mut state = KeyedState::default();
        for number in 0..50 {
            state.put(format!("{{\"k\":{}}}", number % 7), format!("{{\"n\":{number}}}"));
        }
        state.put("{\"k\":3}".to_owned(), "{}".to_owned());
        assert_eq!(state.states.len(), 6, "an empty state is none");
        assert_eq!(state.bytes(), state.states.iter().map(|(key, state)| bytes(key, state)).sum::<usize>());
        let written = state.write().unwrap();
        let mut again = KeyedState::default();
        again.read(&written, None).unwrap();
        assert_eq!((&again.states, again.bytes()), (&state.states, state.bytes()));
        for at in 0..written.len() {
            let mut damaged = written.clone();
            damaged[at] ^= 1;
            assert!(KeyedState::default().read(&damaged, None).is_err(), "{at}");
        }
        assert!(KeyedState::default().write().unwrap().is_empty());
    }
}
