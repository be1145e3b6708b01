import { randomUUID } from 'node:crypto';
import type {
  AuditorService,
  AuditorServiceEventSeverityLevel,
  AuthService,
  BackstageCredentials,
  PermissionsRegistryService,
  PermissionsService,
  UserInfoService,
} from '@backstage/backend-plugin-api';
import { InputError, NotAllowedError, NotFoundError } from '@backstage/errors';
import {
  AuthorizeResult,
  type BasicPermission,
  type PolicyDecision,
  type ResourcePermission,
} from '@backstage/plugin-permission-common';
import {
  createConditionAuthorizer,
  createConditionTransformer,
} from '@backstage/plugin-permission-node';
import type { JsonObject } from '@backstage/types';
import {
  type CatalogSource,
  type CatalogSourceDetails,
  type CostDimension,
  type CostRow,
  type EntityCosts,
  type IngestResult,
  type Page,
  type PurserBlueprint,
  purserCatalogManagePermission,
  purserCatalogReadPermission,
  purserCostIngestPermission,
  purserCostReadAllPermission,
  type PurserEvent,
  purserHoldingManagePermission,
  type PurserHealth,
  type PurserRequest,
  purserRequestApprovePermission,
  purserRequestCancelPermission,
  purserRequestCreatePermission,
  purserRequestReadPermission,
  purserRequestRetryPermission,
  type PurserResource,
  type SourceVerb,
} from '@purser/plugin-purser-common';
import {
  authorizeCosts,
  type EntityOwners,
  type IngestCostsOptions,
  type ListRequestsOptions,
  type PurserService,
} from '@purser/plugin-purser-node';
import type { Request as HttpRequest } from 'express';
import { entitiesOfFilters, parseFilters } from './costs/filters';
import { costOperations, costsOf } from './costs/operations';
import { holdingOperations, standsFor } from './holdings/operations';
import { purserRequestResourceRef } from './requests/rules';
import { filtersCovering, listVisibleRequests } from './requests/visibleRequests';

type RequestPermission = ResourcePermission<'purser-request'>;
type CostPermission = ResourcePermission<'purser-costs'>;

/** Who may do something. There is no operation without one of these. */
export type Access =
  /** Everybody, signed in or not. */
  | { kind: 'public' }
  /** Whoever has the permission. */
  | { kind: 'permission'; permission: BasicPermission }
  /** Whoever may see all costs, or those of the entities that the input names. */
  | { kind: 'costs'; permission: CostPermission; entitiesOf(input: never): string[] }
  /** Whoever may see what anything costs. */
  | { kind: 'someCosts'; permission: CostPermission }
  /** Whoever has the permission on what the holding `input.id` is now. */
  | { kind: 'holding'; permission: RequestPermission }
  /** Whoever has the permission on the request `input.id`. */
  | { kind: 'request'; permission: RequestPermission }
  /** Whoever has the permission on any request; the answer holds only those. */
  | { kind: 'filtered'; permission: RequestPermission };

/** What an operation may use. */
export interface OperationContext {
  purser: PurserService;
  /** Entity ref of the signed-in user; undefined for services. */
  user?: string;
  /** Entity refs of what the user belongs to; asked when it is needed. */
  belongsTo(): Promise<string[]>;
  /** Of access "request": the request, already loaded and allowed. */
  request?: PurserRequest;
  /** Of access "filtered". */
  decision?: PolicyDecision;
  isVisible(request: PurserRequest): boolean;
  /** Throws unless the permission is there on what the holding is now. */
  requireOnHolding(permission: RequestPermission, id: string): Promise<void>;
  /** Whether the caller may see all costs; asked when it is needed. */
  seesAllCosts(): Promise<boolean>;
  transform: ReturnType<typeof createConditionTransformer<object>>;
  signal?: AbortSignal;
}

/** One thing that can be done, through REST and through actions alike. */
export interface Operation<TInput, TOutput> {
  access: Access;
  /** Present for everything that changes something. */
  audit?: { severity: AuditorServiceEventSeverityLevel };
  run(context: OperationContext, input: TInput): Promise<TOutput>;
}

export interface CreateInput {
  blueprint: string;
  parameters?: JsonObject;
  owner?: string;
  /** Only for services; users ask for themselves. */
  requester?: string;
  idempotencyKey?: string;
  validateOnly?: boolean;
}

export interface IdInput {
  id: string;
}

export interface ChangeInput extends IdInput {
  reason?: string;
}

/** Somebody's word on a request, or on a step of it. */
export interface ApproveInput extends ChangeInput {
  /** The step that waits for approval; absent: the request. */
  step?: string;
  /** What was seen; refused when it is not what stands there. */
  planHash?: string;
}

export interface PageInput {
  pageSize?: number;
  pageToken?: string;
}

export interface EventsInput extends IdInput {
  after?: number;
  follow?: boolean;
}

export interface EntityCostsInput {
  entityRef: string;
  days?: number;
  asOf?: string;
}

export interface QueryCostsInput extends PageInput {
  from: string;
  to: string;
  groupBy?: CostDimension[];
  /** "dimension=value"; several of one dimension are alternatives. */
  filter?: string[];
  currency?: string;
}

/** A source of the catalog. */
export interface SourceInput {
  provider: string;
  instance: string;
}

export interface SourceChangeInput extends SourceInput {
  reason?: string;
}

const sourceName = ({ provider, instance }: SourceInput) => `${provider}/${instance}`;

function actorOf(context: OperationContext, given?: string): string {
  if (context.user) {
    if (given && given !== context.user) {
      throw new InputError('/requester: users make requests for themselves, leave it out');
    }
    return context.user;
  }
  if (!given) {
    throw new InputError('/requester: is required when a service makes a request');
  }
  return given;
}

// The audit trail of the sidecar must name somebody, also when a service acts.
const SERVICE_ACTOR = 'component:default/backstage';

async function visibleResources(
  context: OperationContext,
  page: Page<PurserResource>,
): Promise<Page<PurserResource>> {
  if (context.decision?.result === AuthorizeResult.ALLOW) {
    return page;
  }
  const ids = [...new Set(page.items.map(({ requestId }) => requestId))];
  const visible = new Set<string>();
  await Promise.all(
    ids.map(async id => {
      try {
        if (context.isVisible(await context.purser.sidecar.getRequest(id))) {
          visible.add(id);
        }
      } catch (error) {
        if ((error as Error).name !== 'NotFoundError') {
          throw error;
        }
      }
    }),
  );
  return { ...page, items: page.items.filter(({ requestId }) => visible.has(requestId)) };
}

const allow = (permission: BasicPermission): Access => ({ kind: 'permission', permission });
const onRequest = (permission: RequestPermission): Access => ({ kind: 'request', permission });

/** Keeps the types of input and output while the table is checked to be one of operations. */
function operation<TInput, TOutput>(definition: Operation<TInput, TOutput>) {
  return definition;
}

/** An operator's verb on a source; gives the source after it. */
const onSource = (verb: SourceVerb, severity: AuditorServiceEventSeverityLevel) =>
  operation<SourceChangeInput, CatalogSource & { released?: number }>({
    access: allow(purserCatalogManagePermission),
    audit: { severity },
    run: async ({ purser, user = SERVICE_ACTOR, signal }, input) => {
      const name = sourceName(input);
      const released = await purser.sidecar.controlSource({ name, verb, actor: user }, { signal });
      const {
        heldRefs: _heldRefs,
        collidingRefs: _collidingRefs,
        degradedParts: _degradedParts,
        ...source
      } = await purser.sidecar.getSource(name, { signal });
      return verb === 'confirm' ? { ...source, released } : source;
    },
  });

/** Everything the plugin can do. */
export const operations = {
  listBlueprints: operation<PageInput, Page<PurserBlueprint>>({
    access: allow(purserRequestCreatePermission),
    run: ({ purser, signal }, input) => purser.sidecar.listBlueprints(input, { signal }),
  }),

  createRequest: operation<CreateInput, PurserRequest>({
    access: allow(purserRequestCreatePermission),
    audit: { severity: 'medium' },
    run: async (context, input) => {
      const { sidecar } = context.purser;
      const call = { signal: context.signal };
      const wish = {
        blueprint: input.blueprint,
        parameters: input.parameters ?? {},
        owner: input.owner,
        requester: actorOf(context, input.requester),
      };
      // Asking again for an entity that is there changes it, which is more than to create.
      const plan = await sidecar.createRequest({ ...wish, validateOnly: true }, call);
      if (plan.kind === 'change' && plan.holdingId) {
        await context.requireOnHolding(purserHoldingManagePermission, plan.holdingId);
      }
      if (input.validateOnly) {
        return plan;
      }
      // With a key of our own a broken connection cannot make two requests of one call.
      const idempotencyKey = input.idempotencyKey ?? `rest/${randomUUID()}`;
      return sidecar.createRequest({ ...wish, idempotencyKey }, call);
    },
  }),

  listRequests: operation<ListRequestsOptions, Page<PurserRequest>>({
    access: { kind: 'filtered', permission: purserRequestReadPermission },
    run: (context, input) => {
      const { decision, purser, signal } = context;
      if (decision?.result !== AuthorizeResult.CONDITIONAL) {
        return purser.sidecar.listRequests(input, { signal });
      }
      return listVisibleRequests(
        purser.sidecar,
        input,
        filtersCovering(context.transform(decision.conditions)),
        context.isVisible,
        signal,
      );
    },
  }),

  getRequest: operation<IdInput, PurserRequest>({
    access: onRequest(purserRequestReadPermission),
    run: async ({ request }) => request!,
  }),

  watchRequest: operation<EventsInput, AsyncIterable<PurserEvent>>({
    access: onRequest(purserRequestReadPermission),
    run: async ({ purser, signal }, { id, after, follow }) =>
      purser.sidecar.watchRequests({ requestId: id, afterSequence: after, follow }, { signal }),
  }),

  approveRequest: operation<ApproveInput, PurserRequest>({
    access: onRequest(purserRequestApprovePermission),
    audit: { severity: 'high' },
    run: async ({ purser, user = SERVICE_ACTOR, belongsTo }, { id, reason, step, planHash }) =>
      purser.sidecar.approveRequest({
        id,
        reason,
        stepId: step,
        planHash,
        actor: user,
        belongsTo: await belongsTo(),
      }),
  }),

  rejectRequest: operation<ApproveInput, PurserRequest>({
    access: onRequest(purserRequestApprovePermission),
    audit: { severity: 'high' },
    run: async ({ purser, user = SERVICE_ACTOR, belongsTo }, { id, reason, step }) =>
      purser.sidecar.rejectRequest({
        id,
        reason,
        stepId: step,
        actor: user,
        belongsTo: await belongsTo(),
      }),
  }),

  cancelRequest: operation<ChangeInput, PurserRequest>({
    access: onRequest(purserRequestCancelPermission),
    audit: { severity: 'high' },
    run: ({ purser, user = SERVICE_ACTOR }, { id, reason }) =>
      purser.sidecar.cancelRequest({ id, reason, actor: user }),
  }),

  retryRequest: operation<ChangeInput, PurserRequest>({
    access: onRequest(purserRequestRetryPermission),
    audit: { severity: 'medium' },
    run: ({ purser, user = SERVICE_ACTOR }, { id, reason }) =>
      purser.sidecar.retryRequest({ id, reason, actor: user }),
  }),

  listResources: operation<PageInput & { entityRef: string }, Page<PurserResource>>({
    access: { kind: 'filtered', permission: purserRequestReadPermission },
    run: async (context, input) =>
      visibleResources(
        context,
        await context.purser.sidecar.listResources(input, { signal: context.signal }),
      ),
  }),

  getEntityCosts: operation<EntityCostsInput, EntityCosts>({
    access: costsOf<EntityCostsInput>(({ entityRef }) => [entityRef]),
    run: ({ purser, signal }, input) => purser.sidecar.entityCosts(input, { signal }),
  }),

  queryCosts: operation<QueryCostsInput, Page<CostRow>>({
    access: costsOf<QueryCostsInput>(({ filter }) => entitiesOfFilters(filter)),
    run: ({ purser, signal }, { from, to, groupBy = [], filter, ...page }) =>
      purser.sidecar.queryCosts(
        { fromDay: from, toDay: to, groupBy, filters: parseFilters(filter), ...page },
        { signal },
      ),
  }),

  ...costOperations,

  ...holdingOperations,

  ingestCosts: operation<IngestCostsOptions, IngestResult>({
    access: allow(purserCostIngestPermission),
    audit: { severity: 'medium' },
    run: ({ purser, signal }, input) => purser.sidecar.ingestCosts(input, { signal }),
  }),

  listSources: operation<object, { items: CatalogSource[] }>({
    access: allow(purserCatalogReadPermission),
    run: async ({ purser, signal }) => ({ items: await purser.sidecar.listSources({ signal }) }),
  }),

  getSource: operation<SourceInput, CatalogSourceDetails>({
    access: allow(purserCatalogReadPermission),
    run: ({ purser, signal }, input) => purser.sidecar.getSource(sourceName(input), { signal }),
  }),

  pauseSource: onSource('pause', 'medium'),
  resumeSource: onSource('resume', 'medium'),
  resyncSource: onSource('resync', 'medium'),
  confirmRemovals: onSource('confirm', 'high'),

  getHealth: operation<object, PurserHealth>({
    access: { kind: 'public' },
    async run({ purser }) {
      const { path: _, ...addon } = purser.addon.status();
      const sidecar = await purser.sidecar.health();
      const good = sidecar.reachable && !sidecar.message && addon.loaded;
      // Anybody may ask: no paths and addresses.
      return {
        status: good ? 'ok' : 'degraded',
        sidecar: {
          ...sidecar,
          ...(sidecar.message ? { message: 'the sidecar does not answer' } : {}),
        },
        addon: addon.loaded
          ? addon
          : { loaded: false, message: 'there is no native addon for this platform' },
      };
    },
  }),
};

/** The name of an operation. */
export type OperationName = keyof typeof operations;

/** What an operation takes and gives. */
export type InputOf<N extends OperationName> = Parameters<(typeof operations)[N]['run']>[1];
export type OutputOf<N extends OperationName> = Awaited<ReturnType<(typeof operations)[N]['run']>>;

export interface PerformerDeps {
  purser: PurserService;
  auth: AuthService;
  permissions: PermissionsService;
  permissionsRegistry: PermissionsRegistryService;
  auditor: AuditorService;
  owners: EntityOwners;
  userInfo: UserInfoService;
}

/** Does operations: checks the permission first, and tells the audit trail of each change. */
export class Performer {
  readonly #deps: PerformerDeps;

  constructor(deps: PerformerDeps) {
    this.#deps = deps;
  }

  async perform<N extends OperationName>(
    name: N,
    input: InputOf<N>,
    call: {
      /** Absent only for public operations. */
      credentials?: BackstageCredentials;
      http?: HttpRequest;
      signal?: AbortSignal;
      /** Asked when the call is allowed and before it is made: the answer is thrown instead. */
      before?: (context: OperationContext) => Promise<void>;
    },
  ): Promise<OutputOf<N>> {
    const { access, audit, run } = operations[name] as unknown as Operation<
      InputOf<N>,
      OutputOf<N>
    >;
    if (!audit) {
      const context = await this.#authorize(access, input, call);
      await call.before?.(context);
      return run(context, input);
    }
    const event = await this.#deps.auditor.createEvent({
      eventId: name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`),
      severityLevel: audit.severity,
      request: call.http,
      // Parameters may hold what does not belong into an audit trail.
      meta: auditMeta(input),
    });
    try {
      const output = await run(await this.#authorize(access, input, call), input);
      await event.success({ meta: auditMeta(output) });
      return output;
    } catch (error) {
      await event.fail({ error: error as Error });
      throw error;
    }
  }

  async #authorize(
    access: Access,
    input: unknown,
    call: { credentials?: BackstageCredentials; signal?: AbortSignal },
  ): Promise<OperationContext> {
    const { purser, auth, permissions, permissionsRegistry } = this.#deps;
    const ruleset = permissionsRegistry.getPermissionRuleset(purserRequestResourceRef);
    const authorizer = createConditionAuthorizer<PurserRequest>(ruleset);
    const context: OperationContext = {
      purser,
      transform: createConditionTransformer<object>(ruleset),
      isVisible: () => true,
      requireOnHolding: async () => {
        throw new NotAllowedError('no credentials');
      },
      belongsTo: async () =>
        call.credentials && auth.isPrincipal(call.credentials, 'user')
          ? (await this.#deps.userInfo.getUserInfo(call.credentials)).ownershipEntityRefs
          : [],
      seesAllCosts: async () => false,
      signal: call.signal,
    };
    if (access.kind === 'public') {
      return context;
    }
    const { credentials } = call;
    if (!credentials) {
      throw new NotAllowedError('no credentials');
    }
    if (auth.isPrincipal(credentials, 'user')) {
      context.user = credentials.principal.userEntityRef;
    }
    const missing = ({ name }: { name: string }) =>
      new NotAllowedError(`the permission ${name} is missing`);
    const denied = () => missing(access.permission);
    context.seesAllCosts = async () => {
      const [{ result }] = await permissions.authorize(
        [{ permission: purserCostReadAllPermission }],
        { credentials },
      );
      return result === AuthorizeResult.ALLOW;
    };
    context.requireOnHolding = async (permission, id) => {
      const [decision] = await permissions.authorizeConditional([{ permission }], { credentials });
      if (
        decision.result === AuthorizeResult.DENY ||
        !authorizer(
          decision,
          standsFor(await purser.sidecar.holdings.get(id, { signal: call.signal })),
        )
      ) {
        throw missing(permission);
      }
    };
    if (access.kind === 'holding') {
      await context.requireOnHolding(access.permission, (input as IdInput).id);
      return context;
    }
    if (access.kind === 'permission') {
      const [{ result }] = await permissions.authorize([{ permission: access.permission }], {
        credentials,
      });
      if (result !== AuthorizeResult.ALLOW) {
        throw denied();
      }
      return context;
    }
    if (access.kind === 'someCosts') {
      const [{ result }] = await permissions.authorizeConditional(
        [{ permission: access.permission }],
        { credentials },
      );
      if (result === AuthorizeResult.DENY) {
        throw denied();
      }
      return context;
    }
    if (access.kind === 'costs') {
      await authorizeCosts(this.#deps, access.entitiesOf(input as never), credentials);
      return context;
    }
    const [decision] = await permissions.authorizeConditional([{ permission: access.permission }], {
      credentials,
    });
    if (decision.result === AuthorizeResult.DENY) {
      throw denied();
    }
    context.decision = decision;
    context.isVisible = request => authorizer(decision, request);
    if (access.kind === 'request') {
      const { id } = input as IdInput;
      if (!id) {
        throw new NotFoundError('no request id');
      }
      context.request = await purser.sidecar.getRequest(id, { signal: call.signal });
      if (!context.isVisible(context.request)) {
        throw denied();
      }
    }
    return context;
  }
}

const AUDITED_FIELDS = [
  'id',
  'step',
  'kind',
  'holdingId',
  'provider',
  'instance',
  'blueprint',
  'owner',
  'requester',
  'reason',
  'source',
  'path',
  'state',
];

function auditMeta(value: unknown): JsonObject {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as JsonObject;
  return Object.fromEntries(
    AUDITED_FIELDS.filter(name => typeof fields[name] === 'string').map(name => [
      name,
      fields[name],
    ]),
  );
}
