// Sums of a made-up month of a cloud's bill by day, account, service, two tags and category: purser
// beside DuckDB, ClickHouse's engine (chDB) and csv-parse, on the same files, from the page cache.
//
//   npm run bench:costs
//
// PURSER_COSTS_ROWS   rows (10,000,000; continuous integration takes 1,250,000)
// PURSER_COSTS_FOLDER where the files go (the system's temporary folder); about 14 GB at full size
// PURSER_COSTS_KEEP   a folder whose files are written once and used again
// PURSER_SIMD         avx2 or baseline: purser uses no vector instructions above that level
//
// The peers are installed into tests/bench/peers when they are not there. The sums of all engines must
// be equal to the last digit, or the bench fails. CPU seconds are of the whole process.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { round, row } from './lib/measure.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const rows = Number(process.env.PURSER_COSTS_ROWS ?? 10_000_000);
const files = rows > 2_000_000 ? 8 : 2;
const threads = Math.min(2, cpus().length);
// The usual codec; the other one is compared at the smaller size.
const kinds =
  rows > 2_000_000 ? ['focus-snappy', 'aws-snappy'] : ['focus-snappy', 'focus-zstd', 'aws-snappy'];
const kept = process.env.PURSER_COSTS_KEEP;
const folder =
  kept ?? mkdtempSync(path.join(process.env.PURSER_COSTS_FOLDER ?? tmpdir(), 'purser-costs-'));
process.on('exit', () => kept || rmSync(folder, { recursive: true, force: true }));

function run(program, args, what) {
  const done = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PURSER_BENCH_THREADS: String(threads) },
  });
  if (done.status !== 0) throw new Error(`${what}: ${done.stderr.trim().slice(-2000)}`);
  return done.stdout.trim().split('\n').at(-1);
}

if (!existsSync(path.join(here, 'peers/node_modules'))) {
  process.stderr.write('installing the peers …\n');
  // `npm ci` refuses a lock without what other platforms would need.
  run('npm', ['install', '--no-save', '--prefix', path.join(here, 'peers')], 'install the peers');
}
const bin = path.join(root, 'build/release/bin');
run('ninja', ['-C', path.join(root, 'build/release'), 'costs_bench', 'costs_generate'], 'build');

const engine = path.join(here, 'lib/costs-engine.mjs');
const peer = (name, format, list) =>
  JSON.parse(
    run(process.execPath, ['--no-warnings', engine, name, format, ...list], `${name} ${format}`),
  );
const by = 'day,SubAccountId,ServiceName,tag:team,tag:app,ChargeCategory';
// What these are made of.
const columns =
  'ChargePeriodStart,SubAccountId,ServiceName,Tags,ChargeCategory,BillingCurrency,BilledCost,EffectiveCost';
const ours = (list, ...more) =>
  JSON.parse(
    run(
      path.join(bin, 'costs_bench'),
      [...list, '--threads', String(threads), ...more],
      'costs_bench',
    ),
  );

function listed(kind, ending) {
  const at = path.join(folder, kind);
  return readdirSync(at)
    .filter(name => name.endsWith(ending))
    .sort()
    .map(name => path.join(at, name));
}

/** The run that took the least CPU. */
function best(times, measure) {
  const all = Array.from({ length: times }, measure);
  return all.reduce((a, b) => (b.cpuSeconds < a.cpuSeconds ? b : a));
}

process.stderr.write(`writing ${rows} rows into ${folder} …\n`);
const written = kind => {
  mkdirSync(path.join(folder, kind), { recursive: true });
  return readdirSync(path.join(folder, kind)).length === files;
};
for (const [kind, ...packed] of [['csv'], ['csvgz', 'gz']]) {
  if (written(kind)) continue;
  const to = path.join(folder, kind);
  run(
    path.join(bin, 'costs_generate'),
    [String(rows), String(files), to, ...packed],
    `generate ${kind}`,
  );
}
const csv = listed('csv', '.csv');
const bytes = csv.reduce((sum, file) => sum + statSync(file).size, 0);
for (const kind of kinds) {
  if (written(kind)) continue;
  for (const file of csv) {
    const to = path.join(folder, kind, `${path.basename(file, '.csv')}.parquet`);
    peer('duckdb-write', kind, [file, to]);
  }
}

const result = [];
const exact = text => {
  const [whole, fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(18, '0'));
};
let expected;
let simd; // purser's level of vector instructions; PURSER_SIMD lowers it

/** All engines on one format. */
function compare(title, kind, list, engines, goals) {
  process.stderr.write(`${title} …\n`);
  const text = kind.startsWith('csv');
  const limit = best(2, () => ours(list, '--read-only', ...(text ? [] : ['--columns', columns])));
  const mine = best(3, () => ours(list, '--by', by));
  simd = mine.simd;
  const figures = [['purser', mine]];
  for (const name of engines) {
    const few = name === 'csv-parse' && list.length > 2;
    // The slow way reads one file; its figure is scaled up.
    const part = few ? list.slice(0, 1) : list;
    const run = best(name === 'duckdb' && text ? 1 : 2, () => peer(name, kind, part));
    if (few) {
      run.seconds *= list.length;
      run.cpuSeconds *= list.length;
    } else {
      figures.push([name, run]);
      continue;
    }
    result.push(
      row(`${title}: ${name}, one file × ${list.length}`, round(run.cpuSeconds), 's CPU'),
    );
  }
  for (const [name, run] of figures) {
    const sums = run.sums.map(exact);
    expected ??= { rows: run.rows, groups: run.groups, sums };
    if (
      run.rows !== rows ||
      run.groups !== expected.groups ||
      sums.some((sum, i) => sum !== expected.sums[i])
    ) {
      throw new Error(`${title}: ${name} answers otherwise: ${JSON.stringify(run)}`);
    }
    const cpu = `${round(run.cpuSeconds)} s CPU, ${round(run.seconds)} s wall`;
    result.push(row(`${title}: ${name}`, cpu, `, ${Math.round(run.peakRssKilobytes / 1024)} MiB`));
  }
  const share = limit.cpuSeconds / mine.cpuSeconds;
  result.push(
    row(
      `${title}: ${kind === 'csv' ? 'reading' : 'unpacking'} alone`,
      `${round(limit.cpuSeconds)} s CPU`,
      `, ${Math.round(share * 100)} % of purser's`,
    ),
  );
  result.push(
    row(`${title}: purser, text a CPU second`, round(bytes / 1e9 / mine.cpuSeconds), 'GB'),
  );
  for (const [name, goal] of Object.entries(goals)) {
    const other = figures.find(figure => figure[0] === name)[1];
    const cpu = other.cpuSeconds / mine.cpuSeconds;
    const wall = other.seconds / mine.seconds;
    result.push(
      row(
        `${title}: ${name} takes`,
        `${round(cpu, 1)} × CPU, ${round(wall, 1)} ×`,
        'wall',
        `≥ ${goal} × both`,
        cpu >= goal && wall >= goal,
      ),
    );
  }
  const mebibytes = Math.round(mine.peakRssKilobytes / 1024);
  result.push(row(`${title}: purser's memory`, mebibytes, 'MiB', '≤ 256 MiB', mebibytes <= 256));
}

compare('CSV', 'csv', csv, ['duckdb', 'chdb', 'csv-parse'], { duckdb: 15, chdb: 4 });
compare('CSV.gz', 'csvgz', listed('csvgz', '.gz'), ['duckdb', 'chdb'], { duckdb: 6, chdb: 2 });
for (const kind of kinds) {
  compare(`Parquet ${kind}`, kind, listed(kind, '.parquet'), ['duckdb', 'chdb'], {
    duckdb: 4,
    chdb: 4,
  });
}

console.log(
  JSON.stringify({
    name: `costs (${rows} rows, ${round(bytes / 1e9)} GB of CSV, ${expected.groups} groups, ${threads} threads, ${simd})`,
    rows: result,
  }),
);
