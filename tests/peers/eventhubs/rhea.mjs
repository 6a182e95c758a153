// Finds the AMQP library (rhea, at one version): beside this file, or else installed once outside of the checkout. It is
// another library than the one in our client, so that the two share no mistakes. And makes it write frames as the real
// service does.
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const VERSION = '3.0.5';

function folder() {
  const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
  if (existsSync(join(here, 'node_modules', 'rhea'))) return here;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const tools = join(cache, 'pipectl', 'tools');
  const home = join(tools, `rhea-${VERSION}`);
  if (existsSync(join(home, 'node_modules', 'rhea'))) return home;
  process.stderr.write(`installing rhea ${VERSION} into ${home} (once)\n`);
  mkdirSync(tools, { recursive: true });
  const begun = mkdtempSync(join(tools, '.rhea-'));
  writeFileSync(join(begun, 'package.json'), '{"private":true}');
  const npm = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock', `rhea@${VERSION}`];
  execFileSync('npm', npm, { cwd: begun, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    renameSync(begun, home);
  } catch (error) {
    // Another process was quicker.
    rmSync(begun, { recursive: true, force: true });
    if (!existsSync(join(home, 'node_modules', 'rhea'))) throw error;
  }
  return home;
}

const require = createRequire(join(folder(), 'index.js'));

// The official Python client reads fields of frames by their number without looking how many there are, because the
// service writes all of them; rhea leaves out trailing nulls. This must happen before the rest of rhea is loaded.
const types = require('rhea/lib/types.js');
const define = types.define_composite;
types.define_composite = (definition) => {
  const composite = define(definition);
  const described = composite.prototype.described;
  composite.prototype.described = function () {
    // handle-max has no default at the client.
    if (definition.name === 'begin' && this.value[4] === undefined) this.value[4] = types.wrap_uint(255);
    while (this.value.length < definition.fields.length) this.value.push(undefined);
    for (let i = 0; i < this.value.length; i++) {
      if (this.value[i] === undefined) this.value[i] = types.wrap(null);
    }
    return described.call(this);
  };
  return composite;
};

const rhea = require('rhea');

// A message keeps the bytes that it came as: events are handed on byte for byte.
const decode = rhea.message.decode;
rhea.message.decode = (bytes) => {
  const message = decode(bytes);
  Object.defineProperty(message, '_raw', { value: Buffer.from(bytes) });
  return message;
};

export default rhea;
export const T = rhea.types;
