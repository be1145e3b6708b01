import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createServiceFactory } from '@backstage/backend-plugin-api';
import { mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import type { RegisterCollatorParameters } from '@backstage/plugin-search-backend-node';
import { searchIndexRegistryExtensionPoint } from '@backstage/plugin-search-backend-node/alpha';
import type { IndexableDocument } from '@backstage/plugin-search-common';
import {
  createPurserService,
  type DefaultPurserService,
  purserServiceRef,
} from '@purser/plugin-purser-node';
import { testBlueprint, TestSidecar } from '@purser/plugin-purser-node/testUtils';
import searchModule from './index';

describe('the search module', () => {
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;
  let collators: Map<string, RegisterCollatorParameters>;
  let stop: () => Promise<void>;

  beforeEach(async () => {
    sidecar = await TestSidecar.start({ blueprints: [testBlueprint('bucket')] });
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
    collators = new Map();
    const backend = await startTestBackend({
      features: [
        searchModule,
        mockServices.rootConfig.factory({ data: {} }),
        createServiceFactory({ service: purserServiceRef, deps: {}, factory: () => purser }),
      ],
      extensionPoints: [
        [
          searchIndexRegistryExtensionPoint,
          {
            addCollator: (options: RegisterCollatorParameters) =>
              void collators.set(options.factory.type, options),
            addDecorator: () => undefined,
          },
        ],
      ],
    });
    stop = () => backend.stop();
  });

  afterEach(async () => {
    await stop();
    purser.close();
    sidecar.stop();
  });

  async function collect(type: string): Promise<IndexableDocument[]> {
    const documents: IndexableDocument[] = [];
    for await (const document of await collators.get(type)!.factory.getCollator()) {
      documents.push(document);
    }
    return documents;
  }

  it('documents budgets and anomalies, each in a place of its own', async () => {
    sidecar.costs.answers.listBudgets = {
      budgets: [
        {
          name: 'web',
          dimension: 'group',
          of: 'group:default/web',
          owner: 'group:default/web',
          amount: '100',
          currency: 'EUR',
          period: 'month',
          fromDay: '2026-11-01',
          toDay: '2026-11-30',
          spent: '80',
          spentPercent: '80',
          forecast: '120',
          forecastMethod: 'holt-winters',
          thresholds: [80],
          crossed: 80,
          measure: 'billed',
          problem: '',
        },
        {
          name: 'francs',
          dimension: 'product',
          of: 'shop',
          owner: '',
          amount: '100',
          currency: 'CHF',
          period: 'month',
          fromDay: '2026-11-01',
          toDay: '2026-11-30',
          spent: '',
          spentPercent: '',
          forecast: '',
          forecastMethod: '',
          thresholds: [80],
          crossed: 0,
          measure: 'billed',
          problem: 'there is no rate',
        },
      ],
    };
    sidecar.costs.answers.listAnomalies = {
      day: '2026-11-20',
      nextPageToken: '',
      anomalies: [
        {
          id: 'a1',
          dimension: 'entity',
          of: 'component:default/shop',
          owner: 'group:default/web',
          day: '2026-11-20',
          currency: 'EUR',
          cost: '90',
          expected: '20',
          difference: '70',
          score: 12.5,
          service: 'S3',
          sku: '',
          region: 'eu-1',
          causeDifference: '70',
        },
      ],
    };
    const [budget, unknown] = await collect('purser-budget');
    assert.match(unknown.text, /is not known \(there is no rate\)/);
    assert.equal(budget.location, '/catalog/default/group/web?budget=web');
    assert.match(budget.text, /80 of 100 EUR \(80 %\).*120 expected/);
    assert.deepEqual(await collect('purser-anomaly'), [], 'there are no costs yet');
    sidecar.costs.answers.getCostStatus = {
      firstDay: '2026-01-01',
      lastDay: '2026-11-20',
      dataVersion: 1n,
    };
    const template = sidecar.costs.answers.listAnomalies.anomalies[0];
    for (let i = 2; i <= 250; i++) {
      sidecar.costs.answers.listAnomalies.anomalies.push({ ...template, id: `a${i}` });
    }
    sidecar.costs.questions.length = 0;
    const anomalies = await collect('purser-anomaly');
    assert.equal(new Set(anomalies.map(({ location }) => location)).size, 250);
    const asked = sidecar.costs.questions.filter(({ method }) => method === 'listAnomalies');
    assert.deepEqual(
      asked.map(({ request }) => {
        const { fromDay, toDay, pageToken } = request as Record<string, string>;
        return [fromDay, toDay, pageToken];
      }),
      [
        ['2026-11-14', '2026-11-20', ''],
        ['2026-11-14', '2026-11-20', '100'],
        ['2026-11-14', '2026-11-20', '200'],
      ],
    );
    const [anomaly] = anomalies;
    assert.equal(anomaly.location, '/catalog/default/component/shop?anomaly=a1');
    assert.match(anomaly.text, /90 instead of 20 EUR.*S3 eu-1/);
    for (const type of ['purser-budget', 'purser-anomaly']) {
      const { visibilityPermission } = collators.get(type)!.factory;
      assert.equal(visibilityPermission?.name, 'purser.cost.read.all');
    }
  });

  it('reads all requests page by page, each with the reference permissions ask for', async () => {
    for (let i = 0; i < 250; i++) {
      await purser.sidecar.createRequest({
        blueprint: 'bucket',
        parameters: { name: `n${i}` },
        owner: 'group:default/analytics',
        requester: 'user:default/guest',
      });
    }
    sidecar.calls.names.length = 0;
    const documents = await collect('purser-request');
    assert.equal(documents.length, 250);
    assert.equal(sidecar.calls.names.filter(name => name === 'ListRequests').length, 3);
    const last = documents[249];
    assert.equal(last.title, 'bucket n0');
    assert.equal(last.location, '/catalog/default/resource/bucket-1?request=req_000001');
    assert.equal(new Set(documents.map(document => document.location)).size, 250);
    assert.deepEqual(last.authorization, { resourceRef: 'req_000001' });
    assert.match(last.text, /group:default\/analytics/);
    assert.equal(
      collators.get('purser-request')!.factory.visibilityPermission?.name,
      'purser.request.read',
    );
  });

  it('reads no further than its reader does', async () => {
    for (let i = 0; i < 1_000; i++) {
      sidecar.provisioning.requests.push({ ...(await template()), id: `req_${i}` });
    }
    sidecar.calls.names.length = 0;
    const stream = await collators.get('purser-request')!.factory.getCollator();
    for await (const document of stream) {
      assert.ok(document);
      break;
    }
    assert.ok(
      sidecar.calls.names.length <= 2,
      `${sidecar.calls.names.length} pages for one document`,
    );
  });

  it('reads the products', async () => {
    const documents = await collect('purser-product');
    assert.deepEqual(documents, [
      {
        title: 'The bucket',
        text: 'bucket Makes a bucket.',
        location: '/create?product=bucket',
        blueprint: 'bucket',
      },
    ]);
  });

  it('fails the stream when the sidecar is away, so that the old index stays', async () => {
    sidecar.kill();
    await assert.rejects(collect('purser-request'), { name: 'ServiceUnavailableError' });
  });

  async function template() {
    return purser.sidecar.createRequest({
      blueprint: 'bucket',
      parameters: { name: 'x' },
      requester: 'user:default/guest',
      validateOnly: true,
    });
  }
});
