import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, before, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import {
  type Context,
  context,
  createTraceState,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import { createPurserService, type DefaultPurserService } from '../service';
import { TestSidecar } from '../testUtils';

const storage = new AsyncLocalStorage<Context>();

describe('the trace of a call', () => {
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;

  before(async () => {
    // What an OpenTelemetry SDK installs in the portal.
    context.setGlobalContextManager({
      active: () => storage.getStore() ?? ROOT_CONTEXT,
      with: (active, fn, self, ...args) => storage.run(active, () => fn.apply(self, args)),
      bind: (_, target) => target,
      enable() {
        return this;
      },
      disable() {
        return this;
      },
    });
    sidecar = await TestSidecar.start();
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
  });

  after(() => {
    context.disable();
    purser.close();
    sidecar.stop();
  });

  const span = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: TraceFlags.SAMPLED,
    traceState: createTraceState('vendor=value'),
  };

  it('goes with it, also with a stream', async () => {
    sidecar.calls.metadata.length = 0;
    await context.with(trace.setSpanContext(ROOT_CONTEXT, span), async () => {
      await purser.sidecar.listRequests({});
      for await (const event of purser.sidecar.watchRequests({})) {
        assert.fail(`no event was expected: ${event.type}`);
      }
    });
    assert.equal(sidecar.calls.metadata.length, 2);
    for (const metadata of sidecar.calls.metadata) {
      assert.deepEqual(metadata.get('traceparent'), [
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ]);
      assert.deepEqual(metadata.get('tracestate'), ['vendor=value']);
    }
  });

  it('is left out when there is none', async () => {
    sidecar.calls.metadata.length = 0;
    await purser.sidecar.listRequests({});
    assert.deepEqual(sidecar.calls.metadata[0].get('traceparent'), []);
  });
});
