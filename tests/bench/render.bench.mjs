// The template engine against Backstage's (nunjitsu) and the older one (nunjucks), on the same
// files, in CPU time: a skeleton of a platform team, a file full of tags, loops, plain text.
//
// Ours runs in a program of its own (render_engine), one thread; theirs in this process, with the
// work of their garbage collector counted as theirs. The outputs must be the same bytes.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { round, row, scratchFolder } from './lib/measure.mjs';
import { VALUES, denseFile, skeletonFiles } from './lib/skeleton.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(path.join(root, 'package.json'));
const nunjitsu = require('nunjitsu');
const nunjucks = require('nunjucks');
const backstage = path.dirname(require.resolve('@backstage/plugin-scaffolder-backend/package.json'));
const { createDefaultFilters } = require(
  path.join(backstage, 'dist/lib/templating/filters/createDefaultFilters.cjs.js'),
);
const { convertFiltersToRecord } = require(path.join(backstage, 'dist/util/templating.cjs.js'));
const { ScmIntegrations } = require('@backstage/integration');
const { ConfigReader } = require('@backstage/config');

const SKELETON_FILES = 10_000;
const DENSE_BYTES = 1_080_000;
const LOOP = 'items:\n{% for item in values.items %}  - ${{ loop.index }}: ${{ item.name }} (${{ item.kind }})\n{% endfor %}';

const context = {
  values: {
    ...VALUES,
    items: Array.from({ length: 100 }, (_, i) => ({ name: `item-${i}`, kind: i % 3 ? 'service' : 'library' })),
  },
};

/** CPU milliseconds of this process, garbage collector included: the least of `runs`. */
function leastCpu(runs, work) {
  let least = Infinity;
  for (let run = 0; run < runs; run += 1) {
    globalThis.gc?.();
    const before = process.cpuUsage();
    work();
    const used = process.cpuUsage(before);
    least = Math.min(least, (used.user + used.system) / 1000);
  }
  return least;
}

const filters = convertFiltersToRecord(
  createDefaultFilters({ integrations: ScmIntegrations.fromConfig(new ConfigReader({})) }),
);
const ours = nunjitsu.createTemplateRenderer({ filters, allowRegexExecution: true });
const prepared = ours.prepareContext(context);
const unlimited = { limits: { sourceCodeUnits: Infinity, astNodes: Infinity, workUnits: Infinity, outputCodeUnits: Infinity, capabilityCalls: Infinity } };
const older = new nunjucks.Environment(null, { autoescape: false, tags: { variableStart: '${{', variableEnd: '}}' } });
for (const [name, filter] of Object.entries(filters)) older.addFilter(name, filter);
const engines = {
  nunjitsu: source => ours.render(source, prepared, unlimited),
  nunjucks: source => older.renderString(source, context),
};

/** Of compiling and rendering a file with four tags a line; undefined without valgrind. */
function instructionsPerByte(bytes) {
  const place = path.join(folder, 'counted.txt');
  const list = path.join(folder, 'counted.json');
  const text = denseFile(bytes);
  writeFileSync(place, text);
  writeFileSync(list, JSON.stringify({ context, cases: [{ name: 'counted', files: [place], runs: 1 }] }));
  const run = spawnSync(
    'valgrind',
    [
      '--tool=callgrind',
      '--callgrind-out-file=/dev/null',
      '--toggle-collect=purser::tmpl::Template::RenderOnce(*',
      path.join(root, 'build/release/bin/render_engine'),
      list,
    ],
    { encoding: 'utf8' },
  );
  const collected = /Collected : (\d+)/.exec(run.stderr ?? '')?.[1];
  // The engine runs twice: once to be measured, once for the hash of the output.
  return collected === undefined ? undefined : Number(collected) / 2 / text.length;
}

const folder = mkdtempSync(path.join(scratchFolder(), 'purser-bench-render-'));
const rows = [];
try {
  const paths = { tagged: [], plain: [] };
  for (const file of skeletonFiles(SKELETON_FILES)) {
    if (!(file.kind in paths)) continue;
    const place = path.join(folder, `${paths.tagged.length + paths.plain.length}.txt`);
    writeFileSync(place, file.content);
    paths[file.kind].push(place);
  }
  const single = (name, text) => {
    const place = path.join(folder, `${name}.txt`);
    writeFileSync(place, text);
    return place;
  };
  const written = path.join(folder, 'written');
  mkdirSync(written);
  const cases = [
    { name: 'skeleton', files: [...paths.tagged, ...paths.plain], runs: 5, theirRuns: 2, write: written },
    { name: 'skeleton: files with tags', files: paths.tagged, runs: 3, theirRuns: 2 },
    { name: 'skeleton: files without tags', files: paths.plain, runs: 3, theirRuns: 2 },
    { name: '1.08 MB, four tags a line', files: [single('dense', denseFile(DENSE_BYTES))], runs: 5, theirRuns: 1 },
    { name: '10 MB, four tags a line', files: [single('dense10', denseFile(10 * DENSE_BYTES))], runs: 5 },
    { name: '100 MB, four tags a line', files: [single('dense100', denseFile(100e6))], runs: 3 },
    { name: 'loop of 100 items', files: [single('loop', LOOP)], times: 2_000, theirTimes: 1_000, runs: 3, theirRuns: 2 },
    { name: 'file name', files: [single('name', '${{ values.name }}-service.yaml')], times: 50_000, runs: 3, theirRuns: 2 },
    { name: 'plain text of 40 MB', files: [single('plain', 'A line of text that holds no tag at all; { "a": 1 }.\n'.repeat(760_000))], runs: 3, theirRuns: 1 },
  ];
  const list = path.join(folder, 'cases.json');
  writeFileSync(list, JSON.stringify({ context, cases }));
  const results = JSON.parse(
    execFileSync(path.join(root, 'build/release/bin/render_engine'), [list], { encoding: 'utf8', maxBuffer: 1 << 26 }),
  );

  const GOALS = {
    skeleton: { nunjitsu: 8, nunjucks: 10, megabytes: 400 },
    '1.08 MB, four tags a line': { nunjitsu: 100 },
    'loop of 100 items': { nunjitsu: 20 },
  };
  const perByte = {};
  for (const [index, one] of cases.entries()) {
    const result = results[index];
    const speed = result.bytes / 1e3 / result.cpuMs;
    const goal = GOALS[one.name] ?? {};
    perByte[one.name] = result.cpuMs / result.bytes;
    rows.push(
      row(`${one.name} (${one.files.length === 1 ? '' : `${one.files.length} files, `}${round(result.bytes / 1e6, 2)} MB)`, round(result.cpuMs), 'CPU ms'),
      goal.megabytes
        ? row('  speed', round(speed, 0), 'MB/s', `>= ${goal.megabytes} MB/s`, speed >= goal.megabytes)
        : row('  speed', round(speed, 0), 'MB/s'),
      row('  of the speed of copying it in memory', round((100 * result.copyMs) / result.cpuMs, 1), '%'),
    );
    if (result.writeMs !== undefined) {
      rows.push(row('  writing the same files takes', round(result.writeMs), 'CPU ms'));
    }
    if (!one.theirRuns) continue;
    const sources = one.files.map(place => readFileSync(place, 'utf8'));
    for (const [name, render] of Object.entries(engines)) {
      const times = one.theirTimes ?? one.times ?? 1;
      const hash = createHash('sha256');
      for (const source of sources) {
        if (one.name.startsWith('1.08')) break;
        hash.update(render(source));
      }
      let last = '';
      const cpu = leastCpu(one.theirRuns, () => {
        for (let i = 0; i < times; i += 1) for (const source of sources) last = render(source);
      });
      if (one.name.startsWith('1.08')) hash.update(last);
      if (hash.digest('hex') !== result.sha256) throw new Error(`${one.name}: ${name} gives other bytes`);
      const ratio = (cpu / times) / (result.cpuMs / (one.times ?? 1));
      const wanted = goal[name];
      rows.push(
        wanted
          ? row(`  faster than ${name}`, round(ratio, 1), 'times', `>= ${wanted} times`, ratio >= wanted)
          : row(`  faster than ${name}`, round(ratio, 1), 'times'),
      );
    }
  }
  const tenfold = perByte['10 MB, four tags a line'] / perByte['1.08 MB, four tags a line'];
  rows.push(row('time per byte, 10 MB against 1 MB', round(tenfold), 'times', '<= 1.5 times', tenfold <= 1.5));
  const growth = perByte['100 MB, four tags a line'] / perByte['10 MB, four tags a line'];
  rows.push(row('time per byte, 100 MB against 10 MB', round(growth), 'times', '<= 1.5 times', growth <= 1.5));
  const few = instructionsPerByte(1e6);
  if (few === undefined) {
    rows.push(row('instructions per byte', 'not counted: there is no valgrind', ''));
  } else {
    const many = instructionsPerByte(10e6);
    rows.push(
      row('instructions per byte, 1 MB', round(few, 1), ''),
      row('  10 MB against 1 MB', round(many / few, 3), 'times', '<= 1.05 times', many / few <= 1.05),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'render', rows }));
