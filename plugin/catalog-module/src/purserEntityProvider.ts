import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoggerService, SchedulerServiceTaskRunner } from '@backstage/backend-plugin-api';
import { type Entity, stringifyEntityRef } from '@backstage/catalog-model';
import { InputError, NotFoundError, ServiceUnavailableError } from '@backstage/errors';
import type { EntityProvider, EntityProviderConnection } from '@backstage/plugin-catalog-node';
import type { JsonObject } from '@backstage/types';
import {
  isCancelled,
  isUnavailable,
  type LogLevel,
  type ProviderDescription,
  type ProviderMessage,
  type PurserService,
  type RefreshSummary,
} from '@purser/plugin-purser-node';
import type { CatalogRefs } from './catalogRefs';
import type { InstanceConfig } from './config';
import { type AbsoluteUrl, DeltaWriter } from './deltas';
import type { ProviderPositions } from './positions';

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
  /** Absolute; where portal providers keep their state. */
  stateDirectory?: string;
}

/** Refs of one AdoptEntities call. */
const MAX_ADOPTED = 10_000;
// What a sidecar's position ends with while everything is being sent.
const FULL = '/full';

const refOf = (entity: JsonObject) => stringifyEntityRef(entity as unknown as Entity);

/**
 * One configured instance of a provider of the addon or the sidecar. It exists, under the same name,
 * whether its host is there or not: a provider that disappears takes its entities with it.
 */
export class PurserEntityProvider implements EntityProvider {
  readonly #options: PurserEntityProviderOptions;
  readonly #logger: LoggerService;
  #failing = false;
  /** Entities that came since a source began to send everything, and how far that is. */
  #full: { refs: Set<string>; position: string } | undefined;

  constructor(options: PurserEntityProviderOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ provider: this.getProviderName() });
  }

  getProviderName(): string {
    const { providerId, instance } = this.#options.instance;
    return `purser-${providerId}:${instance}`;
  }

  get #source(): string {
    const { providerId, instance } = this.#options.instance;
    return `${providerId}/${instance}`;
  }

  async connect(connection: EntityProviderConnection): Promise<void> {
    const { providerId, instance } = this.#options.instance;
    const writer = new DeltaWriter({
      connection,
      locationKey: `purser:${providerId}/${instance}`,
      source: this.#source,
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
    const given = new Set<string>();
    const round = (forceFull: boolean, adopt: string[]) =>
      purser.addon.refreshProvider(
        {
          id: instance.providerId,
          instance: instance.instance,
          config: instance.config,
          options: instance.options,
          statePath: join(stateDirectory, `${instance.providerId}.${instance.instance}.state`),
          forceFull,
          adopt,
          onLog: (level, text) => this.#log(level, text),
          onChunk: async (upserts, removedRefs) => {
            await writer.apply(upserts, removedRefs);
            upserts.forEach(entity => given.add(refOf(entity)));
          },
        },
        { signal },
      );
    const isNew = (await positions.get(name)) === undefined;
    const summary = await round(isNew, []);
    await positions.set(name, '');
    this.#report(summary);
    if (summary.full && !isNew) {
      // The addon lost its state: what the catalog holds beyond what was given is told to it.
      const adopt = await this.#beyond(given);
      if (adopt.length > 0) {
        this.#report(await round(false, adopt));
      }
    }
  }

  async #beyond(given: Set<string>): Promise<string[]> {
    const held = await this.#options.catalogRefs.of(this.#source);
    return held.filter(ref => !given.has(ref));
  }

  async #refreshFromSidecar(
    writer: DeltaWriter,
    description: ProviderDescription,
    signal: AbortSignal,
  ): Promise<void> {
    const { purser, instance, positions, followFor } = this.#options;
    const name = this.getProviderName();
    const stored = await positions.get(name);
    const isNew = stored === undefined;
    let position = stored;
    // Only who counted everything so far may go on with it.
    if (position?.endsWith(FULL) && position !== this.#full?.position) {
      position = undefined;
    }
    if (!position?.endsWith(FULL)) {
      this.#full = undefined;
    }
    const window = AbortSignal.timeout(followFor);
    const messages = purser.sidecar.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        options: instance.options,
        position,
        follow: description.hasDeltas,
      },
      { signal: AbortSignal.any([signal, window]) },
    );
    try {
      for await (const message of messages) {
        this.#failing = false;
        if (message.type === 'delta') {
          await writer.apply(message.upserts, message.removedRefs);
          await this.#count(message, isNew);
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

  /** Keeps count of a source that sends everything, and tells it in the end what it did not send. */
  async #count(delta: Extract<ProviderMessage, { type: 'delta' }>, isNew: boolean): Promise<void> {
    if (!delta.full) {
      this.#full = undefined;
      return;
    }
    this.#full ??= { refs: new Set(), position: '' };
    const { refs } = this.#full;
    delta.upserts.forEach(entity => refs.add(refOf(entity)));
    this.#full.position = delta.position;
    if (!delta.fullEnd) {
      return;
    }
    if (!isNew) {
      await this.#adopt(await this.#beyond(refs));
    }
    this.#full = undefined;
  }

  async #adopt(entityRefs: string[]): Promise<void> {
    for (let start = 0; start < entityRefs.length; start += MAX_ADOPTED) {
      const end = start + MAX_ADOPTED;
      await this.#options.purser.sidecar.adoptEntities({
        source: this.#source,
        entityRefs: entityRefs.slice(start, end),
        more: end < entityRefs.length,
      });
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
