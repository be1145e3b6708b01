import type { LoggerService, SchedulerService } from '@backstage/backend-plugin-api';
import type { EventsService } from '@backstage/plugin-events-node';
import type { NotificationService } from '@backstage/plugin-notifications-node';
import type { CostAlert } from '@purser/plugin-purser-common';
import type { SidecarClient } from '@purser/plugin-purser-node';
import type { WatchedEvent } from '../notifications';

const TASK = 'cost-notifications';
/** Of notifications and of events alike. */
const TOPIC = 'purser.costs';
const PAGE = 500;
/** A portal that was away for long does not wake people with old news. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;

/** Where the notifier stands. */
export interface AlertPosition {
  get(): Promise<WatchedEvent>;
  set(position: WatchedEvent): Promise<void>;
}

const identityOf = (alert: CostAlert) => `${alert.kind} ${alert.subject} ${alert.scope}`;
const textOf = (value: unknown) => (typeof value === 'string' ? value : '');

/** `/catalog/namespace/kind/name` of an entity ref. */
function linkOf(entityRef: string): string | undefined {
  const match = /^([^:]+):([^/]+)\/(.+)$/.exec(entityRef);
  return match ? `/catalog/${match[2]}/${match[1]}/${match[3]}` : undefined;
}

/** What people read of an alert; undefined for what is not told. */
export function messageOf(
  alert: CostAlert,
): { title: string; description: string; severity: 'normal' | 'high' } | undefined {
  const detail = alert.detail;
  const text = (name: string) => textOf(detail[name]);
  if (detail.superseded === true) {
    return undefined;
  }
  switch (alert.kind) {
    case 'budget':
      return {
        title: `Budget ${alert.subject} is spent to ${text('spentPercent')} %`,
        description: `${text('spent')} of ${text('amount')} ${text('currency')} for ${text('of')}, ${text('from')} to ${text('to')}; the threshold is ${String(detail.threshold)} %.`,
        severity: Number(detail.threshold) >= 100 ? 'high' : 'normal',
      };
    case 'budget-forecast':
      return {
        title: `Budget ${alert.subject} will be exceeded`,
        description: `${text('forecast')} ${text('currency')} are expected by ${text('to')} for ${text('of')} (${text('forecastMethod')}), the budget is ${text('amount')}.`,
        severity: 'normal',
      };
    case 'anomaly': {
      const cause = [text('service'), text('sku'), text('region')].filter(Boolean).join(', ');
      return {
        title: `Unusual cost of ${text('of')}`,
        description: `${text('cost')} ${text('currency')} on ${text('day')} instead of ${text('expected')}${cause ? `; mostly ${cause} (${text('causeDifference')})` : ''}.`,
        severity: 'normal',
      };
    }
    default:
      return undefined;
  }
}

/**
 * Tells owners of budgets that are crossed and of anomalies, each once, and whoever subscribed to
 * the topic `purser.costs`.
 */
export class CostNotifier {
  constructor(
    private readonly deps: {
      sidecar: SidecarClient;
      notifications: NotificationService;
      events: EventsService;
      position: AlertPosition;
      logger: LoggerService;
    },
  ) {}

  /** One replica at a time looks; another takes over from the stored position. */
  async schedule(scheduler: SchedulerService): Promise<void> {
    await scheduler.scheduleTask({
      id: TASK,
      frequency: { minutes: 1 },
      timeout: { minutes: 5 },
      scope: 'global',
      fn: () =>
        this.look().catch((error: Error) => {
          this.deps.logger.debug(`costs could not be looked at: ${error.message}`);
        }),
    });
  }

  /** Tells what is new. */
  async look(): Promise<void> {
    const { sidecar, position } = this.deps;
    let at = await this.#start();
    for (;;) {
      const alerts = await sidecar.costs.alerts({ afterSequence: at.sequence, limit: PAGE });
      for (const alert of alerts) {
        const isRepeated = at.at !== undefined && alert.at < at.at;
        if (!isRepeated && Date.now() - Date.parse(alert.at) < MAX_AGE_MS) {
          await this.#publish(alert);
          await this.#tell(alert);
        }
        at = {
          sequence: alert.sequence,
          identity: identityOf(alert),
          at: isRepeated ? at.at : alert.at,
        };
        // After each: a crash repeats one notification at most, and its scope replaces it.
        await position.set(at);
      }
      if (alerts.length < PAGE) {
        return;
      }
    }
  }

  /** The stored position, or the beginning when the sidecar's store is not the one it belongs to. */
  async #start(): Promise<WatchedEvent> {
    const { sidecar, position } = this.deps;
    const stored = await position.get();
    if (stored.sequence === 0 || !stored.identity) {
      return stored;
    }
    const [last] = await sidecar.costs.alerts({ afterSequence: stored.sequence - 1, limit: 1 });
    return last?.sequence === stored.sequence && identityOf(last) === stored.identity
      ? stored
      : { sequence: 0, at: stored.at };
  }

  async #publish({ kind, subject, scope, at, detail }: CostAlert): Promise<void> {
    try {
      await this.deps.events.publish({
        topic: TOPIC,
        eventPayload: { kind, subject, scope, at, detail },
        metadata: { kind },
      });
    } catch (error) {
      this.deps.logger.warn(
        `${kind} ${subject} could not be published: ${(error as Error).message}`,
      );
    }
  }

  async #tell(alert: CostAlert): Promise<void> {
    const message = messageOf(alert);
    const owner = textOf(alert.detail.owner);
    if (!message || !owner) {
      return;
    }
    try {
      await this.deps.notifications.send({
        recipients: { type: 'entity', entityRef: [owner] },
        payload: {
          ...message,
          link: linkOf(textOf(alert.detail.of)),
          topic: TOPIC,
          scope: `purser-cost:${alert.kind}:${alert.subject}:${alert.scope}`,
          metadata: { kind: alert.kind, subject: alert.subject, scope: alert.scope },
        },
      });
    } catch (error) {
      // Missing news is better than a notifier that never gets past one alert.
      this.deps.logger.warn(
        `${owner} could not be told of ${alert.kind} ${alert.subject}: ${(error as Error).message}`,
      );
    }
  }
}
