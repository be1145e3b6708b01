// The columns of the made-up bill, as native/costs/bench/generate.cc writes them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../../native/costs/bench/generate.cc',
);
const list = /kColumns\[\] = \{([^}]*)\}/.exec(readFileSync(source, 'utf8'))[1];
export const columns = [...list.matchAll(/"(\w+)"/g)].map(match => match[1]);
