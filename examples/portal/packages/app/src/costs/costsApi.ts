import { ResponseError } from '@backstage/errors';
import { createApiRef, type DiscoveryApi, type FetchApi } from '@backstage/frontend-plugin-api';
import type {
  ComparedCost,
  CostAnomaly,
  CostBudget,
  CostDimension,
  CostRow,
  CostStatus,
  ReconciledInvoice,
  TopCosts,
} from '@purser/plugin-purser-common';

/** Days, both inclusive, "2026-11-20". */
export interface Days {
  from: string;
  to: string;
}

/** "dimension=value"; values of one dimension are alternatives. */
export type Filters = string[];

/** What the portal's pages ask Purser about costs. Amounts are exact decimal texts. */
export class CostsClient {
  readonly #discovery: DiscoveryApi;
  readonly #fetch: FetchApi;

  constructor(options: { discoveryApi: DiscoveryApi; fetchApi: FetchApi }) {
    this.#discovery = options.discoveryApi;
    this.#fetch = options.fetchApi;
  }

  /** Which days have data. */
  status(): Promise<CostStatus> {
    return this.#get('status', {});
  }

  /** Sums by the dimensions; all pages of them. */
  query(days: Days, groupBy: CostDimension[], filter: Filters): Promise<CostRow[]> {
    return this.#all<CostRow>('query', { ...days, groupBy, filter, pageSize: '5000' });
  }

  /** The largest of a dimension, of each currency. */
  top(days: Days, dimension: CostDimension, limit: number, filter: Filters): Promise<TopCosts> {
    return this.#get('top', { ...days, dimension, limit: String(limit), filter });
  }

  /** Two ranges of days side by side. */
  async compare(
    days: Days,
    before: Days,
    dimension: CostDimension,
    filter: Filters,
  ): Promise<ComparedCost[]> {
    const { from: beforeFrom, to: beforeTo } = before;
    const query = { ...days, beforeFrom, beforeTo, dimension, filter };
    return (await this.#get<{ items: ComparedCost[] }>('compare', query)).items;
  }

  /** Budgets in their period of now: all, or those of one entity. */
  async budgets(of?: string): Promise<CostBudget[]> {
    return (await this.#get<{ items: CostBudget[] }>('budgets', of ? { of } : {})).items;
  }

  /** Entities whose cost is unlike the days before, the latest day first. */
  anomalies(days: Days, filter: Filters): Promise<CostAnomaly[]> {
    return this.#all<CostAnomaly>('anomalies', { ...days, filter });
  }

  /** Invoices of billing periods that begin in these days, and where they went. */
  async invoices(days: Days): Promise<ReconciledInvoice[]> {
    return (await this.#get<{ items: ReconciledInvoice[] }>('reconciliation', { ...days })).items;
  }

  /** The items of all pages. */
  async #all<T>(what: string, query: Record<string, string | string[]>): Promise<T[]> {
    const items: T[] = [];
    let pageToken: string | undefined;
    do {
      const page: { items: T[]; nextPageToken?: string } = await this.#get(what, {
        ...query,
        ...(pageToken ? { pageToken } : {}),
      });
      items.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken);
    return items;
  }

  async #get<T>(what: string, query: Record<string, string | string[]>): Promise<T> {
    const words = new URLSearchParams();
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) {
        words.append(name, value);
      }
    }
    const base = await this.#discovery.getBaseUrl('purser');
    const response = await this.#fetch.fetch(`${base}/v1/costs/${what}?${words.toString()}`);
    if (!response.ok) {
      throw await ResponseError.fromResponse(response);
    }
    return response.json() as Promise<T>;
  }
}

/** The portal's way to costs. */
export const costsApiRef = createApiRef<CostsClient>().with({ id: 'plugin.costs.client' });
