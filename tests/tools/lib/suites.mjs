// The test suites of `npm test`: how each is run and how its results are counted.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildNative } from './build.mjs';
import { suitableNode } from './node.mjs';
import { at, root } from './repo.mjs';

const NONE = { passed: 0, failed: 0, skipped: 0 };

function resultFile(name) {
  const folder = at('build', 'test-results');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  rmSync(file, { force: true });
  return file;
}

/** Runs a test program with its output shown; resolves with its exit code. */
function show(command, args) {
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', error => {
      process.stderr.write(`cannot run ${command}: ${error.message}\n`);
      resolve(127);
    });
    child.on('close', code => resolve(code ?? 1));
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Files below `folder` whose name ends in `ending`, without node_modules. */
function find(folder, ending) {
  const found = [];
  let entries = [];
  try {
    entries = readdirSync(at(folder), { withFileTypes: true });
  } catch {
    return found;
  }
  for (const entry of entries) {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules') {
      found.push(...find(name, ending));
    } else if (entry.name.endsWith(ending)) {
      found.push(name);
    }
  }
  return found.sort();
}

/** A run that ends badly without a counted failure is one failure itself. */
export function honest(counts, code) {
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Counts in a report of ctest --output-junit. */
export function countsOfJunit(text) {
  const head = /<testsuite\b[^>]*>/s.exec(text)?.[0] ?? '';
  const number = name => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number('failures');
  const skipped = number('skipped') + number('disabled');
  return { passed: number('tests') - failed - skipped, failed, skipped };
}

/** Counts at the end of a report of Node's TAP reporter. */
export function countsOfTap(text) {
  const number = word => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    passed: number('pass'),
    failed: number('fail') + number('cancelled'),
    skipped: number('skipped') + number('todo'),
  };
}

/** The C++ tests of a preset's build. */
async function ctest(preset, pattern) {
  const report = resultFile(`ctest-${preset}.xml`);
  const args = ['--preset', preset, '--output-junit', report, '-j', '2', '--progress'];
  if (pattern) {
    args.push('-R', pattern);
  }
  const code = await show('ctest', args);
  return honest(countsOfJunit(read(report)), code);
}

// An end-to-end story starts whole portals: give a file ten minutes, and never two at a time.
const FILE_TIMEOUT_MS = 600_000;

/** Thousands of entities through Backstage's processing. */
const ORGANISATION_TIMEOUT_MS = 1_800_000;
const ORGANISATION = path.join('tests', 'e2e', 'organisation.test.mjs');

/** Runs files by Node's test runner. */
async function nodeTests(name, files, { serial = false, timeoutMs = FILE_TIMEOUT_MS } = {}) {
  if (files.length === 0) {
    return NONE;
  }
  const report = resultFile(`${name}.tap`);
  const code = await show(suitableNode(), [
    '--test',
    '--enable-source-maps',
    `--test-concurrency=${serial ? 1 : 2}`,
    `--test-timeout=${timeoutMs}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${report}`,
    ...files,
  ]);
  return honest(countsOfTap(read(report)), code);
}

async function sanitized(preset, pattern) {
  await buildNative({ preset, targets: ['purser_tests'] });
  return ctest(preset, pattern);
}

const matching = (files, pattern) =>
  pattern ? files.filter(file => file.includes(pattern)) : files;

/** In the order in which they run: cheap and telling ones first. */
export const suites = {
  cpp: {
    title: 'C++ unit tests',
    run: pattern => ctest('release', pattern),
  },
  ts: {
    title: 'TypeScript packages',
    run: pattern =>
      nodeTests(
        'ts',
        matching(
          [...find('plugin', '.test.js'), ...find('examples/portal/packages/backend', '.test.js')],
          pattern,
        ),
      ),
  },
  tools: {
    title: 'launcher and checks',
    run: pattern =>
      nodeTests(
        'tools',
        matching(
          [...find('tests/tools', '.test.mjs'), ...find('tests/lint', '.test.mjs')],
          pattern,
        ),
      ),
  },
  addon: {
    title: 'addon in Node',
    run: pattern => nodeTests('addon', matching(find('tests/addon', '.test.mjs'), pattern)),
  },
  e2e: {
    title: 'the story, end to end, and the browser',
    run: pattern =>
      nodeTests(
        'e2e',
        matching(find('tests/e2e', '.test.mjs'), pattern).filter(file => file !== ORGANISATION),
        { serial: true },
      ),
  },
  // Backstage takes minutes to process its entities.
  organisation: {
    title: 'the demo organisation in the portal',
    onDemand: true,
    run: () =>
      nodeTests('organisation', [ORGANISATION], { serial: true, timeoutMs: ORGANISATION_TIMEOUT_MS }),
  },
  // These two build once more and are for CI and for hunting; `npm test` alone leaves them out.
  asan: {
    title: 'C++ unit tests under AddressSanitizer and UndefinedBehaviorSanitizer',
    onDemand: true,
    run: pattern => sanitized('asan', pattern),
  },
  tsan: {
    title: 'concurrent C++ unit tests under ThreadSanitizer',
    onDemand: true,
    run: pattern => sanitized('tsan', pattern),
  },
};
