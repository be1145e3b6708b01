import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@backstage/errors';
import type { LogLevel, NativeAddonService, RefreshSummary } from '@purser/plugin-purser-node';
import type { CatalogRefs } from './catalogRefs';
import type { InstanceConfig } from './config';
import type { DeltaWriter } from './deltas';
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

// What stands for a position: the addon compares by itself.
const SETTLED = '';
/** Entities may be in the catalog that the addon knows nothing of. */
const COMPARE = 'compare';

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
    const { providerName, source, positions, catalogRefs, onSummary } = this.#options;
    const statePath = await this.#state();
    const stored = await positions.get(providerName);
    const isNew = stored === undefined;
    // The addon lost its state, now or before a comparison came to its end.
    let mustCompare = stored === COMPARE || (!isNew && !existsSync(statePath));
    const round = async (forceFull: boolean, adopt: string[]) => {
      const position = mustCompare ? COMPARE : SETTLED;
      const given = { ...orders, adopt, isNew, forceFull, position, statePath };
      const summary = await this.#round(writer, given, signal);
      onSummary(summary);
      return summary;
    };
    let summary = await round(isNew || (orders.resync ?? false), []);
    mustCompare ||= !isNew && (summary.full ?? false);
    await positions.set(providerName, mustCompare ? COMPARE : SETTLED);
    if (mustCompare) {
      // What the catalog holds is told to the addon, which removes, behind the guard, what it does not
      // know and the source does not have.
      summary = await round(false, await catalogRefs.of(source));
      await positions.set(providerName, SETTLED);
    }
    return summary;
  }

  async #round(
    writer: DeltaWriter,
    round: RoundOrders & {
      adopt: string[];
      isNew: boolean;
      forceFull: boolean;
      position: string;
      statePath: string;
    },
    signal: AbortSignal,
  ): Promise<RefreshSummary> {
    const { addon, instance, onLog, positions, providerName } = this.#options;
    let begun: Promise<void> | undefined;
    return addon.refreshProvider(
      {
        id: instance.providerId,
        instance: instance.instance,
        config: instance.config,
        options: instance.options,
        statePath: round.statePath,
        forceFull: round.forceFull,
        adopt: round.adopt,
        confirm: round.confirm,
        onLog,
        onChunk: async (upserts, removedRefs) => {
          // From now on the catalog has something of this provider, which the addon remembers: a round
          // that is stopped is not begun anew. Chunks that come meanwhile wait here, in their order.
          begun ??= positions.set(providerName, round.position);
          await begun;
          await writer.apply(upserts, removedRefs, round.isNew);
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
