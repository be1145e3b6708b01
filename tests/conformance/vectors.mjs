// Answers recorded cases with `purser render --line-protocol` and says how many agree.
//
//   npm run conformance:template -- <vectors file> [--show N]
//
// The file has {contexts, vectors: [{id, variant, template, context | contextRef, options,
// expected: {nunjitsu: {ok, output}}}]}; where engines differ, nunjitsu, which Backstage runs, is
// right. A case agrees when both succeed with the same output, or both fail. Cases of plain nunjucks
// (variant "nunjucks") are another language and are counted apart, as not asked. A file of whole
// trees ({cases: [...]}) goes to fetch_template_conformance_test.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    program: { type: 'string', default: path.join(root, 'build/release/bin/purser') },
    show: { type: 'string', default: '10' },
  },
});
if (positionals.length !== 1) {
  console.error('usage: npm run conformance:template -- <vectors file> [--show N]');
  process.exit(2);
}

const file = JSON.parse(readFileSync(positionals[0], 'utf8'));
if (file.cases !== undefined) {
  // Whole trees: their test says itself how many passed.
  const test = path.join(root, 'build/release/test/fetch_template_conformance_test');
  const run = spawnSync(test, {
    env: { ...process.env, PURSER_TREE_VECTORS: path.resolve(positionals[0]) },
    encoding: 'utf8',
  });
  const counts = /(\d+) passed, (\d+) failed/.exec(run.stdout ?? '');
  if (run.status !== 0 || counts === null) {
    console.log(run.stdout || `${test} does not run: build it first`);
  }
  if (counts !== null) console.log(counts[0]);
  process.exit(run.status === 0 && counts !== null ? 0 : 1);
}
const asked = file.vectors.filter(vector => vector.variant !== 'nunjucks');
const child = spawn(values.program, ['render', '--line-protocol'], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
child.on('error', error => {
  console.error(`${values.program} does not start: ${error.message}; run "npm run build"`);
  process.exit(1);
});
child.stdin.on('error', () => {}); // the program's early end is told below

/** The lines of a stream; only line feeds end them (readline takes U+2028 for one). */
async function* lines(stream) {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    yield* parts;
  }
}

const send = async () => {
  for (const vector of asked) {
    const line = {
      id: vector.id,
      variant: vector.variant,
      template: vector.template,
      options: vector.options,
      context: 'contextRef' in vector ? file.contexts[vector.contextRef] : vector.context,
    };
    if (!child.stdin.write(`${JSON.stringify(line)}\n`)) {
      await new Promise(resolve => child.stdin.once('drain', resolve));
    }
  }
  child.stdin.end();
};
void send();

let passed = 0;
const failures = [];
let at = 0;
for await (const text of lines(child.stdout)) {
  const answer = JSON.parse(text);
  const vector = asked[at];
  at += 1;
  const { expected } = vector;
  const wanted = expected.nunjitsu ?? expected.secureTemplater ?? expected.nunjucks;
  const agrees =
    answer.id === vector.id &&
    answer.ok === wanted.ok &&
    (!wanted.ok || isDeepStrictEqual(answer.output, wanted.output));
  if (agrees) passed += 1;
  else failures.push({ vector, wanted, answer });
}
for (const { vector, wanted, answer } of failures.slice(0, Number(values.show))) {
  console.log(`${vector.id} ${vector.variant} ${JSON.stringify(vector.template)}`);
  console.log(`  wanted ${JSON.stringify(wanted)}\n  got    ${JSON.stringify(answer)}`);
}
const failed = asked.length - passed;
const rest = file.vectors.length - asked.length;
if (rest > 0) console.log(`${rest} cases of plain nunjucks not asked`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
