import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import plugin from './index';
import { parseWindow } from './router';

const { row } = CostSurfaceBackend;

describe("OpenCost's allocation API", () => {
  let backend: CostSurfaceBackend;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'opencost');
    backend.sidecar.costs.answers.getCostStatus = {
      firstDay: '2026-01-01',
      lastDay: '2026-11-20',
      dataVersion: 1n,
    };
    backend.sidecar.costs.answers.topCosts = {
      rows: [],
      rest: [],
      total: [CostSurfaceBackend.row([], '1')],
    };
    backend.sidecar.costs.answers.queryCosts = () => [
      row(['2026-11-01', 'system:default/store', ''], '10'),
      row(['2026-11-01', 'system:default/store', 'cluster'], '2.5'),
      row(['2026-11-02', 'idle:cluster', 'cluster'], '1'),
      row(['2026-11-02', '', ''], '4'),
    ];
  });
  after(() => backend.stop());

  it('gives one set per day', async () => {
    const answer = (await backend.json(
      '/allocation/compute?window=2026-11-01T00:00:00Z,2026-11-03T00:00:00Z&aggregate=namespace&step=1d&accumulate=false',
    )) as { code: number; data: Array<Record<string, Record<string, unknown>>> };
    assert.equal(answer.code, 200);
    assert.equal(answer.data.length, 2);
    assert.deepEqual(answer.data[0]['system:default/store'], {
      name: 'system:default/store',
      properties: {},
      window: { start: '2026-11-01T00:00:00Z', end: '2026-11-02T00:00:00Z' },
      start: '2026-11-01T00:00:00Z',
      end: '2026-11-02T00:00:00Z',
      minutes: 1440,
      cpuCost: 0,
      gpuCost: 0,
      ramCost: 0,
      pvCost: 0,
      networkCost: 0,
      loadBalancerCost: 0,
      sharedCost: 2.5,
      externalCost: 10,
      totalCost: 12.5,
      totalEfficiency: 0,
      cpuEfficiency: 0,
      ramEfficiency: 0,
    });
    assert.deepEqual(Object.keys(answer.data[1]).sort(), ['__idle__', '__unallocated__']);
  });

  it('accumulates', async () => {
    const answer = (await backend.json(
      '/allocation/compute?window=2026-11-01T00:00:00Z,2026-11-03T00:00:00Z&aggregate=namespace&accumulate=true',
    )) as { data: Array<Record<string, { minutes: number }>> };
    assert.equal(answer.data.length, 1);
    assert.equal(answer.data[0]['system:default/store'].minutes, 2880);
  });

  it('knows the windows, and refuses others', async () => {
    const today = '2026-11-20'; // a Friday
    assert.deepEqual(parseWindow('today', today), { from: today, to: today });
    assert.deepEqual(parseWindow('week', today), { from: '2026-11-16', to: today });
    assert.deepEqual(parseWindow('lastweek', today), { from: '2026-11-09', to: '2026-11-15' });
    assert.deepEqual(parseWindow('lastmonth', today), { from: '2026-10-01', to: '2026-10-31' });
    assert.deepEqual(parseWindow('6d', today), { from: '2026-11-14', to: today });
    assert.equal((await backend.fetch('/allocation/compute?window=soon')).status, 400);
    assert.equal((await backend.fetch('/allocation/compute?window=6d&aggregate=moon')).status, 400);
    backend.seesAll = false;
    assert.equal((await backend.fetch('/allocation/compute?window=6d')).status, 403);
    backend.seesAll = true;
  });
});
