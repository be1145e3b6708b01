// A case of every action of the portal: what it needs in its workspace, an input that does it, and one
// that is much work. Tests go through them all, so an action without a case is found.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Bytes that do not compress, the same each time. */
export function noise(bytes) {
  const out = Buffer.alloc(bytes);
  let state = 1;
  for (let i = 0; i + 4 <= bytes; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out.writeUInt32LE((state ^ (state >>> 15)) >>> 0, i);
  }
  return out;
}

function put(folder, name, content = '') {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const ENDLESS = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
const lines = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join('');
// 90,000 values, in as many objects as the documents' limit of members asks for.
const LARGE_JSON = `{${lines(10, g => `"g${g}": {${lines(9_000, i => `"key${i}": "a value of the usual length",\n`)}"z": 1},\n`)}"z": 1}`;
const LARGE_YAML = lines(
  10,
  g => `g${g}:\n${lines(9_000, i => `  key${i}: "a value of the usual length"\n`)}`,
);
const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'claims.example.com' },
  spec: {
    group: 'example.com',
    names: { kind: 'Claim', plural: 'claims' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
};
const CLAIM = { apiVersion: 'example.com/v1', kind: 'Claim', name: 'one', namespace: 'team' };
const layout = more => ({
  kind: 'customer',
  environment: 'prod',
  customer: 'acme',
  apps: ['shop'],
  backend: { type: 'local', config: {} },
  providers: [{ name: 'random', source: 'hashicorp/random' }],
  modules: [{ name: 'network', source: 'infra/network' }],
  ...more,
});

// Of each: `prepare(workspace, source)`; `input(source)`; `work`, the same two for much work. `source`
// is a folder beside the workspace, as the portal reads templates into one.
const reading = (file, more = {}) => ({
  prepare: (_, source) => put(source, 'a.txt', 'name: ${{ values.name }}\n'),
  input: source => ({
    url: './a',
    sourcePath: file ? path.join(source, 'a.txt') : source,
    targetPath: file ? 'out/a.txt' : 'out',
    ...more,
  }),
});
const archive = (extension, compressed) => {
  const packed = `out/a.${compressed}`;
  return {
    pack: {
      prepare: workspace => put(workspace, 'src/a.txt', 'a'),
      input: () => ({ path: `out/a.${extension}`, sourcePath: 'src' }),
      work: {
        prepare: workspace => put(workspace, 'src/noise', noise(48 << 20)),
        input: () => ({ path: packed, sourcePath: 'src' }),
      },
    },
    unpack: kind => ({
      needs: [`purser:files:${kind}`, { path: packed, sourcePath: 'src' }],
      prepare: workspace => put(workspace, 'src/a.txt', 'a'),
      input: () => ({ path: packed, targetPath: 'copy' }),
      work: {
        prepare: workspace => put(workspace, 'src/noise', noise(48 << 20)),
        input: () => ({ path: packed, targetPath: 'copy' }),
      },
    }),
  };
};
const zip = archive('zip', 'zip');
const tar = archive('tar', 'tar.gz');

/** By the action's id. */
export const cases = {
  'purser:fetch:plain': {
    ...reading(false),
    work: {
      prepare: (_, source) => {
        for (let i = 0; i < 24; i += 1) put(source, `large${i}`, noise(4 << 20));
      },
      input: source => ({ url: './a', sourcePath: source, targetPath: 'out' }),
    },
  },
  'purser:fetch:plain:file': {
    ...reading(true),
    work: {
      prepare: (_, source) => put(source, 'large', noise(64 << 20)),
      input: source => ({ url: './a', sourcePath: path.join(source, 'large'), targetPath: 'out' }),
    },
  },
  'purser:template:render': {
    ...reading(false, { values: { name: 'demo' } }),
    work: {
      prepare: (_, source) => put(source, 'endless', ENDLESS),
      input: source => ({ url: './a', sourcePath: source, targetPath: 'out', values: {} }),
    },
  },
  'purser:template:render:file': {
    ...reading(true, { values: { name: 'demo' } }),
    work: {
      prepare: (_, source) => put(source, 'endless', ENDLESS),
      input: source => ({
        url: './a',
        sourcePath: path.join(source, 'endless'),
        targetPath: 'out',
        values: {},
      }),
    },
  },
  'purser:files:zip': zip.pack,
  'purser:files:unzip': zip.unpack('zip'),
  'purser:files:tar': tar.pack,
  'purser:files:untar': tar.unpack('tar'),
  'purser:files:yaml:edit': {
    prepare: workspace => put(workspace, 'a.yaml', '# kept\na: 1\n'),
    input: () => ({ path: 'a.yaml', operations: [{ op: 'set', path: 'b', value: 2 }] }),
    work: {
      prepare: workspace => put(workspace, 'a.yaml', LARGE_YAML),
      input: () => ({
        path: 'a.yaml',
        operations: Array.from({ length: 50 }, (_, i) => ({
          op: 'set',
          path: `g1.key${i}`,
          value: i,
        })),
      }),
    },
  },
  'purser:files:yaml:merge': {
    prepare: workspace => put(workspace, 'a.yaml', '# kept\na: 1\n'),
    input: () => ({ path: 'a.yaml', value: { b: { c: [1] } } }),
    work: {
      prepare: workspace => put(workspace, 'a.yaml', LARGE_YAML),
      input: () => ({
        path: 'a.yaml',
        value: { g1: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, i])) },
      }),
    },
  },
  'purser:files:json:edit': {
    prepare: workspace => put(workspace, 'a.json', '{ "a": 1 }\n'),
    input: () => ({ path: 'a.json', operations: [{ op: 'set', path: 'b', value: 2 }] }),
    work: {
      prepare: workspace => put(workspace, 'a.json', LARGE_JSON),
      input: () => ({
        path: 'a.json',
        operations: Array.from({ length: 50 }, (_, i) => ({
          op: 'set',
          path: `g1.key${i}`,
          value: i,
        })),
      }),
    },
  },
  'purser:files:json:merge': {
    prepare: workspace => put(workspace, 'a.json', '{ "a": 1 }\n'),
    input: () => ({ path: 'a.json', value: { b: 2 } }),
    work: {
      prepare: workspace => put(workspace, 'a.json', LARGE_JSON),
      input: () => ({
        path: 'a.json',
        value: { g1: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, i])) },
      }),
    },
  },
  'purser:files:hcl:edit': {
    prepare: workspace => put(workspace, 'a.tf', 'locals {\n  a = 1\n}\n'),
    input: () => ({
      path: 'a.tf',
      operations: [{ op: 'set', block: 'locals', name: 'b', value: 2 }],
    }),
    work: {
      prepare: workspace =>
        put(
          workspace,
          'a.tf',
          `locals {\n${lines(90_000, i => `  key${i} = "a value of the usual length"\n`)}}\n`,
        ),
      input: () => ({
        path: 'a.tf',
        operations: Array.from({ length: 50 }, (_, i) => ({
          op: 'set',
          block: 'locals',
          name: `key${i}`,
          value: i,
        })),
      }),
    },
  },
  'purser:files:kustomization:add-resource': {
    prepare: workspace => put(workspace, 'k8s/kustomization.yaml', 'resources:\n  - a.yaml\n'),
    input: () => ({ path: 'k8s', resources: ['b.yaml'] }),
    work: {
      prepare: workspace =>
        put(
          workspace,
          'k8s/kustomization.yaml',
          `resources:\n${lines(90_000, i => `  - some/folder/resource-${i}.yaml\n`)}`,
        ),
      input: () => ({
        path: 'k8s',
        resources: Array.from({ length: 100 }, (_, i) => `new-${i}.yaml`),
      }),
    },
  },
  'purser:manifest': {
    prepare: workspace => put(workspace, 'crds/claim.yaml', JSON.stringify(CRD)),
    input: () => ({ path: 'k8s/claim.yaml', ...CLAIM, spec: { size: 1 }, crds: ['crds'] }),
    work: {
      prepare: workspace => {
        for (let i = 0; i < 20; i += 1) {
          const other = structuredClone(CRD);
          other.metadata.name = `others${i}.example.com`;
          other.spec.names = { kind: `Other${i}`, plural: `others${i}` };
          other.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties =
            Object.fromEntries(
              Array.from({ length: 5_000 }, (_, j) => [
                `field${j}`,
                { type: 'string', description: 'What it is for.' },
              ]),
            );
          put(workspace, `crds/other${i}.yaml`, JSON.stringify(other));
        }
        put(workspace, 'crds/claim.yaml', JSON.stringify(CRD));
      },
      input: () => ({ path: 'k8s/claim.yaml', ...CLAIM, spec: { size: 1 }, crds: ['crds'] }),
    },
  },
  'purser:terraform:layout': {
    prepare: () => undefined,
    input: () => layout({}),
    work: {
      prepare: () => undefined,
      input: () => layout({ apps: Array.from({ length: 50 }, (_, i) => `app${i}`) }),
    },
  },
  'purser:git:publish': {
    prepare: workspace => put(workspace, 'README.md', '# demo\n'),
    input: (_, remoteUrl) => ({ remoteUrl, allowLocalRemotes: true }),
    work: {
      prepare: workspace => put(workspace, 'noise', noise(48 << 20)),
      input: (_, remoteUrl) => ({ remoteUrl, allowLocalRemotes: true }),
    },
  },
  'purser:git:commit': {
    prepare: workspace => put(workspace, 'README.md', '# demo\n'),
    input: (_, remoteUrl) => ({
      remoteUrl,
      allowLocalRemotes: true,
      branch: 'main',
      gitCommitMessage: 'Add it',
    }),
    work: {
      prepare: workspace => put(workspace, 'noise', noise(48 << 20)),
      input: (_, remoteUrl) => ({
        remoteUrl,
        allowLocalRemotes: true,
        branch: 'main',
        gitCommitMessage: 'Add it',
      }),
    },
  },
};
