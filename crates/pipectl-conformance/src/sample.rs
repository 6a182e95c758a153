//! The records that the suite writes, and how they are recognized when they come back.

use arrow_array::{Int64Array, builder::BinaryViewBuilder};
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};

/// A header: its name, and a value that may be missing.
pub type Header = (String, Option<Vec<u8>>);

/// A record to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its payload; none is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<Header>,
}

impl Sample {
    /// Record `id` of a stream: the `nth` of key `key-{key}`.
    pub fn numbered(id: usize, key: usize, nth: usize) -> Self {
        let payload = format!(r#"{{"id":{id},"key":{key},"nth":{nth}}}"#);
        Self { key: Some(format!("key-{key}").into_bytes()), payload: Some(payload.into_bytes()), headers: Vec::new() }
    }

    /// Records `from..to` of a stream, their keys in turn.
    pub fn range(from: usize, to: usize, keys: usize) -> Vec<Self> {
        (from..to).map(|id| Self::numbered(id, id % keys, id / keys)).collect()
    }
}

/// What a numbered record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Tag {
    pub(crate) id: usize,
    pub(crate) key: usize,
    pub(crate) nth: usize,
}

impl Tag {
    pub(crate) fn read(payload: Option<&[u8]>) -> Option<Self> {
        serde_json::from_slice(payload?).ok()
    }
}

/// Samples as a batch, as the runtime hands it to a producer.
pub fn batch(samples: &[Sample]) -> Batch {
    let (mut keys, mut payload, mut headers) =
        (BinaryViewBuilder::new(), BinaryViewBuilder::new(), HeadersBuilder::default());
    for sample in samples {
        keys.append_option(sample.key.as_deref());
        payload.append_option(sample.payload.as_deref());
        for (name, value) in &sample.headers {
            headers.header(name, value.as_deref());
        }
        headers.end_record();
    }
    let offsets = Int64Array::from_iter_values(0..samples.len() as i64);
    let arrival = Int64Array::from(vec![0; samples.len()]);
    let mut batch = Batch::raw(0, offsets, arrival, payload.finish(), PayloadFormat::Json);
    batch.keys = Some(keys.finish());
    batch.headers = headers.finish();
    batch
}
