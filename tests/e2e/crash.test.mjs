// What happens when the sidecar dies, vanishes or comes back while requests are under way.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { purser } from '../tools/lib/billing.mjs';
import { at, run } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const { portal, client, events: launcherEvents } = await startPortal({
  blueprints: [at('tests/e2e/fixtures/blueprints')],
  templates: [at('tests/e2e/fixtures/template/template.yaml')],
});
const owner = 'group:default/analytics';

/** The one request that a name made, or undefined. */
async function requestOf(name) {
  const { items } = await client.get('/api/purser/v1/requests?blueprint=slow-workspace');
  const own = items.filter(item => item.parameters.name === name);
  assert.ok(own.length <= 1, `one request for ${name}, not ${own.length}`);
  return own[0];
}

/** Waits until the request's step is in a state. */
const stepIs = (name, step, state) =>
  until(`step ${step} of ${name} to be ${state}`, async () => {
    const request = await requestOf(name);
    if (!request) {
      return undefined;
    }
    const { steps } = await client.get(`/api/purser/v1/requests/${request.id}`);
    return steps.find(entry => entry.id === step).state === state;
  });

/** All events of a request, in order. */
async function events(id) {
  const text = await purser(portal.paths, 'requests', 'watch', id, '--json');
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** Each effect of one finished request happened exactly once. */
async function nothingTwice(name) {
  const subjects = await run(
    'git',
    ['--git-dir', portal.paths.gitopsRemote, 'log', '--format=%s', 'main'],
    { quiet: true },
  );
  const own = subjects.split('\n').filter(line => line.endsWith(` of ${name}`));
  assert.deepEqual(own, [`Second change of ${name}`, `First change of ${name}`]);
  assert.deepEqual(readdirSync(path.join(portal.paths.gitops, 'slow', name)), ['notebook.yaml']);

  const request = await requestOf(name);
  assert.equal(request.state, 'succeeded');
  const done = (await events(request.id))
    .filter(event => event.type === 'step.succeeded')
    .map(event => event.stepId);
  assert.deepEqual(done, ['manifest', 'before', 'first', 'between', 'second']);
}

test('kill -9 in the middle: the request finishes, nothing is done twice', async () => {
  const name = 'killed';
  const task = await client.startTemplate('template:default/slow-workspace', { name, owner });
  for (const [step, state] of [
    ['before', 'waiting'],
    ['between', 'waiting'],
  ]) {
    await stepIs(name, step, state);
    const pid = portal.sidecarPid;
    process.kill(pid, 'SIGKILL');
    await until('another purserd', () => portal.sidecarPid !== pid);
  }
  await client.taskEnd(task);
  await nothingTwice(name);
  assert.equal(launcherEvents.filter(line => line.startsWith('purserd ended')).length, 2);
});

test('kill -9 again and again at odd moments: still exactly once', async () => {
  const names = ['odd-a', 'odd-b', 'odd-c'];
  const tasks = [];
  for (const name of names) {
    tasks.push(await client.startTemplate('template:default/slow-workspace', { name, owner }));
  }
  for (const pause of [150, 700, 1300]) {
    await sleep(pause);
    const pid = portal.sidecarPid;
    process.kill(pid, 'SIGKILL');
    await until('another purserd', () => portal.sidecarPid !== pid);
  }
  for (const task of tasks) {
    await client.taskEnd(task);
  }
  for (const name of names) {
    await nothingTwice(name);
  }
});

test('a vanished sidecar: the portal is well, the action says so, and goes on when it is back', async () => {
  await portal.stopSidecar();
  const name = 'vanished';
  const task = await client.startTemplate('template:default/slow-workspace', { name, owner });
  await until('the log to tell of it', async () => {
    const log = (await client.taskLog(task)).join('\n');
    return /sidecar|purserd/i.test(log) && /again|retry|not reach|unavailable/i.test(log);
  });
  const ready = await client.fetch('GET', '/.backstage/health/v1/readiness');
  assert.equal(ready.status, 200);
  assert.ok((await client.get('/api/catalog/entities?limit=1')).length > 0);
  const refused = await client.fetch('GET', '/api/purser/v1/requests');
  assert.equal(refused.status, 503);

  await portal.startSidecar();
  await client.taskEnd(task);
  await nothingTwice(name);
});

test('a cancelled task cancels its request', async () => {
  const name = 'cancelled';
  const task = await client.startTemplate('template:default/slow-workspace', { name, owner });
  await stepIs(name, 'between', 'waiting');
  await client.post(`/api/scaffolder/v2/tasks/${task}/cancel`);
  // Which of the two it is, is Backstage's affair: an action that throws makes it "failed".
  await client.taskEnd(task, ['cancelled', 'failed']);
  const request = await until('the request to be cancelled', async () => {
    const found = await requestOf(name);
    return found.state === 'cancelled' && found;
  });
  const { steps } = await client.get(`/api/purser/v1/requests/${request.id}`);
  assert.equal(steps.find(step => step.id === 'second').state, 'skipped');
});
