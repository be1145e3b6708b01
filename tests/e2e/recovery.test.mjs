// kill -9 of the portal in the middle of a task: Backstage recovers the task, and what Purser's
// actions left is made whole, once.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const FILES = 1500;
const ITEMS = ['a', 'b', 'c', 'd'];

const template = mkdtempSync(path.join(os.tmpdir(), 'purser-recovery-'));
after(() => rmSync(template, { recursive: true, force: true }));

// Enough files that a step can be hit in its middle.
for (let i = 0; i < FILES; i++) {
  const folder = path.join(template, 'skeleton', `d${i % 20}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `f${i}.txt`), `${i} of \${{ values.item }}\n`);
}
writeFileSync(path.join(template, 'one.txt'), 'one of ${{ values.item }}\n');
writeFileSync(
  path.join(template, 'template.yaml'),
  `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: recovered
  title: Recovered
spec:
  owner: group:default/platform
  type: service
  EXPERIMENTAL_recovery:
    EXPERIMENTAL_strategy: startOver
  parameters:
    - title: What
      required: [name, items]
      properties:
        name: { type: string }
        items: { type: array, items: { type: string } }
  steps:
    - id: render
      name: Render
      each: \${{ parameters.items }}
      action: purser:template:render
      input:
        url: ./skeleton
        targetPath: ./out/\${{ each.value }}
        values:
          item: \${{ each.value }}
    - id: file
      name: Render a file
      each: \${{ parameters.items }}
      action: purser:template:render:file
      input:
        url: ./one.txt
        targetPath: ./one-\${{ each.value }}.txt
        values:
          item: \${{ each.value }}
    - id: publish
      name: Publish
      action: purser:git:publish
      input:
        remoteUrl: \${{ environment.parameters.workspacesRemote }}
        defaultBranch: \${{ parameters.name }}
`,
);

const { portal, client } = await startPortal({
  templates: [path.join(template, 'template.yaml')],
  config: { scaffolder: { taskRecovery: { enabled: true, staleTimeout: { seconds: 3 } } } },
});
await until('the template', () => client.entity('template:default/recovered'));

const git = (...args) =>
  run('git', ['--git-dir', portal.paths.workspacesRemote, ...args], { quiet: true });

/** Kills the portal when `ready` says so, and starts it again. */
async function killWhen(ready) {
  for (let i = 0; !(await ready()); i++) {
    assert.ok(i < 20_000, 'the moment to kill the portal came');
    await sleep(3);
  }
  const ended = portal.backendEnded();
  process.kill(portal.backendPid, 'SIGKILL');
  await ended;
  portal.startBackend();
  await portal.ready();
}

/** The branch holds each file once, with its own item's value, and came with one commit. */
async function whole(branch) {
  const files = (await git('ls-tree', '-r', '--name-only', branch)).trim().split('\n').sort();
  const expected = ITEMS.flatMap(item => [
    `one-${item}.txt`,
    ...Array.from({ length: FILES }, (_, i) => `out/${item}/d${i % 20}/f${i}.txt`),
  ]).sort();
  assert.deepEqual(files, expected);
  for (const item of ITEMS) {
    assert.equal(await git('show', `${branch}:out/${item}/d7/f7.txt`), `7 of ${item}\n`);
    assert.equal(await git('show', `${branch}:one-${item}.txt`), `one of ${item}\n`);
  }
  assert.equal((await git('rev-list', '--count', branch)).trim(), '1');
}

const workspace = task => path.join(portal.paths.work, task);
const entries = folder => (existsSync(folder) ? readdirSync(folder) : []);

test('killed while the third turn of an `each` renders', async () => {
  const task = await client.startTemplate('template:default/recovered', {
    name: 'each',
    items: ITEMS,
  });
  await killWhen(
    () =>
      existsSync(path.join(workspace(task), 'out', 'b')) &&
      entries(path.join(workspace(task), '.purser-stage')).length > 50,
  );
  const left = entries(workspace(task));
  assert.ok(left.includes('.purser-stage'), `a stage was left behind, not only ${left}`);
  await client.signIn();
  await client.taskEnd(task);
  await whole('each');
});

test('killed while it publishes', async () => {
  const task = await client.startTemplate('template:default/recovered', {
    name: 'publish',
    items: ITEMS,
  });
  await killWhen(() => entries(workspace(task)).includes(`one-${ITEMS.at(-1)}.txt`));
  await client.signIn();
  await client.taskEnd(task);
  await whole('publish');
});
