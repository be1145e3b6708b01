import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import type { PurserEvent } from '@purser/plugin-purser-common';
import { createPurserService, type DefaultPurserService } from '../service';
import { grpcStatus, testBlueprint, TestSidecar, TestStatus, until } from '../testUtils';
import type { ActionMessage } from '../types';

const description = {
  id: 'purser:request',
  description: 'Asks for a product.',
  host: 'sidecar' as const,
  schema: { input: { type: 'object' }, output: { type: 'object' } },
  examples: [],
  supportsDryRun: true,
};

describe('the sidecar client', () => {
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;

  beforeEach(async () => {
    sidecar = await TestSidecar.start({
      blueprints: [testBlueprint('bucket'), testBlueprint('database')],
      needsApproval: ['database'],
      actions: [
        {
          description,
          async *run({ input, idempotencyKey, user, cancelled }) {
            yield { type: 'log', level: 'info', text: `for ${user}\nkey ${idempotencyKey}` };
            if (input.hang) {
              await new Promise(resolve => cancelled.addEventListener('abort', resolve));
              throw new TestStatus(grpcStatus.CANCELLED, 'the task was cancelled');
            }
            yield { type: 'output', name: 'requestId', value: 'req_1' };
          },
        },
      ],
      providers: [
        {
          description: {
            id: 'purser-inventory',
            description: '',
            host: 'sidecar',
            schema: { config: {} },
            hasDeltas: true,
          },
          log: [{ upserts: [{ kind: 'Resource' }], removedRefs: ['resource:default/old'] }],
        },
      ],
    });
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
  });

  afterEach(() => {
    purser.close();
    sidecar.stop();
  });

  const create = (name: string, extra = {}) =>
    purser.sidecar.createRequest({
      blueprint: 'bucket',
      parameters: { name },
      owner: 'group:default/analytics',
      requester: 'user:default/guest',
      ...extra,
    });

  it('creates, gets and lists requests', async () => {
    const created = await create('a');
    assert.equal(created.state, 'running');
    assert.deepEqual(created.parameters, { name: 'a' });
    assert.equal((await purser.sidecar.getRequest(created.id)).id, created.id);
    await create('b');
    const first = await purser.sidecar.listRequests({ pageSize: 1 });
    assert.equal(first.items.length, 1);
    assert.deepEqual(first.items[0].parameters, { name: 'b' });
    const second = await purser.sidecar.listRequests({
      pageSize: 1,
      pageToken: first.nextPageToken,
    });
    assert.deepEqual(second.items[0].parameters, { name: 'a' });
    assert.equal(second.nextPageToken, undefined);
    assert.equal(first.items[0].steps, undefined);
    const withSteps = await purser.sidecar.listRequests({ withSteps: true });
    assert.equal(withSteps.items[0].steps?.length, 2);
  });

  it('gives the first request for the same key and refuses another input', async () => {
    const first = await create('a', { idempotencyKey: 'task/step/1' });
    assert.equal((await create('a', { idempotencyKey: 'task/step/1' })).id, first.id);
    await assert.rejects(create('b', { idempotencyKey: 'task/step/1' }), {
      name: 'ConflictError',
      message: /belongs to request req_000001/,
    });
  });

  it('maps statuses to the classes of Backstage', async () => {
    await assert.rejects(purser.sidecar.getRequest('req_none'), {
      name: 'NotFoundError',
      message: 'request req_none is unknown',
    });
    await assert.rejects(
      purser.sidecar.createRequest({ blueprint: 'bucket', parameters: {}, requester: '' }),
      { name: 'InputError', message: '/name: is required' },
    );
    const { id } = await create('a');
    await assert.rejects(purser.sidecar.approveRequest({ id, actor: 'user:default/guest' }), {
      name: 'ConflictError',
    });
    const cases: Array<[number, string, string]> = [
      [grpcStatus.PERMISSION_DENIED, 'no', 'NotAllowedError'],
      [grpcStatus.UNIMPLEMENTED, 'no such method', 'NotImplementedError'],
      [grpcStatus.RESOURCE_EXHAUSTED, 'the disk is full', 'ServiceUnavailableError'],
      [grpcStatus.UNAUTHENTICATED, 'who are you', 'ServiceUnavailableError'],
      [grpcStatus.INTERNAL, 'a defect', 'Error'],
    ];
    for (const [code, text, name] of cases) {
      sidecar.calls.failNext(new TestStatus(code, text));
      await assert.rejects(purser.sidecar.getRequest(id), error => {
        assert.equal((error as Error).name, name);
        assert.match((error as Error).message, new RegExp(text));
        return true;
      });
    }
  });

  it('repeats what may be repeated when the sidecar is away for a moment', async () => {
    const { id } = await create('a');
    sidecar.calls.names.length = 0;
    sidecar.calls.failNext(
      new TestStatus(grpcStatus.UNAVAILABLE, 'draining'),
      new TestStatus(grpcStatus.UNAVAILABLE, 'draining'),
    );
    assert.equal((await purser.sidecar.getRequest(id)).id, id);
    assert.equal(sidecar.calls.names.length, 3);
    // Without an idempotency key a repeat could make a second request.
    sidecar.calls.failNext(new TestStatus(grpcStatus.UNAVAILABLE, 'draining'));
    await assert.rejects(create('b'), { name: 'ServiceUnavailableError' });
    assert.equal(sidecar.provisioning.requests.length, 1);
    sidecar.calls.failNext(new TestStatus(grpcStatus.UNAVAILABLE, 'draining'));
    await create('b', { idempotencyKey: 'k' });
    assert.equal(sidecar.provisioning.requests.length, 2);
  });

  it('says so when the sidecar is not there, and works again when it is back', async () => {
    await create('a');
    sidecar.kill();
    await assert.rejects(purser.sidecar.listRequests({}), {
      name: 'ServiceUnavailableError',
      message: /cannot be reached; is purserd running\?/,
    });
    assert.equal((await purser.sidecar.health()).reachable, false);
    await sidecar.start();
    const { items } = await purser.sidecar.listRequests({});
    assert.equal(items.length, 1);
    assert.deepEqual((await purser.sidecar.health()).reachable, true);
  });

  it('refuses a message above 4 MiB without breaking the connection', async () => {
    const { id } = await create('a');
    await assert.rejects(create('x'.repeat(5 * 1024 * 1024)), {
      name: 'InputError',
      message: /too large for the purser sidecar/,
    });
    assert.equal((await purser.sidecar.getRequest(id)).id, id);
  });

  it('follows events across a vanished sidecar without loss or repetition', async () => {
    const { id } = await create('a');
    const seen: PurserEvent[] = [];
    const watching = (async () => {
      for await (const event of purser.sidecar.watchRequests({ requestId: id, follow: true })) {
        seen.push(event);
      }
    })();
    await until(() => seen.length === 1);
    sidecar.provisioning.emit(id, 'step.started', '', 'first');
    await until(() => seen.length === 2);
    sidecar.kill();
    sidecar.provisioning.emit(id, 'step.succeeded', '', 'first');
    await sleep(50);
    await sidecar.start();
    sidecar.provisioning.emit(id, 'step.started', '', 'second');
    sidecar.provisioning.move(id, 'succeeded');
    await watching;
    assert.deepEqual(
      seen.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5],
    );
    assert.equal(seen[4].type, 'request.succeeded');
  });

  it('stops watching when told, or when its reader leaves', async () => {
    const { id } = await create('a');
    const abort = new AbortController();
    await assert.rejects(
      (async () => {
        const events = purser.sidecar.watchRequests(
          { requestId: id, follow: true },
          { signal: abort.signal },
        );
        for await (const event of events) {
          assert.equal(event.type, 'request.created');
          abort.abort();
        }
      })(),
      { name: 'CancelledError' },
    );
    for await (const event of purser.sidecar.watchRequests({ follow: true })) {
      assert.equal(event.sequence, 1);
      break;
    }
  });

  it('runs actions, hands over logs and outputs, and cancels', async () => {
    const messages: ActionMessage[] = [];
    const options = { id: 'purser:request', idempotencyKey: 't/s/1', user: 'user:default/guest' };
    for await (const message of purser.sidecar.runAction({ ...options, input: {} })) {
      messages.push(message);
    }
    assert.deepEqual(messages, [
      { type: 'log', level: 'info', text: 'for user:default/guest\nkey t/s/1' },
      { type: 'output', name: 'requestId', value: 'req_1' },
    ]);
    const hanging = (async () => {
      for await (const message of purser.sidecar.runAction({ ...options, input: { hang: true } })) {
        assert.equal(message.type, 'log');
        const told = await purser.sidecar.cancelAction({
          idempotencyKey: 't/s/1',
          actor: 'user:default/guest',
        });
        assert.equal(told, 1);
      }
    })();
    await assert.rejects(hanging, { name: 'CancelledError' });
    assert.deepEqual(
      (await purser.sidecar.listActions()).map(({ id }) => id),
      ['purser:request'],
    );
  });

  it('gives deltas of a provider behind a position', async () => {
    const round = async (position?: string) => {
      const messages = [];
      for await (const message of purser.sidecar.refreshProvider({
        id: 'purser-inventory',
        instance: 'default',
        config: {},
        position,
      })) {
        messages.push(message);
      }
      return messages;
    };
    const first = await round();
    assert.deepEqual(first[0], {
      type: 'delta',
      upserts: [{ kind: 'Resource' }],
      removedRefs: ['resource:default/old'],
      position: 'e/1',
      full: true,
      fullEnd: true,
    });
    assert.equal(first[1].type, 'summary');
    assert.equal((await round('e/1'))[0].type, 'summary');
    assert.equal((await purser.sidecar.listProviders())[0].hasDeltas, true);
  });

  it('reads costs with their decimals untouched', async () => {
    sidecar.costs.ofEntities.set('resource:default/w', {
      entityRef: 'resource:default/w',
      fromDay: '2026-10-22',
      toDay: '2026-11-20',
      costs: [
        {
          currency: 'USD',
          billedCost: '12.340000000000000001',
          effectiveCost: '12',
          byDay: [],
          byService: [
            {
              keys: ['Storage'],
              currency: 'USD',
              billedCost: '1',
              effectiveCost: '1',
              charges: 3n,
              listCost: '0',
              contractedCost: '0',
            },
          ],
        },
      ],
    });
    const costs = await purser.sidecar.entityCosts({ entityRef: 'resource:default/w' });
    assert.equal(costs.costs[0].billedCost, '12.340000000000000001');
    assert.equal(costs.costs[0].byService[0].charges, 3);
    const ingest = await purser.sidecar.ingestCosts({ source: 's', path: 'a.csv' });
    assert.equal(ingest.rowsStored, 2);
    assert.equal(ingest.quarantinePath, undefined);
    assert.deepEqual(ingest.quarantinedMoney, [{ currency: 'USD', billedCost: '7.5' }]);
    assert.equal(ingest.quarantinedWithoutMoney, 1);
  });
});

describe('the configuration of the sidecar', () => {
  const make = (sidecar: object) =>
    createPurserService({ config: new ConfigReader({ purser: { sidecar } } as never) });

  it('is checked when the service is made', () => {
    assert.throws(() => make({ address: '/run/purserd.sock' }), /neither unix:.* nor host:port/);
    assert.throws(() => make({ address: 'purserd:7070' }), /mutual TLS only/);
    assert.throws(
      () =>
        make({
          address: 'purserd:7070',
          tls: { ca: '/nowhere/ca.pem', certificate: 'c', key: 'k' },
        }),
      /purser\.sidecar\.tls\.ca: cannot read \/nowhere\/ca\.pem/,
    );
  });

  it('may be absent: calls say so', async () => {
    const service = createPurserService({ config: new ConfigReader({}) });
    await assert.rejects(service.sidecar.listBlueprints(), {
      name: 'ServiceUnavailableError',
      message: /set purser\.sidecar\.address/,
    });
    assert.match((await service.sidecar.health()).message ?? '', /set purser\.sidecar\.address/);
    service.close();
  });
});
