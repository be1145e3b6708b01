import type { JsonObject } from '@backstage/types';
import type { RequestApproval, RequestKind, RequestPlan } from './holdings';

/** Where a request stands. `succeeded`, `failed` and `cancelled` end it; only a retry takes a failed one up again. */
export type RequestState =
  | 'waiting-approval'
  | 'running'
  | 'waiting'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'needs-operator';

/** All request states, in the order a request may pass them. */
export const requestStates: readonly RequestState[] = [
  'waiting-approval',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'cancelled',
  'needs-operator',
];

/** True when the request will never change again. */
export function isFinalRequestState(state: RequestState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** Where a step stands. */
export type StepState =
  'pending' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'compensated';

/** One step of a request's run. */
export interface PurserStep {
  id: string;
  /** "connector/operation". */
  uses: string;
  state: StepState;
  /** Calls made so far. */
  attempts: number;
  /** Last progress or error, for people. */
  message: string;
  /** Of a completed step. */
  outputs?: JsonObject;
  /** ISO 8601, UTC; absent before. */
  startedAt?: string;
  endedAt?: string;
}

/** A user's wish for a product and what became of it. */
export interface PurserRequest {
  id: string;
  runId: string;
  blueprint: string;
  /** SHA-256 of the definition pinned at creation. */
  blueprintHash: string;
  idempotencyKey: string;
  /** Entity ref. */
  requester: string;
  /** Entity ref. */
  owner: string;
  /** Entity ref of what it makes; absent when the blueprint maps none. */
  entityRef?: string;
  parameters: JsonObject;
  state: RequestState;
  /** Why it stands there, for people. */
  message: string;
  /** Of the blueprint; empty until succeeded. */
  outputs: JsonObject;
  /** Absent in lists unless asked for. */
  steps?: PurserStep[];
  /** ISO 8601, UTC. */
  createdAt: string;
  updatedAt: string;
  /** Of its last event. */
  sequence: number;
  kind: RequestKind;
  /** Of what it makes or changes; absent when it was only planned. */
  holdingId?: string;
  /** What was worked out before it began. */
  plan?: RequestPlan;
  /** What approvals are bound to. */
  planHash?: string;
  /** Absent in lists. */
  approvals?: RequestApproval[];
}

/** Something that happened to a request. */
export interface PurserEvent {
  /** Ordered and without gaps within one store, from 1. */
  sequence: number;
  requestId: string;
  /** Absent when it is about the request itself. */
  stepId?: string;
  /** "request.created", "step.started", …. */
  type: string;
  message: string;
  data?: JsonObject;
  /** ISO 8601, UTC. */
  at: string;
}

/** A definition that may be asked for. */
export interface PurserBlueprint {
  name: string;
  title: string;
  /** Markdown. */
  description: string;
  hash: string;
  /** JSON Schema. */
  parametersSchema: JsonObject;
  stepIds: string[];
}

/** What a run made and keeps. */
export interface PurserResource {
  /** The outside system's own id, as billing files name it. */
  id: string;
  connector: string;
  type: string;
  name: string;
  entityRef: string;
  owner: string;
  requestId: string;
  /** "active" or "deleted". */
  state: string;
  attributes: JsonObject;
}

/** A page of a list. */
export interface Page<T> {
  items: T[];
  /** Absent on the last page. */
  nextPageToken?: string;
}

/** One group of summed charges. Costs are exact decimal texts, never numbers. */
export interface CostRow {
  /** Values in the order of the dimensions grouped by. */
  keys: string[];
  /** ISO 4217. */
  currency: string;
  billedCost: string;
  effectiveCost: string;
  /** Charges summed. */
  charges: number;
  /** At public prices; "0" where the bill does not say. */
  listCost: string;
  /** At negotiated prices; "0" where the bill does not say. */
  contractedCost: string;
}

/** Dimensions costs may be grouped and filtered by. */
export const costDimensions = [
  'day',
  'month',
  'entity',
  'service',
  'source',
  'charge_category',
  'billing_period',
  'owner',
  'group',
  'system',
  'domain',
  'product',
  'environment',
  'region',
  'sku',
  'kind',
  'account',
  'invoice',
  'pool',
] as const;

/** One of {@link costDimensions}. */
export type CostDimension = (typeof costDimensions)[number];

/** What one entity cost in one currency. */
export interface EntityCostsInCurrency {
  currency: string;
  billedCost: string;
  effectiveCost: string;
  /** keys = [day]. */
  byDay: CostRow[];
  /** keys = [service], largest first. */
  byService: CostRow[];
}

/** What one entity cost. */
export interface EntityCosts {
  entityRef: string;
  /** First day, inclusive. */
  fromDay: string;
  /** Last day, inclusive. */
  toDay: string;
  /** One per currency; none when nothing was allocated to the entity. */
  costs: EntityCostsInCurrency[];
}

/** What reading a billing file did. */
export interface IngestResult {
  /** True when the same content was stored before. */
  unchanged: boolean;
  rowsRead: number;
  rowsStored: number;
  rowsQuarantined: number;
  /** Numbers with more than 18 digits behind the point. */
  roundedNumbers: number;
  totals: Array<{
    billingPeriod: string;
    currency: string;
    billedCost: string;
    effectiveCost: string;
    /** Part of billedCost that was allocated to entities. */
    allocatedBilledCost: string;
  }>;
  /** File with the rows set aside. */
  quarantinePath?: string;
  /** The first problems, "file:line: column X: …". */
  problems: string[];
  /** What the rows set aside cost, where that could be read. */
  quarantinedMoney: Array<{ currency: string; billedCost: string }>;
  /** Rows set aside whose cost or currency could not be read. */
  quarantinedWithoutMoney: number;
}

/** What an operator may do with a source of the catalog. */
export type SourceVerb = 'pause' | 'resume' | 'resync' | 'confirm';

/** A source of catalog entities, as operators see it. */
export interface CatalogSource {
  /** "<provider id>/<instance>". */
  name: string;
  feed: 'snapshot' | 'watch' | 'log';
  /** Who reads it: the sidecar, or the portal's addon. */
  host: 'sidecar' | 'portal';
  /** Of several sources that tell of one entity the highest shows it. */
  priority: number;
  /** Runs now, or would if it were not paused. */
  active: boolean;
  paused: boolean;
  /** Streams of portals. */
  followers: number;
  /** Entities it shows in the catalog, held ones included. */
  entities: number;
  /** Removals that the guard holds back. */
  heldRemovals: number;
  /** Entities that are not shown: another source had their ref first. */
  collisions: number;
  /** When it last answered well; ISO 8601. */
  freshAt?: string;
  failedAt?: string;
  /** Why it fails; absent when it is well. */
  error?: string;
  /** Since the sidecar started it. */
  rounds: number;
  failures: number;
  added: number;
  changed: number;
  removed: number;
  /** Items of the last round that did not become entities. */
  dropped: number;
  nextRoundAt?: string;
}

/** A source with the entities that want attention; at most 1,000 of each. */
export interface CatalogSourceDetails extends CatalogSource {
  heldRefs: string[];
  collidingRefs: Array<{ ref: string; owner: string }>;
  /** Parts of the source that could not be read. */
  degradedParts: Array<{ name: string; error: string }>;
}

/** How the parts behind the portal are. */
export interface PurserHealth {
  /** "ok" when everything is there. */
  status: 'ok' | 'degraded';
  sidecar: {
    reachable: boolean;
    /** Time of one health call. */
    latencyMs?: number;
    /** Why it is not reachable, for people. */
    message?: string;
  };
  addon: {
    loaded: boolean;
    version?: string;
    message?: string;
  };
}
