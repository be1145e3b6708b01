import type { LoggerService } from '@backstage/backend-plugin-api';
import type { Knex } from 'knex';

/** Of the scheduler, in the catalog's database. */
const TABLE = 'backstage_backend_tasks__tasks';

/** A task of a provider, as this process sees it. */
export interface ProviderTask {
  taskId: string;
  /** It runs here, or did so a little while ago. */
  isOurs(): boolean;
}

/**
 * Takes their locks from replicas that died. The scheduler does so by itself, but looks once a minute, at
 * which a portal that was killed would be without its changes for two. Nothing is asked of the database
 * for tasks that run in this process.
 */
export class LostRuns {
  readonly #knex: Knex;
  readonly #tasks: ProviderTask[];
  readonly #logger: LoggerService;

  constructor(knex: Knex, tasks: ProviderTask[], logger: LoggerService) {
    this.#knex = knex;
    this.#tasks = tasks;
    this.#logger = logger;
  }

  /** Looks once. Never throws. */
  async free(): Promise<void> {
    const others = this.#tasks.filter(task => !task.isOurs()).map(({ taskId }) => taskId);
    if (others.length === 0) {
      return;
    }
    try {
      const freed = await this.#knex(TABLE)
        .whereIn('id', others)
        .where('current_run_expires_at', '<', this.#knex.fn.now())
        .update({
          current_run_ticket: null,
          current_run_started_at: null,
          current_run_expires_at: null,
        });
      if (freed > 0) {
        this.#logger.info(`${freed} providers go on that a replica had left in the middle`);
      }
    } catch (error) {
      // Then the scheduler's own look must do.
      this.#logger.debug(`lost runs could not be looked for: ${(error as Error).message}`);
    }
  }
}
