import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mockServices } from '@backstage/backend-test-utils';
import type { EntityProviderMutation } from '@backstage/plugin-catalog-node';
import { DeltaWriter } from './deltas';

const entity = (name: string, annotations?: Record<string, string>) => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: { name, ...(annotations ? { annotations } : {}) },
  spec: { type: 'bucket', owner: 'group:default/a' },
});

function writerTo(apply: (mutation: EntityProviderMutation & { type: 'delta' }) => void) {
  const connection = {
    applyMutation: async (mutation: EntityProviderMutation) => {
      assert.equal(mutation.type, 'delta');
      apply(mutation as EntityProviderMutation & { type: 'delta' });
    },
    refresh: async () => undefined,
  };
  return new DeltaWriter({
    connection,
    owner: { locationKey: 'purser:p/i', sourceKey: 'purser-p:i' },
    source: 'p/i',
    logger: mockServices.rootLogger(),
    absoluteUrl: path => `http://portal.example${path}`,
  });
}

describe('writing deltas', () => {
  it('gives the catalog at most 250 entities at once', async () => {
    const sizes: Array<[number, number]> = [];
    const writer = writerTo(({ added, removed }) => sizes.push([added.length, removed.length]));
    await writer.apply(
      Array.from({ length: 600 }, (_, i) => entity(`e${i}`)),
      Array.from({ length: 300 }, (_, i) => `resource:default/old${i}`),
    );
    assert.deepEqual(sizes, [
      [250, 250],
      [250, 50],
      [100, 0],
    ]);
  });

  it('adds the locations the catalog requires, unless the source has set them', async () => {
    const seen: Array<Record<string, string> | undefined> = [];
    const writer = writerTo(({ added }) =>
      added.forEach(item => seen.push(item.entity.metadata.annotations)),
    );
    await writer.apply(
      [entity('a'), entity('b', { 'backstage.io/managed-by-location': 'file:/b.yaml' })],
      [],
    );
    assert.deepEqual(seen, [
      {
        'backstage.io/managed-by-location': 'purser:p/i',
        'backstage.io/managed-by-origin-location': 'purser:p/i',
        'purser.dev/source': 'p/i',
      },
      {
        'backstage.io/managed-by-location': 'file:/b.yaml',
        'backstage.io/managed-by-origin-location': 'purser:p/i',
        'purser.dev/source': 'p/i',
      },
    ]);
  });

  it('makes links to this portal whole, to pages that a browser can open', async () => {
    let seen: Array<{ url: string; title?: string }> | undefined;
    const writer = writerTo(({ added }) => (seen = added[0].entity.metadata.links));
    const { metadata, ...rest } = entity('A-b');
    const links = [
      { url: '/api/purser/v1/requests/req_1', title: 'Request' },
      { url: '/api/purser/v1/costs/entities/resource/default/a-b', title: 'Cost' },
      { url: '/docs/default/resource/a-b' },
      { url: 'https://git.example/commit/1' },
    ];
    await writer.apply([{ ...rest, metadata: { ...metadata, links } }], []);
    assert.deepEqual(seen, [
      { url: 'http://portal.example/search?query=req_1', title: 'Request' },
      { url: 'http://portal.example/catalog/default/resource/a-b', title: 'Cost' },
      { url: 'http://portal.example/docs/default/resource/a-b' },
      { url: 'https://git.example/commit/1' },
    ]);
  });

  it('leaves out only the entity that the catalog refuses', async () => {
    const names: string[] = [];
    const removals: string[] = [];
    const writer = writerTo(({ added, removed }) => {
      if (added.some(item => item.entity.metadata.name === 'bad')) {
        throw new TypeError('bad is malformed');
      }
      names.push(...added.map(item => item.entity.metadata.name));
      removals.push(...removed.map(item => ('entityRef' in item ? item.entityRef : '')));
    });
    await writer.apply(['a', 'b', 'bad', 'c', 'd'].map(name => entity(name)).concat({} as never), [
      'resource:default/old',
    ]);
    assert.deepEqual(names.sort(), ['a', 'b', 'c', 'd']);
    assert.deepEqual(removals, ['resource:default/old']);
  });

  it('passes other failures on', async () => {
    const writer = writerTo(() => {
      throw new Error('the database is gone');
    });
    await assert.rejects(writer.apply([entity('a')], []), /the database is gone/);
  });

  it('keeps the order of what is given at once', async () => {
    const seen: string[] = [];
    const writer = writerTo(({ added, removed }) => {
      seen.push(...added.map(item => `+${item.entity.metadata.name}`));
      seen.push(...removed.map(item => ('entityRef' in item ? `-${item.entityRef}` : '')));
    });
    await Promise.all([
      writer.apply([entity('a')], ['resource:default/b']),
      writer.apply([entity('b')], []),
      writer.apply([], ['resource:default/a']),
    ]);
    assert.deepEqual(seen, ['+a', '-resource:default/b', '+b', '-resource:default/a']);
  });

  it('tells each of those that are given at once how it went', async () => {
    const writer = writerTo(({ added }) => {
      if (added[0].entity.metadata.name === 'a') {
        throw new Error('the database is gone');
      }
    });
    const told = await Promise.allSettled(['a', 'b'].map(name => writer.apply([entity(name)], [])));
    assert.deepEqual(
      told.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    );
  });
});
