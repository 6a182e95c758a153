// The HTTP side: Azure's management interface for hubs and consumer groups (Microsoft.EventHub, learn.microsoft.com/rest/
// api/eventhub), and beside it `/peer/…`, which no service has: faults and counters for tests.
import { createServer } from 'node:http';
import { LIMITS, TIERS } from './hubs.mjs';

class HttpError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const HOUR = 3600_000;

function hubResource(base, hub) {
  const hours = hub.retention / HOUR;
  return {
    id: `${base}/eventhubs/${hub.name}`, name: hub.name, type: 'Microsoft.EventHub/Namespaces/EventHubs',
    properties: {
      messageRetentionInDays: Math.max(1, Math.ceil(hours / 24)), partitionCount: hub.partitions.length, status: 'Active',
      partitionIds: hub.partitions.map(({ number }) => String(number)),
      createdAt: new Date(hub.created).toISOString(), updatedAt: new Date(hub.updated).toISOString(),
      retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: hours },
    },
  };
}

const groupResource = (base, hub, group) => ({
  id: `${base}/eventhubs/${hub.name}/consumergroups/${group.name}`, name: group.name,
  type: 'Microsoft.EventHub/Namespaces/EventHubs/ConsumerGroups', properties: { createdAt: new Date(group.created).toISOString() },
});

export function control(namespace, broker) {
  let refusals = 0;

  function hub(method, base, name, body) {
    const found = namespace.hub(name);
    if (method === 'GET') {
      if (!found) throw new HttpError(404, 'ResourceNotFound', `The hub '${name}' was not found.`);
      return [200, hubResource(base, found)];
    }
    if (method === 'DELETE') {
      if (!found) return [204];
      broker.removed(found);
      namespace.change({ hub: name, gone: true });
      return [200];
    }
    const wanted = body.properties ?? {};
    const hours = wanted.retentionDescription?.retentionTimeInHours ?? (wanted.messageRetentionInDays ?? (found ? undefined : namespace.limits.retentionHours / 24)) * 24;
    const partitions = wanted.partitionCount ?? found?.partitions.length ?? 4;
    const bad = (text) => new HttpError(400, 'BadRequest', text);
    if (!(partitions >= 1 && partitions <= LIMITS.partitions)) throw bad(`partitionCount must be from 1 to ${LIMITS.partitions}.`);
    if (!Number.isNaN(hours) && !(hours >= 1 && hours <= namespace.limits.retentionHours)) throw bad(`retentionTimeInHours must be from 1 to ${namespace.limits.retentionHours}.`);
    const retention = Number.isNaN(hours) ? undefined : hours * HOUR;
    if (!found) {
      namespace.change({ hub: name, partitions, retention });
      return [201, hubResource(base, namespace.hub(name))];
    }
    if (partitions < found.partitions.length) throw bad('The partition count cannot be decreased.');
    if (partitions > found.partitions.length && !namespace.growable) throw bad('The partition count cannot be changed in this tier.');
    namespace.change({ hub: name, partitions, retention });
    return [200, hubResource(base, found)];
  }

  function group(method, base, owner, name) {
    const found = owner.groups.get(name.toLowerCase());
    if (method === 'GET') {
      if (!found) throw new HttpError(404, 'ResourceNotFound', `The consumer group '${name}' was not found.`);
      return [200, groupResource(base, owner, found)];
    }
    if (method === 'DELETE') {
      if (found) namespace.change({ hub: owner.name, group: name, gone: true });
      return [found ? 200 : 204];
    }
    if (found) return [200, groupResource(base, owner, found)];
    if (owner.groups.size >= namespace.limits.groups) throw new HttpError(400, 'BadRequest', `A hub has at most ${namespace.limits.groups} consumer groups.`);
    if (!/^[A-Za-z0-9$][A-Za-z0-9._-]{0,49}$/.test(name)) throw new HttpError(400, 'BadRequest', `'${name}' is no name of a consumer group.`);
    namespace.change({ hub: owner.name, group: name });
    return [201, groupResource(base, owner, owner.groups.get(name.toLowerCase()))];
  }

  function manage(request, url, body) {
    if (!/^Bearer .+/.test(request.headers.authorization ?? '')) throw new HttpError(401, 'AuthenticationFailed', "The 'Authorization' header is missing or invalid.");
    if (!url.searchParams.get('api-version')) throw new HttpError(400, 'MissingApiVersionParameter', 'The api-version query parameter is required.');
    if (refusals > 0) {
      refusals--;
      throw new HttpError(429, 'TooManyRequests', 'Too many requests.');
    }
    const match = /^(\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.EventHub\/namespaces\/[^/]+)(?:\/eventhubs(?:\/([^/]+)(?:\/consumergroups(?:\/([^/]+))?)?)?)?\/?$/i.exec(url.pathname);
    if (!match) throw new HttpError(404, 'InvalidResourceType', `There is nothing at ${url.pathname}.`);
    const [, base, hubName, groupName] = match.map((part) => part && decodeURIComponent(part));
    const { method } = request;
    if (!['GET', 'PUT', 'DELETE'].includes(method)) throw new HttpError(405, 'MethodNotAllowed', method);
    if (!hubName) {
      if (/\/eventhubs\/?$/i.test(url.pathname)) return [200, { value: [...namespace.hubs.values()].map((one) => hubResource(base, one)) }];
      return [200, { id: base, name: base.split('/').at(-1), sku: { name: namespace.growable ? 'Premium' : namespace.tier === 'basic' ? 'Basic' : 'Standard' }, properties: { status: 'Active' } }];
    }
    if (!/\/consumergroups/i.test(url.pathname)) return hub(method, base, hubName, body);
    const owner = namespace.hub(hubName);
    if (!owner) throw new HttpError(404, 'ResourceNotFound', `The hub '${hubName}' was not found.`);
    if (!groupName) return [200, { value: [...owner.groups.values()].map((one) => groupResource(base, owner, one)) }];
    return group(method, base, owner, groupName);
  }

  /** For tests: counters, throttling, answers that get lost, tokens that run out, short retention. */
  function peer(request, url, body) {
    if (request.method === 'GET' && url.pathname === '/peer/counters') return [200, namespace.count];
    if (request.method !== 'POST') throw new HttpError(404, 'NotFound', url.pathname);
    switch (url.pathname) {
      case '/peer/faults': {
        // sends, answers, bytesPerSecond, eventsPerSecond, tokenLifetime (ms), management,
        // mute (nothing goes out to readers until the next event after it); refusals of the management
        // interface; growable and tier, which are what the namespace is
        const { refusals: wanted, growable, tier, ...faults } = body;
        if (wanted !== undefined) refusals = wanted;
        if (growable !== undefined) namespace.change({ growable });
        if (tier !== undefined) {
          if (!(tier in TIERS)) throw new HttpError(400, 'BadRequest', `there is no tier '${tier}'`);
          namespace.change({ tier });
        }
        for (const name of Object.keys(faults)) {
          if (!(name in namespace.faults)) throw new HttpError(400, 'BadRequest', `there is no fault '${name}'`);
        }
        Object.assign(namespace.faults, faults);
        return [200, namespace.faults];
      }
      case '/peer/disconnect':
        broker.disconnect();
        return [200];
      case '/peer/expire-tokens':
        for (const connection of broker.connections) connection._tokens.expireAll();
        return [200];
      case '/peer/retention': {
        if (!namespace.hub(body.hub)) throw new HttpError(404, 'NotFound', body.hub);
        namespace.change({ hub: body.hub, retention: body.milliseconds });
        return [200];
      }
      default:
        throw new HttpError(404, 'NotFound', url.pathname);
    }
  }

  return createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      let status;
      let answer;
      const headers = { 'content-type': 'application/json' };
      try {
        const url = new URL(request.url, 'http://localhost');
        const text = Buffer.concat(chunks).toString();
        const body = text ? JSON.parse(text) : {};
        [status, answer] = url.pathname.startsWith('/peer/') ? peer(request, url, body) : manage(request, url, body);
      } catch (error) {
        if (!(error instanceof HttpError)) process.stderr.write(`${error.stack}\n`);
        status = error.status ?? 500;
        answer = { error: { code: error.code ?? 'InternalError', message: error.message } };
        if (status === 429) headers['retry-after'] = '1';
      }
      const text = answer === undefined ? '' : JSON.stringify(answer);
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) });
      response.end(text);
    });
  });
}
