// Every action of the portal: how long it goes on after a cancellation in the middle of much work
// (tests/addon/lib/action-cases.mjs), and what archives of any size take.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cases, noise } from '../addon/lib/action-cases.mjs';
import { ActionCase } from '../addon/lib/action-runner.mjs';
import { load, shippedPath } from '../addon/load.mjs';
import { round, row, scratchFolder } from './lib/measure.mjs';

const RUNS = 3;
const ABORT_AFTER_MS = [5, 15, 40];
const FILES = 8;
const FILE_BYTES = 32 << 20;

const addon = load(shippedPath());
const folder = mkdtempSync(path.join(scratchFolder(), 'purser-bench-actions-'));
const rows = [];

/** The slowest of some cancellations, in milliseconds. */
async function cancellation(id) {
  let slowest = 0;
  for (let i = 0; i < RUNS; i += 1) {
    const one = new ActionCase(addon, id, folder, true);
    await one.prepare();
    const abort = new AbortController();
    const running = one.run({ signal: abort.signal }).then(
      () => false,
      () => true,
    );
    await sleep(ABORT_AFTER_MS[i]);
    const start = performance.now();
    abort.abort();
    if (await running) slowest = Math.max(slowest, performance.now() - start);
    one.remove();
  }
  return slowest;
}

/** Half noise, half text: as one file each, so that each is much larger than what is read at once. */
function writeLarge(source) {
  mkdirSync(source, { recursive: true });
  const text = Buffer.from('a line of text that compresses, as most do\n'.repeat(FILE_BYTES / 43));
  const random = noise(FILE_BYTES);
  for (let i = 0; i < FILES; i += 1) writeFileSync(path.join(source, `${i}`), i % 2 === 0 ? random : text);
}

function archive(id, input, workspace) {
  const side = fileURLToPath(new URL('lib/archive-side.mjs', import.meta.url));
  const text = execFileSync(process.execPath, [side, id, JSON.stringify(input), workspace], { encoding: 'utf8' });
  const { bytes, seconds, idleMb, peakMb } = JSON.parse(text);
  const over = peakMb - idleMb;
  rows.push(
    row(`${id}, ${round(bytes / 1e6, 0)} MB`, round(bytes / 1e6 / seconds, 0), 'MB/s'),
    row('  memory over idle', round(over, 1), 'MB', '<= 100 MB', over <= 100),
  );
}

try {
  for (const id of Object.keys(cases)) {
    const slowest = await cancellation(id);
    rows.push(row(`${id}: ends after a cancellation`, round(slowest, 1), 'ms', '<= 100 ms', slowest <= 100));
  }
  const workspace = path.join(folder, 'large');
  writeLarge(path.join(workspace, 'src'));
  for (const [kind, name] of [['zip', 'a.zip'], ['tar', 'a.tar.gz']]) {
    archive(`purser:files:${kind}`, { path: name, sourcePath: 'src' }, workspace);
    rows.push(row('  size', round(statSync(path.join(workspace, name)).size / 1e6, 0), 'MB'));
    archive(`purser:files:un${kind}`, { path: name, targetPath: `copy-${kind}` }, workspace);
    rmSync(path.join(workspace, `copy-${kind}`), { recursive: true });
    rmSync(path.join(workspace, name));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'actions', rows }));
