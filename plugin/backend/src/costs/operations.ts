import { InputError } from '@backstage/errors';
import {
  type AllocatedCost,
  type ComparedCost,
  type CostAnomaly,
  type CostBudget,
  type CostDelivery,
  type CostDiff,
  type CostDimension,
  type CostEstimate,
  type CostForecast,
  type CostMeasure,
  type CostSource,
  type CostStatus,
  purserCostReadPermission,
  purserRequestCreatePermission,
  type ReconciledInvoice,
  type TopCosts,
  type UnitCost,
} from '@purser/plugin-purser-common';
import type { JsonObject } from '@backstage/types';
import type { Access, Operation } from '../operations';
import { entitiesOfFilters, parseFilters } from './filters';

/** Access to costs of the entities that `entitiesOf` names; all costs when it names none. */
export const costsOf = <TInput>(entitiesOf: (input: TInput) => string[]): Access => ({
  kind: 'costs',
  permission: purserCostReadPermission,
  entitiesOf: entitiesOf as (input: never) => string[],
});

export interface Days {
  from: string;
  to: string;
}

export interface Narrowed {
  /** "dimension=value"; several of one dimension are alternatives. */
  filter?: string[];
  currency?: string;
}

export interface TopCostsInput extends Days, Narrowed {
  dimension: CostDimension;
  measure?: CostMeasure;
  limit?: number;
}

export interface CompareCostsInput extends Days, Narrowed {
  dimension: CostDimension;
  beforeFrom?: string;
  beforeTo?: string;
}

export interface ForecastCostsInput extends Narrowed {
  measure?: CostMeasure;
  days?: number;
}

export interface BudgetsInput {
  of?: string;
  asOf?: string;
}

export interface AnomaliesInput {
  of?: string;
  day?: string;
  from?: string;
  to?: string;
  dimension?: CostDimension;
  filter?: string[];
  pageSize?: number;
  pageToken?: string;
}

export interface ExplainEntityInput {
  entityRef: string;
  month: string;
}

export interface ExplainChargeInput {
  columns: Record<string, string>;
}

export interface EstimateInput {
  product: string;
  parameters?: JsonObject;
}

export interface StatementInput extends Days {
  owner: string;
  currency?: string;
  format?: 'csv' | 'json' | 'html';
}

export interface UnitCostsInput extends Days {
  entityRef: string;
  metric: string;
  currency?: string;
}

export interface DiffCostsInput {
  source: string;
  /** Of the billing period, "2026-11". */
  month: string;
  before?: number;
  after?: number;
  groupBy?: CostDimension[];
}

/** What fewer things cost says what those of somebody else cost. */
const LEAST_LIKE_THINGS = 5;

function operation<TInput, TOutput>(definition: Operation<TInput, TOutput>) {
  return definition;
}

const byFilter = <TInput extends Narrowed>() =>
  costsOf<TInput>(({ filter }) => entitiesOfFilters(filter));
const byName = <TInput extends { of?: string }>() => costsOf<TInput>(({ of }) => (of ? [of] : []));
const everything = costsOf<object>(() => []);

/** What costs mean. Each answer changes only with the data: routes give it an ETag. */
export const costOperations = {
  topCosts: operation<TopCostsInput, TopCosts>({
    access: byFilter<TopCostsInput>(),
    run: ({ purser, signal }, { from, to, filter, ...rest }) =>
      purser.sidecar.costs.top(
        { fromDay: from, toDay: to, filters: parseFilters(filter), ...rest },
        { signal },
      ),
  }),

  compareCosts: operation<CompareCostsInput, { items: ComparedCost[] }>({
    access: byFilter<CompareCostsInput>(),
    async run({ purser, signal }, { from, to, beforeFrom, beforeTo, filter, ...rest }) {
      if ((beforeFrom === undefined) !== (beforeTo === undefined)) {
        throw new InputError('beforeFrom and beforeTo go together');
      }
      const items = await purser.sidecar.costs.compare(
        {
          fromDay: from,
          toDay: to,
          ...(beforeFrom ? { beforeFromDay: beforeFrom, beforeToDay: beforeTo } : {}),
          filters: parseFilters(filter),
          ...rest,
        },
        { signal },
      );
      return { items };
    },
  }),

  reconcileCosts: operation<Days, { items: ReconciledInvoice[] }>({
    access: everything,
    run: async ({ purser, signal }, { from, to }) => ({
      items: await purser.sidecar.costs.reconcile({ fromDay: from, toDay: to }, { signal }),
    }),
  }),

  explainEntityCosts: operation<ExplainEntityInput, { items: AllocatedCost[] }>({
    access: costsOf<ExplainEntityInput>(({ entityRef }) => [entityRef]),
    run: async ({ purser, signal }, input) => ({
      items: await purser.sidecar.costs.explainEntity(input, { signal }),
    }),
  }),

  explainCharge: operation<ExplainChargeInput, object>({
    access: everything,
    run: ({ purser, signal }, { columns }) =>
      purser.sidecar.costs.explainCharge(columns, { signal }),
  }),

  forecastCosts: operation<ForecastCostsInput, { lastDay: string; forecasts: CostForecast[] }>({
    access: byFilter<ForecastCostsInput>(),
    run: ({ purser, signal }, { filter, ...rest }) =>
      purser.sidecar.costs.forecast({ filters: parseFilters(filter), ...rest }, { signal }),
  }),

  listBudgets: operation<BudgetsInput, { items: CostBudget[] }>({
    access: byName<BudgetsInput>(),
    run: async ({ purser, signal }, input) => ({
      items: await purser.sidecar.costs.budgets(input, { signal }),
    }),
  }),

  listAnomalies: operation<
    AnomaliesInput,
    { day: string; items: CostAnomaly[]; nextPageToken?: string }
  >({
    access: costsOf<AnomaliesInput>(({ of, filter }) => (of ? [of] : entitiesOfFilters(filter))),
    async run({ purser, signal }, { from, to, filter, ...rest }) {
      const { day, anomalies, nextPageToken } = await purser.sidecar.costs.anomalies(
        { fromDay: from ?? '', toDay: to ?? '', filters: parseFilters(filter), ...rest },
        { signal },
      );
      return { day, items: anomalies, ...(nextPageToken ? { nextPageToken } : {}) };
    },
  }),

  estimateCosts: operation<EstimateInput, CostEstimate>({
    access: { kind: 'permission', permission: purserRequestCreatePermission },
    async run({ purser, signal, seesAllCosts }, { product, parameters = {} }) {
      const estimate = await purser.sidecar.costs.estimate({ product, parameters }, { signal });
      if (estimate.observed.length === 0 || (await seesAllCosts())) {
        return estimate;
      }
      const observed = estimate.observed.filter(({ entities }) => entities >= LEAST_LIKE_THINGS);
      return { ...estimate, observed };
    },
  }),

  getStatement: operation<StatementInput, { text: string; mediaType: string }>({
    access: costsOf<StatementInput>(({ owner }) => [owner]),
    run: ({ purser, signal }, { from, to, ...rest }) =>
      purser.sidecar.costs.statement({ fromDay: from, toDay: to, ...rest }, { signal }),
  }),

  getUnitCosts: operation<UnitCostsInput, { items: UnitCost[] }>({
    access: costsOf<UnitCostsInput>(({ entityRef }) => [entityRef]),
    run: async ({ purser, signal }, { from, to, ...rest }) => ({
      items: await purser.sidecar.costs.unitCosts(
        { fromDay: from, toDay: to, ...rest },
        { signal },
      ),
    }),
  }),

  listCostDeliveries: operation<{ source?: string }, { items: CostDelivery[] }>({
    access: everything,
    run: async ({ purser, signal }, input) => ({
      items: await purser.sidecar.costs.deliveries(input, { signal }),
    }),
  }),

  diffCosts: operation<DiffCostsInput, CostDiff>({
    access: everything,
    run: ({ purser, signal }, { month, ...rest }) =>
      purser.sidecar.costs.diff({ billingPeriod: `${month}-01`, ...rest }, { signal }),
  }),

  listCostSources: operation<object, { items: CostSource[] }>({
    access: everything,
    run: async ({ purser, signal }) => ({
      items: await purser.sidecar.costs.sources({ signal }),
    }),
  }),

  getCostStatus: operation<object, CostStatus>({
    access: { kind: 'someCosts', permission: purserCostReadPermission },
    run: ({ purser, signal }) => purser.sidecar.costs.status({ signal }),
  }),
};
