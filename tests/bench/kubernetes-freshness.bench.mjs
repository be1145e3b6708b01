// How soon a change in a watched cluster is in the catalog: a real API server, purserd and the real
// portal. Timed from the server's answer to the change until the catalog's API shows it, Backstage's
// own processing and stitching included.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../e2e/lib/client.mjs';
import { Kubernetes, kubernetesMissing } from '../tools/lib/kubernetes.mjs';
import { Portal } from '../tools/lib/portal.mjs';
import { round, row } from './lib/measure.mjs';

const CHANGES = 30;
const GOAL_MS = 2_000;
const POLL_MS = 20;
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

  /** Milliseconds until `holds` is true of the entity. */
  async function shown(ref, holds) {
    const began = performance.now();
    while (!holds(await client.entity(ref))) {
      if (performance.now() - began > GIVE_UP_MS) {
        throw new Error(`${ref} is not true after ${GIVE_UP_MS / 1000} s`);
      }
      await sleep(POLL_MS);
    }
    return performance.now() - began;
  }

  const times = { added: [], changed: [], removed: [] };
  for (let i = 0; i <= CHANGES; i += 1) {
    const name = `fresh-${i}`;
    const ref = kubernetes.refOf(name);
    await kubernetes.putDeployment(name, 'first');
    const added = await shown(ref, entity => entity?.metadata.title === 'first');
    await kubernetes.titleDeployment(name, 'second');
    const changed = await shown(ref, entity => entity?.metadata.title === 'second');
    await kubernetes.deleteDeployment(name);
    const removed = await shown(ref, entity => entity === undefined);
    // The first waits for the first list.
    if (i > 0) {
      times.added.push(added);
      times.changed.push(changed);
      times.removed.push(removed);
    }
  }
  const rows = Object.entries(times).flatMap(([what, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const worst = sorted.at(-1);
    return [
      row(`${what}, median of ${CHANGES}`, round(sorted[Math.floor(sorted.length / 2)]), 'ms'),
      row(`${what}, slowest`, round(worst), 'ms', `<= ${GOAL_MS}`, worst <= GOAL_MS),
    ];
  });
  console.log(JSON.stringify({ name: 'kubernetes-freshness', rows }));
} finally {
  await portal.stop();
  rmSync(state, { recursive: true, force: true });
}
