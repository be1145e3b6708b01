// One way of keeping a catalog true, in a process of its own: a real catalog backend of Backstage
// with one provider. Prints one JSON line of figures.
//
//   node catalog-side.mjs <purser | upstream> <first | bare | steady | stitched> <entities> <database> <folder> <limit>
//
// upstream: an entity provider as most are written: reads all, gives all by a full mutation. Its
// entities are in memory already; reading and parsing them is not counted.
// purser: the catalog module with the addon's source-tree on the same entities, as YAML files.
//
// first: everything into a catalog that holds a dozen entities of another provider; bare: nothing at all.
// steady: the catalog holds all; nothing changed, then one
// in a hundred. stitched: first, and until the catalog serves them all. The catalog's own processing is
// off but for the last. What is not done after <limit> seconds is given up.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../addon/load.mjs';
import { changeTree, entitiesOf } from './catalog-entities.mjs';

const [side, mode, countText, databaseText, folder, limitText] = process.argv.slice(2);
const count = Number(countText);
const limitMs = Number(limitText) * 1_000;
const database = JSON.parse(databaseText);
const require = createRequire(path.join(root, 'plugin/catalog-module/package.json'));
const { createBackend } = createRequire(path.join(root, 'examples/portal/packages/backend/package.json'))(
  '@backstage/backend-defaults',
);
const { coreServices, createBackendModule, createServiceFactory } = require('@backstage/backend-plugin-api');
const { catalogProcessingExtensionPoint } = require('@backstage/plugin-catalog-node');
const { mockServices } = require('@backstage/backend-test-utils');

const CHUNK = 1_000;
const PROVIDER = 'bench';
/** Another provider, with some entities that were there before: no portal has none. */
const FEW = 'few';
const FEW_ENTITIES = 12;
const STITCHED_POLL_MS = 250;
/** Of what costs next to nothing; an odd number. */
const MEASURED_ROUNDS = 5;

// ---- what goes to the database

/** Milliseconds: of a transaction from its begin, of a statement outside of one. */
const statements = { count: 0, longestWrite: 0 };

/** Counts statements and times writes of every client of PostgreSQL. */
function watchPostgres() {
  const { Client } = require('pg');
  const { query } = Client.prototype;
  Client.prototype.query = function watched(...args) {
    statements.count += 1;
    const text = typeof args[0] === 'string' ? args[0] : (args[0]?.text ?? '');
    if (/^BEGIN/i.test(text)) this.purserBegan = performance.now();
    const began = this.purserBegan ?? performance.now();
    const isEnd = this.purserBegan === undefined || /^(COMMIT|ROLLBACK)/i.test(text);
    if (isEnd) this.purserBegan = undefined;
    const done = args.at(-1);
    if (isEnd && typeof done === 'function') {
      args[args.length - 1] = (...answer) => {
        statements.longestWrite = Math.max(statements.longestWrite, performance.now() - began);
        done(...answer);
      };
    }
    return query.apply(this, args);
  };
}

function watchSqlite() {
  const Database = require('better-sqlite3');
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function watched(...args) {
    statements.count += 1;
    return prepare.apply(this, args);
  };
}

if (database.client === 'pg') watchPostgres();
else watchSqlite();

// ---- the backend

/** Of the providers of this bench, by name. */
const connections = {};
const providers = createBackendModule({
  pluginId: 'catalog',
  moduleId: 'bench',
  register(reg) {
    reg.registerInit({
      deps: { catalog: catalogProcessingExtensionPoint },
      async init({ catalog }) {
        for (const name of [PROVIDER, FEW]) {
          catalog.addEntityProvider({
            getProviderName: () => name,
            connect: async connection => void (connections[name] = connection),
          });
        }
      },
    });
  },
});

/** The tasks of providers, run when this bench says so. */
const tasks = new Map();
const scheduler = createServiceFactory({
  service: coreServices.scheduler,
  deps: {},
  factory: () => ({
    createScheduledTaskRunner: () => ({ run: async task => void tasks.set(task.id, task) }),
    scheduleTask: async task => void tasks.set(task.id, task),
    triggerTask: async () => undefined,
    cancelTask: async () => undefined,
    getScheduledTasks: async () => [],
  }),
});

const backend = createBackend();
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(scheduler);
backend.add(mockServices.rootLogger.factory({ level: process.env.PURSER_BENCH_LOG ?? 'error' }));
backend.add(
  mockServices.rootConfig.factory({
    data: {
      app: { baseUrl: 'http://localhost:7007' },
      backend: { baseUrl: 'http://localhost:7007', listen: { host: '127.0.0.1', port: 0 }, database },
      purser: {
        stateDirectory: path.join(folder, 'state'),
        sidecar: { address: `unix:${path.join(folder, 'no-sidecar.sock')}` },
      },
      catalog: {
        ...(mode === 'stitched' ? {} : { processingInterval: false }),
        ...(side === 'purser' && {
          providers: {
            purser: {
              'source-tree': {
                [PROVIDER]: {
                  root: path.join(folder, 'tree'),
                  include: ['*.yaml'],
                  allowedKinds: ['Component', 'Group', 'Resource', 'System'],
                },
              },
            },
          },
        }),
      },
    },
  }),
);
if (side === 'purser') backend.add(require(path.join(root, 'plugin/catalog-module/dist/index.js')));
backend.add(providers);
await backend.start();

// ---- measuring

const statusOf = name =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

/** What `work` cost the main thread, the database and the memory. */
async function measure(work) {
  globalThis.gc?.();
  await sleep(50);
  // 5: the high-water mark of resident memory begins anew.
  writeFileSync('/proc/self/clear_refs', '5');
  const resident = statusOf('VmRSS');
  Object.assign(statements, { count: 0, longestWrite: 0 });
  const cpu = process.threadCpuUsage();
  const start = performance.now();
  const given = sleep(limitMs, 'given up', { ref: false });
  const unfinished = (await Promise.race([work(), given])) === 'given up';
  const wall = performance.now() - start;
  const used = process.threadCpuUsage(cpu);
  return {
    wall,
    unfinished,
    cpu: (used.user + used.system) / 1000,
    statements: statements.count,
    longestWrite: statements.longestWrite,
    peak: Math.max(0, statusOf('VmHWM') - resident),
  };
}

/** The same of several rounds: the one in the middle by CPU time. */
async function measureMiddle(work) {
  const all = [];
  for (let i = 0; i < MEASURED_ROUNDS; i += 1) all.push(await measure(work));
  all.sort((a, b) => a.cpu - b.cpu);
  const statementsOfAll = all.reduce((sum, one) => sum + one.statements, 0);
  return { ...all[(MEASURED_ROUNDS - 1) / 2], statements: statementsOfAll };
}

/** Of the main thread, in milliseconds. */
function cpuMillis() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/**
 * How long `work` kept the loop from its next turn, at most: by the clock, in which other programs' turns
 * on the processor count too, and in CPU time, in which they do not. Its probes are work themselves.
 */
async function delayOf(work) {
  globalThis.gc?.();
  const histogram = monitorEventLoopDelay({ resolution: 2 });
  histogram.enable();
  await sleep(50);
  let last = cpuMillis();
  let longestStretch = 0;
  const probe = setInterval(() => {
    const now = cpuMillis();
    longestStretch = Math.max(longestStretch, now - last);
    last = now;
  }, 1);
  histogram.reset();
  await work();
  // A block that is over is only seen by the probes' next turn.
  await sleep(20);
  clearInterval(probe);
  histogram.disable();
  return { delayMax: histogram.max / 1e6, longestStretch };
}

/** One round of the provider. */
async function refreshPurser() {
  const task = [...tasks.values()].find(one => one.id.includes(`source-tree:${PROVIDER}`));
  await task.fn(new AbortController().signal);
}

const deferred = entities => entities.map(entity => ({ entity, locationKey: PROVIDER }));
/** The same entity with names of its own. */
const named = prefix => entity => ({
  ...entity,
  metadata: { ...entity.metadata, name: `${prefix}-${entity.metadata.name}` },
});
const full = (entities, provider = PROVIDER) =>
  connections[provider].applyMutation({ type: 'full', entities: deferred(entities) });

async function addInChunks(entities) {
  for (let i = 0; i < entities.length; i += CHUNK) {
    await connections[PROVIDER].applyMutation({
      type: 'delta',
      added: deferred(entities.slice(i, i + CHUNK)),
      removed: [],
    });
  }
}

/** A table of the catalog's database, counted without being counted. */
async function rowsOf(table, column) {
  const counted = `select count(${column}) as n from ${table}`;
  if (database.client === 'pg') {
    const { Client } = require('pg');
    const client = new Client({ ...database.connection, database: 'backstage_plugin_catalog' });
    await client.connect();
    const { rows } = await client.query(counted);
    await client.end();
    return Number(rows[0].n);
  }
  const Database = require('better-sqlite3');
  const file = new Database(path.join(database.connection.directory, 'catalog.sqlite'), { readonly: true });
  try {
    return file.prepare(counted).get().n;
  } finally {
    file.close();
  }
}

async function untilStitched() {
  while ((await rowsOf('final_entities', 'final_entity')) < count + FEW_ENTITIES) await sleep(STITCHED_POLL_MS);
}

const steps = {
  purser: {
    first: async () => ({ first: await measure(refreshPurser) }),
    stitched: async () => ({
      first: await measure(async () => {
        await refreshPurser();
        await untilStitched();
      }),
    }),
    steady: async () => {
      await refreshPurser();
      const held = await rowsOf('refresh_state', '*');
      if (held < count) throw new Error(`the catalog holds ${held} of ${count} entities`);
      await refreshPurser();
      const unchanged = await measureMiddle(refreshPurser);
      // What the process does for as long anyway.
      const idle = await measureMiddle(() => sleep(unchanged.wall));
      unchanged.ours = Math.max(0, unchanged.cpu - idle.cpu);
      Object.assign(unchanged, await delayOf(refreshPurser));
      changeTree(path.join(folder, 'tree'), count, 1);
      const changed = await measure(refreshPurser);
      changeTree(path.join(folder, 'tree'), count, 2);
      return { unchanged, changed: { ...changed, ...(await delayOf(refreshPurser)) } };
    },
  },
  upstream: {
    first: async () => {
      const entities = entitiesOf(count, 0);
      return { first: await measure(() => full(entities)) };
    },
    stitched: async () => {
      const entities = entitiesOf(count, 0);
      return {
        first: await measure(async () => {
          await full(entities);
          await untilStitched();
        }),
      };
    },
    steady: async () => {
      // As one full mutation it would take minutes: its time grows by the square.
      await addInChunks(entitiesOf(count, 0));
      const same = entitiesOf(count, 0);
      const unchanged = await measure(() => full(same));
      const other = entitiesOf(count, 1);
      const changed = await measure(() => full(other));
      const third = entitiesOf(count, 2);
      return { unchanged, changed: { ...changed, ...(await delayOf(() => full(third))) } };
    },
  },
};

steps.purser.bare = steps.purser.first;
steps.upstream.bare = steps.upstream.first;

try {
  if (mode !== 'bare') await full(entitiesOf(FEW_ENTITIES, 0).map(named(FEW)), FEW);
  const figures = await steps[side][mode]();
  if (side === 'purser' && (mode === 'first' || mode === 'bare')) {
    const held = await rowsOf('refresh_state', '*');
    if (held < count) throw new Error(`the catalog holds ${held} of ${count} entities`);
  }
  console.log(JSON.stringify(figures));
  process.exit();
} catch (error) {
  // Backstage would take an error that nobody catches as a reason to shut down, and wait.
  console.error(error);
  process.exit(1);
}
