import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { purserAnnotations, purserLabels, sourceAnnotations } from '@purser/plugin-purser-common';

const root = resolve(__dirname, '../../..');
// Not of entities: keys in texts of errors and bills, and of the store.
const NOT_OF_ENTITIES = new Set(['purser.dev/entity', 'purser.dev/effect-key', 'purser.dev/store']);

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => /\.(cc|h)$/.test(file) && !/_(test|fuzz)\.cc$/.test(file))
    .map(file => join(root, folder, file));
}

describe('the catalog model', () => {
  it('describes every annotation and label that a native provider gives', () => {
    const described = new Set<string>(
      [...purserAnnotations, ...sourceAnnotations, ...purserLabels].map(({ name }) => name),
    );
    const given = new Set<string>();
    for (const file of sources('catalog-providers')) {
      for (const [key] of readFileSync(file, 'utf8').matchAll(/purser\.dev\/[a-z0-9-]+/g)) {
        given.add(key);
      }
    }
    assert.ok(given.size > 10, 'the providers are where this test looks');
    const missing = [...given].filter(key => !described.has(key) && !NOT_OF_ENTITIES.has(key));
    assert.deepEqual(missing, []);
  });

  it('names nothing twice', () => {
    // A label may have the name of an annotation: they are apart.
    for (const list of [[...purserAnnotations, ...sourceAnnotations], purserLabels]) {
      const names = list.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
    }
  });
});
