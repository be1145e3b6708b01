// Files as a repository holds them, for the git bench: sources with names of their own (so that they
// compress as sources do, about four to one), and a twentieth of images and archives that do not
// compress at all. The same count gives the same bytes on every machine.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Deterministic whole numbers below `limit`. */
function generator(seed) {
  let state = seed >>> 0;
  return limit => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const SYLLABLES = 'pay ment order ship cache store user token queue retry batch event index shard node ' +
  'state table graph price quote limit scope route field value merge split parse write fetch';
const FORMS = [
  (a, b, n) => `  const ${a} = await ${b}.load({ id: ${n}, fresh: true });\n`,
  (a, b, n) => `  if (${a}.${b} > ${n}) {\n    throw new RangeError(\`${a} is beyond ${n}\`);\n  }\n`,
  (a, b) => `export function ${a}(${b}: string): Promise<void> {\n`,
  (a, b, n) => `    ${a}: { name: "${b}", weight: ${n}, enabled: ${n % 2 === 0} },\n`,
  (a, b) => `// ${a} keeps ${b} until the next change of its owner.\n`,
  () => '  return result;\n}\n\n',
];

function source(random, bytes) {
  const syllables = SYLLABLES.split(' ');
  const name = () => {
    const parts = Array.from({ length: 1 + random(3) }, () => syllables[random(syllables.length)]);
    return parts.map((part, i) => (i === 0 ? part : part[0].toUpperCase() + part.slice(1))).join('');
  };
  let text = '';
  while (text.length < bytes) text += FORMS[random(FORMS.length)](name(), name(), random(100_000));
  return Buffer.from(text);
}

function noise(random, bytes) {
  const out = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) out[i] = random(256);
  return out;
}

const pathOf = number =>
  `src/area-${number % 20}/part-${Math.floor(number / 20) % 25}/file-${number}.${number % 20 === 19 ? 'png' : 'ts'}`;

/** Writes `count` files of 6.8 KB on average below `root`; their bytes together. */
export function writeRepository(root, count) {
  const random = generator(20261121);
  const folders = new Set();
  let sum = 0;
  for (let number = 0; number < count; number += 1) {
    const file = path.join(root, pathOf(number));
    if (!folders.has(path.dirname(file))) mkdirSync(path.dirname(file), { recursive: true });
    folders.add(path.dirname(file));
    const bytes = 600 + Math.floor(6200 * -Math.log(1 - random(10_000) / 10_000));
    const content = number % 20 === 19 ? noise(random, bytes) : source(random, bytes);
    writeFileSync(file, content);
    sum += content.length;
  }
  return sum;
}

/** Changes `changed` of the `count` files: one more line at their end. */
export function changeRepository(root, count, changed) {
  for (let i = 0; i < changed; i += 1) {
    appendFileSync(path.join(root, pathOf(Math.floor((i * count) / changed))), `// change ${i}\n`);
  }
}
