// How soon a change in a watched cluster is in the catalog: a real API server, purserd and the real
// portal. Timed from the server's answer to the change until the catalog's API shows it, Backstage's
// own processing and stitching included; and until it is handed over to Backstage, which is our part.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../e2e/lib/client.mjs';
import { Kubernetes, kubernetesMissing } from '../tools/lib/kubernetes.mjs';
import { Portal } from '../tools/lib/portal.mjs';
import { round, row } from './lib/measure.mjs';

const CHANGES = 30;
const GOAL_MS = 2_000;
const POLL_MS = 20;
const HANDED_OVER_GOAL_MS = 100;
const HANDED_OVER_POLL_MS = 10;
/** What the portal's own writes may keep us from looking. */
const LOCKED_MS = 5_000;
const GIVE_UP_MS = 60_000;

const missing = kubernetesMissing();
if (missing) {
  console.log(JSON.stringify({ name: 'kubernetes-freshness', rows: [row(missing, 0, '')] }));
  process.exit(0);
}

const state = mkdtempSync(path.join(tmpdir(), 'purser-freshness-'));
let kubernetes;
const portal = new Portal({ state, outside: paths => (kubernetes = new Kubernetes(paths)) });
try {
  await portal.start();
  const client = new Client(portal.baseUrl);
  await client.signIn();

  const catalog = new DatabaseSync(path.join(state, 'portal/catalog.sqlite'), { readOnly: true, timeout: LOCKED_MS });
  const handedOver = catalog.prepare('SELECT unprocessed_entity AS text FROM refresh_state WHERE entity_ref = ?');

  /** Milliseconds from `began` until `isTrue`. */
  async function until(isTrue, began, pollMs, what) {
    while (!(await isTrue())) {
      if (performance.now() - began > GIVE_UP_MS) throw new Error(`${what} is not true after ${GIVE_UP_MS / 1000} s`);
      await sleep(pollMs);
    }
    return performance.now() - began;
  }

  const times = {
    'added: handed over': [],
    added: [],
    'changed: handed over': [],
    changed: [],
    removed: [],
  };
  /** A change is made: when Backstage gets it, and when it is shown. */
  async function timed(what, ref, title) {
    const began = performance.now();
    const isHandedOver = () => handedOver.get(ref)?.text.includes(`"title":"${title}"`);
    const ours = await until(isHandedOver, began, HANDED_OVER_POLL_MS, ref);
    const shown = await until(async () => (await client.entity(ref))?.metadata.title === title, began, POLL_MS, ref);
    return { [`${what}: handed over`]: ours, [what]: shown };
  }

  for (let i = 0; i <= CHANGES; i += 1) {
    const name = `fresh-${i}`;
    const ref = kubernetes.refOf(name);
    await kubernetes.putDeployment(name, 'first');
    const added = await timed('added', ref, 'first');
    await kubernetes.titleDeployment(name, 'second');
    const changed = await timed('changed', ref, 'second');
    await kubernetes.deleteDeployment(name);
    const began = performance.now();
    const removed = await until(async () => (await client.entity(ref)) === undefined, began, POLL_MS, ref);
    // The first waits for the first list.
    if (i === 0) continue;
    for (const [what, time] of Object.entries({ ...added, ...changed, removed })) times[what].push(time);
  }
  catalog.close();
  const rows = Object.entries(times).flatMap(([what, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const worst = sorted.at(-1);
    const median = sorted[Math.floor(sorted.length / 2)];
    if (what.endsWith('handed over')) {
      return [
        row(`${what}, median of ${CHANGES}`, round(median), 'ms', `<= ${HANDED_OVER_GOAL_MS}`, median <= HANDED_OVER_GOAL_MS),
        row(`${what}, slowest`, round(worst), 'ms'),
      ];
    }
    return [
      row(`${what}, median of ${CHANGES}`, round(median), 'ms'),
      row(`${what}, slowest`, round(worst), 'ms', `<= ${GOAL_MS}`, worst <= GOAL_MS),
    ];
  });
  console.log(JSON.stringify({ name: 'kubernetes-freshness', rows }));
} finally {
  await portal.stop();
  rmSync(state, { recursive: true, force: true });
}
