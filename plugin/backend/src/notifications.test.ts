import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '@purser/plugin-purser-node/testUtils';
import { endingOf, MAX_AGE_MS } from './notifications';
import { PurserTestBackend } from './testBackend';

describe('notifications', () => {
  let backend: PurserTestBackend;

  beforeEach(async () => {
    backend = await PurserTestBackend.start({ notifications: true });
  });

  afterEach(() => backend.stop());

  it('tell requester and owner once when a request ends', async () => {
    const { id } = await backend.create('genomics');
    await until(() => backend.sidecar.calls.includes('WatchRequest'));
    backend.sidecar.emit(id, 'step.succeeded', '', 'first');
    assert.equal(backend.sent.length, 0);
    backend.sidecar.move(id, 'failed', 'the quota is used up');
    await until(() => backend.sent.length === 1);
    assert.deepEqual(backend.sent[0], {
      recipients: {
        type: 'entity',
        entityRef: ['user:default/guest', 'group:default/analytics'],
      },
      payload: {
        title: 'bucket genomics failed',
        description: 'the quota is used up',
        link: '/catalog/default/resource/bucket-1',
        severity: 'high',
        topic: 'purser.requests',
        scope: `purser-request:${id}`,
        metadata: { requestId: id, state: 'failed' },
      },
    });
  });

  it('go on behind the last event when the sidecar was away', async () => {
    const first = await backend.create('a');
    const second = await backend.create('b');
    await until(() => backend.sidecar.calls.includes('WatchRequest'));
    backend.sidecar.move(first.id, 'succeeded');
    await until(() => backend.sent.length === 1);
    backend.sidecar.kill();
    backend.sidecar.move(second.id, 'succeeded');
    await backend.sidecar.start();
    await until(() => backend.sent.length === 2);
    assert.deepEqual(
      backend.sent.map(({ payload }) => payload.metadata),
      [
        { requestId: first.id, state: 'succeeded' },
        { requestId: second.id, state: 'succeeded' },
      ],
    );
  });

  it('leave out old news', async () => {
    const { id } = await backend.create('a');
    backend.sidecar.events.push({
      sequence: backend.sidecar.events.length + 1,
      requestId: id,
      type: 'request.failed',
      message: '',
      at: new Date(Date.now() - MAX_AGE_MS - 1000).toISOString(),
    });
    await until(() => backend.sidecar.calls.includes('WatchRequest'));
    backend.sidecar.move(id, 'succeeded');
    await until(() => backend.sent.length === 1);
    assert.equal(backend.sent[0].payload.metadata?.state, 'succeeded');
  });

  it('are for endings only', () => {
    const event = { sequence: 1, requestId: 'r', message: '', at: '' };
    assert.equal(endingOf({ ...event, type: 'request.needs-operator' }), 'needs-operator');
    for (const type of ['request.created', 'request.running', 'step.failed', 'request.toString']) {
      assert.equal(endingOf({ ...event, type }), undefined, type);
    }
    assert.equal(endingOf({ ...event, type: 'request.failed', stepId: 's' }), undefined);
  });
});
