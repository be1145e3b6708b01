import {
  coreServices,
  createBackendModule,
  readSchedulerServiceTaskScheduleDefinitionFromConfig,
  type SchedulerServiceTaskScheduleDefinition,
} from '@backstage/backend-plugin-api';
import { searchIndexRegistryExtensionPoint } from '@backstage/plugin-search-backend-node/alpha';
import { purserServiceRef } from '@purser/plugin-purser-node';
import {
  createAnomalyCollatorFactory,
  createBudgetCollatorFactory,
  createProductCollatorFactory,
  createRequestCollatorFactory,
} from './collators';

const SCHEDULE_KEY = 'search.collators.purser.schedule';
const DEFAULT_SCHEDULE: SchedulerServiceTaskScheduleDefinition = {
  frequency: { minutes: 10 },
  timeout: { minutes: 5 },
  initialDelay: { seconds: 10 },
};

/** Puts requests, products, budgets and anomalies into the search index. */
export const searchModulePurser = createBackendModule({
  pluginId: 'search',
  moduleId: 'purser',
  register(reg) {
    reg.registerInit({
      deps: {
        config: coreServices.rootConfig,
        index: searchIndexRegistryExtensionPoint,
        purser: purserServiceRef,
        scheduler: coreServices.scheduler,
      },
      async init({ config, index, purser, scheduler }) {
        const schedule = config.has(SCHEDULE_KEY)
          ? readSchedulerServiceTaskScheduleDefinitionFromConfig(config.getConfig(SCHEDULE_KEY))
          : DEFAULT_SCHEDULE;
        for (const factory of [
          createRequestCollatorFactory(purser.sidecar),
          createProductCollatorFactory(purser.sidecar),
          createBudgetCollatorFactory(purser.sidecar),
          createAnomalyCollatorFactory(purser.sidecar),
        ]) {
          index.addCollator({ factory, schedule: scheduler.createScheduledTaskRunner(schedule) });
        }
      },
    });
  },
});
