import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@backstage/errors';
import type { LogLevel, NativeAddonService, RefreshSummary } from '@purser/plugin-purser-node';
import type { CatalogRefs } from './catalogRefs';
import type { InstanceConfig } from './config';
import type { DeltaWriter } from './deltas';
import { refOf } from './entityRefs';
import type { ProviderPositions } from './positions';

export interface AddonSourceOptions {
  /** As the catalog knows the provider. */
  providerName: string;
  /** "<provider id>/<instance>". */
  source: string;
  instance: InstanceConfig;
  addon: NativeAddonService;
  positions: ProviderPositions;
  catalogRefs: CatalogRefs;
  /** Absolute; where the addon keeps its state. */
  stateDirectory?: string;
  onLog(level: LogLevel, text: string): void;
  onSummary(summary: RefreshSummary): void;
}

/** What an operator wants of a round. */
export interface RoundOrders {
  /** Read the source as if never seen, and give every entity again. */
  resync?: boolean;
  /** Let go of the removals that the guard holds. */
  confirm?: boolean;
}

/** Runs rounds of a source that the addon reads. */
export class AddonSource {
  readonly #options: AddonSourceOptions;
  #statePath: string | undefined;

  constructor(options: AddonSourceOptions) {
    this.#options = options;
  }

  async refresh(
    writer: DeltaWriter,
    orders: RoundOrders,
    signal: AbortSignal,
  ): Promise<RefreshSummary> {
    const { providerName, positions, onSummary } = this.#options;
    const isNew = (await positions.get(providerName)) === undefined;
    const given = new Set<string>();
    const round = async (forceFull: boolean, adopt: string[]) => {
      const summary = await this.#round(
        writer,
        { ...orders, adopt, isNew, forceFull, given },
        signal,
      );
      onSummary(summary);
      return summary;
    };
    let summary = await round(isNew || (orders.resync ?? false), []);
    // From now on the catalog has something of this provider. There is no position to go on from.
    await positions.set(providerName, '');
    if (summary.full && !isNew) {
      // The addon lost its state: what the catalog holds beyond what was given is told to it.
      const adopt = await this.#options.catalogRefs.beyond(this.#options.source, given);
      if (adopt.length > 0) {
        summary = await round(false, adopt);
      }
    }
    return summary;
  }

  async #round(
    writer: DeltaWriter,
    round: RoundOrders & {
      adopt: string[];
      isNew: boolean;
      forceFull: boolean;
      given: Set<string>;
    },
    signal: AbortSignal,
  ): Promise<RefreshSummary> {
    const { addon, instance, onLog } = this.#options;
    return addon.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        options: instance.options,
        statePath: await this.#state(),
        forceFull: round.forceFull,
        adopt: round.adopt,
        confirm: round.confirm,
        onLog,
        onChunk: async (upserts, removedRefs) => {
          await writer.apply(upserts, removedRefs, round.isNew);
          upserts.forEach(entity => round.given.add(refOf(entity)));
        },
      },
      { signal },
    );
  }

  async #state(): Promise<string> {
    const { instance, stateDirectory } = this.#options;
    if (!stateDirectory) {
      throw new InputError(
        'purser.stateDirectory is not set: the provider has nowhere to remember what it gave',
      );
    }
    if (!this.#statePath) {
      await mkdir(stateDirectory, { recursive: true });
      this.#statePath = join(stateDirectory, `${instance.providerId}.${instance.instance}.state`);
    }
    return this.#statePath;
  }
}
