// Builds and runs the fault tests at full length: npm run faults [-- kills]
//
// 10,000 kills unless told otherwise. What each test counted is printed at the end.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { buildNative } from '../tools/lib/build.mjs';
import { root } from '../tools/lib/repo.mjs';

const [kills = '10000'] = process.argv.slice(2);
const programs = ['engine_crash_test', 'store_test', 'workflow_engine_test'];
await buildNative({ targets: programs });

const counts = [];
let failed = 0;
for (const program of programs) {
  const run = spawnSync(path.join(root, 'build/release/test', program), ['--gtest_brief=1'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PURSER_FAULT_KILLS: kills },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
  });
  process.stdout.write(run.stdout);
  if (run.status !== 0) failed += 1;
  const lines = run.stdout.split('\n');
  counts.push(...lines.filter(line => /^(crash|restarts)\b/.test(line)));
  counts.push(`${program}: ${run.status === 0 ? 'passed' : 'FAILED'}`);
}
console.log(`\n${counts.join('\n')}`);
process.exitCode = failed === 0 ? 0 : 1;
