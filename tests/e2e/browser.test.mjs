// The story as a person sees it: sign in, fill the form, create, look at the entity and its docs.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { browserMissing, openPage, signInAsGuest } from './lib/browser.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const skip = browserMissing();
const fixture = skip ? undefined : await startPortal();
const opened = skip ? undefined : await openPage();
const shots = mkdtempSync(path.join(os.tmpdir(), 'purser-shots-'));
const name = 'browser-sales';

test.afterEach(async context => {
  if (!context.passed) {
    await shot('failed');
  }
});
after(() => opened?.browser.close());

async function shot(title) {
  const file = path.join(shots, `${title}.png`);
  await opened.page.screenshot({ path: file, fullPage: true });
  process.stdout.write(`screenshot: ${file}\n`);
}

test('a guest creates a workspace through the form and finds it in the catalog', { skip }, async () => {
  const { page, errors } = opened;
  const { baseUrl } = fixture.portal;
  await signInAsGuest(page, baseUrl);

  await page.getByRole('link', { name: 'Create' }).click();
  const card = page.getByText('Analytics workspace').first();
  await card.waitFor();
  await shot('1-templates');
  await page.goto(`${baseUrl}/create/templates/default/analytics-workspace`);

  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Owner').click();
  await page.getByRole('option', { name: /analytics/i }).click();
  await shot('2-form');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByLabel('Disk size in GB').fill('250');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByLabel('Monthly budget in USD').waitFor();
  await page.getByRole('button', { name: 'Review' }).click();
  await page.getByText('250').first().waitFor();
  await shot('3-review');
  await page.getByRole('button', { name: 'Create' }).click();

  await page.waitForURL(/\/create\/tasks\//);
  const link = page.getByRole('link', { name: 'Workspace in the catalog' });
  await link.waitFor({ timeout: 90_000 });
  await shot('4-task');

  await until('the entity in the catalog', () =>
    fixture.client.entity(`resource:default/workspace-${name}`),
  );
  await link.click();
  await page.getByRole('heading', { name: `Analytics workspace ${name}` }).waitFor();
  await page.getByText('About', { exact: true }).waitFor();
  await page.getByRole('link', { name: /^Request/ }).waitFor();
  await shot('5-entity');

  await until('the component of the repository', () =>
    fixture.client.entity(`component:default/${name}`),
  );
  await page.goto(`${baseUrl}/docs/default/component/${name}`);
  await page.getByRole('heading', { name: `Analytics workspace ${name}` }).waitFor({ timeout: 60_000 });
  await page.getByText('250 GB').waitFor();
  await shot('6-docs');

  assert.deepEqual(errors, [], 'errors of the page scripts');
});
