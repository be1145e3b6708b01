// Rules for every text we keep: nothing left for later, no machine's own paths, sane white space.
import { list, read } from './files.mjs';

const rules = [
  // Spelled apart, so that this file does not find itself.
  [new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'HA' + 'CK', 'XX' + 'X'].join('|')})\\b`),
    'nothing is left for later in the tree; open an issue'],
  [/^(<{7}|={7}|>{7})( |$)/, 'a conflict marker'],
  [/[ \t]+$/, 'white space at the end of the line'],
  [/\r$/, 'a carriage return at the end of the line'],
  [/[\u202A-\u202E\u2066-\u2069]/, 'a bidirectional control, which shows text in another order than it runs'],
];

export function problemsOf(path, text) {
  const problems = [];
  // Two spaces at a line's end are a line break in Markdown.
  const exempt = /\.md$/.test(path) ? [rules[2]] : [];
  text.split('\n').forEach((line, index) => {
    for (const rule of rules) {
      if (!exempt.includes(rule) && rule[0].test(line)) {
        problems.push(`${path}:${index + 1}: ${rule[1]}`);
      }
    }
  });
  if (text !== '' && !text.endsWith('\n')) problems.push(`${path}: no newline at the end`);
  return problems;
}

const patterns = ['h', 'cc', 'proto', 'ts', 'tsx', 'mjs', 'js', 'sh', 'cmake', 'md', 'yaml', 'yml']
  .map(extension => `*.${extension}`);

export function check() {
  return list(...patterns, '*CMakeLists.txt')
    // Files whose content is the matter of a test.
    .filter(path => !/(^|\/)(testdata|fixtures|vectors)\//.test(path))
    .flatMap(path => problemsOf(path, read(path)));
}
