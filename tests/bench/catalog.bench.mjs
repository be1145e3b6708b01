// Keeping a real catalog of Backstage true: the module with the addon's source-tree, and beside it an
// upstream provider's full mutation of the same entities; on SQLite and PostgreSQL, each side in a
// process and a database of its own. SQLite's file lies in memory where the system has such a place:
// it waits for the disk on the event loop, which would be all that is measured.
//
// Takes about ten minutes; what is not done after LIMIT_SECONDS is given up and counts as that long.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeTree } from './lib/catalog-entities.mjs';
import { round, row, scratchFolder } from './lib/measure.mjs';
import { postgresPrograms, startPostgres } from './lib/postgres.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'lib/catalog-side.mjs');
/** PURSER_BENCH_SCALE=0.1 for a look on a small machine. */
const SCALE = Number(process.env.PURSER_BENCH_SCALE ?? 1);
const sized = count => Math.max(100, Math.round((count * SCALE) / 100) * 100);
const STEADY = sized(100_000);
const FIRST = sized(50_000);
const STITCHED = sized(6_000);
/** A full mutation of 50,000 into PostgreSQL took 106 s on a quiet machine of two processors. */
const LIMIT_SECONDS = 150;

const rows = [];
const scratch = [];
const work = mkdtempSync(path.join(tmpdir(), 'purser-bench-catalog-'));

/** One side on a database of its own. */
async function run(side, mode, count, client) {
  const folder = mkdtempSync(path.join(work, `${side}-`));
  const postgres = client === 'pg' ? await startPostgres() : undefined;
  try {
    if (side === 'purser') writeTree(path.join(folder, 'tree'), count);
    const sqlite = mkdtempSync(path.join(scratchFolder(), 'purser-bench-catalog-'));
    scratch.push(sqlite);
    const database = postgres?.connection ?? {
      client: 'better-sqlite3',
      connection: { directory: sqlite },
    };
    process.stderr.write(`  ${client}: ${side}, ${mode}, ${count} entities\n`);
    const text = execFileSync(
      process.execPath,
      [
        '--expose-gc',
        '--no-warnings',
        '--no-node-snapshot',
        script,
        side,
        mode,
        `${count}`,
        JSON.stringify(database),
        folder,
        `${LIMIT_SECONDS}`,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 << 20 },
    );
    return JSON.parse(text.trim().split('\n').at(-1));
  } finally {
    await postgres?.stop();
    for (const used of [folder, ...scratch.splice(0)]) rmSync(used, { recursive: true, force: true });
  }
}

async function steady(client, name) {
  const ours = await run('purser', 'steady', STEADY, client);
  const theirs = await run('upstream', 'steady', STEADY, client);
  const quiet = ours.unchanged.statements === 0;
  rows.push(row(`${name}, ${STEADY} entities, none changed: CPU of the main thread over idle`, round(ours.unchanged.ours, 1), 'ms', '<= 1 ms', ours.unchanged.ours <= 1));
  rows.push(row('  with what the process does anyway', round(ours.unchanged.cpu, 1), 'ms'));
  rows.push(row('  a full mutation', round(theirs.unchanged.cpu, 0), 'ms'));
  rows.push(row('  statements in the database', ours.unchanged.statements, '', '0', quiet));
  rows.push(row('  a full mutation', theirs.unchanged.statements, ''));
  rows.push(row('  until the round was done', round(ours.unchanged.wall, 0), 'ms'));
  const ratio = theirs.changed.cpu / ours.changed.cpu;
  rows.push(row(`${name}, one in a hundred changed: CPU of the main thread`, round(ours.changed.cpu, 0), 'ms'));
  rows.push(row('  a full mutation', round(theirs.changed.cpu, 0), 'ms'));
  rows.push(row('  less CPU', round(ratio, 1), 'times', '>= 20 times', ratio >= 20));
  rows.push(row('  statements in the database', ours.changed.statements, ''));
  rows.push(row('  a full mutation', theirs.changed.statements, ''));
  for (const [what, one] of [['changed', ours.changed], ['none changed', ours.unchanged]]) {
    rows.push(row(`  event-loop delay max, ${what}`, round(one.delayMax, 1), 'ms', '<= 25 ms', one.delayMax <= 25));
    rows.push(row(`  longest CPU time without a turn of the loop, ${what}`, round(one.longestStretch, 1), 'ms'));
    rows.push(row(`  memory over idle, ${what}`, round(one.peak, 0), 'MB', '<= 64 MB', one.peak <= 64));
  }
  // On SQLite it is one block from begin to end, in which the probe has no turn.
  if (theirs.changed.delayMax > 0) {
    rows.push(row('  event-loop delay max of a full mutation', round(theirs.changed.delayMax, 0), 'ms'));
  }
}

async function first(client, name, mode) {
  const ours = (await run('purser', mode, FIRST, client)).first;
  const theirs = (await run('upstream', mode, FIRST, client)).first;
  const ratio = theirs.wall / ours.wall;
  const more = theirs.unfinished ? 'more than ' : '';
  const into = mode === 'bare' ? ' into nothing at all' : '';
  rows.push(row(`${name}, first load of ${FIRST} entities${into}`, round(ours.wall / 1000, 1), 's'));
  rows.push(row('  one full mutation', `${more}${round(theirs.wall / 1000, 1)}`, 's'));
  const goal = mode === 'bare' ? [] : ['>= 6 times', ratio >= 6];
  rows.push(row('  faster', `${more}${round(ratio, 1)}`, 'times', ...goal));
  rows.push(row('  longest statement or transaction', round(ours.longestWrite / 1000, 2), 's', '<= 1.5 s', ours.longestWrite <= 1_500));
  rows.push(row('  CPU of the main thread', round(ours.cpu / 1000, 1), 's'));
  rows.push(row('  one full mutation', round(theirs.cpu / 1000, 1), 's'));
}

async function stitched(client, name) {
  const ours = (await run('purser', 'stitched', STITCHED, client)).first;
  const theirs = (await run('upstream', 'stitched', STITCHED, client)).first;
  const more = ours.wall / theirs.wall;
  rows.push(row(`${name}, ${STITCHED} entities until the catalog serves them`, round(ours.wall / 1000, 1), 's'));
  rows.push(row('  by a full mutation', round(theirs.wall / 1000, 1), 's'));
  rows.push(row('  of that', round(more, 2), 'times', '<= 1.1 times', more <= 1.1));
}

/** By "<database> <part>". */
const parts = {
  'sqlite steady': () => steady('better-sqlite3', 'SQLite'),
  'postgres steady': () => steady('pg', 'PostgreSQL'),
  'postgres first': () => first('pg', 'PostgreSQL', 'first'),
  'postgres bare': () => first('pg', 'PostgreSQL', 'bare'),
  'postgres stitched': () => stitched('pg', 'PostgreSQL'),
};
/** PURSER_BENCH_ROWS=first: only the parts whose name has this. */
const wanted = process.env.PURSER_BENCH_ROWS ?? '';

try {
  for (const [name, part] of Object.entries(parts)) {
    if (!name.includes(wanted)) continue;
    if (name.startsWith('postgres') && !postgresPrograms()) {
      process.stderr.write(`  PostgreSQL is not installed: ${name} is left out\n`);
      continue;
    }
    await part();
  }
} finally {
  for (const used of [work, ...scratch]) rmSync(used, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'catalog', rows }));
