//! Records as events and back. A record without payload is written with an empty one: Event Hubs has no tombstones.
//!
//! Keys are partition keys and headers are application properties: text where the bytes are UTF-8, so that other clients
//! read them as such, else binary. A property of another type, a number or a time, is read as text. A property's name comes
//! only once, so of headers with one name the last one counts.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::{Array, BinaryViewArray, Int64Array, builder::BinaryViewBuilder};
use azure_core_amqp::{
    AmqpMessage, AmqpSimpleValue, AmqpSymbol, AmqpTimestamp, AmqpValue,
    message::{AmqpApplicationProperties, AmqpMessageBody},
};
use azure_messaging_eventhubs::models::ReceivedEventData;
use pipectl_data::{Batch, HeadersBuilder, Micros, PayloadFormat, timestamp};

use crate::{limits, position::Mark};

/// Why a record cannot be an event.
pub(crate) fn key_of(batch: &Batch, row: usize) -> Result<Option<&str>, String> {
    let Some(keys) = batch.keys.as_ref().filter(|keys| keys.is_valid(row)) else { return Ok(None) };
    let key = std::str::from_utf8(keys.value(row))
        .map_err(|_| "its key is not UTF-8, which partition keys of Event Hubs must be".to_owned())?;
    if key.chars().count() > limits::KEY {
        return Err(format!(
            "its key has {} characters, but Event Hubs accepts at most {}",
            key.chars().count(),
            limits::KEY
        ));
    }
    Ok(Some(key))
}

/// The record as an event. The key goes with it, so that readers see it wherever the event is sent to.
pub(crate) fn message(batch: &Batch, row: usize, key: Option<&str>) -> AmqpMessage {
    let payload = batch.payload.as_ref().filter(|payload| payload.is_valid(row)).map(|payload| payload.value(row));
    let mut builder =
        AmqpMessage::builder().with_body(AmqpMessageBody::Binary(vec![payload.unwrap_or_default().to_vec()]));
    if let Some(headers) = &batch.headers {
        let mut properties = AmqpApplicationProperties::new();
        for (name, value) in headers.of(row) {
            let value = value.map(|bytes| match std::str::from_utf8(bytes) {
                Ok(text) => AmqpSimpleValue::String(text.to_owned()),
                Err(_) => AmqpSimpleValue::Binary(bytes.to_vec()),
            });
            properties.insert(name.to_owned(), value.unwrap_or(AmqpSimpleValue::Null));
        }
        if !properties.0.is_empty() {
            builder = builder.with_application_properties(properties);
        }
    }
    let mut message = builder.build();
    if let Some(key) = key {
        message.add_message_annotation(AmqpSymbol::from("x-opt-partition-key"), AmqpValue::String(key.to_owned()));
    }
    message
}

/// At least as many bytes as the record's own parts have.
pub(crate) fn size(batch: &Batch, row: usize) -> u64 {
    let payload =
        batch.payload.as_ref().filter(|payload| payload.is_valid(row)).map_or(0, |payload| payload.value(row).len());
    let key = batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map_or(0, |keys| keys.value(row).len());
    let headers = batch.headers.iter().flat_map(|headers| headers.of(row));
    let headers: usize = headers.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
    (payload + key + headers) as u64
}

/// An event that was read.
pub(crate) struct Event {
    pub(crate) mark: Mark,
    data: ReceivedEventData,
    pub(crate) bytes: usize,
}

impl Event {
    /// Of a hub that was made at this moment; `None` for something without a sequence number, which is no event.
    pub(crate) fn new(data: ReceivedEventData, created: Option<Micros>) -> Option<Self> {
        let mark = Mark { offset: data.offset().clone(), sequence: data.sequence_number()?, created };
        // What a message costs beside its body: the SDK's own structures, measured at about 600 bytes.
        let bytes = body_len(&data.raw_amqp_message().body) + 600;
        Some(Self { mark, data, bytes })
    }
}

fn body_len(body: &AmqpMessageBody) -> usize {
    match body {
        AmqpMessageBody::Binary(parts) => parts.iter().map(Vec::len).sum(),
        AmqpMessageBody::Value(AmqpValue::Binary(bytes)) => bytes.len(),
        AmqpMessageBody::Value(AmqpValue::String(text)) => text.len(),
        _ => 0,
    }
}

/// Events of one partition as a batch.
pub(crate) fn batch(partition: u32, events: &[Event]) -> Batch {
    let mut payload = BinaryViewBuilder::with_capacity(events.len());
    let mut keys = BinaryViewBuilder::with_capacity(events.len());
    let mut headers = HeadersBuilder::default();
    let mut keyed = false;
    for event in events {
        let message = event.data.raw_amqp_message();
        match &message.body {
            AmqpMessageBody::Binary(parts) => match parts.as_slice() {
                [one] => payload.append_value(one),
                many => payload.append_value(many.concat()),
            },
            AmqpMessageBody::Value(AmqpValue::Binary(bytes)) => payload.append_value(bytes),
            AmqpMessageBody::Value(AmqpValue::String(text)) => payload.append_value(text),
            AmqpMessageBody::Empty => payload.append_value([]),
            // A tree of AMQP values is nothing that a record can hold.
            AmqpMessageBody::Value(_) | AmqpMessageBody::Sequence(_) => payload.append_null(),
        }
        let key = event.data.partition_key();
        keyed |= key.is_some();
        keys.append_option(key.as_ref());
        for (name, value) in message.application_properties.iter().flat_map(|properties| properties.0.iter()) {
            headers.header(name, property(value).as_deref());
        }
        headers.end_record();
    }
    let arrival = events.iter().map(|event| event.data.enqueued_time().map_or(0, micros));
    let offsets = Int64Array::from_iter_values(events.iter().map(|event| event.mark.sequence));
    let payload: BinaryViewArray = payload.finish();
    let mut batch = Batch::raw(partition, offsets, Int64Array::from_iter_values(arrival), payload, PayloadFormat::Json);
    batch.keys = keyed.then(|| keys.finish());
    batch.headers = headers.finish();
    batch
}

/// A moment as records tell it.
pub(crate) fn micros(at: SystemTime) -> Micros {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as Micros,
        Err(before) => -(before.duration().as_micros() as Micros),
    }
}

/// A property's value as a header: text as it is, bytes as they are, and anything else as text.
fn property(value: &AmqpSimpleValue) -> Option<Vec<u8>> {
    Some(match value {
        AmqpSimpleValue::Null => return None,
        AmqpSimpleValue::String(text) => text.clone().into_bytes(),
        AmqpSimpleValue::Binary(bytes) => bytes.clone(),
        AmqpSimpleValue::Symbol(symbol) => symbol.0.clone().into_bytes(),
        AmqpSimpleValue::Boolean(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::UByte(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Byte(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::UShort(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Short(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::UInt(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Int(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::ULong(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Long(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Float(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Double(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Char(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::Uuid(value) => value.to_string().into_bytes(),
        AmqpSimpleValue::TimeStamp(AmqpTimestamp(at)) => timestamp::format(micros((*at)?)).into_bytes(),
        // As they were sent: nobody writes these as text.
        AmqpSimpleValue::Decimal128(bytes) => bytes.to_vec(),
        AmqpSimpleValue::Decimal64(bytes) => bytes.to_vec(),
        AmqpSimpleValue::Decimal32(bytes) => bytes.to_vec(),
        // What lies within: an address or the ticks of a span where a client of .NET has written it.
        AmqpSimpleValue::Described(described) => match &described.value {
            AmqpValue::String(text) => text.clone().into_bytes(),
            AmqpValue::Long(value) => value.to_string().into_bytes(),
            other => format!("{other:?}").into_bytes(),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azure_core_amqp::AmqpDescribed;

    use super::*;

    #[test]
    fn properties_of_any_type_are_read_as_others_can_read_them() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_500);
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let address = AmqpDescribed::new(AmqpSymbol::from("com.microsoft:uri"), "https://example.com/");
        let span = AmqpDescribed::new(AmqpSymbol::from("com.microsoft:timespan"), AmqpValue::Long(42));
        for (value, text) in [
            (AmqpSimpleValue::TimeStamp(moment.into()), Some("1970-01-01T00:00:01.500Z")),
            (AmqpSimpleValue::TimeStamp(before.into()), Some("1969-12-31T23:59:59Z")),
            (AmqpSimpleValue::TimeStamp(AmqpTimestamp(None)), None),
            (AmqpSimpleValue::Described(Box::new(address)), Some("https://example.com/")),
            (AmqpSimpleValue::Described(Box::new(span)), Some("42")),
            (AmqpSimpleValue::Decimal32([1, 2, 3, 4]), Some("\u{1}\u{2}\u{3}\u{4}")),
            (AmqpSimpleValue::Boolean(true), Some("true")),
            (AmqpSimpleValue::Null, None),
        ] {
            assert_eq!(property(&value).as_deref(), text.map(str::as_bytes), "{value:?}");
        }
    }
}
