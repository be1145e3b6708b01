// The file that ships: what it exports and needs, how large it is, and its real actions and providers
// at work. The linking rules hold for static builds (the release preset) only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { load, shippedPath } from './load.mjs';

const path = shippedPath();
const addon = load(path);
const folder = mkdtempSync(join(tmpdir(), 'purser-shipped-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const tool = (command, ...args) => execFileSync(command, args, { encoding: 'utf8' });
const needed = [...tool('readelf', '-d', path).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(m => m[1]);
const isStatic = !needed.some(name => name.startsWith('libabsl'));

describe('the file', () => {
  test('exports the two functions Node looks for and nothing else', () => {
    const names = tool('nm', '-D', '--defined-only', path)
      .trim()
      .split('\n')
      .map(line => line.split(' ').at(-1))
      .sort();
    assert.deepEqual(names, ['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  test('stays mapped when its last environment ends', () => {
    assert.match(tool('readelf', '-d', path), /Flags:.*NODELETE/);
  });

  test('needs the C and C++ libraries of the system only', { skip: !isStatic && 'not a static build' }, () => {
    const allowed = /^(libstdc\+\+\.so\.6|libm\.so\.6|libgcc_s\.so\.1|libc\.so\.6|ld-linux-x86-64\.so\.2)$/;
    assert.deepEqual(needed.filter(name => !allowed.test(name)), []);
  });

  test('asks Node for nothing but Node-API', { skip: !isStatic && 'not a static build' }, () => {
    const undefinedNames = tool('nm', '-D', '--undefined-only', path)
      .trim()
      .split('\n')
      .map(line => line.trim().split(' '))
      // Weak ones need nobody; ours are thread-local variables without an initializer.
      .filter(([kind]) => kind !== 'w')
      .map(([, name]) => name);
    // The C and C++ libraries version their symbols; what has none could bind to Node's own copies.
    const unversioned = undefinedNames.filter(name => !name.includes('@'));
    assert.deepEqual(unversioned.filter(name => !name.startsWith('napi_')), []);
  });

  test('has at most 10 MB', { skip: !isStatic && 'not a static build' }, () => {
    assert.ok(statSync(path).size <= 10_000_000, `${statSync(path).size} bytes`);
  });

  test('says Node-API level 9, which Node 20 takes too', () => {
    const level = tool(process.execPath, '-e', `
      const addon = require(${JSON.stringify(path)}); console.log(process.versions.napi >= 9, addon.version());`);
    assert.match(level, /^true \d+\.\d+\.\d+\n$/);
  });
});

describe('what it holds', () => {
  test('portal actions with schemas and examples', () => {
    const actions = JSON.parse(addon.listActions());
    const ids = actions.map(action => action.id);
    for (const id of ['purser:git:publish', 'purser:template:render']) assert.ok(ids.includes(id), ids.join());
    for (const action of actions) {
      assert.match(action.id, /^purser(:[a-z][a-z-]*){1,3}$/);
      assert.equal(action.host, 'portal');
      assert.ok(action.description.length > 20);
      assert.ok(action.examples.length >= 3);
      assert.equal(action.schema.input.type, 'object');
    }
  });

  test('renders a template', async () => {
    const workspace = join(folder, 'workspace');
    const source = join(folder, 'skeleton');
    mkdirSync(workspace);
    mkdirSync(source);
    writeFileSync(join(source, '${{ values.name }}.md'), '# ${{ values.name | upper }}\n');
    await addon.runAction(
      'purser:template:render',
      JSON.stringify({
        input: { url: './skeleton', sourcePath: source, values: { name: 'demo' } },
        workspace,
      }),
      { log() {}, output() {} },
    );
    assert.equal(tool('cat', join(workspace, 'demo.md')), '# DEMO\n');
  });

  test('reads a source tree', async () => {
    const tree = join(folder, 'tree', 'services');
    mkdirSync(tree, { recursive: true });
    writeFileSync(
      join(tree, 'catalog-info.yaml'),
      'apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: shop\nspec:\n' +
        '  type: service\n  lifecycle: production\n  owner: group:default/shop\n---\nkind: [broken\n',
    );
    writeFileSync(
      join(folder, 'tree', 'catalog-info.yaml'),
      'apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: shop}\nspec: {owner: group:default/shop}\n',
    );
    const given = [];
    const lines = [];
    const summary = JSON.parse(
      await addon.refreshProvider(
        'source-tree',
        JSON.stringify({
          config: { root: join(folder, 'tree') },
          instance: 'one',
          statePath: join(folder, 'state', 'source-tree.one'),
        }),
        {
          log: (level, text) => lines.push(`${level} ${text}`),
          chunk: upserts => { given.push(...JSON.parse(upserts)); },
        },
      ),
    );
    assert.equal(summary.added, 1);
    assert.equal(summary.dropped, 1);
    assert.equal(given[0].kind, 'System');
    assert.equal(
      given[0].metadata.annotations['backstage.io/managed-by-location'],
      `file:${join(folder, 'tree', 'catalog-info.yaml')}`,
    );
    assert.match(lines.join('\n'), /warn services\/catalog-info\.yaml:\d+:\d+: /);
  });
});
