// A look-alike of Azure Event Hubs for tests, since none can be installed: the AMQP interface without TLS, and the part of
// Azure's management interface that makes and removes hubs. Everything is on loopback and in memory, and with `--data`
// written down too, so that a restart brings it back.
//
//   node server.mjs --port N --control N [--hub NAME:PARTITIONS]… [--key NAME=SECRET]… [--growable] [--data FILE]
//
// It prints `ready` when both ports listen. Port 0 asks the system; the line `listening AMQP CONTROL` tells which.
import { parseArgs } from 'node:util';
import { Broker } from './amqp.mjs';
import { control } from './control.mjs';
import { Namespace } from './hubs.mjs';
import { keep } from './journal.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' }, control: { type: 'string', default: '0' },
    hub: { type: 'string', multiple: true, default: [] }, key: { type: 'string', multiple: true, default: [] },
    growable: { type: 'boolean', default: false }, data: { type: 'string' },
  },
});

const namespace = new Namespace();
namespace.growable = values.growable;
if (values.key.length) namespace.keys.clear();
for (const key of values.key) {
  const [name, secret] = key.split(/=(.*)/s);
  namespace.keys.set(name, secret);
}
if (values.data) keep(values.data, namespace);
for (const hub of values.hub) {
  const [name, partitions] = hub.split(':');
  if (!namespace.hub(name)) namespace.change({ hub: name, partitions: Number(partitions ?? 4), retention: 7 * 24 * 3600_000 });
}

const broker = new Broker(namespace);
const http = control(namespace, broker);
const listener = broker.listen(Number(values.port));
const up = (server) => new Promise((resolve, reject) => {
  server.once('listening', resolve);
  server.once('error', reject);
});
http.listen(Number(values.control), '127.0.0.1');
try {
  await Promise.all([up(listener), up(http)]);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
process.stdout.write(`listening ${listener.address().port} ${http.address().port}\n`);
process.stdout.write('ready\n');
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
