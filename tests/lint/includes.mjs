// The floors of docs/architecture.md: a folder includes from folders below it, never sideways unless
// named here; and which third-party library may be seen where.
import { codeOnly, lineOf, list, read } from './files.mjs';

const floors = [
  ['base'],
  ['template', 'document', 'json'],
  ['http', 'store', 'git', 'catalog', 'edit'],
  ['workflow', 'action', 'provider'],
  ['connectors'],
  ['provisioning', 'costs', 'orders', 'inventory'],
  ['scaffolder-actions', 'catalog-providers', 'rpc'],
  ['addon', 'sidecar', 'cli'],
];
const floorOf = new Map(floors.flatMap((names, floor) => names.map(name => [name, floor])));

// Sideways on purpose: from → to.
const sideways = new Set([
  // Costs and provisioning meet through the inventory, and through nothing else.
  'costs → inventory',
  'provisioning → inventory',
  // Both are interfaces with the same hosts; a provider names its host and log levels by action's.
  'provider → action',
  // YAML becomes JSON values.
  'document → json',
  // git's smart protocol runs over the transport interface.
  'git → http',
]);

// Folders below these are apart from each other: a connector does not see another one. What several
// share stands in the folder above.
const separate = new Set(['connectors', 'scaffolder-actions', 'catalog-providers']);
const siblings = new Set([
  // Typed steps for the kinds of one system, above the clusters that the kubernetes connector knows.
  ...['cert-manager', 'crossplane', 'flux', 'istio', 'namespace', 'network-policy'].map(
    name => `connectors/${name} → connectors/kubernetes`,
  ),
  // Awaiting a request is the second half of making one.
  'scaffolder-actions/request-await → scaffolder-actions/request',
]);

// Header → folders that may include it.
const libraries = [
  [/^(napi|node_api|js_native_api)\.h$/, ['addon']],
  [/^(grpc|grpcpp|google\/protobuf)\/|\.pb\.h$/, ['rpc', 'sidecar', 'cli']],
  [/^boost\//, ['http']],
  [/^(sqlite3|libpq-fe)\.h$/, ['store']],
  [/^yaml\.h$/, ['document', 'edit']],
  [/^openssl\//, ['base', 'http']],
  [/^spdlog\//, ['rpc', 'sidecar', 'cli']],
  [/^zlib\.h$/, ['git', 'costs', 'scaffolder-actions', 'catalog-providers']],
  [/^(isa-l\/|snappy|zstd)/, ['costs']],
];

/** "http", "connectors/git", "scaffolder-actions/git-publish"; null for files of no floor. */
export function folderOf(path) {
  const parts = path.replace(/^native\//, '').split('/').slice(0, -1);
  if (!floorOf.has(parts[0])) return null;
  return separate.has(parts[0]) && parts.length > 1 ? `${parts[0]}/${parts[1]}` : parts[0];
}

/** What is wrong with one file's text. */
export function problemsOf(path, text) {
  const problems = [];
  const from = folderOf(path);
  if (from === null) return problems;
  const fromTop = from.split('/')[0];
  // Tests may use what they like of the floors below and beside them, but no foreign library.
  const isTest = /(_test|_benchmark)\.cc$/.test(path);
  text.split('\n').forEach((line, index) => {
    const match = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(line);
    if (!match) return;
    const where = `${path}:${index + 1}`;
    const header = match[1];
    for (const [pattern, folders] of libraries) {
      if (pattern.test(header) && !folders.includes(fromTop)) {
        problems.push(`${where}: ${header} may be included in ${folders.join(', ')} only`);
      }
    }
    const to = folderOf(header);
    if (to === null || to === from || line.includes('<')) return;
    const toTop = to.split('/')[0];
    if (toTop === fromTop) {
      const shared = to === toTop || from === fromTop;
      if (!shared && !isTest && !siblings.has(`${from} → ${to}`)) {
        problems.push(`${where}: ${from} and ${to} are apart; share by ${toTop}/`);
      }
      return;
    }
    const allowed =
      floorOf.get(toTop) < floorOf.get(fromTop) ||
      sideways.has(`${fromTop} → ${toTop}`) ||
      (isTest && floorOf.get(toTop) <= floorOf.get(fromTop));
    if (!allowed) {
      problems.push(
        `${where}: ${from} (floor ${floorOf.get(fromTop)}) must not include ${header} (floor ${floorOf.get(toTop)})`,
      );
    }
  });

  if (path.endsWith('.h')) {
    const guard = `PURSER_${path.replace(/^native\//, '').replace(/[^A-Za-z0-9]/g, '_').toUpperCase()}_`;
    if (!text.includes(`#ifndef ${guard}\n#define ${guard}\n`)) {
      problems.push(`${path}:1: the include guard must be ${guard}`);
    }
  }

  if (isTest) return problems;
  const code = codeOnly(text);
  const rules = [
    // No exception leaves a folder; ours are values (absl::Status).
    [/\bthrow\b/g, () => false, 'throw is not used here; return a status'],
    [/\bstd::(mutex|condition_variable|lock_guard|unique_lock|scoped_lock)\b/g,
      () => ['native/base/mutex.h', 'native/base/clock.cc'].includes(path), 'use base/mutex.h, which the analysis understands'],
    [/\bdetach\s*\(\s*\)/g, () => path === 'native/addon/thread_pool.cc', 'no detached threads'],
    [/(?<![.>])\b(std::)?(abort|exit|_exit|quick_exit)\s*\(/g, () => fromTop !== 'addon',
      'nothing in the addon may end the portal'],
    [/\busing\s+namespace\b/g, () => false, 'no using-directives'],
  ];
  for (const [pattern, allowed, why] of rules) {
    for (const match of code.matchAll(pattern)) {
      if (!allowed()) problems.push(`${path}:${lineOf(code, match.index)}: ${why}`);
    }
  }
  return problems;
}

export function check() {
  return list('native/*.h', 'native/*.cc', 'scaffolder-actions/*.h', 'scaffolder-actions/*.cc',
    'catalog-providers/*.h', 'catalog-providers/*.cc')
    .flatMap(path => problemsOf(path, read(path)));
}
