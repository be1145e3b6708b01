// The example blueprints of a platform from the portal's forms to what stands outside, and back:
// asked for, changed, kept longer and deleted, while purserd is killed again and again. What was done
// is counted where it was done: nothing may be missing, and nothing be there twice.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { purser } from '../tools/lib/billing.mjs';
import { Platform, platformMissing } from '../tools/lib/platform.mjs';
import { at } from '../tools/lib/repo.mjs';
import { browserMissing, openPage, signInAsGuest } from './lib/browser.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const KILLS_A_PHASE = 4;
const LONGEST_LIFE_MS = 2500;
const TASK_SECONDS = 240;
const MAX_TRIES = 3;
const owner = 'group:default/analytics';

const products = {
  'notebook-and-bucket': {
    entity: 'resource:default/workspace-mars',
    form: {
      name: 'mars',
      department: 'ph',
      branchName: 'dmia',
      teamName: 'mars',
      costCentre: 'cc-1',
      costCentreName: 'mars',
      manager: 'ada@example.com',
      dataClassification: 'ucll',
      repository: 'org/infra',
    },
    change: { yearlyBudget: 5000 },
  },
  'mesh-service-namespace': {
    entity: 'resource:default/namespace-shop',
    form: { name: 'shop', team: 'shop-devs', host: 'shop.example.com', costCentre: 'cc-9' },
    change: { cpu: 8 },
  },
  'customer-environment': {
    entity: 'resource:default/prod-acme',
    form: { environment: 'prod', customer: 'acme' },
    change: { size: 'large' },
  },
  database: {
    entity: 'resource:default/database-orders',
    form: { name: 'orders', days: 30 },
    change: { connections: 5 },
  },
};
const roots = ['infra', 'hive', 'trino', 'superset'];

const skip = platformMissing();
let platform;
const fixture = skip
  ? undefined
  : await startPortal({
      outside: paths => (platform = new Platform(paths)),
      blueprints: [at('examples/blueprints/platform')],
      templates: [
        ...Object.keys(products).map(name => at(`examples/templates/platform/${name}.yaml`)),
        at('examples/templates/holdings/templates.yaml'),
      ],
    });

/** People and controllers go on working whatever happens to purserd. */
function keepWorking() {
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      await platform.work();
      await sleep(300);
    }
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}

/** Kills purserd at odd moments while `work` goes on; resolves with what that gives. */
async function amongKills(work) {
  const { portal } = fixture;
  let done = false;
  const working = work().finally(() => (done = true));
  for (let kills = 0; kills < KILLS_A_PHASE && !done; kills++) {
    await sleep(Math.random() * LONGEST_LIFE_MS);
    process.kill(portal.sidecarPid, 'SIGKILL');
    // Not by the launcher's patience, which grows with each end.
    await portal.stopSidecar();
    await portal.startSidecar();
  }
  return working;
}

/**
 * Runs a template to its end. On a machine that is busy the portal's calls of itself may be reset, and
 * a task ends before it has begun; a person starts it again.
 */
async function order(template, values) {
  const { client } = fixture;
  for (let tries = 1; ; tries++) {
    const task = await client.startTemplate(`template:default/${template}`, values);
    const { status } = await client.taskEnd(task, ['completed', 'failed'], TASK_SECONDS);
    const log = (await client.taskLog(task)).join('\n');
    if (status === 'completed') {
      return;
    }
    assert.ok(tries < MAX_TRIES && !log.includes('Beginning step'), log);
  }
}

/** Orders something of each product at once, among kills. */
const forEachProduct = form =>
  amongKills(() =>
    Promise.all(Object.entries(products).map(([name, product]) => order(...form(name, product)))),
  );

const holdingOf = entity =>
  fixture.client.get(`/api/purser/v1/holdings/${encodeURIComponent(entity)}`);
const counted = (list, pattern) => list.filter(text => pattern.test(text)).length;

/** Each step of the product's last request was completed once. */
async function eachStepOnce(entity) {
  const { currentRequest } = await holdingOf(entity);
  const { portal, client } = fixture;
  const { steps, kind } = await client.get(`/api/purser/v1/requests/${currentRequest}`);
  const lines = (await purser(portal.paths, 'requests', 'watch', currentRequest, '--json')).trim();
  const done = lines
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ type }) => type === 'step.succeeded')
    .map(({ stepId }) => stepId);
  assert.deepEqual([...done].sort(), steps.map(({ id }) => id).sort(), `${entity}: ${kind}`);
}

describe('the blueprints of a platform', { skip }, () => {
  const stopWorking = skip ? undefined : keepWorking();
  const uids = {};
  after(() => stopWorking?.());

  it('are asked for by their forms and become ready', async () => {
    await forEachProduct((name, { form }) => [name, { owner, ...form }]);
    for (const { entity } of Object.values(products)) {
      const shown = await until(`${entity} in the catalog`, async () => {
        const found = await fixture.client.entity(entity);
        return found?.metadata.annotations['purser.dev/state'] === 'succeeded' && found;
      });
      assert.equal(shown.spec.owner, owner);
      const titles = shown.metadata.links.map(({ title }) => title);
      assert.ok(titles.includes('Change') && titles.includes('Delete'), titles.join());
      await eachStepOnce(entity);
    }
  });

  it('did each thing once', async () => {
    const pulls = await platform.github('pulls');
    assert.deepEqual(
      pulls.map(({ head }) => head),
      ['request-mars'],
    );
    for (const root of roots) {
      assert.deepEqual(platform.ledger('prod', 'acme', root), ['small'], root);
    }
    const statements = platform.statements();
    assert.equal(counted(statements, /^CREATE DATABASE/i), 1);
    assert.equal(counted(statements, /^ALTER DATABASE .* RENAME TO "?orders"?/i), 1);
    assert.equal(counted(statements, /^BEGIN; CREATE ROLE "?orders_app"?/i), 1);
    for (const [kind, namespace, name] of [
      ['Certificate', 'istio-system', 'shop'],
      ['Gateway', 'shop', 'shop'],
      ['VirtualService', 'shop', 'shop'],
      ['PeerAuthentication', 'shop', 'default'],
      ['AuthorizationPolicy', 'shop', 'callers'],
    ]) {
      const { metadata } = await platform.object(kind, namespace, name);
      assert.equal(metadata.generation, 1, kind);
      uids[kind] = metadata.uid;
    }
    const { metadata } = await platform.object('Namespace', '', 'shop');
    assert.equal(metadata.labels['cost-centre'], 'cc-9', JSON.stringify(metadata.labels));
  });

  it('are changed, in place', async () => {
    await forEachProduct((name, { entity, change }) => [`change-${name}`, { entity, ...change }]);
    for (const { entity, change } of Object.values(products)) {
      const { parameters, openRequest } = await holdingOf(entity);
      assert.equal(openRequest, undefined);
      for (const [name, value] of Object.entries(change)) {
        assert.equal(parameters[name], value, `${entity}: ${name}`);
      }
      await eachStepOnce(entity);
    }
    const pulls = await platform.github('pulls');
    assert.equal(pulls.length, 2);
    const files = await platform.github('files main');
    assert.match(files['workspaces/mars/budget.yaml'], /amount: 5000/);
    for (const root of roots) {
      assert.deepEqual(platform.ledger('prod', 'acme', root), ['small', 'large'], root);
    }
    assert.equal(counted(platform.statements(), /^CREATE DATABASE/i), 1);
    for (const [kind, name] of [
      ['Gateway', 'shop'],
      ['VirtualService', 'shop'],
    ]) {
      const { metadata } = await platform.object(kind, 'shop', name);
      assert.equal(metadata.uid, uids[kind], `${kind} was made anew`);
    }
    const quota = await platform.object('ResourceQuota', 'shop', 'purser-quota');
    assert.equal(quota.spec.hard['requests.cpu'], '8');
  });

  it('are refused beyond what policy allows', async () => {
    const task = await fixture.client.startTemplate('template:default/change-database', {
      entity: products.database.entity,
      connections: 150,
    });
    await fixture.client.taskEnd(task, 'failed');
    assert.match((await fixture.client.taskLog(task)).join('\n'), /at most 100 connections/);
  });

  it('are kept longer once, however often purserd ends', async () => {
    const { entity } = products.database;
    const before = Date.parse((await holdingOf(entity)).expiresAt);
    await amongKills(() => order('renew-holding', { entity, reason: 'still in use' }));
    const { expiresAt } = await holdingOf(entity);
    assert.equal(Date.parse(expiresAt) - before, 720 * 3600 * 1000);
    await until('the expiry in the catalog', async () => {
      const shown = await fixture.client.entity(entity);
      return (
        Date.parse(shown.metadata.annotations['purser.dev/expires-at']) ===
        Math.floor(Date.parse(expiresAt) / 1000) * 1000
      );
    });
  });

  it('are deleted by their names only, and nothing of them is left', async () => {
    const slip = await fixture.client.startTemplate('template:default/delete-holding', {
      entity: products.database.entity,
      confirm: 'database-order',
    });
    await fixture.client.taskEnd(slip, 'failed');
    assert.match((await fixture.client.taskLog(slip)).join('\n'), /database-orders/);

    await forEachProduct((name, { entity }) => [
      'delete-holding',
      { entity, confirm: entity.slice(entity.indexOf('/') + 1) },
    ]);
    for (const { entity } of Object.values(products)) {
      assert.equal((await holdingOf(entity)).state, 'deleted');
      await until(`${entity} gone`, async () => !(await fixture.client.entity(entity)));
    }
    const files = await platform.github('files main');
    assert.deepEqual(Object.keys(files), ['README.md']);
    for (const root of roots) {
      assert.deepEqual(
        platform.ledger('prod', 'acme', root),
        ['small', 'large', 'destroyed'],
        root,
      );
    }
    const statements = platform.statements();
    assert.equal(counted(statements, /^DROP DATABASE/i), 1);
    assert.equal(counted(statements, /^DROP ROLE/i), 1);
    assert.equal(await platform.object('Certificate', 'istio-system', 'shop'), undefined);
    assert.equal(await platform.object('Namespace', '', 'shop'), undefined);
    const { items } = await fixture.client
      .get('/api/purser/v1/orphans')
      .catch(() => ({ items: [] }));
    assert.deepEqual(items, []);
    const report = JSON.parse(await purser(fixture.portal.paths, 'audit', 'verify', '--json'));
    assert.equal(report.fault ?? '', '');
  });
});

describe('a person', { skip: skip ?? browserMissing() }, () => {
  it('orders a database by its form, and deletes it by the link of its entity', async () => {
    const { portal, client } = fixture;
    const { browser, page, errors } = await openPage();
    after(() => browser.close());
    const stop = keepWorking();
    try {
      await signInAsGuest(page, portal.baseUrl);
      await page.goto(`${portal.baseUrl}/create/templates/default/database`);
      await page.getByLabel('Name').fill('ledger');
      await page.getByLabel('Owner').fill(owner);
      await page.getByLabel('Connections at most').fill('7');
      await page.getByRole('button', { name: 'Review' }).click();
      await page.getByRole('button', { name: 'Create' }).click();
      await page.getByRole('link', { name: 'In the catalog' }).waitFor({ timeout: 90_000 });
      const entity = await until('the entity', async () => {
        const found = await client.entity('resource:default/database-ledger');
        return found?.metadata.links?.some(({ title }) => title === 'Delete') && found;
      });
      const { url } = entity.metadata.links.find(({ title }) => title === 'Delete');
      const { pathname, search } = new URL(url);
      await page.goto(`${portal.baseUrl}${pathname}${search}`);
      await page.getByLabel('Its name, once more').fill('database-ledger');
      await page.getByRole('button', { name: 'Review' }).click();
      await page.getByText('resource:default/database-ledger').first().waitFor();
      await page.getByRole('button', { name: 'Create' }).click();
      await until(
        'the holding deleted',
        async () => (await holdingOf('resource:default/database-ledger')).state === 'deleted',
        120,
      );
      assert.deepEqual(errors, [], 'errors of the page scripts');
    } finally {
      await stop();
    }
  });
});
