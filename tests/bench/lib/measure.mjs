// Small helpers of the benches.
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The value below which the fraction `p` of the numbers lies; sorts its input. */
export function percentile(values, p) {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * p))];
}

export const round = (value, digits = 2) => Number(value.toFixed(digits));

/** Resident memory of a process in MB. */
export function residentMegabytes(pid) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/);
  return Number(line[1]) / 1024;
}

/** Watches the event loop while `work` runs; milliseconds. */
export async function eventLoopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const result = await work();
  histogram.disable();
  return {
    result,
    p99: round(histogram.percentile(99) / 1e6),
    max: round(histogram.max / 1e6),
  };
}

/** A row of the table. `goal` is shown as text; `ok` says whether it was met. */
export function row(figure, value, unit, goal, ok) {
  return { figure, value, unit, ...(goal === undefined ? {} : { goal, ok }) };
}

/** A folder for files of a bench: in memory where the system has such a place. */
export function scratchFolder() {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}
