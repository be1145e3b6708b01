import { ServiceUnavailableError } from '@backstage/errors';
import { backoff, CancelledError, pause } from '@purser/plugin-purser-node';

/** Of one HTTP exchange. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Attempts of one call that may be repeated. */
const MAX_ATTEMPTS = 5;
/** A host that wants us to wait longer than this is said to be at its limit. */
export const MAX_WAIT_MS = 5 * 60_000;
/** When a host limits without saying for how long, as GitHub's advice is for its secondary limits. */
const UNTOLD_WAIT_MS = 60_000;

const REPEATABLE = new Set(['GET', 'HEAD', 'PUT', 'PATCH']);
const OVERLOADED = new Set([502, 503, 504]);

/** What {@link createScmFetch} needs. */
export interface ScmFetchOptions {
  signal?: AbortSignal;
  /** Tells of a wait that a person would wonder about. */
  onWait(text: string): void;
  /** Tests replace it; ends early, without an error, when the signal fires. */
  sleep?(milliseconds: number, signal?: AbortSignal): Promise<void>;
  now?(): number;
}

/** A call whose effect is not known: it may have been made. */
export class UnknownOutcomeError extends Error {
  override readonly name = 'UnknownOutcomeError';
}

/** Milliseconds until a host that limits us takes requests again; undefined when it does not limit. */
export function limitedFor(response: Response, now: number): number | undefined {
  const { status, headers } = response;
  const after = headers.get('retry-after');
  if (status !== 429 && status !== 403) {
    return undefined;
  }
  if (after !== null) {
    const seconds = Number(after);
    const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(after) - now;
    return Number.isNaN(wait) ? UNTOLD_WAIT_MS : Math.max(0, wait);
  }
  // GitHub's primary limit is a 403 that says when the hour is over; GitLab spells the header without x-.
  const remaining = headers.get('x-ratelimit-remaining') ?? headers.get('ratelimit-remaining');
  const reset = Number(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset'));
  if (remaining === '0' && reset > 0) {
    return Math.max(0, reset * 1000 - now);
  }
  return status === 429 ? UNTOLD_WAIT_MS : undefined;
}

/**
 * The portal's fetch (its proxy settings hold) for the APIs of source hosts: with a time limit, ended by
 * the task's signal, waiting where the host asks for it. A request that was refused by a limit had no
 * effect and is made again whatever it is; one that was lost on the way only when a repeat does no harm,
 * else it ends with {@link UnknownOutcomeError}.
 */
export function createScmFetch(options: ScmFetchOptions): typeof fetch {
  const { signal, onWait, sleep = pause, now = Date.now } = options;

  const refuseIfCancelled = () => {
    if (signal?.aborted) {
      throw new CancelledError('the task was cancelled');
    }
  };

  return async (input, init) => {
    const request = new Request(input, init);
    const { host } = new URL(request.url);
    const isRepeatable = REPEATABLE.has(request.method);
    for (let attempt = 0; ; attempt++) {
      refuseIfCancelled();
      let response: Response | undefined;
      let failure = '';
      try {
        const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
        response = await fetch(request.clone(), {
          signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
      } catch (error) {
        refuseIfCancelled();
        const { message, cause } = error as Error & { cause?: Error };
        failure = `${host} did not answer ${request.method}: ${cause?.message ?? message}`;
      }
      let wait = backoff(attempt);
      if (response) {
        const limited = limitedFor(response, now());
        if (limited !== undefined) {
          const until = new Date(now() + limited).toISOString();
          if (limited > MAX_WAIT_MS || attempt + 1 >= MAX_ATTEMPTS) {
            throw new ServiceUnavailableError(
              `${host} limits our requests until ${until}; run the task again then`,
            );
          }
          onWait(`${host} limits our requests, waiting until ${until}`);
          wait = limited;
        } else if (!OVERLOADED.has(response.status)) {
          return response;
        } else {
          failure = `${host} answered ${request.method} with status ${response.status}`;
        }
        await response.body?.cancel();
      }
      if (failure && !isRepeatable) {
        throw new UnknownOutcomeError(failure);
      }
      if (failure && attempt + 1 >= MAX_ATTEMPTS) {
        throw new ServiceUnavailableError(`${failure} (${MAX_ATTEMPTS} attempts)`);
      }
      await sleep(wait, signal);
    }
  };
}
