// Files whose aliases expand to billions of values: the source they lie in keeps what it had of them, says
// which they are, reads all others, and needs no memory to speak of.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { load, shippedPath } from './load.mjs';

const folder = mkdtempSync(join(tmpdir(), 'purser-bombs-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const addon = load(shippedPath());

/** All files of a round at once may add so much; one value of each expanded bomb would be gigabytes. */
const MAX_GROWTH_MB = 96;

const fileOf = name => join(folder, 'tree', name, 'catalog-info.yaml');
function put(name, more = '') {
  mkdirSync(join(folder, 'tree', name), { recursive: true });
  writeFileSync(
    fileOf(name),
    `apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\n${more}` +
      'spec:\n  type: service\n  lifecycle: production\n  owner: group:default/a\n',
  );
}

const LEVELS = 'abcdefghij';
/** Ten levels of ten aliases each, below `open` … `close`: 10^10 values. */
const levels = (first, of) =>
  `${first}\n${[...LEVELS].slice(1).map((level, i) => `    ${level}: &${level} ${of(LEVELS[i])}`).join('\n')}\n`;
const times = (count, text) => Array.from({ length: count }, () => text).join(', ');
const BOMBS = {
  sequences: `  labels:\n${levels('    a: &a [x, x]', level => `[${times(10, `*${level}`)}]`)}`,
  mappings: `  labels:\n${levels(
    '    a: &a {x: 1}',
    level => `{${Array.from({ length: 10 }, (_, i) => `k${i}: *${level}`).join(', ')}}`,
  )}`,
  // Few values, much text.
  texts: `  labels:\n    a: &a "${'x'.repeat(900_000)}"\n    b: [${times(20_000, '*a')}]\n`,
  merges: `  labels:\n${levels('    a: &a {x: 1}', level => `{<<: [${times(10, `*${level}`)}], y: *${level}}`)}`,
  itself: '  labels: &a\n    b: [*a, *a]\n',
  depth: `  labels: ${'['.repeat(100_000)}\n`,
};

const round = async () => {
  const seen = new Map();
  const summary = JSON.parse(
    await addon.refreshProvider(
      'source-tree',
      JSON.stringify({ config: { root: join(folder, 'tree') }, instance: 'bombs', statePath: join(folder, 'state') }),
      {
        log() {},
        chunk: (upserts, removed) => {
          for (const { metadata } of JSON.parse(upserts)) seen.set(metadata.name, metadata);
          for (const ref of JSON.parse(removed)) seen.set(ref, undefined);
        },
      },
    ),
  );
  return { seen, summary };
};

/** The most memory that was resident since the last call, in MB. */
function mostMemory() {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  writeFileSync('/proc/self/clear_refs', '5');
  return Number(kilobytes) / 1024;
}

test('a YAML bomb in a source of files', async () => {
  const names = Object.keys(BOMBS);
  for (const name of [...names, 'harmless']) put(name);
  assert.equal((await round()).summary.added, names.length + 1);

  for (const name of names) put(name, BOMBS[name]);
  put('harmless', '  title: changed\n');
  put('another');
  mostMemory();
  const before = mostMemory();
  const { seen, summary } = await round();
  const growth = mostMemory() - before;
  assert.deepEqual([...seen.keys()].sort(), ['another', 'harmless'], 'the others go on');
  assert.equal(summary.removed, 0);
  assert.equal(summary.kept, names.length);
  assert.deepEqual(Object.keys(summary.degraded).sort(), names.map(name => `file:${fileOf(name)}`).sort());
  for (const name of ['sequences', 'mappings', 'texts']) {
    assert.match(summary.degraded[`file:${fileOf(name)}`], /with aliases expanded/, name);
  }
  assert.ok(growth <= MAX_GROWTH_MB, `${growth.toFixed(0)} MB`);

  for (const name of names) put(name, '  title: defused\n');
  const later = await round();
  assert.equal(later.summary.changed, names.length);
  assert.deepEqual(later.summary.degraded, {});
});
