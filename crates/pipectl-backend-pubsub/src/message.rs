//! A record as a message of the service, and back.

use std::collections::HashMap;

use arrow_array::Array as _;
use google_cloud_pubsub::model::Message;
use pipectl_data::{Batch, Micros};

use crate::{
    attributes::{self, Value},
    limits::{MAX_MESSAGE, MAX_ORDERING_KEY},
};

const KEY: &str = "pipectl.key";
const TOMBSTONE: &str = "pipectl.tombstone";
const EMPTY: &str = "pipectl.empty";

/// What a message counts for beside its parts: the service's own id and time, and the framing. The service counts
/// 20 bytes for them (<https://cloud.google.com/pubsub/pricing#message_size>).
const FRAME: usize = 64;

/// A row of a batch as a message; an error says in one line why it can never be one.
pub(crate) fn of_row(batch: &Batch, row: usize, ordered: bool) -> Result<Message, String> {
    let mut message = Message::new();
    let mut attributes = HashMap::new();
    if let Some(headers) = &batch.headers {
        attributes::write(headers.of(row), &mut attributes)?;
    }
    if let Some(key) = batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row)) {
        let key = std::str::from_utf8(key).map_err(|_| "Pub/Sub accepts only keys that are text (UTF-8)".to_owned())?;
        if key.len() > MAX_ORDERING_KEY {
            return Err(format!("the key has {} bytes, Pub/Sub accepts at most {MAX_ORDERING_KEY}", key.len()));
        }
        if ordered && !key.is_empty() {
            key.clone_into(&mut message.ordering_key);
        } else {
            attributes.insert(KEY.to_owned(), key.to_owned());
        }
    }
    match batch.payload.as_ref().filter(|payload| payload.is_valid(row)).map(|payload| payload.value(row)) {
        Some([]) if attributes.is_empty() => {
            attributes.insert(EMPTY.to_owned(), "1".to_owned());
        }
        Some(payload) => message.data = bytes::Bytes::copy_from_slice(payload),
        None => {
            attributes.insert(TOMBSTONE.to_owned(), "1".to_owned());
        }
    }
    message.attributes = attributes;
    let size = size(&message);
    if size > MAX_MESSAGE {
        return Err(format!("the record has {size} bytes with key and headers, Pub/Sub accepts at most {MAX_MESSAGE}"));
    }
    Ok(message)
}

/// What a message counts for.
pub(crate) fn size(message: &Message) -> usize {
    let attributes = message.attributes.iter().map(|(name, value)| name.len() + value.len());
    FRAME + message.data.len() + message.ordering_key.len() + attributes.sum::<usize>()
}

/// A record that came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// The service's id; it stays the same when the record is delivered again.
    pub(crate) id: String,
    /// When the service took it in.
    pub(crate) arrival: Micros,
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<bytes::Bytes>,
    pub(crate) headers: Vec<(String, Value)>,
}

impl Record {
    /// What a message says. `now` is its arrival where the service told none, which it always does.
    pub(crate) fn of(message: Message, now: Micros) -> Self {
        let mut attributes = message.attributes;
        let tombstone = attributes.remove(TOMBSTONE).is_some() && message.data.is_empty();
        attributes.remove(EMPTY);
        let key = attributes.remove(KEY).or_else(|| Some(message.ordering_key).filter(|key| !key.is_empty()));
        let arrival = message.publish_time.map_or(now, |at| at.seconds() * 1_000_000 + i64::from(at.nanos()) / 1_000);
        Self {
            id: message.message_id,
            arrival,
            key,
            payload: (!tombstone).then_some(message.data),
            headers: attributes::read(attributes),
        }
    }

    /// Bytes that it counts for in a byte budget.
    pub(crate) fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        FRAME
            + self.id.len()
            + self.key.as_ref().map_or(0, String::len)
            + self.payload.as_ref().map_or(0, bytes::Bytes::len)
            + headers.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryViewArray, Int64Array};
    use pipectl_data::{HeadersBuilder, PayloadFormat};

    use super::*;

    fn batch(key: Option<&[u8]>, payload: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Batch {
        let payload = BinaryViewArray::from_iter([payload]);
        let number = Int64Array::from(vec![0]);
        let mut batch = Batch::raw(0, number.clone(), number, payload, PayloadFormat::Json);
        batch.keys = Some(BinaryViewArray::from_iter([key]));
        let mut builder = HeadersBuilder::default();
        for (name, value) in headers {
            builder.header(name, Some(value));
        }
        builder.end_record();
        batch.headers = builder.finish();
        batch
    }

    #[test]
    fn keys_payloads_and_headers_come_back_whether_ordered_or_not() {
        for ordered in [true, false] {
            for key in [None, Some(&b""[..]), Some(b"k1"), Some("größe".as_bytes())] {
                for payload in [None, Some(&b""[..]), Some(b"{}")] {
                    for headers in [&[][..], &[("h", &b"\xff"[..])]] {
                        let batch = batch(key, payload, headers);
                        let message = of_row(&batch, 0, ordered).unwrap();
                        assert!(
                            !message.data.is_empty()
                                || !message.attributes.is_empty()
                                || !message.ordering_key.is_empty()
                        );
                        assert_eq!(message.ordering_key.is_empty(), !ordered || key.is_none_or(<[u8]>::is_empty));
                        let record = Record::of(message, 7);
                        assert_eq!(record.key.as_deref().map(str::as_bytes), key);
                        assert_eq!(record.payload.as_deref(), payload);
                        assert_eq!(record.headers.len(), headers.len());
                        assert_eq!(record.arrival, 7);
                    }
                }
            }
        }
    }

    #[test]
    fn what_can_never_be_a_message_is_reported() {
        let long = vec![b'k'; MAX_ORDERING_KEY + 1];
        assert!(of_row(&batch(Some(&long), None, &[]), 0, true).unwrap_err().contains("1025 bytes"));
        assert!(of_row(&batch(Some(&[0xff]), None, &[]), 0, false).unwrap_err().contains("UTF-8"));
        let large = vec![b'x'; MAX_MESSAGE];
        assert!(
            of_row(&batch(None, Some(&large), &[]), 0, true).unwrap_err().contains("Pub/Sub accepts at most 10000000")
        );
        assert!(of_row(&batch(None, Some(&large[FRAME..]), &[]), 0, true).is_ok());
    }
}
