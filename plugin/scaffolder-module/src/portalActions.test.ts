import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { JsonObject } from '@backstage/types';
import { ModuleHarness } from './testing/moduleHarness';

describe('actions that the addon runs', () => {
  let h: ModuleHarness;

  beforeEach(async () => {
    h = await ModuleHarness.create();
  });

  afterEach(() => h.close());

  it('hides the task’s secrets in logs, outputs and errors', async () => {
    await h.startModule();
    h.addon.run = async options => {
      options.onLog('info', `pushing with ${options.secrets.token}`);
      options.onOutput('note', { text: `used ${options.secrets.token}` });
      throw new Error(`refused ${encodeURIComponent(options.secrets.token)}`);
    };
    const { ctx } = h.context(
      { remoteUrl: 'https://github.com/o/r.git' },
      { secrets: { token: 'very secret/token' } },
    );
    await assert.rejects(async () => h.handler('purser:git:publish')(ctx), {
      message: 'refused ***',
    });
    assert.deepEqual(h.lines, [{ level: 'info', text: 'pushing with ***' }]);
  });

  it('hands a signal and a workspace to the addon', async () => {
    await h.startModule();
    mkdirSync(join(h.folder, 'template', 'skeleton'), { recursive: true });
    const abort = new AbortController();
    h.addon.run = async (options, signal) => {
      assert.equal(options.workspace, h.folder);
      assert.equal(signal, abort.signal);
      options.onOutput('files', 3);
    };
    const { ctx, outputs } = h.context(
      { url: './skeleton', values: { z: 1, a: 2 } },
      {
        signal: abort.signal,
        templateInfo: {
          entityRef: 'template:default/t',
          baseUrl: `file://${join(h.folder, 'template', 'template.yaml')}`,
        },
      },
    );
    await h.handler('purser:template:render')(ctx);
    assert.deepEqual(outputs, { files: 3 });
    assert.deepEqual(h.addon.runs[0].input, {
      url: './skeleton',
      valuesText: '{"z":1,"a":2}',
      sourcePath: join(h.folder, 'template', 'skeleton'),
      scmHosts: h.addon.runs[0].input.scmHosts,
      portalNames: [],
    });
    const hosts = h.addon.runs[0].input.scmHosts as JsonObject;
    assert.equal(hosts['github.com'], 'github');
    assert.equal(hosts['gitlab.example'], 'gitlab');
    // Its result is the workspace: a recovered task must render again.
    assert.equal(h.checkpoints.size, 0);
  });

  it('gives a recovered step the outputs that it kept before it wrote', async () => {
    await h.startModule();
    const kept: string[] = [];
    const secrets = { token: 'very secret' };
    const edit = async (outputs: JsonObject, dies: boolean) => {
      h.addon.run = async ({ functions, onOutput }) => {
        const answer = await functions!['keep-outputs'](outputs);
        kept.push(answer);
        if (dies) throw new Error('killed');
        onOutput('changed', (JSON.parse(answer) as JsonObject).changed!);
      };
      const { ctx, outputs: given } = h.context({ path: 'a.json', value: { a: 1 } }, { secrets });
      await h.handler('purser:files:json:merge')(ctx);
      return given;
    };
    await assert.rejects(edit({ changed: true, note: 'a very secret one' }, true), /killed/);
    assert.deepEqual(await edit({ changed: false, note: '' }, false), { changed: true });
    assert.deepEqual(kept, Array(2).fill('{"changed":true,"note":"a *** one"}'));
  });

  it('keeps no outputs of a dry run, nor where the whole run is kept', async () => {
    await h.startModule();
    h.addon.run = async ({ functions }) => assert.deepEqual(Object.keys(functions ?? {}), []);
    const dry = h.context({ path: 'a.json', value: { a: 1 } }, { isDryRun: true });
    await h.handler('purser:files:json:merge')(dry.ctx);
    await h.handler('purser:git:publish')(
      h.context({ remoteUrl: 'https://github.com/o/r.git' }).ctx,
    );
  });

  it('counts each run with the portal’s metrics, also those that fail', async () => {
    const runs: string[] = [];
    h.metrics = {
      ...h.metrics,
      createCounter: (name: string) => ({
        add: (value: number, attributes?: object) => {
          runs.push(`${name} ${value} ${JSON.stringify(attributes)}`);
        },
      }),
    };
    await h.startModule();
    h.addon.run = async options => options.onOutput('files', 3);
    const input = { remoteUrl: 'https://github.com/o/r.git' };
    await h.handler('purser:git:publish')(h.context(input).ctx);
    h.addon.run = async () => {
      throw new Error('refused');
    };
    await assert.rejects(async () =>
      h.handler('purser:git:publish')(h.context({ ...input, a: 1 }).ctx),
    );
    assert.deepEqual(runs, [
      'purser.action.runs 1 {"action":"purser:git:publish","result":"ok"}',
      'purser.action.files 3 {"action":"purser:git:publish"}',
      'purser.action.runs 1 {"action":"purser:git:publish","result":"failed"}',
    ]);
  });
});
