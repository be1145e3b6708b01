import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mockServices } from '@backstage/backend-test-utils';
import type { JsonObject } from '@backstage/types';
import type { ProviderMessage, SidecarClient } from '@purser/plugin-purser-node';
import { DeltaWriter } from './deltas';
import { SidecarSource } from './sidecarSource';

const resource = (name: string): JsonObject => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: { name },
  spec: { type: 'bucket', owner: 'group:default/a' },
});

const delta = (position: string, name: string): ProviderMessage => ({
  type: 'delta',
  upserts: [resource(name)],
  removedRefs: [],
  position,
  full: false,
  fullEnd: false,
});

/** A source that tells all of `deltas` at once and then nothing until it is left. */
function sourceOf(deltas: ProviderMessage[], write: (name: string) => Promise<void>) {
  const stored: string[] = [];
  const sidecar = {
    async *refreshProvider(_options: unknown, { signal }: { signal: AbortSignal }) {
      yield* deltas;
      while (!signal.aborted) {
        await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
      }
      throw new Error('left');
    },
  };
  const source = new SidecarSource({
    providerName: 'purser-p:i',
    source: 'p/i',
    instance: { providerId: 'p', instance: 'i' } as never,
    sidecar: sidecar as unknown as SidecarClient,
    positions: {
      get: async () => 'before',
      set: async (_name, position) => void stored.push(position),
    },
    catalogRefs: { of: async () => [], beyond: async () => [] },
    followFor: 300,
    onLog: () => undefined,
    onSummary: () => undefined,
    onAlive: () => undefined,
  });
  const writer = new DeltaWriter({
    connection: {
      applyMutation: async mutation => {
        assert.equal(mutation.type, 'delta');
        for (const { entity } of mutation.type === 'delta' ? mutation.added : []) {
          await write(entity.metadata.name);
        }
      },
      refresh: async () => undefined,
    },
    owner: { locationKey: 'purser:p/i', sourceKey: 'purser-p:i' },
    source: 'p/i',
    logger: mockServices.rootLogger(),
    absoluteUrl: path => path,
  });
  const refresh = () => source.refresh(writer, true, new AbortController().signal);
  return { refresh, stored };
}

describe('following the sidecar', () => {
  it('writes what comes in its order and ends with the last position', async () => {
    const written: string[] = [];
    const names = Array.from({ length: 12 }, (_, i) => `r${i}`);
    const { refresh, stored } = sourceOf(
      names.map((name, i) => delta(`${i}`, name)),
      async name => void written.push(name),
    );
    await refresh();
    assert.deepEqual(written, names);
    assert.equal(stored.at(-1), '11');
    assert.deepEqual(
      stored,
      stored.toSorted((a, b) => Number(a) - Number(b)),
    );
  });

  it('ends at once when a delta is refused, with the position of the one before', async () => {
    const { refresh, stored } = sourceOf(
      ['good', 'bad', 'later'].map((name, i) => delta(`${i}`, name)),
      async name => {
        if (name === 'bad') {
          throw new Error('the database is gone');
        }
      },
    );
    await assert.rejects(refresh(), /the database is gone/);
    assert.ok(
      stored.every(position => position === '0'),
      stored.join(),
    );
  });
});
