/**
 * The surface of `purser.node`, the native addon. Values cross as JSON texts, never object by object.
 *
 * Errors are `Error`s with `code` (the name of a gRPC status code, e.g. "INVALID_ARGUMENT"),
 * `name` ("AbortError" when `code` is "CANCELLED", else "PurserError"), and where they are known
 * `retryAfterMs` and `outcomeUnknown`. Calls that give a promise reject, they do not throw.
 */

/** The addon's version; that of the packages beside it. */
export function version(): string;

/**
 * Cancels every call in flight and waits up to 200 ms for it. Not needed at exit: the end of the
 * environment does the same. A later call begins anew.
 */
export function shutdown(): void;

/** JSON: array of `{id, description, host, schema: {input, output}, examples, supportsDryRun}`. */
export function listActions(): string;

/** JSON: array of `{id, description, host, schema: {config}, hasDeltas}`. */
export function listProviders(): string;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a fetch callback answers; redirects are answers. */
export interface FetchAnswer {
  status: number;
  headers: Array<[name: string, value: string]>;
  body?: Uint8Array | string;
}

/**
 * Asks for the next piece of a body that is made while it is sent; `take` gets it later, and
 * undefined at the end. Nothing is given any more once the exchange's signal is aborted.
 */
export type PullBody = (take: (piece: Buffer | undefined) => void) => void;

/**
 * One HTTP exchange for native code. `requestJson`: `{method, url, headers: [[name, value]],
 * timeoutMs, maxResponseBytes}`. `signal` is aborted when nobody waits any more. Without this
 * callback native code has no network.
 */
export type Fetch = (
  requestJson: string,
  body: Buffer | PullBody | undefined,
  signal: AbortSignal,
) => Promise<FetchAnswer> | FetchAnswer;

export interface ActionCallbacks {
  /**
   * Lines joined by "\n": one call per 250 ms or 8 KB, split further only where the level changes
   * (at most 8 times). What it throws is ignored.
   */
  log?(level: LogLevel, text: string): void;
  /** Before the promise is settled, in order. What it throws rejects the call. */
  output?(name: string, valueJson: string): void;
  fetch?: Fetch;
}

/**
 * Runs a portal action on a native thread. `requestJson` (a string or UTF-8 bytes, at most 64 MiB):
 * `{input, workspace, secrets: {name: value}, idempotencyKey, user, dryRun}`; only `input` is needed.
 * No value of `secrets` leaves in logs, outputs or errors. The promise is settled when the action has
 * ended, also after an abort: nothing touches the workspace afterwards.
 */
export function runAction(
  id: string,
  requestJson: string | Uint8Array,
  callbacks: ActionCallbacks,
  signal?: AbortSignal | null,
): Promise<void>;

export interface RefreshCallbacks {
  log?(level: LogLevel, text: string): void;
  /**
   * At most 250 changes: a JSON array of entities and one of entity refs. At most three more chunks
   * come before the promise is fulfilled; they must be applied in the order in which they come. A
   * rejection ends the round, and the next one sends the rest.
   */
  chunk(upsertsJson: string, removedRefsJson: string): Promise<void> | void;
  fetch?: Fetch;
}

/**
 * One round of a portal provider: snapshot, difference to what the catalog has, chunks.
 * `requestJson`: `{config, instance, statePath, options: {guard: {maxRemovedFraction, minRemoved,
 * allowEmpty}, allowedKinds, allowedNamespaces}, forceFull, adopt, confirm, secrets}`; `statePath` is the
 * absolute path of the file in which the addon remembers what the catalog took; `forceFull` says that the
 * catalog holds nothing of this instance, `adopt` names entities that it holds beyond what is remembered,
 * `confirm` lets go of removals that the guard held.
 * Gives JSON: `{read, emitted, dropped, added, changed, removed, heldRemovals, kept, duplicates,
 * chunks, entities, full, heldRefs: […], degraded: {part: why}}`; `kept` entities belong to files that
 * could not be read this time.
 */
export function refreshProvider(
  id: string,
  requestJson: string | Uint8Array,
  callbacks: RefreshCallbacks,
  signal?: AbortSignal | null,
): Promise<string>;
