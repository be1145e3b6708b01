// The contract: every service, rpc, message, field, enum and value says what it is; names as buf's
// STANDARD rules want them, where buf is installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { list, read, root } from './files.mjs';

const DECLARATION = new RegExp(
  [
    '^\\s*(service|message|enum|rpc|oneof)\\s+(\\w+)', // a block or a method
    '^\\s*(?:(?:repeated|optional)\\s+)?(map<[^>]+>|[\\w.]+)\\s+(\\w+)\\s*=\\s*\\d+', // a field
    '^\\s*()([A-Z][A-Z0-9_]*)\\s*=\\s*\\d+', // an enum value
  ].join('|'),
);

export function problemsOf(path, text) {
  const problems = [];
  const lines = text.split('\n');
  lines.forEach((line, index) => {
    if (/^\s*(\/\/|syntax|package|import|option|reserved|returns)/.test(line)) return;
    const match = DECLARATION.exec(line);
    if (!match) return;
    const name = match[2] ?? match[4] ?? match[6];
    const above = (lines[index - 1] ?? '').trim();
    // The zero value means "not given" everywhere, and says so by its name.
    if (above.startsWith('//') || line.includes('//') || /_UNSPECIFIED\b/.test(line)) return;
    problems.push(`${path}:${index + 1}: ${name} has no comment`);
  });
  return problems;
}

export function check() {
  const problems = list('proto/*.proto').flatMap(path => problemsOf(path, read(path)));
  const buf = join(root, 'node_modules', '.bin', 'buf');
  if (existsSync(buf)) {
    const run = spawnSync(buf, ['lint', 'proto'], { cwd: root, encoding: 'utf8' });
    if (run.status !== 0) problems.push(...`${run.stdout}${run.stderr}`.trim().split('\n'));
  }
  return problems;
}
