import type {
  AuditReport,
  Page,
  PolicyDecision,
  PurserHolding,
  PurserOrphan,
  PurserRequest,
} from '@purser/plugin-purser-common';
import type { JsonObject, JsonValue } from '@backstage/types';
import * as provisioning from '../generated/purser/v1/provisioning';
import type { CallOptions } from '../types';
import type { SidecarChannel } from './channel';
import { fromRequest, parseJson, parseJsonObject } from './convert';

// Walking a long trail takes longer than other calls.
const VERIFY_DEADLINE_MS = 10 * 60_000;

export interface ListHoldingsOptions {
  owner?: string;
  entityRef?: string;
  blueprint?: string;
  state?: PurserHolding['state'];
  /** ISO 8601. */
  expiresBefore?: string;
  /** Only those that differ from what was applied. */
  drifted?: boolean;
  /** 1 to 500; 50 when absent. */
  pageSize?: number;
  pageToken?: string;
}

export interface ControlHoldingOptions {
  id: string;
  verb: 'renew' | 'protect' | 'unprotect' | 'inspect';
  /** For renew, ISO 8601; else as long as the blueprint gives. */
  until?: string;
  /** Entity ref. */
  actor: string;
  reason?: string;
  /** For renew: the same one again changes nothing. */
  idempotencyKey?: string;
}

export interface SettleStepOptions {
  id: string;
  stepId: string;
  verb: 'skip' | 'done' | 'fork';
  /** For done. */
  outputs?: JsonObject;
  /** For fork. */
  idempotencyKey?: string;
  /** Entity ref. */
  actor: string;
  reason?: string;
}

/** A signed message as it came over HTTP. */
export interface DeliverMessageOptions {
  requestId: string;
  stepId: string;
  body: Uint8Array;
  signature: string;
  timestamp: string;
  deliveryId: string;
}

/** What owners, operators and auditors do, over gRPC. */
export interface HoldingsClient {
  get(id: string, call?: CallOptions): Promise<PurserHolding>;
  list(options: ListHoldingsOptions, call?: CallOptions): Promise<Page<PurserHolding>>;
  control(options: ControlHoldingOptions, call?: CallOptions): Promise<PurserHolding>;
  settleStep(options: SettleStepOptions, call?: CallOptions): Promise<PurserRequest>;
  deliver(options: DeliverMessageOptions, call?: CallOptions): Promise<void>;
  listOrphans(
    options: { pageSize?: number; pageToken?: string },
    call?: CallOptions,
  ): Promise<Page<PurserOrphan>>;
  forgetOrphan(
    options: { holdingId: string; stepId: string; actor: string; reason?: string },
    call?: CallOptions,
  ): Promise<void>;
  listDecisions(options: { limit?: number }, call?: CallOptions): Promise<PolicyDecision[]>;
  verifyAudit(call?: CallOptions): Promise<AuditReport>;
  getBlueprint(nameOrHash: string, call?: CallOptions): Promise<JsonObject>;
}

const STATES: ReadonlyArray<[provisioning.HoldingState, PurserHolding['state']]> = [
  [provisioning.HoldingState.HOLDING_STATE_PENDING, 'pending'],
  [provisioning.HoldingState.HOLDING_STATE_ACTIVE, 'active'],
  [provisioning.HoldingState.HOLDING_STATE_SUSPENDED, 'suspended'],
  [provisioning.HoldingState.HOLDING_STATE_DELETED, 'deleted'],
];
const STATE_OF = new Map(STATES);
const NUMBER_OF = new Map(STATES.map(([number, state]) => [state, number]));

const HOLDING_VERBS = {
  renew: provisioning.HoldingVerb.HOLDING_VERB_RENEW,
  protect: provisioning.HoldingVerb.HOLDING_VERB_PROTECT,
  unprotect: provisioning.HoldingVerb.HOLDING_VERB_UNPROTECT,
  inspect: provisioning.HoldingVerb.HOLDING_VERB_INSPECT,
} as const;

const STEP_VERBS = {
  skip: provisioning.StepVerb.STEP_VERB_SKIP,
  done: provisioning.StepVerb.STEP_VERB_MARK_DONE,
  fork: provisioning.StepVerb.STEP_VERB_FORK,
} as const;

const present = (name: string, value: string) => (value === '' ? {} : { [name]: value });
const iso = (date: Date | undefined) => (date ?? new Date(0)).toISOString();

function fromHolding(holding: provisioning.Holding | undefined): PurserHolding {
  if (!holding) {
    throw new Error('the purser sidecar answered without a holding');
  }
  const state = STATE_OF.get(holding.state);
  if (!state) {
    throw new Error(
      `the purser sidecar answered the unknown holding state ${holding.state}; is it newer than the portal's packages?`,
    );
  }
  return {
    id: holding.id,
    blueprint: holding.blueprint,
    owner: holding.owner,
    state,
    protected: holding.protected,
    parameters: parseJsonObject(holding.parametersJson, 'holding parameters'),
    ...present('entityRef', holding.entityRef),
    ...present('currentRequest', holding.currentRequest),
    ...present('openRequest', holding.openRequest),
    ...present('environment', holding.environment),
    ...(holding.expiresAt ? { expiresAt: holding.expiresAt.toISOString() } : {}),
    ...(holding.lookedAt
      ? {
          drift: parseJsonObject(holding.driftJson, 'drift') as unknown as PurserHolding['drift'],
          lookedAt: holding.lookedAt.toISOString(),
        }
      : {}),
    ...(holding.stepIds.length > 0 ? { stepIds: holding.stepIds } : {}),
    createdAt: iso(holding.createdAt),
    updatedAt: iso(holding.updatedAt),
  };
}

function page<T>(items: T[], nextPageToken: string): Page<T> {
  return nextPageToken === '' ? { items } : { items, nextPageToken };
}

/** {@link HoldingsClient} over whatever channel there is at the time of a call. */
export function createHoldingsClient(
  bind: () => {
    provisioning: SidecarChannel['provisioning'];
    unary: SidecarChannel['unary'];
  },
): HoldingsClient {
  return {
    async get(id, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.getHolding.bind(client),
        { id },
        { idempotent: true, ...call },
      );
      return fromHolding(response.holding);
    },

    async list(options, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.listHoldings.bind(client),
        {
          owner: options.owner ?? '',
          entityRef: options.entityRef ?? '',
          blueprint: options.blueprint ?? '',
          state: options.state
            ? NUMBER_OF.get(options.state)!
            : provisioning.HoldingState.HOLDING_STATE_UNSPECIFIED,
          expiresBefore: options.expiresBefore ? new Date(options.expiresBefore) : undefined,
          drifted: options.drifted ?? false,
          pageSize: options.pageSize ?? 0,
          pageToken: options.pageToken ?? '',
        },
        { idempotent: true, ...call },
      );
      return page(response.holdings.map(fromHolding), response.nextPageToken);
    },

    async control({ id, verb, until, actor, reason = '', idempotencyKey = '' }, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.controlHolding.bind(client),
        {
          id,
          verb: HOLDING_VERBS[verb],
          until: until ? new Date(until) : undefined,
          actor,
          reason,
          idempotencyKey,
        },
        // A renewal without a time, said twice, would renew twice.
        { idempotent: verb !== 'renew' || until !== undefined || idempotencyKey !== '', ...call },
      );
      return fromHolding(response.holding);
    },

    async settleStep({ id, stepId, verb, outputs, idempotencyKey = '', actor, reason = '' }, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.settleStep.bind(client),
        {
          id,
          stepId,
          verb: STEP_VERBS[verb],
          outputsJson: outputs ? JSON.stringify(outputs) : '',
          idempotencyKey,
          actor,
          reason,
        },
        { idempotent: false, ...call },
      );
      return fromRequest(response.request);
    },

    async deliver(options, call) {
      const { provisioning: client, unary } = bind();
      // The delivery id makes a repeat harmless.
      await unary(
        client.deliverMessage.bind(client),
        { ...options, body: Buffer.from(options.body) },
        { idempotent: true, ...call },
      );
    },

    async listOrphans({ pageSize = 0, pageToken = '' }, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.listOrphans.bind(client),
        { pageSize, pageToken },
        { idempotent: true, ...call },
      );
      const items = response.orphans.map(orphan => ({
        holdingId: orphan.holdingId,
        requestId: orphan.requestId,
        stepId: orphan.stepId,
        undo: orphan.undo,
        outputs: parseJsonObject(orphan.outputsJson, 'orphan outputs'),
        resourceIds: orphan.resourceIds,
        owner: orphan.owner,
        blueprint: orphan.blueprint,
        message: orphan.message,
      }));
      return page(items, response.nextPageToken);
    },

    async forgetOrphan({ reason = '', ...options }, call) {
      const { provisioning: client, unary } = bind();
      await unary(
        client.forgetOrphan.bind(client),
        { reason, ...options },
        { idempotent: false, ...call },
      );
    },

    async listDecisions({ limit = 0 }, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.listDecisions.bind(client),
        { limit },
        { idempotent: true, ...call },
      );
      return response.decisions.map(decision => ({
        id: decision.id,
        ...present('requestId', decision.requestId),
        requester: decision.requester,
        blueprint: decision.blueprint,
        kind: decision.kind,
        verdict: decision.verdict,
        rules: ((parseJson(decision.detailJson, 'decision') ?? []) as JsonValue[]).map(
          rule => rule as unknown as PolicyDecision['rules'][number],
        ),
        at: iso(decision.at),
      }));
    },

    async verifyAudit(call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.verifyAudit.bind(client),
        {},
        { idempotent: true, deadline: VERIFY_DEADLINE_MS, ...call },
      );
      return {
        events: Number(response.events),
        forgotten: Number(response.forgotten),
        ...present('fault', response.fault),
      };
    },

    async getBlueprint(nameOrHash, call) {
      const { provisioning: client, unary } = bind();
      const response = await unary(
        client.getBlueprint.bind(client),
        { nameOrHash },
        { idempotent: true, ...call },
      );
      return parseJsonObject(response.bodyJson, 'a blueprint');
    },
  };
}
