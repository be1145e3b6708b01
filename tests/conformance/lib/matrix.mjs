// Every filter, test, method and operator by every kind of value, slices by bounds, white space by
// settings, and ways to write a template wrongly. Items: [template, options]; \u0001 and \u0002 stand
// for the variant's marks.
import { FILTERS, LITERALS, METHODS, TESTS } from './grammar.mjs';

const INPUTS = [
  'values.name', 'values.empty', 'values.n', 'values.neg', 'values.zero', 'values.ratio', 'values.big', 'values.yes', 'values.no',
  'values.nothing', 'values.list', 'values.words', 'values.none', 'values.obj', 'values.rows', 'values.mixed', 'values.html', 'values.uni',
  'values.spaces', 'values.multi', 'values.num', 'values.float', 'values.repoUrl', 'values.ref', 'values.nested', 'values.url', 'values.sparse',
  'missing', 'items', '("a" | safe)', '(values.html | safe)', '{}', '[[], {}]', 'r/a+/g', 'range', 'cycler("a", "b")', 'joiner("-")',
  '(0 / 0)', '(1 / 0)', '(-1 / 0)', '1e3', '0.1 + 0.2', '-0', '"😀é"', '"ÀÉß"', '"12px"', '" 12 "', '"0x1f"', '"1e3"', '"-5"', '"true"', '[3, "2", none, 1]',
  '[undefinedname]', '["b", "a", "C"]', '{ z: 1, "2": 2, "1": 3 }', '[{ a: { b: 2 } }, { a: { b: 1 } }]', '"a,b,,c"', '"<p>x</p>\\n\\n<b>y"',
];
const MORE_FILTERS = [
  'abs(1)', 'batch', 'batch(0)', 'batch(-1)', 'batch("2")', 'batch(3, none)', 'center', 'center(4)', 'center(0)', 'center("9")', 'center(3.7)',
  'default', 'default(none)', 'default("", false)', 'default(boolean=true)', 'dictsort(case_sensitive=true)', 'dictsort(true, "key")', 'dictsort(false, "nope")',
  'dump("\\t")', 'dump(-1)', 'dump(20)', 'float("x")', 'float(none)', 'groupby', 'groupby("t")', 'groupby("missing")', 'groupby(0)', 'indent(0)', 'indent(-2)',
  'indent("3")', 'indent(first=true)', 'indent(2, false, "x")', 'int(none, 2)', 'int("7", 10)', 'int(1.9)', 'int(default=3)', 'join(none)', 'join(1)', 'join(", ", "k", 3)', 'join(attribute="k")',
  'replace', 'replace("a")', 'replace("a", "b", 0)', 'replace("a", "b", -1)', 'replace(1, 2)', 'replace(r/a/, "$&$&")', 'replace(r/(?:b)|(c)/gi, "[$1]")', 'replace("e", "")', 'replace(none, "x")',
  'reverse(1)', 'round(-1)', 'round(2, "ceil")', 'round(2, "floor")', 'round(method="ceil")', 'round("1")', 'round(20)', 'safe | escape', 'safe | dump', 'safe | length', 'safe | upper | escape', 'escape | escape',
  'select("string")', 'select("gt", 1)', 'select("unknown")', 'reject("defined")', 'selectattr("k", "x")', 'selectattr', 'rejectattr("missing")', 'rejectattr', 'slice', 'slice(0)', 'slice(-1)', 'slice(2, none)',
  'sort(reverse=true)', 'sort(case_sensitive=true)', 'sort(attribute="v", reverse=true)', 'sort(attribute="a.b")', 'sort(1, 2, 3)', 'sum("k")', 'sum("a.b")', 'sum("v", 10)', 'sum(attribute="v")', 'striptags(false)', 'title(1)', 'trim("p")',
  'truncate', 'truncate(0)', 'truncate(-1)', 'truncate("4")', 'truncate(5, true, "")', 'truncate(length=3)', 'truncate(5, killwords=true)', 'urlencode(1)', 'urlize(3, true)', 'urlize(nofollow=true)', 'wordcount(1)',
  'nl2br | escape', 'string | length', 'list | join("|")', 'first | upper', 'last | dump', 'parseRepoUrl | dump', 'parseEntityRef({ defaultKind: "x" }) | dump', 'parseEntityRef({ defaultKind: "x", defaultNamespace: "n" }) | dump',
  'pick', 'pick("a", "b")', 'pick("a.b")', 'pick("name") | dump', 'pick(0)', 'projectSlug(1)', 'jsonify(2)', 'tojson', 'dump | safe', 'a.b', 'e(1)', 'd', 'length | string',
];
const MORE_TESTS = [
  'divisibleby', 'divisibleby(0)', 'divisibleby("2")', 'eq("a")', 'equalto(none)', 'sameas(values.list)', 'sameas("b")', 'gt("a")', 'lt(none)', 'ge', 'in', 'in([1])', 'boolean', 'float', 'integer', 'mapping()', 'odd(1)', 'sequence', 'iterable()', 'none()', 'null', '"string"', '1', 'ne', 'escaped()', 'defined and true', 'not defined',
];
const MORE_METHODS = [
  'charAt()', 'charAt(-1)', 'charAt("1")', 'charCodeAt(99)', 'codePointAt(0)', 'concat()', 'concat([1], 2)', 'endsWith("e", 3)', 'entries()', 'every()', 'fill("x", 1, 2)', 'filter(1)', 'flat(2)', 'flat(0)', 'includes()', 'includes(1, 1)', 'indexOf("e", 3)', 'indexOf()', 'join()', 'join(none)', 'lastIndexOf("e", 2)', 'length()', 'localeCompare("a")', 'map("a")', 'match(r/(\\w)-(\\w)/)', 'match(r/a/g)', 'match("a")',
  'matchAll(r/a/g)', 'normalize()', 'normalize("NFD")', 'padEnd(9, "-")', 'padStart(9, "ab")', 'pop(1)', 'repeat(3)', 'repeat(-1)', 'replace(r/a/g, "b")', 'replaceAll("a", "b")', 'reverse().join("")', 'search(r/e/)', 'slice()', 'slice(none, 2)', 'slice("1")', 'sort(1)', 'splice(0)', 'splice(-1, 1, "z", "y")', 'split()', 'split("a", 2)', 'split(r/(a)/)', 'startsWith("a", 1)', 'substr(1, 2)', 'substring(4, 1)', 'substring(-1)', 'test("a")', 'exec("banana")', 'toFixed()', 'toFixed(101)', 'toFixed(20)',
  'toLocaleString()', 'toLocaleUpperCase()', 'toPrecision()', 'toPrecision(0)', 'toPrecision(21)', 'toExponential()', 'toString(36)', 'toString(1)', 'toString("8")', 'trim(1)', 'unshift()', 'with(0, 1)', 'valueOf()', 'hasOwnProperty("a")', 'get()', 'get("a", 1, 2)', 'items() | dump', 'keys() | dump', 'values() | dump', 'update({})', 'setdefault("a", 1)', 'index("zz")', 'remove("zz")', 'count()', 'find(1)', 'insert(99, 1)', 'append()', 'extend([1])', 'clear()', 'copy()', 'format(1)', 'upper()', 'lower()', 'strip()', 'title()', 'isdigit()', 'constructor', 'constructor()', '__proto__', 'prototype', 'lastIndex', 'source', 'flags', 'current', 'reset()', 'val',
];
const OPERATORS = ['+', '-', '*', '/', '//', '%', '**', '~', '==', '!=', '===', '!==', '<', '<=', '>', '>=', 'and', 'or', 'in', 'not in'];
const OPERANDS = [
  'values.n', 'values.name', 'values.num', 'values.list', 'values.obj', 'values.nothing', 'missing', 'true', '""', '"a"', '0', '-0', '2.5', '[1]', '[]', '{}', '(0 / 0)', '("a" | safe)', 'r/a/', 'range', '"7"', '"name"', '1e1', '"\ud83d\ude00"',
];
const BOUNDS = ['', '0', '1', '-2', '99', '-99', '"1"', 'none', 'missing', '1.5'];
const STEPS = ['', '2', '-1', '0', 'none', '1.5'];
const SLICED = ['values.list', 'values.name', 'values.uni', 'values.none', 'values.obj', 'missing', 'values.n'];
const NUMBERS = [
  '0', '00', '007', '1.', '1.0', '1.50', '.5', '1..2', '1.2.3', '1e3', '1E3', '1e', '1e+3', '0x10', '0b1', '1_000', '12345678901234567890', '0.1', '1.7976931348623157', '123456789.123456789', '0.000001', '0.0000001', '1000000000000000000000', '5e-324', '9007199254740993', '4.35 * 100', '1.005 * 1000', '2 ** 53', '2 ** 1023 * 2', '-5 % 3', '5 % -3', '5.5 % 2', '7 // 2', '-7 // 2', '7 // 0', '7 // 2 // 2', '7 * 3 // 2 % 2', '2 ** 3 ** 2', '-2 ** 2', '(-8) ** (1 / 3)', '0 ** 0', '1 / 3', '10 / 4', '1 - -1', '1 - - 1', '1 + + 1', '- - 1', '--1', '+-1', '-+1', '1 -1', '1-1', '"3" * "4"', '"3" + 4', '3 + "4"', 'true + 1', 'none + 1', 'missing + 1', '[] + []', '[1] + [2]', '{} + 1', '[2] * [3]', '"a" * 1', '1 < 2 < 3', '3 > 2 > 1', '1 == 1 == 1', '1 == "1"', 'none == missing', '[] == ""', '[1] == 1', '{} == "[object Object]"', '"b" > "a"', '"B" < "a"', '"10" < "9"', '10 < "9"', 'none < 1', '(0 / 0) == (0 / 0)',
];
const ENDINGS = ['| round(2)', '| int', '| string', '| dump', '| float', '| abs', '| length'];
const WHITE = [
  'a\n{% if true %}\nb\n{% endif %}\nc\n', 'a\n  {% if true %}  \nb\n  {% endif %}  \nc', 'a {%- if true -%} b {%- endif -%} c', '{%- set x = 1 -%}\n\n x', '\u0001- values.name -\u0002', 'a \u0001- 1 -\u0002 b', '\u0001-1\u0002', '\u0001 -1 \u0002', '\u0001- -1 -\u0002', '\u00011-\u0002',
  '  {# c #}\n  x', '  {#- c -#}\n  x', 'a\n{# c #}\nb', '  {% raw %} x {% endraw %}\n y', '{% raw -%} x {%- endraw %} y', ' {%- raw %}\n x\n{% endraw -%}\n y', '{% for x in values.list -%}\n \u0001 x \u0002\n{%- endfor %}\n', '\t{% for x in values.list %}\n\t\u0001 x \u0002\n\t{% endfor %}\n', 'x\r\n{% if true %}\r\ny\r\n{% endif %}\r\nz', '\u00a0{% if true %}\u00a0\ny{% endif %}', 'x {% if true %}\n{% if true %}\ny{% endif %}\n{% endif %}\nz', '{% set x %}\n  a\n{% endset %}\n[\u0001 x \u0002]', '{% macro f() %}\n m \n{% endmacro %}\n[\u0001 f() \u0002]', '{%-if true-%} a {%-endif-%}', '{%if true%}a{%endif%}', '{% -if true %}a{% endif %}', '{%- - %}', '   {%-', 'a{%   if   true   %}b{%   endif   %}',
  '\u0001\u0002', '\u0001 \u0002', '\u0001-\u0002', '\u0001--\u0002', '{%%}', '{% %}', '{##}', '{#-#}', '{#--#}', '\u2028 {% if true %}\u2028x{% endif %}', ' \v\f{% if true %}x{% endif %}', '\ufeff\u0001 1 \u0002', '{% if true -%}\u2003x{%- endif %}', ' {% verbatim %}\u0001 x \u0002{% endverbatim %} ', '{% raw %}{% raw %}a{% endraw %}{% endraw %}', '{% raw %}{%- endraw %}', '{%raw%}a{%endraw%}', '{% raw x %}a{% endraw %}', '{% raw %}a{% endraw x %}', '{% raw %}a{%\nendraw %}',
];
const WRONG = [
  '\u0001', '\u0001 x', '\u0001 x }', '{% if', '{% if %}', '{% if x %}', '{% if x %}a{% else %}', '{% if x %}{% else %}{% else %}{% endif %}', '{% else %}', '{% endif %}', '{% elif x %}', '{% if x %}{% endfor %}', '{% for %}', '{% for x %}', '{% for x in %}', '{% for in x %}', '{% for x in values.list %}', '{% for x, in values.list %}{% endfor %}', '{% for x y in z %}{% endfor %}', '{% for 1 in z %}{% endfor %}', '{% for x.y in z %}{% endfor %}', '{% for true in z %}{% endfor %}', '{% for constructor in z %}{% endfor %}', '{% for x in values.list if x %}{% endfor %}',
  '{% set %}', '{% set x %}', '{% set x = %}', '{% set = 1 %}', '{% set 1 = 1 %}', '{% set x, = 1 %}', '{% set x.y = 1 %}', '{% set true = 1 %}', '{% set __proto__ = 1 %}', '{% set x == 1 %}', '{% set x = 1 = 2 %}', '{% set x = 1, 2 %}', '{% endset %}', '{% set x %}a{% endset x %}', '{% macro %}', '{% macro m %}', '{% macro m( %}', '{% macro m() %}', '{% macro m(1) %}{% endmacro %}', '{% macro m(a,) %}{% endmacro %}', '{% macro m(a b) %}{% endmacro %}', '{% macro m(a=) %}{% endmacro %}', '{% macro m(a=1, b) %}{% endmacro %}\u0001 m(1, 2) \u0002', '{% macro 1() %}{% endmacro %}', '{% macro m() %}{% endmacro m %}', '{% macro m() x %}{% endmacro %}',
  '{% macro constructor() %}{% endmacro %}', '{% macro true() %}{% endmacro %}', '{% macro m(a, a) %}\u0001 a \u0002{% endmacro %}\u0001 m(1, 2) \u0002', '{% set x %}{% macro m() %}{% endmacro %}{% endset %}', '{% call %}{% endcall %}', '{% call m %}{% endcall %}', '{% call m() %}', '{% call (x m() %}{% endcall %}', '{% call 1() %}{% endcall %}', '{% call (x) m[y]() %}{% endcall %}', '{% call values.name() %}{% endcall %}', '{% call m() %}x{% endcall %}', '{% filter %}{% endfilter %}', '{% filter nosuch %}x{% endfilter %}', '{% filter upper %}', '{% filter upper | lower %}A{% endfilter %}', '{% filter upper() %}a{% endfilter %}', '{% filter replace("a" %}a{% endfilter %}',
  '{% block %}{% endblock %}', '{% block x %}', '{% block x %}{% endblock y %}', '{% block x %}{% endblock x %}', '{% block x %}{% endblock %}{% block x %}{% endblock %}', '{% block "x" %}{% endblock %}', '{% block 1 %}{% endblock %}', '{% switch %}{% endswitch %}', '{% switch x %}{% endswitch %}', '{% switch x %}a{% case 1 %}{% endswitch %}', '{% switch x %}{% case %}{% endswitch %}', '{% switch x %}{% default %}{% default %}{% endswitch %}', '{% switch x %}{% default %}{% case 1 %}{% endswitch %}', '{% switch 1 %} {% case 1 %}a{% endswitch %}', '{% case 1 %}', '{% default %}', '{% include "x" %}', '{% import "x" as y %}', '{% from "x" import y %}', '{% extends "x" %}', '{% nosuch %}', '{% 1 %}', '{% "x" %}', '{% endraw %}', '{% raw %}', '{% verbatim %}{% endraw %}', '{% if x %}{% raw %}{% endif %}', '{% ifAsync x %}{% endif %}', '{% asyncEach x in y %}{% endeach %}', '{% asyncAll x in y %}{% endall %}',
  '{#', '#}', '{# {# #} #}', '\u0001 "x \u0002', "\u0001 'x \u0002", '\u0001 "a\\" \u0002', '\u0001 r/a \u0002', '\u0001 r/(/ \u0002', '\u0001 r/a/gg \u0002', '\u0001 r/a/z \u0002', '\u0001 r/[/ \u0002', '\u0001 r/a\\/b/ \u0002', '\u0001 r/a\\\\/ \u0002', '\u0001 /a/ \u0002', '\u0001 @ \u0002', '\u0001 a ? b : c \u0002', '\u0001 a && b \u0002', '\u0001 !a \u0002', '\u0001 a; b \u0002', '\u0001 a = b \u0002', '\u0001 (a \u0002', '\u0001 a) \u0002', '\u0001 () \u0002', '\u0001 (,) \u0002', '\u0001 (1, 2) \u0002', '\u0001 1, 2 \u0002', '\u0001 [1,] \u0002', '\u0001 [,] \u0002', '\u0001 [1 2] \u0002', '\u0001 [ \u0002', '\u0001 { a: 1, } \u0002', '\u0001 { a } \u0002', '\u0001 { 1: 2 } \u0002', '\u0001 { [a]: 2 } \u0002', '\u0001 { true: 1 } \u0002', '\u0001 { "__proto__": 1 } \u0002', '\u0001 { a: 1 a } \u0002', '\u0001 a. \u0002', '\u0001 a.1 \u0002', '\u0001 a.if \u0002', '\u0001 a..b \u0002', '\u0001 .a \u0002', '\u0001 a[] \u0002', '\u0001 a[1 \u0002', '\u0001 a[1:2:3:4] \u0002', '\u0001 a[:] \u0002', '\u0001 a[::] \u0002', '\u0001 a[1, 2] \u0002', '\u0001 a["constructor"] \u0002', '\u0001 a[b ? c] \u0002', '\u0001 a | \u0002', '\u0001 | upper \u0002', '\u0001 a | 1 \u0002', '\u0001 a | upper( \u0002', '\u0001 a | upper | \u0002', '\u0001 a || b \u0002', '\u0001 a | "x" \u0002', '\u0001 a | constructor \u0002', '\u0001 a is \u0002', '\u0001 a is not \u0002', '\u0001 a is nosuch \u0002', '\u0001 a is "odd" \u0002', '\u0001 a is (odd) \u0002', '\u0001 a not b \u0002', '\u0001 a in \u0002', '\u0001 in a \u0002', '\u0001 not \u0002', '\u0001 not not a \u0002', '\u0001 a if \u0002', '\u0001 a if b else \u0002', '\u0001 a else b \u0002', '\u0001 a if b if c \u0002', '\u0001 a if b else c if d else e \u0002', '\u0001 if a \u0002', '\u0001 and \u0002', '\u0001 a and \u0002', '\u0001 a or or b \u0002', '\u0001 a + \u0002', '\u0001 + \u0002', '\u0001 * a \u0002', '\u0001 a ** \u0002', '\u0001 a == \u0002', '\u0001 == a \u0002', '\u0001 a === b \u0002', '\u0001 a <> b \u0002', '\u0001 a != = b \u0002', '\u0001 f( \u0002', '\u0001 f(, ) \u0002', '\u0001 f(a,) \u0002', '\u0001 f(a=) \u0002', '\u0001 f(a=1, 2) \u0002', '\u0001 f(a=1, a=2) \u0002', '\u0001 f(*a) \u0002', '\u0001 f(1=2) \u0002', '\u0001 "a" "b" \u0002', '\u0001 1 2 \u0002', '\u0001 a b \u0002', '\u0001 1a \u0002', '\u0001 a\u00a0+\u00a0b \u0002', '\u0001 a\u2003b \u0002', '\u0001 é \u0002', '\u0001 a.é \u0002', '\u0001 $a \u0002', '\u0001 `a` \u0002', '\u0001 loop() \u0002', '\u0001 caller() \u0002', '\u0001 super() \u0002', '\u0001 self \u0002', '\u0001 missing() \u0002', '\u0001 values.missing() \u0002', '\u0001 values.name() \u0002', '\u0001 values.a.b.c() \u0002', '\u0001 values.list.nosuch() \u0002', '\u0001 values["name"]() \u0002', '\u0001 (1)() \u0002', '\u0001 "x"() \u0002', '\u0001 range \u0002', '\u0001 range() \u0002', '\u0001 range(1, 2, 3, 4) \u0002', '\u0001 range(a=1) \u0002', '\u0001 cycler().next() \u0002', '\u0001 cycler(1).nosuch() \u0002', '\u0001 cycler(1)() \u0002', '\u0001 joiner(1, 2) \u0002', '\u0001 joiner()() \u0002', '\u0001 [range] \u0002', '\u0001 { a: range } \u0002', '\u0001 range | dump \u0002', '\u0001 1 in 2 \u0002', '\u0001 1 in none \u0002', '\u0001 "a" in missing \u0002', '\u0001 values.nothing.x \u0002', '\u0001 missing.x.y \u0002', '\u0001 none.x \u0002', '\u0001 "a".b.c \u0002',
  'line\nline \u0001 values.n | nosuch \u0002', 'a\r\nb \u0001 x( \u0002', 'a\n\n  \u0001 values.name.nosuch() \u0002', '😀 \u0001 nosuch() \u0002', 'é\n😀😀 \u0001 x | nosuch \u0002', '{% for x in values.list %}\n\u0001 x() \u0002{% endfor %}', '{% macro m() %}\n\u0001 nosuch() \u0002{% endmacro %}\n\u0001 m() \u0002', '{% macro m(a=nosuch()) %}{% endmacro %}\u0001 m() \u0002', '{% set x %}\n\u0001 nosuch() \u0002{% endset %}', '{% filter upper %}\n\u0001 nosuch() \u0002{% endfilter %}', '{% if nosuch() %}{% endif %}', '{% set x = 1 | nosuch %}', '{% for x in 5 | nosuch %}{% endfor %}', '{% for a, b in [1, none] %}\u0001 a \u0002{% endfor %}', '{% for x in 5 %}x{% else %}e{% endfor %}', '{% for x in true %}x{% else %}e{% endfor %}', '{% for a, b in 5 %}x{% else %}e{% endfor %}', '\u0001 x \u0002\u0001 y( \u0002\u0001 z | \u0002', '\u0001 a( \u0002{% nosuch %}', '{% nosuch %}\u0001 a( \u0002', '\u0001 a( \u0002{% raw %}', '{% if a( %}\u0001 b( \u0002{% endif %}', '{% set x = 1 %}'.repeat(3) + '{% set y %}', '((', '\u0001 ((((((((((1)))))))))) \u0002', '\u0001 [[[[[[[[[[]]]]]]]]]] | dump \u0002', '\u0001 "\\n\\t\\r\\\\\\"\\\'\\x\\u0041" \u0002', '\u0001 "a\nb" \u0002', "\u0001 'a\\'b' \u0002", '\u0001 "\u0002" \u0002', '\u0001 {a:{b:1}}\u0002', '\u0001 {a:{b:1}} \u0002', '\u0001 "%}" \u0002', '{% if "%}" %}a{% endif %}', '{% if \'{#\' %}a{% endif %}', '{# "#}" #}', '{{ x }}', '${{ x }}', '$\u0001 x \u0002', '${ x }', '{ { x } }', '{{{ x }}}', '${{{ a: 1 } | dump }}', '{{ "${{" }}', '\u0001 "{{" \u0002', '\u0001 # \u0002',
];

export function* matrix() {
  for (const filter of new Set([...FILTERS, ...MORE_FILTERS])) {
    for (const input of INPUTS) yield [`\u0001 ${input} | ${filter} \u0002`];
  }
  for (const filter of new Set([...FILTERS, ...MORE_FILTERS])) {
    for (const input of ['values.list', 'values.html', 'values.rows', 'values.num']) {
      yield [`\u0001 ${input} | ${filter} | dump \u0002`];
    }
    yield [`{% filter ${filter} %}a <b>\n-3.7 e{% endfilter %}`];
    yield [`{% set x = values.words | ${filter} %}\u0001 x | dump \u0002\u0001 values.words \u0002`];
  }
  for (const test of new Set([...TESTS, ...MORE_TESTS])) {
    for (const input of INPUTS) {
      yield [`\u0001 ${input} is ${test} \u0002`];
      yield [`{% if ${input} is not ${test} %}Y{% else %}N{% endif %}`];
    }
  }
  for (const method of new Set([...METHODS, ...MORE_METHODS])) {
    for (const input of INPUTS) yield [`\u0001 (${input}).${method} \u0002`];
    for (const input of ['values.list', 'values.name', 'values.obj', 'values.words']) {
      yield [`{% set x = ${input} %}\u0001 x.${method} | dump \u0002|\u0001 x | dump \u0002|\u0001 ${input} \u0002`];
    }
  }
  for (const left of OPERANDS) {
    for (const operator of OPERATORS) {
      for (const right of OPERANDS) yield [`\u0001 ${left} ${operator} ${right} \u0002`];
    }
  }
  for (const sliced of SLICED) {
    for (const start of BOUNDS) {
      for (const stop of BOUNDS) {
        for (const step of STEPS) {
          // Text bounds count by joining texts, which nunjitsu does for minutes.
          if (start.startsWith('"')) continue;
          yield [`\u0001 ${sliced}[${start}:${stop}:${step}] | dump \u0002`];
        }
      }
    }
  }
  for (const number of NUMBERS) {
    yield [`\u0001 ${number} \u0002`];
    for (const ending of ENDINGS) yield [`\u0001 (${number}) ${ending} \u0002`];
  }
  for (const literal of LITERALS) {
    for (const key of ['0', '-1', '"a"', '"length"', '1:', 'none', 'true', '1.5', '[0]', '"0"', '"00"']) {
      yield [`\u0001 (${literal})[${key}] \u0002`];
      yield [`\u0001 ${literal}[${key}] | dump \u0002`];
    }
  }
  for (const input of INPUTS) {
    yield [`{% for x in ${input} %}\u0001 loop.index \u0002:\u0001 x \u0002,\u0001 loop.last \u0002 {% else %}none{% endfor %}`];
    yield [`{% for k, v in ${input} %}\u0001 k \u0002=\u0001 v \u0002/\u0001 loop.length \u0002 {% else %}none{% endfor %}`];
    yield [`{% for a, b, c in ${input} %}\u0001 a \u0002.\u0001 b \u0002.\u0001 c \u0002 {% endfor %}`];
    yield [`{% switch ${input} %}{% case "payment-service" %}p{% case 7 %}s{% case true %}t{% default %}d{% endswitch %}`];
    yield [`{% if ${input} %}T{% else %}F{% endif %}\u0001 "T" if ${input} \u0002\u0001 ${input} or "o" \u0002\u0001 ${input} and "a" \u0002\u0001 not ${input} \u0002`];
    yield [`{% set x = ${input} %}\u0001 x \u0002{% set y %}\u0001 ${input} \u0002{% endset %}[\u0001 y \u0002]`];
    yield [`{% macro m(a, b=${input}) %}(\u0001 a \u0002:\u0001 b \u0002){% endmacro %}\u0001 m(${input}) \u0002\u0001 m(b=${input}) \u0002\u0001 m() \u0002`];
  }
  for (const trimBlocks of [false, true]) {
    for (const lstripBlocks of [false, true]) {
      for (const template of [...WHITE, ...WRONG]) yield [template, { trimBlocks, lstripBlocks }];
    }
  }
  for (const template of WRONG) {
    yield [template];
    yield [`{% if true %}\n ${template}\n{% endif %}`];
    yield [`x\n😀 {% for x in [1] %}${template}{% endfor %} y`];
    yield [`{% macro q() %}${template}{% endmacro %}\u0001 q() \u0002`];
    yield [`\u0001 1 \u0002${template}\u0001 2 + \u0002`];
  }
}
