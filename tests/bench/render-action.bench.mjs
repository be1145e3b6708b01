// purser:template:render against fetch:template's own handler and against what plain JavaScript can
// do (a worker thread with synchronous files), on skeletons of 100, 1,000 and 10,000 files in memory
// files; each in a process of its own. The trees must be equal.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { round, row, scratchFolder } from './lib/measure.mjs';
import { writeSkeleton } from './lib/skeleton.mjs';

const side = path.join(path.dirname(fileURLToPath(import.meta.url)), 'lib/render-side.mjs');
const GOALS = { backstage: 8, worker: 2 };

/** One hash of all names and contents below a folder. */
function treeHash(folder) {
  const hash = createHash('sha256');
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(entry => ({ entry, place: path.join(entry.parentPath, entry.name) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1));
  for (const { entry, place } of entries) {
    hash.update(`${path.relative(folder, place)}\0`);
    if (entry.isFile()) hash.update(readFileSync(place));
    else if (entry.isSymbolicLink()) hash.update(readlinkSync(place));
  }
  return hash.digest('hex');
}

const rows = [];
const folder = mkdtempSync(path.join(scratchFolder(), 'purser-bench-action-'));
try {
  for (const count of [100, 1_000, 10_000]) {
    const at = path.join(folder, `${count}`);
    const { bytes } = writeSkeleton(path.join(at, 'skeleton'), count);
    const results = {};
    const hashes = new Set();
    for (const way of ['native', 'backstage', 'worker']) {
      for (let run = 0; run < 2; run += 1) {
        const workspace = path.join(folder, 'workspace');
        mkdirSync(workspace);
        const text = execFileSync(process.execPath, [side, way, at, workspace], { encoding: 'utf8' });
        const figures = JSON.parse(text.trim().split('\n').at(-1));
        if (run === 0) hashes.add(treeHash(workspace));
        rmSync(workspace, { recursive: true });
        if (!(results[way]?.wall < figures.wall)) results[way] = figures;
      }
    }
    const loops = path.join(folder, 'loops');
    mkdirSync(loops);
    const loop = JSON.parse(execFileSync(process.execPath, [side, 'loop', at, loops], { encoding: 'utf8' }));
    rmSync(loops, { recursive: true });
    if (hashes.size !== 1) throw new Error(`${count} files: the trees differ`);
    const { native } = results;
    const utilization = Math.max(0, loop.busy - loop.wakeUp) / loop.wall;
    rows.push(row(`${count} files (${round(bytes / 1e6, 1)} MB): wall`, round(native.wall, 0), 'ms'));
    rows.push(row('  CPU', round(native.cpu, 0), 'ms'));
    for (const [way, goal] of Object.entries(GOALS)) {
      const ratio = results[way].wall / native.wall;
      const name = way === 'worker' ? 'a JavaScript worker thread' : 'fetch:template';
      rows.push(row(`  faster than ${name}, wall`, round(ratio, 1), 'times', `>= ${goal} times`, ratio >= goal));
      rows.push(row(`  CPU of ${name}`, round(results[way].cpu, 0), 'ms'));
    }
    rows.push(
      row('  event-loop utilisation', round(utilization, 4), '', '< 0.02', utilization < 0.02),
      row('  with the wake-up of an idle loop', round(loop.busy / loop.wall, 4), ''),
      row('  event loop busy, each run', round(loop.busy, 3), 'ms'),
      row('  wake-up of an idle loop', round(loop.wakeUp, 3), 'ms'),
      row('  event loop busy, the first run of a process', round(loop.first, 3), 'ms'),
      row('  event-loop delay max', native.delayMax, 'ms', '<= 25 ms', native.delayMax <= 25),
      row('  log lines', native.events, 'lines', '<= 20', native.events <= 20),
      row('  peak memory over idle', round(native.peak, 0), 'MB', '<= 100 MB', native.peak <= 100),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'render-action', rows }));
