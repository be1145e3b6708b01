// A year of billing in the demo portal: allocated to its catalog to the last digit, a budget told
// once, an anomaly named with its cause, a re-statement compared with what stood before.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { ingestBill, purser as cli, writeBill } from '../tools/lib/billing.mjs';
import { browserMissing, openPage, signInAsGuest } from './lib/browser.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

// The guest is one of the platform group here, who see all costs.
const platformEngineer = () => ({
  start() {},
  stop() {},
  portalConfig: () => ({ auth: { providers: { guest: { userEntityRef: 'user:default/lukas' } } } }),
  sidecarConfig: () => undefined,
});
const { portal, client } = await startPortal({ outside: platformEngineer });
const purser = async (...words) => JSON.parse(await cli(portal.paths, ...words, '--json'));
const platform = 'group:default/platform';
const days = { from: '', to: '' };

test('a year is read and every invoice is accounted for', async () => {
  const report = await ingestBill(portal.paths, await writeBill(portal.paths, []));
  assert.equal(Number(report.rowsQuarantined), 0);
  assert.ok(report.totals.length >= 12, `${report.totals.length} billing periods`);
  const { firstDay, lastDay } = await client.get('/api/purser/v1/costs/status');
  Object.assign(days, { from: firstDay, to: lastDay });
  assert.equal(Math.round((Date.parse(lastDay) - Date.parse(firstDay)) / 86_400_000), 364);

  const { items } = await client.get(
    `/api/purser/v1/costs/reconciliation?from=${firstDay.slice(0, 7)}-01&to=${lastDay}`,
  );
  assert.equal(items.length, report.totals.length, 'one invoice a month');
  for (const invoice of items) {
    assert.equal(invoice.difference, '0', invoice.invoice);
    assert.ok(
      Number(invoice.coveragePercent) > 50,
      `${invoice.invoice}: ${invoice.coveragePercent} %`,
    );
  }
});

test('groups of the catalog have a year of months', async () => {
  const { items } = await client.get(
    `/api/purser/v1/costs/query?from=${days.from}&to=${days.to}&groupBy=month&filter=${encodeURIComponent(`group=${platform}`)}`,
  );
  assert.ok(items.length >= 12, `${items.length} months`);
  assert.ok(items.every(({ billedCost }) => Number(billedCost) > 0));
});

test('what was left running is an anomaly with its cause', async () => {
  const { items } = await client.get('/api/purser/v1/costs/anomalies');
  const [found] = items.filter(({ of }) => of === platform);
  assert.ok(found, JSON.stringify(items));
  assert.equal(found.day, days.to);
  assert.equal(found.service, 'Managed Notebooks');
  assert.equal(found.region, 'eu-west');
  assert.ok(Number(found.causeDifference) > 700, found.causeDifference);
});

test('its owner is told of the budget once, however often the bill comes', async () => {
  const { items } = await client.get(
    `/api/purser/v1/costs/budgets?of=${encodeURIComponent(platform)}`,
  );
  const [budget] = items.filter(({ name }) => name === 'platform-month');
  assert.equal(budget.crossed, 100);
  const told = async () => (await purser('costs', 'alerts')).alerts ?? [];
  const first = await until('the budget to be told', async () => {
    const alerts = await told();
    const kinds = new Set(alerts.map(({ kind }) => kind));
    return kinds.has('budget') && kinds.has('anomaly') ? alerts : undefined;
  });
  const sources = JSON.stringify(first);

  // The same year again, with what a new resource costs beside it.
  const file = await writeBill(portal.paths, ['urn:purser:demo:late:notebook']);
  assert.equal((await ingestBill(portal.paths, file)).unchanged, false);
  const again = await told();
  assert.equal(JSON.stringify(again.slice(0, first.length)), sources);
  const budgets = again.filter(({ kind }) => kind === 'budget');
  assert.equal(new Set(budgets.map(({ subject, scope }) => subject + scope)).size, budgets.length);
});

test('the re-statement says what it changed', async () => {
  const month = days.to.slice(0, 7);
  const diff = await client.get(
    `/api/purser/v1/costs/diff?source=demo&month=${month}&groupBy=service`,
  );
  assert.equal(diff.after.current, true);
  assert.ok(diff.changes.some(({ keys }) => keys[0] === 'Managed Notebooks'));
  const { items } = await client.get('/api/purser/v1/costs/deliveries?source=demo');
  assert.equal(items.filter(({ billingPeriod }) => billingPeriod.startsWith(month)).length, 2);
});

test('a person finds both by searching', { skip: browserMissing() }, async () => {
  await until('the anomaly in search', async () => {
    const { results } = await client.get('/api/search/query?term=unusual');
    return results.some(({ type }) => type === 'purser-anomaly');
  });
  const { browser, page } = await openPage();
  after(() => browser.close());
  await signInAsGuest(page, portal.baseUrl);
  await page.goto(`${portal.baseUrl}/search?query=unusual`);
  await page
    .getByText(/Unusual cost of/)
    .first()
    .waitFor();
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'purser-shots-')), 'costs.png');
  await page.screenshot({ path: file, fullPage: true });
  process.stdout.write(`screenshot: ${file}\n`);
});
