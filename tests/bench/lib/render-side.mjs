// One way of rendering a skeleton, once, in a process of its own; prints one JSON line of figures.
//
//   node render-side.mjs <native | backstage | worker> <folder with skeleton/> <workspace>
//   node render-side.mjs loop <folder with skeleton/> <folder for workspaces>
//
// loop: the native action several times, one after another, only to see how busy the event loop is,
// and a timer that waits as long, to see what one wake-up of an idle loop costs on this machine. A
// probe of the loop's delay would keep it busy itself (it wakes up every millisecond), so there is
// none. The first runs are left out: they start threads and find code that was never run. Medians,
// because a thread that waits for a core of a shared machine counts as busy.
//
// backstage: the handler of fetch:template. worker: what plain JavaScript can do, a worker thread
// with synchronous files and the same engine. native: purser:template:render in the addon.
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { load, root, shippedPath } from '../../addon/load.mjs';
import { eventLoopDelay } from './measure.mjs';
import { VALUES } from './skeleton.mjs';

const [way, folder, workspace] = process.argv.slice(2);
const require = createRequire(path.join(root, 'package.json'));
const skeleton = path.join(folder, 'skeleton');
let events = 0;

function backstage() {
  const { createFetchTemplateAction } = require(
    path.join(
      path.dirname(require.resolve('@backstage/plugin-scaffolder-backend/package.json')),
      'dist/scaffolder/actions/builtin/fetch/template.cjs.js',
    ),
  );
  const { ScmIntegrations } = require('@backstage/integration');
  const { ConfigReader } = require('@backstage/config');
  const action = createFetchTemplateAction({
    integrations: ScmIntegrations.fromConfig(new ConfigReader({})),
    reader: {},
  });
  const count = () => {
    events += 1;
  };
  const temporary = path.join(folder, `temporary-${process.pid}`);
  return () =>
    action.handler({
      input: { url: './skeleton', values: VALUES },
      templateInfo: { baseUrl: `file://${folder}/template.yaml`, entityRef: 'template:default/bench' },
      workspacePath: workspace,
      createTemporaryDirectory: async () => {
        mkdirSync(temporary, { recursive: true });
        return temporary;
      },
      logger: { info: count, warn: count, error: count, debug() {} },
      output() {},
    });
}

const WORKER = `
const { workerData, parentPort } = require('node:worker_threads');
const fs = require('node:fs');
const path = require('node:path');
const { createTemplateRenderer } = require(workerData.engine);
const { createDefaultFilters } = require(workerData.filters);
const { ScmIntegrations } = require(workerData.integration);
const { ConfigReader } = require(workerData.config);
const filters = Object.fromEntries(createDefaultFilters({
  integrations: ScmIntegrations.fromConfig(new ConfigReader({})),
}).map(one => [one.id, one.filter]));
const renderer = createTemplateRenderer({ filters, allowRegexExecution: true });
const context = renderer.prepareContext({ values: workerData.values });
const walk = (from, to) => {
  fs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const place = path.join(to, renderer.render(entry.name, context));
    if (entry.isDirectory()) walk(source, place);
    else if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), place);
    else {
      const bytes = fs.readFileSync(source);
      const binary = bytes.subarray(0, 512).includes(0);
      const mode = fs.statSync(source).mode;
      fs.writeFileSync(place, binary ? bytes : renderer.render(bytes.toString('utf8'), context), { mode });
    }
  }
};
parentPort.once('message', () => {
  walk(workerData.from, workerData.to);
  process.exit();
});
parentPort.postMessage('ready');`;

// The worker is warm, as one of a pool would be.
async function worker() {
  const scaffolder = path.dirname(require.resolve('@backstage/plugin-scaffolder-backend/package.json'));
  const workerData = {
    engine: require.resolve('nunjitsu'),
    filters: path.join(scaffolder, 'dist/lib/templating/filters/createDefaultFilters.cjs.js'),
    integration: require.resolve('@backstage/integration'),
    config: require.resolve('@backstage/config'),
    values: VALUES,
    from: skeleton,
    to: workspace,
  };
  const thread = new Worker(WORKER, { eval: true, workerData });
  await once(thread, 'message');
  return async () => {
    thread.postMessage('start');
    await once(thread, 'exit');
  };
}

function native() {
  const addon = load(shippedPath());
  return (place = workspace) =>
    addon.runAction(
      'purser:template:render',
      JSON.stringify({
        input: { url: './skeleton', sourcePath: skeleton, targetPath: './', values: VALUES },
        workspace: place,
      }),
      {
        log() {
          events += 1;
        },
        output() {},
      },
    );
}

const LOOP_WARM = 3;
const LOOP_RUNS = 15;

const median = values => values.sort((a, b) => a - b)[values.length >> 1];

const sleep = milliseconds =>
  new Promise(resolve => {
    setTimeout(resolve, milliseconds);
  });

/** How long the loop was busy during `work`, and how long that took; milliseconds. */
async function watch(work) {
  await sleep(5);
  const before = performance.eventLoopUtilization();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  return { wall, busy: performance.eventLoopUtilization(before).active };
}

async function loop() {
  const render = native();
  const runs = [];
  const waits = [];
  for (let i = 0; i < LOOP_WARM + LOOP_RUNS; i += 1) {
    const place = path.join(workspace, `${i}`);
    mkdirSync(place);
    runs.push(await watch(() => render(place)));
    rmSync(place, { recursive: true });
    waits.push(await watch(() => sleep(runs[i].wall)));
  }
  const of = (list, figure) => median(list.slice(LOOP_WARM).map(one => one[figure]));
  return {
    first: runs[0].busy,
    busy: of(runs, 'busy'),
    wakeUp: of(waits, 'busy'),
    wall: of(runs, 'wall'),
  };
}

if (way === 'loop') {
  console.log(JSON.stringify(await loop()));
  process.exit();
}

const peakMegabytes = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

const run = await { native, backstage, worker }[way]();
await new Promise(resolve => {
  setTimeout(resolve, 200);
});
const idle = peakMegabytes();
const cpu = process.cpuUsage();
const start = performance.now();
const delay = await eventLoopDelay(run);
const wall = performance.now() - start;
const used = process.cpuUsage(cpu);
console.log(
  JSON.stringify({
    wall,
    cpu: (used.user + used.system) / 1000,
    delayMax: delay.max,
    events,
    peak: peakMegabytes() - idle,
  }),
);
