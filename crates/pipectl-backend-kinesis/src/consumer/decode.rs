//! The service's records as batches: aggregated ones taken apart, what was read before left out.

use std::sync::Arc;

use arrow_array::{
    Int64Array,
    builder::{BinaryViewBuilder, StringViewBuilder},
};
use aws_sdk_kinesis::types::Record;
use pipectl_data::{Batch, PayloadFormat};

use crate::{
    hash, kpl,
    options::Misrouted,
    position::{self, At, Mark},
    producer::NO_KEY,
    shards::Shard,
    summary::micros,
};

/// Bytes of payload in a batch.
const BATCH: usize = 1 << 20;

/// Rows of a batch that is being made.
#[derive(Default)]
struct Rows {
    offsets: Vec<i64>,
    arrivals: Vec<i64>,
    keys: BinaryViewBuilder,
    payloads: BinaryViewBuilder,
    positions: StringViewBuilder,
    bytes: usize,
}

impl Rows {
    fn finish(mut self, shard: &Shard) -> Batch {
        let mut batch = Batch::raw(
            shard.number,
            Int64Array::from(self.offsets),
            Int64Array::from(self.arrivals),
            self.payloads.finish(),
            PayloadFormat::Json,
        );
        batch.keys = Some(self.keys.finish());
        batch.positions = Some(self.positions.finish());
        batch
    }
}

/// Whether a part of a record was read before.
fn is_read(at: &At, sequence: &str, sub: u64) -> bool {
    match at {
        At::On { sequence: on, sub: first } => on == sequence && sub < *first,
        At::After { sequence: after, sub: Some(last) } => after == sequence && sub <= *last,
        At::After { sequence: after, sub: None } => after == sequence,
        At::Start | At::Time(_) | At::End => false,
    }
}

/// Batches of the records, each with where reading goes on after it; `mark` moves to after the last one.
pub(super) fn batches(
    records: &[Record],
    shard: &Arc<Shard>,
    mark: &mut Mark,
    misrouted: Misrouted,
) -> Vec<(Batch, Mark)> {
    let mut batches = Vec::new();
    let mut rows = Rows::default();
    for record in records {
        let sequence = record.sequence_number();
        let arrival = record.approximate_arrival_timestamp().and_then(micros).unwrap_or_default();
        let parts = kpl::decode(record.data().as_ref());
        let key = record.partition_key().unwrap_or(NO_KEY);
        let plain = [(key, None, record.data().as_ref())];
        let aggregated: Vec<_> =
            parts.iter().flatten().map(|part| (part.key.as_str(), part.explicit_hash, part.data.as_slice())).collect();
        let parts_seen = if parts.is_some() { &aggregated[..] } else { &plain[..] };
        let before = mark.at.clone();
        for (sub, (key, explicit_hash, data)) in parts_seen.iter().enumerate() {
            let last = sub + 1 == parts_seen.len();
            let sub = sub as u64;
            let is_stray = || {
                let hash = explicit_hash.unwrap_or_else(|| hash::of(key));
                misrouted == Misrouted::Drop && parts.is_some() && !shard.range.contains(hash)
            };
            if !is_read(&before, sequence, sub) && !is_stray() {
                rows.offsets.push(mark.count);
                rows.arrivals.push(arrival);
                rows.keys.append_option((*key != NO_KEY).then_some(key));
                rows.payloads.append_value(data);
                rows.positions.append_value(position::of_record(sequence, sub));
                rows.bytes += data.len();
                mark.count += 1;
            }
            mark.at = At::After { sequence: sequence.to_owned(), sub: (!last).then_some(sub) };
            if rows.bytes >= BATCH {
                batches.push((std::mem::take(&mut rows).finish(shard), mark.clone()));
            }
        }
        if parts_seen.is_empty() {
            mark.at = At::After { sequence: sequence.to_owned(), sub: None };
        }
    }
    if !rows.offsets.is_empty() {
        batches.push((rows.finish(shard), mark.clone()));
    }
    batches
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use aws_sdk_kinesis::primitives::{Blob, DateTime};

    use super::*;
    use crate::hash::Range;

    fn record(sequence: &str, key: &str, data: &[u8]) -> Record {
        Record::builder()
            .sequence_number(sequence)
            .partition_key(key)
            .approximate_arrival_timestamp(DateTime::from_millis(1_500))
            .data(Blob::new(data))
            .build()
            .unwrap()
    }

    fn shard() -> Arc<Shard> {
        let range = Range { from: 0, to: u128::MAX };
        Arc::new(Shard { number: 3, id: String::new(), parents: vec![], open: true, range, starts: "0".into() })
    }

    fn payloads(batches: &[(Batch, Mark)]) -> Vec<String> {
        batches
            .iter()
            .flat_map(|(batch, _)| batch.payload.as_ref().unwrap().iter().flatten())
            .map(|payload| String::from_utf8_lossy(payload).into_owned())
            .collect()
    }

    #[test]
    fn reading_goes_on_inside_an_aggregated_record() {
        let mut builder = kpl::Builder::default();
        for part in 0..4 {
            builder.push("k", None, format!("a{part}").as_bytes());
        }
        let records =
            [record("10", "k", b"first"), record("11", "k", &builder.finish()), record("12", NO_KEY, b"last")];
        let mut mark = Mark::default();
        let all = batches(&records, &shard(), &mut mark, Misrouted::Keep);
        assert_eq!(payloads(&all), ["first", "a0", "a1", "a2", "a3", "last"]);
        assert_eq!(mark, Mark { at: At::After { sequence: "12".into(), sub: None }, count: 6, fence: None });
        let batch = &all[0].0;
        assert_eq!(batch.offsets.values(), &[0, 1, 2, 3, 4, 5]);
        assert_eq!(batch.arrival.value(0), 1_500_000);
        assert_eq!(batch.positions.as_ref().unwrap().value(3), "11:2");
        assert!(batch.keys.as_ref().unwrap().is_null(5) && batch.keys.as_ref().unwrap().value(0) == b"k");

        let mut mark = Mark { at: At::After { sequence: "11".into(), sub: Some(1) }, count: 3, fence: None };
        assert_eq!(payloads(&batches(&records[1..], &shard(), &mut mark, Misrouted::Keep)), ["a2", "a3", "last"]);
        let mut mark = Mark { at: At::On { sequence: "11".into(), sub: 3 }, count: 0, fence: None };
        assert_eq!(payloads(&batches(&records[1..], &shard(), &mut mark, Misrouted::Keep)), ["a3", "last"]);
    }

    #[test]
    fn strays_are_left_out_only_on_request() {
        let mut builder = kpl::Builder::default();
        builder.push("a", None, b"in");
        builder.push("b", None, b"out");
        let range = Range { from: hash::of("a"), to: hash::of("a") };
        let shard = Arc::new(Shard { range, ..Arc::unwrap_or_clone(shard()) });
        let records = [record("10", "a", &builder.finish())];
        assert_eq!(payloads(&batches(&records, &shard, &mut Mark::default(), Misrouted::Keep)), ["in", "out"]);
        let mut mark = Mark::default();
        assert_eq!(payloads(&batches(&records, &shard, &mut mark, Misrouted::Drop)), ["in"]);
        assert_eq!(mark.at, At::After { sequence: "10".into(), sub: None });
    }
}
