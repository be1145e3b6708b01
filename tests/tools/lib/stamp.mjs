// Skips a step whose inputs did not change since it last ended well.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { at } from './repo.mjs';

const SKIPPED = new Set(['node_modules', 'dist', 'dist-types', 'generated']);

function* filesBelow(where) {
  const info = statSync(where, { throwIfNoEntry: false });
  if (!info) {
    return;
  }
  if (info.isFile()) {
    yield where;
    return;
  }
  for (const name of readdirSync(where).sort()) {
    if (!SKIPPED.has(name)) {
      yield* filesBelow(path.join(where, name));
    }
  }
}

/** A hash over the contents of files and of all files in folders. */
export function hashInputs(inputs) {
  const hash = createHash('sha256');
  for (const input of inputs) {
    for (const file of filesBelow(at(input))) {
      hash.update(`${path.relative(at(), file)}\0`).update(readFileSync(file)).update('\0');
    }
  }
  return hash.digest('hex');
}

/** Runs `body` unless `inputs` are as they were when it last succeeded and `output` is there. */
export async function onceFor(name, inputs, output, body) {
  const file = at('build', 'stamps', name);
  const now = hashInputs(inputs);
  let before = '';
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // Never ran here.
  }
  if (before === now && statSync(at(output), { throwIfNoEntry: false })) {
    return false;
  }
  rmSync(file, { force: true });
  await body();
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, now);
  return true;
}
