// How Event Hubs finds the partition of a key: lookup3 by Bob Jenkins with both words, folded to 16 bits. The official
// clients carry the same function (azure-eventhub 5.15.1, _buffered_producer/_partition_resolver.py).

const rotate = (x, k) => ((x << k) | (x >>> (32 - k))) >>> 0;

/** The signed 16-bit hash of a key. */
export function hash(key) {
  const data = Buffer.from(String(key), 'utf8');
  let a = (0xdeadbeef + data.length) >>> 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = data.length;
  while (left > 12) {
    a = (a + data.readUInt32LE(at)) >>> 0;
    b = (b + data.readUInt32LE(at + 4)) >>> 0;
    c = (c + data.readUInt32LE(at + 8)) >>> 0;
    a = ((a - c) ^ rotate(c, 4)) >>> 0; c = (c + b) >>> 0;
    b = ((b - a) ^ rotate(a, 6)) >>> 0; a = (a + c) >>> 0;
    c = ((c - b) ^ rotate(b, 8)) >>> 0; b = (b + a) >>> 0;
    a = ((a - c) ^ rotate(c, 16)) >>> 0; c = (c + b) >>> 0;
    b = ((b - a) ^ rotate(a, 19)) >>> 0; a = (a + c) >>> 0;
    c = ((c - b) ^ rotate(b, 4)) >>> 0; b = (b + a) >>> 0;
    at += 12;
    left -= 12;
  }
  if (left > 0) {
    const rest = Buffer.alloc(12);
    data.copy(rest, 0, at);
    a = (a + rest.readUInt32LE(0)) >>> 0;
    b = (b + rest.readUInt32LE(4)) >>> 0;
    c = (c + rest.readUInt32LE(8)) >>> 0;
    c = ((c ^ b) - rotate(b, 14)) >>> 0;
    a = ((a ^ c) - rotate(c, 11)) >>> 0;
    b = ((b ^ a) - rotate(a, 25)) >>> 0;
    c = ((c ^ b) - rotate(b, 16)) >>> 0;
    a = ((a ^ c) - rotate(c, 4)) >>> 0;
    b = ((b ^ a) - rotate(a, 14)) >>> 0;
    c = ((c ^ b) - rotate(b, 24)) >>> 0;
  }
  return ((c ^ b) << 16) >> 16;
}

/** The number of the partition of a key among `count`. */
export const partitionOf = (key, count) => Math.abs(hash(key) % count);
