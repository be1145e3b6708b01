// Installs the npm packages of the lock file when what is installed differs from it.
import { readFileSync } from 'node:fs';
import { at, Failure, root, run, say } from './repo.mjs';

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * True when every package of a lock file's `packages` is among those of the hidden lock file in
 * node_modules with the same version; optional ones (other platforms) may be missing.
 */
export function sameVersions(wanted, present) {
  for (const [where, entry] of Object.entries(wanted)) {
    const isPackage = where.startsWith('node_modules/') || where.includes('/node_modules/');
    if (!isPackage || entry.link) {
      continue;
    }
    const there = present[where];
    // Optional packages of other platforms are in the lock only.
    if (there ? there.version !== entry.version : !(entry.optional || entry.devOptional)) {
      return false;
    }
  }
  return true;
}

/** True when node_modules holds the versions that package-lock.json names. */
export function npmUpToDate() {
  const wanted = readJson(at('package-lock.json'))?.packages;
  const present = readJson(at('node_modules/.package-lock.json'))?.packages;
  return Boolean(wanted && present && sameVersions(wanted, present));
}

/** Makes node_modules hold what the lock file names. */
export async function ensureNpmPackages() {
  if (npmUpToDate()) {
    return;
  }
  say('installing npm packages (a few minutes the first time)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--loglevel=error'];
  await (npm
    ? run(process.execPath, [npm, ...args], { cwd: root, quiet: true })
    : run('npm', args, { cwd: root, quiet: true }));
  if (!npmUpToDate()) {
    throw new Failure('npm ci left other versions than package-lock.json names');
  }
}
