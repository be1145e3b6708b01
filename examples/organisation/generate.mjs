// Makes the data of a demo organisation of some 5,000 entities: what each kind of source would read.
// The same each time.
//
//   node examples/organisation/generate.mjs <folder>
//
// <folder>/checkouts        repositories with catalog-info.yaml     source-tree    3,100 entities
// <folder>/infrastructure   a repository of Terraform               terraform      1,068
// <folder>/directory        people and groups as LDIF, slapd.conf   ldap             800
// <folder>/orders.json      products to order in the portal         purser-inventory 260
//
// See README.md beside this file.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TEAMS = 60;
const PEOPLE = 740;
const SYSTEMS = 155;
const COMPONENTS_A_SYSTEM = 12;
const APIS_A_SYSTEM = 3;
const RESOURCES_A_SYSTEM = 4;
const ENVIRONMENTS = ['dev', 'staging', 'prod'];
const CUSTOMERS = 25;
const APPS = ['billing', 'dashboard', 'ingest', 'jupyter', 'reports', 'superset'];
const MODULES = ['aks', 'buckets', 'database', 'dns', 'identity', 'network'];
const ORDERS = 65;

export const SUFFIX = 'dc=demo,dc=example';
const AREAS = ['Billing', 'Catalog', 'Data', 'Delivery', 'Identity', 'Payments', 'Platform', 'Search', 'Shop', 'Support'];
const GIVEN = ['Amara', 'Ben', 'Chloe', 'Daniel', 'Elif', 'Farid', 'Grace', 'Hiro', 'Ines', 'Jonas', 'Kofi', 'Lea', 'Mina', 'Noor', 'Omar', 'Petra', 'Quinn', 'Rosa', 'Samir', 'Tara'];
const FAMILY = ['Abe', 'Brandt', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia', 'Haddad', 'Ivanov', 'Jensen', 'Kim', 'Lopez', 'Moreau', 'Novak', 'Okafor', 'Patel', 'Rossi', 'Silva', 'Tanaka', 'Weber'];

const two = number => String(number).padStart(2, '0');
const range = (count, make) => Array.from({ length: count }, (_, i) => make(i));
const team = i => `team-${two(i % TEAMS)}`;

function put(folder, name, text) {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

// ---- source-tree

const document = (kind, name, description, spec) =>
  [
    'apiVersion: backstage.io/v1alpha1',
    `kind: ${kind}`,
    'metadata:',
    `  name: ${name}`,
    `  description: ${description}`,
    'spec:',
    ...Object.entries(spec).map(([key, value]) =>
      Array.isArray(value) ? `  ${key}: [${value.join(', ')}]` : `  ${key}: ${value}`,
    ),
    '',
  ].join('\n');

/** One system a repository: its services call each other's APIs and use its databases. */
function repositoryOf(i) {
  const area = AREAS[i % AREAS.length];
  const system = `${area.toLowerCase()}-${two(Math.floor(i / AREAS.length))}`;
  const owner = `group:default/${team(i)}`;
  const next = `${AREAS[(i + 1) % AREAS.length].toLowerCase()}-${two(Math.floor(((i + 1) % SYSTEMS) / AREAS.length))}`;
  const documents = [
    document('System', system, `What ${area.toLowerCase()} needs, part ${Math.floor(i / AREAS.length)}`, { owner }),
    ...range(APIS_A_SYSTEM, n =>
      document('API', `${system}-api-${n}`, `Interface ${n} of ${system}`, {
        type: 'openapi', lifecycle: 'production', owner, system, definition: `"openapi: 3.1.0"`,
      })),
    ...range(RESOURCES_A_SYSTEM, n =>
      document('Resource', `${system}-store-${n}`, `Store ${n} of ${system}`, {
        type: n % 2 === 0 ? 'database' : 'bucket', owner, system,
      })),
    ...range(COMPONENTS_A_SYSTEM, n =>
      document('Component', `${system}-service-${two(n)}`, `Service ${n} of ${system}`, {
        type: n % 4 === 3 ? 'website' : 'service',
        lifecycle: n % 5 === 4 ? 'experimental' : 'production',
        owner,
        system,
        ...(n < APIS_A_SYSTEM ? { providesApis: [`${system}-api-${n}`] } : {}),
        consumesApis: [`${next}-api-${n % APIS_A_SYSTEM}`],
        dependsOn: [`resource:default/${system}-store-${n % RESOURCES_A_SYSTEM}`],
      })),
  ];
  return { system, text: documents.join('---\n') };
}

// ---- terraform

const backend = key =>
  `terraform {\n  backend "azurerm" {\n    container_name = "states"\n    key            = "${key}"\n  }\n}\n`;
const moduleCall = (name, source, depth) =>
  `module "${name}" {\n  source = "${'../'.repeat(depth)}${source}"\n}\n`;

function writeInfrastructure(folder) {
  for (const name of MODULES) {
    put(folder, `infra/azure/${name}/main.tf`, `variable "name" {\n  type        = string\n  description = "Name of the ${name}."\n}\n`);
  }
  for (const app of APPS) {
    put(folder, `apps/${app}/kubernetes/main.tf`, `variable "customer" {\n  type = string\n}\n\n${moduleCall('database', 'infra/azure/database', 3)}`);
  }
  for (const environment of ENVIRONMENTS) {
    const root = `environments/${environment}/infra`;
    put(folder, `${root}/main.tf`, backend(root) + MODULES.map(name => moduleCall(name, `infra/azure/${name}`, 3)).join('\n'));
    for (let i = 0; i < CUSTOMERS; i += 1) {
      const customer = `customer-${two(i)}`;
      const above = `environments/${environment}/${customer}`;
      put(folder, `${above}/infra/main.tf`, backend(`${above}/infra`) + moduleCall('buckets', 'infra/azure/buckets', 4));
      for (const app of APPS) {
        put(folder, `${above}/${app}/main.tf`, backend(`${above}/${app}`) + moduleCall(app, `apps/${app}/kubernetes`, 4));
      }
    }
  }
}

// ---- ldap

const entry = lines => `${lines.join('\n')}\n\n`;

function ldif() {
  const person = i => ({
    uid: `${GIVEN[i % GIVEN.length]}.${FAMILY[Math.floor(i / GIVEN.length) % FAMILY.length]}${i < 400 ? '' : two(Math.floor(i / 400))}`.toLowerCase(),
    given: GIVEN[i % GIVEN.length],
    family: FAMILY[Math.floor(i / GIVEN.length) % FAMILY.length],
  });
  const people = range(PEOPLE, person);
  const dn = ({ uid }) => `uid=${uid},ou=people,${SUFFIX}`;
  return [
    entry([`dn: ${SUFFIX}`, 'objectClass: dcObject', 'objectClass: organization', 'o: Demo', 'dc: demo']),
    entry([`dn: ou=people,${SUFFIX}`, 'objectClass: organizationalUnit', 'ou: people']),
    entry([`dn: ou=groups,${SUFFIX}`, 'objectClass: organizationalUnit', 'ou: groups']),
    ...people.map(one =>
      entry([
        `dn: ${dn(one)}`, 'objectClass: inetOrgPerson', `uid: ${one.uid}`,
        `cn: ${one.given} ${one.family}`, `givenName: ${one.given}`, `sn: ${one.family}`,
        `mail: ${one.uid}@demo.example`,
      ])),
    ...range(TEAMS, i =>
      entry([
        `dn: cn=${team(i)},ou=groups,${SUFFIX}`, 'objectClass: groupOfNames', `cn: ${team(i)}`,
        `description: ${AREAS[i % AREAS.length]}, team ${i}`,
        ...people.filter((_, n) => n % TEAMS === i).map(one => `member: ${dn(one)}`),
      ])),
  ].join('');
}

const slapdConf = folder =>
  [
    ...['core', 'cosine', 'inetorgperson'].map(name => `include /etc/ldap/schema/${name}.schema`),
    // By itself slapd gives 500 entries, however small the pages are.
    'sizelimit unlimited',
    'modulepath /usr/lib/ldap', 'moduleload back_mdb', 'database mdb', `suffix "${SUFFIX}"`,
    `directory ${path.join(folder, 'database')}`, 'access to * by * read', '',
  ].join('\n');

// ---- all

/** Writes it all below `folder`; tells how many entities each source will give. */
export function generate(folder) {
  const repositories = range(SYSTEMS, repositoryOf);
  for (const { system, text } of repositories) {
    put(folder, `checkouts/${system}/catalog-info.yaml`, text);
  }
  writeInfrastructure(path.join(folder, 'infrastructure'));
  const directory = path.join(folder, 'directory');
  put(directory, 'organisation.ldif', ldif());
  put(directory, 'slapd.conf', slapdConf(directory));
  mkdirSync(path.join(directory, 'database'), { recursive: true });
  const orders = range(ORDERS, i => ({
    blueprint: 'analytics-workspace',
    parameters: {
      name: `demo-${two(i)}`,
      owner: `group:default/${team(i)}`,
      region: ['europe-west3', 'europe-north1', 'us-east4'][i % 3],
      machineType: ['standard-2', 'standard-4', 'highmem-8'][i % 3],
      diskSizeGb: 50 + (i % 5) * 50,
      dataClassification: ['public', 'internal', 'confidential'][i % 3],
      monthlyBudget: 100 + (i % 10) * 50,
    },
  }));
  put(folder, 'orders.json', `${JSON.stringify(orders, null, 2)}\n`);
  const roots = ENVIRONMENTS.length * (1 + CUSTOMERS * (1 + APPS.length));
  return {
    'source-tree': SYSTEMS * (1 + APIS_A_SYSTEM + RESOURCES_A_SYSTEM + COMPONENTS_A_SYSTEM),
    // Each root, and the domain, system or component it belongs to; the modules.
    terraform: 2 * roots + MODULES.length + APPS.length,
    ldap: TEAMS + PEOPLE,
    // Each workspace, its folder, its notebook and its bucket.
    'purser-inventory': 4 * ORDERS,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv[2]) {
    console.error('usage: node generate.mjs <folder>');
    process.exit(1);
  }
  const counts = generate(path.resolve(process.argv[2]));
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  console.log(`${Object.entries(counts).map(([source, count]) => `${source}: ${count}`).join(', ')}; together ${total}`);
}
