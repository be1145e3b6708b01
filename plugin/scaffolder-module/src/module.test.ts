import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { JsonObject } from '@backstage/types';
import { shippedPortalActions, shippedSidecarActions } from './shippedActions';
import { ModuleHarness } from './testing/moduleHarness';

describe('the scaffolder module', () => {
  let h: ModuleHarness;

  beforeEach(async () => {
    h = await ModuleHarness.create();
  });

  afterEach(() => h.close());

  it('registers what both hosts describe, schemas and examples included', async () => {
    await h.startModule();
    // What the hosts say, what this package itself does, and what it knows since it was built.
    const known = [...shippedPortalActions, ...shippedSidecarActions].map(({ id }) => id);
    const ids = ['purser:github:pull-request', 'purser:gitlab:merge-request', 'purser:later'];
    assert.deepEqual([...h.actions.keys()].sort(), [...new Set([...ids, ...known])].sort());
    const request = h.actions.get('purser:request')!;
    assert.equal(request.description, 'The action purser:request.');
    assert.equal(request.supportsDryRun, true);
    // Inputs that only the portal sets are on no page.
    const render = h.actions.get('purser:template:render')!;
    assert.equal((render.schema?.input as JsonObject).patternProperties, undefined);
    assert.deepEqual(request.examples, [{ description: 'one', example: 'steps: []' }]);
  });

  it('registers the known actions when the sidecar is not there', async () => {
    h.sidecar.kill();
    await h.startModule();
    assert.ok(h.actions.has('purser:request'));
    assert.ok(h.actions.has('purser:request:await'));
    assert.equal(h.actions.has('purser:later'), false);
    const shipped = h.actions.get('purser:request')!;
    assert.ok((shipped.examples ?? []).length >= 3);
    assert.deepEqual((shipped.schema?.input as JsonObject).required, ['blueprint']);
    // And they work as soon as it is back.
    await h.sidecar.start();
    const { ctx, outputs } = h.context({ blueprint: 'bucket' });
    await h.handler('purser:request')(ctx);
    assert.equal(outputs.requestId, 'req of bucket');
  });
});
