// The catalog stays true with two replicas of the portal on one PostgreSQL, whichever process is killed at
// whatever moment: each is a process of its own and ends by SIGKILL while its sources change. The sources:
// one that purserd reads, one that the portals' addon reads, and one that tells of the same entities.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresPrograms, startPostgres } from '../bench/lib/postgres.mjs';
import { at } from '../tools/lib/repo.mjs';

const require = createRequire(at('plugin/catalog-module/package.json'));
const { Client } = require('pg');
const { createPurserService } = require('@purser/plugin-purser-node');
const { ConfigReader } = require('@backstage/config');

/** The catalog must be true this long after everything is back. */
const TRUE_WITHIN_MS = 120_000;
const STARTED_WITHIN_MS = 120_000;
const skip = postgresPrograms() ? false : 'SKIP no PostgreSQL on this machine';

const folder = mkdtempSync(path.join(tmpdir(), 'purser-replicas-'));
const place = (...parts) => path.join(folder, ...parts);
const socket = place('run', 'purserd.sock');
/** What the sources hold: names, by kind of source. */
const held = { terraform: new Set(), 'source-tree': new Set() };
const titles = new Map();
const replicas = [];
let postgres;
let sidecar;
let purser;
let client;

// ---- the sources

function addApp(name) {
  held.terraform.add(name);
  const root = place('tree', 'environments', 'prod', 'acme', name);
  mkdirSync(root, { recursive: true });
  writeFileSync(path.join(root, 'main.tf'), `locals {\n  name = "${name}"\n}\n`);
}

function removeApp(name) {
  held.terraform.delete(name);
  rmSync(place('tree', 'environments', 'prod', 'acme', name), { recursive: true });
}

function addComponent(name, title = name) {
  held['source-tree'].add(name);
  titles.set(name, title);
  mkdirSync(place('shop', name), { recursive: true });
  writeFileSync(
    place('shop', name, 'catalog-info.yaml'),
    `apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\n  title: ${title}\n` +
      `spec:\n  type: service\n  lifecycle: production\n  owner: group:default/shop\n`,
  );
}

function removeComponent(name) {
  held['source-tree'].delete(name);
  rmSync(place('shop', name), { recursive: true });
}

let changes = 0;
/** Something new and something gone, in both. */
function change() {
  changes += 1;
  addApp(`app-new-${changes}`);
  addComponent(`shop-new-${changes}`);
  removeApp([...held.terraform][0]);
  removeComponent([...held['source-tree']][0]);
  addComponent([...held['source-tree']][0], `Changed ${changes} times`);
}

// ---- the processes

async function kill(child) {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  replicas.forEach((replica, index) => replica === child && delete replicas[index]);
}

async function startSidecar() {
  writeFileSync(
    place('purserd.yaml'),
    `state: ${place('state')}\nlisten: { unix: { path: ${socket} } }\nhttp: { address: "127.0.0.1:0" }\n` +
      `catalog: { folders: [${folder}] }\n`,
  );
  sidecar = spawn(at('build/release/bin/purserd'), ['--config', place('purserd.yaml')], {
    stdio: ['ignore', 'ignore', process.env.PURSER_TEST_LOG ? 'inherit' : 'ignore'],
  });
  await once(sidecar, 'spawn');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const schedule = { frequency: { seconds: 1 }, timeout: { seconds: 4 }, initialDelay: { seconds: 0 } };
const terraform = extra => ({
  folder: place('tree'),
  owner: 'group:default/platform',
  refreshEvery: { seconds: 1 },
  schedule,
  ...extra,
});
const shop = { root: place('shop'), schedule, guard: { maxRemovedFraction: 0.5 } };
let sources = { terraform: { infra: terraform() }, 'source-tree': { shop } };

async function startReplica(index) {
  const baseUrl = `http://127.0.0.1:${await freePort()}`;
  const config = {
    app: { baseUrl },
    backend: {
      baseUrl,
      listen: baseUrl.slice('http://'.length),
      database: postgres.connection,
    },
    purser: { sidecar: { address: `unix:${socket}` }, stateDirectory: place('addon') },
    catalog: { processingInterval: { seconds: 1 }, providers: { purser: sources } },
  };
  replicas[index] = spawn(
    process.execPath,
    ['--no-warnings', '--no-node-snapshot', at('tests/e2e/lib/catalog-replica.mjs'), JSON.stringify(config)],
    { stdio: ['ignore', 'inherit', 'inherit'], cwd: at('.') },
  );
  await once(replicas[index], 'spawn');
}

/** One after the other: on a new database the first one makes the tables. */
async function startReplicas() {
  await startReplica(0);
  client ??= await connect();
  await startReplica(1);
}

const killReplicas = () => Promise.all(replicas.splice(0).filter(Boolean).map(kill));

// ---- what the catalog shows

/** The entities of a source that the catalog serves, by name. */
async function shown(source) {
  // Killed ones are not in the list.
  replicas.forEach(({ exitCode }) => assert.equal(exitCode, null, 'a replica has ended by itself'));
  const { rows } = await client.query(
    'SELECT final_entity FROM final_entities WHERE final_entity IS NOT NULL',
  );
  const entities = rows.map(row => JSON.parse(row.final_entity));
  return new Map(
    entities
      .filter(({ kind, metadata }) => kind === 'Component' && metadata.annotations['purser.dev/source'] === source)
      .map(entity => [entity.metadata.annotations['purser.dev/app'] ?? entity.metadata.name, entity]),
  );
}

async function connect() {
  const end = Date.now() + STARTED_WITHIN_MS;
  for (;;) {
    const made = new Client({
      ...postgres.connection.connection,
      database: 'backstage_plugin_catalog',
    });
    try {
      await made.connect();
      await made.query('SELECT 1 FROM final_entities LIMIT 1');
      return made;
    } catch (error) {
      await made.end().catch(() => undefined);
      if (Date.now() > end) throw error;
      await sleep(200);
    }
  }
}

const listed = names => [...names].sort().join();

/** Waits until the catalog shows exactly what the sources hold. */
async function isTrue(tree = 'terraform/infra') {
  const end = Date.now() + TRUE_WITHIN_MS;
  for (;;) {
    const apps = await shown(tree);
    const components = await shown('source-tree/shop');
    const isRight =
      listed(apps.keys()) === listed(held.terraform) &&
      listed(components.keys()) === listed(held['source-tree']) &&
      [...components.values()].every(({ metadata }) => metadata.title === titles.get(metadata.name));
    if (isRight) return;
    assert.ok(
      Date.now() < end,
      `the catalog shows ${listed(apps.keys())} and ${listed(components.keys())}, the sources hold ` +
        `${listed(held.terraform)} and ${listed(held['source-tree'])}`,
    );
    await sleep(250);
  }
}

before(async () => {
  if (skip) return;
  postgres = await startPostgres();
  for (let i = 0; i < 12; i += 1) {
    addApp(`app-${i}`);
    addComponent(`shop-${i}`);
  }
  await startSidecar();
  purser = createPurserService({
    config: new ConfigReader({ purser: { sidecar: { address: `unix:${socket}` } } }),
  });
  await startReplicas();
});
after(async () => {
  if (skip) return;
  await killReplicas();
  await kill(sidecar);
  purser.close();
  await client?.end();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('two replicas bring what both sources hold, each once', { skip }, async () => {
  await isTrue();
  const { rows } = await client.query(
    'SELECT target_entity_ref, COUNT(*) AS n FROM refresh_state_references WHERE source_key IS NOT NULL GROUP BY 1 HAVING COUNT(*) > 1',
  );
  assert.deepEqual(rows, [], 'no entity belongs to two');
});

test('one replica at a time applies a source', { skip }, async () => {
  // A page of changes is applied once: the other replica would be seen as a second stream.
  for (let i = 0; i < 10; i += 1) {
    const { followers } = await purser.sidecar.getSource('terraform/infra');
    assert.ok(followers <= 1, `${followers} replicas follow`);
    await sleep(200);
  }
});

// Moments at which the victims die after a change: while it is read, told, applied.
const MOMENTS_MS = [0, 300, 1_200];
for (const [i, moment] of MOMENTS_MS.entries()) {
  test(`a replica is killed ${moment} ms after a change`, { skip }, async () => {
    change();
    await sleep(moment);
    await kill(replicas[i % 2]);
    change();
    await isTrue();
    await startReplica(i % 2);
    await isTrue();
  });
  test(`purserd is killed ${moment} ms after a change`, { skip }, async () => {
    change();
    await sleep(moment);
    await kill(sidecar);
    change();
    await startSidecar();
    await isTrue();
  });
}

test('the addon loses its state while a component goes', { skip }, async () => {
  await killReplicas();
  rmSync(place('addon'), { recursive: true, force: true });
  removeComponent([...held['source-tree']][0]);
  addComponent('born-without-state');
  await startReplicas();
  await isTrue();
});

test('a source of the portal is shown and steered like one of purserd', { skip }, async () => {
  const name = 'source-tree/shop';
  const source = await purser.sidecar.getSource(name);
  assert.equal(source.host, 'portal');
  assert.equal(source.entities, held['source-tree'].size);
  const control = verb => purser.sidecar.controlSource({ name, verb, actor: 'user:default/op' });
  await control('pause');
  await sleep(2_500);
  addComponent('born-while-paused');
  await sleep(2_500);
  assert.ok(!(await shown(name)).has('born-while-paused'));
  await control('resume');
  await isTrue();

  const gone = [...held['source-tree']].slice(0, 10);
  gone.forEach(removeComponent);
  const end = Date.now() + TRUE_WITHIN_MS;
  let now;
  do {
    await sleep(250);
    now = await purser.sidecar.getSource(name);
  } while (now.heldRemovals === 0 && Date.now() < end);
  assert.equal(now.heldRemovals, gone.length);
  assert.equal(now.heldRefs.length, gone.length);
  assert.ok((await shown(name)).has(gone[0]), 'held');
  assert.equal(await control('confirm'), gone.length);
  await isTrue();
});

test('of two sources that tell of the same entities the one with the priority shows them', { skip }, async () => {
  await killReplicas();
  sources = { ...sources, terraform: { infra: terraform(), other: terraform({ priority: 5 }) } };
  await startReplicas();
  await isTrue('terraform/other');
  const { collisions } = await purser.sidecar.getSource('terraform/infra');
  assert.ok(collisions >= held.terraform.size, `${collisions} wait`);
  change();
  await isTrue('terraform/other');
});

test('the portal loses its database', { skip }, async () => {
  await killReplicas();
  await client.end();
  client = undefined;
  await postgres.stop();
  postgres = await startPostgres();
  change();
  await startReplicas();
  await isTrue('terraform/other');
});
