import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { resolvePackagePath } from '@backstage/backend-plugin-api';
import { mockServices } from '@backstage/backend-test-utils';
import createKnex, { type Knex } from 'knex';
import { LostRuns } from './lostRuns';

const TABLE = 'backstage_backend_tasks__tasks';

describe('locks of replicas that died', () => {
  const logger = mockServices.rootLogger();
  let knex: Knex;
  let statements: number;

  beforeEach(() => {
    knex = createKnex({
      client: 'better-sqlite3',
      connection: ':memory:',
      useNullAsDefault: true,
      pool: { min: 1, max: 1 },
    });
    statements = 0;
    knex.on('query', () => {
      statements += 1;
    });
  });
  afterEach(() => knex.destroy());

  const run = (id: string, expiresAt: string) =>
    knex(TABLE).insert({
      id,
      settings_json: '{}',
      next_run_start_at: '2020-01-01 00:00:00',
      current_run_ticket: 'ticket',
      current_run_started_at: '2020-01-01 00:00:00',
      current_run_expires_at: expiresAt,
    });
  const locked = async () =>
    (await knex(TABLE).whereNotNull('current_run_ticket').pluck('id')).sort();

  it('are taken when they have expired, from nobody else', async () => {
    await knex.migrate.latest({
      directory: resolvePackagePath('@backstage/backend-defaults', 'migrations/scheduler'),
    });
    await run('lost', '2020-01-01 00:01:00');
    await run('alive', '2999-01-01 00:00:00');
    await run('ours', '2020-01-01 00:01:00');
    await run('of another plugin', '2020-01-01 00:01:00');
    const tasks = ['lost', 'alive', 'ours'].map(taskId => ({
      taskId,
      isOurs: () => taskId === 'ours',
    }));
    await new LostRuns(knex, tasks, logger).free();
    assert.deepEqual(await locked(), ['alive', 'of another plugin', 'ours']);
  });

  it('are not looked for while all run here, and are no reason to fail', async () => {
    await new LostRuns(knex, [{ taskId: 'a', isOurs: () => true }], logger).free();
    assert.equal(statements, 0);
    await new LostRuns(knex, [{ taskId: 'a', isOurs: () => false }], logger).free();
  });
});
