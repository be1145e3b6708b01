import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { resolvePackagePath } from '@backstage/backend-plugin-api';
import { mockServices } from '@backstage/backend-test-utils';
import type { Entity } from '@backstage/catalog-model';
import type { EntityProviderMutation } from '@backstage/plugin-catalog-node';
import type { JsonObject } from '@backstage/types';
import createKnex, { type Knex } from 'knex';
import { CatalogTables, prepareEntity } from './catalogTables';
import { DeltaWriter } from './deltas';

const KEY = 'purser:p/i';
const OWNER = { locationKey: KEY, sourceKey: 'purser-p:i' };
const LONG_AGO = '2020-01-01 00:00:00';

const entity = (name: string, title?: string): Entity => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: { annotations: { a: 'ä"\\', z: '1' }, name, ...(title && { title }) },
  spec: { empty: [], nested: [{ a: true, b: null }], size: 1.5, type: 'bucket' },
});

const hashOf = (value: Entity) => createHash('sha1').update(JSON.stringify(value)).digest('hex');

describe('writing into the tables of the catalog', () => {
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

  const open = async () => {
    const tables = await CatalogTables.open(knex, logger);
    assert.ok(tables);
    return {
      tables,
      write: (entities: Entity[], isNew?: boolean) =>
        tables.write(entities.map(prepareEntity), OWNER, isNew),
    };
  };
  const namesOf = (entities: Entity[]) => entities.map(({ metadata }) => metadata.name);
  const references = () =>
    knex('refresh_state_references').select('source_key', 'target_entity_ref').orderBy('id');

  it('updates what it holds of a provider, which is due for processing then', async () => {
    await hold(entity('changed'), KEY);
    await hold(entity('same'), KEY);
    const changed = entity('changed', 'Now with a title');
    assert.deepEqual(await (await open()).write([changed, entity('same')]), []);
    const row = await rowOf('changed');
    assert.deepEqual(JSON.parse(row.unprocessed_entity), changed);
    assert.equal(row.unprocessed_hash, hashOf(changed));
    assert.notEqual(row.next_update_at, LONG_AGO);
    assert.equal((await rowOf('same')).next_update_at, LONG_AGO, 'nothing to process');
  });

  for (const isNew of [true, false]) {
    it(`adds what nobody holds, to ${isNew ? 'an empty' : 'a filled'} catalog`, async () => {
      const many = Array.from({ length: 250 }, (_, i) => entity(`e${i}`));
      await hold(entity('e7'), KEY);
      await hold(entity('e8'), 'url:https://git.example');
      await hold(entity('e9'), null);
      const left = await (await open()).write(many, isNew);
      assert.deepEqual(namesOf(left), ['e8', 'e9']);
      const rows = await knex('refresh_state').where({ location_key: KEY });
      assert.equal(rows.length, 248);
      const added = rows.find(row => row.entity_ref === 'resource:default/e249');
      assert.deepEqual(JSON.parse(added.unprocessed_entity), many[249]);
      assert.equal(added.unprocessed_hash, hashOf(many[249]));
      assert.equal(added.errors, '');
      assert.equal(new Set(rows.map(row => row.entity_id)).size, 248);
      assert.equal((await references()).length, 247, 'those that were held have theirs');
      assert.deepEqual((await references())[0], {
        source_key: OWNER.sourceKey,
        target_entity_ref: 'resource:default/e0',
      });
    });
  }

  it('leaves what is held for others as it is', async () => {
    await hold(entity('theirs'), 'url:https://git.example');
    await hold(entity('nobodys'), null);
    const given = ['theirs', 'nobodys'].map(name => entity(name, 'changed'));
    assert.deepEqual(namesOf(await (await open()).write(given)), ['theirs', 'nobodys']);
    for (const name of ['theirs', 'nobodys']) {
      assert.equal((await rowOf(name)).unprocessed_hash, hashOf(entity(name)), name);
    }
  });

  it('leaves a name that no entity may have', async () => {
    const given = [entity('two\nlines'), entity('one')];
    assert.deepEqual(namesOf(await (await open()).write(given)), ['two\nlines']);
    assert.deepEqual(await knex('refresh_state').pluck('entity_ref'), ['resource:default/one']);
  });

  it('writes an entity with its reference, or neither', async () => {
    await knex.raw(
      "CREATE TRIGGER full BEFORE INSERT ON refresh_state_references BEGIN SELECT raise(abort, 'disk full'); END",
    );
    const { write } = await open();
    await assert.rejects(write([entity('one')]), /disk full/);
    assert.equal(await knex('refresh_state').first(), undefined);
  });

  for (const table of ['refresh_state', 'refresh_state_references']) {
    it(`is left to the catalog where ${table} is not as known`, async () => {
      await knex.schema.alterTable(table, altered => void altered.text('new_in_backstage'));
      assert.equal(await CatalogTables.open(knex, logger), undefined);
    });
  }

  const writerTo = async (names: string[]) =>
    new DeltaWriter({
      connection: {
        applyMutation: async (mutation: EntityProviderMutation) => {
          assert.equal(mutation.type, 'delta');
          const { added } = mutation as EntityProviderMutation & { type: 'delta' };
          names.push(...namesOf(added.map(item => item.entity)));
        },
        refresh: async () => undefined,
      },
      owner: OWNER,
      source: 'p/i',
      logger,
      absoluteUrl: path => path,
      tables: (await open()).tables,
    });

  it('gets by one statement what comes while another one is at work', async () => {
    const writer = await writerTo([]);
    const sizes: number[] = [];
    knex.on('query', ({ sql, bindings }) => {
      if (sql.startsWith('INSERT INTO refresh_state (')) {
        sizes.push(JSON.parse(bindings.at(-1)).length);
      }
    });
    const chunks = Array.from({ length: 8 }, (_, chunk) =>
      Array.from({ length: 10 }, (_, i) => entity(`e${chunk}-${i}`) as unknown as JsonObject),
    );
    // The only connection to the database.
    const busy = await knex.transaction();
    const applied = Promise.all(chunks.map(chunk => writer.apply(chunk, [], true)));
    // Each is prepared in a turn of its own.
    for (let turn = 0; turn <= 2 * chunks.length; turn += 1) {
      await new Promise(resolve => setImmediate(resolve));
    }
    await busy.commit();
    await applied;
    assert.equal((await references()).length, 80);
    assert.deepEqual(sizes, [10, 50, 20]);
  });

  it('is left to the catalog when the database refuses', async () => {
    await hold(entity('one'), KEY);
    await hold(entity('theirs'), 'url:https://git.example');
    const names: string[] = [];
    const writer = await writerTo(names);
    const upserts = ['one', 'theirs', 'new'].map(name => entity(name, 'changed'));
    await writer.apply(upserts as unknown as JsonObject[], []);
    assert.deepEqual(names.splice(0), ['theirs']);
    await knex.schema.renameTable('refresh_state', 'away');
    await writer.apply(upserts as unknown as JsonObject[], []);
    assert.deepEqual(names, ['one', 'theirs', 'new']);
  });
});
