// One of the other engines on a PostgreSQL: steps (or jobs) that do nothing, each durable.
//
//   node workflow-peer.mjs pg-boss|graphile-worker|dbos <url> <folder with node_modules>
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [name, given, folder] = process.argv.slice(2);
// The socket's folder is a parameter; the host before it only makes the URL one that all can read.
const url = given.replace('@/', '@localhost/');
const require = createRequire(path.join(folder, 'package.json'));
const load = module => import(pathToFileURL(require.resolve(module)).href);
const COUNT = 5000;

async function until(done) {
  while (!done()) await sleep(2);
}

const peers = {
  async 'pg-boss'() {
    const module = await load('pg-boss');
    const PgBoss = module.PgBoss ?? module.default;
    const boss = new PgBoss({ connectionString: url, max: 10 });
    boss.on('error', error => process.stderr.write(`${error.message}\n`));
    await boss.start();
    await boss.createQueue('noop');
    let done = 0;
    const jobs = Array.from({ length: COUNT }, (_, n) => ({ name: 'noop', data: { n } }));
    const began = performance.now();
    for (let i = 0; i < COUNT; i += 500) {
      await boss
        .insert('noop', jobs.slice(i, i + 500))
        .catch(() => boss.insert(jobs.slice(i, i + 500)));
    }
    // Its own batches, the best case: 256 jobs are completed by one statement.
    await boss.work('noop', { batchSize: 256, pollingIntervalSeconds: 0.5 }, async batch => {
      done += batch.length;
      return { text: 'x'.repeat(245) };
    });
    await until(() => done >= COUNT);
    const took = performance.now() - began;
    await boss.stop({ graceful: false });
    return { what: 'jobs, batches of 256', perSecond: (COUNT * 1000) / took };
  },
  async 'graphile-worker'() {
    const { run, makeWorkerUtils, Logger } = await load('graphile-worker');
    const logger = new Logger(() => () => undefined);
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await utils.migrate();
    let done = 0;
    const began = performance.now();
    for (let i = 0; i < COUNT; i += 500) {
      await utils.addJobs(
        Array.from({ length: 500 }, (_, n) => ({ identifier: 'noop', payload: { n: i + n } })),
      );
    }
    const runner = await run({
      connectionString: url,
      logger,
      concurrency: 24,
      pollInterval: 100,
      noHandleSignals: true,
      taskList: { noop: () => void (done += 1) },
    });
    await until(() => done >= COUNT);
    const took = performance.now() - began;
    await runner.stop();
    await utils.release();
    return { what: 'jobs, 24 at once', perSecond: (COUNT * 1000) / took };
  },
  async dbos() {
    const { DBOS } = await load('@dbos-inc/dbos-sdk');
    DBOS.setConfig({
      name: 'bench',
      systemDatabaseUrl: url,
      logLevel: 'error',
      runAdminServer: false,
    });
    const RUNS = COUNT / 5;
    const workflow = DBOS.registerWorkflow(
      async () => {
        for (let step = 0; step < 5; step += 1) {
          await DBOS.runStep(async () => ({ text: 'x'.repeat(245) }), { name: `s${step}` });
        }
      },
      { name: 'five' },
    );
    await DBOS.launch();
    const began = performance.now();
    for (let i = 0; i < RUNS; i += 64) {
      await Promise.all(Array.from({ length: Math.min(64, RUNS - i) }, () => workflow()));
    }
    const took = performance.now() - began;
    await DBOS.shutdown();
    return { what: 'steps, 64 workflows at once', perSecond: (RUNS * 5 * 1000) / took };
  },
};

const result = await peers[name]();
console.log(JSON.stringify({ ...result, perSecond: Math.round(result.perSecond) }));
process.exit(0);
