import type { CostsClient } from './sidecar/costs';
import type { HoldingsClient } from './sidecar/holdings';
import type { JsonObject, JsonValue } from '@backstage/types';
import type {
  CatalogSource,
  CatalogSourceDetails,
  CostDimension,
  CostRow,
  EntityCosts,
  IngestResult,
  Page,
  PurserBlueprint,
  PurserEvent,
  PurserHealth,
  PurserRequest,
  PurserResource,
  RequestKind,
  RequestState,
  SourceVerb,
} from '@purser/plugin-purser-common';

/** Of every call. */
export interface CallOptions {
  /** Ends the call with a `CancelledError`. */
  signal?: AbortSignal;
}

export interface CreateRequestOptions {
  blueprint: string;
  parameters: JsonObject;
  /** Entity ref; may be absent when the blueprint derives it. */
  owner?: string;
  /** Entity ref. */
  requester: string;
  /** 1 to 200 bytes; a call without one is never repeated by itself. */
  idempotencyKey?: string;
  /** Validate and plan, store nothing. */
  validateOnly?: boolean;
  /** "create" when absent. */
  kind?: RequestKind;
  /** For all kinds but create and import: id of the holding, or of one of its requests. */
  holdingId?: string;
  /** For import: outputs of steps, by step id. */
  imported?: JsonObject;
}

export interface ListRequestsOptions {
  owner?: string;
  requester?: string;
  blueprint?: string;
  entityRef?: string;
  states?: RequestState[];
  /** 1 to 500; 50 when absent. */
  pageSize?: number;
  pageToken?: string;
  /** Fill `steps`. */
  withSteps?: boolean;
  holdingId?: string;
  idempotencyKey?: string;
  kind?: RequestKind;
  /** ISO 8601, inclusive. */
  createdAfter?: string;
  /** ISO 8601, exclusive. */
  createdBefore?: string;
}

export interface WatchRequestsOptions {
  /** All requests when absent. */
  requestId?: string;
  /** Only events with a higher sequence number. */
  afterSequence?: number;
  /** Stay for coming events: until the request is final, or for ever. */
  follow?: boolean;
  /** Take a broken stream up again; true when absent. False for who must look at the store first. */
  reconnect?: boolean;
}

/** Who changes a request and why. */
export interface ChangeOptions {
  id: string;
  /** Entity ref. */
  actor: string;
  reason?: string;
}

/** Somebody's word on a request, or on a step of it. */
export interface ApproveOptions extends ChangeOptions {
  /** The step that waits for it; absent: the request. */
  stepId?: string;
  /** What was seen; refused when it is not what stands there. */
  planHash?: string;
  /** Entity refs of groups the actor belongs to. */
  belongsTo?: string[];
}

export interface IngestCostsOptions {
  source: string;
  /** Below one of the sidecar's billing folders. */
  path: string;
  badRows?: 'refuse' | 'quarantine';
  /** Of a bill of another kind: FOCUS column to what stands for it in the file. */
  columns?: Record<string, string>;
}

export interface QueryCostsOptions {
  /** "2026-10-22", inclusive. */
  fromDay: string;
  toDay: string;
  groupBy: CostDimension[];
  filters?: Array<{ dimension: CostDimension; values: string[] }>;
  pageSize?: number;
  pageToken?: string;
  /** Converts everything to this currency. */
  currency?: string;
}

export interface EntityCostsOptions {
  entityRef: string;
  /** 1 to 400; 30 when absent. */
  days?: number;
  /** Last day; the last one with data when absent. */
  asOf?: string;
}

/** An action as its host describes it. */
export interface ActionDescription {
  id: string;
  description: string;
  host: 'portal' | 'sidecar';
  schema: { input: JsonObject; output: JsonObject };
  examples: Array<{ description: string; example: string }>;
  supportsDryRun: boolean;
}

/** A provider as its host describes it. */
export interface ProviderDescription {
  id: string;
  description: string;
  host: 'portal' | 'sidecar';
  schema: { config: JsonObject };
  /** True: it keeps a change log and tells positions. */
  hasDeltas: boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One message of a running action. */
export type ActionMessage =
  | { type: 'log'; level: LogLevel; text: string }
  | { type: 'output'; name: string; value: JsonValue };

export interface RunActionOptions {
  id: string;
  input: JsonObject;
  idempotencyKey: string;
  /** Entity ref of who started the task. */
  user?: string;
  dryRun?: boolean;
}

export interface RefreshProviderOptions {
  id: string;
  instance: string;
  config: JsonObject;
  /** Beside the provider's own configuration: guard, allowedKinds, allowedNamespaces, refreshEvery, priority. */
  options?: JsonObject;
  /** From the last delta applied; everything when absent. */
  position?: string;
  follow?: boolean;
}

/** Counts of a round. */
export interface RefreshSummary {
  read: number;
  added: number;
  changed: number;
  removed: number;
  /** Removals held back by the guard. */
  heldRemovals: number;
  /** Items that could not become entities. */
  dropped: number;
  /** Providers of the addon: nothing was known of earlier rounds, so everything was given. */
  full?: boolean;
  /** Providers of the addon: entities that the catalog holds of the source. */
  entities?: number;
  /** Providers of the addon: refs of held removals, at most 1,000. */
  heldRefs?: string[];
  /** Providers of the addon: parts of the source that could not be read, and why; at most 1,000. */
  degraded?: Record<string, string>;
}

/** How a source is that the portal runs itself; counts since its process began. */
export interface SourceReport {
  entities: number;
  heldRemovals: number;
  heldRefs: string[];
  rounds: number;
  failures: number;
  added: number;
  changed: number;
  removed: number;
  /** Of the last round. */
  dropped: number;
  /** Why the last round failed. */
  error?: string;
  degraded: Record<string, string>;
  /** The round read and gave everything anew. */
  resynced: boolean;
}

/** What operators want of a source that the portal runs. */
export interface SourceOrders {
  paused: boolean;
  resync: boolean;
  /** Told once. */
  confirm: boolean;
}

/** One message of a refresh. */
export type ProviderMessage =
  | {
      type: 'delta';
      upserts: JsonObject[];
      removedRefs: string[];
      position: string;
      /** A part of everything the source holds. */
      full: boolean;
      /** The last part of it: what else the catalog holds of the source is not there any more. */
      fullEnd: boolean;
    }
  | { type: 'log'; level: LogLevel; text: string }
  | { type: 'summary'; summary: RefreshSummary };

export interface AdoptEntitiesOptions {
  /** "<provider id>/<instance>". */
  source: string;
  /** At most 10,000. */
  entityRefs: string[];
  /** More follow in another call. */
  more?: boolean;
}

export interface ControlSourceOptions {
  /** "<provider id>/<instance>". */
  name: string;
  verb: SourceVerb;
  /** Entity ref of who wants it. */
  actor: string;
}

export interface ReportSourceOptions {
  /** "<provider id>/<instance>". */
  name: string;
  /** The round that has ended; absent before a round. */
  report?: SourceReport;
}

/**
 * The sidecar, `purserd`. Methods throw the classes of `@backstage/errors`; a sidecar that is not
 * there is a `ServiceUnavailableError` within `purser.sidecar.connectTimeout`. Calls without side
 * effects, or with an idempotency key, are repeated with back-off when the connection breaks.
 */
export interface SidecarClient {
  createRequest(options: CreateRequestOptions, call?: CallOptions): Promise<PurserRequest>;
  getRequest(id: string, call?: CallOptions): Promise<PurserRequest>;
  listRequests(options: ListRequestsOptions, call?: CallOptions): Promise<Page<PurserRequest>>;
  /** Takes a broken stream up again behind the last event it gave, unless told not to. */
  watchRequests(options: WatchRequestsOptions, call?: CallOptions): AsyncIterable<PurserEvent>;
  approveRequest(options: ApproveOptions, call?: CallOptions): Promise<PurserRequest>;
  rejectRequest(
    options: Omit<ApproveOptions, 'planHash'>,
    call?: CallOptions,
  ): Promise<PurserRequest>;
  cancelRequest(options: ChangeOptions, call?: CallOptions): Promise<PurserRequest>;
  retryRequest(options: ChangeOptions, call?: CallOptions): Promise<PurserRequest>;
  listBlueprints(
    options?: { pageSize?: number; pageToken?: string },
    call?: CallOptions,
  ): Promise<Page<PurserBlueprint>>;
  listResources(
    options: { entityRef: string; pageSize?: number; pageToken?: string },
    call?: CallOptions,
  ): Promise<Page<PurserResource>>;
  ingestCosts(options: IngestCostsOptions, call?: CallOptions): Promise<IngestResult>;
  queryCosts(options: QueryCostsOptions, call?: CallOptions): Promise<Page<CostRow>>;
  entityCosts(options: EntityCostsOptions, call?: CallOptions): Promise<EntityCosts>;
  /** What costs mean: rankings, budgets, forecasts, statements … */
  readonly costs: CostsClient;
  /** What requests made, and what operators do with it. */
  readonly holdings: HoldingsClient;
  listActions(call?: CallOptions): Promise<ActionDescription[]>;
  /** Does not reconnect: the caller repeats it with the same key and is attached again. */
  runAction(options: RunActionOptions, call?: CallOptions): AsyncIterable<ActionMessage>;
  /** Tells running actions of this key that their user cancelled; gives how many were told. */
  cancelAction(
    options: { idempotencyKey: string; actor: string },
    call?: CallOptions,
  ): Promise<number>;
  listProviders(call?: CallOptions): Promise<ProviderDescription[]>;
  /** Does not reconnect: the caller starts again behind the position it has stored. */
  refreshProvider(
    options: RefreshProviderOptions,
    call?: CallOptions,
  ): AsyncIterable<ProviderMessage>;
  /** Tells what the catalog holds of a source beyond what that gave it; the source decides. */
  /** Tells of a source that the portal runs, and asks what operators want of it. Is not repeated. */
  reportSource(options: ReportSourceOptions, call?: CallOptions): Promise<SourceOrders>;
  adoptEntities(options: AdoptEntitiesOptions, call?: CallOptions): Promise<void>;
  listSources(call?: CallOptions): Promise<CatalogSource[]>;
  getSource(name: string, call?: CallOptions): Promise<CatalogSourceDetails>;
  /** Gives how many held removals were let go. */
  controlSource(options: ControlSourceOptions, call?: CallOptions): Promise<number>;
  /** Never throws. */
  health(): Promise<PurserHealth['sidecar']>;
}

/** A function of the portal that native code calls; what it throws is told to the caller. */
export type PortalFunction = (request: JsonObject) => Promise<string> | string;

export interface NativeRunActionOptions {
  id: string;
  input: JsonObject;
  /** Absolute path of the task's workspace. */
  workspace: string;
  /** Values whose text must not reach logs, outputs or errors, by name. */
  secrets: Record<string, string>;
  idempotencyKey: string;
  user?: string;
  dryRun?: boolean;
  onLog(level: LogLevel, text: string): void;
  onOutput(name: string, value: JsonValue): void;
  /** What the action may call, by name. */
  functions?: Record<string, PortalFunction>;
}

export interface NativeRefreshOptions {
  id: string;
  instance: string;
  config: JsonObject;
  /** File in which the addon keeps what it gave: ref and hash of each entity. */
  statePath: string;
  /** The catalog holds nothing of this instance: everything is given again. */
  forceFull?: boolean;
  /** Beside the provider's own configuration: guard, allowedKinds, allowedNamespaces. */
  options?: JsonObject;
  /** Entities that the catalog holds beyond what was given: gone unless the source has them. */
  adopt?: string[];
  /** Let go of the removals that the guard held before. */
  confirm?: boolean;
  onLog(level: LogLevel, text: string): void;
  /** A chunk of at most 250 changes; at most three more come before the promise is settled. */
  onChunk(upserts: JsonObject[], removedRefs: string[]): Promise<void>;
}

/** The native addon. Every method but `status` throws a `ServiceUnavailableError` without it. */
export interface NativeAddonService {
  /** Loads the addon if need be and says how that went; never throws. */
  status(): PurserHealth['addon'] & { path?: string };
  listActions(): ActionDescription[];
  runAction(options: NativeRunActionOptions, call?: CallOptions): Promise<void>;
  listProviders(): ProviderDescription[];
  refreshProvider(options: NativeRefreshOptions, call?: CallOptions): Promise<RefreshSummary>;
}

/** What Purser's backend packages see of everything that is not TypeScript. */
export interface PurserService {
  readonly sidecar: SidecarClient;
  readonly addon: NativeAddonService;
}
