// Keeps what the service holds over a crash: each change is a line of JSON, made again at the next start. A line is
// handed to the system before anybody hears that the change was made, so that a killed process loses nothing it confirmed.
import { existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

const NEWLINE = 0x0a;

/** Makes the changes that stand in the file, and from now on writes down those that are made. */
export function keep(path, namespace) {
  const known = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  let from = 0;
  for (let to = known.indexOf(NEWLINE); to >= 0; to = known.indexOf(NEWLINE, from)) {
    const { raw, ...change } = JSON.parse(known.toString('utf8', from, to));
    namespace.change(raw === undefined ? change : { ...change, raw: Buffer.from(raw, 'base64') });
    from = to + 1;
  }
  const file = openSync(path, 'a');
  // A crash in the middle of a line: it was never confirmed.
  ftruncateSync(file, from);
  namespace.note = ({ raw, ...change }) => {
    writeSync(file, `${JSON.stringify(raw === undefined ? change : { ...change, raw: raw.toString('base64') })}\n`);
  };
}
