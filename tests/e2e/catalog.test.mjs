// The catalog stays true whatever dies: a real purserd and a real catalog backend with a source that
// purserd reads; each of them is killed, robbed of its state or broken while the source changes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { at } from '../tools/lib/repo.mjs';

// From where the module's own dependencies are found.
const require = createRequire(at('plugin/catalog-module/package.json'));
const { coreServices, createServiceFactory } = require('@backstage/backend-plugin-api');
const {
  mockCredentials,
  mockServices,
  startTestBackend,
} = require('@backstage/backend-test-utils');
const { ConfigReader } = require('@backstage/config');
const catalogPlugin = require('@backstage/plugin-catalog-backend').default;
const { createPurserService, purserServiceRef } = require('@purser/plugin-purser-node');
const catalogModule = require(at('plugin/catalog-module/dist/index.js')).default;
const createKnex = require('knex');

/** The catalog must be true this long after everything is back. */
const TRUE_WITHIN_MS = 120_000;
const TASK = 'purser-terraform:infra:refresh';

const folder = mkdtempSync(path.join(tmpdir(), 'purser-truth-'));
const tree = path.join(folder, 'tree');
const state = path.join(folder, 'state');
const socket = path.join(folder, 'run', 'purserd.sock');
let sidecar;
let backend;
let knex;
let purser;
/** Names of the apps that the source holds. */
const apps = new Set();

function addApp(name) {
  apps.add(name);
  const root = path.join(tree, 'environments', 'prod', 'acme', name);
  mkdirSync(root, { recursive: true });
  writeFileSync(path.join(root, 'main.tf'), `locals {\n  name = "${name}"\n}\n`);
}

function removeApp(name) {
  apps.delete(name);
  rmSync(path.join(tree, 'environments', 'prod', 'acme', name), { recursive: true });
}

async function startSidecar() {
  const config = path.join(folder, 'purserd.yaml');
  writeFileSync(
    config,
    `state: ${state}\nlisten: { unix: { path: ${socket} } }\nhttp: { address: "127.0.0.1:0" }\n` +
      `catalog: { folders: [${folder}] }\n`,
  );
  sidecar = spawn(at('build/release/bin/purserd'), ['--config', config], {
    stdio: ['ignore', 'ignore', process.env.PURSER_TEST_LOG ? 'inherit' : 'ignore'],
  });
  await once(sidecar, 'spawn');
}

async function killSidecar() {
  const gone = once(sidecar, 'exit');
  sidecar.kill('SIGKILL');
  await gone;
}

const openKnex = () =>
  createKnex({
    client: 'better-sqlite3',
    connection: path.join(folder, 'catalog.sqlite'),
    useNullAsDefault: true,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection, done) => {
        connection.pragma('foreign_keys = ON');
        done();
      },
    },
  });

let trigger = async () => {};

async function startPortal() {
  knex = openKnex();
  const { createBackendModule } = require('@backstage/backend-plugin-api');
  const config = {
    purser: { sidecar: { address: `unix:${socket}` }, stateDirectory: path.join(folder, 'addon') },
  };
  purser = createPurserService({ config: new ConfigReader(config) });
  backend = await startTestBackend({
    features: [
      catalogPlugin,
      catalogModule,
      mockServices.scheduler.factory({ includeInitialDelayedTasksOnStartup: true }),
      mockServices.rootConfig.factory({
        data: {
          ...config,
          app: { baseUrl: 'http://localhost:3000' },
          catalog: {
            processingInterval: { seconds: 1 },
            providers: {
              purser: {
                terraform: {
                  infra: {
                    folder: tree,
                    owner: 'group:default/platform',
                    refreshEvery: { seconds: 1 },
                    schedule: { frequency: { seconds: 1 }, timeout: { seconds: 5 } },
                  },
                },
              },
            },
          },
        },
      }),
      createServiceFactory({
        service: coreServices.database,
        deps: {},
        factory: () => ({ getClient: async () => knex }),
      }),
      createServiceFactory({ service: purserServiceRef, deps: {}, factory: () => purser }),
      createBackendModule({
        pluginId: 'catalog',
        moduleId: 'scheduler-probe',
        register(reg) {
          reg.registerInit({
            deps: { scheduler: coreServices.scheduler },
            async init({ scheduler }) {
              trigger = () => scheduler.triggerTask(TASK).catch(() => undefined);
            },
          });
        },
      }),
    ],
  });
}

async function stopPortal() {
  trigger = async () => {};
  await backend.stop();
  purser.close();
  await knex.destroy();
}

/** Names of the apps that the catalog shows. */
async function shown() {
  const filter = 'kind=component,metadata.annotations.purser.dev/source=terraform/infra';
  const response = await fetch(
    `http://localhost:${backend.server.port()}/api/catalog/entities?filter=${encodeURIComponent(filter)}`,
    { headers: { authorization: mockCredentials.user.header() } },
  );
  const entities = await response.json();
  return new Set(
    entities
      .map(entity => entity.metadata.annotations['purser.dev/app'])
      .filter(app => app !== undefined),
  );
}

const equal = (a, b) => a.size === b.size && [...a].every(item => b.has(item));

/** Waits until the catalog shows what the source holds, and nothing else. */
async function isTrue() {
  const end = Date.now() + TRUE_WITHIN_MS;
  let last = new Set();
  while (Date.now() < end) {
    void trigger();
    last = await shown();
    if (equal(last, apps)) return;
    await sleep(250);
  }
  assert.fail(`the catalog shows ${[...last].sort()}, the source holds ${[...apps].sort()}`);
}

before(async () => {
  for (let i = 0; i < 12; i += 1) addApp(`app${i}`);
  await startSidecar();
  await startPortal();
});
after(async () => {
  await stopPortal();
  await killSidecar();
  rmSync(folder, { recursive: true, force: true });
});

test('everything the source holds comes into the catalog', isTrue);

test('purserd is killed while the source changes', async () => {
  await killSidecar();
  addApp('born-without-purserd');
  removeApp('app0');
  await sleep(1_000);
  assert.ok((await shown()).has('app0'), 'nothing is removed while nobody knows');
  await startSidecar();
  await isTrue();
});

test('the portal is away while the source changes', async () => {
  await stopPortal();
  addApp('born-without-portal');
  removeApp('app1');
  await startPortal();
  await isTrue();
});

test('a source that cannot be read removes nothing', async () => {
  const before = await shown();
  renameSync(tree, `${tree}-away`);
  await sleep(3_000);
  assert.deepEqual(await shown(), before);
  const { error } = await purser.sidecar.getSource('terraform/infra');
  assert.ok(error, 'its failure is shown');
  renameSync(`${tree}-away`, tree);
  addApp('born-after-the-failure');
  await isTrue();
});

test('an empty source is held until an operator confirms', async () => {
  renameSync(tree, `${tree}-away`);
  mkdirSync(path.join(tree, 'environments'), { recursive: true });
  const end = Date.now() + TRUE_WITHIN_MS;
  let source;
  do {
    await sleep(250);
    source = await purser.sidecar.getSource('terraform/infra');
  } while (source.heldRemovals === 0 && Date.now() < end);
  assert.ok(source.heldRemovals >= apps.size, `${source.heldRemovals} are held`);
  assert.ok(equal(await shown(), apps));
  rmSync(tree, { recursive: true });
  renameSync(`${tree}-away`, tree);
  addApp('born-after-the-scare');
  await isTrue();
  assert.equal((await purser.sidecar.getSource('terraform/infra')).heldRemovals, 0);
});

test('purserd loses its store while the source changes', async () => {
  await killSidecar();
  rmSync(state, { recursive: true, force: true });
  removeApp('app2');
  addApp('born-without-store');
  await startSidecar();
  await isTrue();
});

test('the catalog loses its database', async () => {
  await stopPortal();
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    rmSync(path.join(folder, `catalog.sqlite${suffix}`), { force: true });
  }
  await startPortal();
  await isTrue();
});

test('everything dies at once', async () => {
  await killSidecar();
  await stopPortal();
  removeApp('app3');
  addApp('born-in-the-dark');
  await startPortal();
  await startSidecar();
  await isTrue();
});
