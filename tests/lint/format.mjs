// clang-format over our C++.
import { spawnSync } from 'node:child_process';
import { list, root } from './files.mjs';

const FORMATTER = 'clang-format-19';
const FILES_AT_ONCE = 50;

/** Null when it is there. */
export function whySkipped() {
  const found = spawnSync(FORMATTER, ['--version']).status === 0;
  return found ? null : `${FORMATTER} is not installed (apt-get install ${FORMATTER})`;
}

export function check() {
  const files = list('*.h', '*.cc');
  const problems = [];
  for (let i = 0; i < files.length; i += FILES_AT_ONCE) {
    const run = spawnSync(
      FORMATTER,
      ['--dry-run', '-Werror', '--ferror-limit=1', ...files.slice(i, i + FILES_AT_ONCE)],
      { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 },
    );
    const wrong = new Set([...run.stderr.matchAll(/^(\S+?):(\d+):\d+: error/gm)].map(m => `${m[1]}:${m[2]}`));
    for (const place of wrong) problems.push(`${place}: not formatted (${FORMATTER} -i)`);
    if (run.status !== 0 && wrong.size === 0) problems.push(run.stderr.trim());
  }
  return problems;
}
