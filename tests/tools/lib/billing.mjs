// Stands for the cloud's daily billing export: writes a FOCUS file that charges what was provisioned
// and has purserd read it, again whenever something new was provisioned or a day has passed.
import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suitableNode } from './node.mjs';
import { at, run } from './repo.mjs';

// Enough other charges that the provisioned ones are a part of a company's bill.
const OTHER_ROWS = 20_000;
const DAYS = 365;
// Accounts of the platform team and of the guest's, by the demo's allocation: what was left running
// there is an anomaly, and more than the budget of the month.
const LEFT_RUNNING_USD = { 1000000010: 900, 1000000011: 500 };
const DAY_MS = 24 * 60 * 60 * 1000;

/** Runs the command line against the sidecar of a state folder; resolves with its output. */
export function purser(paths, ...words) {
  return run(at('build/release/bin/purser'), words, {
    env: { ...process.env, PURSER_ADDRESS: `unix:${paths.socket}` },
    quiet: true,
  });
}

// How the demo's blueprint names what it provisions, and so how the bill must name it.
const billedIds = name => [`urn:purser:demo:${name}:notebook`, `urn:purser:demo:${name}:bucket`];

/** Billed ids of all workspaces that were provisioned, ordered. */
export async function billedResources(paths) {
  const words = ['requests', 'list', '--blueprint', 'analytics-workspace', '--state', 'succeeded'];
  const requests = JSON.parse(await purser(paths, ...words, '--limit', '1000', '--json'));
  return [...new Set(requests.flatMap(request => billedIds(request.parameters.name)))].sort();
}

/** Writes a year's bill up to yesterday that charges the resources each day; resolves with its path. */
export async function writeBill(paths, resources) {
  mkdirSync(paths.billing, { recursive: true });
  const file = path.join(paths.billing, 'demo.csv');
  const next = `${file}.next`;
  const until = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
  await run(
    suitableNode(),
    [
      at('examples/billing/generate.mjs'),
      '--rows',
      String(OTHER_ROWS + resources.length * DAYS),
      '--days',
      String(DAYS),
      '--until',
      until,
      ...Object.entries(LEFT_RUNNING_USD).flatMap(([account, dollars]) => [
        '--extra',
        `${account},${until},${dollars}`,
      ]),
      '--out',
      next,
      ...resources.flatMap(id => ['--resource', id]),
    ],
    { quiet: true },
  );
  renameSync(next, file);
  return file;
}

/** Has purserd read a bill; resolves with its report. */
export async function ingestBill(paths, file) {
  return JSON.parse(await purser(paths, 'costs', 'ingest', '--source', 'demo', '--json', file));
}

// A new workspace should show costs while its user still looks at it.
const LOOK_EVERY_MS = 5_000;

/** Keeps the demo's bill up to date until `signal` is aborted; `say` hears of each new bill. */
export async function keepBilling(paths, signal, say) {
  let done = '';
  while (!signal.aborted) {
    try {
      const resources = await billedResources(paths);
      const wanted = JSON.stringify([new Date().toISOString().slice(0, 10), resources]);
      if (wanted !== done) {
        const report = await ingestBill(paths, await writeBill(paths, resources));
        done = wanted;
        say(`the demo's bill now charges ${resources.length} resources (${report.rowsRead} rows)`);
      }
    } catch (error) {
      // A sidecar that is being started again is no reason to end the demo.
      if (!signal.aborted) {
        say(`the demo's bill could not be read, trying again: ${error.message.split('\n')[0]}`);
      }
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
