// Templates made from recorded ones: words, marks and brackets are dropped, doubled, swapped, or
// taken from another template.
const TOKEN = /\$?\{\{-?|-?\}\}|\{%-?|-?%\}|\{#|#\}|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\w+|\s+|[^\w\s]/gu;
const INSERTED = [
  '(', ')', '[', ']', '{', '}', '{%', '%}', '{{', '${{', '}}', '{#', '#}', '-', '"', "'", '|', '.', ',',
  ':', '=', '==', '//', '**', '~', ' in ', ' is ', ' not ', ' if ', ' else ', ' and ', '\\', '\n', 'r/a/g', '\u00a0',
  'none', '😀', 'loop.index', 'caller()', '1e3', '.5', '0x1F', '| safe', '| length', '[::-1]', '[1:]',
];

/** A function that draws a template from the recorded ones and changes it. */
export function mutations(templates, { below, pick }) {
  const split = template => template.match(TOKEN) ?? [];
  return () => {
    const tokens = split(pick(templates));
    for (let changes = 1 + below(3); changes > 0; changes -= 1) {
      const at = below(tokens.length + 1);
      switch (below(7)) {
        case 0:
          tokens.splice(at, 1);
          break;
        case 1:
          tokens.splice(at, 0, ...tokens.slice(at, at + 1 + below(4)));
          break;
        case 2: {
          const other = below(tokens.length + 1);
          if (at < tokens.length && other < tokens.length) {
            [tokens[at], tokens[other]] = [tokens[other], tokens[at]];
          }
          break;
        }
        case 3:
          tokens.splice(at, 0, pick(INSERTED));
          break;
        case 4: {
          const from = split(pick(templates));
          const start = below(from.length);
          tokens.splice(at, below(3), ...from.slice(start, start + 1 + below(6)));
          break;
        }
        case 5:
          tokens.splice(at, 1 + below(4));
          break;
        default: {
          // One character of one token.
          if (at >= tokens.length) break;
          const letters = [...tokens[at]];
          letters.splice(below(letters.length), 1, pick([...'ab1 "\'%-{}|.,$\n']));
          tokens[at] = letters.join('');
        }
      }
    }
    return tokens.join('');
  };
}
