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
    await until(() => backend.sidecar.calls.names.includes('WatchRequest'));
    backend.sidecar.provisioning.emit(id, 'step.succeeded', '', 'first');
    assert.equal(backend.sent.length, 0);
    backend.sidecar.provisioning.move(id, 'failed', 'the quota is used up');
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
    await until(() => backend.sidecar.calls.names.includes('WatchRequest'));
    backend.sidecar.provisioning.move(first.id, 'succeeded');
    await until(() => backend.sent.length === 1);
    backend.sidecar.kill();
    backend.sidecar.provisioning.move(second.id, 'succeeded');
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

  it('tell the approvers, or else the owner, when a request waits for approval', async () => {
    const { id } = await backend.create('a', {}, 'database');
    await until(() => backend.sent.length === 1);
    assert.deepEqual(backend.sent[0].recipients, {
      type: 'entity',
      entityRef: ['group:default/analytics'],
    });
    assert.equal(backend.sent[0].payload.title, 'database a waits for approval');
    assert.deepEqual(backend.sent[0].payload.metadata, {
      requestId: id,
      state: 'waiting-approval',
    });
    await backend.stop();
    backend = await PurserTestBackend.start({
      notifications: true,
      approvers: ['group:default/platform'],
    });
    await backend.create('b', {}, 'database');
    await until(() => backend.sent.length === 1);
    assert.deepEqual(backend.sent[0].recipients, {
      type: 'entity',
      entityRef: ['group:default/platform'],
    });
    // Nobody has to approve this one any more, or ever.
    await backend.create('c');
    const { id: ended } = await backend.create('d');
    backend.sidecar.provisioning.move(ended, 'succeeded');
    await until(() => backend.sent.length === 2);
    assert.equal(backend.sent[1].payload.metadata?.requestId, ended);
  });

  it('begin anew with a store that begins anew', async () => {
    const first = await backend.create('a');
    backend.sidecar.provisioning.emit(first.id, 'step.started', '', 'first');
    backend.sidecar.provisioning.move(first.id, 'succeeded');
    await until(() => backend.sent.length === 1);
    const { length } = backend.sidecar.provisioning.events;
    backend.sidecar.kill();
    backend.sidecar.provisioning.wipe();
    const second = await backend.sidecar.start().then(() => backend.create('b'));
    backend.sidecar.provisioning.move(second.id, 'failed', 'the disk is full');
    assert.ok(backend.sidecar.provisioning.events.length < length, 'its numbers must lie below');
    await until(() => backend.sent.length === 2);
    assert.equal(backend.sent[1].payload.metadata?.state, 'failed');
  });

  it('do not repeat what an older copy of the store still holds', async () => {
    const first = await backend.create('a');
    backend.sidecar.provisioning.move(first.id, 'failed');
    const kept = backend.sidecar.provisioning.events.slice();
    await until(() => backend.sent.length === 1);
    await new Promise(resolve => setTimeout(resolve, 5));
    const second = await backend.create('b');
    backend.sidecar.provisioning.move(second.id, 'failed');
    await until(() => backend.sent.length === 2);
    backend.sidecar.kill();
    backend.sidecar.provisioning.events.splice(0, Infinity, ...kept);
    await new Promise(resolve => setTimeout(resolve, 5));
    await backend.sidecar.start();
    backend.sidecar.provisioning.move(first.id, 'succeeded');
    await until(() => backend.sent.length === 3);
    assert.deepEqual(
      backend.sent.map(({ payload }) => payload.metadata?.state),
      ['failed', 'failed', 'succeeded'],
    );
  });

  it('tell owners what befalls what they have', async () => {
    const { id } = await backend.create('genomics');
    await until(() => backend.sidecar.calls.names.includes('WatchRequest'));
    const befalls = (type: string, message: string, data?: object) =>
      backend.sidecar.provisioning.emit(id, type, message, undefined, data);
    befalls('holding.renewed', '');
    befalls('holding.expires', 'it expires at 2026-12-01T00:00:00Z');
    befalls('holding.drifted', '', {
      drift: {
        drifted: true,
        steps: [
          { step: 'role', state: 'same' },
          { step: 'database', state: 'gone' },
        ],
      },
    });
    await until(() => backend.sent.length === 2);
    const [reminder, drift] = backend.sent;
    assert.deepEqual(reminder.recipients, {
      type: 'entity',
      entityRef: ['group:default/analytics'],
    });
    assert.equal(reminder.payload.title, 'bucket genomics expires soon');
    assert.equal(reminder.payload.description, 'it expires at 2026-12-01T00:00:00Z');
    assert.equal(drift.payload.description, 'database: gone');
    assert.equal(drift.payload.severity, 'high');
    assert.equal(drift.payload.scope, `purser-holding:${id}`);
  });

  it('leave out old news', async () => {
    const { id } = await backend.create('a');
    backend.sidecar.provisioning.events.push({
      sequence: backend.sidecar.provisioning.events.length + 1,
      requestId: id,
      type: 'request.failed',
      message: '',
      at: new Date(Date.now() - MAX_AGE_MS - 1000).toISOString(),
    });
    await until(() => backend.sidecar.calls.names.includes('WatchRequest'));
    backend.sidecar.provisioning.move(id, 'succeeded');
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
