import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { JsonValue } from '@backstage/types';
import { ModuleHarness } from './testing/moduleHarness';

describe('inputs of the actions that render', () => {
  let h: ModuleHarness;

  beforeEach(async () => {
    h = await ModuleHarness.create();
  });

  afterEach(() => h.close());

  it('reads nothing outside the template’s folder and takes no reserved inputs', async () => {
    await h.startModule();
    const templateInfo = {
      entityRef: 'template:default/t',
      baseUrl: `file://${join(h.folder, 'template', 'template.yaml')}`,
    };
    writeFileSync(join(h.folder, 'outside'), '');
    for (const [input, message] of [
      [{ url: '../outside' }, /outside|not allowed|resolve/i],
      [{ url: './skeleton', sourcePath: '/etc' }, /sourcePath: is set by the portal/],
      [{ url: './skeleton', scmHosts: {} }, /scmHosts: is set by the portal/],
      [{ url: './skeleton', portalNames: 'x' }, /portalNames: is set by the portal/],
      [{ url: './skeleton', valuesText: '{}' }, /valuesText: is set by the portal/],
      [{}, /\/url: is required/],
    ] as const) {
      await assert.rejects(
        async () => h.handler('purser:template:render')(h.context(input, { templateInfo }).ctx),
        { message },
      );
    }
    assert.equal(h.addon.runs.length, 0);
  });

  it('renders with the portal’s own engine what only it can, whatever was added when', async () => {
    h.templating.addTemplateFilters({ shout: (text: JsonValue) => `${String(text)}!` });
    await h.startModule();
    h.templating.addTemplateGlobals([{ id: 'company', value: 'Acme' }] as never);
    h.templating.addTemplateFilters([
      { id: 'text.twice', filter: (text: string) => text + text },
    ] as never);
    mkdirSync(join(h.folder, 'template', 'skeleton'), { recursive: true });
    const rendered: string[] = [];
    h.addon.run = async options => {
      const render = options.functions!['render-template'];
      const source =
        '${{ values.name | shout }} ${{ company }} ${{ "a" | text.twice }} ${{ "github.com?owner=o&repo=r" | projectSlug }}';
      rendered.push(String(await render({ name: 'a.txt', source })));
      await assert.rejects(async () =>
        render({ name: 'b.txt', source: '${{ values.name | nope }}' }),
      );
    };
    const { ctx } = h.context(
      { url: './skeleton', values: { name: 'x' } },
      {
        templateInfo: {
          entityRef: 'template:default/t',
          baseUrl: `file://${join(h.folder, 'template', 'template.yaml')}`,
        },
      },
    );
    await h.handler('purser:template:render')(ctx);
    assert.deepEqual(h.addon.runs[0].input.portalNames, ['shout', 'twice', 'company']);
    assert.deepEqual(rendered, ['x! Acme aa o/r']);
  });

  it('asks for the user’s own credential where the portal demands it', async () => {
    await h.startModule({ scaffolder: { requireScmUserCredentials: true } });
    for (const id of ['purser:template:render', 'purser:fetch:plain']) {
      await assert.rejects(
        async () => h.handler(id)(h.context({ url: 'https://github.com/o/r/tree/main/s' }).ctx),
        { name: 'InputError', message: /\/token: is required for github.com/ },
      );
    }
  });
});
