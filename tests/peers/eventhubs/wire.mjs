// Sections of encoded messages: what the service replaces in an event, and what it leaves as it came.
import { T } from './rhea.mjs';

export const SECTION = { header: 0x70, delivery: 0x71, annotations: 0x72, data: 0x75, footer: 0x78 };
/** The format of a message whose data sections are messages. */
export const BATCH = 0x80013700;

/** The sections of an encoded message, with their place in it. */
export function sections(bytes) {
  const reader = new T.Reader(bytes);
  const found = [];
  while (reader.remaining()) {
    const from = reader.position;
    const value = reader.read();
    found.push({ code: Number(value.descriptor.value), from, to: reader.position, value });
  }
  return found;
}

function annotations(parts) {
  const section = parts.find((part) => part.code === SECTION.annotations);
  return (section && T.unwrap_map_simple(section.value)) || {};
}

export const keyOf = (parts) => annotations(parts)['x-opt-partition-key'];

/** The messages inside a transfer, and its key. */
export function unpack(raw, format) {
  const parts = sections(raw);
  const key = keyOf(parts);
  if (format !== BATCH) return { key, events: [{ raw, key }] };
  const inner = parts.filter((part) => part.code === SECTION.data).map((part) => Buffer.from(part.value.value));
  return { key, events: inner.map((bytes) => ({ raw: bytes, key: keyOf(sections(bytes)) ?? key })) };
}

function section(code, map) {
  const writer = new T.Writer();
  writer.write(T.described_nc(T.wrap_ulong(code), T.wrap_symbolic_map(map)));
  return writer.toBuffer();
}

/** The event as readers get it: the service's annotations are set, every other byte is kept. */
export function restamp(raw, { sequence, offset, time }, key) {
  const parts = sections(raw);
  const map = annotations(parts);
  map['x-opt-sequence-number'] = T.wrap_long(sequence);
  map['x-opt-offset'] = T.wrap_string(offset);
  map['x-opt-enqueued-time'] = T.wrap_timestamp(time);
  if (key != null) map['x-opt-partition-key'] = T.wrap_string(key);
  const of = (wanted) => parts.filter(wanted).map((part) => raw.subarray(part.from, part.to));
  const replaced = [SECTION.header, SECTION.delivery, SECTION.annotations, SECTION.footer];
  return Buffer.concat([
    ...of((part) => part.code === SECTION.header),
    section(SECTION.annotations, map),
    ...of((part) => !replaced.includes(part.code)),
  ]);
}

/** The event with what the partition is like at this moment, for readers that asked for it. */
export function withMetrics(wire, last) {
  const metrics = section(SECTION.delivery, {
    last_enqueued_sequence_number: T.wrap_long(last.sequence),
    last_enqueued_offset: T.wrap_string(last.offset),
    last_enqueued_time_utc: T.wrap_timestamp(last.time),
    runtime_info_retrieval_time_utc: T.wrap_timestamp(Date.now()),
  });
  const header = sections(wire).find((part) => part.code === SECTION.header);
  const at = header ? header.to : 0;
  return Buffer.concat([wire.subarray(0, at), metrics, wire.subarray(at)]);
}
