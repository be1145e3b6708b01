import { ForwardedError } from '@backstage/errors';
import type { JsonObject, JsonValue } from '@backstage/types';
import type {
  CatalogSource,
  CostRow,
  EntityCosts,
  IngestResult,
  PurserBlueprint,
  PurserEvent,
  PurserRequest,
  PurserResource,
  PurserStep,
  RankedCost,
  RequestKind,
  RequestPlan,
  RequestState,
  StepState,
} from '@purser/plugin-purser-common';
import type * as catalog from '../generated/purser/v1/catalog';
import type * as costs from '../generated/purser/v1/costs';
import type * as inventory from '../generated/purser/v1/inventory';
import type { SourceReport } from '../types';
import * as provisioning from '../generated/purser/v1/provisioning';

const REQUEST_STATES: ReadonlyArray<[provisioning.RequestState, RequestState]> = [
  [provisioning.RequestState.REQUEST_STATE_WAITING_APPROVAL, 'waiting-approval'],
  [provisioning.RequestState.REQUEST_STATE_RUNNING, 'running'],
  [provisioning.RequestState.REQUEST_STATE_WAITING, 'waiting'],
  [provisioning.RequestState.REQUEST_STATE_SUCCEEDED, 'succeeded'],
  [provisioning.RequestState.REQUEST_STATE_FAILED, 'failed'],
  [provisioning.RequestState.REQUEST_STATE_CANCELLED, 'cancelled'],
  [provisioning.RequestState.REQUEST_STATE_NEEDS_OPERATOR, 'needs-operator'],
];
const STATE_OF = new Map(REQUEST_STATES);

const REQUEST_KINDS: ReadonlyArray<[provisioning.RequestKind, RequestKind]> = [
  [provisioning.RequestKind.REQUEST_KIND_CREATE, 'create'],
  [provisioning.RequestKind.REQUEST_KIND_CHANGE, 'change'],
  [provisioning.RequestKind.REQUEST_KIND_TRANSFER, 'transfer'],
  [provisioning.RequestKind.REQUEST_KIND_SUSPEND, 'suspend'],
  [provisioning.RequestKind.REQUEST_KIND_RESUME, 'resume'],
  [provisioning.RequestKind.REQUEST_KIND_REPAIR, 'repair'],
  [provisioning.RequestKind.REQUEST_KIND_DELETE, 'delete'],
  [provisioning.RequestKind.REQUEST_KIND_IMPORT, 'import'],
];
const KIND_OF = new Map(REQUEST_KINDS);
const NUMBER_OF_KIND = new Map(REQUEST_KINDS.map(([number, kind]) => [kind, number]));
const NUMBER_OF = new Map(REQUEST_STATES.map(([number, state]) => [state, number]));

const STEP_STATES = new Map<provisioning.StepState, StepState>([
  [provisioning.StepState.STEP_STATE_PENDING, 'pending'],
  [provisioning.StepState.STEP_STATE_RUNNING, 'running'],
  [provisioning.StepState.STEP_STATE_WAITING, 'waiting'],
  [provisioning.StepState.STEP_STATE_SUCCEEDED, 'succeeded'],
  [provisioning.StepState.STEP_STATE_FAILED, 'failed'],
  [provisioning.StepState.STEP_STATE_SKIPPED, 'skipped'],
  [provisioning.StepState.STEP_STATE_COMPENSATED, 'compensated'],
]);

function known<T>(value: T | undefined, what: string, got: number): T {
  if (value === undefined) {
    throw new Error(
      `the purser sidecar answered the unknown ${what} ${got}; is it newer than the portal's packages?`,
    );
  }
  return value;
}

/** Parses JSON text of the sidecar; "" is `undefined`. */
export function parseJson(text: string, what: string): JsonValue | undefined {
  if (text === '') {
    return undefined;
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new ForwardedError(`the purser sidecar sent broken JSON as ${what}`, error);
  }
}

/** As {@link parseJson}, for objects; "" is `{}`. */
export function parseJsonObject(text: string, what: string): JsonObject {
  const value = parseJson(text, what) ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`the purser sidecar sent something else than an object as ${what}`);
  }
  return value;
}

const orUndefined = (text: string): string | undefined => (text === '' ? undefined : text);
const iso = (date: Date | undefined): string => (date ?? new Date(0)).toISOString();

export function toRequestStateNumber(state: RequestState): provisioning.RequestState {
  return known(NUMBER_OF.get(state), 'request state', -1);
}

export function fromRequestStateNumber(number: provisioning.RequestState): RequestState {
  return known(STATE_OF.get(number), 'request state', number);
}

/** Absent: a new one. */
export function toRequestKindNumber(kind: RequestKind = 'create'): provisioning.RequestKind {
  return known(NUMBER_OF_KIND.get(kind), 'request kind', -1);
}

function fromPlan(request: provisioning.Request): Partial<PurserRequest> {
  const plan = parseJsonObject(request.planJson, 'request plan') as RequestPlan;
  return {
    // An older sidecar knows no kinds.
    kind: KIND_OF.get(request.kind) ?? 'create',
    ...(request.holdingId ? { holdingId: request.holdingId } : {}),
    ...(Object.keys(plan).length > 0 ? { plan } : {}),
    ...(request.planHash ? { planHash: request.planHash } : {}),
    ...(request.approvals.length > 0
      ? {
          approvals: request.approvals.map(({ stepId, at, ...approval }) => ({
            ...(stepId ? { stepId } : {}),
            ...approval,
            at: iso(at),
          })),
        }
      : {}),
  };
}

function fromStep(step: provisioning.Step): PurserStep {
  return {
    id: step.id,
    uses: step.uses,
    state: known(STEP_STATES.get(step.state), 'step state', step.state),
    attempts: step.attempts,
    message: step.message,
    ...(step.outputsJson ? { outputs: parseJsonObject(step.outputsJson, 'step outputs') } : {}),
    ...(step.startedAt ? { startedAt: step.startedAt.toISOString() } : {}),
    ...(step.endedAt ? { endedAt: step.endedAt.toISOString() } : {}),
  };
}

export function fromRequest(request: provisioning.Request | undefined): PurserRequest {
  if (!request) {
    throw new Error('the purser sidecar answered without a request');
  }
  return {
    id: request.id,
    runId: request.runId,
    blueprint: request.blueprint,
    blueprintHash: request.blueprintHash,
    idempotencyKey: request.idempotencyKey,
    requester: request.requester,
    owner: request.owner,
    ...(request.entityRef ? { entityRef: request.entityRef } : {}),
    parameters: parseJsonObject(request.parametersJson, 'request parameters'),
    state: fromRequestStateNumber(request.state),
    message: request.message,
    outputs: parseJsonObject(request.outputsJson, 'request outputs'),
    ...(request.steps.length > 0 ? { steps: request.steps.map(fromStep) } : {}),
    createdAt: iso(request.createdAt),
    updatedAt: iso(request.updatedAt),
    sequence: Number(request.sequence),
    kind: 'create',
    ...fromPlan(request),
  };
}

export function fromEvent(event: provisioning.Event): PurserEvent {
  return {
    sequence: Number(event.sequence),
    requestId: event.requestId,
    ...(event.stepId ? { stepId: event.stepId } : {}),
    type: event.type,
    message: event.message,
    ...(event.dataJson ? { data: parseJsonObject(event.dataJson, 'event data') } : {}),
    at: iso(event.at),
  };
}

export function fromBlueprint(blueprint: provisioning.Blueprint): PurserBlueprint {
  return {
    name: blueprint.name,
    title: blueprint.title,
    description: blueprint.description,
    hash: blueprint.hash,
    parametersSchema: parseJsonObject(blueprint.parametersSchemaJson, 'parameters schema'),
    stepIds: blueprint.stepIds,
  };
}

export function fromResource(resource: inventory.Resource): PurserResource {
  return {
    id: resource.id,
    connector: resource.connector,
    type: resource.type,
    name: resource.name,
    entityRef: resource.entityRef,
    owner: resource.owner,
    requestId: resource.requestId,
    state: resource.state,
    attributes: parseJsonObject(resource.attributesJson, 'resource attributes'),
  };
}

const FEEDS = new Set<string>(['snapshot', 'watch', 'log']);

export function fromSource(source: catalog.Source | undefined): CatalogSource {
  if (!source) {
    throw new Error('the purser sidecar answered without a source');
  }
  const { name, feed, active, paused, followers, error } = source;
  return {
    name,
    feed: FEEDS.has(feed) ? (feed as CatalogSource['feed']) : 'snapshot',
    host: source.host === 'portal' ? 'portal' : 'sidecar',
    priority: Number(source.priority),
    active,
    paused,
    followers,
    entities: Number(source.entities),
    heldRemovals: Number(source.heldRemovals),
    collisions: Number(source.collisions),
    rounds: Number(source.rounds),
    failures: Number(source.failures),
    added: Number(source.added),
    changed: Number(source.changed),
    removed: Number(source.removed),
    dropped: Number(source.dropped),
    ...(source.freshAt && { freshAt: source.freshAt.toISOString() }),
    ...(source.failedAt && { failedAt: source.failedAt.toISOString() }),
    ...(source.nextRoundAt && { nextRoundAt: source.nextRoundAt.toISOString() }),
    ...(error !== '' && { error }),
  };
}

export function toPortalRound(report: SourceReport): catalog.PortalRound {
  return {
    entities: BigInt(report.entities),
    heldRemovals: BigInt(report.heldRemovals),
    heldRefs: report.heldRefs,
    rounds: BigInt(report.rounds),
    failures: BigInt(report.failures),
    added: BigInt(report.added),
    changed: BigInt(report.changed),
    removed: BigInt(report.removed),
    dropped: BigInt(report.dropped),
    error: report.error ?? '',
    degradedParts: Object.entries(report.degraded).map(([name, error]) => ({ name, error })),
    resynced: report.resynced,
  };
}

export function fromCostRow(row: costs.CostRow): CostRow {
  return {
    keys: row.keys,
    currency: row.currency,
    billedCost: row.billedCost,
    effectiveCost: row.effectiveCost,
    charges: Number(row.charges),
    listCost: row.listCost,
    contractedCost: row.contractedCost,
  };
}

export function fromRankedCost(row: costs.CostRow): RankedCost {
  const { keys, currency, billedCost, effectiveCost, listCost, contractedCost } = row;
  return {
    keys,
    currency,
    billedCost,
    effectiveCost,
    ...(listCost ? { listCost } : {}),
    ...(contractedCost ? { contractedCost } : {}),
  };
}

export function fromEntityCosts(response: costs.GetEntityCostsResponse): EntityCosts {
  return {
    entityRef: response.entityRef,
    fromDay: response.fromDay,
    toDay: response.toDay,
    costs: response.costs.map(cost => ({
      currency: cost.currency,
      billedCost: cost.billedCost,
      effectiveCost: cost.effectiveCost,
      byDay: cost.byDay.map(fromCostRow),
      byService: cost.byService.map(fromCostRow),
    })),
  };
}

export function fromIngest(response: costs.IngestCostsResponse): IngestResult {
  return {
    unchanged: response.unchanged,
    rowsRead: Number(response.rowsRead),
    rowsStored: Number(response.rowsStored),
    rowsQuarantined: Number(response.rowsQuarantined),
    roundedNumbers: Number(response.roundedNumbers),
    totals: response.totals.map(total => ({ ...total })),
    quarantinePath: orUndefined(response.quarantinePath),
    problems: response.problems,
    quarantinedMoney: response.quarantinedMoney.map(money => ({ ...money })),
    quarantinedWithoutMoney: Number(response.quarantinedWithoutMoney),
  };
}
