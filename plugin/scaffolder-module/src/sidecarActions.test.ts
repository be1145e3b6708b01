import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { grpcStatus, TestHoldings, TestStatus, until } from '@purser/plugin-purser-node/testUtils';
import type { JsonObject } from '@backstage/types';
import { ModuleHarness } from './testing/moduleHarness';

describe('actions that the sidecar runs', () => {
  let h: ModuleHarness;

  beforeEach(async () => {
    h = await ModuleHarness.create();
  });

  afterEach(() => h.close());

  it('runs a sidecar action with the key of task, step and input', async () => {
    await h.startModule();
    const keys: string[] = [];
    h.action = async function* run({ idempotencyKey, user, dryRun }) {
      keys.push(`${idempotencyKey} ${user} ${dryRun}`);
      yield { type: 'output', name: 'requestId', value: 'r' };
    };
    await h.handler('purser:request')(h.context({ blueprint: 'a' }).ctx);
    await h.handler('purser:request')(h.context({ blueprint: 'b' }).ctx);
    assert.match(keys[0], /^task-1\/step-1\/[0-9a-f]{16} user:default\/guest false$/);
    assert.notEqual(keys[0], keys[1]);
  });

  it('gives each iteration of a step its own outputs after a recovery', async () => {
    await h.startModule();
    let runs = 0;
    h.action = async function* run({ input }) {
      runs++;
      yield { type: 'output', name: 'requestId', value: `made ${String(input.name)}` };
      yield { type: 'output', name: 'nothing', value: null };
    };
    for (const round of [1, 2]) {
      for (const name of ['a', 'b', 'c']) {
        const { ctx, outputs } = h.context({ blueprint: 'x', name });
        await h.handler('purser:request')(ctx);
        assert.deepEqual(outputs, { requestId: `made ${name}`, nothing: null }, `round ${round}`);
      }
    }
    assert.equal(runs, 3);
    assert.ok([...h.checkpoints.keys()].every(key => /^purser:request\/[0-9a-f]{16}$/.test(key)));
    assert.ok([...h.checkpoints.values()].every(value => value !== null));
  });

  it('passes a dry run on, without checkpoints', async () => {
    await h.startModule();
    h.action = async function* run({ dryRun }) {
      yield { type: 'output', name: 'state', value: dryRun ? 'would' : 'did' };
    };
    const { ctx, outputs } = h.context({ blueprint: 'x' }, { isDryRun: true });
    await h.handler('purser:request')(ctx);
    assert.equal(outputs.state, 'would');
    assert.equal(h.checkpoints.size, 0);
  });

  it('says that the sidecar vanished, tries again with the same key and goes on', async () => {
    await h.startModule();
    const keys: string[] = [];
    h.action = async function* run({ idempotencyKey }) {
      keys.push(idempotencyKey);
      yield { type: 'log', level: 'info', text: `run ${keys.length}` };
      if (keys.length === 1) {
        await new Promise(() => undefined);
      }
      yield { type: 'output', name: 'requestId', value: 'req_1' };
    };
    const { ctx, outputs } = h.context({ blueprint: 'x' });
    const running = h.handler('purser:request')(ctx);
    await until(() => h.lines.some(({ text }) => text === 'run 1'));
    h.sidecar.kill();
    await until(() => h.lines.some(({ level }) => level === 'warn'));
    await h.sidecar.start();
    await running;
    assert.equal(outputs.requestId, 'req_1');
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    const warnings = h.lines.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1);
    assert.match(warnings[0].text, /trying again for .* with the same key/);
    assert.ok(h.lines.some(({ text }) => text.includes('is back, attached again')));
  });

  it('gives up when the sidecar stays away', async () => {
    await h.startModule({ purser: { actions: { retryFor: { milliseconds: 1 } } } });
    h.sidecar.kill();
    await assert.rejects(
      async () => h.handler('purser:request')(h.context({ blueprint: 'x' }).ctx),
      {
        name: 'ServiceUnavailableError',
        message: /purser sidecar/,
      },
    );
  });

  it('tells the sidecar when the task is cancelled', async () => {
    await h.startModule();
    const abort = new AbortController();
    h.action = async function* run({ cancelled }) {
      yield { type: 'log', level: 'info', text: 'waiting' };
      await new Promise(resolve => cancelled.addEventListener('abort', resolve));
      yield { type: 'log', level: 'info', text: 'undone' };
      throw new TestStatus(grpcStatus.CANCELLED, 'the task was cancelled');
    };
    const { ctx } = h.context({ blueprint: 'x' }, { signal: abort.signal });
    const running = h.handler('purser:request')(ctx);
    await until(() => h.lines.some(({ text }) => text === 'waiting'));
    abort.abort();
    await assert.rejects(async () => running, { name: 'CancelledError' });
    assert.ok(h.lines.some(({ text }) => text === 'undone'));
    assert.ok(h.sidecar.calls.names.includes('CancelAction'));
  });

  it('changes only what the user of the task may manage, whatever it is called', async () => {
    const { holdings } = h.sidecar.provisioning.holdings;
    holdings.push(TestHoldings.holding('req_1', 'group:default/web'));
    const given: JsonObject[] = [];
    h.action = async function* run({ input }) {
      given.push(input);
      yield { type: 'output', name: 'state', value: 'succeeded' };
    };
    await h.startModule();
    const input = { holding: 'resource:default/req_1', parameters: { size: 2 } };
    const { ctx, outputs } = h.context(input);
    await h.handler('purser:holding:change')(ctx);
    assert.equal(outputs.state, 'succeeded');
    assert.deepEqual(given, [{ holding: 'req_1', parameters: { size: 2 } }]);
    await assert.rejects(
      async () =>
        h.handler('purser:holding:change')(h.context({ holding: 'resource:default/none' }).ctx),
      { name: 'NotFoundError' },
    );
    await h.stop();

    h.decision = AuthorizeResult.DENY;
    await h.startModule();
    h.checkpoints.clear();
    for (const verb of ['change', 'renew', 'delete']) {
      await assert.rejects(
        async () => h.handler(`purser:holding:${verb}`)(h.context({ holding: 'req_1' }).ctx),
        { name: 'NotAllowedError', message: /req_1/ },
      );
    }
    assert.equal(given.length, 1);
  });

  it('lets nobody change by asking again what belongs to others', async () => {
    h.sidecar.provisioning.holdings.holdings.push(
      TestHoldings.holding('mine', 'group:default/web'),
    );
    await h.startModule();
    h.permissions = ({ permission }) => permission.name === 'purser.request.create';
    const ask = (name: string) =>
      h.handler('purser:request')(h.context({ blueprint: 'bucket', parameters: { name } }).ctx);
    await assert.rejects(async () => ask('mine'), { name: 'NotAllowedError', message: /mine/ });
    await ask('another');
  });

  it('lets nobody ask for products through a template who may not', async () => {
    h.decision = AuthorizeResult.DENY;
    await h.startModule();
    await assert.rejects(
      async () => h.handler('purser:request')(h.context({ blueprint: 'x' }).ctx),
      {
        name: 'NotAllowedError',
      },
    );
    await assert.rejects(
      async () => h.handler('purser:request:await')(h.context({ requestId: 'req_1' }).ctx),
      { name: 'NotAllowedError', message: /req_1/ },
    );
    assert.equal(h.sidecar.calls.names.includes('RunAction'), false);
  });
});
