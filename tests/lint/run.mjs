// node tests/lint/run.mjs [includes text proto packages format prettier]: prints what is wrong, exit code 1 then.
import * as format from './format.mjs';
import * as includes from './includes.mjs';
import * as packages from './packages.mjs';
import * as prettier from './prettier.mjs';
import * as proto from './proto.mjs';
import * as text from './text.mjs';

export const checks = { includes, text, proto, packages, format, prettier };

if (import.meta.url === `file://${process.argv[1]}`) {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter(name => !(name in checks));
  if (unknown.length > 0) {
    console.error(`unknown check ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}`);
    process.exit(2);
  }
  let count = 0;
  for (const [name, check] of Object.entries(checks)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const skipped = check.whySkipped?.();
    if (skipped) {
      console.log(`${name}: SKIP ${skipped}`);
      continue;
    }
    const problems = check.check();
    count += problems.length;
    problems.forEach(problem => console.log(problem));
    console.log(`${name}: ${problems.length === 0 ? 'ok' : `${problems.length} problems`}`);
  }
  process.exit(count === 0 ? 0 : 1);
}
