import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { ConfigReader } from '@backstage/config';
import type { JsonObject, JsonValue } from '@backstage/types';
import { createPurserService, type DefaultPurserService } from '@purser/plugin-purser-node';
import { type PurserActionContext, toTemplateAction } from './templateAction';

/** The actions that edit files, from a template's input to the file, through the real addon. */
describe('editing files', () => {
  let purser: DefaultPurserService;
  let workspace: string;
  let lines: string[];

  before(() => {
    purser = createPurserService({ config: new ConfigReader({}) });
  });
  after(() => purser.close());
  beforeEach(() => {
    workspace = mkdtempSync(join(tmpdir(), 'purser-files-'));
    lines = [];
  });
  afterEach(() => rmSync(workspace, { recursive: true, force: true }));

  async function run(id: string, input: JsonObject, extra: Partial<PurserActionContext> = {}) {
    const description = purser.addon.listActions().find(action => action.id === id);
    assert.ok(description, `the addon has no ${id}: it is not built from these sources`);
    const keep = (text: string) => void lines.push(text);
    const logger: LoggerService = {
      debug: keep,
      info: keep,
      warn: keep,
      error: keep,
      child: () => logger,
    };
    const outputs: Record<string, JsonValue> = {};
    const ctx = {
      input,
      logger,
      secrets: {},
      workspacePath: workspace,
      task: { id: 'task' },
      step: { id: 'step' },
      isDryRun: false,
      output: (name: string, value: JsonValue) => {
        outputs[name] = value;
      },
      ...extra,
    } as unknown as PurserActionContext;
    await toTemplateAction(description, { purser, retryFor: 0, adapters: {} }).handler(ctx);
    return outputs;
  }
  const put = (path: string, text: string) => {
    mkdirSync(join(workspace, path, '..'), { recursive: true });
    writeFileSync(join(workspace, path), text);
  };
  const get = (path: string) => readFileSync(join(workspace, path), 'utf8');

  it('keeps comments, and writes members in the order of the template', async () => {
    put('values.yaml', "image: # ours\n  tag: '1'\n");
    const outputs = await run('purser:files:yaml:edit', {
      path: 'values.yaml',
      operations: [
        { op: 'set', path: 'image.tag', value: '2' },
        { op: 'set', path: 'probe', value: { path: '/', every: 10, after: 3 } },
      ],
    });
    assert.equal(
      get('values.yaml'),
      "image: # ours\n  tag: '2'\nprobe:\n  path: '/'\n  every: 10\n  after: 3\n".replace(
        "'/'",
        '/',
      ),
    );
    assert.deepEqual(outputs.paths, ['values.yaml']);
    assert.equal(outputs.changed, true);
  });

  it('says what is wrong, and where', async () => {
    put('package.json', '{\n  "name": "x"\n}\n');
    await assert.rejects(
      run('purser:files:json:edit', {
        path: 'package.json',
        operations: [{ op: 'test', path: '/name', value: 'y' }],
      }),
      /package\.json: operation 0 at "\/name": test: is "x", not "y"/,
    );
    await assert.rejects(
      run('purser:files:json:edit', { path: '../x', operations: [{ op: 'delete', path: 'a' }] }),
      /leads out of the workspace/,
    );
  });

  it('refuses what only the portal gives', async () => {
    await assert.rejects(
      run('purser:files:yaml:merge', { path: 'a.yaml', create: true, value: {}, inputText: '{}' }),
      /inputText/,
    );
  });

  it('shows in a dry run what would change', async () => {
    put('main.tf', 'region = "a"\n');
    await run(
      'purser:files:hcl:edit',
      { path: 'main.tf', operations: [{ op: 'set', name: 'region', value: 'b' }] },
      { isDryRun: true },
    );
    assert.match(lines.join('\n'), /-region = "a"\n\+region = "b"/);
  });

  it('makes, packs and unpacks', async () => {
    await run('purser:terraform:layout', {
      kind: 'environment',
      environment: 'test',
      backend: { type: 'local' },
    });
    await run('purser:files:kustomization:add-resource', { path: 'k', resources: ['a.yaml'] });
    await run('purser:manifest', {
      path: 'k/a.yaml',
      apiVersion: 'v1',
      kind: 'Namespace',
      name: 'a',
    });
    const packed = await run('purser:files:tar', { path: 'out.tgz' });
    await run('purser:files:untar', { path: 'out.tgz', targetPath: 'again' });
    assert.equal(packed.files, 6);
    assert.equal(get('again/k/a.yaml'), get('k/a.yaml'));
    assert.match(get('again/.github/workflows/terraform-test-infra.yaml'), /terraform plan/);
  });
});
