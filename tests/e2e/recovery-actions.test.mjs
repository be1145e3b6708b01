// kill -9 of the portal in the middle of each action that changes files or pushes, also inside
// `each`: one task that is killed again and again ends as one that never was.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

/** Turns of each `each`. */
const ITEMS = Array.from({ length: 12 }, (_, i) => `item${i}`);
const MIDDLE = ITEMS[5];
/** Bytes that do not compress, so that an archive takes a moment. */
const NOISE_BYTES = 24 << 20;
const SMALL_FILES = 800;

const template = mkdtempSync(path.join(os.tmpdir(), 'purser-recovery-'));
after(() => rmSync(template, { recursive: true, force: true }));

/** The same bytes each time. */
function noise(bytes) {
  const out = Buffer.alloc(bytes);
  let state = 1;
  for (let i = 0; i < bytes; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out.writeUInt32LE((state ^ (state >>> 15)) >>> 0, i);
  }
  return out;
}

const skeleton = path.join(template, 'skeleton');
mkdirSync(path.join(skeleton, 'edits'), { recursive: true });
mkdirSync(path.join(skeleton, 'many'));
mkdirSync(path.join(template, 'rendered'));
for (const item of ITEMS) {
  writeFileSync(path.join(template, 'rendered', item), 'name: ${{ values.name }}\n');
}
writeFileSync(path.join(skeleton, 'noise'), noise(NOISE_BYTES));
for (let i = 0; i < SMALL_FILES; i++) {
  writeFileSync(path.join(skeleton, 'many', `f${i}`), `${i}\n`);
}
for (const item of ITEMS) {
  writeFileSync(path.join(skeleton, 'edits', `${item}.yaml`), `# kept\nname: ${item}\nlist: [a]\n`);
  writeFileSync(path.join(skeleton, 'edits', `${item}.json`), `{ "name": "${item}" }\n`);
  writeFileSync(path.join(skeleton, 'edits', `${item}.tf`), `locals {\n  name = "${item}"\n}\n`);
}

writeFileSync(
  path.join(template, 'template.yaml'),
  `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: recovered-actions
  title: Recovered actions
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
    - id: fetch
      action: purser:fetch:plain
      input: { url: ./skeleton, targetPath: ./src }
    - id: render
      action: purser:template:render
      input: { url: ./rendered, targetPath: ./rendered, values: { name: demo } }
    - id: yaml
      each: \${{ parameters.items }}
      action: purser:files:yaml:edit
      input:
        path: src/edits/\${{ each.value }}.yaml
        operations:
          - { op: append, path: list, value: b }
          - { op: set, path: done, value: "\${{ each.value }}" }
    - id: json
      each: \${{ parameters.items }}
      action: purser:files:json:merge
      input: { path: "src/edits/\${{ each.value }}.json", value: { done: true } }
    - id: hcl
      each: \${{ parameters.items }}
      action: purser:files:hcl:edit
      input:
        path: src/edits/\${{ each.value }}.tf
        operations:
          - { op: addBlock, name: module, labels: ["\${{ each.value }}"], body: { source: ./here } }
    - id: kustomization
      each: \${{ parameters.items }}
      action: purser:files:kustomization:add-resource
      input: { path: src/k8s, resources: ["\${{ each.value }}.yaml"] }
    - id: manifest
      each: \${{ parameters.items }}
      action: purser:manifest
      input:
        path: src/k8s/\${{ each.value }}.yaml
        apiVersion: platform.example/v1
        kind: Claim
        name: \${{ each.value }}
        spec: { size: 1 }
    - id: layout
      each: \${{ parameters.items }}
      action: purser:terraform:layout
      input:
        kind: environment
        environment: \${{ each.value }}
        path: src
        backend: { type: local, config: {} }
        providers: [{ name: random, source: hashicorp/random }]
        modules: [{ name: network, source: infra/network }]
    - id: zip
      action: purser:files:zip
      input: { path: out/all.zip, sourcePath: src }
    - id: tar
      action: purser:files:tar
      input: { path: out/many.tar.gz, sourcePath: src, exclude: [noise] }
    - id: untar
      each: \${{ parameters.items }}
      action: purser:files:untar
      input: { path: out/many.tar.gz, targetPath: "copies/\${{ each.value }}" }
    - id: publish
      action: purser:git:publish
      input:
        remoteUrl: \${{ environment.parameters.workspacesRemote }}
        defaultBranch: \${{ parameters.name }}
    - id: commit
      action: purser:git:commit
      input:
        remoteUrl: \${{ environment.parameters.workspacesRemote }}
        branch: \${{ parameters.name }}
        sourcePath: src/k8s
        targetPath: tenants
        gitCommitMessage: Add the tenants
  output:
    text:
      - title: outputs of all steps
        content: "${['fetch', 'render', 'yaml', 'json', 'hcl', 'kustomization', 'manifest', 'layout', 'zip', 'tar', 'untar'].map(step => `\${{ steps.${step}.output | dump }}`).join(' ')}"
      - title: published
        content: \${{ steps.publish.output.commitHash }}
      - title: committed
        content: \${{ steps.commit.output.commitHash }}
`,
);

const { portal, client } = await startPortal({
  templates: [path.join(template, 'template.yaml')],
  config: { scaffolder: { taskRecovery: { enabled: true, staleTimeout: { seconds: 3 } } } },
});
await until('the template', () => client.entity('template:default/recovered-actions'));

const git = async (...args) =>
  (await run('git', ['--git-dir', portal.paths.workspacesRemote, ...args], { quiet: true })).trim();
const inWorkspace = (task, ...parts) => path.join(portal.paths.work, task, ...parts);
const entries = folder => (existsSync(folder) ? readdirSync(folder) : []);

/**
 * Kills the portal when `ready` says so, and starts it again. It is not waited for: the task goes on
 * while the portal starts, and the next moment comes soon.
 */
async function killWhen(what, ready) {
  const end = Date.now() + 120_000;
  while (!ready()) {
    assert.ok(Date.now() < end, `the moment came to kill the portal: ${what}`);
    await sleep(1);
  }
  const ended = portal.backendEnded();
  process.kill(portal.backendPid, 'SIGKILL');
  await ended;
  portal.startBackend();
}

/** A hook of the remote that says it runs, and takes its time. */
const hookRan = path.join(template, 'hook-ran');
function armHook(name) {
  const file = path.join(portal.paths.workspacesRemote, 'hooks', name);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(hookRan, { force: true });
  writeFileSync(file, `#!/bin/sh\nrm "$0"\n: > '${hookRan}'\nsleep 1\n`);
  chmodSync(file, 0o755);
}

const start = name =>
  client.startTemplate('template:default/recovered-actions', { name, items: ITEMS });
/** The text of this title that the task gave at its end. */
async function outputOf(task, title) {
  const events = await client.get(`/api/scaffolder/v2/tasks/${task}/events`);
  const { output } = events.findLast(({ type }) => type === 'completion').body;
  return output.text.find(one => one.title === title).content;
}

test('a task that is killed in each action ends as one that never was', async () => {
  const calm = await start('calm');
  await client.taskEnd(calm, 'completed', 300);

  const id = await start('killed');
  const exists = (...parts) => existsSync(inWorkspace(id, ...parts));
  const half = () =>
    ['.purser-stage', 'out'].some(folder =>
      entries(inWorkspace(id, folder)).some(name => name.endsWith('.tmp')),
    );
  await killWhen('edits inside each', () => exists('src/k8s', `${MIDDLE}.yaml`));
  await killWhen('layouts inside each', () => exists('src/environments', MIDDLE));
  await killWhen('an archive on its way', half);
  await killWhen(
    'unpacking inside each',
    () =>
      exists('copies', MIDDLE) && entries(inWorkspace(id, '.purser-stage/new/many')).length > 50,
  );
  armHook('pre-receive');
  await killWhen('a push that is accepted after our death', () => existsSync(hookRan));
  await until('the push', () => git('rev-parse', '--verify', 'killed'));
  armHook('update');
  await killWhen('a commit that is accepted after our death', () => existsSync(hookRan));
  await portal.ready();
  await client.signIn();
  await client.taskEnd(id, 'completed', 300);

  assert.equal(await git('rev-list', '--count', 'calm'), '2');
  assert.equal(await git('rev-list', '--count', 'killed'), '2', 'one commit of each');
  assert.equal(await git('rev-parse', 'killed^{tree}'), await git('rev-parse', 'calm^{tree}'));
  assert.equal(await git('rev-parse', 'killed~^{tree}'), await git('rev-parse', 'calm~^{tree}'));
  for (const [name, task] of [
    ['calm', calm],
    ['killed', id],
  ]) {
    assert.equal(await outputOf(task, 'published'), await git('rev-parse', `${name}~`));
    assert.equal(await outputOf(task, 'committed'), await git('rev-parse', name));
  }
  assert.equal(
    await outputOf(id, 'outputs of all steps'),
    await outputOf(calm, 'outputs of all steps'),
  );
});
