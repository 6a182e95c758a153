//! What is written comes back as it was.

use std::collections::BTreeMap;

use crate::{
    lab::{Lab, Reading, Stop, ensure, owned},
    sample::{Header, Sample},
};

fn sample(key: &[u8], payload: &[u8]) -> Sample {
    Sample { key: Some(key.to_vec()), payload: Some(payload.to_vec()), headers: Vec::new() }
}

/// Bytes of every value, none of them UTF-8 for long, that no compression shortens much.
fn noise(lab: &Lab, length: usize) -> Vec<u8> {
    let mut rng = lab.host.rng("conformance noise");
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

pub(super) async fn brings_back_every_byte(lab: &Lab) -> Result<(), Stop> {
    let all: Vec<u8> = (0..=255).collect();
    // Room for the key, and for what a service counts beside the record's own bytes.
    let room = usize::try_from(lab.capabilities.max_record).unwrap_or(usize::MAX).saturating_sub(16 * 1024);
    let large = noise(lab, lab.budget.large.min(room));
    let mut samples = vec![
        sample(b"empty", b""),
        sample(b"zero", b"\0"),
        sample(b"every value", &all),
        sample("Schlüssel ☃".as_bytes(), "värde\r\n\t\"'\\".as_bytes()),
        sample(b"k", b"{\"a\": [1, 2.50, null]}"),
        sample(&vec![b'x'; usize::try_from(lab.capabilities.max_key).unwrap_or(usize::MAX).min(200)], b"long key"),
        sample(b"large", &large),
        Sample { key: None, payload: Some(b"without a key".to_vec()), headers: Vec::new() },
    ];
    if lab.capabilities.binary_keys {
        samples.push(sample(&[0xff, 0x00, 0xfe], b"binary key"));
    }
    round_trip(lab, samples, true).await
}

pub(super) async fn carries_headers(lab: &Lab) -> Result<(), Stop> {
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    let mut samples = vec![sample(b"a", b"two"), sample(b"a", b"none"), sample(b"b", b"one"), sample(b"c", b"trace")];
    samples[0].headers = vec![header("content-type", "application/json"), header("source", "sensor ☃")];
    samples[2].headers = vec![header("only", "here")];
    samples[3].headers = vec![header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    round_trip(lab, samples, false).await
}

pub(super) async fn tells_tombstones_from_empty(lab: &Lab) -> Result<(), Stop> {
    let tombstone = |key: &[u8]| Sample { key: Some(key.to_vec()), payload: None, headers: Vec::new() };
    let samples = vec![sample(b"a", b"here"), tombstone(b"gone"), sample(b"empty", b""), tombstone(b"gone too")];
    round_trip(lab, samples, false).await
}

async fn round_trip(lab: &Lab, samples: Vec<Sample>, alone: bool) -> Result<(), Stop> {
    let stream = lab.stream().await?;
    lab.announce(&stream, "bytes", owned()).await?;
    lab.write(&stream, &samples).await?;
    let mut worker = lab.worker(&stream, "bytes", owned(), Reading::default()).await?;
    let count = samples.len();
    worker.until(&format!("{count} records"), |seen| seen.records.len() >= count).await?;
    lab.read_all(&mut worker, 0).await?;
    let records = lab.keep(worker.close().await?);
    ensure(records.len() == count, || format!("{count} records were written and {} came", records.len()))?;
    let mut came: BTreeMap<Vec<u8>, Vec<Sample>> = BTreeMap::new();
    for record in records {
        came.entry(record.sample.key.clone().unwrap_or_default()).or_default().push(record.sample);
    }
    for wanted in &samples {
        // Some services must have a key and give a record one of their own; its payload says which it is.
        let found = came.values_mut().find_map(|records| {
            let place = records.iter().position(|record| is_same(record, wanted, alone))?;
            Some(records.remove(place))
        });
        ensure(found.is_some(), || {
            let near: Vec<String> =
                came.values().flatten().filter(|record| record.key == wanted.key).map(show).collect();
            format!("{} did not come back; what came with its key: {near:?}", show(wanted))
        })?;
    }
    Ok(())
}

fn is_same(came: &Sample, wanted: &Sample, any_headers: bool) -> bool {
    let keys = came.key == wanted.key || wanted.key.is_none();
    // A service may add headers of its own (a trace, a partition key), so the wanted ones must be among them, in order.
    let mut headers: std::slice::Iter<'_, Header> = came.headers.iter();
    let headers = any_headers || wanted.headers.iter().all(|header| headers.any(|came| came == header));
    keys && came.payload == wanted.payload && headers && (any_headers || came.headers.len() >= wanted.headers.len())
}

fn show(sample: &Sample) -> String {
    let bytes = |bytes: &Option<Vec<u8>>| match bytes {
        None => "none".to_owned(),
        Some(bytes) if bytes.len() > 40 => format!("{} bytes", bytes.len()),
        Some(bytes) => format!("\"{}\"", bytes.escape_ascii()),
    };
    let headers: Vec<String> = sample.headers.iter().map(|(name, value)| format!("{name}={}", bytes(value))).collect();
    format!("key {}, payload {}, headers [{}]", bytes(&sample.key), bytes(&sample.payload), headers.join(", "))
}
