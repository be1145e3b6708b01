// The two engines that are compared: Backstage's (nunjitsu with the scaffolder's filters) in this
// process, ours behind `purser render --line-protocol`.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const require = createRequire(path.join(root, 'package.json'));
const { createTemplateRenderer } = require('nunjitsu');
const backstage = path.dirname(
  require.resolve('@backstage/plugin-scaffolder-backend/package.json'),
);
const { createDefaultFilters } = require(
  path.join(backstage, 'dist/lib/templating/filters/createDefaultFilters.cjs.js'),
);
const { convertFiltersToRecord } = require(path.join(backstage, 'dist/util/templating.cjs.js'));
const { ScmIntegrations } = require('@backstage/integration');
const { ConfigReader } = require('@backstage/config');

const filters = convertFiltersToRecord(
  createDefaultFilters({ integrations: ScmIntegrations.fromConfig(new ConfigReader({})) }),
);
const renderers = new Map();
// Cases that go on for long tell nothing: both engines have such limits, at other places.
const limits = { workUnits: 200_000, outputCodeUnits: 1_000_000, scratchBytes: 10_000_000 };

const prepared = new WeakMap(); // contexts by renderer: they are copied once, not for each case

function contextFor(renderer, context) {
  if (!prepared.has(renderer)) prepared.set(renderer, new WeakMap());
  const known = prepared.get(renderer);
  if (!known.has(context)) known.set(context, renderer.prepareContext(context));
  return known.get(context);
}

function rendererOf({ variant, options }) {
  const key = `${variant}${options.trimBlocks}${options.lstripBlocks}`;
  if (!renderers.has(key)) {
    renderers.set(
      key,
      createTemplateRenderer({
        filters,
        allowRegexExecution: true,
        cookiecutterCompat: variant === 'cookiecutter',
        ...options,
      }),
    );
  }
  return renderers.get(key);
}

/**
 * What Backstage's engine answers: {ok, output}, or {ok: false, code, line, column, error}, or
 * {limit: true} where its limits, which are lower than ours, were met, or nothing can be compared.
 */
export function expected(one) {
  const renderer = rendererOf(one);
  const context = contextFor(renderer, one.context);
  try {
    if (one.variant === 'step-input') {
      const value = renderer.renderValue(one.template, context, { limits });
      const text = JSON.stringify(value);
      // A half of a pair of surrogates, which JSON escapes, has no UTF-8: not comparable.
      if (text !== undefined && /\\ud[89a-f]/i.test(text)) return { limit: true };
      return { ok: true, output: text === undefined ? { $undefined: true } : JSON.parse(text) };
    }
    return { ok: true, output: renderer.render(one.template, context, { limits }).toWellFormed() };
  } catch (error) {
    if (error.name === 'TemplateLimitError') return { limit: true };
    // The workflow runner keeps an input that does not render.
    if (one.variant === 'step-input') return { ok: true, output: one.template };
    const { code, line, column } = error;
    return { ok: false, code, line, column, error: error.message };
  }
}

/** Our engine in a process of its own; `ask` takes several cases at once and keeps their order. */
export class Program {
  constructor(program) {
    this.child = spawn(program, ['render', '--line-protocol'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.on('error', error => {
      console.error(`${program} does not start: ${error.message}; run "npm run build"`);
      process.exit(1);
    });
    this.child.stdin.on('error', () => {}); // the program's early end is told by `ask`
    this.lines = lines(this.child.stdout);
  }

  async ask(cases) {
    for (const one of cases) this.child.stdin.write(`${JSON.stringify(one)}\n`);
    const answers = [];
    for (const one of cases) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`the program ended at ${JSON.stringify(one)}`);
      answers.push(JSON.parse(value));
    }
    return answers;
  }

  end() {
    this.child.stdin.end();
  }
}

/** The lines of a stream; only line feeds end them (readline takes U+2028 for one). */
export async function* lines(stream) {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    yield* parts;
  }
}
