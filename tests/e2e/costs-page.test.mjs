// The page of costs as somebody sees it who may not see all costs; what it says when there is nothing
// to show. What it shows to who may see all: costs-year.test.mjs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ingestBill, writeBill } from '../tools/lib/billing.mjs';
import { browserMissing, openPage, signInAsGuest } from './lib/browser.mjs';
import { until } from './lib/client.mjs';
import { lastCompleteMonth, leaveOut, money, monthsOf, named, rowsOf } from './lib/costsPage.mjs';
import { startPortal } from './lib/fixture.mjs';

const skip = browserMissing();
const DAY_MS = 24 * 60 * 60 * 1000;
const owner = 'group:default/analytics';

const { portal, client } = skip ? {} : await startPortal();
const { browser, page, errors } = skip ? {} : await openPage();
after(() => browser?.close());

describe('the page of costs', { skip }, () => {
  before(async () => {
    await ingestBill(portal.paths, await writeBill(portal.paths, []));
    await signInAsGuest(page, portal.baseUrl);
  });

  test('shows what one owns', async () => {
    const { lastDay } = await client.get('/api/purser/v1/costs/status');
    const { from, to, title } = lastCompleteMonth(lastDay);
    const filter = encodeURIComponent(`owner=${owner}`);
    // The portal tells purserd of its catalog soon after its start; before, the system has no owner.
    const { rows } = await until('the costs of what the owner owns', async () => {
      const top = await client.get(
        `/api/purser/v1/costs/top?dimension=entity&from=${from}&to=${to}&filter=${filter}`,
      );
      return top.rows.length === 2 && top;
    });
    assert.deepEqual(
      rows.map(({ keys }) => keys[0]),
      [owner, 'system:default/insight'],
    );

    await page.getByRole('link', { name: 'Costs' }).click();
    await page.getByText('What you and your groups own.').waitFor();
    await named(page, 'Largest entities', 'Analytics');
    assert.deepEqual(
      (await rowsOf(page, `Largest entities of ${title}`)).map(cells => cells.slice(0, 2)),
      rows.map(({ billedCost }, i) => [['Analytics', 'insight'][i], money(billedCost)]),
    );
    assert.deepEqual(
      (await rowsOf(page, 'Budgets')).map(cells => [cells[0], cells.at(-1).split(':')[0]]),
      [
        ['analytics-month', 'exceeded'],
        ['analytics-year', 'in budget'],
      ],
    );
    const unusual = await rowsOf(page, 'Unusual costs');
    assert.deepEqual(
      unusual.map(([of, day]) => [of, day]),
      [['Analytics', lastDay]],
    );
    assert.match(unusual[0][4], /^Managed Notebooks, eu-west, /);
    assert.equal(await page.getByText('Where the invoices went').count(), 0);
  });

  test('refuses, on the page of an entity, what others own', async () => {
    await page.goto(`${portal.baseUrl}/catalog/default/group/platform`);
    await page.getByText('You may not see these costs').waitFor();
  });

  test('makes no zero of a month without charges', async () => {
    const { firstDay } = await client.get('/api/purser/v1/costs/status');
    await leaveOut(page, new Date(Date.parse(firstDay) + 100 * DAY_MS).toISOString().slice(0, 7));
    await page.goto(`${portal.baseUrl}/costs`);
    const without = (await monthsOf(page)).filter(([, , bills]) => bills === 'no charges');
    assert.deepEqual(
      without.map(([, billed]) => billed),
      ['–'],
    );
    await page.unrouteAll();
  });

  test('says that no bill has been read', async () => {
    await page.route('**/api/purser/v1/costs/status?*', route =>
      route.fulfill({ json: { firstDay: '', lastDay: '', dataVersion: 0 } }),
    );
    await page.goto(`${portal.baseUrl}/costs`);
    await page.getByText('No bill has been read yet').waitFor();
    await page.unrouteAll();
  });

  test('says what went wrong, and asks again', async () => {
    let isAway = true;
    const error = { name: 'ServiceUnavailableError', message: 'purserd does not answer' };
    await page.route('**/api/purser/v1/costs/budgets?*', route =>
      isAway
        ? route.fulfill({ status: 503, json: { error, response: { statusCode: 503 } } })
        : route.continue(),
    );
    await page.goto(`${portal.baseUrl}/costs`);
    await page.getByText('purserd does not answer').waitFor();
    isAway = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await rowsOf(page, 'Budgets');
    assert.deepEqual(errors, [], 'errors of the page scripts');
  });
});
