// The entities of the catalog bench, the same as objects and as YAML files: components, resources,
// systems and groups of some 0.8 KB with relations, as platform teams keep them.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const PER_FILE = 100;
/** One in so many changes between two versions. */
const CHANGED_ONE_IN = 100;
const TEAMS = 40;
const SYSTEMS_ONE_IN = 20;

const kindOf = i => {
  if (i % 100 === 0) return 'Group';
  if (i % SYSTEMS_ONE_IN === 1) return 'System';
  return i % 4 === 2 ? 'Resource' : 'Component';
};
const nameOf = i => `${kindOf(i).toLowerCase()}-${String(i).padStart(6, '0')}`;
/** The next lower number of this kind. */
const before = (i, kind) => {
  for (let j = i - 1; j >= 0; j -= 1) if (kindOf(j) === kind) return j;
  return kind === 'Group' ? 0 : 1;
};

function specOf(i, kind) {
  const owner = `group:default/${nameOf((i % TEAMS) * 100 < i ? (i % TEAMS) * 100 : 0)}`;
  switch (kind) {
    case 'Group':
      return { type: 'team', children: [] };
    case 'System':
      return { owner };
    case 'Resource':
      return { type: 'database', owner, system: nameOf(before(i, 'System')) };
    default:
      return {
        type: 'service',
        lifecycle: 'production',
        owner,
        system: nameOf(before(i, 'System')),
        dependsOn: [`resource:default/${nameOf(before(i, 'Resource'))}`],
      };
  }
}

function entityOf(i, version) {
  const kind = kindOf(i);
  const name = nameOf(i);
  const changed = i % CHANGED_ONE_IN === CHANGED_ONE_IN - 1 ? version : 0;
  return {
    apiVersion: 'backstage.io/v1alpha1',
    kind,
    metadata: {
      name,
      title: `The ${kind.toLowerCase()} ${i}`,
      description: `What ${name} does for its customers, in a sentence of the usual length, version ${changed}.`,
      labels: { tier: `tier-${i % 3}`, 'example.com/region': 'europe-west1' },
      annotations: {
        'backstage.io/techdocs-ref': 'dir:.',
        'backstage.io/managed-by-location': 'url:https://git.example/org/repository/catalog-info.yaml',
        'backstage.io/managed-by-origin-location': 'url:https://git.example/org/repository/catalog-info.yaml',
        'example.com/on-call': `https://on-call.example/${name}`,
        'example.com/cost-centre': `CC-${1000 + (i % 97)}`,
      },
      tags: ['java', 'spring', `wave-${i % 7}`],
      links: [{ url: `https://dashboards.example/${name}`, title: 'Dashboard' }],
    },
    spec: specOf(i, kind),
  };
}

export const entitiesOf = (count, version) =>
  Array.from({ length: count }, (_, i) => entityOf(i, version));

/** Block style, as people write it; texts in quotes. */
function yamlOf(value, indent) {
  const pad = ' '.repeat(indent);
  if (Array.isArray(value)) {
    return value.length === 0
      ? ' []\n'
      : `\n${value.map(item => `${pad}-${typeof item === 'object' ? yamlOf(item, indent + 2).replace(/^\n\s+/, ' ') : ` ${JSON.stringify(item)}\n`}`).join('')}`;
  }
  return `\n${Object.entries(value)
    .map(([key, item]) =>
      typeof item === 'object' ? `${pad}${key}:${yamlOf(item, indent + 2)}` : `${pad}${key}: ${JSON.stringify(item)}\n`,
    )
    .join('')}`;
}

const fileOf = (folder, first) => path.join(folder, `catalog-${String(first / PER_FILE).padStart(5, '0')}.yaml`);

function writeFile(folder, first, count, version) {
  const documents = [];
  for (let i = first; i < Math.min(first + PER_FILE, count); i += 1) {
    documents.push(yamlOf(entityOf(i, version), 0).slice(1));
  }
  writeFileSync(fileOf(folder, first), documents.join('---\n'));
}

/** Writes the files of a tree. */
export function writeTree(folder, count) {
  mkdirSync(folder, { recursive: true });
  for (let first = 0; first < count; first += PER_FILE) writeFile(folder, first, count, 0);
}

/** Makes one entity in a hundred say something else. */
export const changeTree = (folder, count, version) => {
  for (let first = 0; first < count; first += PER_FILE) writeFile(folder, first, count, version);
};
