import {
  coreServices,
  createBackendModule,
  type LoggerService,
} from '@backstage/backend-plugin-api';
import { metricsServiceRef } from '@backstage/backend-plugin-api/alpha';
import { type Config, readDurationFromConfig } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import { scaffolderActionsExtensionPoint } from '@backstage/plugin-scaffolder-node';
import { scaffolderTemplatingExtensionPoint } from '@backstage/plugin-scaffolder-node/alpha';
import { durationToMilliseconds } from '@backstage/types';
import { type ActionDescription, purserServiceRef } from '@purser/plugin-purser-node';
import { createGitAdapter } from './adapters/git';
import { createFetchAdapter, createRenderAdapter } from './adapters/render';
import { createAwaitAdapter, createHoldingAdapter, createRequestAdapter } from './adapters/request';
import { createActionMetrics } from './metrics';
import { createGithubPullRequestAction, createGitlabMergeRequestAction } from './pull-requests';
import { shippedPortalActions, shippedSidecarActions } from './shippedActions';
import { toTemplateAction } from './templateAction';
import {
  AddedTemplating,
  joinTemplating,
  purserTemplatingExtensionPoint,
  readTemplating,
} from './templating/portalTemplating';

/** Verbs of the actions that change what requests made. */
const HOLDING_ACTIONS = ['change', 'transfer', 'suspend', 'resume', 'repair', 'delete', 'renew'];

const DEFAULT_RETRY_FOR_MS = 10 * 60_000;

function readRetryFor(config: Config): number {
  const key = 'purser.actions.retryFor';
  return config.has(key)
    ? durationToMilliseconds(readDurationFromConfig(config, { key }))
    : DEFAULT_RETRY_FOR_MS;
}

/** What the host says now, over what it said when this package was built. */
async function describe(
  host: string,
  list: () => Promise<ActionDescription[]> | ActionDescription[],
  shipped: ActionDescription[],
  logger: LoggerService,
): Promise<ActionDescription[]> {
  const byId = new Map(shipped.map(action => [action.id, action]));
  try {
    for (const action of await list()) {
      byId.set(action.id, action);
    }
  } catch (error) {
    logger.warn(
      `${host} actions are registered as this package knows them, they will fail until it is there: ${(error as Error).message}`,
    );
  }
  return [...byId.values()];
}

/** Registers Purser's actions, whichever process runs them. */
export const scaffolderModulePurser = createBackendModule({
  pluginId: 'scaffolder',
  moduleId: 'purser',
  register(reg) {
    const added = new AddedTemplating();
    reg.registerExtensionPoint(purserTemplatingExtensionPoint, added);
    reg.registerInit({
      deps: {
        scaffolder: scaffolderActionsExtensionPoint,
        scaffolderTemplating: scaffolderTemplatingExtensionPoint,
        config: coreServices.rootConfig,
        logger: coreServices.logger,
        metrics: metricsServiceRef,
        permissions: coreServices.permissions,
        reader: coreServices.urlReader,
        purser: purserServiceRef,
      },
      async init({
        scaffolder,
        scaffolderTemplating,
        config,
        logger,
        metrics,
        permissions,
        reader,
        purser,
      }) {
        const integrations = ScmIntegrations.fromConfig(config);
        const fetchDeps = {
          reader,
          integrations,
          requireScmUserCredentials:
            config.getOptionalBoolean('scaffolder.requireScmUserCredentials') ?? false,
        };
        const read = readTemplating(scaffolderTemplating);
        if (!read) {
          logger.warn(
            'this scaffolder does not show its template filters and globals; those for the actions of purser must be added at purserTemplatingExtensionPoint',
          );
        }
        const templating = read ? joinTemplating(read, added) : added;
        const renderDeps = { ...fetchDeps, templating };
        const retryFor = readRetryFor(config);
        const requestDeps = { permissions, sidecar: purser.sidecar, retryFor };
        const deps = {
          purser,
          retryFor,
          onRun: createActionMetrics(metrics),
          adapters: {
            'purser:fetch:plain': createFetchAdapter(fetchDeps, 'folder'),
            'purser:fetch:plain:file': createFetchAdapter(fetchDeps, 'file'),
            'purser:template:render': createRenderAdapter(renderDeps, 'folder'),
            'purser:template:render:file': createRenderAdapter(renderDeps, 'file'),
            'purser:git:commit': createGitAdapter({ config, integrations }),
            'purser:git:publish': createGitAdapter({ config, integrations }),
            'purser:request': createRequestAdapter(requestDeps),
            'purser:request:await': createAwaitAdapter(requestDeps),
            ...Object.fromEntries(
              HOLDING_ACTIONS.map(verb => [
                `purser:holding:${verb}`,
                createHoldingAdapter(requestDeps),
              ]),
            ),
          },
        };
        const portal = await describe(
          'portal',
          () => purser.addon.listActions(),
          shippedPortalActions,
          logger,
        );
        const sidecar = await describe(
          'sidecar',
          () => purser.sidecar.listActions(),
          shippedSidecarActions,
          logger,
        );
        scaffolder.addActions(
          ...[...portal, ...sidecar].map(action => toTemplateAction(action, deps)),
          createGithubPullRequestAction({ config, integrations }),
          createGitlabMergeRequestAction({ config, integrations }),
        );
      },
    });
  },
});
