import { resolve } from 'node:path';
import {
  coreServices,
  createBackendModule,
  type SchedulerServiceTaskScheduleDefinition,
} from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { catalogProcessingExtensionPoint, catalogServiceRef } from '@backstage/plugin-catalog-node';
import { catalogModelExtensionPoint } from '@backstage/plugin-catalog-node/alpha';
import { durationToMilliseconds, type HumanDuration } from '@backstage/types';
import { purserServiceRef } from '@purser/plugin-purser-node';
import { ServiceCatalogRefs } from './catalogRefs';
import { CatalogTables } from './catalogTables';
import type { AbsoluteUrl } from './completeEntity';
import { readInstances } from './config';
import { LostRuns } from './lostRuns';
import { purserModelSource } from './model';
import { DatabaseProviderPositions, forgetOtherPositions, RememberedPositions } from './positions';
import { PurserEntityProvider } from './purserEntityProvider';

// Time a run has to store its last changes before the scheduler takes its lock away.
const MAX_MARGIN_MS = 5_000;
const LOOK_FOR_LOST_RUNS = { seconds: 5 };

function followForOf(schedule: SchedulerServiceTaskScheduleDefinition): number {
  const timeout = durationToMilliseconds(schedule.timeout as HumanDuration);
  return timeout - Math.min(MAX_MARGIN_MS, timeout / 10);
}

/** The pages' address; the backend's own where the portal serves no pages. */
function absoluteUrlOf(config: Config): AbsoluteUrl {
  const pages = config.getOptionalString('app.baseUrl') ?? config.getString('backend.baseUrl');
  return path => `${pages.replace(/\/+$/, '')}${path}`;
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
        auth: coreServices.auth,
        catalogService: catalogServiceRef,
        config: coreServices.rootConfig,
        database: coreServices.database,
        logger: coreServices.logger,
        scheduler: coreServices.scheduler,
        purser: purserServiceRef,
      },
      async init({
        catalog,
        model,
        auth,
        catalogService,
        config,
        database,
        logger,
        scheduler,
        purser,
      }) {
        model.addModelSource(purserModelSource);
        const instances = readInstances(config);
        const knex = await database.getClient();
        const positions = new RememberedPositions(
          await DatabaseProviderPositions.create(knex, database),
        );
        if (instances.length === 0) {
          logger.info('no purser providers are configured below catalog.providers.purser');
          await forgetOtherPositions(knex, []);
          return;
        }
        const stateDirectory = config.getOptionalString('purser.stateDirectory');
        const absoluteUrl = absoluteUrlOf(config);
        const catalogRefs = new ServiceCatalogRefs({ catalog: catalogService, auth });
        let opened: Promise<CatalogTables | undefined> | undefined;
        const isDirect = config.getOptionalBoolean('purser.catalog.directWrites') ?? true;
        const catalogTables = async () =>
          isDirect ? (opened ??= CatalogTables.open(knex, logger)) : undefined;
        const providers = instances.map(
          instance =>
            new PurserEntityProvider({
              instance,
              purser,
              positions,
              catalogRefs,
              logger,
              taskRunner: scheduler.createScheduledTaskRunner(instance.schedule),
              followFor: followForOf(instance.schedule),
              absoluteUrl,
              catalogTables,
              stateDirectory: stateDirectory && resolve(stateDirectory),
            }),
        );
        await forgetOtherPositions(
          knex,
          providers.map(provider => provider.getProviderName()),
        );
        catalog.addEntityProvider(...providers);
        const lostRuns = new LostRuns(knex, providers, logger);
        await scheduler.scheduleTask({
          id: 'purser-lost-runs',
          frequency: LOOK_FOR_LOST_RUNS,
          timeout: LOOK_FOR_LOST_RUNS,
          scope: 'local',
          fn: () => lostRuns.free(),
        });
      },
    });
  },
});
