// Builds and runs the fault tests at full length:
//
//   npm run faults [-- <kills> [<seeds>]]
//
// 10,000 kills and 10,000 seeds of the simulation unless told otherwise. Most of a killed engine's time
// is the wait for its lease to end, so that several processes share the kills. What each test counted is
// printed at the end.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { buildNative } from '../tools/lib/build.mjs';
import { root } from '../tools/lib/repo.mjs';

const SHARDS = 4;
const [kills = '10000', seeds = '10000'] = process.argv.slice(2);
const crashes = 'engine_crash_test';
await buildNative({ targets: [crashes, 'simulation_test', 'store_test', 'workflow_engine_test'] });

/** Runs one program; its name, what it printed and whether it passed. */
function run(program, filter, environment = {}) {
  return new Promise(resolve => {
    const child = spawn(
      path.join(root, 'build/release/test', program),
      ['--gtest_brief=1', `--gtest_filter=${filter}`],
      { cwd: root, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    child.stdout.on('data', chunk => (output += chunk));
    child.on('exit', code => resolve({ name: `${program} ${filter}`, output, passed: code === 0 }));
  });
}

const product = '*NothingIsLostOrDoneTwice*';
const share = String(Math.ceil(Number(kills) / SHARDS));
const results = await Promise.all(
  Array.from({ length: SHARDS }, () => run(crashes, product, { PURSER_FAULT_KILLS: share })),
);
results.push(await run(crashes, `-${product}`));
results.push(await run('simulation_test', '*', { PURSER_FAULT_SEEDS: seeds }));
results.push(await run('store_test', '*'));
results.push(await run('workflow_engine_test', '*'));

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
    } else if (/^(restarts|simulation|submits)\b/.test(line)) {
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
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
