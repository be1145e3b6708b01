// Answers about costs: one year of 10,000 entities charged daily by two services, allocated to 100
// groups and 1,000 systems, in the embedded store. What is measured runs in one native process; its
// CPU time stands beside, which the load of the machine changes less.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { round, row } from './lib/measure.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const ENTITIES = Number(process.env.PURSER_BENCH_ENTITIES ?? 10_000);
const MONTHS = 12;
const RESOURCES = Number(process.env.PURSER_BENCH_RESOURCES ?? 1_000_000);
const build = path.join(root, 'build/release');
const made = spawnSync('ninja', ['-C', build, 'costs_meaning_bench'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (made.status !== 0) throw new Error('costs_meaning_bench was not built');
// On a disk: commits are part of what is measured.
const folder = mkdtempSync(path.join(tmpdir(), 'purser-bench-costs-'));
try {
  const measure = (name, ...args) => {
    const run = spawnSync(
      path.join(build, 'bin/costs_meaning_bench'),
      [path.join(folder, name), ...args.map(String)],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (run.status !== 0) throw new Error(`costs_meaning_bench ended with ${run.status}`);
    return JSON.parse(run.stdout.trim().split('\n').at(-1));
  };
  const result = measure('year', ENTITIES, MONTHS);
  const resources = measure('resources', 'resources', RESOURCES);
  const timed = (figure, { p50Ms, p99Ms, p99CpuMs }, goal) => [
    row(`${figure}, p50`, round(p50Ms), 'ms'),
    goal
      ? row(`${figure}, p99`, round(p99Ms), 'ms', `≤ ${goal} ms`, p99Ms <= goal)
      : row(`${figure}, p99`, round(p99Ms), 'ms'),
    row(`${figure}, p99 of CPU time`, round(p99CpuMs), 'ms'),
  ];
  const seconds = (figure, value, goal) =>
    row(figure, round(value), 's', goal && `≤ ${goal} s`, goal && value <= goal);
  console.log(
    JSON.stringify({
      name: 'costs-queries',
      rows: [
        ...timed("a group's daily series of a year", result.groupDailySeries, 5),
        ...timed('top 20 entities of a year', result.top20Year, 5),
        ...timed('top 20 entities of 30 days', result.top20Last30Days, 5),
        ...timed("an entity's last 30 days by day and service", result.entitySummary),
        seconds('re-statement of one day (file of a month)', result.restatementSeconds, 2),
        row('re-statement of one day, CPU time', round(result.restatementCpuSeconds), 's'),
        seconds('rules that decide as before', result.decideYearSeconds),
        seconds('allocation of the year anew', result.reallocateYearSeconds, 10),
        row('allocation of the year anew, CPU time', round(result.reallocateYearCpuSeconds), 's'),
        row('ingest of the year, monthly files', round(result.ingestYearSeconds), 's'),
        row('peak memory', result.peakRssMiB, 'MiB', '≤ 256 MiB', result.peakRssMiB <= 256),
        row('database', result.databaseMiB, 'MiB'),
        row(`a bill of ${RESOURCES} resources`, round(resources.ingestSeconds), 's'),
        row(
          `a bill of ${RESOURCES} resources, peak memory`,
          resources.peakRssMiB,
          'MiB',
          '≤ 256 MiB',
          resources.peakRssMiB <= 256,
        ),
      ],
    }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
