//! One checkpoint as bytes.
//!
//! `PIPECTLC`, format version (u32), then frames: a JSON header and one blob for each task, then the XXH3 of all that
//! came before (u64). All numbers little-endian. Format 1 had a digest of the whole plan instead of a layout, so that its
//! state fits an unchanged plan only.

use pipectl_data::{Micros, key_hash};

use super::frame;
use crate::layout::Layout;

/// The version that is written; it and the one before are read.
pub const FORMAT: u32 = 2;

const MAGIC: &[u8; 8] = b"PIPECTLC";

/// The state of a whole region at one moment of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number; grows by one.
    pub id: u64,
    /// What it is a state of.
    pub of: StateOf,
    /// When it was taken.
    pub time: Micros,
    /// Whether all sources had ended and all windows are closed: there is nothing to go on with.
    pub finished: bool,
    /// Whether it is the last one of a run: the sinks hold nothing open, only what is not published yet.
    pub drained: bool,
    /// The state of each task, by `stage/index`.
    pub tasks: Vec<(String, Vec<u8>)>,
}

/// What a checkpoint is a state of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateOf {
    /// Nodes and tasks by name.
    Layout(Layout),
    /// In format 1: a plan with this digest.
    Digest(String),
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    key_hash: u32,
    time: Micros,
    finished: bool,
    #[serde(default)]
    drained: bool,
    tasks: Vec<String>,
}

impl Checkpoint {
    /// As bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        let (format, layout, fingerprint) = match &self.of {
            StateOf::Layout(layout) => (FORMAT, Some(layout.clone()), None),
            StateOf::Digest(digest) => (FORMAT - 1, None, Some(digest.clone())),
        };
        let header = Header {
            id: self.id,
            layout,
            fingerprint,
            key_hash: key_hash::VERSION,
            time: self.time,
            finished: self.finished,
            drained: self.drained,
            tasks: self.tasks.iter().map(|(name, _)| name.clone()).collect(),
        };
        let header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
        let blobs = self.tasks.iter().map(|(_, blob)| blob.as_slice());
        let mut bytes = [&MAGIC[..], &format.to_le_bytes()].concat();
        bytes.extend(frame::join(std::iter::once(header.as_slice()).chain(blobs)));
        let checksum = key_hash::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        Ok(bytes)
    }

    /// From bytes; the error says in one line what is wrong with them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a pipectl checkpoint")?;
        let (version, _) = rest.split_first_chunk::<4>().ok_or("it is truncated")?;
        let version = u32::from_le_bytes(*version);
        if version != FORMAT && version != FORMAT - 1 {
            return Err(format!(
                "it has format {version}, and this version of pipectl reads formats {} and {FORMAT}",
                FORMAT - 1
            ));
        }
        let (content, checksum) = bytes.split_last_chunk::<8>().ok_or("it is truncated")?;
        if key_hash::hash(content) != u64::from_le_bytes(*checksum) {
            return Err("its checksum is wrong: the file is damaged".to_owned());
        }
        let parts = content.get(MAGIC.len() + 4..).and_then(frame::split).ok_or("it is truncated")?;
        let (header, blobs) = parts.split_first().ok_or("it has no header")?;
        let header: Header =
            serde_json::from_slice(header).map_err(|error| format!("its header is broken: {error}"))?;
        if header.key_hash != key_hash::VERSION {
            return Err(format!("its keys are hashed by version {}, not {}", header.key_hash, key_hash::VERSION));
        }
        if header.tasks.len() != blobs.len() {
            return Err("it lacks the state of a task".to_owned());
        }
        let tasks = header.tasks.into_iter().zip(blobs.iter().map(|blob| blob.to_vec())).collect();
        let of = match (header.layout, header.fingerprint) {
            (Some(layout), _) => StateOf::Layout(layout),
            (None, Some(digest)) => StateOf::Digest(digest),
            (None, None) => return Err("it does not say what it is a state of".to_owned()),
        };
        let Header { id, time, finished, drained, .. } = header;
        Ok(Self { id, of, time, finished, drained, tasks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let layout = checkpoint(StateOf::Layout(Layout::default()));
        let digest = checkpoint(StateOf::Digest("f".to_owned()));
        for checkpoint in [layout, digest] {
            is_noticed(&checkpoint);
        }
    }

    fn checkpoint(of: StateOf) -> Checkpoint {
        Checkpoint {
            id: 7,
            of,
            time: 1,
            finished: false,
            drained: false,
            tasks: vec![("a/0".to_owned(), b"state".to_vec()), ("b/1".to_owned(), Vec::new())],
        }
    }

    fn is_noticed(checkpoint: &Checkpoint) {
        let bytes = checkpoint.encode().unwrap();
        assert_eq!(Checkpoint::decode(&bytes).as_ref(), Ok(checkpoint));
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert!(Checkpoint::decode(&damaged).is_err(), "flip at {position}");
            assert!(Checkpoint::decode(&bytes[..position]).is_err(), "cut at {position}");
        }
    }
}
