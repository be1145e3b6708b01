import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import { parseFilters } from './filters';
import plugin from './index';

const { row } = CostSurfaceBackend;
const from = Date.UTC(2026, 9, 1);
const to = Date.UTC(2026, 10, 20);

describe("InfraWallet's REST", () => {
  let backend: CostSurfaceBackend;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'infrawallet');
    backend.sidecar.costs.answers.queryCosts = () => [
      row(['2026-10', '42', 'Storage', 'Usage', 'aws', 'system:default/store'], '10.25'),
      row(['2026-11', '42', 'Storage', 'Usage', 'aws', 'system:default/store'], '5.5'),
      row(['2026-11', '42', 'Storage', 'Tax', 'aws', ''], '1'),
    ];
    backend.hasCosts('2026-01-01', '2026-11-20', row([], '1', 'USD'), row([], '9', 'EUR'));
  });
  after(() => backend.stop());

  it('gives reports in its form', async () => {
    const answer = await backend.json(
      `/reports?granularity=monthly&groups=&filters=(provider:aws,account:(aws/42|aws/43))&tags=&startTime=${from}&endTime=${to}`,
    );
    assert.deepEqual(answer, {
      data: [
        {
          id: 'aws->42->Storage->Usage->system:default/store',
          account: 'aws/42',
          service: 'aws/Storage',
          category: 'Usage',
          provider: 'aws',
          providerType: 'Integration',
          project: 'system:default/store',
          reports: { '2026-10': 10.25, '2026-11': 5.5 },
        },
        {
          id: 'aws->42->Storage->Tax->',
          account: 'aws/42',
          service: 'aws/Storage',
          category: 'Tax',
          provider: 'aws',
          providerType: 'Integration',
          project: 'none',
          reports: { '2026-11': 1 },
        },
      ],
      errors: [],
      status: 200,
    });
    const { fromDay, toDay, filters } = backend.lastAsked('queryCosts');
    assert.deepEqual([fromDay, toDay], ['2026-10-01', '2026-11-20']);
    assert.deepEqual(filters, [
      { dimension: 'source', values: ['aws'] },
      { dimension: 'account', values: ['42', '43'] },
    ]);
    assert.deepEqual(parseFilters('(service:AWS/EC2, Instances)'), [
      { dimension: 'service', values: ['EC2, Instances'] },
    ]);
    assert.deepEqual(parseFilters('(project:(store|system:eu/b|none))'), [
      { dimension: 'system', values: ['system:default/store', 'system:eu/b', ''] },
    ]);
    assert.throws(() => parseFilters('(colour:red)'), { name: 'InputError' });
  });

  it('gives its wallet and its lists', async () => {
    assert.deepEqual(await backend.json('/default'), {
      data: {
        id: 'default',
        name: 'default',
        currency: 'EUR',
        description: "Purser's costs",
      },
      status: 200,
    });
    assert.deepEqual(await backend.json('/default/budgets'), { data: [], status: 200 });
    assert.deepEqual(await backend.json('/tag-keys'), { data: [], errors: [], status: 200 });
    assert.deepEqual(await backend.json('/metric/metric-configs'), { data: [], status: 200 });
    assert.equal((await backend.fetch('/other')).status, 404);
    assert.equal((await backend.fetch('/health', { as: 'nobody' })).status, 200);
  });

  it('lets nobody change anything, nor see without permission', async () => {
    assert.equal((await backend.fetch('/default/budgets', { method: 'PUT' })).status, 403);
    assert.equal((await backend.fetch('/fetch_and_save_costs')).status, 403);
    const path = `/reports?granularity=daily&startTime=${from}&endTime=${to}`;
    assert.equal((await backend.fetch(path, { as: 'nobody' })).status, 401);
    backend.seesAll = false;
    try {
      assert.equal((await backend.fetch(path)).status, 403);
      const mine = await backend.fetch(`${path}&entityName=default/shop`);
      assert.equal(mine.status, 200);
      assert.deepEqual(backend.lastAsked('queryCosts').filters, [
        { dimension: 'entity', values: ['component:default/shop'] },
      ]);
      assert.equal((await backend.fetch(`${path}&entityName=default/other`)).status, 403);
      // What the annotation infrawallet.io/project asks for.
      for (const [project, status] of [
        ['store', 200],
        ['system:default/store', 200],
        ['(store|other)', 403],
        ['(store|none)', 403],
        ['other', 403],
      ]) {
        const asked = await backend.fetch(`${path}&filters=(project:${project})`);
        assert.equal(asked.status, status, String(project));
      }
    } finally {
      backend.seesAll = true;
    }
  });
});
