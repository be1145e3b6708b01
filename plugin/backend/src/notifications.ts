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
/** A portal that was away for long does not wake people with old news. */
export const MAX_AGE_MS = 24 * 60 * 60 * 1000;
/** The scheduler's lock is free this long after a crash. */
const LOCK_SECONDS = 60;
const WATCH_MS = 50_000;
// A position per event would be a write per event; these may be looked at twice after a crash.
const STORE_EVERY_EVENTS = 200;

const ENDINGS: Partial<Record<RequestState, { text: string; severity: 'normal' | 'high' }>> = {
  succeeded: { text: 'is ready', severity: 'normal' },
  failed: { text: 'failed', severity: 'high' },
  cancelled: { text: 'was cancelled', severity: 'normal' },
  'needs-operator': { text: 'needs an operator', severity: 'high' },
};

/** The state a request ended in, or undefined for every other event. */
export function endingOf(event: PurserEvent): RequestState | undefined {
  const state = event.type.startsWith('request.') ? event.type.slice('request.'.length) : '';
  return !event.stepId && Object.hasOwn(ENDINGS, state) ? (state as RequestState) : undefined;
}

/** Where the watcher stands, in the plugin's database. */
export class WatchPosition {
  readonly #knex: Knex;

  private constructor(knex: Knex) {
    this.#knex = knex;
  }

  static async create(database: DatabaseService): Promise<WatchPosition> {
    const knex = await database.getClient();
    if (!database.migrations?.skip) {
      await knex.migrate.latest({
        directory: resolvePackagePath('@purser/plugin-purser-backend', 'migrations'),
      });
    }
    return new WatchPosition(knex);
  }

  async get(): Promise<number> {
    const row = await this.#knex(TABLE).where({ watcher: WATCHER }).first('sequence');
    return Number(row?.sequence ?? 0);
  }

  async set(sequence: number): Promise<void> {
    await this.#knex(TABLE)
      .insert({ watcher: WATCHER, sequence, updated_at: new Date() })
      .onConflict('watcher')
      .merge();
  }
}

/** Tells requester and owner when a request ends. */
export class RequestNotifier {
  constructor(
    private readonly deps: {
      sidecar: SidecarClient;
      notifications: NotificationService;
      position: WatchPosition;
      logger: LoggerService;
    },
  ) {}

  /** One replica at a time watches; another takes over from the stored sequence number. */
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
    const start = await position.get();
    let seen = start;
    let stored = start;
    try {
      const events = sidecar.watchRequests({ afterSequence: start, follow: true }, { signal });
      for await (const event of events) {
        const ended = endingOf(event);
        if (ended && Date.now() - Date.parse(event.at) < MAX_AGE_MS) {
          await this.#notify(event, ended);
        }
        seen = event.sequence;
        if (ended || seen - stored >= STORE_EVERY_EVENTS) {
          await position.set(seen);
          stored = seen;
        }
      }
    } catch (error) {
      if (!isCancelled(error)) {
        logger.debug(`watching for ended requests stopped: ${(error as Error).message}`);
      }
    } finally {
      if (seen > stored) {
        await position.set(seen);
      }
    }
  }

  async #notify(event: PurserEvent, state: RequestState): Promise<void> {
    const { sidecar, notifications, logger } = this.deps;
    try {
      const request = await sidecar.getRequest(event.requestId);
      const { text, severity } = ENDINGS[state]!;
      await notifications.send({
        recipients: {
          type: 'entity',
          entityRef: [...new Set([request.requester, request.owner])].filter(Boolean),
        },
        payload: {
          title: `${nameOf(request)} ${text}`,
          description: event.message || request.message || undefined,
          link: linkOf(request),
          severity,
          topic: 'purser.requests',
          // One notification per request: a later ending replaces an earlier one.
          scope: `purser-request:${request.id}`,
          metadata: { requestId: request.id, state },
        },
      });
    } catch (error) {
      // Missing news is better than a watcher that never gets past one event.
      logger.warn(
        `nobody could be told that request ${event.requestId} is ${state}: ${(error as Error).message}`,
      );
    }
  }
}

function nameOf(request: PurserRequest): string {
  const name = request.parameters.name;
  return typeof name === 'string' ? `${request.blueprint} ${name}` : request.blueprint;
}

function linkOf(request: PurserRequest): string | undefined {
  const match = /^([^:]+):([^/]+)\/(.+)$/.exec(request.entityRef ?? '');
  return match ? `/catalog/${match[2]}/${match[1]}/${match[3]}` : undefined;
}
