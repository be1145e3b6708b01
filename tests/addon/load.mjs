// Where the tests find the addons: PURSER_BUILD (a build folder), else build/release, else build/debug.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

const candidates = process.env.PURSER_BUILD
  ? [resolve(process.env.PURSER_BUILD)]
  : ['release', 'debug'].map(preset => join(root, 'build', preset));

function find(...parts) {
  const found = candidates.map(folder => join(folder, ...parts)).find(existsSync);
  if (!found) {
    throw new Error(
      `${join(...parts)} is not built in ${candidates.join(' or ')}; build first (npm run build)`,
    );
  }
  return found;
}

/** The addon that ships. */
export const shippedPath = () => find('bin', 'purser.node');
/** The addon whose actions sleep, flood, throw and fetch. */
export const testPath = () => find('test', 'purser_test.node');
export const load = path => createRequire(import.meta.url)(path);
