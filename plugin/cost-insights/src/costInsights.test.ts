import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import { CostInsightsClient } from './client';
import plugin from './index';
import { parseIntervals } from './intervals';

const { row } = CostSurfaceBackend;
const intervals = 'R2/P2D/2026-11-05';

describe('Cost Insights', () => {
  let backend: CostSurfaceBackend;
  let client: CostInsightsClient;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'cost-insights-aws');
    const { answers } = backend.sidecar.costs;
    backend.hasCosts('2026-10-01', '2026-11-04', row([], '9'));
    answers.queryCosts = ({ groupBy }) =>
      groupBy.join() === 'system'
        ? [row(['system:default/store'], '1'), row([''], '1')]
        : [
            row(['2026-11-01', 'S3'], '10'),
            row(['2026-11-03', 'S3'], '12'),
            row(['2026-11-03', 'EC2'], '3'),
          ];
    answers.compareCosts = {
      rows: [
        {
          key: 'component:default/shop',
          currency: 'EUR',
          before: '10',
          after: '15',
          change: '5',
          changePercent: '50',
        },
      ],
    };
    answers.getUnitCosts = {
      months: [{ month: '2026-11', currency: 'EUR', cost: '1', units: '40', unitCost: '0.025' }],
    };
    client = new CostInsightsClient({
      discoveryApi: { getBaseUrl: async () => backend.base },
      fetchApi: { fetch: url => backend.fetch(url.slice(backend.base.length)) },
    });
  });
  after(() => backend.stop());

  it("answers the AWS backend's route", async () => {
    const cost = await backend.json(
      `/v1/entity/default/component/shop/${encodeURIComponent(intervals)}`,
    );
    const series = (id: string, amounts: number[]) => ({
      id,
      aggregation: amounts.map((amount, i) => ({ date: `2026-11-0${i + 1}`, amount })),
    });
    const { trendline, groupedCosts, ...rest } = cost as Record<string, never>;
    assert.deepEqual(rest, {
      ...series('shop', [10, 0, 15, 0]),
      change: { ratio: 0.5, amount: 5 },
    });
    // By least squares over the four days.
    const { slope } = trendline as { slope: number };
    assert.ok(Math.abs(slope * 86_400 + 1.5) < 1e-6, String(slope * 86_400));
    const { service } = groupedCosts as { service: Array<{ id: string; change: object }> };
    assert.deepEqual(
      service.map(({ id, change }) => [id, change]),
      [
        ['S3', { ratio: 0.2, amount: 2 }],
        ['EC2', { amount: 3 }],
      ],
    );
  });

  it('has all nine methods', async () => {
    assert.equal(await client.getLastCompleteBillingDate(), '2026-11-04');
    assert.deepEqual(await client.getUserGroups('user:default/guest'), [
      { id: 'group:default/web', name: 'web' },
    ]);
    assert.deepEqual(await client.getGroupProjects('group:default/web'), [
      { id: 'system:default/store', name: 'store' },
    ]);
    for (const cost of [
      await client.getCatalogEntityDailyCost('component:default/shop', intervals),
      await client.getGroupDailyCost('web', intervals),
      await client.getProjectDailyCost('store', intervals),
    ]) {
      assert.equal(cost.change!.amount, 5);
    }
    const metric = await client.getDailyMetricData('orders@component:default/shop', intervals);
    assert.deepEqual(metric.aggregation, [{ date: '2026-11-01', amount: 40 }]);
    const insight = await client.getProductInsights({
      product: 'S3',
      group: 'web',
      intervals,
      project: null,
    });
    assert.deepEqual(insight.aggregation, [10, 15]);
    assert.equal(insight.entities.entity[0].id, 'component:default/shop');
    assert.deepEqual(await client.getAlerts('web'), []);
  });

  it('shows people what is theirs', async () => {
    backend.seesAll = false;
    await client.getCatalogEntityDailyCost('component:default/shop', intervals);
    await client.getGroupDailyCost('web', intervals);
    await assert.rejects(client.getGroupDailyCost('others', intervals), /403/);
    backend.seesAll = true;
    await assert.rejects(client.getGroupDailyCost('web', 'R2/P30D'), /400/);
  });

  it('knows months of any length', () => {
    assert.deepEqual(parseIntervals('R2/P30D/2026-12-01'), {
      from: '2026-10-02',
      middle: '2026-11-01',
      to: '2026-11-30',
    });
    assert.deepEqual(parseIntervals('R2/P3M/2026-12-01'), {
      from: '2026-06-01',
      middle: '2026-09-01',
      to: '2026-11-30',
    });
  });
});
