// purserd by itself and over the wire from a Node process, as the portal calls it: start, idle memory,
// unary latency, a stream of 100,000 entities, and requests of no-op steps.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventLoopDelay, percentile, residentMegabytes, round, row } from './lib/measure.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(path.join(root, 'plugin/node/package.json'));
const grpc = require('@grpc/grpc-js');
const { InventoryServiceClient } = require('./dist/generated/purser/v1/inventory.js');
const { ProvisioningServiceClient } = require('./dist/generated/purser/v1/provisioning.js');

const ENTITIES = 100_000;
const REQUESTS = 100;
const CALLS = 2_000;

const folder = mkdtempSync(path.join(tmpdir(), 'purser-bench-'));
const address = `unix:${folder}/run/purserd.sock`;
mkdirSync(path.join(folder, 'blueprints'));
writeFileSync(
  path.join(folder, 'blueprints/noop.yaml'),
  JSON.stringify({
    apiVersion: 'purser.dev/v1',
    kind: 'Blueprint',
    metadata: { name: 'noop', title: 'Five steps that do nothing' },
    spec: {
      parameters: { type: 'object', properties: { n: { type: 'integer' } } },
      owner: 'group:default/bench',
      steps: [1, 2, 3, 4, 5].map(i => ({
        id: `s${i}`,
        uses: 'core/noop',
        needs: i > 1 ? [`s${i - 1}`] : [],
        with: { value: '${{ parameters.n }}' },
      })),
      entity: {
        apiVersion: 'backstage.io/v1alpha1',
        kind: 'Resource',
        metadata: { name: 'bench-${{ parameters.n }}', title: 'Made by the bench' },
        spec: { type: 'bench', owner: '${{ request.owner }}' },
      },
    },
  }),
);
const config = path.join(folder, 'purserd.yaml');
writeFileSync(
  config,
  JSON.stringify({
    state: 'state',
    listen: { unix: { path: 'run/purserd.sock' } },
    http: { address: '127.0.0.1:0' },
    log: { level: 'warn' },
    blueprints: ['blueprints'],
    connectors: { core: {} },
  }),
);

const credentials = grpc.credentials.createInsecure();
const options = { 'grpc.max_receive_message_length': 4 << 20 };

/** Whether something takes connections on the socket now. */
const accepts = () =>
  new Promise(resolve => {
    const probe = connect(address.slice('unix:'.length));
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });

async function start() {
  const began = performance.now();
  const child = spawn(path.join(root, 'build/release/bin/purserd'), ['--config', config], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // The client of gRPC waits a second after a refused connection: it is made once there is a server.
  let client;
  while (true) {
    if (child.exitCode !== null) throw new Error(`purserd ended with ${child.exitCode}`);
    if (!(await accepts())) {
      await sleep(2);
      continue;
    }
    client ??= new ProvisioningServiceClient(address, credentials, options);
    const ok = await new Promise(resolve =>
      client.listBlueprints(
        { pageSize: 1, pageToken: '' },
        new grpc.Metadata(),
        { deadline: Date.now() + 2000 },
        error => resolve(!error),
      ),
    );
    if (ok) break;
  }
  return { child, client, millis: performance.now() - began };
}

async function stop({ child, client }) {
  client.close();
  child.kill('SIGTERM');
  await once(child, 'exit');
}

const unary = (client, method, message) =>
  new Promise((resolve, reject) =>
    client[method](message, new grpc.Metadata(), { deadline: Date.now() + 30_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );

/** Copies one entity that was made until there are ENTITIES, as if so many had been. */
function fillInventory() {
  const database = new DatabaseSync(path.join(folder, 'state/purser.db'));
  const one = database
    .prepare("SELECT source, ref, body FROM catalog_entity WHERE body <> '' LIMIT 1")
    .get();
  const name = JSON.parse(one.body).metadata.name;
  const { position } = database
    .prepare('SELECT position FROM catalog_source WHERE id = ?')
    .get(one.source);
  const insert = database.prepare(
    "INSERT INTO catalog_entity (source, ref, position, hash, part, state, body) VALUES (?,?,?,?,'',0,?)",
  );
  database.exec('BEGIN');
  for (let i = 1; i <= ENTITIES; i += 1) {
    const renamed = text => text.replaceAll(name, `copy-${i}`);
    insert.run(one.source, renamed(one.ref), position + i, `copy-${i}`, renamed(one.body));
  }
  database
    .prepare('UPDATE catalog_source SET position = position + ? WHERE id = ?')
    .run(ENTITIES, one.source);
  database.exec('COMMIT');
  database.close();
}

const rows = [];
try {
  let run = await start();
  rows.push(row('start with an empty store', round(run.millis, 0), 'ms', '< 300', run.millis < 300));
  await sleep(1000);
  const idle = residentMegabytes(run.child.pid);
  rows.push(row('idle memory', round(idle, 1), 'MB', '<= 30', idle <= 30));

  const latencies = [];
  for (let i = 0; i < CALLS; i += 1) {
    const began = performance.now();
    await unary(run.client, 'listBlueprints', { pageSize: 1, pageToken: '' });
    latencies.push(performance.now() - began);
  }
  rows.push(row('portal -> sidecar unary p50', round(percentile(latencies, 0.5), 3), 'ms'));
  rows.push(row('portal -> sidecar unary p99', round(percentile(latencies, 0.99), 3), 'ms'));

  const began = performance.now();
  const ids = await Promise.all(
    Array.from({ length: REQUESTS }, (_, n) =>
      unary(run.client, 'createRequest', {
        blueprint: 'noop',
        parametersJson: JSON.stringify({ n }),
        owner: '',
        requester: 'user:default/bench',
        idempotencyKey: `bench-${n}`,
        validateOnly: false,
      }).then(answer => answer.request.id),
    ),
  );
  const created = performance.now() - began;
  for (const id of ids) {
    for (;;) {
      const { request } = await unary(run.client, 'getRequest', { id });
      if (request.state === 4) break;
      if (request.state > 4) throw new Error(`request ${id} ended in state ${request.state}: ${request.message}`);
      await sleep(1);
    }
  }
  const took = performance.now() - began;
  rows.push(row(`${REQUESTS} requests of 5 no-op steps: accepted`, round(created, 0), 'ms'));
  rows.push(row(`${REQUESTS} requests of 5 no-op steps: done`, round(took, 0), 'ms'));
  rows.push(row('steps per second, each durable', round((REQUESTS * 5_000) / took, 0), '/s'));
  await stop(run);

  fillInventory();
  run = await start();
  const inventory = new InventoryServiceClient(address, credentials, options);
  let entities = 0;
  let bytes = 0;
  const streamBegan = performance.now();
  const delay = await eventLoopDelay(
    () =>
      new Promise((resolve, reject) => {
        const stream = inventory.streamEntities({ position: '', follow: false });
        stream.on('data', message => {
          bytes += message.upsertsJson.length;
          entities += JSON.parse(message.upsertsJson).length;
        });
        stream.on('error', reject);
        stream.on('end', resolve);
      }),
  );
  const streamed = performance.now() - streamBegan;
  if (entities < ENTITIES) throw new Error(`only ${entities} entities came`);
  rows.push(row(`stream of ${entities} entities, parsed`, round(streamed, 0), 'ms'));
  rows.push(row('  size of their JSON', round(bytes / 1e6, 1), 'MB'));
  rows.push(row('  event-loop delay p99', delay.p99, 'ms'));
  rows.push(row('  worst main-thread block', delay.max, 'ms', '<= 10', delay.max <= 10));
  inventory.close();
  await stop(run);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ name: 'sidecar', rows }));
