// One way of rendering a skeleton, once, in a process of its own; prints one JSON line of figures.
//
//   node render-side.mjs <native | backstage | worker> <folder with skeleton/> <workspace>
//
// backstage: the handler of fetch:template. worker: what plain JavaScript can do, a worker thread
// with synchronous files and the same engine. native: purser:template:render in the addon.
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
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
  return () =>
    addon.runAction(
      'purser:template:render',
      JSON.stringify({
        input: { url: './skeleton', sourcePath: skeleton, targetPath: './', values: VALUES },
        workspace,
      }),
      {
        log() {
          events += 1;
        },
        output() {},
      },
    );
}

const peakMegabytes = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

const run = await { native, backstage, worker }[way]();
await new Promise(resolve => {
  setTimeout(resolve, 200);
});
const idle = peakMegabytes();
const cpu = process.cpuUsage();
const use = performance.eventLoopUtilization();
const start = performance.now();
const delay = await eventLoopDelay(run);
const wall = performance.now() - start;
const used = process.cpuUsage(cpu);
console.log(
  JSON.stringify({
    wall,
    cpu: (used.user + used.system) / 1000,
    utilization: performance.eventLoopUtilization(use).utilization,
    delayMax: delay.max,
    events,
    peak: peakMegabytes() - idle,
  }),
);
