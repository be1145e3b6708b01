import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Entity } from '@backstage/catalog-model';
import { mockServices } from '@backstage/backend-test-utils';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import { until } from '@purser/plugin-purser-node/testUtils';
import { PurserTestBackend } from '../testBackend';
import { CostGraphFeeder, toGraphEntity } from './graph';

const alert = (sequence: number, kind: string, detail: object, ageMs = 0) => ({
  sequence: BigInt(sequence),
  kind,
  subject: `s${sequence}`,
  scope: '2026-11-01 80',
  detailJson: JSON.stringify(detail),
  at: new Date(Date.now() - ageMs).toISOString(),
});
const budget = {
  owner: 'group:default/web',
  of: 'component:default/shop',
  amount: '100',
  spent: '80',
  spentPercent: '80',
  currency: 'EUR',
  from: '2026-11-01',
  to: '2026-11-30',
  threshold: 80,
};

describe('notifications of costs', () => {
  let backend: PurserTestBackend;

  beforeEach(async () => {
    backend = await PurserTestBackend.start({ notifications: true });
  });
  afterEach(() => backend.stop());

  it('tell the owner once of each alert', async () => {
    backend.sidecar.costs.answers.listCostAlerts = {
      alerts: [
        alert(1, 'budget', { ...budget, superseded: true, threshold: 50 }),
        alert(2, 'budget', { ...budget, superseded: false }),
        alert(3, 'budget-forecast', { ...budget, forecast: '120', forecastMethod: 'holt-winters' }),
        alert(4, 'anomaly', {
          ...budget,
          day: '2026-11-20',
          cost: '90',
          expected: '20',
          service: 'S3',
        }),
        alert(5, 'budget', { ...budget, owner: '' }),
        alert(6, 'anomaly', { ...budget, day: '2026-11-21', superseded: true }),
      ],
    };
    await until(() => backend.sent.length === 3);
    assert.deepEqual(
      backend.sent.map(({ payload }) => payload.title),
      [
        'Budget s2 is spent to 80 %',
        'Budget s3 will be exceeded',
        'Unusual cost of component:default/shop',
      ],
    );
    assert.deepEqual(backend.sent[0].recipients, {
      type: 'entity',
      entityRef: ['group:default/web'],
    });
    assert.equal(backend.sent[0].payload.link, '/catalog/default/component/shop');
    assert.match(
      backend.sent[2].payload.description!,
      /90 EUR on 2026-11-20 instead of 20; mostly S3/,
    );
    await until(() => backend.published.length === 6);
    assert.deepEqual(
      backend.published.map(({ topic, metadata }) => `${topic} ${String(metadata?.kind)}`),
      [
        'purser.costs budget',
        'purser.costs budget',
        'purser.costs budget-forecast',
        'purser.costs anomaly',
        'purser.costs budget',
        'purser.costs anomaly',
      ],
    );
    const [, { eventPayload }] = backend.published as [unknown, { eventPayload: object }];
    assert.partialDeepStrictEqual(eventPayload, {
      kind: 'budget',
      subject: 's2',
      scope: '2026-11-01 80',
      detail: { threshold: 80, superseded: false },
    });
    await new Promise(resolve => setTimeout(resolve, 100));
    assert.equal(backend.sent.length, 3);
    assert.equal(backend.published.length, 6);
    // A new store begins again at 1: what is new there is told.
    backend.sidecar.costs.answers.listCostAlerts = {
      alerts: [{ ...alert(1, 'budget', budget), subject: 'anew' }],
    };
    await until(() => backend.sent.length === 4);
    assert.match(backend.sent[3].payload.title, /anew/);
  });

  it('do not wake people with old news', async () => {
    backend.sidecar.costs.answers.listCostAlerts = {
      alerts: [alert(1, 'budget', budget, 48 * 3600_000), alert(2, 'budget', budget)],
    };
    await until(() => backend.sent.length === 1);
    assert.match(backend.sent[0].payload.title, /s2/);
  });

  it('costs roll up along the relations of the catalog', async () => {
    const entities: Entity[] = Array.from({ length: 7 }, (_, i) => ({
      apiVersion: 'backstage.io/v1alpha1',
      kind: 'Component',
      metadata: { name: `c${i}`, annotations: { 'purser.dev/product': 'shop' } },
      relations: [
        { type: 'ownedBy', targetRef: 'group:default/web' },
        { type: 'partOf', targetRef: 'system:default/store' },
      ],
    }));
    assert.deepEqual(toGraphEntity(entities[0]), {
      ref: 'component:default/c0',
      owner: 'group:default/web',
      system: 'system:default/store',
      product: 'shop',
    });
    assert.deepEqual(
      toGraphEntity({
        apiVersion: 'v1',
        kind: 'Group',
        metadata: { name: 'g' },
        relations: ['z', 'a', 'b'].map(name => ({
          type: 'childOf',
          targetRef: `group:default/${name}`,
        })),
      }),
      { ref: 'group:default/g', parent: 'group:default/a' },
      'of several parents one, always the same',
    );
    assert.equal(
      toGraphEntity({ apiVersion: 'v1', kind: 'User', metadata: { name: 'u' } }),
      undefined,
    );
    const feeder = new CostGraphFeeder({
      auth: mockServices.auth(),
      catalog: catalogServiceMock({ entities }),
      sidecar: backend.purser.sidecar,
      logger: mockServices.rootLogger(),
    });
    assert.equal(await feeder.feed(), 7);
    const sent = backend.sidecar.costs.questions.filter(({ method }) => method === 'putCostGraph');
    assert.equal(sent.length, 1);
    assert.equal((sent[0].request as { entities: unknown[] }).entities.length, 7);
  });
});
