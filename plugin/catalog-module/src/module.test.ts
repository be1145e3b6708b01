import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  coreServices,
  createBackendModule,
  createServiceFactory,
} from '@backstage/backend-plugin-api';
import { mockCredentials, mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import catalogPlugin from '@backstage/plugin-catalog-backend';
import type { JsonObject } from '@backstage/types';
import {
  createPurserService,
  type DefaultPurserService,
  type NativeAddonService,
  type NativeRefreshOptions,
  type ProviderDescription,
  purserServiceRef,
} from '@purser/plugin-purser-node';
import { TestSidecar, until } from '@purser/plugin-purser-node/testUtils';
import createKnex, { type Knex } from 'knex';
import { readInstances } from './config';
import catalogModule from './index';

const describeProvider = (
  id: string,
  host: 'portal' | 'sidecar',
  hasDeltas: boolean,
): ProviderDescription => ({ id, description: '', host, schema: { config: {} }, hasDeltas });

const resource = (name: string, extra: JsonObject = {}): JsonObject => ({
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Resource',
  metadata: { name, annotations: { 'purser.dev/state': 'running' } },
  spec: { owner: 'group:default/analytics', type: 'workspace' },
  ...extra,
});

const schedule = {
  frequency: { seconds: 1 },
  timeout: { seconds: 3 },
};

/** As the catalog computes it, with the package it does it with. */
const stableStringify: (value: unknown) => string = createRequire(
  require.resolve('@backstage/plugin-catalog-backend/package.json'),
)('fast-json-stable-stringify');
const hashOfCatalog = (entity: JsonObject) =>
  createHash('sha1').update(stableStringify(entity)).digest('hex');

class TestAddon implements NativeAddonService {
  readonly rounds: NativeRefreshOptions[] = [];
  failure: Error | undefined;
  refreshFailure: Error | undefined;
  /** It knows nothing of earlier rounds, and its source holds nothing. */
  lost = false;

  status() {
    return { loaded: true };
  }
  listActions() {
    return [];
  }
  listProviders() {
    if (this.failure) {
      throw this.failure;
    }
    return [describeProvider('source-tree', 'portal', false)];
  }
  async runAction() {
    throw new Error('not a part of these tests');
  }
  async refreshProvider(options: NativeRefreshOptions) {
    this.rounds.push(options);
    if (this.refreshFailure) {
      throw this.refreshFailure;
    }
    const full = (options.forceFull ?? false) || this.lost;
    if (options.forceFull) {
      await options.onChunk([resource('from-tree')], []);
    }
    return { read: 1, added: 1, changed: 0, removed: 0, heldRemovals: 0, dropped: 0, full };
  }
}

describe('the catalog module', () => {
  let folder: string;
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;
  let addon: TestAddon;
  let knex: Knex;
  let stop: () => Promise<void>;
  let names: () => Promise<string[]>;
  let trigger: (id: string) => void;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'purser-catalog-'));
    sidecar = await TestSidecar.start({
      providers: [
        {
          description: describeProvider('purser-inventory', 'sidecar', true),
          log: [{ upserts: [resource('first')], removedRefs: [] }],
        },
      ],
    });
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
    addon = new TestAddon();
    // Our own: the pool of Backstage's database service outlives its backend.
    knex = createKnex({
      client: 'better-sqlite3',
      connection: ':memory:',
      useNullAsDefault: true,
      pool: {
        min: 1,
        max: 1,
        afterCreate: (connection: { pragma(text: string): void }, done: () => void) => {
          connection.pragma('foreign_keys = ON');
          done();
        },
      },
    });
    stop = async () => undefined;
  });

  afterEach(async () => {
    await stop();
    await knex.destroy();
    purser.close();
    sidecar.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function startCatalog(providers: JsonObject, purserConfig: JsonObject = {}) {
    const backend = await startTestBackend({
      features: [
        catalogPlugin,
        catalogModule,
        mockServices.scheduler.factory({ includeInitialDelayedTasksOnStartup: true }),
        mockServices.rootConfig.factory({
          data: {
            app: { baseUrl: 'http://localhost:3000' },
            catalog: { processingInterval: { seconds: 1 }, providers: { purser: providers } },
            purser: { stateDirectory: join(folder, 'state'), ...purserConfig },
          },
        }),
        createServiceFactory({
          service: coreServices.database,
          deps: {},
          factory: () => ({ getClient: async () => knex }),
        }),
        createServiceFactory({
          service: purserServiceRef,
          deps: {},
          factory: () => ({ sidecar: purser.sidecar, addon }),
        }),
        schedulerProbe(scheduler => {
          // Runs that follow last as long as their window; nobody waits for them here.
          trigger = id => void scheduler.triggerTask(id).catch(() => undefined);
        }),
      ],
    });
    stop = () => backend.stop();
    names = async () => {
      const response = await fetch(
        `http://localhost:${backend.server.port()}/api/catalog/entities`,
        {
          headers: { authorization: mockCredentials.user.header() },
        },
      );
      const items = (await response.json()) as Array<{ metadata: { name: string } }>;
      return items.map(item => item.metadata.name).sort();
    };
  }

  const has = (name: string) => async () => (await names()).includes(name);

  it('forgets how far providers were that are gone', async () => {
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    await until(has('first'));
    const stored = () => knex('purser_provider_positions').pluck('provider_name');
    await until(async () => (await stored()).length === 1);
    await stop();
    await startCatalog({ 'source-tree': { platform: { root: '/src', schedule } } });
    assert.ok(!(await stored()).includes('purser-purser-inventory:default'));
    await stop();
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    // Backstage had removed it as an orphan.
    await until(has('first'));
  });

  for (const directWrites of [true, false]) {
    const way = directWrites ? 'in its table' : 'by mutations alone';
    it(`takes up changes of entities that the catalog holds, ${way}`, async () => {
      let direct = 0;
      knex.on('query', ({ sql }: { sql: string }) => {
        direct += Number(sql.startsWith('UPDATE refresh_state SET unprocessed_entity = v.body'));
      });
      await startCatalog(
        { 'purser-inventory': { default: { schedule } } },
        { catalog: { directWrites } },
      );
      await until(has('first'));
      const changed = resource('first', { metadata: { name: 'first', title: 'Changed' } });
      sidecar.hosting.publish('purser-inventory', {
        upserts: [changed, resource('second')],
        removedRefs: [],
      });
      await until(async () => {
        trigger('purser-purser-inventory:default:refresh');
        const row = await knex('final_entities')
          .where({ entity_ref: 'resource:default/first' })
          .first();
        return row?.final_entity?.includes('"Changed"') && (await has('second')());
      });
      const rows = await knex('refresh_state').select('unprocessed_entity', 'unprocessed_hash');
      assert.equal(rows.length, 2);
      for (const row of rows) {
        assert.equal(row.unprocessed_hash, hashOfCatalog(JSON.parse(row.unprocessed_entity)));
      }
      assert.equal(direct > 0, directWrites);
    });
  }

  it('follows the changes of the sidecar', async () => {
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    await until(has('first'));
    sidecar.hosting.publish('purser-inventory', {
      upserts: [resource('second')],
      removedRefs: ['resource:default/first'],
    });
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return (await names()).join() === 'second';
    });
  });

  it('brings a first load of many deltas, and its position is that of the last', async () => {
    for (let delta = 0; delta < 12; delta += 1) {
      sidecar.hosting.publish('purser-inventory', {
        upserts: [resource(`d${delta}`)],
        removedRefs: delta === 11 ? ['resource:default/d0'] : [],
      });
    }
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    await until(async () => (await names()).length === 12);
    const stored = await knex('purser_provider_positions').pluck('position');
    sidecar.hosting.publish('purser-inventory', { upserts: [resource('later')], removedRefs: [] });
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return has('later')();
    });
    assert.ok(!(await names()).includes('d0'));
    assert.notDeepEqual(await knex('purser_provider_positions').pluck('position'), stored);
  });

  it('starts without a sidecar and catches up when it is there', async () => {
    sidecar.kill();
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    assert.deepEqual(await names(), []);
    await sidecar.start();
    trigger('purser-purser-inventory:default:refresh');
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return has('first')();
    });
  });

  it('keeps everything when the sidecar dies, and goes on behind the last change', async () => {
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    await until(has('first'));
    sidecar.kill();
    sidecar.hosting.publish('purser-inventory', { upserts: [resource('third')], removedRefs: [] });
    await new Promise(resolve => setTimeout(resolve, 200));
    assert.deepEqual(await names(), ['first']);
    await sidecar.start();
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return has('third')();
    });
    assert.deepEqual(await names(), ['first', 'third']);
  });

  it('runs portal providers in the addon: everything to an empty catalog, then changes', async () => {
    await startCatalog({
      'source-tree': { platform: { root: '/src', schedule, guard: { maxRemovedFraction: 0.5 } } },
    });
    await until(has('from-tree'));
    await until(async () => {
      trigger('purser-source-tree:platform:refresh');
      return addon.rounds.length > 1;
    });
    const [first, second] = addon.rounds;
    assert.equal(first.forceFull, true);
    assert.equal(second.forceFull, false);
    assert.deepEqual(first.config, { root: '/src' });
    assert.deepEqual(first.options, { guard: { maxRemovedFraction: 0.5 } });
    assert.equal(first.statePath, join(folder, 'state', 'source-tree.platform.state'));
    assert.ok(existsSync(join(folder, 'state')));
  });

  it('tells a sidecar that lost its store what the catalog holds beyond it', async () => {
    await startCatalog({ 'purser-inventory': { default: { schedule } } });
    sidecar.hosting.publish('purser-inventory', { upserts: [resource('second')], removedRefs: [] });
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return (await names()).join() === 'first,second';
    });
    assert.deepEqual(sidecar.catalog.adopted, [], 'a new catalog holds nothing');
    sidecar.kill();
    sidecar.hosting.loseLog('purser-inventory', [
      { upserts: [resource('second')], removedRefs: [] },
    ]);
    await sidecar.start();
    await until(async () => {
      trigger('purser-purser-inventory:default:refresh');
      return sidecar.catalog.adopted.length > 0;
    });
    assert.deepEqual(
      sidecar.catalog.adopted.map(({ name, refs, more }) => ({ name, refs, more }))[0],
      {
        name: 'purser-inventory/default',
        refs: ['resource:default/first'],
        more: false,
      },
    );
    assert.deepEqual(await names(), ['first', 'second'], 'the source decides');
  });

  it('tells an addon that lost its state what the catalog holds beyond it', async () => {
    await startCatalog({ 'source-tree': { platform: { root: '/src', schedule } } });
    await until(has('from-tree'));
    addon.lost = true;
    await until(async () => {
      trigger('purser-source-tree:platform:refresh');
      return addon.rounds.some(({ adopt }) => adopt && adopt.length > 0);
    });
    const { adopt } = addon.rounds.find(round => round.adopt && round.adopt.length > 0)!;
    assert.deepEqual(adopt, ['resource:default/from-tree']);
  });

  it('tells the sidecar of sources that the portal runs, and does what operators want', async () => {
    const id = 'purser-source-tree:platform:refresh';
    await startCatalog({ 'source-tree': { platform: { root: '/src', schedule } } });
    await until(async () => sidecar.catalog.reported.some(({ round }) => round !== undefined));
    const { name, round } = sidecar.catalog.reported.find(report => report.round)!;
    assert.equal(name, 'source-tree/platform');
    assert.equal(round?.added, 1n);
    assert.equal(round?.error, '');

    sidecar.catalog.orders = { resync: true, confirm: true };
    await until(async () => {
      trigger(id);
      return sidecar.catalog.reported.some(report => report.round?.resynced);
    });
    const ordered = addon.rounds.find(options => options.confirm);
    assert.equal(ordered?.forceFull, true, 'everything is read and given again');

    sidecar.catalog.orders = { paused: true };
    await until(async () => {
      trigger(id);
      const asked = sidecar.catalog.reported.length;
      const rounds = addon.rounds.length;
      await new Promise(resolve => setTimeout(resolve, 200));
      return sidecar.catalog.reported.length > asked && addon.rounds.length === rounds;
    });

    sidecar.catalog.orders = {};
    addon.refreshFailure = new Error('the folder cannot be read');
    await until(async () => {
      trigger(id);
      return sidecar.catalog.reported.some(
        report => report.round?.error !== '' && report.round?.failures,
      );
    });
    const failed = sidecar.catalog.reported.find(report => report.round?.failures)!;
    assert.equal(failed.round?.error, 'the folder cannot be read');
  });

  it('hands the options of every provider to its host', async () => {
    await startCatalog({
      'purser-inventory': {
        default: {
          schedule,
          allowedKinds: ['Resource'],
          allowedNamespaces: ['default'],
          refreshEvery: { minutes: 2 },
          priority: 7,
          own: 1,
        },
      },
    });
    await until(has('first'));
    const [{ configJson, optionsJson }] = sidecar.hosting.refreshes;
    assert.deepEqual(JSON.parse(configJson), { own: 1 });
    assert.deepEqual(JSON.parse(optionsJson), {
      allowedKinds: ['Resource'],
      allowedNamespaces: ['default'],
      refreshEvery: 120,
      priority: 7,
    });
  });

  it('stays registered without the addon', async () => {
    addon.failure = new Error('the native addon of purser is not there');
    await startCatalog({ 'source-tree': { platform: { root: '/src', schedule } } });
    assert.deepEqual(await names(), []);
    addon.failure = undefined;
    await until(async () => {
      trigger('purser-source-tree:platform:refresh');
      return has('from-tree')();
    });
  });

  it('refuses names that could not be a provider’s', () => {
    const providers = { 'purser-inventory': { 'Not Allowed': {} } };
    assert.throws(
      () => readInstances(new ConfigReader({ catalog: { providers: { purser: providers } } })),
      /must be 1 to 63 of a-z/,
    );
  });
});

function schedulerProbe(found: (scheduler: typeof coreServices.scheduler.T) => void) {
  return createBackendModule({
    pluginId: 'catalog',
    moduleId: 'scheduler-probe',
    register(reg) {
      reg.registerInit({
        deps: { scheduler: coreServices.scheduler },
        async init({ scheduler }) {
          found(scheduler);
        },
      });
    },
  });
}
