// Random skeletons, workspaces and inputs through Backstage's fetch actions and through ours: what
// the one accepts the other accepts, with equal trees; after an error ours leaves no trace.
import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { JsonObject } from '@backstage/types';
import { type ActionName, SideBySide, treeOf } from './testing/sideBySide';

const CASES = 60;
const SEED = 20_261_121;

const NAMES = [
  ...['a', 'b', 'a.txt', 'b.txt', '.dot', '..two', '...', 'x.njk', 'y.txt.njk', '.njk', 'sp ace'],
  ...['é', 'a..njk', '[x]', '{a}', 'a!', '(p)', '-', '~', 'a\nb', '${{ values.name }}'],
  ...['${{ values.empty }}', '${{ values.name }}.txt', '{% if values.yes %}c{% endif %}'],
  ...['{% if values.no %}c{% endif %}', '${{ values.dir }}', '${{ values.up }}'],
  ...['${{ values.dot }}', '${{ values.slash }}', '${{ values.self }}'],
];
const CONTENTS = [
  ...['', 'plain\n', '${{ values.name }}\n', 'caf\xe9 ${{ values.name }}', '\x00\x01binary'],
  ...['%PDF-1.4 ${{ values.name }}', '\xef\xbb\xbfmark ${{ values.name }}', '\xff\xfeu\x00'],
  ...['{{ cookiecutter.name }} {{ values.name }}', '\r\n${{ values.name }}\r\n'],
  ...['{% for t in values.tags %}${{ t }},{% endfor %}', '  {% if true %}\n x\n  {% endif %}\n'],
  ...['{% raw %}${{ x }}{% endraw %}', '${{ values.m | dump }}', '${{ values.name | nothing }}'],
  ...['${{ broken', '\x80\x81\x82\x83'.repeat(30), `${'x'.repeat(520)}\x00`],
];
const LINKS = ['a', '../a', './a.txt', 'nothing', '../../..', '.', '..', '${{ values.name }}'];
const MODES = [0o644, 0o755, 0o600, 0o444, 0o666, 0o777];
const PATTERNS = [
  ...['**', '*', 'a', 'b/**', '*.txt', '**/*.txt', '!a.txt', '{a,b}', './a', '/a', '**/x.njk'],
  ...['[ab]', '?', '@(a|b)', '!(a)', '.*', '**/.*', '\\[x\\]', '(p)', '+(a|b)', '*.{txt,njk}', ''],
];
const TARGETS = ['./', 'o', 'o/p', './o', '', 'o/../q', '.', '../x', '/abs'];

/** Numbers that are the same in every run. */
function createPicker(seed: number) {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor(state / 65_536) % limit;
  };
  return { below, of: <T>(list: T[]): T => list[below(list.length)] };
}
const pick = createPicker(SEED);

function isThere(path: string): boolean {
  return Boolean(lstatSync(path, { throwIfNoEntry: false }));
}

function fill(folder: string, depth: number): void {
  for (let entries = 1 + pick.below(depth === 0 ? 5 : 3); entries > 0; entries--) {
    const path = join(folder, pick.of(NAMES));
    const kind = pick.below(10);
    if (isThere(path)) {
      continue;
    }
    if (kind < 3 && depth < 3) {
      mkdirSync(path);
      fill(path, depth + 1);
    } else if (kind === 3) {
      symlinkSync(pick.of(LINKS), path);
    } else {
      writeFileSync(path, Buffer.from(pick.of(CONTENTS), 'latin1'));
      chmodSync(path, pick.of(MODES));
    }
  }
}

function randomInput(action: ActionName, skeleton: string): JsonObject {
  const input: JsonObject = { url: './skeleton' };
  if (pick.below(2)) {
    input.targetPath = pick.of(TARGETS);
  }
  if (action.startsWith('template')) {
    input.values = {
      name: 'svc',
      empty: '',
      yes: true,
      no: false,
      tags: ['x', 'y'],
      dir: 'd/e',
      dot: '.',
      up: pick.of(['u', '..', '../x', '../o/z']),
      slash: pick.of(['s/', '/s', 's//t']),
      self: pick.of(['self', '../o/q', './w']),
      m: { z: 1, b: [1.5, null] },
    };
    for (const name of ['replace', 'trimBlocks', 'lstripBlocks']) {
      if (pick.below(3) === 0) {
        input[name] = true;
      }
    }
  }
  if (action === 'template') {
    if (pick.below(3) === 0) {
      input.copyWithoutTemplating = [pick.of(PATTERNS), pick.of(PATTERNS)];
    }
    if (pick.below(6) === 0) {
      input.templateFileExtension = pick.of([true, false, 'njk', '.njk', '', '.txt', '.']);
    }
    if (pick.below(6) === 0) {
      input.cookiecutterCompat = true;
    }
  }
  if (action.endsWith('file')) {
    const files = Object.keys(treeOf(skeleton));
    input.url = `./skeleton/${pick.of([...files, 'nothing'])}`;
    input.targetPath = pick.of(['a', '.dot', 'a.txt', '../z']);
  }
  return input;
}

let sides: SideBySide;
before(() => {
  sides = new SideBySide();
});
after(() => sides.close());

it(`gives the same trees in ${CASES} random cases`, async () => {
  let equal = 0;
  for (let i = 0; i < CASES; i++) {
    const root = mkdtempSync(join(tmpdir(), 'purser-same-'));
    const skeleton = join(root, 'skeleton');
    const there = join(root, 'there');
    [skeleton, there].forEach(folder => mkdirSync(folder));
    fill(skeleton, 0);
    if (pick.below(3) === 0) {
      fill(there, 1);
    }
    const action = pick.of<ActionName>([
      ...['template', 'template', 'template', 'template'],
      ...['plain', 'template:file', 'plain:file'],
    ] as ActionName[]);
    const steps = [{ action, input: randomInput(action, skeleton) }];
    const prepare = (workspace: string) =>
      cpSync(there, workspace, { recursive: true, verbatimSymlinks: true });
    const theirs = await sides.run('theirs', root, steps, prepare);
    const ours = await sides.run('ours', root, steps, prepare);
    const what = JSON.stringify({
      case: i,
      action,
      input: steps[0].input,
      skeleton: treeOf(skeleton),
    });
    assert.equal(
      ours.error === undefined,
      theirs.error === undefined,
      `${what}: ours ${ours.error}, theirs ${theirs.error}`,
    );
    assert.deepEqual(ours.tree, theirs.error === undefined ? theirs.tree : treeOf(there), what);
    equal += theirs.error === undefined ? 1 : 0;
    rmSync(root, { recursive: true, force: true });
  }
  assert.ok(equal > CASES / 3, `${equal} of ${CASES} cases ended well`);
});

it('gives the same trees with filters and globals of the portal’s modules', async () => {
  const extensions = {
    filters: {
      shout: (text: unknown) => `${String(text).toUpperCase()}!`,
      // One that Backstage's engine has itself, made otherwise.
      reverse: (text: unknown) => `<${String(text)}>`,
    },
    globals: { company: 'Acme', sum: (...numbers: unknown[]) => numbers.length },
  } as unknown as ConstructorParameters<typeof SideBySide>[0];
  const withModules = new SideBySide(extensions);
  const root = mkdtempSync(join(tmpdir(), 'purser-same-'));
  const skeleton = join(root, 'skeleton');
  mkdirSync(join(skeleton, '${{ values.name | shout }}'), { recursive: true });
  const files: Record<string, string> = {
    '${{ values.name | shout }}/a.txt': '${{ company }} has ${{ sum(1, 2, 3) }}\n',
    'b.txt': '${{ values.name | reverse }} {% if company %}yes{% endif %}\n',
    'c.txt': 'the company of ${{ values.name | upper }}\n',
    'd.txt': '{% raw %}{{ shout }}{% endraw %} ${{ "company" }} ${{ values.m | dump }}\n',
  };
  Object.entries(files).forEach(([name, text]) => writeFileSync(join(skeleton, name), text));
  const values = { name: 'x', m: { z: 1, a: 2 } };
  const steps = [
    { action: 'template' as const, input: { url: './skeleton', values } },
    {
      action: 'template:file' as const,
      input: { url: './skeleton/b.txt', targetPath: 'one.txt', values },
    },
  ];
  const theirs = await withModules.run('theirs', root, steps);
  const ours = await withModules.run('ours', root, steps);
  withModules.close();
  rmSync(root, { recursive: true, force: true });
  assert.equal(theirs.error, undefined);
  assert.equal(ours.error, undefined);
  assert.deepEqual(ours.tree, theirs.tree);
  assert.equal(ours.tree['X!/a.txt'], '644 Acme has 3\n');
});
