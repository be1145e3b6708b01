import {
  readSchedulerServiceTaskScheduleDefinitionFromConfig,
  type SchedulerServiceTaskScheduleDefinition,
} from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { InputError } from '@backstage/errors';
import type { JsonObject } from '@backstage/types';
import type { RemovalGuard } from '@purser/plugin-purser-node';

/** One configured instance of a provider. */
export interface InstanceConfig {
  /** "purser-inventory". */
  providerId: string;
  /** "default". */
  instance: string;
  /** What the provider itself reads. */
  config: JsonObject;
  guard?: RemovalGuard;
  schedule: SchedulerServiceTaskScheduleDefinition;
}

const PREFIX = 'catalog.providers.purser';
const NAME = /^[a-z0-9-]{1,63}$/;

// A run that follows changes ends by itself shortly before the timeout; after a crash the lock is
// free again a minute later.
const DEFAULT_SCHEDULE: SchedulerServiceTaskScheduleDefinition = {
  frequency: { seconds: 30 },
  timeout: { minutes: 1 },
  initialDelay: { seconds: 1 },
  scope: 'global',
};

function checkName(name: string, path: string): void {
  if (!NAME.test(name)) {
    throw new InputError(`${path}: '${name}' must be 1 to 63 of a-z, 0-9 and -`);
  }
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
      const { schedule: _, guard: __, ...config } = entry.get<JsonObject>();
      const guard = entry.getOptionalConfig('guard');
      return {
        providerId,
        instance,
        config,
        guard: guard && {
          maxRemovedFraction: guard.getOptionalNumber('maxRemovedFraction'),
          minRemoved: guard.getOptionalNumber('minRemoved'),
          allowEmpty: guard.getOptionalBoolean('allowEmpty'),
        },
        schedule: entry.has('schedule')
          ? readSchedulerServiceTaskScheduleDefinitionFromConfig(entry.getConfig('schedule'))
          : DEFAULT_SCHEDULE,
      };
    });
  });
}
