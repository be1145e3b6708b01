import {
  readSchedulerServiceTaskScheduleDefinitionFromConfig,
  type SchedulerServiceTaskScheduleDefinition,
} from '@backstage/backend-plugin-api';
import { type Config, readDurationFromConfig } from '@backstage/config';
import { InputError } from '@backstage/errors';
import { durationToMilliseconds, type JsonObject } from '@backstage/types';

/** One configured instance of a provider. */
export interface InstanceConfig {
  /** "purser-inventory". */
  providerId: string;
  /** "default". */
  instance: string;
  /** What the provider itself reads. */
  config: JsonObject;
  /** What may be set for every provider: guard, allowedKinds, allowedNamespaces, priority, refreshEvery (seconds). */
  options: JsonObject;
  schedule: SchedulerServiceTaskScheduleDefinition;
}

const PREFIX = 'catalog.providers.purser';
const NAME = /^[a-z0-9-]{1,63}$/;

// A run that follows changes ends by itself shortly before the timeout. That is also how long the lock of
// a replica lasts that was killed: the catalog must be true within a minute.
const DEFAULT_SCHEDULE: SchedulerServiceTaskScheduleDefinition = {
  frequency: { seconds: 30 },
  timeout: { seconds: 45 },
  initialDelay: { seconds: 1 },
  scope: 'global',
};

function checkName(name: string, path: string): void {
  if (!NAME.test(name)) {
    throw new InputError(`${path}: '${name}' must be 1 to 63 of a-z, 0-9 and -`);
  }
}

/** Options that every provider's host knows, in its words. */
function readOptions(entry: Config): JsonObject {
  const options: JsonObject = {};
  for (const key of ['guard', 'allowedKinds', 'allowedNamespaces', 'priority']) {
    if (entry.has(key)) {
      options[key] = entry.get(key);
    }
  }
  if (entry.has('refreshEvery')) {
    const duration = readDurationFromConfig(entry, { key: 'refreshEvery' });
    options.refreshEvery = durationToMilliseconds(duration) / 1000;
  }
  return options;
}

/** Reads `catalog.providers.purser.<provider id>.<instance>`. */
export function readInstances(rootConfig: Config): InstanceConfig[] {
  const providers = rootConfig.getOptionalConfig(PREFIX);
  return (providers?.keys() ?? []).flatMap(providerId => {
    checkName(providerId, PREFIX);
    const instances = providers!.getConfig(providerId);
    return instances.keys().map(instance => {
      checkName(instance, `${PREFIX}.${providerId}`);
      const entry = instances.getConfig(instance);
      const {
        schedule: _schedule,
        guard: _guard,
        allowedKinds: _kinds,
        allowedNamespaces: _namespaces,
        priority: _priority,
        refreshEvery: _refreshEvery,
        ...config
      } = entry.get<JsonObject>();
      return {
        providerId,
        instance,
        config,
        options: readOptions(entry),
        schedule: entry.has('schedule')
          ? readSchedulerServiceTaskScheduleDefinitionFromConfig(entry.getConfig('schedule'))
          : DEFAULT_SCHEDULE,
      };
    });
  });
}
