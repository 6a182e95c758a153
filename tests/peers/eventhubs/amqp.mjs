// The AMQP side: links to hubs, partitions, consumer groups, `$cbs` and `$management`.
import rhea, { T } from './rhea.mjs';
import { LIMITS, Refusal } from './hubs.mjs';
import { Tokens, check } from './tokens.mjs';
import { unpack, withMetrics } from './wire.mjs';

/** Milliseconds until an answer to an event, which a service stores on several machines first, and to a question. An
 * answer in less than the time in which a client gets from sending to waiting would be lost by the official Rust client
 * (fe2o3-amqp 0.16.2), and on a busy machine its thread may stand still for a while in between. */
const STORING = 100;
const ANSWERING = 10;

const notFound = (what) => new Refusal('amqp:not-found', `The messaging entity '${what}' could not be found.`);
const refuse = (link, { condition, description }) => {
  // What is still on its way to it is not taken.
  link._refused = true;
  link.close({ condition, description });
};

/** `{ hub, group, partition }` of an address, which may be a whole URL. */
function parse(address) {
  const path = String(address ?? '').replace(/^[a-z]+:\/\/[^/]+\//i, '').replace(/^\/+/, '');
  const match = /^([^/]+)(?:\/ConsumerGroups\/([^/]+))?(?:\/Partitions\/(\d+))?$/i.exec(path);
  if (!match) throw notFound(address);
  return { path, hub: match[1], group: match[2], partition: match[3] === undefined ? undefined : Number(match[3]) };
}

export class Broker {
  constructor(namespace) {
    this.namespace = namespace;
    this.connections = new Set();
    const container = rhea.create_container({ id: 'eventhubs-peer' });
    container.sasl_server_mechanisms.enable_anonymous();
    container.sasl_server_mechanisms.enable_plain(() => true);
    this.container = container;
    const guarded = (link, work) => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof Refusal)) process.stderr.write(`${error.stack}\n`);
        refuse(link, error instanceof Refusal ? error : new Refusal('amqp:internal-error', String(error)));
      }
    };
    container.on('connection_open', ({ connection }) => this.opened(connection));
    container.on('receiver_open', ({ receiver }) => guarded(receiver, () => this.senderAttached(receiver)));
    container.on('sender_open', ({ sender }) => guarded(sender, () => this.readerAttached(sender)));
    container.on('sendable', ({ sender }) => sender._reader && this.pump(sender._reader));
    container.on('message', (context) => this.received(context));
    for (const end of ['sender_close', 'sender_error']) {
      container.on(end, ({ sender }) => sender._reader?.partition.readers.delete(sender._reader));
    }
    for (const end of ['session_close', 'connection_close', 'connection_error', 'disconnected']) {
      container.on(end, ({ connection, session }) => this.ended(connection, end === 'session_close' ? session : undefined));
    }
    for (const quiet of ['receiver_error', 'receiver_close', 'session_error', 'error']) container.on(quiet, () => {});
    container.on('protocol_error', (error) => process.stderr.write(`protocol error: ${error}\n`));
  }

  listen(port) {
    const link = { properties: { 'com.microsoft:tracking-id': 'peer' }, max_message_size: this.namespace.limits.publication };
    const listener = this.container.listen({
      host: '127.0.0.1', port, max_frame_size: 65536, idle_time_out: 240000, channel_max: 4999,
      properties: { product: 'eventhubs-peer' }, offered_capabilities: ['com.microsoft:georeplication'],
      receiver_options: { ...link, autoaccept: false, credit_window: 300 },
      // Events go out settled: the Python client never settles, and rhea waits at 2048 unsettled ones.
      sender_options: { ...link, autosettle: true, snd_settle_mode: 1 },
    });
    // Small frames go out at once: otherwise each answer waits 40 ms for the client's acknowledgement of the one before.
    listener.on('connection', (socket) => socket.setNoDelay(true));
    return listener;
  }

  opened(connection) {
    connection._tokens = new Tokens((path) => {
      const text = `The token for '${path}' has run out (ExpiredToken).`;
      for (const link of this.links(connection)) {
        if (link._path?.toLowerCase().startsWith(path)) refuse(link, new Refusal('amqp:unauthorized-access', text));
      }
    });
    this.connections.add(connection);
  }

  ended(connection, session) {
    for (const hub of this.namespace.hubs.values()) {
      for (const partition of hub.partitions) {
        for (const reader of [...partition.readers]) {
          const { link } = reader;
          if (link.connection === connection && (!session || link.session === session)) partition.readers.delete(reader);
        }
      }
    }
    if (session) return;
    connection._tokens?.clear();
    this.connections.delete(connection);
  }

  links(connection) {
    const all = [];
    connection.each_link((link) => { all.push(link); });
    return all;
  }

  /** The hub (and partition) of a link, if its connection may use it. */
  entity(link, address, claim) {
    const place = parse(address);
    const hub = this.namespace.hub(place.hub);
    if (!hub || (place.partition !== undefined && !hub.partitions[place.partition])) throw notFound(address);
    if (!link.connection._tokens?.covers(place.path)) {
      throw new Refusal('amqp:unauthorized-access', `Unauthorized access. '${claim}' claim(s) are required to perform this operation. Resource: '${address}'.`);
    }
    link._path = place.path;
    return { ...place, hub };
  }

  senderAttached(link) {
    const address = link.target?.address;
    link._node = address?.replace(/^.*\/(\$[a-z]+)$/i, '$1');
    link.set_source({ address: link.source?.address });
    link.set_target({ address });
    if (link._node === '$cbs' || link._node === '$management') return;
    const { hub, partition } = this.entity(link, address, 'Send');
    // The tier may be another one than when the server began to listen.
    link.local.attach.max_message_size = this.namespace.limits.publication;
    Object.assign(link, { _hub: hub, _partition: partition });
  }

  readerAttached(link) {
    const address = link.source?.address;
    link._node = address?.replace(/^.*\/(\$[a-z]+)$/i, '$1');
    link.set_target({ address: link.target?.address });
    link.set_source({ address, filter: link.source?.filter });
    if (link._node === '$cbs' || link._node === '$management') return;
    const { hub, group, partition: number } = this.entity(link, address, 'Listen');
    const known = group && hub.groups.get(decodeURIComponent(group).toLowerCase());
    if (!known || number === undefined) throw notFound(address);
    const partition = hub.partitions[number];
    const level = link.properties?.['com.microsoft:epoch'];
    const reader = { link, partition, group: known.name, level: level == null ? null : Number(level) };
    reader.metrics = [].concat(link.remote?.attach?.desired_capabilities ?? []).some((one) => String(one) === 'com.microsoft:enable-receiver-runtime-metric');
    this.admit(reader);
    const filter = link.source?.filter && Object.values(link.source.filter)[0];
    const selector = filter?.value !== undefined ? filter.value : filter;
    reader.next = partition.start(selector?.value !== undefined ? selector.value : selector);
    link._reader = reader;
    partition.readers.add(reader);
  }

  /** The rules of owner levels, and of how many may read a partition. */
  admit({ partition, group, level }) {
    const others = [...partition.readers].filter((reader) => reader.group === group);
    const highest = Math.max(...others.map((reader) => reader.level ?? -Infinity), -Infinity);
    if (level === null && highest > -Infinity) {
      throw new Refusal('amqp:link:stolen', `At least one receiver for the endpoint is created with epoch of '${highest}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.`);
    }
    if (level !== null && highest > level) {
      throw new Refusal('amqp:link:stolen', `At least one receiver for the endpoint is created with epoch of '${highest}', and so lower epoch '${level}' is not allowed.`);
    }
    if (level === null && others.length >= LIMITS.readers) {
      throw new Refusal('amqp:resource-limit-exceeded', `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${LIMITS.readers}.`);
    }
    if (level === null) return;
    for (const other of others) {
      partition.readers.delete(other);
      this.namespace.count.stolen++;
      refuse(other.link, new Refusal('amqp:link:stolen', `New receiver with higher epoch of '${level}' is created hence current receiver with epoch '${other.level}' is getting disconnected.`));
    }
  }

  pump(reader) {
    if (this.namespace.faults.mute) return;
    const { partition, link } = reader;
    partition.trim();
    // What has been trimmed away is skipped, as in the service.
    reader.next = Math.max(reader.next, partition.first);
    while (link.sendable()) {
      const event = partition.at(reader.next);
      if (!event) return;
      reader.next++;
      link.send(reader.metrics ? withMetrics(event.wire, partition.last) : event.wire, undefined, 0);
    }
  }

  received(context) {
    const { receiver: link, delivery, message, format } = context;
    if (link._node === '$cbs' || link._node === '$management') {
      return setTimeout(() => {
        if (!this.connections.has(context.connection)) return;
        delivery.accept();
        if (link._node === '$cbs') this.putToken(context);
        else this.manage(context);
      }, ANSWERING);
    }
    if (link._refused || !link._hub) return undefined;
    const { namespace } = this;
    const raw = format ? Buffer.from(message) : message._raw;
    namespace.count.sends++;
    try {
      const { publication } = namespace.limits;
      if (raw.length > publication) {
        namespace.count.refusedSends++;
        return refuse(link, new Refusal('amqp:link:message-size-exceeded', `The received message (delivery-id:${delivery.id}, size:${raw.length} bytes) exceeds the limit (${publication} bytes) currently allowed on the link.`));
      }
      const { key, events } = unpack(raw, format);
      for (const event of events) {
        if (event.key != null && String(event.key).length > LIMITS.key) throw new Refusal('com.microsoft:argument-out-of-range', `The partition key is longer than ${LIMITS.key} characters.`);
      }
      namespace.take(raw.length, events.length);
      const partition = link._partition !== undefined ? link._hub.partitions[link._partition] : link._hub.choose(key);
      for (const { raw: one, key: its } of events) namespace.change({ hub: link._hub.name, partition: partition.number, raw: one, key: its });
      namespace.count.events += events.length;
      if (namespace.faults.answers > 0) {
        // Stored, but the sender never hears of it.
        namespace.faults.answers--;
        link.connection.socket?.destroy();
      } else {
        setTimeout(() => delivery.accept(), STORING);
      }
      for (const reader of partition.readers) this.pump(reader);
    } catch (error) {
      namespace.count.refusedSends++;
      const { condition, description } = error instanceof Refusal ? error : new Refusal('amqp:decode-error', String(error));
      setTimeout(() => delivery.reject({ condition, description }), STORING);
    }
  }

  reply({ connection, message, receiver }, properties, body) {
    const to = message.reply_to;
    const links = this.links(connection).filter((link) => link.is_sender() && link._node === receiver._node);
    const link = links.find((one) => one.target?.address === to) ?? links[0];
    link?.send({ correlation_id: message.message_id ?? message.correlation_id, to, application_properties: properties, body });
  }

  status(code, description, more = {}) {
    return { 'status-code': T.wrap_int(code), 'status-description': description, statusCode: T.wrap_int(code), statusDescription: description, ...more };
  }

  putToken(context) {
    const { message, connection } = context;
    const properties = message.application_properties ?? {};
    try {
      if (properties.operation !== 'put-token') throw new Error(`there is no operation '${properties.operation}'`);
      const token = check(this.namespace, properties.type, properties.name, message.body, properties.expiration);
      const longest = this.namespace.faults.tokenLifetime;
      if (longest) token.expires = Math.min(token.expires, Date.now() + longest);
      this.namespace.count.tokens++;
      connection._tokens.put(token);
      this.reply(context, this.status(202, 'Accepted'), undefined);
    } catch (error) {
      this.reply(context, this.status(401, error.message, { 'error-condition': T.wrap_symbol('amqp:unauthorized-access') }), undefined);
    }
  }

  manage(context) {
    const properties = context.message.application_properties ?? {};
    const { count, faults } = this.namespace;
    count.managementCalls++;
    const fail = (code, condition, text) => this.reply(context, this.status(code, text, { 'error-condition': T.wrap_symbol(condition) }), null);
    const busy = () => fail(503, 'com.microsoft:server-busy', `More than ${LIMITS.runtimeCalls} calls a second.`);
    // The fault comes first: a test changes hubs behind it, and nobody sees them half changed.
    if (faults.management > 0) {
      faults.management--;
      return busy();
    }
    const hub = this.namespace.hub(properties.name);
    if (!hub) return fail(404, 'amqp:not-found', `The messaging entity '${properties.name}' could not be found.`);
    if (!hub.mayCall()) return busy();
    if (properties.type === 'com.microsoft:eventhub') {
      return this.reply(context, this.status(200, 'OK'), T.wrap_map({
        name: hub.name, type: properties.type, created_at: T.wrap_timestamp(hub.created), partition_count: T.wrap_int(hub.partitions.length),
        partition_ids: T.wrap_array(hub.partitions.map(({ number }) => String(number)), 0xa1), georeplication_factor: T.wrap_int(1),
      }));
    }
    const partition = hub.partitions[Number(properties.partition)];
    if (!partition) return fail(404, 'com.microsoft:argument-out-of-range', `There is no partition '${properties.partition}'.`);
    partition.trim();
    const { last } = partition;
    return this.reply(context, this.status(200, 'OK'), T.wrap_map({
      name: hub.name, type: 'com.microsoft:partition', partition: String(partition.number),
      begin_sequence_number: T.wrap_long(partition.first), begin_sequence_number_epoch: T.wrap_long(0),
      last_enqueued_sequence_number: T.wrap_long(last.sequence), last_enqueued_sequence_number_epoch: T.wrap_long(0),
      last_enqueued_offset: last.offset, last_enqueued_time_utc: T.wrap_timestamp(last.time),
      is_partition_empty: T.wrap_boolean(partition.events.length === 0),
    }));
  }

  /** Closes what uses a hub that is being deleted. */
  removed(hub) {
    for (const connection of this.connections) {
      for (const link of this.links(connection)) {
        if (link._hub === hub || link._reader?.partition.hub === hub) refuse(link, notFound(hub.name));
      }
    }
  }

  /** Breaks all connections. */
  disconnect() {
    for (const connection of [...this.connections]) connection.socket?.destroy();
  }
}
