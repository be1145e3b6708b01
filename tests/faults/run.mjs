// Builds and runs the fault tests at full length:
//
//   npm run faults [-- <kills> [<seeds>]]
//
// 10,000 kills and 10,000 seeds of the simulation unless told otherwise. Most of a killed engine's time
// is the wait for its lease to end, so that several processes share the kills. The stores lie in memory
// where the machine has a folder for that: nothing here depends on a disk that forgets. What each test
// counted is printed at the end.
import { spawn } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildNative } from '../tools/lib/build.mjs';
import { root } from '../tools/lib/repo.mjs';

// Processes that share the kills on each store; on SQLite there is nothing to wait for.
const SHARDS = { sqlite: 2, postgres: 6 };
const MEMORY = '/dev/shm';
const [kills = '10000', seeds = '10000'] = process.argv.slice(2);
const crashes = 'engine_crash_test';
const others = ['crash_test', 'holding_crash_test', 'store_test', 'workflow_engine_test'];
await buildNative({ targets: [crashes, 'simulation_test', ...others] });

/** A folder in memory, undefined where there is none. */
function memoryFolder() {
  try {
    accessSync(MEMORY, constants.W_OK);
    return mkdtempSync(path.join(MEMORY, 'purser-faults-'));
  } catch {
    return undefined;
  }
}

const folder = memoryFolder();
// The server of the tests runs as another user.
if (folder) chmodSync(folder, 0o1777);

/** Runs one program; its name, what it printed and whether it passed. */
function run(program, filter, environment = {}) {
  return new Promise(resolve => {
    const child = spawn(
      path.join(root, 'build/release/test', program),
      ['--gtest_brief=1', `--gtest_filter=${filter}`],
      {
        cwd: root,
        env: { ...process.env, ...(folder && { TMPDIR: folder }), ...environment },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', chunk => (output += chunk));
    child.on('exit', code => resolve({ name: `${program} ${filter}`, output, passed: code === 0 }));
  });
}

const product = '*NothingIsLostOrDoneTwice';
const results = await Promise.all(
  Object.entries(SHARDS).flatMap(([store, shards]) =>
    Array.from({ length: shards }, (_, i) =>
      run(crashes, `${product}/${store}`, {
        PURSER_FAULT_SHARD: `${i + 1}/${shards}`,
        // Half of what a process is told is for each store.
        PURSER_FAULT_KILLS: String(Math.ceil(Number(kills) / shards)),
      }),
    ),
  ),
);
results.push(await run(crashes, `-${product}*`));
results.push(await run('simulation_test', '*', { PURSER_FAULT_SEEDS: seeds }));
for (const other of others) results.push(await run(other, '*'));

const totals = new Map();
for (const { name, output, passed } of results) {
  process.stdout.write(output);
  for (const line of output.split('\n')) {
    const crash = /^crash (\S+): (\d+) cases, (\d+) kills, (\d+) lost, (\d+) doubled/.exec(line);
    if (crash) {
      const [, store, ...numbers] = crash;
      const sum = totals.get(store) ?? [0, 0, 0, 0];
      totals.set(
        store,
        sum.map((value, i) => value + Number(numbers[i])),
      );
    } else if (/^(restarts|simulation|crash|holdings|expiry): /.test(line)) {
      totals.set(line, []);
    }
  }
  totals.set(`${name}: ${passed ? 'passed' : 'FAILED'}`, []);
}
console.log('');
for (const [what, [cases, killed, lost, doubled]] of totals) {
  console.log(
    cases === undefined
      ? what
      : `crash ${what}: ${cases} cases, ${killed} kills, ${lost} lost, ${doubled} doubled`,
  );
}
if (folder) rmSync(folder, { recursive: true, force: true });
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
