// Tokens that a connection has put: shared access signatures are checked, and all run out.
import { createHmac, timingSafeEqual } from 'node:crypto';

const path = (audience) => decodeURIComponent(audience).replace(/^[a-z]+:\/\/[^/]+\/?/i, '').replace(/^\/+|\/+$/g, '').toLowerCase();

/** `{ path, expires }` of a good token; throws with the reason otherwise. */
export function check(namespace, type, name, token, expiration) {
  const text = String(token);
  if (!String(type).endsWith('sastoken')) {
    if (text.split('.').length !== 3) throw new Error('the token is no JWT');
    const claims = JSON.parse(Buffer.from(text.split('.')[1], 'base64url').toString());
    const expires = (claims.exp ?? Number(expiration)) * 1000;
    if (!(expires > Date.now())) throw new Error('ExpiredToken');
    return { path: path(name), expires };
  }
  const fields = Object.fromEntries(text.replace(/^SharedAccessSignature /, '').split('&').map((field) => field.split(/=(.*)/s)));
  const secret = namespace.keys.get(decodeURIComponent(fields.skn ?? ''));
  if (!secret) throw new Error('InvalidSignature: there is no such key');
  const wanted = createHmac('sha256', secret).update(`${fields.sr}\n${fields.se}`).digest();
  const given = Buffer.from(decodeURIComponent(fields.sig ?? ''), 'base64');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new Error('InvalidSignature: the token has an invalid signature');
  const expires = Number(fields.se) * 1000;
  if (!(expires > Date.now())) throw new Error('ExpiredToken');
  if (!path(name).startsWith(path(fields.sr))) throw new Error(`the token is for '${path(fields.sr)}'`);
  return { path: path(name), expires };
}

/** The tokens of one connection. When one runs out without a new one, `onExpired` is told its path. */
export class Tokens {
  constructor(onExpired) {
    this.onExpired = onExpired;
    this.held = new Map();
  }

  put(token) {
    clearTimeout(this.held.get(token.path)?.timer);
    const wait = Math.min(Math.max(token.expires - Date.now(), 0), 2 ** 31 - 1);
    const timer = setTimeout(() => this.expire(token.path), wait);
    timer.unref();
    this.held.set(token.path, { ...token, timer });
  }

  expire(path) {
    clearTimeout(this.held.get(path)?.timer);
    if (this.held.delete(path)) this.onExpired(path);
  }

  expireAll() {
    for (const path of [...this.held.keys()]) this.expire(path);
  }

  /** Whether a token covers this entity: its own path or one above it. */
  covers(entity) {
    const wanted = entity.toLowerCase();
    return [...this.held.keys()].some((held) => held === '' || wanted === held || wanted.startsWith(`${held}/`));
  }

  clear() {
    for (const { timer } of this.held.values()) clearTimeout(timer);
    this.held.clear();
  }
}
