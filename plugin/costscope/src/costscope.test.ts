import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import plugin from './index';
import { parsePeriod } from './router';

const { row } = CostSurfaceBackend;

describe("Costscope's endpoints", () => {
  let backend: CostSurfaceBackend;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'costscope');
    const { answers } = backend.sidecar.costs;
    backend.hasCosts('2026-10-01', '2026-11-03', row([], '9'), row([], '1', 'USD'));
    answers.queryCosts = ({ groupBy }) => {
      switch (groupBy.join()) {
        case 'source,service':
          return [row(['aws', 'S3'], '1'), row(['aws', 'EC2'], '1')];
        case 'source,billing_period':
          return [row(['aws', '2026-11-01'], '1', 'EUR', 7n)];
        default:
          return [row(['2026-11-02'], '4.5')];
      }
    };
    answers.compareCosts = {
      rows: [
        {
          key: 'aws',
          currency: 'EUR',
          before: '10',
          after: '12.5',
          change: '2.5',
          changePercent: '25',
        },
      ],
    };
    answers.listAnomalies = { day: '2026-11-03', anomalies: [], nextPageToken: '' };
  });
  after(() => backend.stop());

  it('answers as its contract says', async () => {
    assert.deepEqual(await backend.json('/providers'), [
      {
        id: 'aws',
        name: 'aws',
        displayName: 'aws',
        status: 'connected',
        services: 2,
        lastUpdated: '2026-11-03T00:00:00Z',
      },
    ]);
    assert.deepEqual(await backend.json('/datasets'), [
      {
        id: 'aws-2026-11-01',
        provider: 'aws',
        project: 'all',
        status: 'ready',
        records: 7,
        periodStart: '2026-11-01',
        periodEnd: '2026-11-30',
      },
    ]);
    assert.deepEqual(await backend.json('/costs/summary?period=30d'), {
      period: '30d',
      project: 'all',
      totalCost: 12.5,
      previousTotalCost: 10,
      deltaPct: 25,
      currency: 'EUR',
    });
    assert.deepEqual(await backend.json('/costs/daily?period=3d'), [
      { date: '2026-11-01', cost: 0 },
      { date: '2026-11-02', cost: 4.5 },
      { date: '2026-11-03', cost: 0 },
    ]);
    assert.deepEqual(await backend.json('/breakdown?by=provider&period=2026-11'), [
      { dim: 'aws', cost: 12.5, deltaPct: 25 },
    ]);
    assert.deepEqual(await backend.json('/alerts'), []);
    assert.deepEqual(await backend.json('/healthz'), { status: 'ok' });
    assert.deepEqual(await backend.json('/datasets/search?limit=0'), []);
    assert.equal((await backend.fetch('/datasets/search?limit=-1')).status, 400);
    const response = await backend.fetch('/alerts');
    assert.equal(response.headers.get('x-correlation-id'), 'abc-1');
  });

  it("breaks down by what its pages call FOCUS's columns", async () => {
    // This is what the overview asks for first; were it refused, the page would show nothing.
    await backend.json('/breakdown?by=ServiceCategory&period=P30D');
    const asked = () => backend.lastAsked('compareCosts').dimension;
    assert.equal(asked(), 'service');
    await backend.json('/breakdown?by=RegionId&period=P30D');
    assert.equal(asked(), 'region');
    assert.equal((await backend.fetch('/breakdown?by=constructor')).status, 400);
  });

  it('tells nobody of what is not his', async () => {
    backend.seesAll = false;
    try {
      for (const path of [
        '/providers',
        '/datasets',
        '/costs/daily',
        '/costs/summary',
        '/breakdown',
      ]) {
        assert.equal((await backend.fetch(path)).status, 403, path);
        backend.sidecar.costs.questions.length = 0;
        assert.equal((await backend.fetch(`${path}?project=store`)).status, 200, path);
        const asked = backend.sidecar.costs.questions.filter(({ method }) =>
          ['queryCosts', 'compareCosts'].includes(method),
        );
        assert.ok(asked.length > 0, path);
        for (const { request } of asked) {
          assert.deepEqual(
            (request as { filters: unknown }).filters,
            [{ dimension: 'system', values: ['system:default/store'] }],
            path,
          );
        }
      }
    } finally {
      backend.seesAll = true;
    }
  });

  it('narrows to a project, and knows who may see it', async () => {
    await backend.json('/costs/daily?period=3d&project=store');
    assert.deepEqual(backend.lastAsked('queryCosts').filters, [
      { dimension: 'system', values: ['system:default/store'] },
    ]);
    backend.seesAll = false;
    assert.equal((await backend.fetch('/costs/daily')).status, 403);
    assert.equal((await backend.fetch('/costs/daily?project=component:default/shop')).status, 200);
    assert.equal((await backend.fetch('/costs/daily?project=other')).status, 403);
    backend.seesAll = true;
    assert.equal((await backend.fetch('/costs/daily?period=soon')).status, 400);
    assert.deepEqual(parsePeriod('2026-02', '2026-11-03'), {
      from: '2026-02-01',
      to: '2026-02-28',
    });
  });
});
