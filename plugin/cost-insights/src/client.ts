import type { Cost, CostAlertData, MetricData, NamedRef, ProductInsight } from './types';

/** Where a plugin's backend is; an app's discoveryApi is one. */
export interface DiscoveryApi {
  getBaseUrl(pluginId: string): Promise<string>;
}

/** fetch with the user's token; an app's fetchApi is one. */
export interface FetchApi {
  fetch(input: string): Promise<Response>;
}

const part = encodeURIComponent;

/** Cost Insights' `CostInsightsApi` over Purser's costs: all nine methods. */
export class CostInsightsClient {
  readonly #discovery: DiscoveryApi;
  readonly #fetch: FetchApi;

  constructor(options: { discoveryApi: DiscoveryApi; fetchApi: FetchApi }) {
    this.#discovery = options.discoveryApi;
    this.#fetch = options.fetchApi;
  }

  async #get<T>(path: string): Promise<T> {
    const base = await this.#discovery.getBaseUrl('cost-insights-aws');
    const response = await this.#fetch.fetch(`${base}/v1${path}`);
    if (!response.ok) {
      const text = await response.text();
      throw new Error(`costs could not be read: ${response.status} ${text.slice(0, 500)}`);
    }
    return response.json() as Promise<T>;
  }

  async getLastCompleteBillingDate(): Promise<string> {
    return (await this.#get<{ date: string }>('/last-complete-billing-date')).date;
  }

  /** Groups of the signed-in user, whoever is named. */
  async getUserGroups(_userId: string): Promise<NamedRef[]> {
    return this.#get('/groups');
  }

  async getGroupProjects(group: string): Promise<NamedRef[]> {
    return this.#get(`/groups/${part(group)}/projects`);
  }

  async getCatalogEntityDailyCost(entityRef: string, intervals: string): Promise<Cost> {
    const match = /^([^:]+):([^/]+)\/(.+)$/.exec(entityRef);
    if (!match) {
      throw new Error(`${entityRef} is no entity ref`);
    }
    const [, kind, namespace, name] = match.map(part);
    return this.#get(`/entity/${namespace}/${kind}/${name}/${part(intervals)}`);
  }

  async getGroupDailyCost(group: string, intervals: string): Promise<Cost> {
    return this.#get(`/groups/${part(group)}/costs/${part(intervals)}`);
  }

  async getProjectDailyCost(project: string, intervals: string): Promise<Cost> {
    return this.#get(`/projects/${part(project)}/costs/${part(intervals)}`);
  }

  /** A metric is "name@entityRef"; one point per month. */
  async getDailyMetricData(metric: string, intervals: string): Promise<MetricData> {
    return this.#get(`/metrics/${part(metric)}/${part(intervals)}`);
  }

  async getProductInsights(options: {
    product: string;
    group: string;
    intervals: string;
    project: string | null;
  }): Promise<ProductInsight> {
    const query = new URLSearchParams({
      group: options.group,
      intervals: options.intervals,
      ...(options.project ? { project: options.project } : {}),
    });
    return this.#get(`/products/${part(options.product)}/insights?${query.toString()}`);
  }

  async getAlerts(group: string): Promise<CostAlertData[]> {
    return this.#get(`/groups/${part(group)}/alerts`);
  }
}
