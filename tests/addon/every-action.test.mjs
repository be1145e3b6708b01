// What every action of the portal keeps, by a table of them all: counts for the metrics, few events in
// the task's log, a repeat that changes nothing, an honest dry run, a cancellation that leaves nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cases } from './lib/action-cases.mjs';
import { ActionCase, treeOf } from './lib/action-runner.mjs';
import { load, shippedPath } from './load.mjs';

const addon = load(shippedPath());
const folder = mkdtempSync(join(tmpdir(), 'purser-actions-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const descriptions = JSON.parse(addon.listActions());
/** Task events of one run. */
const MAX_EVENTS = 20;
const ABORT_AFTER_MS = 15;
/** They write or push nothing when nothing is new, and say so. */
const SAYS_LESS_AGAIN = new Set(['files', 'bytes', 'changed', 'paths', 'added', 'committed', 'addedFiles', 'changedFiles', 'deletedFiles', 'skipped', 'copied', 'rendered']);

const withCase = async (id, heavy, work) => {
  const one = new ActionCase(addon, id, folder, heavy);
  try {
    await one.prepare();
    await work(one);
  } finally {
    one.remove();
  }
};
const withoutCounts = outputs =>
  Object.fromEntries(Object.entries(outputs).filter(([name]) => !SAYS_LESS_AGAIN.has(name)));

test('there is a case of every action', () => {
  assert.deepEqual(Object.keys(cases).sort(), descriptions.map(({ id }) => id).sort());
});

for (const { id, schema, supportsDryRun } of descriptions) {
  describe(id, () => {
    test('counts files and bytes, and logs little', () =>
      withCase(id, false, async one => {
        const { outputs, events } = await one.run();
        for (const name of ['files', 'bytes']) {
          assert.ok(name in schema.output.properties, `${name} is described`);
          assert.ok(outputs[name] > 0, `${name}: ${outputs[name]}`);
        }
        for (const name of schema.output.required ?? []) assert.ok(name in outputs, name);
        assert.ok(events.length >= 1 && events.length <= MAX_EVENTS, `${events.length} events`);
      }));

    test('changes nothing when it is repeated', () =>
      withCase(id, false, async one => {
        const first = await one.run();
        const tree = treeOf(one.workspace);
        const refs = one.refs();
        const second = await one.run();
        assert.deepEqual(treeOf(one.workspace), tree);
        assert.equal(one.refs(), refs);
        assert.deepEqual(withoutCounts(second.outputs), withoutCounts(first.outputs));
      }));

    test('a dry run says what a run would, and touches nothing outside the workspace', () =>
      withCase(id, false, async one => {
        assert.equal(supportsDryRun, true);
        const source = treeOf(one.source);
        const refs = one.refs();
        const dry = await one.run({ dryRun: true });
        assert.deepEqual(treeOf(one.source), source);
        assert.equal(one.refs(), refs);
        assert.ok(dry.events.length >= 1);
        const real = await withFresh(id);
        for (const [name, value] of Object.entries(placeless(one, dry.outputs))) {
          if (!NEW_EACH_TIME.has(name)) assert.deepEqual(value, real.outputs[name], name);
        }
        for (const name of schema.output.required ?? []) assert.ok(name in dry.outputs, name);
      }));

    test('cancelled in the middle, it ends and leaves nothing', t =>
      withCase(id, true, async one => {
        const tree = treeOf(one.workspace);
        const refs = one.refs();
        const abort = new AbortController();
        const running = one.run({ signal: abort.signal }).then(
          () => 'done',
          error => error,
        );
        await sleep(ABORT_AFTER_MS);
        const start = performance.now();
        abort.abort();
        const result = await running;
        t.diagnostic(`${result === 'done' ? 'was done' : 'ended'} ${(performance.now() - start).toFixed(1)} ms after the abort`);
        if (result === 'done') return;
        assert.equal(result.code, 'CANCELLED', result.message);
        assert.deepEqual(treeOf(one.workspace), tree);
        assert.equal(one.refs(), refs);
      }));

    test('a secret of the task is in no line and no output', () =>
      withCase(id, false, async one => {
        // What logs and outputs certainly hold: names of the workspace's files, and of the remote.
        const words = ['out', 'a.', 'k8s', 'remote.git', 'copy', 'prod'].filter(word => word.length >= 3);
        const secrets = Object.fromEntries(words.map((word, i) => [`s${i}`, word]));
        const { outputs, events } = await one.run({ secrets });
        const said = JSON.stringify([outputs, events.map(({ text }) => text)]);
        for (const word of words) assert.ok(!said.includes(word), `${word} in ${said}`);
      }));
  });
}

/** Outputs without the folder of their case. */
const placeless = (one, outputs) => JSON.parse(JSON.stringify(outputs).replaceAll(one.folder, ''));

/** What only a real run knows. */
const NEW_EACH_TIME = new Set(['commitHash', 'commitUrl', 'committed', 'bytes']);

async function withFresh(id) {
  let result;
  await withCase(id, false, async one => {
    result = await one.run();
    result.outputs = placeless(one, result.outputs);
  });
  return result;
}
