import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { UrlReaderService } from '@backstage/backend-plugin-api';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import type { PurserActionContext } from '../templateAction';
import { createFetchAdapter, createRenderAdapter, type FetchDeps } from './render';

describe('reading what a url names', () => {
  let folder: string;
  let asked: string[];
  let deps: FetchDeps;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'purser-read-'));
    asked = [];
    deps = {
      integrations: ScmIntegrations.fromConfig(new ConfigReader({})),
      requireScmUserCredentials: false,
      reader: {
        readTree: async (url: string, options: { token?: string }) => {
          asked.push(`tree ${url} ${options.token}`);
          return {
            dir: async ({ targetDir }: { targetDir: string }) =>
              writeFileSync(join(targetDir, 'a.txt'), 'from afar'),
          };
        },
        readUrl: async (url: string, options: { token?: string }) => {
          asked.push(`file ${url} ${options.token}`);
          return { buffer: async () => Buffer.from('from afar') };
        },
      } as unknown as UrlReaderService,
    };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const context = (input: JsonObject, baseUrl: string) =>
    ({
      input,
      templateInfo: { entityRef: 'template:default/t', baseUrl },
      createTemporaryDirectory: async () => mkdtempSync(join(folder, 'tmp-')),
    }) as unknown as PurserActionContext;

  it('goes through the portal’s URL reader, relative to the template, with the token', async () => {
    const adapter = createFetchAdapter(deps, 'folder');
    const prepared = await adapter.prepare!(
      context(
        { url: './skeleton', token: 'mine' },
        'https://github.com/o/r/tree/main/t/template.yaml',
      ),
    );
    assert.deepEqual(asked, ['tree https://github.com/o/r/tree/main/t/skeleton mine']);
    assert.deepEqual(prepared.secrets, { token: 'mine' });
    const { sourcePath, ...rest } = prepared.input;
    assert.deepEqual(rest, { url: './skeleton' });
    assert.equal(readFileSync(join(String(sourcePath), 'a.txt'), 'utf8'), 'from afar');
  });

  it('reads one file where the action wants one', async () => {
    const adapter = createRenderAdapter(
      { ...deps, templating: { extensions: () => ({ filters: {}, globals: {} }) } },
      'file',
    );
    const prepared = await adapter.prepare!(
      context(
        { url: 'https://github.com/o/r/blob/main/x.txt', targetPath: 'x', values: { b: 1, a: 2 } },
        'https://github.com/o/r/tree/main/t/template.yaml',
      ),
    );
    assert.deepEqual(asked, ['file https://github.com/o/r/blob/main/x.txt undefined']);
    assert.equal(readFileSync(String(prepared.input.sourcePath), 'utf8'), 'from afar');
    assert.equal(prepared.input.valuesText, '{"b":1,"a":2}');
    assert.equal(prepared.input.values, undefined);
  });

  it('reads files of this machine in place, and none outside the template’s folder', async () => {
    mkdirSync(join(folder, 't', 'skeleton'), { recursive: true });
    mkdirSync(join(folder, 'other'));
    symlinkSync('../other', join(folder, 't', 'out'));
    const adapter = createFetchAdapter(deps, 'folder');
    const baseUrl = `file://${join(folder, 't', 'template.yaml')}`;
    const prepared = await adapter.prepare!(context({ url: 'skeleton' }, baseUrl));
    assert.equal(prepared.input.sourcePath, join(folder, 't', 'skeleton'));
    for (const url of ['../other', 'out', '/etc']) {
      await assert.rejects(async () => adapter.prepare!(context({ url }, baseUrl)), {
        name: 'NotAllowedError',
      });
    }
    assert.deepEqual(asked, []);
  });
});
