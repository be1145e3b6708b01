import {
  type BackendFeature,
  type BackstageCredentials,
  coreServices,
  createBackendPlugin,
} from '@backstage/backend-plugin-api';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { purserServiceRef } from '../service';
import type { SidecarClient } from '../types';
import { authorizeCosts } from './access';
import { EntityOwners } from './entityOwners';

/** What a compatible surface works with. */
export interface CostSurfaceContext<TRequest> {
  sidecar: SidecarClient;
  /** The caller of a request, or an error when there is none. */
  credentials(request: TRequest): Promise<BackstageCredentials>;
  /** Groups that the caller is in; none for services. */
  groupsOf(request: TRequest): Promise<string[]>;
  /** Throws unless the caller may see costs of the entities, or all costs when none are named. */
  authorize(request: TRequest, entityRefs?: string[]): Promise<void>;
}

/**
 * A backend plugin that answers another product's API from Purser's costs: `createRouter` makes the
 * routes below /api/<pluginId>; /health needs no credentials.
 */
export function createCostSurface<TRequest>(
  pluginId: string,
  createRouter: (context: CostSurfaceContext<TRequest>) => unknown,
): BackendFeature {
  return createBackendPlugin({
    pluginId,
    register(reg) {
      reg.registerInit({
        deps: {
          auth: coreServices.auth,
          catalog: catalogServiceRef,
          httpAuth: coreServices.httpAuth,
          httpRouter: coreServices.httpRouter,
          permissions: coreServices.permissions,
          purser: purserServiceRef,
          userInfo: coreServices.userInfo,
        },
        async init({ auth, catalog, httpAuth, httpRouter, permissions, purser, userInfo }) {
          const owners = new EntityOwners({ auth, catalog, userInfo });
          const credentials = (request: TRequest) =>
            httpAuth.credentials(request as Parameters<typeof httpAuth.credentials>[0], {
              allow: ['user', 'service'],
            });
          const router = createRouter({
            sidecar: purser.sidecar,
            credentials,
            async groupsOf(request) {
              const caller = await credentials(request);
              if (!auth.isPrincipal(caller, 'user')) {
                return [];
              }
              const { ownershipEntityRefs } = await userInfo.getUserInfo(caller);
              return ownershipEntityRefs.filter(ref => ref.startsWith('group:'));
            },
            async authorize(request, entityRefs = []) {
              await authorizeCosts({ permissions, owners }, entityRefs, await credentials(request));
            },
          });
          httpRouter.use(router as Parameters<typeof httpRouter.use>[0]);
          httpRouter.addAuthPolicy({ path: '/health', allow: 'unauthenticated' });
        },
      });
    },
  });
}
