//! What no well-behaved client writes, and other people's clients do: bytes put together by hand, as the protocol has
//! them (<https://kafka.apache.org/protocol>, <https://kafka.apache.org/documentation/#recordbatch>).

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::lab::{borrowed, numbered, with_kafka};

/// A number as records have it: zigzag, seven bits a byte.
fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left > 0x7f {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

fn sized(bytes: &mut Vec<u8>, value: &[u8]) {
    varint(bytes, value.len() as i64);
    bytes.extend(value);
}

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

/// A batch with one record.
fn batch(payload: &[u8], headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    // Attributes, time, offset, no key.
    let mut record = vec![0, 0, 0, 1];
    sized(&mut record, payload);
    varint(&mut record, headers.len() as i64);
    for (name, value) in headers {
        sized(&mut record, name);
        sized(&mut record, value);
    }
    let mut checked = vec![0; 6];
    let now = 1_700_000_000_000_i64.to_be_bytes();
    checked.extend([now, now].concat());
    // No producer's id, epoch and sequence; one record.
    checked.extend([0xff; 14]);
    checked.extend(1_i32.to_be_bytes());
    sized(&mut checked, &record);
    let mut batch = vec![0; 8];
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend([0xff, 0xff, 0xff, 0xff, 2]);
    batch.extend(checksum(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// Sends it as version 3 of Produce to partition 0 and answers the error code.
fn produce(broker: &str, topic: &str, batch: &[u8]) -> i16 {
    // Produce, version 3, a number, no client; no transaction, all copies, ten seconds, one topic.
    let mut request = vec![0, 0, 0, 3, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x27, 0x10, 0, 0, 0, 1];
    request.extend((topic.len() as i16).to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    request.extend((batch.len() as i32).to_be_bytes());
    request.extend(batch);
    let mut broker = TcpStream::connect(broker).unwrap();
    broker.write_all(&(request.len() as i32).to_be_bytes()).unwrap();
    broker.write_all(&request).unwrap();
    let mut length = [0; 4];
    broker.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    broker.read_exact(&mut answer).unwrap();
    // Its number, one topic with its name, one partition with its number; then the code.
    let code = 4 + 4 + 2 + topic.len() + 4 + 4;
    i16::from_be_bytes([answer[code], answer[code + 1]])
}

#[test]
fn a_header_name_that_is_no_text_costs_that_header_and_nothing_else() {
    with_kafka(async |lab| {
        let target = lab.stream("raw", 1).await;
        lab.write(&target, &borrowed(&numbered(0..1, 1))).await;
        let headers: [(&[u8], &[u8]); 3] = [(b"before", b"1"), (b"na\xff\xfeme", b"2"), ("nach ☃".as_bytes(), b"3")];
        assert_eq!(produce(&lab.brokers, &target.name, &batch(b"1", &headers)), 0, "the broker takes it");
        lab.write(&target, &borrowed(&numbered(2..3, 1))).await;
        let seen = lab.all(&target).await;
        assert_eq!(seen.payloads(), ["0", "1", "2"]);
        let headers: Vec<(String, Option<Vec<u8>>)> = seen
            .batches
            .iter()
            .flat_map(|batch| (0..batch.len()).map(move |row| (batch, row)))
            .flat_map(|(batch, row)| batch.headers.iter().flat_map(move |headers| headers.of(row)))
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        let wanted = [("before", Some("1")), ("\u{fffd}", None), ("nach ☃", Some("3"))];
        assert_eq!(
            headers,
            wanted.map(|(name, value)| (name.to_owned(), value.map(|value| value.as_bytes().to_vec())))
        );
    });
}
