// prettier over our TypeScript.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { list, root } from './files.mjs';

const FORMATTER = join(root, 'node_modules', 'prettier', 'bin', 'prettier.cjs');

/** Null when it is there. */
export function whySkipped() {
  return existsSync(FORMATTER) ? null : 'prettier is not installed (npm ci)';
}

export function check() {
  // Skeletons of templates are TypeScript only once they are rendered.
  const files = list('*.ts', '*.tsx').filter(path => !path.startsWith('examples/templates/'));
  const run = spawnSync(process.execPath, [FORMATTER, '--list-different', ...files], {
    cwd: root,
    encoding: 'utf8',
  });
  const problems = run.stdout
    .split('\n')
    .filter(Boolean)
    .map(path => `${path}: not formatted (npx prettier --write)`);
  if (run.status !== 0 && problems.length === 0) problems.push(run.stderr.trim());
  return problems;
}
