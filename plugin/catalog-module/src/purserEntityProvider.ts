import type { LoggerService, SchedulerServiceTaskRunner } from '@backstage/backend-plugin-api';
import { NotFoundError, ServiceUnavailableError } from '@backstage/errors';
import type { EntityProvider, EntityProviderConnection } from '@backstage/plugin-catalog-node';
import {
  isCancelled,
  type LogLevel,
  type ProviderDescription,
  type PurserService,
  type RefreshSummary,
} from '@purser/plugin-purser-node';
import { AddonSource } from './addonSource';
import type { CatalogRefs } from './catalogRefs';
import type { CatalogTables } from './catalogTables';
import type { AbsoluteUrl } from './completeEntity';
import type { InstanceConfig } from './config';
import { DeltaWriter } from './deltas';
import type { ProviderTask } from './lostRuns';
import type { ProviderPositions } from './positions';
import { SidecarSource } from './sidecarSource';
import { SourceReports } from './sourceReports';

export interface PurserEntityProviderOptions {
  instance: InstanceConfig;
  purser: PurserService;
  positions: ProviderPositions;
  catalogRefs: CatalogRefs;
  taskRunner: SchedulerServiceTaskRunner;
  logger: LoggerService;
  /** Milliseconds for which a run follows coming changes. */
  followFor: number;
  absoluteUrl: AbsoluteUrl;
  /** Asked for when the provider is connected: the catalog's tables are there then. */
  catalogTables: () => Promise<CatalogTables | undefined>;
  /** Absolute; where portal providers keep their state. */
  stateDirectory?: string;
}

/** A run that ended here no longer ago than this will most likely be followed by another one here. */
const OURS_FOR_MS = 60_000;

/**
 * One configured instance of a provider of the addon or the sidecar. It exists, under the same name,
 * whether its host is there or not: a provider that disappears takes its entities with it.
 */
export class PurserEntityProvider implements EntityProvider, ProviderTask {
  readonly #options: PurserEntityProviderOptions;
  readonly #logger: LoggerService;
  readonly #addonSource: AddonSource;
  readonly #sidecarSource: SidecarSource;
  readonly #reports: SourceReports;
  #failing = false;
  #running = false;
  #ranAt = 0;
  #description: ProviderDescription | undefined;

  constructor(options: PurserEntityProviderOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ provider: this.getProviderName() });
    const { instance, purser, positions, catalogRefs, followFor, stateDirectory } = options;
    const common = {
      providerName: this.getProviderName(),
      source: this.#source,
      instance,
      positions,
      catalogRefs,
      onLog: (level: LogLevel, text: string) => this.#logger[level](text),
      onSummary: (summary: RefreshSummary) => this.#report(summary),
    };
    this.#addonSource = new AddonSource({ ...common, addon: purser.addon, stateDirectory });
    this.#reports = new SourceReports(this.#source, purser.sidecar);
    this.#sidecarSource = new SidecarSource({
      ...common,
      sidecar: purser.sidecar,
      followFor,
      onAlive: () => {
        this.#failing = false;
      },
    });
  }

  getProviderName(): string {
    const { providerId, instance } = this.#options.instance;
    return `purser-${providerId}:${instance}`;
  }

  get taskId(): string {
    return `${this.getProviderName()}:refresh`;
  }

  isOurs(): boolean {
    return this.#running || Date.now() - this.#ranAt < OURS_FOR_MS;
  }

  get #source(): string {
    const { providerId, instance } = this.#options.instance;
    return `${providerId}/${instance}`;
  }

  async connect(connection: EntityProviderConnection): Promise<void> {
    const { absoluteUrl, catalogTables, taskRunner } = this.#options;
    const writer = new DeltaWriter({
      connection,
      owner: { locationKey: `purser:${this.#source}`, sourceKey: this.getProviderName() },
      source: this.#source,
      logger: this.#logger,
      absoluteUrl,
      tables: await catalogTables(),
    });
    await taskRunner.run({
      id: this.taskId,
      fn: signal => this.#run(writer, signal),
    });
  }

  /** One scheduled run. A failure leaves the catalog as it is. */
  async #run(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    this.#running = true;
    try {
      await this.#refresh(writer, signal);
      this.#failing = false;
    } catch (error) {
      if (signal.aborted || isCancelled(error)) {
        this.#logger.info(
          'a round was stopped before its end, by the end of the portal or the timeout of its schedule; the next one goes on',
        );
        return;
      }
      const text = `refresh failed, the catalog keeps what it has: ${(error as Error).message}`;
      // A host that is away stays away for a while: say it once.
      if (!this.#failing) {
        this.#logger.warn(text);
      } else {
        this.#logger.debug(text);
      }
      this.#failing = true;
    } finally {
      this.#running = false;
      this.#ranAt = Date.now();
    }
  }

  async #refresh(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    // Which host has the provider does not change while both live.
    this.#description ??= await this.#describe(signal);
    const { host, hasDeltas } = this.#description;
    if (host === 'portal') {
      await this.#refreshFromAddon(writer, signal);
    } else {
      await this.#sidecarSource.refresh(writer, hasDeltas, signal);
    }
  }

  async #refreshFromAddon(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    const orders = await this.#reports.orders(signal);
    if (orders.paused) {
      this.#logger.debug('paused by an operator');
      return;
    }
    try {
      const summary = await this.#addonSource.refresh(writer, orders, signal);
      await this.#reports.ended(summary, orders.resync, signal);
    } catch (error) {
      if (!signal.aborted) {
        await this.#reports.failed(error as Error, signal);
      }
      throw error;
    }
  }

  async #describe(signal: AbortSignal): Promise<ProviderDescription> {
    const { purser, instance } = this.#options;
    const wanted = ({ id }: ProviderDescription) => id === instance.providerId;
    let addonFailure: Error | undefined;
    try {
      const found = purser.addon.listProviders().find(wanted);
      if (found) {
        return found;
      }
    } catch (error) {
      addonFailure = error as Error;
    }
    const found = (await purser.sidecar.listProviders({ signal })).find(wanted);
    if (found) {
      return found;
    }
    if (addonFailure) {
      throw new ServiceUnavailableError(addonFailure.message);
    }
    throw new NotFoundError(
      `neither the native addon nor the sidecar knows the provider ${instance.providerId}`,
    );
  }

  #report(summary: RefreshSummary): void {
    const { read, added, changed, removed, heldRemovals, dropped } = summary;
    const text = `read ${read}: ${added} added, ${changed} changed, ${removed} removed, ${heldRemovals} removals held, ${dropped} dropped`;
    if (heldRemovals > 0 || dropped > 0) {
      this.#logger.warn(text);
    } else if (added + changed + removed > 0) {
      this.#logger.info(text);
    } else {
      this.#logger.debug(text);
    }
  }
}
