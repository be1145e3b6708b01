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
  async query(days: Days, groupBy: CostDimension[], filter: Filters): Promise<CostRow[]> {
    const rows: CostRow[] = [];
    let pageToken: string | undefined;
    do {
      const page = await this.#get<{ items: CostRow[]; nextPageToken?: string }>('query', {
        ...days,
        groupBy,
        filter,
        pageSize: '5000',
        ...(pageToken ? { pageToken } : {}),
      });
      rows.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken);
    return rows;
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

  /** What is unlike the days before: of all entities, or of what one owner owns. */
  async anomalies(day: string, owner?: string): Promise<CostAnomaly[]> {
    const whose = owner ? { dimension: 'owner', of: owner } : undefined;
    return (await this.#get<{ items: CostAnomaly[] }>('anomalies', { day, ...whose })).items;
  }

  /** Invoices of billing periods that begin in these days, and where they went. */
  async invoices(days: Days): Promise<ReconciledInvoice[]> {
    return (await this.#get<{ items: ReconciledInvoice[] }>('reconciliation', { ...days })).items;
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
