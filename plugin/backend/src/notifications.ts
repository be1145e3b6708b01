import {
  type DatabaseService,
  type LoggerService,
  resolvePackagePath,
  type SchedulerService,
} from '@backstage/backend-plugin-api';
import type { NotificationService } from '@backstage/plugin-notifications-node';
import type { PurserEvent, PurserRequest, RequestState } from '@purser/plugin-purser-common';
import { isCancelled, type SidecarClient } from '@purser/plugin-purser-node';
import type { Knex } from 'knex';

const WATCHER = 'request-notifications';
const TABLE = 'watch_positions';
const CREATED = 'request.created';
/** A portal that was away for long does not wake people with old news. */
export const MAX_AGE_MS = 24 * 60 * 60 * 1000;
/** The scheduler's lock is free this long after a crash. */
const LOCK_SECONDS = 60;
const WATCH_MS = 50_000;
// A position per event would be a write per event; these may be looked at twice after a crash.
const STORE_EVERY_EVENTS = 200;

interface News {
  text: string;
  severity: 'normal' | 'high';
}

const ENDINGS: Partial<Record<RequestState, News>> = {
  succeeded: { text: 'is ready', severity: 'normal' },
  failed: { text: 'failed', severity: 'high' },
  cancelled: { text: 'was cancelled', severity: 'normal' },
  'needs-operator': { text: 'needs an operator', severity: 'high' },
};
const WAITING: RequestState = 'waiting-approval';

/** What befalls a holding while nobody asks for anything; its owner is told. */
const HOLDING_NEWS: Record<string, News> = {
  'holding.expires': { text: 'expires soon', severity: 'normal' },
  'holding.expired': { text: 'has expired', severity: 'high' },
  'holding.ended': { text: 'ends, as it has expired', severity: 'high' },
  'holding.end-refused': { text: 'has expired and could not be ended', severity: 'high' },
  'holding.drifted': { text: 'is not as it was asked for any more', severity: 'high' },
  'holding.in-order': { text: 'is as it was asked for again', severity: 'normal' },
};

/** The state a request ended in, or undefined for every other event. */
export function endingOf(event: PurserEvent): RequestState | undefined {
  const state = event.type.startsWith('request.') ? event.type.slice('request.'.length) : '';
  return !event.stepId && Object.hasOwn(ENDINGS, state) ? (state as RequestState) : undefined;
}

/** The last event a watcher dealt with. */
export interface WatchedEvent {
  sequence: number;
  /** What tells it from the event of the same number in another store; absent in old rows. */
  identity?: string;
  /** ISO 8601. */
  at?: string;
}

const identityOf = (event: PurserEvent) => `${event.requestId} ${event.type} ${event.at}`;

/** Where the watcher stands, in the plugin's database. */
export class WatchPosition {
  readonly #knex: Knex;
  readonly #watcher: string;

  private constructor(knex: Knex, watcher: string) {
    this.#knex = knex;
    this.#watcher = watcher;
  }

  static async create(database: DatabaseService, watcher = WATCHER): Promise<WatchPosition> {
    const knex = await database.getClient();
    if (!database.migrations?.skip) {
      await knex.migrate.latest({
        directory: resolvePackagePath('@purser/plugin-purser-backend', 'migrations'),
      });
    }
    return new WatchPosition(knex, watcher);
  }

  async get(): Promise<WatchedEvent> {
    const row = await this.#knex(TABLE)
      .where({ watcher: this.#watcher })
      .first('sequence', 'event', 'event_at');
    return {
      sequence: Number(row?.sequence ?? 0),
      identity: row?.event ?? undefined,
      at: row?.event_at ?? undefined,
    };
  }

  async set({ sequence, identity, at }: WatchedEvent): Promise<void> {
    await this.#knex(TABLE)
      .insert({
        watcher: this.#watcher,
        sequence,
        event: identity ?? null,
        event_at: at ?? null,
        updated_at: new Date(),
      })
      .onConflict('watcher')
      .merge();
  }
}

/**
 * Tells requester and owner when a request ends, approvers when one waits for them, and owners what
 * befalls what they have: reminders of its expiry, its end, drift.
 */
export class RequestNotifier {
  constructor(
    private readonly deps: {
      sidecar: SidecarClient;
      notifications: NotificationService;
      position: WatchPosition;
      logger: LoggerService;
      /** Entity refs of who may approve; the owner of the request when there are none. */
      approvers: string[];
    },
  ) {}

  /** One replica at a time watches; another takes over from the stored position. */
  async schedule(scheduler: SchedulerService): Promise<void> {
    await scheduler.scheduleTask({
      id: WATCHER,
      frequency: { seconds: 5 },
      timeout: { seconds: LOCK_SECONDS },
      scope: 'global',
      fn: signal => this.watch(AbortSignal.any([signal, AbortSignal.timeout(WATCH_MS)])),
    });
  }

  /** Follows events until the signal fires or the sidecar is away. */
  async watch(signal: AbortSignal): Promise<void> {
    const { sidecar, position, logger } = this.deps;
    let unstored: WatchedEvent | undefined;
    let stored = 0;
    try {
      const start = await this.#start(signal);
      stored = start.sequence;
      const events = sidecar.watchRequests(
        // A sidecar that comes back may have another store: the next run looks.
        { afterSequence: start.sequence, follow: true, reconnect: false },
        { signal },
      );
      for await (const event of events) {
        const told = this.#isNews(event, start) && (await this.#tell(event));
        unstored = {
          sequence: event.sequence,
          identity: identityOf(event),
          // Stays ahead of a store that goes through its past again.
          at: start.at && event.at < start.at ? start.at : event.at,
        };
        if (told || event.sequence - stored >= STORE_EVERY_EVENTS) {
          await position.set(unstored);
          stored = event.sequence;
          unstored = undefined;
        }
      }
    } catch (error) {
      if (!isCancelled(error)) {
        logger.debug(`watching for requests stopped: ${(error as Error).message}`);
      }
    } finally {
      if (unstored) {
        await position.set(unstored);
      }
    }
  }

  /** The stored position, or the beginning when the sidecar's store is not the one it belongs to. */
  async #start(signal: AbortSignal): Promise<WatchedEvent> {
    const { sidecar, position, logger } = this.deps;
    const start = await position.get();
    if (start.sequence === 0 || !start.identity) {
      return start;
    }
    const last = sidecar.watchRequests(
      { afterSequence: start.sequence - 1, reconnect: false },
      { signal },
    );
    for await (const event of last) {
      if (event.sequence === start.sequence && identityOf(event) === start.identity) {
        return start;
      }
      break;
    }
    logger.warn(
      `the sidecar's store is another than before: its event ${start.sequence} is not the one seen last; watching from the start, news from before ${start.at} are not repeated`,
    );
    const anew = { sequence: 0, at: start.at };
    await position.set(anew);
    return anew;
  }

  /** False for what is too old to matter, and for what an older copy of the store was seen to hold. */
  #isNews(event: PurserEvent, start: WatchedEvent): boolean {
    const isRepeated = start.at !== undefined && event.at < start.at;
    return !isRepeated && Date.now() - Date.parse(event.at) < MAX_AGE_MS;
  }

  /** True when somebody was told. */
  async #tell(event: PurserEvent): Promise<boolean> {
    const ended = endingOf(event);
    const created = event.type === CREATED && !event.stepId;
    const befell = Object.hasOwn(HOLDING_NEWS, event.type) ? HOLDING_NEWS[event.type] : undefined;
    if (!ended && !created && !befell) {
      return false;
    }
    const { sidecar, logger } = this.deps;
    try {
      const request = await sidecar.getRequest(event.requestId);
      if (befell) {
        await this.#send(request, event.type, befell, event.message || driftOf(event), [
          request.owner,
        ]);
      } else if (ended) {
        await this.#send(request, ended, ENDINGS[ended]!, event.message, [
          request.requester,
          request.owner,
        ]);
      } else if (request.state === WAITING) {
        const { approvers } = this.deps;
        const news: News = { text: 'waits for approval', severity: 'normal' };
        await this.#send(
          request,
          WAITING,
          news,
          `Asked for by ${request.requester} for ${request.owner}.`,
          approvers.length > 0 ? approvers : [request.owner],
        );
      } else {
        return false;
      }
    } catch (error) {
      // Missing news is better than a watcher that never gets past one event.
      logger.warn(
        `nobody could be told of ${event.type} of request ${event.requestId}: ${(error as Error).message}`,
      );
    }
    return true;
  }

  async #send(
    request: PurserRequest,
    state: string,
    news: News,
    message: string,
    recipients: string[],
  ): Promise<void> {
    await this.deps.notifications.send({
      recipients: { type: 'entity', entityRef: [...new Set(recipients)].filter(Boolean) },
      payload: {
        title: `${nameOf(request)} ${news.text}`,
        description: message || request.message || undefined,
        link: linkOf(request),
        severity: news.severity,
        topic: 'purser.requests',
        // One notification per request, and one of what befalls its holding: later news replace
        // earlier ones.
        scope: state.startsWith('holding.')
          ? `purser-holding:${request.holdingId ?? request.id}`
          : `purser-request:${request.id}`,
        metadata: { requestId: request.id, state },
      },
    });
  }
}

/** Which steps' work is not as it was. */
function driftOf({ data }: PurserEvent): string {
  const drift = data?.drift as { steps?: Array<{ step: string; state: string }> } | undefined;
  return (drift?.steps ?? [])
    .filter(({ state }) => state === 'differs' || state === 'gone')
    .map(({ step, state }) => `${step}: ${state}`)
    .join(', ');
}

function nameOf(request: PurserRequest): string {
  const name = request.parameters.name;
  return typeof name === 'string' ? `${request.blueprint} ${name}` : request.blueprint;
}

function linkOf(request: PurserRequest): string | undefined {
  const match = /^([^:]+):([^/]+)\/(.+)$/.exec(request.entityRef ?? '');
  return match ? `/catalog/${match[2]}/${match[1]}/${match[3]}` : undefined;
}
