import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';
import { actionsRegistryServiceRef } from '@backstage/backend-plugin-api/alpha';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { eventsServiceRef } from '@backstage/plugin-events-node';
import { notificationService } from '@backstage/plugin-notifications-node';
import { isResourcePermission } from '@backstage/plugin-permission-common';
import {
  holdingOfResourceRef,
  purserPermissions,
  type PurserRequest,
  RESOURCE_TYPE_PURSER_COSTS,
  RESOURCE_TYPE_PURSER_REQUEST,
} from '@purser/plugin-purser-common';
import {
  EntityOwners,
  purserCostsResourceRef,
  purserCostsRules,
  purserServiceRef,
} from '@purser/plugin-purser-node';
import { registerActions } from './actions';
import { CostGraphFeeder } from './costs/graph';
import { CostNotifier } from './costs/notifier';
import { RequestNotifier, WatchPosition } from './notifications';
import { SourceNotifier } from './sourceNotifications';
import { Performer } from './operations';
import { purserRequestResourceRef, purserRequestRules } from './requests/rules';
import { standsFor } from './holdings/operations';
import { createWebhookRouter, WEBHOOK_PATH } from './holdings/webhooks';
import { createRouter, publicPaths } from './router';

/** REST below /api/purser, permissions, actions for agents, notifications. */
export const purserPlugin = createBackendPlugin({
  pluginId: 'purser',
  register(reg) {
    reg.registerInit({
      deps: {
        actionsRegistry: actionsRegistryServiceRef,
        auditor: coreServices.auditor,
        auth: coreServices.auth,
        catalog: catalogServiceRef,
        config: coreServices.rootConfig,
        database: coreServices.database,
        events: eventsServiceRef,
        httpAuth: coreServices.httpAuth,
        httpRouter: coreServices.httpRouter,
        logger: coreServices.logger,
        notifications: notificationService,
        permissions: coreServices.permissions,
        permissionsRegistry: coreServices.permissionsRegistry,
        purser: purserServiceRef,
        scheduler: coreServices.scheduler,
        userInfo: coreServices.userInfo,
      },
      async init({
        actionsRegistry,
        auditor,
        auth,
        catalog,
        config,
        database,
        events,
        httpAuth,
        httpRouter,
        logger,
        notifications,
        permissions,
        permissionsRegistry,
        purser,
        scheduler,
        userInfo,
      }) {
        permissionsRegistry.addResourceType({
          resourceRef: purserRequestResourceRef,
          permissions: purserPermissions.filter(permission =>
            isResourcePermission(permission, RESOURCE_TYPE_PURSER_REQUEST),
          ),
          rules: Object.values(purserRequestRules),
          getResources: refs =>
            Promise.all(
              refs.map(async (ref): Promise<PurserRequest | undefined> => {
                const holding = holdingOfResourceRef(ref);
                try {
                  return holding === undefined
                    ? await purser.sidecar.getRequest(ref)
                    : standsFor(await purser.sidecar.holdings.get(holding));
                } catch (error) {
                  if ((error as Error).name === 'NotFoundError') {
                    return undefined;
                  }
                  throw error;
                }
              }),
            ),
        });
        const owners = new EntityOwners({ auth, catalog, userInfo });
        permissionsRegistry.addResourceType({
          resourceRef: purserCostsResourceRef,
          permissions: purserPermissions.filter(permission =>
            isResourcePermission(permission, RESOURCE_TYPE_PURSER_COSTS),
          ),
          rules: Object.values(purserCostsRules),
          getResources: async refs =>
            owners.ownedCostsOf(refs, await auth.getOwnServiceCredentials()),
        });
        permissionsRegistry.addPermissions(
          purserPermissions.filter(({ type }) => type === 'basic'),
        );

        const performer = new Performer({
          purser,
          auth,
          permissions,
          permissionsRegistry,
          auditor,
          owners,
          userInfo,
        });
        // Before the router of the API, which reads bodies as JSON.
        httpRouter.use(createWebhookRouter(purser));
        httpRouter.addAuthPolicy({ path: WEBHOOK_PATH, allow: 'unauthenticated' });
        httpRouter.use(createRouter({ httpAuth, performer }));
        for (const path of publicPaths) {
          httpRouter.addAuthPolicy({ path, allow: 'unauthenticated' });
        }
        registerActions({ registry: actionsRegistry, performer, auth });

        if (config.getOptionalBoolean('purser.costs.graph.enabled') ?? true) {
          const feeder = new CostGraphFeeder({ auth, catalog, sidecar: purser.sidecar, logger });
          await feeder.schedule(scheduler);
        }

        if (config.getOptionalBoolean('purser.notifications.enabled') ?? true) {
          const position = await WatchPosition.create(database);
          const notifier = new RequestNotifier({
            sidecar: purser.sidecar,
            notifications,
            position,
            logger,
            approvers: config.getOptionalStringArray('purser.notifications.approvers') ?? [],
          });
          await notifier.schedule(scheduler);
          const costNotifier = new CostNotifier({
            sidecar: purser.sidecar,
            notifications,
            events,
            position: await WatchPosition.create(database, 'cost-notifications'),
            logger,
          });
          await costNotifier.schedule(scheduler);
          const sources = new SourceNotifier({
            sidecar: purser.sidecar,
            notifications,
            logger,
            operators: config.getOptionalStringArray('purser.notifications.operators') ?? [],
          });
          await sources.schedule(scheduler);
        }
      },
    });
  },
});
