// Random templates drawn from the grammar below. Marks of interpolations stand as \u0001 and \u0002;
// the caller puts the variant's own in their places.
export const CONTEXT = {
  values: {
    name: 'payment-service', empty: '', n: 7, neg: -3, zero: 0, ratio: 0.75, big: 1e21, yes: true, no: false,
    nothing: null, list: [3, 1, 2, 10], words: ['b', 'A', 'c', 'a'], none: [], obj: { b: 2, a: 1, c: { d: [1, { e: 'f' }] } },
    rows: [{ k: 'x', v: 2, t: true }, { k: 'Y', v: 1, t: false }, { k: 'x', v: null }], mixed: [1, 'a', null, true, 2.5, [1], {}],
    html: '<a href="x">l\'s & co</a>', uni: 'Grüße – 日本 😀ß', spaces: '  pad \t\n', multi: 'one\ntwo\n\nthree', num: '42', float: '3.99x',
    repoUrl: 'github.com?owner=o&repo=r', ref: 'group:default/team-a', nested: [[1, 2], [3]], url: 'see http://x.io/a?b=1 and a@b.io', sparse: { 2: 'c', 0: 'a', x: 1 },
  },
  top: 'level', length: 3, loop: 'outer', items: [['a', 1], ['b', 2]],
};
export const PATHS = [
  ...Object.keys(CONTEXT.values).map(key => `values.${key}`),
  'top', 'length', 'loop', 'items', 'missing', 'values.missing', 'values.missing.deep', 'values["name"]', 'values.list[0]',
  'values.list[-1]', 'values.rows[1].k', 'values.obj.c.d[1].e', 'values.name.length', 'values.list.length', 'values[values.num]', 'values.words[1:3]', 'values.name[2:5]', 'values.list[::-1]', 'values.list[1:]',
  'x', 'y', 'loop.index', 'loop.first', 'loop.last', 'loop.revindex', 'loop.length', 'loop.index0', 'm', 'caller', 'values',
];
export const FILTERS = [
  'abs', 'batch(2)', 'batch(2, "-")', 'capitalize', 'center(12)', 'default("d")', 'default("d", true)', 'd(1)', 'dictsort', 'dictsort(true)', 'dictsort(false, "value")', 'dump', 'dump(2)', 'e', 'escape',
  'first', 'float', 'float(1.5)', 'forceescape', 'groupby("k")', 'indent', 'indent(2)', 'indent(2, true)', 'int', 'int(5)', 'int("x")', 'int(base=8)', 'int(0, 16)', 'join', 'join(", ")', 'join("-", "k")', 'last', 'length', 'list', 'lower', 'nl2br',
  'reject("odd")', 'rejectattr("t")', 'replace("a", "b")', 'replace("e", "-", 1)', 'replace(r/[aeiou]/g, "*")', 'replace(r/(\\w)(\\w)/, "$2$1")', 'replace("", "-")', 'reverse', 'round', 'round(1)', 'round(0, "ceil")', 'round(1, "floor")', 'safe', 'select("odd")', 'select', 'reject',
  'selectattr("t")', 'selectattr("v")', 'slice(2)', 'slice(3, "z")', 'sort', 'sort(true)', 'sort(false, true)', 'sort(attribute="k")', 'sort(false, false, "v")', 'string', 'striptags', 'striptags(true)', 'sum', 'sum("v")', 'sum(start=2)', 'title', 'trim', 'truncate(5)', 'truncate(8, true)', 'truncate(9, false, "…")',
  'upper', 'urlencode', 'urlize', 'urlize(5)', 'urlize(5, true)', 'wordcount', 'parseRepoUrl', 'parseEntityRef', 'pick("a")', 'pick("k")', 'projectSlug', 'jsonify', 'unknown', 'length(1)',
];
export const TESTS = [
  'defined', 'undefined', 'null', 'none', 'number', 'string', 'mapping', 'iterable', 'callable', 'odd', 'even', 'falsy', 'truthy', 'lower', 'upper', 'divisibleby(2)', 'eq(7)', 'equalto("x")', 'sameas(7)', 'ge(3)', 'gt(3)', 'greaterthan(2)', 'le(3)', 'lessthan(3)', 'lt(3)', 'ne(7)', 'escaped', 'unknown', 'eq', 'true',
];
export const METHODS = [
  'toUpperCase()', 'toLowerCase()', 'charAt(1)', 'charCodeAt(0)', 'concat("z")', 'endsWith("e")', 'includes("a")', 'indexOf("e")', 'lastIndexOf("e")', 'replace("a", "b")', 'slice(1)', 'slice(-2)', 'slice(1, 3)', 'split("-")', 'split("")', 'split(r/[-e]/)', 'startsWith("p")', 'substring(1, 4)', 'trim()', 'trimEnd()', 'trimStart()',
  'toFixed(2)', 'toString()', 'toPrecision(3)', 'toExponential(1)', 'toString(2)', 'at(-1)', 'fill(0)', 'flat()', 'join("+")', 'pop()', 'push(9)', 'reverse()', 'shift()', 'sort()', 'splice(1, 1)', 'unshift(5)', 'copyWithin(0, 1)',
  'items()', 'keys()', 'values()', 'get("a")', 'get("zz", 4)', 'has_key("a")', 'append(4)', 'count("a")', 'find("a")', 'index("a")', 'insert(0, "i")', 'remove("a")', 'padStart(9)', 'next()', 'length',
];
export const LITERALS = ['1', '0', '2.5', '"str"', "'q'", '""', 'true', 'false', 'none', 'null', '[1, 2, 3]', '["b", "a"]', '{ a: 1, "b": 2 }', '{}', '[]', '10', '"a-b"', '"a\\nb"', 'r/a+/g', 'True', 'None', '1.', '00', '"12"'];

/** Functions that draw from `random` (below, pick, chance). */
export function grammar({ below, pick, chance }) {
  function expression(depth) {
    if (depth <= 0) return chance(0.6) ? pick(PATHS) : pick(LITERALS);
    const sub = () => expression(depth - 1 - below(2));
    switch (below(22)) {
      case 0: case 1: case 2: case 3: return `${sub()} | ${pick(FILTERS)}`;
      case 4: return `${sub()} ${pick(['+', '-', '*', '/', '//', '%', '**', '~'])} ${sub()}`;
      case 5: return `${sub()} ${pick(['==', '!=', '===', '!==', '<', '<=', '>', '>='])} ${sub()}`;
      case 6: return `${sub()} ${pick(['and', 'or'])} ${sub()}`;
      case 7: return `not ${sub()}`;
      case 8: return `${sub()} is ${chance(0.3) ? 'not ' : ''}${pick(TESTS)}`;
      case 9: return `${sub()} ${chance(0.3) ? 'not ' : ''}in ${sub()}`;
      case 10: return `${sub()} if ${sub()}${chance(0.7) ? ` else ${sub()}` : ''}`;
      case 11: return `(${sub()})`;
      case 12: return `${pick(PATHS)}.${pick(METHODS)}`;
      case 13: return `(${sub()}).${pick(METHODS)}`;
      case 14: return `[${sub()}, ${sub()}]`;
      case 15: return `{ "k": ${sub()}, z: ${sub()} }`;
      case 16: return `${pick(['-', '+'])}${sub()}`;
      case 17: return `range(${below(4)}${chance(0.5) ? `, ${below(7)}` : ''}${chance(0.2) ? `, ${pick([1, 2, -1])}` : ''})`;
      case 18: return `(${sub()})[${sub()}]`;
      case 19: return `${sub()}[${pick(['0', '-1', '1:', ':2', '::2', '::-1', '"a"', '1:3'])}]`;
      case 20: return `${pick(['m', 'caller', 'x', 'cycler("a", "b").next', 'joiner', 'range'])}(${chance(0.6) ? sub() : ''}${chance(0.2) ? `, b=${sub()}` : ''})`;
      default: return pick(PATHS);
    }
  }

  const TEXTS = ['a', ' ', '\n', '  \n', 'text ', '\t', '<b>', '$', '{ ', ' }', '-', '😀', '\r\n', '"', "'", '{', '}}', '#', '%}'];
  const block = inside => `{%${pick(['', '', '', '-'])} ${inside} ${pick(['', '', '', '-'])}%}`;

  function body(depth) {
    let out = '';
    for (let i = 1 + below(3); i > 0; i -= 1) out += statement(depth);
    return out;
  }

  function statement(depth) {
    const text = chance(0.6) ? pick(TEXTS) : '';
    if (depth <= 0 || chance(0.35)) {
      return `${text}\u0001${pick(['', '', '-'])} ${expression(1 + below(3))} ${pick(['', '', '-'])}\u0002`;
    }
    const e = () => expression(below(3));
    switch (below(13)) {
      case 0: case 1:
        return text + block(`if ${e()}`) + body(depth - 1) + (chance(0.3) ? block(`${pick(['elif', 'elseif'])} ${e()}`) + body(depth - 1) : '') + (chance(0.5) ? block('else') + body(depth - 1) : '') + block('endif');
      case 2: case 3: case 4:
        return text + block(`for ${pick(['x', 'x', 'x, y', 'y, x', 'x, y, z'])} in ${chance(0.7) ? pick(['values.list', 'values.words', 'values.rows', 'values.obj', 'items', 'values.nested', 'values.name', 'values.none', 'values.uni', 'range(3)', 'values.sparse', 'values.mixed', 'values.rows | groupby("k")']) : e()}`) + body(depth - 1) + (chance(0.3) ? block('else') + body(depth - 1) : '') + block('endfor');
      case 5: return text + block(`set ${pick(['x', 'y', 'x, y', 'm', 'top'])} = ${e()}`);
      case 6: return text + block(`set ${pick(['x', 'y'])}`) + body(depth - 1) + block('endset');
      case 7: return text + block(`macro m(${pick(['', 'a', 'a, b=1', 'x, y', 'a=2, b="q"'])})`) + body(depth - 1) + block('endmacro');
      case 8: return text + block(`call${pick(['', '', '(x)', '(x, y=1)'])} m(${chance(0.5) ? e() : ''})`) + body(depth - 1) + block('endcall');
      case 9: return text + block(`filter ${pick(FILTERS)}`) + body(depth - 1) + block('endfilter');
      case 10: return text + block(`switch ${e()}`) + block(`case ${e()}`) + body(depth - 1) + (chance(0.5) ? block(`case ${pick(LITERALS)}`) + (chance(0.5) ? body(depth - 1) : '') : '') + (chance(0.5) ? block('default') + body(depth - 1) : '') + block('endswitch');
      case 11: return `${text}{# ${pick(['note', '{{ x }}', '{% if %}', '"'])} #}${chance(0.5) ? block('raw') + pick(['\u0001 x \u0002', '{% if', '  a\n']) + block('endraw') : ''}`;
      default: return text + block(`block ${pick(['one', 'two', 'three'])}${''}`) + body(depth - 1) + block('endblock');
    }
  }

  function damage(template) {
    const at = below(template.length);
    switch (below(4)) {
      case 0: return template.slice(0, at) + template.slice(at + 1);
      case 1: return template.slice(0, at) + pick(['(', ')', '{%', '%}', '"', '|', '.', ',', '[', 'in', ' if ', '{#', '#}', '\\', '=']) + template.slice(at);
      case 2: return template.slice(0, at);
      default: return template.slice(at);
    }
  }

  return { body, expression, damage };
}
