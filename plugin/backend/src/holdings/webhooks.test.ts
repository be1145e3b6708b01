import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { PurserTestBackend } from '../testBackend';
import { MAX_WEBHOOK_BYTES } from './webhooks';

describe('webhooks of waiting steps', () => {
  let backend: PurserTestBackend;

  before(async () => {
    backend = await PurserTestBackend.start();
    backend.sidecar.provisioning.holdings.signature = 'sha256=good';
  });
  after(() => backend.stop());

  const send = (headers: object, body: unknown = { ok: true }) =>
    backend.fetch('/v1/webhooks/req_1/hook', { body, as: 'none', headers });

  it('hands the bytes on to the sidecar, which knows the key', async () => {
    const response = await send({
      'x-purser-signature': 'sha256=good',
      'x-purser-timestamp': '1700000000',
      'x-purser-delivery': 'd1',
    });
    assert.equal(response.status, 202, await response.text());
    const { request } = backend.sidecar.provisioning.holdings.asked.at(-1)! as {
      request: { requestId: string; stepId: string; body: Buffer; deliveryId: string };
    };
    assert.equal(request.requestId, 'req_1');
    assert.equal(request.stepId, 'hook');
    assert.equal(request.deliveryId, 'd1');
    assert.equal(Buffer.from(request.body).toString(), '{"ok":true}');
  });

  it('takes the signature of GitHub, and gives messages without an id one of their content', async () => {
    const response = await send({ 'x-hub-signature-256': 'sha256=good' }, { n: 1 });
    assert.equal(response.status, 202);
    const { request } = backend.sidecar.provisioning.holdings.asked.at(-1)! as {
      request: { deliveryId: string };
    };
    assert.equal(request.deliveryId, createHash('sha256').update('{"n":1}').digest('hex'));
  });

  it('refuses what is not signed, signed by another key, or too large', async () => {
    assert.equal((await send({})).status, 401);
    assert.equal((await send({ 'x-purser-signature': 'sha256=bad' })).status, 403);
    const large = await send(
      { 'x-purser-signature': 'sha256=good' },
      { filler: 'x'.repeat(MAX_WEBHOOK_BYTES) },
    );
    assert.equal(large.status, 413);
  });
});
