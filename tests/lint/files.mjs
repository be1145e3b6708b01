// The files a check looks at: those git knows, and those it would take.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Paths relative to the root that match one of the patterns of `git ls-files`. */
export function list(...patterns) {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
    .split('\0')
    .filter(path => path !== '' && existsSync(join(root, path)))
    .sort();
}

export const read = path => readFileSync(join(root, path), 'utf8');

/**
 * C++ text with comments and the contents of literals blanked, lines kept: what a rule about code may
 * look at.
 */
export function codeOnly(text) {
  const blank = part => part.replace(/[^\n]/g, ' ');
  return text.replace(
    /\/\/[^\n]*|\/\*[^]*?\*\/|R"([^()\\\s]{0,16})\([^]*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'/g,
    part => (part.startsWith('/') ? blank(part) : part[0] + blank(part.slice(1, -1)) + part.at(-1)),
  );
}

/** Line number, from 1, of an offset. */
export const lineOf = (text, offset) => text.slice(0, offset).split('\n').length;
