import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import {
  ANNOTATION_SOURCE,
  purserAnnotations,
  purserLabels,
  sourceAnnotations,
} from '@purser/plugin-purser-common';

const root = resolve(__dirname, '../../..');
/** Where entities are made. */
const MAKERS = [
  'catalog-providers',
  'native/inventory',
  'native/provider',
  'native/provisioning',
  'native/sidecar',
];
/** Namespaces of annotations and labels: ours, and those of systems that we read. */
const KEY =
  /"((?:purser\.dev|keycloak\.org|okta\.com|backstage\.io|app\.kubernetes\.io)\/[a-z0-9-]+)"/g;
/** API versions look alike. */
const API_VERSION = /\/v\d/;
/** Not of entities: keys in texts of errors and bills, and of the store. */
const NOT_OF_ENTITIES = new Set(['purser.dev/entity', 'purser.dev/effect-key', 'purser.dev/store']);
/** Read from objects of a cluster, not given to entities. */
const READ_ONLY = new Set([
  'app.kubernetes.io/component',
  'app.kubernetes.io/name',
  'app.kubernetes.io/part-of',
  'backstage.io/ignore',
  'backstage.io/links',
  'backstage.io/name',
  'backstage.io/owner',
  'backstage.io/tags',
]);
/** Backstage's own. */
const OF_BACKSTAGE = new Set([
  'backstage.io/kubernetes-cluster',
  'backstage.io/kubernetes-id',
  'backstage.io/kubernetes-label-selector',
  'backstage.io/kubernetes-namespace',
  'backstage.io/managed-by-location',
  'backstage.io/managed-by-origin-location',
  'backstage.io/orphan',
  'backstage.io/source-location',
  'backstage.io/techdocs-entity',
  'backstage.io/techdocs-ref',
  'backstage.io/view-url',
]);

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => /\.(cc|h)$/.test(file) && !/_(test|fuzz)\.cc$|fake_|testing/.test(file))
    .map(file => join(root, folder, file));
}

describe('the catalog model', () => {
  it('describes every annotation and label that native code gives to entities', () => {
    const described = new Set<string>(
      [...purserAnnotations, ...sourceAnnotations, ...purserLabels].map(({ name }) => name),
    );
    const given = new Set<string>();
    for (const file of MAKERS.flatMap(sources)) {
      for (const [, key] of readFileSync(file, 'utf8').matchAll(KEY)) {
        if (!API_VERSION.test(key)) given.add(key);
      }
    }
    assert.ok(given.size > 50, 'the makers are where this test looks');
    const known = [described, NOT_OF_ENTITIES, READ_ONLY, OF_BACKSTAGE];
    const missing = [...given].filter(key => !known.some(names => names.has(key)));
    assert.deepEqual(missing, []);
    given.add(ANNOTATION_SOURCE); // by this module
    const unused = [...described].filter(key => !given.has(key));
    assert.deepEqual(unused, [], 'what is described is given by somebody');
  });

  it('names nothing twice', () => {
    // A label may have the name of an annotation: they are apart.
    for (const list of [[...purserAnnotations, ...sourceAnnotations], purserLabels]) {
      const names = list.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
    }
  });
});
