// The demo organisation in the real portal: some 5,000 entities of four kinds of sources, all of
// them in the catalog and related across the sources.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Organisation, organisationMissing } from '../tools/lib/organisation.mjs';
import { browserMissing, openPage, signInAsGuest } from './lib/browser.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

// Backstage's processing takes 6 ms and more for each entity; on a busy machine ten times that. What counts is
// that it goes on.
const STALLED_AFTER_MS = 180_000;
const COUNT_EVERY_MS = 5_000;
const RELATED_WITHIN_S = 450;
const SOURCE = { 'purser-inventory': 'purser-inventory/demo' };

const skip = organisationMissing();
let organisation;
const fixture = skip
  ? undefined
  : await startPortal({ outside: paths => (organisation = new Organisation(paths)) });
if (!skip) {
  await organisation.order(fixture.portal.baseUrl);
}
const counts = organisation?.counts ?? {};

describe('the demo organisation', { skip }, () => {
  /** How many entities of a kind of source the catalog shows. */
  async function shown(kind) {
    const source = SOURCE[kind] ?? `${kind}/organisation`;
    const query = new URLSearchParams({
      limit: '0',
      filter: `metadata.annotations.purser.dev/source=${source}`,
    });
    return (await fixture.client.get(`/api/catalog/entities/by-query?${query}`)).totalItems;
  }

  it('has 5,000 entities of four kinds of sources', () => {
    assert.equal(Object.keys(counts).length, 4);
    assert.ok(Object.values(counts).reduce((sum, count) => sum + count, 0) >= 5_000);
  });

  for (const kind of ['ldap', 'terraform', 'source-tree', 'purser-inventory']) {
    it(`shows every entity of ${kind}`, async () => {
      let count = await shown(kind);
      let grewAt = Date.now();
      while (count < counts[kind] && Date.now() - grewAt < STALLED_AFTER_MS) {
        // Counting thousands costs the portal the time that it needs for them.
        await sleep(COUNT_EVERY_MS);
        const before = count;
        count = await shown(kind);
        if (count > before) grewAt = Date.now();
      }
      assert.equal(count, counts[kind]);
    });
  }

  it('relates entities of different sources', async () => {
    const service = await until(
      'the relations of a service',
      async () => {
        const entity = await fixture.client.entity('component:default/billing-00-service-00');
        return entity?.relations?.length > 3 ? entity : undefined;
      },
      RELATED_WITHIN_S,
    );
    const targets = service.relations.map(({ type, targetRef }) => `${type} ${targetRef}`);
    assert.ok(targets.includes('ownedBy group:default/team-00'), targets.join(', '));
    assert.ok(targets.includes('partOf system:default/billing-00'), targets.join(', '));
    const bucket = await fixture.client.entity('resource:default/workspace-demo-00-bucket');
    assert.equal(bucket.spec.owner, 'group:default/team-00');
    assert.equal(bucket.spec.type, 'bucket');
    const team = await fixture.client.entity('group:default/team-00');
    assert.ok(team.relations.some(({ type }) => type === 'hasMember'));
  });

  it('can be looked at', { skip: browserMissing() }, async () => {
    const { browser, page, errors } = await openPage();
    after(() => browser.close());
    const shots = mkdtempSync(path.join(os.tmpdir(), 'purser-organisation-'));
    const { baseUrl } = fixture.portal;
    await signInAsGuest(page, baseUrl);
    const looks = [
      ['resources', '/?filters[kind]=resource&filters[type]=analytics-workspace', 'Analytics workspace demo-00'],
      ['team', '/catalog/default/group/team-00', 'team-00'],
      ['service', '/catalog/default/component/billing-00-service-00', 'billing-00-service-00'],
      ['bucket', '/catalog/default/resource/workspace-demo-00-bucket', 'demo-00'],
    ];
    for (const [title, where, text] of looks) {
      await page.goto(`${baseUrl}${where}`);
      await page.getByText(text).first().waitFor({ timeout: 60_000 });
      const file = path.join(shots, `${title}.png`);
      await page.screenshot({ path: file, fullPage: true });
      process.stdout.write(`screenshot: ${file}\n`);
    }
    assert.deepEqual(errors, [], 'errors of the page scripts');
  });
});
