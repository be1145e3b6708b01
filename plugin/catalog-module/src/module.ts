import { isAbsolute, resolve } from 'node:path';
import {
  coreServices,
  createBackendModule,
  type DiscoveryService,
  type SchedulerServiceTaskScheduleDefinition,
} from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { catalogProcessingExtensionPoint } from '@backstage/plugin-catalog-node';
import { catalogModelExtensionPoint } from '@backstage/plugin-catalog-node/alpha';
import { durationToMilliseconds, type HumanDuration } from '@backstage/types';
import { purserServiceRef } from '@purser/plugin-purser-node';
import { readInstances } from './config';
import type { AbsoluteUrl } from './deltas';
import { purserModelSource } from './model';
import { DatabaseProviderPositions } from './positions';
import { PurserEntityProvider } from './purserEntityProvider';

// Time a run has to store its last changes before the scheduler takes its lock away.
const MAX_MARGIN_MS = 5_000;

function followForOf(schedule: SchedulerServiceTaskScheduleDefinition): number {
  const timeout = durationToMilliseconds(schedule.timeout as HumanDuration);
  return timeout - Math.min(MAX_MARGIN_MS, timeout / 10);
}

/** The API may be served from another host than the pages. */
async function absoluteUrlOf(config: Config, discovery: DiscoveryService): Promise<AbsoluteUrl> {
  const api = await discovery.getExternalBaseUrl('purser');
  const pages = config.getOptionalString('app.baseUrl') ?? api;
  return path => new URL(path, path.startsWith('/api/') ? api : pages).href;
}

/** Registers a provider per configured instance, and the meaning of our annotations. */
export const catalogModulePurser = createBackendModule({
  pluginId: 'catalog',
  moduleId: 'purser',
  register(reg) {
    reg.registerInit({
      deps: {
        catalog: catalogProcessingExtensionPoint,
        model: catalogModelExtensionPoint,
        config: coreServices.rootConfig,
        database: coreServices.database,
        discovery: coreServices.discovery,
        logger: coreServices.logger,
        scheduler: coreServices.scheduler,
        purser: purserServiceRef,
      },
      async init({ catalog, model, config, database, discovery, logger, scheduler, purser }) {
        model.addModelSource(purserModelSource);
        const instances = readInstances(config);
        if (instances.length === 0) {
          logger.info('no purser providers are configured below catalog.providers.purser');
          return;
        }
        const stateDirectory = config.getOptionalString('purser.stateDirectory');
        const absoluteUrl = await absoluteUrlOf(config, discovery);
        const positions = await DatabaseProviderPositions.create(database);
        catalog.addEntityProvider(
          ...instances.map(
            instance =>
              new PurserEntityProvider({
                instance,
                purser,
                positions,
                logger,
                taskRunner: scheduler.createScheduledTaskRunner(instance.schedule),
                followFor: followForOf(instance.schedule),
                absoluteUrl,
                stateDirectory:
                  stateDirectory && !isAbsolute(stateDirectory)
                    ? resolve(stateDirectory)
                    : stateDirectory,
              }),
          ),
        );
      },
    });
  },
});
