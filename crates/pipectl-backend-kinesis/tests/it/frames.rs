//! Messages of an event stream, byte by byte, so that a proxy can say what no peer does
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>).

/// The first message of a subscription.
pub(crate) fn begin() -> Vec<u8> {
    message(&[(":message-type", "event"), (":event-type", "initial-response")], b"{}")
}

/// An error inside the stream.
pub(crate) fn error(code: &str) -> Vec<u8> {
    let body = serde_json::json!({ "message": "the proxy says so" }).to_string();
    let headers = [(":message-type", "exception"), (":exception-type", code), (":content-type", "application/json")];
    message(&headers, body.as_bytes())
}

fn message(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend(name.as_bytes());
        // Of the kinds of values, a text.
        head.push(7);
        head.extend((value.len() as u16).to_be_bytes());
        head.extend(value.as_bytes());
    }
    let mut message = Vec::new();
    message.extend((16 + head.len() as u32 + body.len() as u32).to_be_bytes());
    message.extend((head.len() as u32).to_be_bytes());
    message.extend(crc32(&message).to_be_bytes());
    message.extend(head);
    message.extend(body);
    message.extend(crc32(&message).to_be_bytes());
    message
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn the_checksum_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
