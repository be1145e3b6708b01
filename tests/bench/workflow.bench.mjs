// The durable engine: steps per second on SQLite and on PostgreSQL, the overhead of a step, the start
// with many open runs, a claim among a million parked ones; and pg-boss, graphile-worker and DBOS on the
// same PostgreSQL. Peers are installed on demand from tests/bench/peers/workflow.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { round, row } from './lib/measure.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const program = path.join(root, 'build/release/bin/workflow_bench');
const peers = path.join(here, 'peers/workflow');
const STEPS = 5;

const scratch = [];
function folder() {
  const made = mkdtempSync(path.join(tmpdir(), 'purser-bench-'));
  scratch.push(made);
  return made;
}

function measure(...args) {
  const run = spawnSync(program, args.map(String), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0)
    throw new Error(`workflow_bench ${args.join(' ')}: exit code ${run.status}`);
  return JSON.parse(run.stdout.trim().split('\n').at(-1));
}

/** A PostgreSQL with durable commits; each call of `database` gives the URL of a new database. */
function startServer() {
  const child = spawn(program, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let first = true;
  return {
    async database() {
      if (!first) child.stdin.write('\n');
      first = false;
      const { value, done } = await lines.next();
      return done ? undefined : JSON.parse(value).url;
    },
    stop() {
      child.stdin.end();
      return new Promise(resolve => child.on('exit', resolve));
    },
  };
}

const rows = [];
const perSecond = (figure, value, goal) =>
  rows.push(
    row(figure, round(value, 0), '/s', goal && `>= ${goal}`, goal ? value >= goal : undefined),
  );
const millis = (figure, value, goal) =>
  rows.push(
    row(figure, round(value, 3), 'ms', goal && `<= ${goal}`, goal ? value <= goal : undefined),
  );

const server = startServer();
try {
  const disk = measure('disk', folder());
  millis('the disk: 16 KiB kept, p50 (no durable step is quicker)', disk.p50Ms);
  millis('the disk: 16 KiB kept, p99', disk.p99Ms);
  const one = measure('one', folder(), 2000, STEPS);
  perSecond('SQLite, one run after another: steps', one.stepsPerSecond, 4000);
  millis('SQLite: overhead of a step p50', one.overheadP50Ms, 0.3);
  millis('SQLite: overhead of a step p99', one.overheadP99Ms);
  const flight = measure('flight', folder(), 40_000, STEPS, 1);
  perSecond('SQLite, many runs at once: steps', flight.runStepsPerSecond);
  perSecond('SQLite, many runs at once: steps per core used', flight.runStepsPerCpuSecond, 60_000);
  perSecond('SQLite: runs submitted, 64 in a commit', flight.submitsPerSecond);
  perSecond('SQLite, many runs at once, submitting included: steps', flight.stepsPerSecond);
  const open = measure('open', folder(), 100_000);
  rows.push(
    row(
      'SQLite, 100,000 open runs: first call after',
      round(open.firstCallSeconds, 2),
      's',
      '<= 2',
      open.firstCallSeconds <= 2,
    ),
  );
  rows.push(
    row(
      'SQLite, 100,000 open runs: memory',
      round(open.residentMiB, 0),
      'MiB',
      '<= 200',
      open.residentMiB <= 200,
    ),
  );
  const claimAmong = (store, where) => {
    const claim = measure('claim', where, 1_000_000, 300);
    const what = `${store}, 1,000,000 parked runs: claim of 100 due, whole round`;
    millis(`${what}, p50`, claim.p50Ms);
    millis(`${what}, p99`, claim.p99Ms, 4);
  };
  claimAmong('SQLite', folder());

  const first = await server.database();
  if (first === undefined) throw new Error('no PostgreSQL: apt-get install postgresql');
  const oneOfServer = measure('one', first, 500, STEPS);
  millis('PostgreSQL: overhead of a step p50', oneOfServer.overheadP50Ms, 1);
  millis('PostgreSQL: overhead of a step p99', oneOfServer.overheadP99Ms);
  perSecond('PostgreSQL, one run after another: steps', oneOfServer.stepsPerSecond);
  const each = measure('flight', await server.database(), 2_000, STEPS, 2);
  perSecond('PostgreSQL, 2,000 runs at once: steps', each.runStepsPerSecond, 8_000);
  const many = measure('flight', await server.database(), 20_000, STEPS, 2);
  perSecond('PostgreSQL, many runs at once, commits shared: steps', many.runStepsPerSecond, 30_000);

  claimAmong('PostgreSQL', await server.database());

  const death = measure('death', await server.database());
  rows.push(
    row(
      'PostgreSQL: a dead engine’s call is made again after',
      round(death.seconds, 1),
      's',
      '<= 12',
      death.seconds <= 12,
    ),
  );

  const restarts = measure('restarts', 20);
  rows.push(
    row(
      'PostgreSQL restarted 20 times under load: at least 95 % of the rate before within 3 s',
      restarts.good,
      'of 20',
      '>= 20',
      restarts.good >= 20,
    ),
  );
  rows.push(
    row(
      'PostgreSQL under load, the same comparison without a restart',
      restarts.goodWithoutRestart,
      'of 20',
    ),
  );
  const part = 'PostgreSQL restarted 20 times under load: best second of 3, of the rate before';
  rows.push(
    row(
      `${part}, median`,
      round(restarts.partP50 * 100, 0),
      '%',
      '>= 95',
      restarts.partP50 >= 0.95,
    ),
  );
  rows.push(row(`${part}, least`, round(restarts.partLeast * 100, 0), '%'));
  rows.push(
    row(
      'PostgreSQL restarted 20 times under load: third second, of the rate before, median',
      round(restarts.lastPartP50 * 100, 0),
      '%',
    ),
  );

  const npm = path.join(path.dirname(process.execPath), 'npm');
  if (!existsSync(path.join(peers, 'node_modules'))) {
    spawnSync(existsSync(npm) ? npm : 'npm', ['ci'], { cwd: peers, stdio: ['ignore', 2, 2] });
  }
  for (const peer of ['pg-boss', 'graphile-worker', 'dbos']) {
    const url = await server.database();
    const run = spawnSync(
      process.execPath,
      [path.join(here, 'lib/workflow-peer.mjs'), peer, url, peers],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 120_000,
      },
    );
    const last = run.stdout.trim().split('\n').at(-1) ?? '';
    if (run.status !== 0 || !last.startsWith('{')) {
      rows.push(row(`PostgreSQL, ${peer}`, 'failed', ''));
      continue;
    }
    const result = JSON.parse(last);
    perSecond(`PostgreSQL, ${peer}: ${result.what}`, result.perSecond);
  }
} finally {
  await server.stop();
  for (const each of scratch) rmSync(each, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'workflow', rows }));
