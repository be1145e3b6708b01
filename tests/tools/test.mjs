// `npm test`: installs and builds what is missing, runs every suite and counts.
// `npm test -- cpp:store e2e` runs only the named suites, each optionally with a pattern behind ":"
// (a regular expression over test names for cpp, a part of the file's path for the others).
// `npm test -- all` adds the sanitizer builds and what takes long.
import { buildAll } from './lib/build.mjs';
import { ensureDebianPackages } from './lib/debian.mjs';
import { ensureNpmPackages } from './lib/npm.mjs';
import { beginApiServer } from './lib/peers.mjs';
import { Failure, main, say } from './lib/repo.mjs';
import { suites } from './lib/suites.mjs';

/** Suites with tests of a real Kubernetes API server. */
const NEEDS_API_SERVER = new Set(['cpp', 'asan', 'tsan', 'e2e']);

function chosen(words) {
  if (words.length === 0 || (words.length === 1 && words[0] === 'all')) {
    return Object.keys(suites)
      .filter(name => words.length === 1 || !suites[name].onDemand)
      .map(name => [name, '']);
  }
  return words.map(word => {
    const [name, ...rest] = word.split(':');
    if (!suites[name]) {
      throw new Failure(`no suite "${name}"; there are: ${Object.keys(suites).join(', ')}`);
    }
    return [name, rest.join(':')];
  });
}

await main(async () => {
  const plan = chosen(process.argv.slice(2));
  await ensureDebianPackages({ withTests: true });
  const apiServerMade = plan.some(([name]) => NEEDS_API_SERVER.has(name))
    ? beginApiServer()
    : async () => {};
  await ensureNpmPackages();
  await buildAll({ withTests: true });
  await apiServerMade();

  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines = [];
  for (const [name, pattern] of plan) {
    const { title, run } = suites[name];
    say(`testing: ${title}`);
    const began = Date.now();
    const counts = await run(pattern);
    for (const key of Object.keys(total)) {
      total[key] += counts[key];
    }
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    lines.push(
      `${name.padEnd(6)} ${counts.passed} passed, ${counts.failed} failed, ` +
        `${counts.skipped} skipped in ${seconds} s`,
    );
  }
  for (const line of lines) {
    say(line);
  }
  process.stdout.write(
    `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
  );
  if (total.passed === 0) {
    throw new Failure('no test ran');
  }
  return total.failed === 0 ? 0 : 1;
});
