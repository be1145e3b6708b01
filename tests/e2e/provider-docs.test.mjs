// What the documentation shows is what the providers take: every configuration of a source in docs/
// is read as the portal reads it and checked against the provider's own JSON Schema; every provider
// has a page with a whole example, and the pages are linked.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { at } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';

// From where the module's own dependencies are found.
const require = createRequire(at('plugin/catalog-module/package.json'));
const Ajv = require('ajv').default;
const YAML = require('yaml');
const { ConfigReader } = require('@backstage/config');
const { createPurserService } = require('@purser/plugin-purser-node');
const { readInstances } = require(at('plugin/catalog-module/dist/config.js'));

const folder = mkdtempSync(path.join(tmpdir(), 'purser-docs-'));
const socket = path.join(folder, 'run', 'purserd.sock');
let sidecar;
let purser;
/** Provider id → description. */
let providers;

/** Every documentation page, by its path below docs/. */
const pages = new Map(
  readdirSync(at('docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => [name, readFileSync(at('docs', name), 'utf8')]),
);

/** The YAML blocks of a page that configure sources. */
function sourceConfigs(text) {
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)]
    .map(([, yaml]) => YAML.parse(yaml))
    .filter(config => config?.catalog?.providers?.purser !== undefined);
}

/** A page's examples that speak of real providers, as the portal reads them. */
function instancesOf(text) {
  return sourceConfigs(text)
    .filter(config => !('<provider>' in config.catalog.providers.purser))
    .flatMap(config => readInstances(new ConfigReader(config)));
}

before(async () => {
  const config = path.join(folder, 'purserd.yaml');
  writeFileSync(
    config,
    `state: ${path.join(folder, 'state')}\nlisten: { unix: { path: ${socket} } }\n` +
      `http: { address: "127.0.0.1:0" }\n`,
  );
  sidecar = spawn(at('build/release/bin/purserd'), ['--config', config], { stdio: 'ignore' });
  await once(sidecar, 'spawn');
  purser = createPurserService({
    config: new ConfigReader({
      purser: {
        sidecar: { address: `unix:${socket}` },
        stateDirectory: path.join(folder, 'addon'),
        addon: { path: at('build/release/bin/purser.node') },
      },
    }),
  });
  const hosted = await until('purserd', () => purser.sidecar.listProviders());
  providers = new Map(
    [...hosted, ...purser.addon.listProviders()].map(description => [description.id, description]),
  );
});

after(async () => {
  purser?.close();
  const gone = once(sidecar, 'exit');
  sidecar.kill('SIGTERM');
  await gone;
  rmSync(folder, { recursive: true, force: true });
});

describe('the pages of catalog providers', () => {
  it('show configurations that the providers take', () => {
    let checked = 0;
    for (const [page, text] of pages) {
      for (const { providerId, instance, config } of instancesOf(text)) {
        const where = `docs/${page}: ${providerId}/${instance}`;
        const description = providers.get(providerId);
        assert.ok(description, `${where}: there is no such provider`);
        const ajv = new Ajv({ strict: false, allErrors: true, useDefaults: true });
        const validate = ajv.compile(description.configSchema);
        assert.ok(validate(config), `${where}: ${ajv.errorsText(validate.errors)}`);
        checked += 1;
      }
    }
    assert.ok(checked >= providers.size, `${checked} examples were checked`);
  });

  it('are there for every provider, with a whole example', () => {
    const index = pages.get('providers.md');
    const navigation = readFileSync(at('mkdocs.yml'), 'utf8');
    for (const id of providers.keys()) {
      const page = [...pages].find(
        ([name, text]) =>
          name.startsWith('providers') &&
          instancesOf(text).some(instance => instance.providerId === id),
      );
      assert.ok(page, `no page below docs/providers shows how ${id} is configured`);
      assert.ok(navigation.includes(`: ${page[0]}`), `mkdocs.yml does not list docs/${page[0]}`);
      assert.ok(
        page[0] === 'providers.md' || index.includes(`](${page[0]})`),
        `docs/providers.md does not link ${page[0]}`,
      );
    }
  });

  it('describe every setting that a provider has of its own', () => {
    for (const [id, { configSchema }] of providers) {
      const text = [...pages]
        .filter(([name]) => name.startsWith('providers'))
        .filter(
          ([name, page]) =>
            // What all clusters and all directories have in common has a page of its own.
            ['providers/kubernetes.md', 'providers/identity.md'].includes(name) ||
            instancesOf(page).some(instance => instance.providerId === id),
        )
        .map(([, page]) => page)
        .join('\n');
      for (const key of Object.keys(configSchema.properties ?? {})) {
        assert.ok(text.includes(key), `${id}: the documentation does not say what "${key}" is`);
      }
    }
  });
});
