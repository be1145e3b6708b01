// One measured operation of the git bench in a process of its own:
//   node git-side.mjs <'isomorphic' | 'purser'> <'publish' | 'commit'> <folder> <url>
// Prints JSON: wall and CPU milliseconds, the longest stall of the event loop, memory over idle.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const require = createRequire(path.join(root, 'package.json'));
const [side, operation, dir, url] = process.argv.slice(2);
const author = { name: 'Bench', email: 'bench@example.org' };

function isomorphic() {
  const helpers = require('@backstage/plugin-scaffolder-node');
  const logger = { info() {}, warn() {}, debug() {}, error: console.error };
  const common = { dir, auth: {}, logger, commitMessage: operation, gitAuthorInfo: author };
  return operation === 'publish'
    ? () => helpers.initRepoAndPush({ ...common, remoteUrl: url, defaultBranch: 'main' })
    : () => helpers.commitAndPushRepo({ ...common, branch: 'main' });
}

function purser() {
  const { LazyNativeAddon } = require(path.join(root, 'plugin/node/dist/addon.js'));
  const addon = new LazyNativeAddon();
  addon.listActions();
  return () =>
    addon.runAction({
      id: 'purser:git:publish',
      input: {
        remoteUrl: url,
        defaultBranch: 'main',
        gitCommitMessage: operation,
        gitAuthorName: author.name,
        gitAuthorEmail: author.email,
        whenBranchExists: 'append',
      },
      workspace: dir,
      secrets: {},
      idempotencyKey: `bench/${operation}/1`,
      onLog() {},
      onOutput() {},
    });
}

const memory = name => Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${name}:\\s+(\\d+) kB`))[1]) / 1024;

const work = side === 'isomorphic' ? isomorphic() : purser();
// One exchange first, so that what fetch loads at its first use is not counted for either side.
await (await fetch(`${url}/info/refs?service=git-upload-pack`)).arrayBuffer();
await sleep(50);
globalThis.gc?.();
const idle = memory('VmRSS');
writeFileSync('/proc/self/clear_refs', '5');
const histogram = monitorEventLoopDelay({ resolution: 1 });
histogram.enable();
const cpu = process.cpuUsage();
const start = performance.now();
await work();
const wall = performance.now() - start;
const used = process.cpuUsage(cpu);
histogram.disable();
console.log(
  JSON.stringify({
    wall,
    cpu: (used.user + used.system) / 1000,
    loop: histogram.max / 1e6,
    memory: memory('VmHWM') - idle,
  }),
);
process.exit();
