// The addon by itself: time and memory to load it, its size, what it needs; and the event loop's
// delay while it renders and while it logs.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { load, shippedPath } from '../addon/load.mjs';
import { eventLoopDelay, percentile, round, row } from './lib/measure.mjs';

const FILES = 2_000;
const FILE_BYTES = 4_096;
const ENTITIES = 10_000;
const PROCESSES = 15;

const file = shippedPath();

// In fresh processes: a second load of the same one is free.
const loads = Array.from({ length: PROCESSES }, () => {
  const script = `
    const { readFileSync } = require('node:fs');
    const resident = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    resident();
    global.gc();
    const before = resident();
    const start = process.hrtime.bigint();
    require(${JSON.stringify(file)});
    const took = Number(process.hrtime.bigint() - start) / 1e6;
    console.log(JSON.stringify([took, resident() - before]));`;
  const child = spawnSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8' });
  return JSON.parse(child.stdout);
});
const loadMs = round(percentile(loads.map(pair => pair[0]), 0.5));
const loadKb = percentile(loads.map(pair => pair[1]), 0.5);
const sizeBytes = statSync(file).size;
const needed = [
  ...execFileSync('readelf', ['-d', file], { encoding: 'utf8' }).matchAll(/\(NEEDED\).*\[(.+)\]/g),
].map(match => match[1]);
const system = /^(libstdc\+\+|libm|libgcc_s|libc|ld-linux-x86-64)\.so/;

const rows = [
  row('load', loadMs, 'ms', '<= 2 ms', loadMs <= 2),
  row('memory', round(loadKb / 1024), 'MB', '<= 4 MB', loadKb <= 4096),
  row('size', round(sizeBytes / 1e6), 'MB', '<= 10 MB', sizeBytes <= 10e6),
  row(
    'needed libraries',
    needed.length,
    needed.map(name => name.split('.so')[0]).join(' '),
    'system only',
    needed.every(name => system.test(name)),
  ),
];

const addon = load(file);
const folder = mkdtempSync(path.join(tmpdir(), 'purser-bench-addon-'));
try {
  const source = path.join(folder, 'skeleton');
  mkdirSync(source);
  const line = 'name: ${{ values.name }}, a line of ordinary text beside it ..........\n';
  const text = line.repeat(Math.ceil(FILE_BYTES / line.length)).slice(0, FILE_BYTES - 1) + '\n';
  for (let i = 0; i < FILES; ++i) writeFileSync(path.join(source, `file-${i}.yaml`), text);
  const workspace = path.join(folder, 'workspace');
  mkdirSync(workspace);
  let start = performance.now();
  const rendering = await eventLoopDelay(() =>
    addon.runAction(
      'purser:template:render',
      JSON.stringify({
        input: { url: './skeleton', sourcePath: source, targetPath: 'out', values: { name: 'demo' } },
        workspace,
      }),
      { log() {}, output() {} },
    ),
  );
  rows.push(
    row(`render ${FILES} files of 4 KB`, round(performance.now() - start, 0), 'ms'),
    row('event loop p99 meanwhile', rendering.p99, 'ms'),
    row('event loop max meanwhile', rendering.max, 'ms', '<= 50 ms', rendering.max <= 50),
  );

  const tree = path.join(folder, 'tree');
  mkdirSync(tree);
  const perFile = 100;
  for (let i = 0; i < ENTITIES / perFile; ++i) {
    const documents = Array.from({ length: perFile }, (_, j) =>
      [
        'apiVersion: backstage.io/v1alpha1', 'kind: Component', 'metadata:',
        `  name: c-${i * perFile + j}`, 'spec:', '  type: service', '  lifecycle: production',
        '  owner: group:default/a', '',
      ].join('\n'));
    writeFileSync(path.join(tree, `file-${i}.yaml`), documents.join('---\n'));
  }
  start = performance.now();
  let taken = 0;
  const reading = await eventLoopDelay(() =>
    addon.refreshProvider(
      'source-tree',
      JSON.stringify({
        config: { root: tree, include: ['*.yaml'] },
        instance: 'bench',
        statePath: path.join(folder, 'state'),
      }),
      { log() {}, chunk: upserts => { taken += JSON.parse(upserts).length; } },
    ),
  );
  if (taken !== ENTITIES) throw new Error(`${taken} entities came, not ${ENTITIES}`);
  rows.push(
    row(`read ${ENTITIES} entities of a tree`, round(performance.now() - start, 0), 'ms'),
    row('event loop max meanwhile', reading.max, 'ms', '<= 50 ms', reading.max <= 50),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'addon', rows }));
