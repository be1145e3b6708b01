import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { mockCredentials } from '@backstage/backend-test-utils';
import { purserPermissions, purserRequestReadPermission } from '@purser/plugin-purser-common';
import { TestHoldings, testSource, until } from '@purser/plugin-purser-node/testUtils';
import { z as z3 } from 'zod/v3';
import { apiDocument, type ApiOperation } from './api/document';
import { createSchemaCompiler } from './api/validation';
import { createPurserRequestConditionalDecision, purserRequestConditions } from './index';
import { operations } from './operations';
import { MAX_BODY_BYTES, routes } from './router';
import { PurserTestBackend } from './testBackend';

const compile = createSchemaCompiler({ coerceTypes: false });

/** A call of each route that should succeed, by "method path". */
const calls: Record<string, (id: string) => { path: string; body?: unknown }> = {
  'get /v1/blueprints': () => ({ path: '/v1/blueprints?pageSize=10' }),
  'get /v1/requests': () => ({
    path: '/v1/requests?states=running,waiting-approval&withSteps=true',
  }),
  'post /v1/requests': () => ({
    path: '/v1/requests',
    body: { blueprint: 'bucket', parameters: { name: 'new' }, owner: 'group:default/analytics' },
  }),
  'get /v1/requests/{id}': id => ({ path: `/v1/requests/${id}` }),
  'get /v1/requests/{id}/events': id => ({ path: `/v1/requests/${id}/events?after=0` }),
  'post /v1/requests/{id}/approve': id => ({
    path: `/v1/requests/${id}/approve`,
    body: { reason: 'ok' },
  }),
  'post /v1/requests/{id}/reject': id => ({
    path: `/v1/requests/${id}/reject`,
    body: { reason: 'too dear' },
  }),
  'post /v1/requests/{id}/cancel': id => ({ path: `/v1/requests/${id}/cancel`, body: {} }),
  'post /v1/requests/{id}/retry': id => ({ path: `/v1/requests/${id}/retry`, body: {} }),
  'get /v1/entities/{kind}/{namespace}/{name}/resources': () => ({
    path: '/v1/entities/resource/default/w/resources',
  }),
  'get /v1/costs/entities/{kind}/{namespace}/{name}': () => ({
    path: '/v1/costs/entities/Resource/default/w?days=30&asOf=2026-11-20',
  }),
  'get /v1/costs/query': () => ({
    path: '/v1/costs/query?from=2026-10-22&to=2026-11-20&groupBy=service&filter=service%3DAmazon%20EC2,%20x',
  }),
  'get /v1/costs/top': () => ({
    path: '/v1/costs/top?from=2026-11-01&to=2026-11-20&dimension=entity&measure=effective&limit=5&currency=EUR',
  }),
  'get /v1/costs/compare': () => ({
    path: '/v1/costs/compare?from=2026-11-01&to=2026-11-20&dimension=service',
  }),
  'get /v1/costs/reconciliation': () => ({
    path: '/v1/costs/reconciliation?from=2026-11-01&to=2026-11-30',
  }),
  'get /v1/costs/entities/{kind}/{namespace}/{name}/explanation': () => ({
    path: '/v1/costs/entities/resource/default/w/explanation?month=2026-11',
  }),
  'get /v1/costs/entities/{kind}/{namespace}/{name}/units': () => ({
    path: '/v1/costs/entities/resource/default/w/units?metric=orders&from=2026-11-01&to=2026-11-30',
  }),
  'post /v1/costs/explain': () => ({
    path: '/v1/costs/explain',
    body: { columns: { ServiceName: 'Amazon EC2', Tags: '{"team":"web"}' } },
  }),
  'get /v1/costs/forecast': () => ({
    path: '/v1/costs/forecast?days=14&filter=group%3Dgroup:default/analytics',
  }),
  'get /v1/costs/budgets': () => ({ path: '/v1/costs/budgets?of=group:default/analytics' }),
  'get /v1/costs/anomalies': () => ({ path: '/v1/costs/anomalies?day=2026-11-20' }),
  'post /v1/costs/estimate': () => ({
    path: '/v1/costs/estimate',
    body: { product: 'bucket', parameters: { size: 'large' } },
  }),
  'get /v1/costs/statement': () => ({
    path: '/v1/costs/statement?owner=group:default/analytics&from=2026-11-01&to=2026-11-30&format=json',
  }),
  'get /v1/costs/status': () => ({ path: '/v1/costs/status' }),
  'get /v1/costs/deliveries': () => ({ path: '/v1/costs/deliveries?source=aws' }),
  'get /v1/costs/diff': () => ({ path: '/v1/costs/diff?source=aws&month=2026-11' }),
  'get /v1/costs/sources': () => ({ path: '/v1/costs/sources' }),
  'post /v1/costs/ingest': () => ({
    path: '/v1/costs/ingest',
    body: {
      source: 'aws-main',
      path: 'bill.csv',
      badRows: 'quarantine',
      columns: { BilledCost: 'Cost + Tax', BillingCurrency: '=EUR' },
    },
  }),
  'get /v1/catalog/sources': () => ({ path: '/v1/catalog/sources' }),
  'get /v1/catalog/sources/{provider}/{instance}': () => ({
    path: '/v1/catalog/sources/kubernetes/prod',
  }),
  'post /v1/catalog/sources/{provider}/{instance}/pause': () => ({
    path: '/v1/catalog/sources/kubernetes/prod/pause',
    body: { reason: 'maintenance' },
  }),
  'post /v1/catalog/sources/{provider}/{instance}/resume': () => ({
    path: '/v1/catalog/sources/kubernetes/prod/resume',
    body: {},
  }),
  'post /v1/catalog/sources/{provider}/{instance}/resync': () => ({
    path: '/v1/catalog/sources/kubernetes/prod/resync',
    body: {},
  }),
  'post /v1/catalog/sources/{provider}/{instance}/confirm': () => ({
    path: '/v1/catalog/sources/kubernetes/prod/confirm',
    body: {},
  }),
  'get /v1/holdings': () => ({ path: '/v1/holdings?state=active&drifted=false' }),
  'post /v1/holdings': () => ({
    path: '/v1/holdings',
    body: {
      blueprint: 'bucket',
      parameters: { name: 'old' },
      imported: { make: { id: 'i-1' } },
      owner: 'group:default/analytics',
    },
  }),
  'get /v1/holdings/{id}': () => ({ path: '/v1/holdings/hold1' }),
  'post /v1/holdings/{id}/change': () => ({
    path: '/v1/holdings/hold1/change',
    body: { parameters: { size: 2 } },
  }),
  'post /v1/holdings/{id}/transfer': () => ({
    path: '/v1/holdings/hold1/transfer',
    body: { owner: 'group:default/others' },
  }),
  'post /v1/holdings/{id}/suspend': () => ({
    path: '/v1/holdings/hold1/suspend',
    body: {},
  }),
  'post /v1/holdings/{id}/resume': () => ({
    path: '/v1/holdings/hold1/resume',
    body: {},
  }),
  'post /v1/holdings/{id}/repair': () => ({
    path: '/v1/holdings/hold1/repair',
    body: {},
  }),
  'post /v1/holdings/{id}/delete': () => ({
    path: '/v1/holdings/hold1/delete',
    body: {},
  }),
  'post /v1/holdings/{id}/renew': () => ({
    path: '/v1/holdings/hold1/renew',
    body: { until: '2026-12-31T00:00:00Z' },
  }),
  'post /v1/holdings/{id}/protect': () => ({
    path: '/v1/holdings/hold1/protect',
    body: {},
  }),
  'post /v1/holdings/{id}/unprotect': () => ({
    path: '/v1/holdings/hold1/unprotect',
    body: {},
  }),
  'post /v1/holdings/{id}/inspect': () => ({
    path: '/v1/holdings/hold1/inspect',
    body: {},
  }),
  'post /v1/requests/{id}/steps/{step}/skip': id => ({
    path: `/v1/requests/${id}/steps/make/skip`,
    body: { reason: 'seen to' },
  }),
  'post /v1/requests/{id}/steps/{step}/done': id => ({
    path: `/v1/requests/${id}/steps/make/done`,
    body: { outputs: { id: 'i-1' }, reason: 'by hand' },
  }),
  'post /v1/requests/{id}/steps/{step}/fork': id => ({
    path: `/v1/requests/${id}/steps/make/fork`,
    body: { reason: 'seen to' },
  }),
  'get /v1/orphans': () => ({ path: '/v1/orphans?pageSize=5' }),
  'post /v1/orphans/{id}/{step}/forget': () => ({
    path: '/v1/orphans/hold1/make/forget',
    body: { reason: 'deleted by hand' },
  }),
  'get /v1/audit/decisions': () => ({ path: '/v1/audit/decisions?limit=5' }),
  'get /v1/audit/verification': () => ({ path: '/v1/audit/verification' }),
  'get /v1/health': () => ({ path: '/v1/health' }),
};

const nameOf = (route: { method: string; path: string }) => `${route.method} ${route.path}`;

describe('the REST API', () => {
  let backend: PurserTestBackend;

  before(async () => {
    backend = await PurserTestBackend.start();
    backend.sidecar.resources.push({
      id: 'urn:w:bucket',
      connector: 'files',
      type: 'bucket',
      name: 'w',
      entityRef: 'resource:default/w',
      owner: 'group:default/analytics',
      requestId: 'req_000001',
      state: 'active',
      attributes: { region: 'europe' },
    });
    backend.sidecar.costs.rows.push({
      keys: ['Storage'],
      currency: 'USD',
      billedCost: '1.25',
      effectiveCost: '1',
      charges: 2n,
      listCost: '0',
      contractedCost: '0',
    });
    backend.sidecar.costs.answers.getCostStatement = {
      text: '{"lines":[]}',
      mediaType: 'application/json',
    };
    backend.sidecar.catalog.sources.push(
      testSource({ name: 'kubernetes/prod', entities: 120n, heldRemovals: 7n }),
    );
    backend.sidecar.costs.ofEntities.set('resource:default/w', {
      entityRef: 'resource:default/w',
      fromDay: '2026-10-22',
      toDay: '2026-11-20',
      costs: [
        { currency: 'USD', billedCost: '1.25', effectiveCost: '1', byDay: [], byService: [] },
      ],
    });
    await backend.create('first');
  });

  after(() => backend.stop());

  beforeEach(() => {
    backend.decide = () => ({ result: AuthorizeResult.ALLOW });
    backend.audit.length = 0;
    backend.asked.length = 0;
  });

  async function requestFor(route: { method: string; path: string }): Promise<string> {
    const { holdings, orphans, decisions } = backend.sidecar.provisioning.holdings;
    holdings.splice(0, holdings.length, TestHoldings.holding('hold1', 'group:default/analytics'));
    orphans.splice(0, orphans.length, TestHoldings.orphan('hold1', 'make'));
    decisions.splice(0, decisions.length, TestHoldings.decision());
    const { id } = await backend.create(
      'x',
      {},
      /\/(approve|reject)$/.test(route.path) ? 'database' : 'bucket',
    );
    if (route.path.endsWith('/retry')) {
      backend.sidecar.provisioning.move(id, 'failed', 'the disk broke');
    }
    return id;
  }

  it('has the same routes in code, document and these tests', async () => {
    const described = Object.entries(apiDocument.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => nameOf({ method, path })),
    );
    assert.deepEqual(routes.map(nameOf).sort(), described.sort());
    assert.deepEqual(Object.keys(calls).sort(), described.sort());
    for (const route of routes) {
      const operation = apiDocument.paths[route.path]![route.method]!;
      assert.equal(operation.operationId, route.operation);
      const placeholders = [...route.path.matchAll(/\{(\w+)\}/g)].map(match => match[1]);
      const parameters = (operation.parameters ?? []).filter(parameter => parameter.in === 'path');
      assert.deepEqual(
        parameters.map(({ name }) => name),
        placeholders,
      );
    }
    const response = await backend.fetch('/openapi.json', { as: 'none' });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), JSON.parse(JSON.stringify(apiDocument)));
  });

  for (const route of routes) {
    const documented = apiDocument.paths[route.path]![route.method] as ApiOperation;
    const { access, audit } = operations[route.operation];

    it(`${nameOf(route)} answers as documented`, async () => {
      const call = calls[nameOf(route)](await requestFor(route));
      const response = await backend.fetch(call.path, { body: call.body });
      const text = await response.text();
      assert.equal(response.status, route.status ?? 200, text);
      const [[, answer]] = Object.entries(documented.responses) as Array<
        [string, { content: Record<string, { schema: object }> }]
      >;
      const type = response.headers.get('content-type')!.split(';')[0];
      assert.ok(type in answer.content, type);
      const validate = compile(answer.content[type].schema);
      const values = route.stream
        ? text
            .trim()
            .split('\n')
            .map(line => JSON.parse(line))
        : [JSON.parse(text)];
      for (const value of values) {
        assert.ok(validate(value), JSON.stringify([validate.errors, value]));
      }
      assert.deepEqual(
        backend.audit.map(({ outcome, severityLevel }) => [outcome, severityLevel]),
        audit ? [['success', audit.severity]] : [],
      );
    });

    it(`${nameOf(route)} is refused without its permission, and without credentials`, async () => {
      const call = calls[nameOf(route)](await requestFor(route));
      if (access.kind === 'public') {
        const response = await backend.fetch(call.path, { as: 'none' });
        assert.equal(response.status, 200);
        assert.deepEqual(documented.security, []);
        return;
      }
      assert.ok(purserPermissions.some(({ name }) => name === access.permission.name));
      backend.sidecar.calls.names.length = 0;
      backend.decide = ({ name }) => ({
        // What lets see all is more than what lets see one's own.
        result: name.startsWith(access.permission.name)
          ? AuthorizeResult.DENY
          : AuthorizeResult.ALLOW,
      });
      const denied = await backend.fetch(call.path, { body: call.body });
      assert.equal(denied.status, 403, await denied.text());
      assert.deepEqual(
        backend.asked,
        access.kind === 'costs'
          ? ['purser.cost.read.all', 'purser.cost.read']
          : [access.permission.name],
      );
      assert.deepEqual(backend.sidecar.calls.names, [], 'the sidecar must not be asked');
      assert.deepEqual(
        backend.audit.map(({ outcome }) => outcome),
        audit ? ['fail'] : [],
      );
      const nobody = await backend.fetch(call.path, { body: call.body, as: 'none' });
      assert.equal(nobody.status, 401);
    });

    if (access.kind === 'request' || access.kind === 'holding') {
      it(`${nameOf(route)} is refused for what belongs to others`, async () => {
        const id = await requestFor(route);
        backend.decide = permission =>
          createPurserRequestConditionalDecision(
            permission as typeof purserRequestReadPermission,
            purserRequestConditions.isOwner({ claims: ['user:default/other'] }),
          );
        const call = calls[nameOf(route)](id);
        assert.equal((await backend.fetch(call.path, { body: call.body })).status, 403);
        backend.decide = permission =>
          createPurserRequestConditionalDecision(
            permission as typeof purserRequestReadPermission,
            purserRequestConditions.isOwner({ claims: ['group:default/analytics'] }),
          );
        const allowed = await backend.fetch(call.path, { body: call.body });
        assert.equal(allowed.status, route.status ?? 200);
      });
    }
  }

  it('changes nothing of others by asking for it again', async () => {
    const { holdings } = backend.sidecar.provisioning.holdings;
    holdings.splice(0, holdings.length, TestHoldings.holding('hold1', 'group:default/theirs'));
    backend.decide = permission =>
      permission.name === 'purser.request.create'
        ? { result: AuthorizeResult.ALLOW }
        : createPurserRequestConditionalDecision(
            permission as typeof purserRequestReadPermission,
            purserRequestConditions.isOwner({ claims: ['group:default/mine'] }),
          );
    const ask = (name: string) =>
      backend.fetch('/v1/requests', {
        body: { blueprint: 'bucket', parameters: { name }, owner: 'group:default/theirs' },
      });
    assert.equal((await ask('hold1')).status, 403);
    assert.equal((await ask('another')).status, 201);
    holdings[0].owner = 'group:default/mine';
    assert.equal((await ask('hold1')).status, 201);
  });

  it('lists only what the conditions let through, page by page, newest first', async () => {
    const mine = new Set<string>();
    for (let i = 0; i < 12; i++) {
      mine.add(
        (
          await backend.create(`mine${i}`, {
            requester: 'user:default/me',
            owner: i % 2 ? 'group:default/mine' : 'user:default/me',
          })
        ).id,
      );
      mine.add(
        (
          await backend.create(`group${i}`, {
            requester: 'user:default/colleague',
            owner: 'group:default/mine',
          })
        ).id,
      );
      await backend.create(`other${i}`, { requester: 'user:default/x', owner: 'group:default/x' });
    }
    backend.decide = permission =>
      createPurserRequestConditionalDecision(
        permission as typeof purserRequestReadPermission,
        purserRequestConditions.isOwner({ claims: ['user:default/me', 'group:default/mine'] }),
      );
    const read = async (query: string) => {
      const found: string[] = [];
      let token: string | undefined;
      do {
        const response = await backend.fetch(
          `/v1/requests?pageSize=5${query}${token ? `&pageToken=${token}` : ''}`,
        );
        const page = (await response.json()) as {
          items: Array<{ id: string }>;
          nextPageToken?: string;
        };
        assert.equal(response.status, 200, JSON.stringify(page));
        assert.ok(page.items.length <= 5);
        found.push(...page.items.map(({ id }) => id));
        token = page.nextPageToken;
        // What comes meanwhile is newer than all that is still to be read.
        await backend.create('meanwhile', { requester: 'user:default/me' });
      } while (token);
      return found;
    };
    const found = await read('');
    assert.equal(new Set(found).size, found.length, 'twice');
    assert.deepEqual([...found].sort(), [...mine].sort());
    assert.deepEqual(found, [...found].sort().reverse());
    assert.deepEqual(await read('&owner=group:default/x'), []);
    const grouped = await read('&owner=group:default/mine');
    assert.equal(grouped.length, 18);
    const foreign = await backend.fetch('/v1/requests?pageToken=bm9uZQ');
    assert.equal(foreign.status, 400);
  });

  it('hides resources of requests that the user may not see', async () => {
    const path = '/v1/entities/resource/default/w/resources';
    const items = async () =>
      ((await (await backend.fetch(path)).json()) as { items: unknown[] }).items.length;
    assert.equal(await items(), 1);
    backend.decide = permission =>
      createPurserRequestConditionalDecision(permission as typeof purserRequestReadPermission, {
        not: purserRequestConditions.isOwner({ claims: ['group:default/analytics'] }),
      });
    assert.equal(await items(), 0);
  });

  it('shows the costs of own entities to those who may not see all', async () => {
    backend.groups.set('user:default/member', ['group:default/analytics']);
    backend.decide = ({ name }) => ({
      result: name === 'purser.cost.read.all' ? AuthorizeResult.DENY : AuthorizeResult.ALLOW,
    });
    const period = '/v1/costs/query?from=2026-10-22&to=2026-11-20';
    const status = async (path: string, as: string) => (await backend.fetch(path, { as })).status;
    const own = 'entity%3Dresource:default/w';
    assert.equal(await status('/v1/costs/entities/resource/default/w', 'user:default/member'), 200);
    assert.equal(await status('/v1/costs/entities/resource/default/w', 'user:default/guest'), 403);
    assert.equal(await status('/v1/costs/entities/resource/default/x', 'user:default/member'), 403);
    assert.equal(await status('/v1/costs/entities/resource/default/w', 'service'), 403);
    assert.equal(await status(`${period}&filter=${own}`, 'user:default/member'), 200);
    assert.equal(await status(`${period}&filter=${own}`, 'user:default/guest'), 403);
    const both = `${period}&filter=${own}&filter=entity%3Dresource:default/x`;
    assert.equal(await status(both, 'user:default/member'), 403);
    const unfiltered = await backend.fetch(period, { as: 'user:default/member' });
    assert.equal(unfiltered.status, 403);
    assert.match(await unfiltered.text(), /filter by entities that you own/);
  });

  it('takes the requester from the credentials', async () => {
    const body = { blueprint: 'bucket', parameters: { name: 'a' } };
    const mine = await backend.fetch('/v1/requests', { body, as: 'user:default/me' });
    assert.equal(((await mine.json()) as { requester: string }).requester, 'user:default/me');
    const other = await backend.fetch('/v1/requests', {
      body: { ...body, requester: 'user:default/boss' },
      as: 'user:default/me',
    });
    assert.equal(other.status, 400);
    assert.match(await other.text(), /users make requests for themselves/);
    assert.equal((await backend.fetch('/v1/requests', { body, as: 'service' })).status, 400);
    const service = await backend.fetch('/v1/requests', {
      body: { ...body, requester: 'user:default/me' },
      as: 'service',
    });
    assert.equal(service.status, 201);
  });

  it('names everything that is wrong with an input', async () => {
    const bad = await backend.fetch('/v1/requests', {
      body: { parameters: [], owner: 'Group', extra: 1 },
    });
    assert.equal(bad.status, 400);
    const { error } = (await bad.json()) as { error: { message: string } };
    for (const part of [/blueprint/, /\/parameters: must be object/, /\/owner: /, /extra/]) {
      assert.match(error.message, part);
    }
    for (const path of [
      '/v1/requests?pageSize=0',
      '/v1/requests?pageSize=x',
      '/v1/requests?states=done',
      '/v1/requests?unknown=1',
      '/v1/costs/query?from=2026-1-1&to=2026-11-20',
      '/v1/costs/query?to=2026-11-20',
      '/v1/costs/query?from=2026-01-01&to=2026-11-20&filter=x',
      `/v1/requests/${'x'.repeat(200)}`,
    ]) {
      assert.equal((await backend.fetch(path)).status, 400, path);
    }
    const missing = await backend.fetch('/v1/requests', {
      body: { blueprint: 'bucket', parameters: {} },
    });
    assert.equal(missing.status, 400);
    assert.match(await missing.text(), /\/name: is required/);
    assert.equal((await backend.fetch('/v1/requests/req_none')).status, 404);
    const conflict = await backend.fetch('/v1/requests/req_000001/approve', { body: {} });
    assert.equal(conflict.status, 409);
  });

  it('refuses bodies above its limit', async () => {
    const body = { blueprint: 'bucket', parameters: { name: 'x'.repeat(MAX_BODY_BYTES) } };
    assert.equal((await backend.fetch('/v1/requests', { body })).status, 413);
  });

  it('streams events as they come, in both formats, and resumes', async () => {
    const { id } = await backend.create('streamed');
    const gone = new AbortController();
    const response = await backend.fetch(`/v1/requests/${id}/events?follow=true`, {
      headers: { accept: 'text/event-stream' },
      signal: gone.signal,
    });
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    let text = '';
    const reading = (async () => {
      for await (const piece of response.body!) {
        text += Buffer.from(piece).toString();
      }
    })();
    await until(() => text.includes('request.created'));
    backend.sidecar.provisioning.emit(id, 'step.started', 'now', 'first');
    await until(() => text.includes('step.started'));
    backend.sidecar.provisioning.move(id, 'succeeded');
    await reading;
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(match => Number(match[1]));
    assert.equal(ids.length, 3);
    const rest = await backend.fetch(`/v1/requests/${id}/events`, {
      headers: { 'last-event-id': String(ids[1]) },
    });
    const lines = (await rest.text()).trim().split('\n');
    assert.equal(lines.length, 1);
    assert.equal(JSON.parse(lines[0]).type, 'request.succeeded');
  });

  it('says what is wrong when the sidecar is away, and stays up', async () => {
    backend.sidecar.kill();
    try {
      const health = await backend.fetch('/v1/health', { as: 'none' });
      assert.equal(health.status, 200);
      const state = (await health.json()) as { status: string; sidecar: object };
      assert.equal(state.status, 'degraded');
      assert.deepEqual(state.sidecar, { reachable: false, message: 'the sidecar does not answer' });
      const list = await backend.fetch('/v1/requests');
      assert.equal(list.status, 503);
      assert.match(await list.text(), /is purserd running/);
    } finally {
      await backend.sidecar.start();
    }
    assert.equal((await backend.fetch('/v1/requests')).status, 200);
  });

  it('offers the same operations as actions, with the same permissions', async () => {
    assert.deepEqual([...backend.actions.keys()].sort(), [
      'approve-request',
      'cancel-request',
      'change-holding',
      'create-request',
      'delete-holding',
      'explain-cost',
      'get-budget',
      'get-catalog-source',
      'get-entity-cost',
      'get-request',
      'list-blueprints',
      'list-catalog-sources',
      'list-holdings',
      'list-requests',
      'query-costs',
      'renew-holding',
      'retry-request',
      'top-costs',
    ]);
    const credentials = mockCredentials.user('user:default/guest');
    const invoke = async (name: string, input: object) => {
      const action = backend.actions.get(name)!;
      const checked = action.schema.input(z3 as never).parse(input);
      const { output } = (await action.action({
        input: checked,
        credentials,
        logger: undefined as never,
        secrets: undefined as never,
      })) as unknown as { output: Record<string, unknown> };
      action.schema.output(z3 as never).parse(output);
      return output;
    };
    const created = await invoke('create-request', {
      blueprint: 'database',
      parameters: { name: 'a' },
    });
    assert.equal(created.state, 'waiting-approval');
    assert.equal((await invoke('approve-request', { id: created.id })).state, 'running');
    assert.equal((await invoke('cancel-request', { id: created.id })).state, 'cancelled');
    backend.sidecar.provisioning.move(String(created.id), 'failed');
    assert.equal((await invoke('retry-request', { id: created.id })).state, 'running');
    assert.equal((await invoke('get-request', { id: created.id })).id, created.id);
    assert.ok(((await invoke('list-requests', { pageSize: 2 })).items as unknown[]).length === 2);
    assert.equal(((await invoke('list-blueprints', {})).items as unknown[]).length, 2);
    const costs = await invoke('get-entity-cost', { entityRef: 'Resource:default/w' });
    assert.equal(costs.entityRef, 'resource:default/w');
    const [source] = (await invoke('list-catalog-sources', {})).items as Array<{ name: string }>;
    assert.equal(source.name, 'kubernetes/prod');
    const details = await invoke('get-catalog-source', {
      provider: 'kubernetes',
      instance: 'prod',
    });
    assert.deepEqual(details.heldRefs, ['component:default/held']);
    await invoke('top-costs', { from: '2026-11-01', to: '2026-11-20', dimension: 'service' });
    await invoke('explain-cost', { entityRef: 'Resource:default/w', month: '2026-11' });
    await invoke('get-budget', { of: 'group:default/analytics' });
    const asked = backend.sidecar.costs.questions.slice(-3).map(({ method, request }) => {
      const { dimension, entityRef, month, of } = request as Record<string, string>;
      return [method, dimension ?? entityRef ?? of, month];
    });
    assert.deepEqual(asked, [
      ['topCosts', 'service', undefined],
      ['explainCosts', 'resource:default/w', '2026-11'],
      ['listBudgets', 'group:default/analytics', undefined],
    ]);
    await invoke('query-costs', { from: '2026-10-22', to: '2026-11-20', groupBy: ['day'] });
    assert.deepEqual(
      backend.audit.map(({ eventId }) => eventId),
      ['create-request', 'approve-request', 'cancel-request', 'retry-request'],
    );
    for (const action of backend.actions.values()) {
      const changes = /^(create|approve|cancel|retry|change|delete|renew)/.test(action.name);
      assert.equal(action.attributes?.readOnly, !changes, action.name);
    }
    backend.decide = () => ({ result: AuthorizeResult.DENY });
    for (const [name, input] of [
      ['list-blueprints', {}],
      ['create-request', { blueprint: 'bucket', parameters: {} }],
      ['get-request', { id: 'req_000001' }],
      ['list-requests', {}],
      ['cancel-request', { id: 'req_000001' }],
      ['approve-request', { id: 'req_000001' }],
      ['retry-request', { id: 'req_000001' }],
      ['list-holdings', {}],
      ['change-holding', { id: 'hold1', parameters: { size: 2 } }],
      ['renew-holding', { id: 'hold1' }],
      ['delete-holding', { id: 'hold1' }],
      ['get-entity-cost', { entityRef: 'resource:default/w' }],
      ['query-costs', { from: '2026-10-22', to: '2026-11-20' }],
      ['top-costs', { from: '2026-10-22', to: '2026-11-20', dimension: 'service' }],
      ['explain-cost', { entityRef: 'resource:default/w', month: '2026-11' }],
      ['get-budget', {}],
    ] as const) {
      await assert.rejects(invoke(name, input), { name: 'NotAllowedError' }, name);
    }
  });
});
