// What the service holds: hubs, their partitions and consumer groups, and the limits of a tier.
// Numbers: learn.microsoft.com/azure/event-hubs/event-hubs-quotas.
import { partitionOf } from './hash.mjs';
import { restamp } from './wire.mjs';

/** An AMQP error condition with its text. */
export class Refusal extends Error {
  constructor(condition, description) {
    super(description);
    this.condition = condition;
    this.description = description;
  }
}

export const LIMITS = {
  /** Readers without an owner level for each partition and consumer group. */
  readers: 5,
  /** Characters of a partition key. */
  key: 128,
  /** Calls of `$management` a second for each hub. */
  runtimeCalls: 50,
  partitions: 32,
};

/** What differs from tier to tier: bytes of one publication (an event or a batch), consumer groups and retention. */
export const TIERS = {
  basic: { publication: 262144, groups: 1, retentionHours: 24 },
  standard: { publication: 1048576, groups: 20, retentionHours: 168 },
};

export class Partition {
  constructor(hub, number) {
    this.hub = hub;
    this.number = number;
    this.events = [];
    this.first = 0;
    this.bytes = 0;
    this.last = { sequence: -1, offset: '-1', time: 0 };
    this.readers = new Set();
  }

  append(raw, key, at) {
    const time = Math.max(at, this.last.time);
    const event = { sequence: this.last.sequence + 1, offset: String(this.bytes), time };
    event.wire = restamp(raw, event, key);
    this.bytes += event.wire.length;
    this.last = { sequence: event.sequence, offset: event.offset, time };
    this.events.push(event);
  }

  /** Forgets events older than the hub keeps them; the numbers go on. */
  trim(now = Date.now()) {
    const oldest = now - this.hub.retention;
    let gone = 0;
    while (gone < this.events.length && this.events[gone].time < oldest) gone++;
    if (gone) {
      this.events.splice(0, gone);
      this.first += gone;
    }
  }

  /** The event of this sequence number; `undefined` if it is gone or still to come. */
  at(sequence) {
    return this.events[sequence - this.first];
  }

  /** The sequence number at which a reader with this selector begins. */
  start(selector) {
    this.trim();
    if (!selector) return this.first;
    const match = /amqp\.annotation\.(x-opt-[a-z-]+)\s*(>=|>)\s*'([^']*)'/.exec(selector);
    if (!match) throw new Refusal('amqp:invalid-field', `The filter '${selector}' is not understood.`);
    const [, what, operator, value] = match;
    const end = this.last.sequence + 1;
    if (what === 'x-opt-offset' && value === '-1') return this.first;
    if (what === 'x-opt-offset' && value === '@latest') return end;
    const number = Number(value);
    if (!Number.isFinite(number)) throw new Refusal('com.microsoft:argument-error', `The supplied value '${value}' is invalid.`);
    if (what === 'x-opt-offset' && number > Math.max(Number(this.last.offset), 0)) {
      throw new Refusal('com.microsoft:argument-error', `The supplied offset '${value}' is invalid. The last offset in the system is '${this.last.offset}'.`);
    }
    if (what === 'x-opt-sequence-number' && number > Math.max(this.last.sequence, 0)) {
      throw new Refusal('com.microsoft:argument-error', `The supplied sequence number '${value}' is invalid. The last sequence number in the system is '${this.last.sequence}'.`);
    }
    const of = { 'x-opt-offset': (e) => Number(e.offset), 'x-opt-sequence-number': (e) => e.sequence, 'x-opt-enqueued-time': (e) => e.time }[what];
    if (!of) throw new Refusal('amqp:invalid-field', `The filter on '${what}' is not understood.`);
    const found = this.events.find((event) => (operator === '>=' ? of(event) >= number : of(event) > number));
    return found ? found.sequence : end;
  }
}

export class Hub {
  constructor(name, partitions, retention, at) {
    this.name = name;
    this.created = at;
    this.updated = at;
    this.retention = retention;
    this.groups = new Map([['$default', { name: '$Default', created: this.created }]]);
    this.partitions = Array.from({ length: partitions }, (_, number) => new Partition(this, number));
    this.next = 0;
    this.calls = { second: 0, count: 0 };
  }

  /** More partitions, or another retention. */
  set(partitions, retention, at) {
    if (retention !== undefined) {
      this.retention = retention;
      for (const partition of this.partitions) partition.trim(at);
    }
    this.grow(partitions);
    this.updated = at;
  }

  grow(count) {
    while (this.partitions.length < count) this.partitions.push(new Partition(this, this.partitions.length));
  }

  /** Where an event goes that was sent to the hub and not to a partition. */
  choose(key) {
    if (key != null) return this.partitions[partitionOf(key, this.partitions.length)];
    return this.partitions[this.next++ % this.partitions.length];
  }

  /** Whether another call of `$management` is allowed in this second. */
  mayCall() {
    const second = Math.floor(Date.now() / 1000);
    if (this.calls.second !== second) this.calls = { second, count: 0 };
    return ++this.calls.count <= LIMITS.runtimeCalls;
  }
}

export class Namespace {
  constructor() {
    this.hubs = new Map();
    this.growable = false;
    this.tier = 'standard';
    /** Told of each change after it was made. */
    this.note = () => {};
    /** Key name → secret. */
    this.keys = new Map([['RootManageSharedAccessKey', 'SAS_KEY_VALUE']]);
    this.faults = { sends: 0, answers: 0, bytesPerSecond: 0, eventsPerSecond: 0, tokenLifetime: 0, management: 0, mute: 0 };
    this.bucket = { second: 0, bytes: 0, events: 0 };
    this.count = { sends: 0, refusedSends: 0, events: 0, tokens: 0, managementCalls: 0, stolen: 0 };
  }

  /** What the namespace's tier allows. */
  get limits() {
    return TIERS[this.tier];
  }

  hub(name) {
    return this.hubs.get(String(name).toLowerCase());
  }

  /**
   * The only way in which what is held changes, now or from a journal; `at` is when it was changed first:
   * `{ hub, partitions?, retention? }`, `{ hub, group }` and both with `gone`, `{ hub, partition, raw, key }`, `{ growable }`, `{ tier }`.
   */
  change(change) {
    const made = { at: Date.now(), ...change };
    this.make(made);
    this.note(made);
  }

  make({ at, hub: name, partitions, retention, group, partition, raw, key, gone, growable, tier }) {
    if (growable !== undefined) this.growable = growable;
    if (tier !== undefined) this.tier = tier;
    if (name === undefined) return;
    const lower = name.toLowerCase();
    const hub = this.hubs.get(lower);
    if (partition !== undefined) hub.partitions[partition].append(raw, key, at);
    else if (group !== undefined && gone) hub.groups.delete(group.toLowerCase());
    else if (group !== undefined) hub.groups.set(group.toLowerCase(), { name: group, created: at });
    else if (gone) this.hubs.delete(lower);
    else if (hub) hub.set(partitions ?? 0, retention, at);
    else this.hubs.set(lower, new Hub(name, partitions, retention, at));
  }

  /** Takes a publication from the throughput of this second, or says that there is none left. */
  take(bytes, events) {
    const { faults, bucket } = this;
    const busy = (what) => new Refusal('com.microsoft:server-busy', `The request was terminated because the entity is being throttled (${what}). Error code : 50002. Please wait 4 seconds and try again.`);
    if (faults.sends > 0) {
      faults.sends--;
      throw busy('by order');
    }
    const second = Math.floor(Date.now() / 1000);
    if (bucket.second !== second) Object.assign(bucket, { second, bytes: 0, events: 0 });
    if (faults.bytesPerSecond && bucket.bytes + bytes > faults.bytesPerSecond && bucket.bytes) throw busy('bytes');
    if (faults.eventsPerSecond && bucket.events + events > faults.eventsPerSecond && bucket.events) throw busy('events');
    bucket.bytes += bytes;
    bucket.events += events;
  }
}
