import type { LoggerService, SchedulerService } from '@backstage/backend-plugin-api';
import type { NotificationService } from '@backstage/plugin-notifications-node';
import type { CatalogSource } from '@purser/plugin-purser-common';
import type { SidecarClient } from '@purser/plugin-purser-node';

const TASK = 'source-notifications';
const LOCK_SECONDS = 60;
const EVERY_SECONDS = 30;

/** Tells operators when the guard holds removals of a source. */
export class SourceNotifier {
  /** Held removals per source that were told of. A new process tells once more, in the same place. */
  readonly #told = new Map<string, number>();

  constructor(
    private readonly deps: {
      sidecar: SidecarClient;
      notifications: NotificationService;
      logger: LoggerService;
      /** Entity refs of who looks after the catalog; nobody is told when there are none. */
      operators: string[];
    },
  ) {}

  /** One replica at a time looks. */
  async schedule(scheduler: SchedulerService): Promise<void> {
    await scheduler.scheduleTask({
      id: TASK,
      frequency: { seconds: EVERY_SECONDS },
      timeout: { seconds: LOCK_SECONDS },
      scope: 'global',
      fn: signal => this.look(signal),
    });
  }

  /** Looks once. Never throws. */
  async look(signal?: AbortSignal): Promise<void> {
    const { sidecar, logger } = this.deps;
    try {
      for (const source of await sidecar.listSources({ signal })) {
        await this.#tell(source);
      }
    } catch (error) {
      logger.debug(
        `the sources of the catalog could not be looked at: ${(error as Error).message}`,
      );
    }
  }

  async #tell({ name, heldRemovals, entities }: CatalogSource): Promise<void> {
    const told = this.#told.get(name) ?? 0;
    this.#told.set(name, heldRemovals);
    const { operators, notifications, logger } = this.deps;
    if (heldRemovals <= told) {
      return;
    }
    logger.warn(`${heldRemovals} removals of the source ${name} wait for an operator`);
    if (operators.length === 0) {
      return;
    }
    await notifications.send({
      recipients: { type: 'entity', entityRef: operators },
      payload: {
        title: `${heldRemovals} removals of ${name} wait for you`,
        description: `${heldRemovals} of ${entities} entities have gone from the source. They stay in the catalog until somebody confirms (purser catalog confirm ${name}), or the source has them again.`,
        severity: 'high',
        topic: 'purser.catalog',
        // One notification per source: later news replace earlier ones.
        scope: `purser-source:${name}`,
        metadata: { source: name, heldRemovals },
      },
    });
  }
}
