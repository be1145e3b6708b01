import { Readable } from 'node:stream';
import type { Permission } from '@backstage/plugin-permission-common';
import type { DocumentCollatorFactory, IndexableDocument } from '@backstage/plugin-search-common';
import {
  type CostAnomaly,
  type CostBudget,
  type Page,
  type PurserBlueprint,
  type PurserRequest,
  purserCostReadAllPermission,
  purserRequestCreatePermission,
  purserRequestReadPermission,
} from '@purser/plugin-purser-common';
import { addDays, type SidecarClient } from '@purser/plugin-purser-node';

/** Items of a page; a collator holds one page in memory. */
const PAGE_SIZE = 100;
/** Characters of JSON of a request's parameters that are searchable. */
const MAX_PARAMETERS_TEXT = 4_000;

/** Days whose anomalies are searchable: purserd looks at as many after each delivery. */
const ANOMALY_DAYS = 7;

/** A request in the search index. */
export interface PurserRequestDocument extends IndexableDocument {
  requestId: string;
  blueprint: string;
  owner: string;
  requester: string;
  state: string;
}

/** A blueprint in the search index. */
export interface PurserProductDocument extends IndexableDocument {
  blueprint: string;
}

/** Reads pages one after another, the next one only when the reader wants more. */
async function* paged<T>(fetch: (pageToken?: string) => Promise<Page<T>>): AsyncGenerator<T> {
  let pageToken: string | undefined;
  do {
    const page = await fetch(pageToken);
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken);
}

/** `/catalog/namespace/kind/name` of an entity ref; undefined when it is none. */
function catalogPath(entityRef: string | undefined): string | undefined {
  const match = /^([^:]+):([^/]+)\/(.+)$/.exec(entityRef ?? '');
  return match ? `/catalog/${match[2]}/${match[1]}/${match[3]}` : undefined;
}

export function requestDocument(request: PurserRequest): PurserRequestDocument {
  const { name } = request.parameters;
  return {
    title: typeof name === 'string' ? `${request.blueprint} ${name}` : request.blueprint,
    text: [
      request.id,
      request.state,
      request.owner,
      request.requester,
      request.entityRef ?? '',
      request.message,
      JSON.stringify(request.parameters).slice(0, MAX_PARAMETERS_TEXT),
    ].join(' '),
    // What a request makes shows it; one that makes nothing is found among the tasks. Backstage's
    // in-memory engine keeps one document per location over all types: no two may share one.
    location: `${catalogPath(request.entityRef) ?? '/create/tasks'}?request=${request.id}`,
    authorization: { resourceRef: request.id },
    requestId: request.id,
    blueprint: request.blueprint,
    owner: request.owner,
    requester: request.requester,
    state: request.state,
  };
}

export function productDocument(blueprint: PurserBlueprint): PurserProductDocument {
  return {
    title: blueprint.title || blueprint.name,
    text: `${blueprint.name} ${blueprint.description}`,
    location: `/create?product=${encodeURIComponent(blueprint.name)}`,
    blueprint: blueprint.name,
  };
}

class PagedCollatorFactory<T> implements DocumentCollatorFactory {
  constructor(
    readonly type: string,
    readonly visibilityPermission: Permission,
    private readonly fetch: (pageToken?: string) => Promise<Page<T>>,
    private readonly toDocument: (item: T) => IndexableDocument,
  ) {}

  async getCollator(): Promise<Readable> {
    const { fetch, toDocument } = this;
    async function* documents() {
      for await (const item of paged(fetch)) {
        yield toDocument(item);
      }
    }
    // A failed page fails the stream, and the search keeps the index it has.
    return Readable.from(documents(), { highWaterMark: PAGE_SIZE });
  }
}

/** Documents of type `purser-request`, shown to those who may read the request. */
export function createRequestCollatorFactory(sidecar: SidecarClient): DocumentCollatorFactory {
  return new PagedCollatorFactory(
    'purser-request',
    purserRequestReadPermission,
    pageToken => sidecar.listRequests({ pageSize: PAGE_SIZE, pageToken }),
    requestDocument,
  );
}

/** Documents of type `purser-product`, shown to those who may ask for products. */
export function createProductCollatorFactory(sidecar: SidecarClient): DocumentCollatorFactory {
  return new PagedCollatorFactory(
    'purser-product',
    purserRequestCreatePermission,
    pageToken => sidecar.listBlueprints({ pageSize: PAGE_SIZE, pageToken }),
    productDocument,
  );
}

/** A budget in the search index. */
export interface PurserBudgetDocument extends IndexableDocument {
  budget: string;
  owner: string;
}

/** An anomaly in the search index. */
export interface PurserAnomalyDocument extends IndexableDocument {
  day: string;
  owner: string;
}

const spentOf = ({ amount, currency, problem, spent, spentPercent }: CostBudget) =>
  problem
    ? `what is spent of ${amount} ${currency} is not known (${problem})`
    : `${spent} of ${amount} ${currency} (${spentPercent} %)`;

export function budgetDocument(budget: CostBudget): PurserBudgetDocument {
  return {
    title: `Budget ${budget.name}`,
    text: `${budget.of} ${budget.owner}: ${spentOf(budget)} from ${budget.fromDay} to ${budget.toDay}${budget.forecast ? `, ${budget.forecast} expected` : ''}`,
    location: `${catalogPath(budget.of) ?? '/catalog'}?budget=${encodeURIComponent(budget.name)}`,
    budget: budget.name,
    owner: budget.owner,
  };
}

export function anomalyDocument(anomaly: CostAnomaly): PurserAnomalyDocument {
  const cause = [anomaly.service, anomaly.sku, anomaly.region].filter(Boolean).join(' ');
  return {
    title: `Unusual cost of ${anomaly.of} on ${anomaly.day}`,
    text: `${anomaly.cost} instead of ${anomaly.expected} ${anomaly.currency}, owner ${anomaly.owner}; mostly ${cause}`,
    location: `${catalogPath(anomaly.of) ?? '/catalog'}?anomaly=${anomaly.id}`,
    day: anomaly.day,
    owner: anomaly.owner,
  };
}

/** Documents of type `purser-budget`, shown to those who may see all costs. */
export function createBudgetCollatorFactory(sidecar: SidecarClient): DocumentCollatorFactory {
  return new PagedCollatorFactory(
    'purser-budget',
    purserCostReadAllPermission,
    async () => ({ items: await sidecar.costs.budgets({}) }),
    budgetDocument,
  );
}

/** Documents of type `purser-anomaly`: those of the last days with data, as long as owners are told. */
export function createAnomalyCollatorFactory(sidecar: SidecarClient): DocumentCollatorFactory {
  return new PagedCollatorFactory(
    'purser-anomaly',
    purserCostReadAllPermission,
    async pageToken => {
      const { lastDay } = await sidecar.costs.status();
      if (!lastDay) {
        return { items: [] };
      }
      const { anomalies, nextPageToken } = await sidecar.costs.anomalies({
        fromDay: addDays(lastDay, 1 - ANOMALY_DAYS),
        toDay: lastDay,
        pageSize: PAGE_SIZE,
        ...(pageToken ? { pageToken } : {}),
      });
      return { items: anomalies, nextPageToken };
    },
    anomalyDocument,
  );
}
