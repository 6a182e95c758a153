// Runs a user's function for pipectl: reads calls from the pipe of standard input, answers on that of standard output. Each
// message is a length (4 bytes, little endian), one letter, and that many bytes. Node 18 and later. `load` imports a module.
'use strict';
const fs = require('node:fs');
const { randomBytes, randomUUID } = require('node:crypto');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { isDeepStrictEqual } = require('node:util');
const { Worker: Thread } = require('node:worker_threads');

// Answers are sent when records have taken longer than this since the last time, in milliseconds: the runtime then knows which
// record is slow, and fast ones share a write.
const PATIENCE = 50;
// Bytes of answers that are sent together.
const ENOUGH = 1 << 18;

// --- The way to the runtime. What the function prints goes to standard error: it is a log.

const print = process.stderr.write.bind(process.stderr);
process.stdout.write = (chunk, encoding, done) => print(chunk, encoding, done);

const nobody = new Int32Array(new SharedArrayBuffer(4));
const pause = () => Atomics.wait(nobody, 0, 0, 1);

/** Fills the buffer; false when the runtime is gone. */
function fill(buffer) {
  for (let at = 0; at < buffer.length;) {
    let read = 0;
    try {
      read = fs.readSync(0, buffer, at, buffer.length - at, null);
    } catch (error) {
      if (error.code === 'EAGAIN') { pause(); continue; }
      if (error.code !== 'EOF') throw error;
    }
    if (read === 0) return false;
    at += read;
  }
  return true;
}

function receive() {
  const head = Buffer.alloc(5);
  if (!fill(head)) return null;
  const body = Buffer.alloc(head.readUInt32LE(0));
  return fill(body) ? [String.fromCharCode(head[4]), body] : null;
}

const answers = { parts: [], size: 0 };

function put(letter, number, text) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(number === null ? 5 : 9);
  head.writeUInt32LE(body.length + head.length - 5, 0);
  head[4] = letter.charCodeAt(0);
  if (number !== null) head.writeUInt32LE(number, 5);
  answers.parts.push(head, body);
  answers.size += head.length + body.length;
}

function flush() {
  const data = Buffer.concat(answers.parts);
  answers.parts = [];
  answers.size = 0;
  for (let at = 0; at < data.length;) {
    try {
      at += fs.writeSync(1, data, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** Ends when the runtime is gone, also where the function hangs, with what it has started: it leads a group of its own. */
function stayWithTheRuntime() {
  const watch = 'const parent = process.ppid; setInterval(() => { if (process.ppid !== parent) process.kill(-process.pid, "SIGKILL"); }, 1000);';
  new Thread(watch, { eval: true }).unref();
}

// --- Values. Numbers that JavaScript does not hold exactly: whole ones become BigInt, decimals are texts. So are times and
// dates: a Date has milliseconds only.

class Misuse extends Error {}

// Before a number in a text. No text of a record begins so, since nobody knows it.
const NONCE = randomBytes(8).toString('hex');
const MARK = `\u0001${NONCE}#`;
const MARKED = new RegExp(`"\\\\u0001${NONCE}#(-?[\\d.]+)"`, 'g');
const NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const LARGE = /\d{16}/;

function marked(text, decimals) {
  return text.replace(NUMBERS, (token) => {
    if (token[0] === '"') return token;
    const isWhole = /^-?\d+$/.test(token);
    return (isWhole ? !Number.isSafeInteger(Number(token)) : decimals) ? `"\\u0001${NONCE}#${token}"` : token;
  });
}

const isMarked = (value) => typeof value === 'string' && value.startsWith(MARK);

/** A value of a column of JSON with its large numbers. */
function large(value) {
  if (isMarked(value)) {
    const text = value.slice(MARK.length);
    return /^-?\d+$/.test(text) ? BigInt(text) : Number(text);
  }
  if (Array.isArray(value)) return value.map(large);
  if (value !== null && typeof value === 'object') {
    for (const name of Object.keys(value)) value[name] = large(value[name]);
  }
  return value;
}

const unmarked = (value) => (isMarked(value) ? value.slice(MARK.length) : value);

/** What makes the value of a column from JSON; nothing where JSON's own is right. */
function reader(kind) {
  switch (kind.type) {
    case 'int64': return (value) => (isMarked(value) ? BigInt(value.slice(MARK.length)) : value);
    case 'float64': return (value) => Number(unmarked(value));
    case 'decimal': return (value) => String(unmarked(value));
    case 'bytes': return (value) => Buffer.from(value, 'base64');
    case 'json': return large;
    case 'list': {
      const inner = reader(kind.of);
      return inner && ((values) => values.map((value) => (value === null ? null : inner(value))));
    }
    case 'struct': {
      const inner = readers(kind.fields);
      return inner.length > 0 ? (value) => readFields(value, inner) : null;
    }
    default: return null;
  }
}

function readers(columns) {
  return columns.map((column) => [column.name, reader(column)]).filter(([, make]) => make);
}

function readFields(record, made) {
  for (const [name, make] of made) {
    const value = record[name];
    if (value !== null) record[name] = make(value);
  }
  return record;
}

function hasDecimals(kind) {
  return kind.type === 'decimal' || (kind.of && hasDecimals(kind.of)) || (kind.fields ?? []).some(hasDecimals);
}

function other(name, value) {
  const given = this[name];
  if (typeof value === 'bigint') return `${MARK}${value}`;
  if (Object.is(value, -0)) return `${MARK}-0.0`;
  if (Buffer.isBuffer(given) || given instanceof Uint8Array) return Buffer.from(given).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Misuse(`${value} cannot be passed on`);
  if (typeof value === 'function' || typeof value === 'symbol') throw new Misuse(`a ${typeof value} cannot be passed on`);
  return value;
}

/** Refuses what JSON would change without a word. */
function plain(name, value) {
  const given = this[name];
  const isObject = given !== null && typeof given === 'object' && !Array.isArray(given);
  if (isObject && Object.getPrototypeOf(given) !== Object.prototype && Object.getPrototypeOf(given) !== null) {
    throw new TypeError(`\`${name}\` is a ${given.constructor?.name}`);
  }
  if (typeof given === 'function' || typeof given === 'symbol' || Number.isNaN(given) || given === Infinity || given === -Infinity) {
    throw new TypeError(`\`${name}\` is ${String(given)}`);
  }
  return value;
}

function dump(value) {
  const text = JSON.stringify(value, other);
  return text.includes(NONCE) ? text.replace(MARKED, '$1') : text;
}

// --- The function

/** What a function may ask for as its second argument. */
class Context {
  /** What the function keeps for the key of this record; an object that is saved in checkpoints. */
  state = null;
  /** The values of the node's `key` in this record. */
  key = [];
  /** No record older than this is expected any more; null while nothing is known. */
  watermark = null;
}

function timeText(at) {
  const below = ((at % 1000) + 1000) % 1000;
  const text = new Date((at - below) / 1000).toISOString();
  return below === 0 ? text : text.replace('Z', `${String(below).padStart(3, '0')}Z`);
}

class UserFunction {
  static async load(hello) {
    const made = new UserFunction();
    const name = path.basename(hello.file);
    const module = await load(pathToFileURL(hello.file));
    const main = module.default;
    const find = (wanted) => module[wanted] ?? main?.[wanted] ?? (main?.name === wanted ? main : undefined);
    const known = [...new Set([...Object.keys(module), ...Object.keys(module.default ?? {})])]
      .filter((one) => typeof find(one) === 'function' && one !== 'default');
    made.call = find(hello.handler);
    if (typeof made.call !== 'function') {
      const has = known.length > 0 ? `; it exports ${known.map((one) => `\`${one}\``).join(', ')}` : '';
      throw new Misuse(`${name} exports no function \`${hello.handler}\`${has}`);
    }
    made.hello = hello;
    made.decimals = hello.columns.some(hasDecimals);
    made.columns = readers(hello.columns);
    made.mutable = hello.columns.filter(({ type }) => ['list', 'struct', 'json', 'bytes'].includes(type)).map(({ name }) => name);
    made.returned = new Set(hello.returns.map((column) => column.name));
    made.context = new Context();
    return made;
  }

  /** What the columns of a record are before the function sees it. */
  before(record) {
    const given = { ...record };
    for (const name of this.mutable) given[name] = structuredClone(given[name]);
    return given;
  }

  record(row) {
    const text = this.decimals || LARGE.test(row) ? marked(row, this.decimals) : row;
    return readFields(JSON.parse(text), this.columns);
  }

  row(result, given) {
    if (result === null || typeof result !== 'object' || Array.isArray(result)) {
      const found = Array.isArray(result) ? 'an array' : result === null ? 'null' : `a ${typeof result}`;
      throw new Misuse(`\`${this.hello.handler}\` returned ${found}; it must return an object, an array of objects, or null`);
    }
    const slim = {};
    for (const [name, value] of Object.entries(result)) {
      if (this.returned.has(name)) {
        if (value !== undefined) slim[name] = value;
      } else if (!Object.hasOwn(given, name)) {
        throw new Misuse(`the function returned a field '${name}', which \`returns\` does not name`);
      } else if (!isDeepStrictEqual(value, given[name])) { // A column of the record may come back as it was.
        throw new Misuse(`the function changes \`${name}\`, which \`returns\` does not name`);
      }
    }
    return dump(slim);
  }

  rows(result, given) {
    if (result === null || result === undefined || this.hello.sink) return [];
    return Array.isArray(result) ? result.map((one) => this.row(one, given)) : [this.row(result, given)];
  }
}

/** What a dead letter says of an exception: only the user's own lines. */
function fault(error) {
  if (error instanceof Misuse) return JSON.stringify({ error: error.message, trace: '' });
  if (!(error instanceof Error)) return JSON.stringify({ error: `thrown: ${String(error)}`, trace: '' });
  const lines = String(error.stack ?? '').split('\n').filter((line) => !/\[pipectl\]|\(node:|at node:|at async Server\./.test(line));
  const first = String(error).split('\n')[0];
  return JSON.stringify({ error: first, trace: lines.length > 1 ? lines.join('\n').slice(0, 8000) : '' });
}

// --- AWS Lambda, as its service calls it (docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and
// docs.aws.amazon.com/firehose/latest/dev/data-transformation.html).

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';
// Bytes of one event: the service takes 6 MiB, in base64.
const LARGEST_EVENT = 4 << 20;

function lambdaContext(hello) {
  const ends = performance.now() + hello.timeout * 1000;
  return {
    functionName: hello.node,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${hello.node}`,
    memoryLimitInMB: String(Math.floor(hello.memory / (1 << 20))),
    awsRequestId: randomUUID(),
    logGroupName: `/aws/lambda/${hello.node}`,
    logStreamName: 'pipectl',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(ends - performance.now())),
  };
}

/** Records as a stream hands them to a function; it answers at most which of them have failed. */
const kinesis = {
  event: (hello, rows, places) => ({
    Records: rows.map((row, place) => {
      const [partition, offset, arrival, key] = places[place];
      return {
        kinesis: {
          kinesisSchemaVersion: '1.0',
          partitionKey: key ?? String(partition),
          sequenceNumber: String(offset),
          data: hello.data === 'text' ? row : Buffer.from(row).toString('base64'),
          approximateArrivalTimestamp: arrival / 1e6,
        },
        eventSource: 'aws:kinesis',
        eventVersion: '1.0',
        eventID: `shardId-${String(partition).padStart(12, '0')}:${offset}`,
        eventName: 'aws:kinesis:record',
        invokeIdentityArn: `arn:aws:iam::${ACCOUNT}:role/pipectl`,
        awsRegion: REGION,
        eventSourceARN: `arn:aws:kinesis:${REGION}:${ACCOUNT}:stream/${hello.node}`,
      };
    }),
  }),
  /** An outcome for each record that is done, in order: its rows, or an error. What follows is called again. */
  outcomes(hello, result, event) {
    const done = event.Records.map(() => []);
    const failures = result?.batchItemFailures;
    if (!Array.isArray(failures) || failures.length === 0) return done;
    // As the service has it: everything from the lowest on has failed; all, if one is not known.
    const at = failures.map((failure) => event.Records.findIndex((record) => record.kinesis.sequenceNumber === failure?.itemIdentifier));
    return done.slice(0, at.includes(-1) ? 0 : Math.min(...at));
  },
};

/** Records as a delivery stream has them transformed. */
const firehose = {
  event: (hello, rows, places) => ({
    invocationId: randomUUID(),
    deliveryStreamArn: `arn:aws:firehose:${REGION}:${ACCOUNT}:deliverystream/${hello.node}`,
    region: REGION,
    records: rows.map((row, place) => ({
      recordId: [place, places[place][0], places[place][1]].map((number) => String(number).padStart(16, '0')).join(''),
      approximateArrivalTimestamp: Math.floor(places[place][2] / 1000),
      data: Buffer.from(row).toString('base64'),
    })),
  }),
  outcomes(hello, result, event) {
    if (!Array.isArray(result?.records)) throw new Misuse(`\`${hello.handler}\` returned no \`records\``);
    const found = new Map(result.records.map((record) => [record?.recordId, record]));
    const isWhole = found.size === result.records.length && found.size === event.records.length && event.records.every(({ recordId }) => found.has(recordId));
    if (!isWhole) throw new Misuse(`\`${hello.handler}\` did not return each recordId once`);
    return event.records.map(({ recordId }) => firehose.outcome(found.get(recordId)));
  },
  outcome(record) {
    if (record.result === 'Dropped') return [];
    if (record.result === 'ProcessingFailed') return new Misuse('the function answered ProcessingFailed');
    if (record.result !== 'Ok') return new Misuse(`the function answered the result '${record.result}'; it must be Ok, Dropped or ProcessingFailed`);
    if (typeof record.data !== 'string') return new Misuse('the function answered data that is not base64');
    return Buffer.from(record.data, 'base64').toString().split('\n').filter((line) => line.trim() !== '');
  },
};

const LAMBDA = { lambda_kinesis: kinesis, lambda_firehose: firehose };
// How often a record that `batchItemFailures` names is called in all.
const ATTEMPTS = 3;

/** Calls a handler with a promise or a callback. */
function invoke(call, event, context) {
  if (call.length < 3) return call(event, context);
  return new Promise((resolve, reject) => {
    call(event, context, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** Records in parts that one call can take, as a stack: the first on top. */
function parts(first, rows, most) {
  const made = [];
  let [start, bytes] = [0, 0];
  rows.forEach((row, place) => {
    if (place > start && (place - start >= most || bytes + row.length > LARGEST_EVENT)) {
      made.push([first + start, rows.slice(start, place)]);
      [start, bytes] = [place, 0];
    }
    bytes += row.length;
  });
  made.push([first + start, rows.slice(start)]);
  return made.reverse();
}

class Server {
  sent = 0;
  changed = new Set();
  /** The state of each key as JSON. */
  states = new Map();

  constructor(user) {
    this.user = user;
  }

  /** Everything before the record of this number is done. */
  commit(number) {
    const body = { next: number };
    if (this.user.hello.key.length > 0) {
      const keys = [...this.changed];
      body.states = Object.fromEntries(keys.map((key) => [key, this.states.get(key) ?? '{}']));
    }
    put('c', null, JSON.stringify(body));
    flush();
    this.changed.clear();
    this.sent = performance.now();
  }

  due(careful) {
    return careful || answers.size > ENOUGH || performance.now() - this.sent > PATIENCE;
  }

  /** Makes the state of this key what the function sees, as it would be after a restart. */
  enter(key, values) {
    const { context, hello } = this.user;
    context.state = JSON.parse(this.states.get(key) ?? '{}');
    context.key = hello.key.map((name) => values[name]);
  }

  /** Keeps what the function has made of the state. */
  leave(key) {
    const { state } = this.user.context;
    if (state === null || typeof state !== 'object' || Array.isArray(state)) throw new Misuse('`context.state` must stay an object');
    try {
      this.states.set(key, JSON.stringify(state, plain));
    } catch (error) {
      throw new Misuse(`\`context.state\` holds what JSON cannot: ${error.message}`);
    }
    this.changed.add(key);
  }

  /** Calls and answers; a call that fails changes no state. */
  async attempt(number, key, call) {
    try {
      const made = await call();
      if (key !== null) this.leave(key);
      put('d', number, made.join('\n'));
    } catch (error) {
      put('f', number, fault(error));
    }
  }

  async records(head, rows) {
    const { user } = this;
    const { call } = user;
    let number = head.first;
    for (const [place, row] of rows.entries()) {
      const key = head.keys === undefined ? null : head.keys[place];
      await this.attempt(number, key, async () => {
        const record = user.record(row);
        const given = user.before(record);
        if (key !== null) this.enter(key, given);
        return user.rows(await call(record, user.context), given);
      });
      number += 1;
      if (this.due(head.careful)) this.commit(number);
    }
    this.commit(number);
  }

  /** Calls with all records; where that fails with ever fewer, until the ones at fault stand alone. */
  async batches(head, rows) {
    const todo = parts(head.first, rows, head.careful ? 1 : this.user.hello.batch_size);
    while (todo.length > 0) {
      const [first, part] = todo.pop();
      if (await this.part(first, part)) {
        this.commit(first + part.length);
      } else {
        const half = part.length >> 1;
        todo.push([first + half, part.slice(half)], [first, part.slice(0, half)]);
      }
    }
  }

  /** Answers whether these records are answered. */
  async part(first, rows) {
    const { user } = this;
    const { call } = user;
    try {
      const records = rows.map((row) => user.record(row));
      const given = records.map((record) => user.before(record));
      const results = await call(records, user.context);
      if (user.hello.sink) {
        rows.forEach((_, place) => put('d', first + place, ''));
        return true;
      }
      if (!Array.isArray(results) || results.length !== rows.length) {
        const found = Array.isArray(results) ? `${results.length} results` : `a ${typeof results}`;
        throw new Misuse(`\`${user.hello.handler}\` returned ${found} for ${rows.length} records; it must return an array with one for each`);
      }
      results.map((result, place) => user.rows(result, given[place])).forEach((made, place) => put('d', first + place, made.join('\n')));
    } catch (error) {
      if (rows.length > 1) return false;
      put('f', first, fault(error));
    }
    return true;
  }

  /** Calls a handler of AWS Lambda. */
  async events(head, rows) {
    const { call, hello } = this.user;
    const shape = LAMBDA[hello.shape];
    const tries = new Map();
    const todo = parts(head.first, rows, head.careful ? 1 : hello.batch_size);
    while (todo.length > 0) {
      const [first, part] = todo.pop();
      const event = shape.event(hello, part, head.places.slice(first - head.first, first - head.first + part.length));
      let made = null;
      try {
        made = shape.outcomes(hello, await invoke(call, structuredClone(event), lambdaContext(hello)), event);
      } catch (error) {
        if (part.length > 1) {
          const half = part.length >> 1;
          todo.push([first + half, part.slice(half)], [first, part.slice(0, half)]);
          continue;
        }
        put('f', first, fault(error));
      }
      made?.forEach((one, place) => (one instanceof Misuse ? put('f', first + place, fault(one)) : put('d', first + place, one.join('\n'))));
      let done = made === null ? part.length : made.length;
      if (done < part.length) {
        const at = first + done;
        tries.set(at, (tries.get(at) ?? 0) + 1);
        if (tries.get(at) >= ATTEMPTS) {
          put('f', at, fault(new Misuse(`the function named this record in batchItemFailures ${ATTEMPTS} times`)));
          done += 1;
        }
        if (done < part.length) todo.push([first + done, part.slice(done)]);
      }
      this.commit(first + done);
    }
  }

  async serve(body) {
    const lines = body.toString().split('\n');
    const head = JSON.parse(lines[0]);
    this.user.context.watermark = head.watermark === null ? null : timeText(head.watermark);
    this.states = new Map(Object.entries(head.states ?? {}));
    this.changed.clear();
    this.sent = performance.now();
    const rows = lines.slice(1, -1);
    if (this.user.hello.shape in LAMBDA) await this.events(head, rows);
    else if (this.user.hello.shape === 'batch') await this.batches(head, rows);
    else await this.records(head, rows);
    put('e', null, '');
    flush();
  }
}

async function main() {
  stayWithTheRuntime();
  let server = null;
  for (let message = receive(); message !== null; message = receive()) {
    const [letter, body] = message;
    if (letter === 'h') {
      try {
        server = new Server(await UserFunction.load(JSON.parse(body)));
      } catch (error) {
        put('x', null, fault(error));
        flush();
        return;
      }
      put('r', null, JSON.stringify({ version: process.versions.node }));
      flush();
    } else if (letter === 'b') {
      await server.serve(body);
    }
  }
}

main().then(() => process.exit(0), (error) => { print(`${error.stack}\n`); process.exit(1); });
