// A real scaffolder in a process of its own, which a test may kill. Told by PORTAL what to use:
// {folder, workingDirectory, s3}. Says the port of its API on standard output.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  coreServices,
  createBackendModule,
  createServiceFactory,
} from '@backstage/backend-plugin-api';
import { mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import scaffolderPlugin from '@backstage/plugin-scaffolder-backend';
import {
  createTemplateAction,
  scaffolderActionsExtensionPoint,
} from '@backstage/plugin-scaffolder-node';
import createKnex from 'knex';
import workspaceS3Module from '../index';

const { folder, workingDirectory, s3 } = JSON.parse(process.env.PORTAL ?? '{}') as {
  folder: string;
  workingDirectory: string;
  s3: object;
};

/** Leaves a file in the workspace, and a trace of each run outside of it. */
const write = createTemplateAction({
  id: 'test:write',
  description: 'Writes a file.',
  schema: { input: {}, output: {} },
  async handler(ctx) {
    appendFileSync(join(folder, 'writes'), 'x');
    writeFileSync(join(ctx.workspacePath, 'made'), 'by the first portal');
  },
});

/** Waits until the test lets it go on, then gives what it finds in the workspace. */
const read = createTemplateAction({
  id: 'test:read',
  description: 'Reads a file.',
  schema: { input: {}, output: { text: z => z.string() } },
  async handler(ctx) {
    writeFileSync(join(ctx.workspacePath, 'half'), 'of a step');
    writeFileSync(join(folder, 'reading'), '');
    while (!existsSync(join(folder, 'go-on'))) {
      await sleep(20);
    }
    ctx.output('text', readFileSync(join(ctx.workspacePath, 'made'), 'utf8'));
  },
});

const template = {
  apiVersion: 'scaffolder.backstage.io/v1beta3',
  kind: 'Template',
  metadata: { name: 'two-steps', namespace: 'default' },
  spec: {
    type: 'service',
    steps: [
      { id: 'write', action: 'test:write' },
      { id: 'read', action: 'test:read' },
    ],
    output: { text: '${{ steps.read.output.text }}' },
  },
};

async function main() {
  const knex = createKnex({
    client: 'better-sqlite3',
    connection: { filename: join(folder, 'scaffolder.sqlite') },
    useNullAsDefault: true,
    pool: { min: 1, max: 1 },
  });
  const backend = await startTestBackend({
    features: [
      scaffolderPlugin,
      workspaceS3Module,
      createBackendModule({
        pluginId: 'scaffolder',
        moduleId: 'test-actions',
        register(reg) {
          reg.registerInit({
            deps: { scaffolder: scaffolderActionsExtensionPoint },
            async init({ scaffolder }) {
              scaffolder.addActions(write, read);
            },
          });
        },
      }),
      catalogServiceMock.factory({ entities: [template] }),
      createServiceFactory({
        service: coreServices.database,
        deps: {},
        factory: () => ({ getClient: async () => knex }),
      }),
      mockServices.rootConfig.factory({
        data: {
          app: { baseUrl: 'http://localhost' },
          backend: { baseUrl: 'http://localhost', workingDirectory },
          scaffolder: {
            taskRecovery: {
              enabled: true,
              staleTimeout: { seconds: 3 },
              workspaceProvider: 's3',
              s3,
            },
          },
        },
      }),
    ],
  });
  process.stdout.write(`port ${backend.server.port()}\n`);
}

main().catch(error => {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exit(1);
});
