//! The writer's state in a checkpoint: a header in JSON, then the bytes of open and of finished files.
//!
//! ```text
//! "pcos" · version (1 byte) · length of the header (8 bytes, little-endian) · header · contents, one after another
//! ```

use bytes::Bytes;
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Micros, Schema};
use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Content, Encoding},
    file::OpenFile,
    store::Object,
};

const MAGIC: &[u8; 4] = b"pcos";
const VERSION: u8 = 1;
const START: usize = MAGIC.len() + 1 + 8;

#[derive(Serialize, Deserialize)]
struct Header {
    next_number: u64,
    open: Vec<OpenHeader>,
    pending: Vec<PendingHeader>,
}

#[derive(Serialize, Deserialize)]
struct OpenHeader {
    prefix: String,
    encoding: Encoding,
    schema: Schema,
    first_arrival: Micros,
    opened_at: Micros,
    rows: u64,
    length: usize,
}

#[derive(Serialize, Deserialize)]
struct PendingHeader {
    name: String,
    length: usize,
}

/// What a writer goes on from.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct State {
    /// The number of the next finished file.
    pub(crate) next_number: u64,
    /// Open files in the order in which they were opened.
    pub(crate) open: Vec<OpenFile>,
    /// Finished files that are not known to be published.
    pub(crate) pending: Vec<Object>,
}

/// Writes a state.
pub(crate) fn write<'a>(
    next_number: u64,
    open: impl Iterator<Item = &'a OpenFile>,
    pending: &[Object],
) -> Result<Vec<u8>, ConnectorError> {
    let mut header = Header { next_number, open: Vec::new(), pending: Vec::new() };
    let mut contents = Vec::new();
    for file in open {
        let before = contents.len();
        file.content.save(&mut contents)?;
        header.open.push(OpenHeader {
            prefix: file.prefix.clone(),
            encoding: file.encoding,
            schema: file.schema.clone(),
            first_arrival: file.first_arrival,
            opened_at: file.opened_at,
            rows: file.rows,
            length: contents.len() - before,
        });
    }
    for object in pending {
        contents.extend_from_slice(&object.bytes);
        header.pending.push(PendingHeader { name: object.name.clone(), length: object.bytes.len() });
    }
    let header = serde_json::to_vec(&header).map_err(|error| broken(&error.to_string()))?;
    let mut state = Vec::with_capacity(START + header.len() + contents.len());
    state.extend_from_slice(MAGIC);
    state.push(VERSION);
    state.extend_from_slice(&(header.len() as u64).to_le_bytes());
    state.extend_from_slice(&header);
    state.extend_from_slice(&contents);
    Ok(state)
}

/// Reads a state.
pub(crate) fn read(state: Vec<u8>) -> Result<State, ConnectorError> {
    let mut rest = Bytes::from(state);
    let start = take(&mut rest, START)?;
    if !start.starts_with(MAGIC) {
        return Err(broken("it does not begin as one"));
    }
    match start.get(MAGIC.len()) {
        Some(&VERSION) => {}
        version => {
            let version = version.copied().unwrap_or_default();
            return Err(broken(&format!("it has version {version}, this program knows {VERSION}")));
        }
    }
    let length = start.get(MAGIC.len() + 1..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let header = take(&mut rest, usize::try_from(length).unwrap_or(usize::MAX))?;
    let header: Header = serde_json::from_slice(&header).map_err(|error| broken(&error.to_string()))?;
    let mut open = Vec::with_capacity(header.open.len());
    for file in header.open {
        let content = Content::load(file.encoding.format, &take(&mut rest, file.length)?)?;
        open.push(OpenFile {
            prefix: file.prefix,
            encoding: file.encoding,
            schema: file.schema,
            first_arrival: file.first_arrival,
            opened_at: file.opened_at,
            rows: file.rows,
            content,
        });
    }
    let mut pending = Vec::with_capacity(header.pending.len());
    for object in header.pending {
        pending.push(Object { name: object.name, bytes: take(&mut rest, object.length)? });
    }
    if !rest.is_empty() {
        return Err(broken("it goes on after its end"));
    }
    Ok(State { next_number: header.next_number, open, pending })
}

fn take(rest: &mut Bytes, length: usize) -> Result<Bytes, ConnectorError> {
    if length > rest.len() {
        return Err(broken("it ends too early"));
    }
    Ok(rest.split_to(length))
}

fn broken(why: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("the checkpoint of the object store's writer is not usable: {why}"))
}
