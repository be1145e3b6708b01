import type { AuthService, BackstageCredentials } from '@backstage/backend-plugin-api';
import type { ActionsRegistryService } from '@backstage/backend-plugin-api/alpha';
import {
  costDimensions,
  type CostDimension,
  type Page,
  requestStates,
} from '@purser/plugin-purser-common';
import type { JsonObject } from '@backstage/types';
import { registerCostActions } from './costs/actions';
import { registerHoldingActions } from './holdings/actions';
import type { InputOf, Performer } from './operations';

/** Registers what agents and templates may do; permissions and audit are the operations' own. */
export function registerActions(deps: {
  registry: ActionsRegistryService;
  performer: Performer;
  auth: AuthService;
}): void {
  const { registry, performer, auth } = deps;
  // Users act for themselves; a service has to say for whom.
  const isUser = (credentials: BackstageCredentials) => auth.isPrincipal(credentials, 'user');

  registry.register({
    name: 'list-blueprints',
    title: 'List products',
    description:
      'Lists the products (blueprints) that can be asked for, with the JSON Schema of their parameters.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          pageSize: z.number().int().min(1).max(500).optional().describe('At most 500'),
          pageToken: z.string().optional().describe('nextPageToken of the answer before'),
        }),
      output: z =>
        z.object({ items: z.array(z.record(z.unknown())), nextPageToken: z.string().optional() }),
    },
    action: async ({ input, credentials }) => ({
      output: toPage(await performer.perform('listBlueprints', input, { credentials })),
    }),
  });

  registry.register({
    name: 'create-request',
    title: 'Ask for a product',
    description:
      'Creates a provisioning request from a blueprint. Look at list-blueprints for the parameters first; use validateOnly to check without creating. A repeat with the same idempotencyKey gives the same request.',
    attributes: { readOnly: false, idempotent: false, destructive: false },
    schema: {
      input: z =>
        z.object({
          blueprint: z.string().min(1).max(128).describe('Name of the blueprint'),
          parameters: z.record(z.unknown()).describe("Must satisfy the blueprint's schema"),
          owner: z
            .string()
            .max(512)
            .optional()
            .describe('Entity ref, e.g. group:default/analytics'),
          requester: z.string().max(512).optional().describe('Entity ref; only for services'),
          idempotencyKey: z.string().min(1).max(200).optional(),
          validateOnly: z.boolean().optional().describe('Plan only, store nothing'),
        }),
      output: z => z.object({}).passthrough().describe('The request'),
    },
    action: async ({ input, credentials }) => {
      const { requester, ...rest } = input;
      return {
        output: toOutput(
          await performer.perform(
            'createRequest',
            {
              ...rest,
              parameters: rest.parameters as JsonObject,
              ...(isUser(credentials) ? {} : { requester }),
            },
            { credentials },
          ),
        ),
      };
    },
  });

  registry.register({
    name: 'get-request',
    title: 'Get a request',
    description: 'Gets one provisioning request with the state of each step.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z => z.object({ id: z.string().min(1).max(128).describe('Id of the request, req_…') }),
      output: z => z.object({}).passthrough().describe('The request'),
    },
    action: async ({ input, credentials }) => ({
      output: toOutput(await performer.perform('getRequest', input, { credentials })),
    }),
  });

  registry.register({
    name: 'list-requests',
    title: 'List requests',
    description: 'Lists provisioning requests that the caller may see, newest first.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          owner: z.string().max(512).optional().describe('Exact entity ref of the owner'),
          requester: z.string().max(512).optional().describe('Exact entity ref of who asked'),
          blueprint: z.string().max(128).optional(),
          entityRef: z.string().max(512).optional().describe('What the request makes'),
          states: z
            .array(z.enum(requestStates as [string, ...string[]]))
            .optional()
            .describe('Any of these states'),
          pageSize: z.number().int().min(1).max(500).optional(),
          pageToken: z.string().optional(),
        }),
      output: z =>
        z.object({ items: z.array(z.record(z.unknown())), nextPageToken: z.string().optional() }),
    },
    action: async ({ input, credentials }) => ({
      output: toPage(
        await performer.perform('listRequests', input as InputOf<'listRequests'>, { credentials }),
      ),
    }),
  });

  for (const [name, operation, title, description, destructive] of [
    [
      'cancel-request',
      'cancelRequest',
      'Cancel a request',
      'Stops a provisioning request; steps that are done are undone where they can be.',
      true,
    ],
    [
      'retry-request',
      'retryRequest',
      'Retry a request',
      'Makes the unfinished steps of a failed request, or of one that needs an operator, due again.',
      false,
    ],
    [
      'approve-request',
      'approveRequest',
      'Approve a request',
      'Lets a provisioning request that waits for approval start.',
      false,
    ],
  ] as const) {
    registry.register({
      name,
      title,
      description,
      attributes: { readOnly: false, idempotent: false, destructive },
      schema: {
        input: z =>
          z.object({
            id: z.string().min(1).max(128).describe('Id of the request, req_…'),
            reason: z.string().max(1024).optional().describe('For the audit trail'),
          }),
        output: z => z.object({}).passthrough().describe('The request'),
      },
      action: async ({ input, credentials }) => ({
        output: toOutput(await performer.perform(operation, input, { credentials })),
      }),
    });
  }

  registry.register({
    name: 'list-catalog-sources',
    title: 'List sources of the catalog',
    description:
      'Lists the sources that Purser reads into the catalog: freshness, counts, errors, removals held by the guard, collisions.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z => z.object({}),
      output: z => z.object({ items: z.array(z.record(z.unknown())) }),
    },
    action: async ({ credentials }) => ({
      output: toPage(await performer.perform('listSources', {}, { credentials })),
    }),
  });

  registry.register({
    name: 'get-catalog-source',
    title: 'Get a source of the catalog',
    description:
      'Gets one source of the catalog with the entities that want attention: held removals, collisions with other sources, parts that cannot be read.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          provider: z.string().min(1).max(63).describe('Id of the provider, e.g. kubernetes'),
          instance: z.string().min(1).max(63).describe('Name of its configured instance'),
        }),
      output: z => z.object({}).passthrough().describe('The source'),
    },
    action: async ({ input, credentials }) => ({
      output: toOutput(await performer.perform('getSource', input, { credentials })),
    }),
  });

  registry.register({
    name: 'get-entity-cost',
    title: 'Get the costs of an entity',
    description:
      'Says what a catalog entity cost in the last days, by day and by service, per currency. Amounts are exact decimal texts.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          entityRef: z.string().max(512).describe('e.g. resource:default/workspace-genomics'),
          days: z.number().int().min(1).max(400).optional().describe('30 when absent'),
          asOf: z
            .string()
            .optional()
            .describe('Last day, YYYY-MM-DD; the last one with data when absent'),
        }),
      output: z => z.object({}).passthrough().describe('The costs'),
    },
    action: async ({ input, credentials }) => ({
      output: toOutput(
        await performer.perform(
          'getEntityCosts',
          { ...input, entityRef: input.entityRef.toLowerCase() },
          { credentials },
        ),
      ),
    }),
  });

  registry.register({
    name: 'query-costs',
    title: 'Query costs',
    description:
      'Sums costs of a period by dimensions (day, month, entity, owner, group, system, service, region, kind, account and others). Amounts are exact decimal texts.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          from: z.string().describe('First day, YYYY-MM-DD'),
          to: z.string().describe('Last day, inclusive'),
          groupBy: z.array(z.enum(costDimensions)).optional(),
          filter: z.array(z.string()).optional().describe('dimension=value'),
          pageSize: z.number().int().min(1).max(5000).optional(),
          pageToken: z.string().optional(),
        }),
      output: z =>
        z.object({ items: z.array(z.record(z.unknown())), nextPageToken: z.string().optional() }),
    },
    action: async ({ input, credentials }) => ({
      output: toPage(
        await performer.perform(
          'queryCosts',
          { ...input, groupBy: input.groupBy as CostDimension[] | undefined },
          { credentials },
        ),
      ),
    }),
  });

  registerCostActions(registry, performer);
  registerHoldingActions(registry, performer);
}

function toPage<T extends object>(page: Page<T>): Page<Record<string, unknown>> {
  return page as unknown as Page<Record<string, unknown>>;
}

/** What the registry's loose object types want of our interfaces. */
function toOutput<T extends object>(value: T): T & Record<string, unknown> {
  return value as T & Record<string, unknown>;
}
