import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoggerService, SchedulerServiceTaskRunner } from '@backstage/backend-plugin-api';
import { InputError, NotFoundError, ServiceUnavailableError } from '@backstage/errors';
import type { EntityProvider, EntityProviderConnection } from '@backstage/plugin-catalog-node';
import {
  isCancelled,
  isUnavailable,
  type LogLevel,
  type ProviderDescription,
  type PurserService,
  type RefreshSummary,
} from '@purser/plugin-purser-node';
import type { InstanceConfig } from './config';
import { type AbsoluteUrl, DeltaWriter } from './deltas';
import type { ProviderPositions } from './positions';

export interface PurserEntityProviderOptions {
  instance: InstanceConfig;
  purser: PurserService;
  positions: ProviderPositions;
  taskRunner: SchedulerServiceTaskRunner;
  logger: LoggerService;
  /** Milliseconds for which a run follows coming changes. */
  followFor: number;
  absoluteUrl: AbsoluteUrl;
  /** Absolute; where portal providers keep their state. */
  stateDirectory?: string;
}

/**
 * One configured instance of a provider of the addon or the sidecar. It exists, under the same name,
 * whether its host is there or not: a provider that disappears takes its entities with it.
 */
export class PurserEntityProvider implements EntityProvider {
  readonly #options: PurserEntityProviderOptions;
  readonly #logger: LoggerService;
  #failing = false;

  constructor(options: PurserEntityProviderOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ provider: this.getProviderName() });
  }

  getProviderName(): string {
    const { providerId, instance } = this.#options.instance;
    return `purser-${providerId}:${instance}`;
  }

  async connect(connection: EntityProviderConnection): Promise<void> {
    const { providerId, instance } = this.#options.instance;
    const writer = new DeltaWriter({
      connection,
      locationKey: `purser:${providerId}/${instance}`,
      logger: this.#logger,
      absoluteUrl: this.#options.absoluteUrl,
    });
    await this.#options.taskRunner.run({
      id: `${this.getProviderName()}:refresh`,
      fn: signal => this.#run(writer, signal),
    });
  }

  /** One scheduled run. A failure leaves the catalog as it is. */
  async #run(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    try {
      await this.#refresh(writer, signal);
      this.#failing = false;
    } catch (error) {
      if (signal.aborted || isCancelled(error)) {
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
    }
  }

  async #refresh(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    const description = await this.#describe(signal);
    if (description.host === 'portal') {
      await this.#refreshFromAddon(writer, signal);
    } else {
      await this.#refreshFromSidecar(writer, description, signal);
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

  async #refreshFromAddon(writer: DeltaWriter, signal: AbortSignal): Promise<void> {
    const { purser, instance, positions, stateDirectory } = this.#options;
    if (!stateDirectory) {
      throw new InputError(
        'purser.stateDirectory is not set: the provider has nowhere to remember what it gave',
      );
    }
    await mkdir(stateDirectory, { recursive: true });
    const name = this.getProviderName();
    const summary = await purser.addon.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        guard: instance.guard,
        statePath: join(stateDirectory, `${instance.providerId}.${instance.instance}.state`),
        forceFull: (await positions.get(name)) === undefined,
        onLog: (level, text) => this.#log(level, text),
        onChunk: (upserts, removedRefs) => writer.apply(upserts, removedRefs),
      },
      { signal },
    );
    await positions.set(name, '');
    this.#report(summary);
  }

  async #refreshFromSidecar(
    writer: DeltaWriter,
    description: ProviderDescription,
    signal: AbortSignal,
  ): Promise<void> {
    const { purser, instance, positions, followFor } = this.#options;
    const name = this.getProviderName();
    const window = AbortSignal.timeout(followFor);
    const messages = purser.sidecar.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        position: await positions.get(name),
        follow: description.hasDeltas,
      },
      { signal: AbortSignal.any([signal, window]) },
    );
    try {
      for await (const message of messages) {
        this.#failing = false;
        if (message.type === 'delta') {
          await writer.apply(message.upserts, message.removedRefs);
          // After the entities: a crash in between only repeats them.
          await positions.set(name, message.position);
        } else if (message.type === 'log') {
          this.#log(message.level, message.text);
        } else {
          this.#report(message.summary);
        }
      }
    } catch (error) {
      // The window closed on a quiet source: nothing failed.
      if (isUnavailable(error) || !window.aborted) {
        throw error;
      }
    }
  }

  #log(level: LogLevel, text: string): void {
    this.#logger[level](text);
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
