// Runs every bench of this folder, prints one table and writes build/bench.json.
//
//   npm run bench [-- addon sidecar portal]
//
// A bench is a script that prints one JSON object {name, rows: [{figure, value, unit, goal?, ok?}]}
// as its last line. Benches run one after another, in processes of their own.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suitableNode } from '../tools/lib/node.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const wanted = process.argv.slice(2);
const scripts = readdirSync(here)
  .filter(file => file.endsWith('.bench.mjs'))
  .filter(file => wanted.length === 0 || wanted.includes(file.replace('.bench.mjs', '')))
  .sort();

const results = [];
let failed = 0;
for (const script of scripts) {
  process.stderr.write(`bench ${script} …\n`);
  const run = spawnSync(suitableNode(), ['--expose-gc', '--no-warnings', path.join(here, script)], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
  });
  const last = run.stdout.trim().split('\n').at(-1) ?? '';
  try {
    if (run.status !== 0) throw new Error(`exit code ${run.status}`);
    results.push(JSON.parse(last));
  } catch (error) {
    failed += 1;
    process.stderr.write(`bench ${script} failed: ${error.message}\n`);
  }
}

const rows = results.flatMap(result =>
  result.rows.map(row => [
    result.name,
    row.figure,
    `${row.value} ${row.unit}`,
    row.goal ?? '',
    row.ok === undefined ? '' : row.ok ? 'yes' : 'NO',
  ]),
);
const table = [['bench', 'figure', 'value', 'goal', 'met'], ...rows];
const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)));
for (const row of table) {
  console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}

const report = {
  at: new Date().toISOString(),
  machine: { cpus: cpus().length, model: cpus()[0].model, memoryGiB: Math.round(totalmem() / 2 ** 30) },
  node: spawnSync(suitableNode(), ['--version'], { encoding: 'utf8' }).stdout.trim(),
  results,
};
mkdirSync(path.join(root, 'build'), { recursive: true });
writeFileSync(path.join(root, 'build/bench.json'), `${JSON.stringify(report, null, 2)}\n`);
console.log(JSON.stringify(report));
process.exitCode = failed === 0 ? 0 : 1;
