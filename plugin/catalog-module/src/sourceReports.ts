import type {
  RefreshSummary,
  SidecarClient,
  SourceOrders,
  SourceReport,
} from '@purser/plugin-purser-node';

// A sidecar that was not there is asked again after so long: rounds do not wait for it each time.
const ASK_AGAIN_MS = 30_000;

/**
 * Tells the sidecar how a source is that the portal runs, so that operators see all sources in one place,
 * and learns what they want of it. Without a sidecar the source runs all the same.
 */
export class SourceReports {
  readonly #name: string;
  readonly #sidecar: SidecarClient;
  #askAgainAt = 0;
  #paused = false;
  #totals = { rounds: 0, failures: 0, added: 0, changed: 0, removed: 0 };
  #last = {
    entities: 0,
    heldRemovals: 0,
    heldRefs: new Array<string>(),
    dropped: 0,
    degraded: {} as Record<string, string>,
  };

  /** `name`: "<provider id>/<instance>". */
  constructor(name: string, sidecar: SidecarClient) {
    this.#name = name;
    this.#sidecar = sidecar;
  }

  /** Before a round. A pause that is known holds without a sidecar, too. */
  async orders(signal: AbortSignal): Promise<SourceOrders> {
    return (
      (await this.#call(undefined, signal)) ?? {
        paused: this.#paused,
        resync: false,
        confirm: false,
      }
    );
  }

  async ended(summary: RefreshSummary, resynced: boolean, signal: AbortSignal): Promise<void> {
    const { added, changed, removed, heldRemovals, dropped } = summary;
    this.#totals.rounds += 1;
    this.#totals.added += added;
    this.#totals.changed += changed;
    this.#totals.removed += removed;
    this.#last = {
      entities: summary.entities ?? 0,
      heldRemovals,
      heldRefs: summary.heldRefs ?? [],
      dropped,
      degraded: summary.degraded ?? {},
    };
    const parts = Object.entries(this.#last.degraded);
    const error =
      parts.length > 0
        ? `${parts.length} of its parts cannot be read; ${parts[0][0]}: ${parts[0][1]}`
        : undefined;
    await this.#call({ ...this.#totals, ...this.#last, error, resynced }, signal);
  }

  async failed(error: Error, signal: AbortSignal): Promise<void> {
    this.#totals.rounds += 1;
    this.#totals.failures += 1;
    const report = { ...this.#totals, ...this.#last, error: error.message, resynced: false };
    await this.#call(report, signal);
  }

  /** Undefined when the sidecar does not answer. */
  async #call(
    report: SourceReport | undefined,
    signal: AbortSignal,
  ): Promise<SourceOrders | undefined> {
    if (Date.now() < this.#askAgainAt) {
      return undefined;
    }
    try {
      const orders = await this.#sidecar.reportSource({ name: this.#name, report }, { signal });
      this.#paused = orders.paused;
      return orders;
    } catch {
      this.#askAgainAt = Date.now() + ASK_AGAIN_MS;
      return undefined;
    }
  }
}
