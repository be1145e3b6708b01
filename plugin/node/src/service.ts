import {
  coreServices,
  createServiceFactory,
  createServiceRef,
  type LoggerService,
} from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { LazyNativeAddon } from './addon';
import { readSidecarConfig } from './config';
import { GrpcSidecarClient } from './sidecar/client';
import type { PurserService } from './types';

/** The service and the end of its life. */
export interface DefaultPurserService extends PurserService {
  close(): void;
}

/** Makes the service outside a backend, for tools and tests. Connects and loads at the first use. */
export function createPurserService(options: {
  config: Config;
  logger?: LoggerService;
}): DefaultPurserService {
  const sidecarConfig = readSidecarConfig(options.config);
  if (!sidecarConfig) {
    options.logger?.warn(
      'purser.sidecar.address is not set: everything that needs the purser sidecar will say so',
    );
  }
  const sidecar = new GrpcSidecarClient(sidecarConfig);
  const addon = new LazyNativeAddon();
  return {
    sidecar,
    addon,
    close() {
      sidecar.close();
      addon.close();
    },
  };
}

/**
 * How Purser's packages reach the native addon and the sidecar. One per backend; the portal starts
 * and stays up without either.
 */
export const purserServiceRef = createServiceRef<PurserService>({
  id: 'purser.service',
  scope: 'root',
  defaultFactory: async service =>
    createServiceFactory({
      service,
      deps: {
        config: coreServices.rootConfig,
        logger: coreServices.rootLogger,
        lifecycle: coreServices.rootLifecycle,
      },
      factory({ config, logger, lifecycle }) {
        const purser = createPurserService({ config, logger });
        lifecycle.addShutdownHook(() => purser.close());
        return purser;
      },
    }),
});
