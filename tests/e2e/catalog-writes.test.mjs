// Entities that the catalog module writes into Backstage's own tables, beside the same ones by Backstage's
// own mutations: both leave the same rows, on SQLite and on PostgreSQL, whoever held the refs before.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { postgresPrograms, startPostgres } from '../bench/lib/postgres.mjs';
import { root } from '../addon/load.mjs';

const require = createRequire(path.join(root, 'plugin/catalog-module/package.json'));
const { startTestBackend, mockServices } = require('@backstage/backend-test-utils');
const { coreServices, createBackendModule } = require('@backstage/backend-plugin-api');
const { catalogProcessingExtensionPoint } = require('@backstage/plugin-catalog-node');
const { default: catalogPlugin } = require('@backstage/plugin-catalog-backend');
const { databaseServiceFactory } = createRequire(
  path.join(root, 'examples/portal/packages/backend/package.json'),
)('@backstage/backend-defaults/database');
const { CatalogTables } = require('./dist/catalogTables.js');
const { DeltaWriter } = require('./dist/deltas.js');

const SOURCE = 'p/i';
const OURS = { locationKey: `purser:${SOURCE}`, sourceKey: 'purser-p:i' };
const THEIRS = { locationKey: 'url:https://git.example/catalog-info.yaml', sourceKey: 'theirs' };
const LONG_AGO = '2020-01-01 00:00:00';
// More than one piece of either database.
const MANY = 620;

const entity = (name, title) => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: {
    annotations: { 'example.com/text': 'ä "quoted" \\ line\nend \u0000' },
    name,
    ...(title && { title }),
  },
  spec: { nested: [{ a: true, b: null }], owner: 'group:default/a', size: 1.5, type: 'bucket' },
});

/** A catalog without processing, and the connections of two of its providers. */
async function startCatalog(database) {
  const connections = {};
  let knex;
  const providers = createBackendModule({
    pluginId: 'catalog',
    moduleId: 'providers',
    register(reg) {
      reg.registerInit({
        deps: { catalog: catalogProcessingExtensionPoint, database: coreServices.database },
        async init({ catalog, database: service }) {
          knex = await service.getClient();
          for (const { sourceKey } of [OURS, THEIRS]) {
            catalog.addEntityProvider({
              getProviderName: () => sourceKey,
              connect: async connection => void (connections[sourceKey] = connection),
            });
          }
        },
      });
    },
  });
  const data = { backend: { database }, catalog: { processingInterval: false } };
  const backend = await startTestBackend({
    features: [catalogPlugin, providers, databaseServiceFactory, mockServices.rootConfig.factory({ data })],
  });
  return { backend, connections, knex };
}

const textsOf = value => (typeof value === 'string' ? value : JSON.stringify(value));

/** What the tables say, without what is made up for each row. */
async function contents(knex) {
  const states = await knex('refresh_state').orderBy('entity_ref');
  const references = await knex('refresh_state_references').orderBy('target_entity_ref');
  return {
    states: states.map(({ entity_id: id, next_update_at: due, last_discovery_at: seen, ...row }) => ({
      ...row,
      unprocessed_entity: textsOf(row.unprocessed_entity),
      id: typeof id,
      isDue: new Date(due) > new Date('2021-01-01'),
      isSeen: new Date(seen) > new Date('2021-01-01'),
    })),
    references: references.map(({ id: _id, ...row }) => row),
  };
}

/** Changes of all kinds over what is there: of ours, of others and of nobody's. */
async function applyAll(database, isDirect) {
  const { backend, connections, knex } = await startCatalog(database);
  try {
    const hold = (owner, entities) =>
      connections[owner.sourceKey].applyMutation({
        type: 'delta',
        added: entities.map(one => ({ entity: one, locationKey: owner.locationKey })),
        removed: [],
      });
    const logger = mockServices.rootLogger();
    const tables = await CatalogTables.open(knex, logger);
    assert.ok(tables, 'the tables are as known');
    const writer = new DeltaWriter({
      connection: connections[OURS.sourceKey],
      owner: OURS,
      source: SOURCE,
      logger,
      absoluteUrl: given => given,
      tables: isDirect ? tables : undefined,
    });
    await hold(THEIRS, [entity('theirs')]);
    await hold({ ...THEIRS, locationKey: undefined }, [entity('nobodys')]);
    // A first load that meets what others hold, and is repeated behind a crash.
    const first = Array.from({ length: MANY }, (_, i) => entity(`e${i}`));
    first.splice(300, 0, entity('theirs', 'ours'), entity('nobodys', 'ours'));
    await writer.apply(first.slice(0, 400), [], true);
    await writer.apply(first, [], true);
    await knex('refresh_state').update({ next_update_at: LONG_AGO, last_discovery_at: LONG_AGO });
    // A round: the same, changed, new and gone.
    const later = [
      ...Array.from({ length: 300 }, (_, i) => entity(`e${i}`, i % 3 === 0 ? 'changed' : undefined)),
      entity('theirs', 'again'),
      ...Array.from({ length: 10 }, (_, i) => entity(`new${i}`)),
    ];
    await writer.apply(later, ['resource:default/e600', 'resource:default/theirs']);
    return await contents(knex);
  } finally {
    await backend.stop();
    await knex.destroy();
  }
}

const scratch = mkdtempSync(path.join(os.tmpdir(), 'purser-catalog-writes-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function sameEitherWay(databaseOf) {
  it('leaves the rows that a mutation leaves', async () => {
    const expected = await applyAll(await databaseOf('mutation'), false);
    const direct = await applyAll(await databaseOf('direct'), true);
    assert.equal(expected.states.length, MANY + 11);
    assert.equal(expected.states.filter(({ isDue }) => isDue).length, 110);
    const theirs = expected.states.find(({ entity_ref: ref }) => ref.endsWith('/theirs'));
    assert.equal(theirs.location_key, THEIRS.locationKey);
    assert.deepEqual(direct, expected);
  });
}

describe('written into the tables of the catalog, SQLite', () => {
  sameEitherWay(async name => ({
    client: 'better-sqlite3',
    connection: { directory: mkdtempSync(path.join(scratch, `${name}-`)) },
  }));
});

describe('written into the tables of the catalog, PostgreSQL', {
  skip: postgresPrograms() ? false : 'PostgreSQL is not installed',
}, () => {
  let postgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());

  sameEitherWay(async name => ({ ...postgres.connection, prefix: `purser_${name}_` }));
});
