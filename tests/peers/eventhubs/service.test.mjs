// The server as another client sees it: what a tier refuses, and what a reader is told beside its events.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import test from 'node:test';
import { Broker } from './amqp.mjs';
import { Namespace, TIERS } from './hubs.mjs';
import rhea from './rhea.mjs';

const SECRET = 'SAS_KEY_VALUE';

/** A server with one hub of one partition, and a connection that may use it. */
async function up(t, tier) {
  const namespace = new Namespace();
  namespace.change({ tier });
  namespace.change({ hub: 'orders', partitions: 1, retention: 3600_000 });
  const listener = new Broker(namespace).listen(0);
  await once(listener, 'listening');
  const connection = rhea.create_container().connect({ host: '127.0.0.1', port: listener.address().port, reconnect: false });
  connection.on('connection_error', () => {});
  t.after(() => {
    connection.close();
    listener.close();
    connection.socket?.destroy();
  });
  const audience = 'amqp://test/orders';
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const signature = createHmac('sha256', SECRET).update(`${encodeURIComponent(audience)}\n${expiry}`).digest('base64');
  const token = `SharedAccessSignature sr=${encodeURIComponent(audience)}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=RootManageSharedAccessKey`;
  const answers = connection.open_receiver({ source: '$cbs', target: 'here' });
  const asks = connection.open_sender('$cbs');
  await once(asks, 'sendable');
  const properties = { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: audience };
  asks.send({ message_id: '1', reply_to: 'here', application_properties: properties, body: token });
  const [{ message }] = await once(answers, 'message');
  assert.equal(message.application_properties['status-code'], 202);
  return { namespace, connection };
}

for (const [tier, { publication }] of Object.entries(TIERS)) {
  test(`a publication above the limit of the ${tier} tier is refused`, async (t) => {
    const { namespace, connection } = await up(t, tier);
    const sender = connection.open_sender('orders/Partitions/0');
    await once(sender, 'sendable');
    assert.equal(sender.remote.attach.max_message_size, publication);
    sender.send({ body: rhea.message.data_section(Buffer.alloc(publication - 100)) });
    await once(sender, 'accepted');
    sender.send({ body: rhea.message.data_section(Buffer.alloc(publication + 1)) });
    const [{ sender: closed }] = await once(sender, 'sender_error');
    assert.equal(closed.error.condition, 'amqp:link:message-size-exceeded');
    assert.match(closed.error.description, new RegExp(`limit \\(${publication} bytes\\)`));
    assert.equal(namespace.hub('orders').partitions[0].events.length, 1);
    assert.equal(namespace.count.refusedSends, 1);
  });
}

test('readers that ask for it are told where the partition ends', async (t) => {
  const { connection } = await up(t, 'standard');
  const sender = connection.open_sender('orders/Partitions/0');
  await once(sender, 'sendable');
  for (const body of ['one', 'two', 'three']) {
    sender.send({ body: rhea.message.data_section(Buffer.from(body)) });
    await once(sender, 'accepted');
  }
  for (const asked of [true, false]) {
    const receiver = connection.open_receiver({
      source: 'orders/ConsumerGroups/$Default/Partitions/0',
      desired_capabilities: asked ? 'com.microsoft:enable-receiver-runtime-metric' : undefined,
    });
    const [{ message }] = await once(receiver, 'message');
    const told = message.delivery_annotations ?? {};
    assert.equal(told.last_enqueued_sequence_number, asked ? 2 : undefined);
    assert.equal('runtime_info_retrieval_time_utc' in told, asked);
    assert.equal(message.message_annotations['x-opt-sequence-number'], 0);
  }
});
