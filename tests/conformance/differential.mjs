// Backstage's engine (nunjitsu) and ours on the same templates; every disagreement is printed.
//
//   node tests/conformance/differential.mjs [--from grammar|matrix|<vectors file>] [--count 20000]
//     [--seed 1] [--variant backstage|cookiecutter|step-input] [--show 20] [--keep file]
//
// Templates are drawn from a grammar (some damaged on purpose), are all of a matrix of filters,
// tests, methods and operators by kinds of values, or are recorded templates with changes. Both
// engines must succeed with the same result, or fail in the same phase at the same line and column.
// Random filters and limits are left out. Differences that docs/templates.md names are counted apart.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';

import { expected, Program, root } from './lib/engines.mjs';
import { CONTEXT, grammar } from './lib/grammar.mjs';
import { matrix } from './lib/matrix.mjs';
import { mutations } from './lib/mutations.mjs';
import { seeded } from './lib/random.mjs';

const { values: args } = parseArgs({
  options: {
    from: { type: 'string', default: 'grammar' },
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    variant: { type: 'string' },
    show: { type: 'string', default: '20' },
    keep: { type: 'string' },
    program: { type: 'string', default: path.join(root, 'build/release/bin/purser') },
  },
});
const BATCH = 200;
const random = seeded(args.seed);
const { below, pick, chance } = random;

const MARKS = {
  backstage: ['${{', '}}'],
  cookiecutter: ['{{', '}}'],
  'step-input': ['${{', '}}'],
};
const drawVariant = () =>
  args.variant ?? pick(['backstage', 'backstage', 'cookiecutter', 'cookiecutter', 'step-input']);
const drawOptions = variant =>
  variant === 'step-input' ? {} : { trimBlocks: chance(0.3), lstripBlocks: chance(0.3) };

function* grammarCases() {
  const { body, damage, expression } = grammar(random);
  for (let i = Number(args.count); i > 0; i -= 1) {
    const variant = drawVariant();
    let template =
      variant === 'step-input' && chance(0.8)
        ? `\u0001 ${expression(1 + below(4))} \u0002`
        : body(1 + below(3));
    if (chance(0.15)) template = damage(template);
    const [open, close] = MARKS[variant];
    template = template.replaceAll('\u0001', open).replaceAll('\u0002', close).toWellFormed();
    yield { variant, template, context: CONTEXT, options: drawOptions(variant) };
  }
}

function* matrixCases() {
  const variants = args.variant === undefined ? Object.keys(MARKS) : [args.variant];
  for (const [template, options] of matrix()) {
    for (const variant of variants) {
      if (options !== undefined && variant === 'step-input') continue;
      const [open, close] = MARKS[variant];
      yield {
        variant,
        template: template.replaceAll('\u0001', open).replaceAll('\u0002', close),
        context: CONTEXT,
        options: options ?? {},
      };
    }
  }
}

function* mutatedCases() {
  const file = JSON.parse(readFileSync(args.from, 'utf8'));
  const variants = new Map();
  for (const vector of file.vectors) {
    if (!(vector.variant in MARKS) || (args.variant ?? vector.variant) !== vector.variant) continue;
    if (typeof vector.template !== 'string') continue;
    if (!variants.has(vector.variant)) variants.set(vector.variant, []);
    variants.get(vector.variant).push(vector);
  }
  const draws = new Map();
  for (const [variant, vectors] of variants) {
    draws.set(variant, mutations(vectors.map(({ template }) => template), random));
  }
  for (let i = Number(args.count); i > 0; i -= 1) {
    const variant = pick([...variants.keys()]);
    const { context, contextRef } = pick(variants.get(variant));
    yield {
      variant,
      template: draws.get(variant)().toWellFormed(),
      context: contextRef === undefined ? context : file.contexts[contextRef],
      options: drawOptions(variant),
    };
  }
}

/** A failure's phase and place; capability errors are those of Backstage's own filters. */
function failure({ code, line, column }) {
  return `${code === 'capability_error' ? 'evaluation_error' : code} ${line}:${column}`;
}

/** Line ends in a regular expression: Backstage's engine counts them as columns of one line. */
const LINES_IN_REGEX = /\br\/(?:[^/\\\n]|\\.)*\n/;
/** A macro declared in a loop over several names and called before that. */
const MACRO_IN_LOOP = /\{%-?\s*for\s[^%]*,[^%]*\sin\s[^]*\{%-?\s*macro\b/;

/** Whether a difference is one of those that docs/templates.md names. */
function isKnown({ template }, wanted, got) {
  if (!wanted.ok && !got.ok) return wanted.code === got.code && LINES_IN_REGEX.test(template);
  return MACRO_IN_LOOP.test(template);
}

const counts = { same: 0, rendered: 0, failed: 0, known: 0 };
const differences = [];

function compare(one, wanted, got) {
  if (got.code === 'limit') return;
  const agree =
    wanted.ok === got.ok &&
    (wanted.ok
      ? isDeepStrictEqual(wanted.output, got.output)
      : failure(wanted) === failure(got));
  if (!agree && isKnown(one, wanted, got)) {
    counts.known += 1;
    return;
  }
  if (!agree) {
    differences.push({ ...one, wanted, got });
    return;
  }
  counts.same += 1;
  counts[wanted.ok ? 'rendered' : 'failed'] += 1;
}

// "random" answers otherwise each time.
const isSteady = ({ template }) => !template.includes('random');
const source =
  args.from === 'grammar' ? grammarCases() : args.from === 'matrix' ? matrixCases() : mutatedCases();
const program = new Program(args.program);
let batch = [];
let id = 0;

async function flush() {
  const answers = await program.ask(batch.map(({ one }) => one));
  batch.forEach(({ one, wanted }, i) => compare(one, wanted, answers[i]));
  batch = [];
}

for (const one of source) {
  if (!isSteady(one)) continue;
  one.id = id;
  id += 1;
  const wanted = expected(one);
  if (wanted.limit) continue;
  batch.push({ one, wanted });
  if (batch.length >= BATCH) await flush();
}
await flush();
program.end();

differences.sort((a, b) => a.template.length - b.template.length);
for (const one of differences.slice(0, Number(args.show))) {
  console.log(`${one.variant} ${JSON.stringify(one.options)} ${JSON.stringify(one.template)}`);
  console.log(`  nunjitsu ${JSON.stringify(one.wanted)}\n  ours     ${JSON.stringify(one.got)}`);
}
if (args.keep !== undefined) writeFileSync(args.keep, JSON.stringify(differences, null, 1));
console.log(
  `${counts.same} agree (${counts.rendered} rendered, ${counts.failed} failed), ` +
    `${differences.length} differ, ${counts.known} as documented`,
);
process.exitCode = differences.length === 0 ? 0 : 1;
