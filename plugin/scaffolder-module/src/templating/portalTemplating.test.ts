import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  coreServices,
  createBackendModule,
  createServiceFactory,
} from '@backstage/backend-plugin-api';
import { startTestBackend } from '@backstage/backend-test-utils';
import scaffolderPlugin from '@backstage/plugin-scaffolder-backend';
import { scaffolderTemplatingExtensionPoint } from '@backstage/plugin-scaffolder-node/alpha';
import createKnex from 'knex';
import {
  AddedTemplating,
  joinTemplating,
  namesOf,
  type PortalTemplating,
  readTemplating,
} from './portalTemplating';

const filterModule = (name: string) =>
  createBackendModule({
    pluginId: 'scaffolder',
    moduleId: `adds-${name}`,
    register(reg) {
      reg.registerInit({
        deps: { templating: scaffolderTemplatingExtensionPoint },
        async init({ templating }) {
          templating.addTemplateFilters({ [name]: text => `${name} ${String(text)}` });
          templating.addTemplateGlobals({ [`${name}Value`]: [name] });
        },
      });
    },
  });

it('sees what modules added at Backstage’s own scaffolder, before and after', async () => {
  let read: PortalTemplating | undefined;
  const reader = createBackendModule({
    pluginId: 'scaffolder',
    moduleId: 'reads',
    register(reg) {
      reg.registerInit({
        deps: { templating: scaffolderTemplatingExtensionPoint },
        async init({ templating }) {
          read = readTemplating(templating);
        },
      });
    },
  });
  // Our own: the pool of Backstage's database service outlives its backend.
  const knex = createKnex({
    client: 'better-sqlite3',
    connection: ':memory:',
    useNullAsDefault: true,
    pool: { min: 1, max: 1 },
  });
  const backend = await startTestBackend({
    features: [
      filterModule('early'),
      reader,
      filterModule('late'),
      scaffolderPlugin,
      createServiceFactory({
        service: coreServices.database,
        deps: {},
        factory: () => ({ getClient: async () => knex }),
      }),
    ],
  });
  try {
    assert.ok(read, 'this scaffolder shows its lists');
    const extensions = read.extensions();
    assert.deepEqual(namesOf(extensions), ['early', 'late', 'earlyValue', 'lateValue']);
    assert.equal(extensions.filters.late('x'), 'late x');
    assert.deepEqual(extensions.globals.earlyValue, ['early']);
  } finally {
    await backend.stop();
    await knex.destroy();
  }
});

it('is undefined where the scaffolder keeps no lists', () => {
  const { push } = Array.prototype;
  const nothing = { addTemplateFilters: () => undefined, addTemplateGlobals: () => undefined };
  assert.equal(readTemplating(nothing), undefined);
  const broken = () => {
    throw new Error('no');
  };
  assert.throws(() => readTemplating({ addTemplateFilters: broken, addTemplateGlobals: broken }));
  assert.equal(Array.prototype.push, push);
});

it('joins what was added at our own extension point', () => {
  const one = new AddedTemplating();
  one.addTemplateFilters({ a: () => 1, b: () => 1 });
  const two = new AddedTemplating();
  two.addTemplateFilters([{ id: 'b', filter: () => 2 }]);
  two.addTemplateGlobals([
    { id: 'answer', value: 42 },
    { id: 'now', fn: () => 'today' },
  ]);
  const { filters, globals } = joinTemplating(one, two).extensions();
  assert.equal(filters.a('') as number, 1);
  assert.equal(filters.b('') as number, 2);
  assert.equal(globals.answer, 42);
  assert.equal(typeof globals.now, 'function');
});
