// Publishing and committing over smart HTTP: what Backstage's actions do today (isomorphic-git, by
// their own helpers), the git command line, and purser:git:publish through the addon and the
// portal's fetch. Each operation runs in a process of its own against the same server.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { round, row, scratchFolder } from './lib/measure.mjs';
import { changeRepository, writeRepository } from './lib/repository.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const COUNTS = [1_000, 10_000];
const CHANGED = { 1_000: 10, 10_000: 76 };
const RUNS = 2;
const LOOP_GOAL_MS = 25;
const MEMORY_GOAL_MB = 100;
// Nothing of the machine's or user's configuration, for any side.
const environment = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };

const folder = mkdtempSync(path.join(scratchFolder(), 'purser-bench-git-'));

function git(...args) {
  const run = spawnSync('git', args, { env: environment, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (run.status !== 0) throw new Error(`git ${args.join(' ')}: ${run.stderr}`);
  return run.stdout.trim();
}

/** An empty repository of the server. */
function bare(name, { filter = true } = {}) {
  const place = path.join(folder, 'served', name);
  git('init', '-q', '--bare', '-b', 'main', place);
  git('-C', place, 'config', 'http.receivepack', 'true');
  // What every big host does; git's own server only when told.
  if (filter) git('-C', place, 'config', 'uploadpack.allowFilter', 'true');
  return place;
}

function side(kind, operation, dir, url) {
  const run = spawnSync(
    process.execPath,
    ['--expose-gc', '--no-warnings', path.join(here, 'lib/git-side.mjs'), kind, operation, dir, url],
    { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (run.status !== 0) throw new Error(`${kind} ${operation} failed`);
  return JSON.parse(run.stdout.trim().split('\n').at(-1));
}

/** The command line: a shell, because its `times` tells the CPU time of its children. */
function commandLine(operation, dir, url) {
  const identity = '-c user.name=Bench -c user.email=bench@example.org';
  const script =
    operation === 'publish'
      ? `git init -q -b main . && git add -A && git ${identity} commit -q -m publish && git push -q ${url} main`
      : `git fetch -q && git add -A && git ${identity} commit -q -m commit && git push -q origin main`;
  const start = performance.now();
  const run = spawnSync('bash', ['-c', `set -e; ${script}; times`], { cwd: dir, env: environment, encoding: 'utf8' });
  const wall = performance.now() - start;
  if (run.status !== 0) throw new Error(`git ${operation}: ${run.stderr}`);
  const seconds = run.stdout.trim().split('\n').at(-1).split(' ').map(text => {
    const [, minutes, rest] = text.match(/(\d+)m([\d.]+)s/);
    return Number(minutes) * 60 + Number(rest);
  });
  return { wall, cpu: (seconds[0] + seconds[1]) * 1000 };
}

function filesBelow(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name));
}

/** Only compressing the same files, as git does by default: what no side that uses zlib can beat. */
function zlibAlone(dir) {
  const contents = filesBelow(dir).map(file => readFileSync(file));
  const before = process.cpuUsage();
  for (const content of contents) zlib.deflateSync(content);
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000;
}

const least = (runs, key) => Math.min(...runs.map(run => run[key]));
const most = (runs, key) => Math.max(...runs.map(run => run[key]));

const server = spawn(process.execPath, [path.join(here, 'lib/git-server.mjs'), path.join(folder, 'served')], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const rows = [];
try {
  const port = await new Promise((resolve, reject) => {
    server.stdout.once('data', data => resolve(Number(data)));
    server.once('exit', () => reject(new Error('the git server did not start')));
  });
  const urlOf = name => `http://127.0.0.1:${port}/${name}`;
  mkdirSync(path.join(folder, 'served'));
  let next = 0;

  for (const count of COUNTS) {
    const plain = path.join(folder, `files-${count}`);
    const bytes = writeRepository(plain, count);
    const label = `${count} files (${round(bytes / 1e6, 1)} MB)`;
    const limit = zlibAlone(plain);
    rows.push(row(`${label}: zlib alone, one thread`, round(limit, 0), 'CPU ms'));
    const trees = new Set();

    const publish = (kind, runs) =>
      Array.from({ length: runs }, () => {
        next += 1;
        const name = `p${next}.git`;
        const place = bare(name);
        const dir = path.join(folder, `work-${next}`);
        cpSync(plain, dir, { recursive: true });
        const figures = kind === 'git' ? commandLine('publish', dir, urlOf(name)) : side(kind, 'publish', dir, urlOf(name));
        trees.add(git('-C', place, 'rev-parse', 'main^{tree}'));
        rmSync(dir, { recursive: true });
        rmSync(place, { recursive: true });
        return figures;
      });
    const commit = (kind, runs, options) =>
      Array.from({ length: runs }, () => {
        next += 1;
        const name = `c${next}.git`;
        const place = bare(name, options);
        // Every side finds a repository that was published before and is packed.
        const first = path.join(folder, `first-${next}`);
        cpSync(plain, first, { recursive: true });
        commandLine('publish', first, urlOf(name));
        rmSync(first, { recursive: true });
        git('-C', place, 'repack', '-adq');
        const dir = path.join(folder, `work-${next}`);
        if (kind === 'purser') cpSync(plain, dir, { recursive: true });
        else git('clone', '-q', '--depth', '1', urlOf(name), dir);
        changeRepository(dir, count, CHANGED[count]);
        const figures = kind === 'git' ? commandLine('commit', dir, urlOf(name)) : side(kind, 'commit', dir, urlOf(name));
        trees.add(git('-C', place, 'rev-parse', 'main^{tree}'));
        rmSync(dir, { recursive: true });
        rmSync(place, { recursive: true });
        return figures;
      });

    for (const [what, measure, times] of [
      [`publish ${label}`, publish, 4],
      [`commit ${CHANGED[count]} of ${label}`, commit, 30],
    ]) {
      trees.clear();
      const theirs = measure('isomorphic', 1);
      const line = measure('git', RUNS);
      const ours = measure('purser', RUNS);
      if (trees.size !== 1) throw new Error(`${what}: the sides made different trees`);
      const mine = least(ours, 'cpu');
      const cpuTimes = least(theirs, 'cpu') / mine;
      const wallTimes = least(theirs, 'wall') / least(ours, 'wall');
      const goals = count === 10_000;
      rows.push(
        row(`${what}: isomorphic-git`, `${round(least(theirs, 'wall'), 0)} wall, ${round(least(theirs, 'cpu'), 0)}`, 'CPU ms'),
        row('  its longest stall of the event loop', round(most(theirs, 'loop'), 0), 'ms'),
        row('  its memory over idle', round(most(theirs, 'memory'), 0), 'MB'),
        row(`${what}: git command line`, `${round(least(line, 'wall'), 0)} wall, ${round(least(line, 'cpu'), 0)}`, 'CPU ms'),
        row(`${what}: purser`, `${round(least(ours, 'wall'), 0)} wall, ${round(mine, 0)}`, 'CPU ms'),
        row('  CPU against isomorphic-git', round(cpuTimes, 1), 'times less', goals ? `>= ${times}` : undefined, cpuTimes >= times),
        row('  wall against isomorphic-git', round(wallTimes, 1), 'times less', goals ? `>= ${times}` : undefined, wallTimes >= times),
        row(
          '  wall against the command line',
          round(least(line, 'wall') / least(ours, 'wall'), 2),
          'times less',
          goals ? '>= 1' : undefined,
          least(ours, 'wall') <= least(line, 'wall'),
        ),
        row('  longest stall of the event loop', round(most(ours, 'loop'), 1), 'ms', `<= ${LOOP_GOAL_MS} ms`, most(ours, 'loop') <= LOOP_GOAL_MS),
        row('  memory over idle', round(most(ours, 'memory'), 0), 'MB', `<= ${MEMORY_GOAL_MB} MB`, most(ours, 'memory') <= MEMORY_GOAL_MB),
      );
      if (measure === publish) rows.push(row('  of the speed of zlib alone', round((100 * limit) / mine, 0), '%'));
    }
    const unfiltered = commit('purser', 1, { filter: false });
    rows.push(
      row(
        `commit ${CHANGED[count]} of ${label}: purser, server without filters`,
        `${round(least(unfiltered, 'wall'), 0)} wall, ${round(least(unfiltered, 'cpu'), 0)}`,
        'CPU ms',
      ),
    );
    rmSync(plain, { recursive: true });
  }
} finally {
  server.stdin.end();
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'git', rows }));
