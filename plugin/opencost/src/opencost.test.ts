import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import plugin from './index';
import { parseQuestion, parseWindow } from './question';

const { row } = CostSurfaceBackend;

describe("OpenCost's allocation API", () => {
  let backend: CostSurfaceBackend;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'opencost');
    backend.hasCosts('2026-01-01', '2026-11-20', CostSurfaceBackend.row([], '1'));
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

  it('makes sets of days, without a step one', async () => {
    const sets = async (more: string) => {
      const { data } = (await backend.json(
        `/allocation/compute?window=2026-11-01T00:00:00Z,2026-11-04T00:00:00Z&aggregate=namespace${more}`,
      )) as { data: Array<Record<string, { window: { start: string; end: string } }>> };
      return data.map(set => Object.keys(set).length);
    };
    assert.deepEqual(await sets(''), [3]);
    assert.deepEqual(await sets('&step=1d'), [1, 2, 0]);
    assert.deepEqual(await sets('&step=48h'), [3, 0]);
    assert.deepEqual(await sets('&step=1d&includeIdle=false'), [1, 1, 0]);
    assert.equal((await backend.fetch('/allocation/compute?window=6d&step=6h')).status, 400);
    // Bills have no pods to filter.
    const filtered = `/allocation/compute?window=6d&filter=${encodeURIComponent('pod:"a"')}`;
    assert.equal((await backend.fetch(filtered)).status, 400);
  });

  it("hands on what clusters cost, as purserd's text", async () => {
    const { answers } = backend.sidecar.costs;
    answers.sumAllocations = [
      { set: 0, text: '{"web":{"cpuCost":0.1' },
      { set: 0, text: '00000000000000000001}}' },
      { set: 1, text: '{}' },
    ];
    try {
      const response = await backend.fetch(
        `/allocation/compute?window=1764547200,1764720000&aggregate=namespace,label:app&step=1d&shareIdle=true&idleByNode=true&shareNamespaces=kube-system&filter=${encodeURIComponent('cluster:"eu"')}`,
      );
      assert.match(response.headers.get('content-type')!, /^application\/json/);
      assert.equal(
        await response.text(),
        '{"code":200,"data":[{"web":{"cpuCost":0.100000000000000000001}},{}]}',
      );
      assert.deepEqual(backend.lastAsked('sumAllocations'), {
        fromDay: '2025-12-01',
        toDay: '2025-12-02',
        aggregate: ['namespace', 'label:app'],
        stepDays: 1,
        filter: 'cluster:"eu"',
        idle: 2,
        idleByNode: true,
        shareNamespaces: ['kube-system'],
      });
      backend.seesAll = false;
      assert.equal((await backend.fetch('/allocation/compute?window=6d')).status, 403);
    } finally {
      backend.seesAll = true;
      answers.sumAllocations = undefined;
    }
  });

  it('knows the parameters, and refuses what it cannot do', () => {
    const now = Date.parse('2026-11-20T09:00:00Z');
    const ask = (query: Record<string, string>) => parseQuestion({ window: '6d', ...query }, now);
    assert.equal(ask({ accumulate: 'true', step: '1d' }).stepDays, 0);
    assert.equal(ask({ accumulate: 'false', step: '1d' }).stepDays, 1);
    assert.equal(ask({ accumulateBy: 'week' }).stepDays, 7);
    assert.equal(ask({ idle: 'false' }).idle, 'hide');
    assert.deepEqual(ask({ aggregate: 'container' }).aggregate, ['pod']);
    const refused: Array<Record<string, string>> = [
      { filterNamespaces: 'web' },
      { accumulate: 'quarter' },
      { shareSplit: 'even' },
      { window: '500d' },
    ];
    for (const query of refused) {
      assert.throws(() => ask(query), { name: 'InputError' });
    }
  });

  it('knows the windows, and refuses others', async () => {
    const today = '2026-11-20'; // a Friday
    const now = Date.parse(`${today}T09:00:00Z`);
    assert.deepEqual(parseWindow('today', now), { from: today, to: today });
    assert.deepEqual(parseWindow('week', now), { from: '2026-11-16', to: today });
    assert.deepEqual(parseWindow('lastweek', now), { from: '2026-11-09', to: '2026-11-15' });
    assert.deepEqual(parseWindow('lastmonth', now), { from: '2026-10-01', to: '2026-10-31' });
    assert.deepEqual(parseWindow('6d', now), { from: '2026-11-14', to: today });
    assert.deepEqual(parseWindow('60m', now), { from: today, to: today });
    assert.deepEqual(parseWindow('24h', now), { from: '2026-11-19', to: today });
    assert.deepEqual(parseWindow('1w', now), { from: '2026-11-13', to: today });
    assert.equal((await backend.fetch('/allocation/compute?window=soon')).status, 400);
    assert.equal((await backend.fetch('/allocation/compute?window=6d&aggregate=moon')).status, 400);
    backend.seesAll = false;
    assert.equal((await backend.fetch('/allocation/compute?window=6d')).status, 403);
    backend.seesAll = true;
  });
});
