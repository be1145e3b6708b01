import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { resolvePackagePath } from '@backstage/backend-plugin-api';
import { mockServices } from '@backstage/backend-test-utils';
import type { Entity } from '@backstage/catalog-model';
import type { EntityProviderMutation } from '@backstage/plugin-catalog-node';
import type { JsonObject } from '@backstage/types';
import createKnex, { type Knex } from 'knex';
import { DeltaWriter } from './deltas';
import { StoredEntities } from './storedEntities';

const KEY = 'purser:p/i';
const LONG_AGO = '2020-01-01 00:00:00';

const entity = (name: string, title?: string): Entity => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: { annotations: { a: 'ä"\\', z: '1' }, name, ...(title && { title }) },
  spec: { empty: [], nested: [{ a: true, b: null }], size: 1.5, type: 'bucket' },
});

const hashOf = (value: Entity) => createHash('sha1').update(JSON.stringify(value)).digest('hex');

describe('entities that the catalog holds', () => {
  const logger = mockServices.rootLogger();
  let knex: Knex;

  beforeEach(async () => {
    knex = createKnex({
      client: 'better-sqlite3',
      connection: ':memory:',
      useNullAsDefault: true,
      pool: { min: 1, max: 1 },
    });
    await knex.migrate.latest({
      directory: resolvePackagePath('@backstage/plugin-catalog-backend', 'migrations'),
    });
  });
  afterEach(() => knex.destroy());

  const hold = (held: Entity, locationKey: string | null) =>
    knex('refresh_state').insert({
      entity_id: held.metadata.name,
      entity_ref: `resource:default/${held.metadata.name}`,
      unprocessed_entity: JSON.stringify(held),
      unprocessed_hash: hashOf(held),
      errors: '',
      location_key: locationKey,
      next_update_at: LONG_AGO,
      last_discovery_at: LONG_AGO,
    });
  const rowOf = (name: string) => knex('refresh_state').where({ entity_id: name }).first();

  it('are updated at once, and are due for processing', async () => {
    await hold(entity('changed'), KEY);
    await hold(entity('same'), KEY);
    const stored = await StoredEntities.open(knex, logger);
    assert.ok(stored);
    const changed = entity('changed', 'Now with a title');
    assert.deepEqual(await stored.update([changed, entity('same')], KEY), []);
    const row = await rowOf('changed');
    assert.deepEqual(JSON.parse(row.unprocessed_entity), changed);
    assert.equal(row.unprocessed_hash, hashOf(changed));
    assert.notEqual(row.next_update_at, LONG_AGO);
    assert.equal((await rowOf('same')).next_update_at, LONG_AGO, 'nothing to process');
  });

  it('are told from those that it does not hold, or holds for others', async () => {
    await hold(entity('ours'), KEY);
    await hold(entity('theirs'), 'url:https://git.example');
    await hold(entity('nobodys'), null);
    const stored = await StoredEntities.open(knex, logger);
    const given = ['ours', 'theirs', 'nobodys', 'new'].map(name => entity(name, 'changed'));
    const left = await stored!.update(given, KEY);
    assert.deepEqual(
      left.map(({ metadata }) => metadata.name),
      ['theirs', 'nobodys', 'new'],
    );
    for (const name of ['theirs', 'nobodys']) {
      assert.equal((await rowOf(name)).unprocessed_hash, hashOf(entity(name)), name);
    }
  });

  it('are left to the catalog where its table is not as known', async () => {
    await knex.schema.alterTable('refresh_state', table => void table.text('new_in_backstage'));
    assert.equal(await StoredEntities.open(knex, logger), undefined);
  });

  it('go through the connection when the database refuses', async () => {
    await hold(entity('one'), KEY);
    const stored = await StoredEntities.open(knex, logger);
    const names: string[] = [];
    const writer = new DeltaWriter({
      connection: {
        applyMutation: async (mutation: EntityProviderMutation) => {
          assert.equal(mutation.type, 'delta');
          const { added } = mutation as EntityProviderMutation & { type: 'delta' };
          names.push(...added.map(item => item.entity.metadata.name));
        },
        refresh: async () => undefined,
      },
      locationKey: KEY,
      source: 'p/i',
      logger,
      absoluteUrl: path => path,
      stored,
    });
    const upserts = [entity('one', 'changed'), entity('two')] as unknown as JsonObject[];
    await writer.apply(upserts, []);
    assert.deepEqual(names, ['two'], 'what is not held is added');
    await knex.schema.renameTable('refresh_state', 'away');
    await writer.apply(upserts, []);
    assert.deepEqual(names, ['two', 'one', 'two']);
  });
});
