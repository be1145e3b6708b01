import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { AuthorizeResult, isResourcePermission } from '@backstage/plugin-permission-common';
import { RESOURCE_TYPE_PURSER_COSTS } from '@purser/plugin-purser-common';
import { createPurserCostsConditionalDecision, purserCostsConditions } from '../index';
import { PurserTestBackend } from '../testBackend';

describe('costs over REST', () => {
  let backend: PurserTestBackend;

  before(async () => {
    backend = await PurserTestBackend.start();
    backend.sidecar.costs.answers.getCostStatus = {
      firstDay: '2026-01-01',
      lastDay: '2026-11-20',
      dataVersion: 7n,
    };
    backend.sidecar.costs.answers.getCostStatement = {
      text: '<!doctype html><h1>Costs</h1>',
      mediaType: 'text/html; charset=utf-8',
    };
    backend.groups.set('user:default/guest', ['group:default/analytics']);
  });
  after(() => backend.stop());
  beforeEach(() => {
    backend.decide = () => ({ result: AuthorizeResult.ALLOW });
    backend.sidecar.costs.questions.length = 0;
    backend.sidecar.calls.names.length = 0;
  });

  const top = '/v1/costs/top?from=2026-11-01&to=2026-11-20&dimension=service';

  it('answers 304 while neither the query nor the data changed', async () => {
    const first = await backend.fetch(top);
    const tag = first.headers.get('etag')!;
    assert.match(tag, /^"7-/);
    assert.equal(first.headers.get('cache-control'), 'private, no-cache');
    const again = await backend.fetch(top, { headers: { 'if-none-match': tag } });
    assert.equal(again.status, 304);
    // As a proxy that compresses makes it, among others.
    const weak = await backend.fetch(top, { headers: { 'if-none-match': `"1-x", W/${tag}` } });
    assert.equal(weak.status, 304);
    assert.equal(backend.sidecar.costs.questions.length, 1, 'nothing is summed again');
    const other = await backend.fetch(`${top}&limit=3`, { headers: { 'if-none-match': tag } });
    assert.equal(other.status, 200);
    backend.sidecar.costs.answers.getCostStatus!.dataVersion = 8n;
    const newer = await backend.fetch(top, { headers: { 'if-none-match': tag } });
    assert.equal(newer.status, 200);
    assert.match(newer.headers.get('etag')!, /^"8-/);
  });

  it('tags what changes with the data, and nothing else', async () => {
    backend.sidecar.costs.answers.listCostSources = { sources: [] };
    const tagOf = async (path: string) => (await backend.fetch(path)).headers.get('etag');
    for (const path of [
      '/v1/costs/budgets',
      '/v1/costs/deliveries',
      '/v1/costs/entities/resource/default/w/units?metric=orders&from=2026-11-01&to=2026-11-30',
    ]) {
      assert.ok(await tagOf(path), path);
    }
    assert.doesNotMatch((await tagOf('/v1/costs/sources')) ?? '', /^"\d+-/);
  });

  it('lets people see what is theirs without the permission to see all', async () => {
    backend.decide = ({ name }) => ({
      result: name === 'purser.cost.read.all' ? AuthorizeResult.DENY : AuthorizeResult.ALLOW,
    });
    const status = async (path: string) => (await backend.fetch(path)).status;
    assert.equal(await status(top), 403);
    assert.equal(await status(`${top}&filter=group%3Dgroup:default/analytics`), 200);
    assert.equal(await status(`${top}&filter=group%3Dgroup:default/others`), 403);
    assert.equal(await status(`${top}&filter=entity%3Dresource:default/w`), 200);
    assert.equal(await status(`${top}&filter=service%3DEC2`), 403);
    assert.equal(await status('/v1/costs/budgets'), 403);
    assert.equal(await status('/v1/costs/budgets?of=group:default/analytics'), 200);
    assert.equal(await status('/v1/costs/budgets?of=lakes'), 403, 'nobody owns a product');
    assert.equal(await status('/v1/costs/anomalies'), 403);
    assert.equal(await status('/v1/costs/anomalies?of=group:default/others'), 403);
    assert.equal(await status('/v1/costs/anomalies?filter=owner%3Dgroup:default/analytics'), 200);
    assert.equal(await status('/v1/costs/anomalies?filter=owner%3Dgroup:default/others'), 403);
    assert.equal(await status('/v1/costs/reconciliation?from=2026-11-01&to=2026-11-30'), 403);
    assert.equal(
      await status('/v1/costs/entities/resource/default/w/explanation?month=2026-11'),
      200,
    );
    const denied = await backend.fetch(top, { headers: { 'if-none-match': '"8-x"' } });
    assert.equal(denied.status, 403, 'a tag opens nothing');
  });

  it('tells people what like things cost only when they are several', async () => {
    const observed = (entities: bigint) => ({
      currency: 'EUR',
      entities,
      medianMonthly: '60',
      highestMonthly: '75',
      fromDay: '2026-10-22',
      toDay: '2026-11-20',
    });
    backend.sidecar.costs.answers.estimateCosts = {
      product: 'notebook',
      currency: 'EUR',
      monthly: '12.5',
      lines: [],
      observed: [observed(1n), { ...observed(5n), currency: 'USD' }],
    };
    const currencies = async () => {
      const answer = await backend.fetch('/v1/costs/estimate', {
        method: 'POST',
        body: { product: 'notebook' },
      });
      const { observed: seen } = (await answer.json()) as { observed: Array<{ currency: string }> };
      return seen.map(({ currency }) => currency);
    };
    assert.deepEqual(await currencies(), ['EUR', 'USD']);
    backend.decide = ({ name }) => ({
      result: name === 'purser.cost.read.all' ? AuthorizeResult.DENY : AuthorizeResult.ALLOW,
    });
    assert.deepEqual(await currencies(), ['USD'], 'one thing is somebody');
  });

  it('follows the conditions of a permission policy', async () => {
    const allow = (...claims: string[]) => {
      backend.decide = permission =>
        isResourcePermission(permission, RESOURCE_TYPE_PURSER_COSTS)
          ? createPurserCostsConditionalDecision(
              permission,
              purserCostsConditions.isOwner({ claims }),
            )
          : { result: AuthorizeResult.DENY };
    };
    const status = async (filter: string) =>
      (await backend.fetch(`${top}${filter && `&filter=${encodeURIComponent(filter)}`}`)).status;
    allow('group:default/analytics');
    assert.equal(await status('group=group:default/analytics'), 200);
    assert.equal(await status('entity=resource:default/w'), 200);
    assert.equal(await status('group=group:default/others'), 403);
    assert.equal(await status(''), 403);
    assert.equal((await backend.fetch('/v1/costs/status')).status, 200);
    // The policy's word counts, not what the caller owns beside it.
    allow('group:default/others');
    assert.equal(await status('group=group:default/others'), 200);
    assert.equal(await status('entity=resource:default/w'), 403);
    backend.decide = () => ({ result: AuthorizeResult.DENY });
    assert.equal((await backend.fetch('/v1/costs/status')).status, 403);
  });

  it('serves a statement as a page in which nothing runs', async () => {
    const response = await backend.fetch(
      '/v1/costs/statement?owner=group:default/analytics&from=2026-11-01&to=2026-11-30&format=html',
    );
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type')!, /^text\/html/);
    assert.match(response.headers.get('content-security-policy')!, /default-src 'none'/);
    assert.match(await response.text(), /<h1>Costs/);
  });

  it('tells deliveries apart for those who see everything', async () => {
    const delivery = {
      id: 7n,
      source: 'aws',
      billingPeriod: '2026-11-01',
      at: '2026-11-20T10:00:00+00:00',
      sha256: 'x',
      rows: 3n,
      totals: [
        {
          billingPeriod: '2026-11-01',
          currency: 'USD',
          billedCost: '7',
          effectiveCost: '7',
          allocatedBilledCost: '',
        },
      ],
      current: true,
      comparable: true,
    };
    backend.sidecar.costs.answers.listCostDeliveries = { deliveries: [delivery] };
    backend.sidecar.costs.answers.diffCosts = {
      before: { ...delivery, id: 6n, current: false },
      after: delivery,
      changes: [
        {
          keys: ['S3'],
          currency: 'USD',
          billed: '-1.5',
          effective: '-1.5',
          charges: -1n,
          changedSums: 2n,
        },
      ],
    };
    const deliveries = await (await backend.fetch('/v1/costs/deliveries?source=aws')).json();
    assert.deepEqual(deliveries, {
      items: [
        {
          id: 7,
          source: 'aws',
          billingPeriod: '2026-11-01',
          at: '2026-11-20T10:00:00+00:00',
          rows: 3,
          totals: [{ currency: 'USD', billedCost: '7', effectiveCost: '7' }],
          current: true,
          comparable: true,
        },
      ],
    });
    const diff = (await (
      await backend.fetch('/v1/costs/diff?source=aws&month=2026-11&before=6&groupBy=service')
    ).json()) as { before: { id: number }; changes: object[] };
    assert.equal(diff.before.id, 6);
    assert.deepEqual(diff.changes, [
      {
        keys: ['S3'],
        currency: 'USD',
        billed: '-1.5',
        effective: '-1.5',
        charges: -1,
        changedSums: 2,
      },
    ]);
    assert.deepEqual(backend.sidecar.costs.questions.at(-1)?.request, {
      source: 'aws',
      billingPeriod: '2026-11-01',
      before: 6n,
      after: 0n,
      groupBy: ['service'],
    });
    assert.equal((await backend.fetch('/v1/costs/diff?source=aws&month=11')).status, 400);
    backend.decide = ({ name }) => ({
      result: name === 'purser.cost.read.all' ? AuthorizeResult.DENY : AuthorizeResult.ALLOW,
    });
    assert.equal((await backend.fetch('/v1/costs/deliveries')).status, 403);
    assert.equal((await backend.fetch('/v1/costs/sources')).status, 403);
  });

  it('hands filters on as they are meant', async () => {
    backend.sidecar.costs.answers.listAnomalies = {
      day: '2026-11-20',
      anomalies: [],
      nextPageToken: 'more',
    };
    await backend.fetch(
      `${top}&filter=group%3Dgroup:default/a&filter=group%3Dgroup:default/b&filter=service%3DA%3DB`,
    );
    const [{ method, request }] = backend.sidecar.costs.questions;
    assert.equal(method, 'topCosts');
    assert.deepEqual((request as { filters: unknown }).filters, [
      { dimension: 'group', values: ['group:default/a', 'group:default/b'] },
      { dimension: 'service', values: ['A=B'] },
    ]);
    const anomalies = await (
      await backend.fetch(
        '/v1/costs/anomalies?from=2026-11-01&to=2026-11-20&filter=owner%3Dgroup:default/a&pageSize=5',
      )
    ).json();
    assert.deepEqual(anomalies, { day: '2026-11-20', items: [], nextPageToken: 'more' });
    assert.deepEqual(backend.sidecar.costs.questions.at(-1)?.request, {
      day: '',
      fromDay: '2026-11-01',
      toDay: '2026-11-20',
      dimension: '',
      of: '',
      filters: [{ dimension: 'owner', values: ['group:default/a'] }],
      pageSize: 5,
      pageToken: '',
    });
    const bad = await backend.fetch(
      '/v1/costs/compare?from=2026-11-01&to=2026-11-20&dimension=service&beforeFrom=2026-10-01',
    );
    assert.equal(bad.status, 400);
    assert.match(await bad.text(), /go together/);
  });
});
