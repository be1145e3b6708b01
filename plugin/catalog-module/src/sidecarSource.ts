import type { JsonObject } from '@backstage/types';
import {
  isUnavailable,
  type LogLevel,
  type ProviderMessage,
  type RefreshSummary,
  type SidecarClient,
} from '@purser/plugin-purser-node';
import type { CatalogRefs } from './catalogRefs';
import type { InstanceConfig } from './config';
import type { DeltaWriter } from './deltas';
import { refOf } from './entityRefs';
import type { ProviderPositions } from './positions';

/** Refs of one AdoptEntities call. */
const MAX_ADOPTED = 10_000;
/** Deltas that are written while the next one is read. */
const MAX_UNDER_WAY = 4;
// What a sidecar's position ends with while everything is being sent.
const FULL = '/full';

export interface SidecarSourceOptions {
  /** As the catalog knows the provider. */
  providerName: string;
  /** "<provider id>/<instance>". */
  source: string;
  instance: InstanceConfig;
  sidecar: SidecarClient;
  positions: ProviderPositions;
  catalogRefs: CatalogRefs;
  /** Milliseconds for which a run follows coming changes. */
  followFor: number;
  onLog(level: LogLevel, text: string): void;
  onSummary(summary: RefreshSummary): void;
  /** A message came: the source is there. */
  onAlive(): void;
}

type Delta = Extract<ProviderMessage, { type: 'delta' }>;

/** A delta that is being written. */
interface Taken {
  isWritten: boolean;
  /** It is in the catalog, it and all before it are counted, and the position is stored. */
  done: Promise<void>;
  next?: Taken;
}

/** Follows the change log of a source that the sidecar runs. */
export class SidecarSource {
  readonly #options: SidecarSourceOptions;
  /** Entities that came since a source began to send everything, and how far that is. */
  #full: { refs: Set<string>; position: string } | undefined;

  constructor(options: SidecarSourceOptions) {
    this.#options = options;
  }

  /** One run: what changed, then what changes until the window closes. */
  async refresh(writer: DeltaWriter, follow: boolean, signal: AbortSignal): Promise<void> {
    const { providerName, instance, sidecar, positions, followFor } = this.#options;
    const stored = await positions.get(providerName);
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
    // A delta that is not taken ends the run at once: the next one begins with it.
    const refused = new AbortController();
    const messages = sidecar.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        options: instance.options,
        position,
        follow,
      },
      { signal: AbortSignal.any([signal, window, refused.signal]) },
    );
    let last: Taken | undefined;
    const underWay: Array<Promise<void>> = [];
    try {
      for await (const message of messages) {
        this.#options.onAlive();
        if (message.type === 'delta') {
          last = this.#take(message, last, writer, isNew);
          last.done.catch(error => refused.abort(error));
          underWay.push(last.done);
          if (underWay.length === MAX_UNDER_WAY) {
            await underWay.shift();
          }
        } else if (message.type === 'log') {
          this.#options.onLog(message.level, message.text);
        } else {
          this.#options.onSummary(message.summary);
        }
      }
    } catch (error) {
      await Promise.allSettled(underWay);
      refused.signal.throwIfAborted();
      // The window closed on a quiet source: nothing failed.
      if (isUnavailable(error) || !window.aborted) {
        throw error;
      }
    }
    await Promise.all(underWay);
  }

  #take(delta: Delta, previous: Taken | undefined, writer: DeltaWriter, isNew: boolean): Taken {
    const { positions, providerName } = this.#options;
    const written = writer.apply(delta.upserts, delta.removedRefs, isNew);
    const taken: Taken = { isWritten: false, done: Promise.resolve() };
    if (previous) {
      previous.next = taken;
    }
    const finish = async () => {
      await written;
      taken.isWritten = true;
      await previous?.done;
      await this.#count(delta, isNew);
      // After the entities: a crash in between only repeats them. A position that the next one replaces at
      // once is not stored.
      if (!taken.next?.isWritten) {
        await positions.set(providerName, delta.position);
      }
    };
    taken.done = finish();
    return taken;
  }

  /** Keeps count of a source that sends everything, and tells it in the end what it did not send. */
  async #count(delta: Delta, isNew: boolean): Promise<void> {
    if (!delta.full) {
      this.#full = undefined;
      return;
    }
    this.#full ??= { refs: new Set(), position: '' };
    const { refs } = this.#full;
    delta.upserts.forEach((entity: JsonObject) => refs.add(refOf(entity)));
    this.#full.position = delta.position;
    if (!delta.fullEnd) {
      return;
    }
    if (!isNew) {
      await this.#adopt(await this.#options.catalogRefs.beyond(this.#options.source, refs));
    }
    this.#full = undefined;
  }

  async #adopt(entityRefs: string[]): Promise<void> {
    for (let start = 0; start < entityRefs.length; start += MAX_ADOPTED) {
      const end = start + MAX_ADOPTED;
      await this.#options.sidecar.adoptEntities({
        source: this.#options.source,
        entityRefs: entityRefs.slice(start, end),
        more: end < entityRefs.length,
      });
    }
  }
}
